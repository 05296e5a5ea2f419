"""A session, seen from a driver: what a kernel, a script or the terminal holds to use a cluster."""

from __future__ import annotations

import contextlib
import logging
import platform
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import TypeVar

import farcell_runtime
from farcell_runtime.config import Config
from farcell_runtime.errors import FarcellError, SessionLost, SessionTaken, VersionMismatch
from farcell_runtime.launch import Launch, living_session
from farcell_runtime.leftovers import head_of
from farcell_runtime.messages import Shape
from farcell_runtime.process import ProcessId
from farcell_runtime.transport import farcell_pb2 as pb
from farcell_runtime.transport.client import HeadClient
from farcell_runtime.transport.session_file import SessionFile

log = logging.getLogger(__name__)

_STOP_S = 15.0
_ADMIT_S = 10.0  # how long a head may take to say that a driver may have the session
_POLL_S = 0.02
_T = TypeVar("_T")


class Session:
    """A connection to a head. It stays valid until the head stops or `close` is called.

    Callbacks run on a background thread; they must be quick, and must not wait for this session.
    """

    def __init__(
        self,
        file: SessionFile,
        *,
        driver: bool = True,
        watcher: str = "driver",
        notebook: str = "",
        take: bool = False,
        process: subprocess.Popen[bytes] | None = None,
    ) -> None:
        """See ``attach``; of a driver, ``admitted`` is to be waited for."""
        self.file = file
        self._process = process
        self._head = HeadClient(file.address, file.token)
        self._on_exit: list[Callable[[pb.WorkerExit], None]] = []
        self._on_gang: list[Callable[[pb.Gang], None]] = []
        self._on_lost: list[Callable[[SessionLost], None]] = []
        self._gangs: dict[str, pb.Gang] = {}
        self._lost: SessionLost | None = None
        self._closed = False
        self._cancel_watch: Callable[[], None] | None = None
        self._admitted: Future[int] = Future()
        if driver:
            own = ProcessId.own()
            told = pb.Driver(name=watcher, pid=own.pid, started=own.started, notebook=notebook)
            events, self._cancel_watch = self._head.watch(watcher, driver=told, take=take)
            threading.Thread(
                target=self._watch, args=(events,), name="farcell-watch", daemon=True
            ).start()

    # ---- beginnings and ends ----------------------------------------------------------------

    @classmethod
    def start(cls, key: str, config: Config | None = None, notebook: str = "") -> Session:
        """Start a head of its own for ``key``, and attach to it.

        Raises:
            UsageError: if there is a session for ``key``, or the settings can't be used.
            SessionLost: if the head could not start; it says why.
        """
        launch = Launch.begin(key, config or Config.from_environment(), notebook)
        return cls.join(launch, watcher=key, notebook=notebook)

    @classmethod
    def join(cls, launch: Launch, *, watcher: str = "driver", notebook: str = "") -> Session:
        """Attach to a head that was started with `Launch.begin`, when it is ready."""
        file = launch.wait()
        return cls(file, process=launch.process, watcher=watcher, notebook=notebook)._drive()

    @classmethod
    def attach(
        cls,
        file: SessionFile,
        *,
        driver: bool = True,
        watcher: str = "driver",
        notebook: str = "",
        take: bool = False,
    ) -> Session:
        """Attach to a running head.

        Args:
            file: where it is.
            driver: whether this is to drive the session, which it keeps from stopping. A session
                has one driver.
            watcher: who this is, and
            notebook: the path of its notebook, for others to see.
            take: take the session from the process that drives it, if one does.

        Raises:
            SessionHeld: if another process drives it.
            SessionLost: if the head is gone.
            VersionMismatch: if it runs another version of farcell or of Python.
            AuthError: if it does not accept the file's token.
        """
        if not head_of(file).alive():
            raise SessionLost(
                f"the head of session '{file.key}' is gone",
                hint="start a new one with %cluster start",
            )
        _compare_versions(file)
        session = cls(file, driver=driver, watcher=watcher, notebook=notebook, take=take)
        if driver:
            return session._drive()
        try:
            session.snapshot()
        except FarcellError:
            session.close()
            raise
        return session

    def _drive(self) -> Session:
        """Wait until the head lets this process drive the session."""
        try:
            self._head.speak_as(self._admitted.result(_ADMIT_S))
        except TimeoutError:
            self.close()
            raise SessionLost(
                f"the head of session '{self.file.key}' does not answer",
                hint=f"farcell stop --session {self.file.key} ends it",
            ) from None
        except BaseException:
            self.close()
            raise
        return self

    @property
    def tenure(self) -> int:
        """The number that workers know this driver by."""
        return self._admitted.result(0)

    @staticmethod
    def find(key: str) -> SessionFile | None:
        """The file of the session of ``key``, if its head runs: to be given to `attach`."""
        return living_session(key)

    def stop(self, reason: str) -> None:
        """Stop the cluster; returns when its head, and with it all else, is gone.

        A head that does not answer, or does not end, is ended with a signal.

        Raises:
            SessionTaken: if another process has it by now; it goes on.
        """
        if isinstance(self._lost, SessionTaken):
            raise self._lost
        self._closed = True
        taken: list[SessionTaken] = []
        asking = threading.Thread(
            target=self._ask_to_stop, args=(reason, taken), name="farcell-stop", daemon=True
        )
        asking.start()
        asking.join(_STOP_S)
        if taken:
            self.close()
            raise taken[0]
        head = head_of(self.file)
        if not self._wait_for_head(_STOP_S):
            log.warning("the head (process %d) did not stop in %g s: killed", head.pid, _STOP_S)
            head.send_signal(signal.SIGKILL)
            self._wait_for_head(_STOP_S)
        if self._process is not None:
            self._process.terminate()  # the lease of a head that was killed is over
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_STOP_S)
        self.close()

    def _ask_to_stop(self, reason: str, taken: list[SessionTaken]) -> None:
        try:
            self._head.stop(reason)
        except SessionTaken as error:
            taken.append(error)
        except FarcellError:
            head_of(self.file).send_signal(signal.SIGTERM)  # nothing if it is gone already

    def detach(self) -> None:
        """Let go on purpose: nobody finds this session by itself. It goes on, as with ``close``.

        Raises:
            SessionTaken: if another process has it by now.
        """
        self._closed = True
        try:
            self._head.detach()
        finally:
            self.close()

    def close(self) -> None:
        """Go away. The cluster goes on until it is idle for too long."""
        self._closed = True
        if self._cancel_watch is not None:
            self._cancel_watch()
        self._head.close()

    def _wait_for_head(self, timeout_s: float) -> bool:
        # The child of its reaper: the system lets us only ask.
        pause = threading.Event()
        for _ in range(int(timeout_s / _POLL_S)):
            if not head_of(self.file).alive():
                return True
            pause.wait(_POLL_S)
        return False

    # ---- the cluster ------------------------------------------------------------------------

    def gang(self, shape: Shape) -> pb.Gang:
        """The gang of that shape, placed and ready; one that is open already answers at once.

        Raises:
            PlacementError: if there is no room for it.
            UsageError: if the shape makes no sense, or a gang of that name has another one.
            SessionLost: if the head is gone.
        """
        return self._head.open_gang(
            pb.GangRequest(name=shape.name, ranks=shape.ranks, gpus=shape.gpus, cpus=shape.cpus)
        )

    def restart(self, gang: str) -> pb.Gang:
        """Kill the gang's workers; the answer is the gang with fresh ones, ready."""
        return self._head.restart_gang(gang)

    def close_gang(self, gang: str) -> None:
        """Kill the gang's workers and free what they hold."""
        self._head.close_gang(gang)

    def interrupt(self, gang: str, run: str) -> None:
        """Interrupt the ranks that are in ``run``; the others don't notice."""
        self._head.interrupt(gang, run)

    def scale(self, workers: int) -> None:
        """Let the session hold so many workers at once."""
        self._head.scale(workers)

    def snapshot(self) -> pb.Snapshot:
        """All there is to know of the cluster now."""
        return self._head.snapshot()

    def report_run(self, report: pb.RunReport) -> None:
        """Tell the head about a run; for the panel and the terminal."""
        self._head.report_run(report)

    # ---- what happens to it -----------------------------------------------------------------

    @property
    def lost(self) -> SessionLost | None:
        """Why the session is over, if it is and was not closed from here."""
        return self._lost

    @property
    def gangs(self) -> dict[str, pb.Gang]:
        """The gangs as last told by the head, by name."""
        return dict(self._gangs)

    def on_exit(self, callback: Callable[[pb.WorkerExit], None]) -> None:
        """Have every worker that ends told to ``callback``."""
        self._on_exit.append(callback)

    def on_gang(self, callback: Callable[[pb.Gang], None]) -> None:
        """Have every change of a gang told to ``callback``, and now what there is."""
        self._on_gang.append(callback)
        for gang in self.gangs.values():
            callback(gang)

    def on_lost(self, callback: Callable[[SessionLost], None]) -> None:
        """Have the end of the session told to ``callback``, unless it is ended from here."""
        self._on_lost.append(callback)
        if self._lost is not None:
            callback(self._lost)

    def _watch(self, events: Iterator[pb.HeadEvent]) -> None:
        reason = ""
        try:
            for event in events:
                match event.WhichOneof("kind"):
                    case "gang_changed":
                        self._see_gang(event.gang_changed)
                    case "worker_exited":
                        _call(self._on_exit, event.worker_exited)
                    case "stopping":
                        reason = event.stopping.reason
                    case "attached":
                        self._admitted.set_result(event.attached.tenure)
                    case "taken":
                        self._lose(_taken(self.file, event.taken))
                        return
        except FarcellError as error:
            reason = reason or error.message
            if not self._admitted.done():
                self._admitted.set_exception(error)
        if not self._admitted.done():
            self._admitted.set_exception(SessionLost(f"the head ended: {reason or 'no reason'}"))
        if self._closed:
            return
        self._wait_for_head(_STOP_S)  # its socket has ended: it has nothing left to wait for
        self._lose(
            SessionLost(
                f"the cluster is gone: {reason or 'its head ended'}",
                hint="start a new one with %cluster start",
            )
        )
        if self._process is not None:
            self._process.wait()  # its reaper ends with the last of its processes

    def _lose(self, lost: SessionLost) -> None:
        self._lost = lost
        _call(self._on_lost, lost)

    def _see_gang(self, gang: pb.Gang) -> None:
        if gang.state == "closed":
            self._gangs.pop(gang.name, None)
        else:
            self._gangs[gang.name] = gang
        _call(self._on_gang, gang)


def _call(callbacks: list[Callable[[_T], None]], value: _T) -> None:
    for callback in list(callbacks):
        try:
            callback(value)
        except Exception:
            # One of several listeners on a thread that must go on for the others.
            log.exception("a callback failed")


def _taken(file: SessionFile, by: pb.Driver) -> SessionTaken:
    who = f"process {by.pid}" + (f" ({by.notebook})" if by.notebook else "")
    return SessionTaken(
        f"session '{file.name}' was taken over by {who}: it drives it now",
        hint=f"%cluster attach {file.name} --take takes it back, %cluster start starts another",
    )


def _compare_versions(file: SessionFile) -> None:
    ours, theirs = farcell_runtime.__version__, file.farcell
    if theirs != ours:
        raise VersionMismatch(
            f"session '{file.key}' runs farcell {theirs}, this process has {ours}",
            theirs=theirs,
            ours=ours,
            remedy=f"stop it with `farcell stop --session {file.key}`, and start a new one",
        )
    ours, theirs = platform.python_version(), file.python
    if theirs.split(".")[:2] != ours.split(".")[:2]:
        raise VersionMismatch(
            f"session '{file.key}' runs Python {theirs}, this process has {ours}",
            theirs=theirs,
            ours=ours,
            remedy="use a kernel of the same Python, or restart the session from this one",
        )
