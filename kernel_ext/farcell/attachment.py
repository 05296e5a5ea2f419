"""The session that this kernel drives: found, begun, attached to on purpose, and let go of."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future

from farcell.durations import duration_text
from farcell.gang import Gang
from farcell.journal import RunJournal
from farcell.reports import RunReports
from farcell_runtime.config import Config
from farcell_runtime.errors import FarcellError, SessionHeld, SessionLost, SessionTaken, UsageError
from farcell_runtime.launch import Launch, living_session
from farcell_runtime.ownership import began, fresh_key, is_driven, own_sessions, quoted
from farcell_runtime.session import Session
from farcell_runtime.transport import farcell_pb2 as pb
from farcell_runtime.transport.session_file import SessionFile

_TELL_AFTER_S = 1.0

News = pb.WorkerExit | pb.Gang | SessionLost
# What a session holds, and what became of runs that it may not have been told of.
Found = tuple[pb.Snapshot, list[pb.RunReport]]


class Attachment:
    """Drives one session at a time, or none.

    Args:
        key: what this kernel is known by.
        path: its notebook's; empty if nobody knows.
        launch: a head that was started already, if there is one.
        heard: is told, on another thread, what happens in the session.
        reports: tells the session of runs.

    Attributes:
        config: what a session that is begun is begun with.
    """

    def __init__(
        self,
        key: str,
        path: str,
        launch: Launch | None,
        heard: Callable[[News], None],
        reports: RunReports,
    ) -> None:
        self.config = Config.from_environment()
        self._key = key
        self._path = path
        self._launch = launch
        self._heard = heard
        self._reports = reports
        self._future: Future[Session] | None = None
        self._current: Session | None = None
        self._found: Found | None = None
        self._owed: SessionTaken | None = None
        self._lock = threading.RLock()

    # ---- beginnings -------------------------------------------------------------------------

    def start(self, config: Config | None = None, *, own: bool = False) -> None:
        """Start a session, or attach to the one that this notebook has, in the background.

        Args:
            own: where another kernel has that one, start one of this kernel's own.

        Raises:
            UsageError: if there is one that has other settings.
        """
        with self._lock:
            if self.running:
                if config is not None and config != self.config:
                    raise UsageError(
                        "this notebook has a cluster already, with other settings",
                        hint="%cluster stop first; that loses the names that live there",
                    )
                return
            self.config = config or self.config
            self._owed = None
            future: Future[Session] = Future()
            self._future = future
            threading.Thread(
                target=self._open, args=(future, own), name="farcell-start", daemon=True
            ).start()

    def attach(self, file: SessionFile, *, take: bool) -> Session:
        """Attach to a session; the one that this kernel has must have been let go of after.

        Raises:
            SessionHeld: if another process drives it, and it is not to be taken from that.
            SessionLost: if it is gone.
        """
        try:
            return self._attach(file, take=take)
        except SessionHeld:
            raise SessionHeld(
                f"session {file.name!r} is driven by {_who(file)}",
                hint=f"%cluster attach {quoted(file.name)} --take takes it over from there",
            ) from None

    def turn_to(self, session: Session) -> None:
        """Have this be the session that this kernel drives."""
        with self._lock:
            self._take_over(session)
            self._owed = None
            future: Future[Session] = Future()
            future.set_result(session)
            self._future = future
            self._listen(session)

    def _take_over(self, session: Session) -> None:
        try:
            snapshot = session.snapshot()
            journal = RunJournal(session.file.folder)
            self._found = snapshot, journal.reports()
            self._reports.keep_in(journal)
        except BaseException:
            session.close()  # or this process would keep it from everybody
            raise

    def _join(self) -> Session:
        session = Session.join(self._launched(), watcher=self._key, notebook=self._path)
        self._reports.keep_in(RunJournal(session.file.folder))
        return session

    def _open(self, future: Future[Session], own: bool) -> None:
        try:
            session = self._found_session(own) or self._join()
        except BaseException as error:
            future.set_exception(error)
            return
        self._listen(session)
        future.set_result(session)

    def _launched(self) -> Launch:
        launch, self._launch = self._launch, None
        return launch or Launch.begin(fresh_key(self._key), self.config, self._path)

    def _found_session(self, own: bool) -> Session | None:
        """The session of this kernel or its notebook, if it has one that is free."""
        if self._launch is not None:
            return None
        for file in sorted(own_sessions(self._key, self._path), key=is_driven):
            try:
                session = self._attach(file)
            except SessionHeld:
                if own:
                    continue
                raise _choice(file) from None
            except SessionLost:
                continue
            self._take_over(session)
            return session
        return None

    def _attach(self, file: SessionFile, *, take: bool = False) -> Session:
        return Session.attach(file, watcher=self._key, notebook=self._path, take=take)

    # ---- the session ------------------------------------------------------------------------

    @property
    def running(self) -> bool:
        """Whether there is a session, or one on its way."""
        return self._future is not None and not _is_over(self._future)

    def session(self) -> Session:
        """The session, waited for if it must be, and started if there is none.

        Raises:
            SessionLost: if it could not be started.
            SessionTaken: once, if another process has taken it.
            SessionHeld: if another kernel of this notebook has it.
        """
        if (owed := self._owed) is not None:
            self._owed = None
            raise owed
        if not self.running:
            self.start()
        future = self._future
        assert future is not None
        started_s = time.monotonic()
        while not future.done():
            with contextlib.suppress(TimeoutError):
                future.exception(timeout=_TELL_AFTER_S)
            if not future.done() and time.monotonic() - started_s < 2 * _TELL_AFTER_S:
                print("farcell: waiting for the cluster to start …", file=sys.stderr)
        try:
            return future.result()
        except FarcellError:
            self._future = None
            raise

    def now(self) -> Session:
        """The session, if there is one.

        Raises:
            SessionLost: if there is none.
        """
        future = self._future
        if future is None or not future.done():
            raise SessionLost("there is no cluster", hint="%cluster start")
        return future.result()

    def folder(self) -> str:
        """The session's folder; empty while there is none."""
        with contextlib.suppress(FarcellError):
            session = self.now()
            return "" if session.lost is not None else session.file.folder
        return ""

    # What is for a session that may be over: whoever follows a run there hears of that by itself.

    def report(self, report: pb.RunReport) -> None:
        with contextlib.suppress(FarcellError):
            self.now().report_run(report)

    def interrupt(self, gang: str, run: str) -> None:
        with contextlib.suppress(FarcellError):
            self.now().interrupt(gang, run)

    def kill(self, gang: Gang) -> None:
        """Give a gang fresh workers."""
        with contextlib.suppress(FarcellError):
            self.now().restart(gang.name)

    def wait(self, timeout_s: float) -> None:
        """Wait for the session that is on its way.

        Raises:
            TimeoutError: if it takes longer.
            FarcellError: why it does not come.
        """
        if self._future is not None:
            self._future.result(timeout_s)

    def take_found(self) -> Found | None:
        """What the session held before this kernel attached to it; told once."""
        if self._future is None or not self._future.done():
            return None
        found, self._found = self._found, None
        return found

    def is_own(self, session: Session) -> bool:
        """Whether the session was begun by this kernel or for its notebook."""
        file = session.file
        return began(file, self._key) or bool(self._path and file.notebook == self._path)

    # ---- ends -------------------------------------------------------------------------------

    def stop(self, reason: str) -> None:
        """Stop the session, with all that lives on it, if there is one."""
        if (session := self._release()) is not None:
            session.stop(reason)

    def shut_down(self, reason: str) -> None:
        """The kernel ends for good: stop a session of its own, and let go of another's."""
        if (session := self._release()) is None:
            return
        if self.is_own(session):
            session.stop(reason)
        else:
            session.detach()

    def leave(self) -> Session | None:
        """Let go of the session, if there is one; it goes on.

        Raises:
            SessionTaken: if another process has it by now.
        """
        if (session := self._release()) is not None:
            session.detach()
        return session

    def ended(self, lost: SessionLost) -> None:
        """The session is over for this kernel."""
        if self._future is not None and not _is_over(self._future):
            return  # there is another one by now
        self._future = None
        self._reports.keep_in(None)
        if isinstance(lost, SessionTaken):
            self._owed = lost

    def _release(self) -> Session | None:
        with self._lock:
            future, self._future = self._future, None
            self._current = None
            self._reports.keep_in(None)
        return future.result() if future is not None else None

    def _listen(self, session: Session) -> None:
        self._current = session

        def heard(news: News) -> None:
            if self._current is session:
                self._heard(news)

        session.on_exit(heard)
        session.on_gang(heard)
        session.on_lost(heard)


def _is_over(future: Future[Session]) -> bool:
    if not future.done():
        return False
    return future.exception() is not None or future.result().lost is not None


def _choice(file: SessionFile) -> SessionHeld:
    name = quoted(file.name)
    return SessionHeld(
        f"another kernel of this notebook is alive and drives its session {file.name!r}: "
        f"{_who(file)}",
        hint=f"%cluster attach {name} --take takes it over, with all names, from that kernel; "
        "%cluster start gives this kernel a session of its own",
    )


def _who(file: SessionFile) -> str:
    """The process that drives a session as of now: somebody may just have been faster."""
    file = living_session(file.key) or file
    if not file.driver_pid:
        return "another process"
    for_s = max(0.0, time.time() - file.driven_since_s)
    return f"process {file.driver_pid}, for {duration_text(for_s)}"
