"""A notebook and its cluster: everything of farcell's that belongs to one IPython shell."""

from __future__ import annotations

import contextlib
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from typing import Any

from farcell.adoption import Adoption
from farcell.attachment import Attachment, News
from farcell.cells import Cells
from farcell.clashes import meet
from farcell.comms import Comms
from farcell.durations import duration_text
from farcell.failures import TracebackHook, errors_shown
from farcell.freeing import free, freeable
from farcell.gang import Gang, shape_of
from farcell.inspection import Inspection
from farcell.late_output import LateOutput
from farcell.listing import Listing
from farcell.losses import losses
from farcell.names import Names
from farcell.options import runs_remotely
from farcell.project_code import ProjectCode
from farcell.provenance_file import ProvenanceFile
from farcell.receipt import Receipts
from farcell.recorder import Recorder
from farcell.recovery import Recovery
from farcell.reports import RunReports
from farcell.stops import stops_held
from farcell_runtime import codec
from farcell_runtime.config import Config
from farcell_runtime.errors import (
    ConnectError,
    FarcellError,
    SessionLost,
    SessionTaken,
    UsageError,
)
from farcell_runtime.launch import Launch
from farcell_runtime.messages import Shape
from farcell_runtime.ownership import named, quoted
from farcell_runtime.segments import Pool
from farcell_runtime.session import Session
from farcell_runtime.transport import farcell_pb2 as pb

_CONNECT_TRIES, _CONNECT_AGAIN_S = 3, 0.1
_ATTACH_S = 5.0
_MOST_FREE_BYTES = 1 << 30  # of shared memory, kept for the next values


class Notebook:
    """What ``%load_ext farcell`` makes.

    Args:
        key: what the kernel is known by.
        path: the notebook's; empty if nobody knows.
        launch: a head that was started already, if there is one.
    """

    def __init__(self, shell: Any, key: str, path: str, launch: Launch | None = None) -> None:
        self.shell = shell
        self.key = key
        self._reports = RunReports(lambda report: self._attachment.report(report))
        self._attachment = Attachment(key, path, launch, self._heard, self._reports)
        self._pool = Pool(tempfile.gettempdir(), _MOST_FREE_BYTES)
        config = self._attachment.config
        self.receipts = Receipts(shell, on=config.receipts)
        self.code = ProjectCode(self.receipts)
        self.names = Names(
            shell, self._gang_named, self._pool, config.fetch_limit_bytes, self.receipts
        )
        self._memory = ProvenanceFile(self.names.provenance, self._attachment.folder)
        self._recorder = Recorder(shell, self.names.provenance, self._memory.write)
        self._gangs: dict[str, Gang] = {}
        self._shapes: dict[str, Shape] = {}
        self._broken: dict[str, list[str]] = {}  # the workers of gangs whose connection broke
        self._news: list[News] = []
        self._lock = threading.RLock()
        self._tracebacks = TracebackHook(shell, self.receipts.show)
        self._late = LateOutput(shell)
        self._comms = Comms(
            shell, self._late, busy=self._is_busy, interrupt=self._attachment.interrupt
        )
        self.cells = Cells(
            shell,
            self.names,
            self._reports,
            self._late,
            self._comms,
            self.receipts,
            self.code,
            gang=self.gang,
            config=lambda: self._attachment.config,
            take_changes=self._take_changes,
            take_news=self._take_news,
            interrupt=self._attachment.interrupt,
            kill=self._attachment.kill,
            is_there=lambda gang: self._gangs.get(gang.name) is gang,
            settled=self._memory.settled,
        )
        self.inspection = Inspection(shell, self.names, self._gang_that_answers, self._is_busy)
        self._listing = Listing(shell, self.names, self.inspection)
        self._adoption = Adoption(
            self.names,
            self.cells,
            self._late,
            notice_bytes=config.memory_notice_bytes,
            connect=self._talk_to,
            is_there=self._is_there,
            register=self._take_found,
            lose=self.lose_gang,
            report=self._attachment.report,
        )

    # ---- beginnings and ends ----------------------------------------------------------------

    def install(self) -> None:
        """Hook into the shell, and start the cluster in the background."""
        self._tracebacks.install()
        self.names.install()
        self.names.results.install()
        self.inspection.install()
        self._listing.install()
        self.code.install()
        codec.use_cell_numbers(self.shell.compile._filename_map)
        self.shell.events.register("pre_run_cell", self._before_cell)
        self.shell.events.register("post_run_cell", self._after_cell)
        self.start()

    def uninstall(self) -> None:
        """Unhook from the shell, and stop the cluster."""
        self.shell.events.unregister("pre_run_cell", self._before_cell)
        self.shell.events.unregister("post_run_cell", self._after_cell)
        self.code.uninstall()
        self._listing.uninstall()
        self.inspection.uninstall()
        self.names.results.uninstall()
        self.names.uninstall()
        self._tracebacks.uninstall()
        self._late.end()
        self._memory.close()
        with contextlib.suppress(FarcellError):
            self.shut_down("farcell was unloaded")

    def start(self, config: Config | None = None, *, own: bool = False) -> None:
        """Start a cluster, or attach to the one that this notebook has, in the background.

        Args:
            own: where another kernel has that one, start one of this kernel's own.

        Raises:
            UsageError: if there is one that has other settings.
        """
        self._attachment.start(config, own=own)

    def stop(self, reason: str = "stopped from its notebook") -> None:
        """Stop the cluster, with all that lives on it."""
        try:
            self._attachment.stop(reason)
        finally:  # of an impatient person too: it has been asked to stop
            self._forget_gangs("the cluster was stopped")

    def shut_down(self, reason: str) -> None:
        """The kernel ends for good: stop the cluster, or let go of one that is another's."""
        self._attachment.shut_down(reason)
        self._forget_gangs(reason)

    @property
    def running(self) -> bool:
        """Whether there is a cluster, or one on its way."""
        return self._attachment.running

    def session(self) -> Session:
        """The session, waited for if it must be, and started if there is none.

        Raises:
            SessionLost: if it could not be started, or was taken from this kernel.
            SessionHeld: if another kernel of this notebook has it.
        """
        self._take_news()
        return self._attachment.session()

    def attach(self, name: str, *, take: bool = False) -> str:
        """Attach this kernel to the session of that name, and let go of its own; in words.

        Raises:
            UsageError: if there is none.
            SessionHeld: if another process drives it, and it is not to be taken from that.
            SessionLost: if it is gone.
        """
        self._take_news()
        here = self._attachment.session() if self.running else None
        current = here.file.session if here is not None else ""
        file = named(name, current)
        if file.session == current:
            return f"this kernel is attached to session {file.name!r} already"
        session = self._attachment.attach(file, take=take)
        try:
            told = f"{self.leave()}; " if here is not None else ""
        except BaseException:
            session.close()
            raise
        self._attachment.turn_to(session)
        self._adopt()
        return f"{told}attached to session {file.name!r}"

    def leave(self) -> str:
        """Let go of the session: it goes on, with its runs, and its names are not here any more.

        One that nothing was ever run on is stopped. The answer says which it was.

        Raises:
            UsageError: if there is none.
        """
        self._take_news()
        if not self.running:
            raise UsageError(
                "this kernel is attached to no session", hint="%cluster attach lists them"
            )
        self.cells.tell_reports()
        session = self._attachment.session()
        name = session.file.name
        snapshot = session.snapshot()
        if not (snapshot.runs or self._all_gangs()) and self._attachment.is_own(session):
            self._attachment.stop("left unused")
            self._forget_gangs(f"session {name!r}, on which nothing had run, was stopped")
            return f"stopped session {name!r}, on which nothing had run"
        why = f"it is on session {name!r}, which this kernel has let go of"
        try:
            self._attachment.leave()
        finally:  # of an impatient person too
            self._forget_gangs(f"{why} (%cluster attach {quoted(name)})", lost=False)
            self.cells.abandon()
        idle_s = snapshot.idle_stop_s
        until = (
            f", until it has been without a kernel for {duration_text(idle_s)}" if idle_s else ""
        )
        return f"let go of session {name!r}, which goes on{until}"

    # ---- gangs ------------------------------------------------------------------------------

    def gang(self, shape: Shape) -> Gang:
        """The gang of that shape, with a conversation open to each of its workers."""
        session = self.session()
        gang = self._gangs.get(shape.gang)
        if gang is not None and (why := gang.broken):
            self.lose_gang(gang.name, why)
            self._broken[gang.name], gang = gang.member_ids, None
        if gang is not None and self._shapes[shape.gang] == shape:
            return gang
        for _ in range(_CONNECT_TRIES):
            try:
                return self._connect(session, session.gang(shape), shape)
            except ConnectError as error:
                if type(error) is not ConnectError:
                    raise  # it was reached, and is not to be spoken with
                # Its worker has just died: the head hears of it, and gives it a fresh one.
                time.sleep(_CONNECT_AGAIN_S)
        return self._connect(session, session.gang(shape), shape)

    def gang_called(self, name: str | None) -> Gang:
        """The gang of this name, which there must be, or the default one.

        Its workers have the notebook's working directory by then, as a cell would.
        """
        shape = Shape()
        if name is not None:
            gangs = {gang.name: gang for gang in self.session().snapshot().gangs}
            check_gang(name, list(gangs))
            shape = shape_of(gangs[name])
        self.cells.bring_directory(shape)
        return self.gang(shape)

    def recovery(self, names: Sequence[str] = ()) -> Recovery:
        """What must run again for ``names``, or all that a lost worker had, to be there again."""
        self._take_news()
        return Recovery(self.shell, self.names, self.cells, self.receipts, names)

    def free(self, wanted: list[str], on: str | None = None) -> str:
        """Delete names on gangs, or on the one called ``on``; in words. See `freeing.free`."""
        session = self.session()
        self._adopt()
        self.names.observe(self.cells.code)
        known = [gang.name for gang in session.snapshot().gangs]
        if on is not None:
            check_gang(on, known)
        return free(
            self.names,
            wanted,
            gangs=[name for name in self._all_gangs() if on in (None, name)],
            gang_named=self._gang_named,
            busy=self._is_busy_named,
            snapshot=session.snapshot,
        )

    def freeable(self) -> list[str]:
        """The names that gangs hold."""
        return freeable(self.names, self._all_gangs())

    # ---- the shell's events -----------------------------------------------------------------

    def _before_cell(self, info: Any) -> None:
        code = info.raw_cell or ""
        self.cells.cell_begins("" if runs_remotely(code) else code)
        self._take_news()
        try:
            self._take_changes()
            self.code.before_cell(self.shell.user_ns, code)
        except KeyboardInterrupt:
            self.names.stopped = True  # IPython runs the cell nonetheless
        with errors_shown():
            self._adopt()
        self._recorder.begins(code)
        if not runs_remotely(code) and not self.names.stopped:
            with errors_shown():
                try:
                    self.names.fetch_for(code)
                except KeyboardInterrupt:
                    self.names.stopped = True

    def _after_cell(self, result: Any) -> None:
        # The cell's own code has ended: there is nothing left to stop.
        with contextlib.suppress(KeyboardInterrupt), stops_held():
            self._comms.take_control()
            self.receipts.show()
            self.names.stopped = False
            code = (result.info.raw_cell or "") if result.info is not None else ""
            if not runs_remotely(code):  # else the next cell is soon enough
                self.names.observe(code)
                self.cells.local_code_ran()
            self._recorder.ended(result)

    # ---- what happens elsewhere -------------------------------------------------------------

    def _heard(self, news: News) -> None:
        """On the watching thread: runs must hear of a loss at once, the rest can wait."""
        with self._lock:
            self._news.append(news)
        if isinstance(news, pb.WorkerExit) and (gang := self._gangs.get(news.gang)):
            gang.lose(news)
        elif isinstance(news, SessionLost):
            if isinstance(news, SessionTaken):
                self._reports.forget()  # its runs go on
            for gang in list(self._gangs.values()):
                gang.lose_all(str(news))

    def _take_news(self) -> None:
        """On the main thread, between cells: forget gangs that are gone or were restarted."""
        with self._lock:
            news, self._news = self._news, []
        for item in news:
            match item:
                case pb.Gang():
                    epoch = self._epoch(item.name)
                    if epoch and (item.epoch > epoch or item.state == "closed"):
                        self.lose_gang(item.name, "its gang was restarted")
                case pb.WorkerExit():
                    epoch = self._epoch(item.gang)
                    if epoch and item.epoch >= epoch:
                        self.lose_gang(item.gang, f"the worker of gang {item.gang} died")
                case SessionLost():
                    self._attachment.ended(item)
                    taken = isinstance(item, SessionTaken)
                    self._forget_gangs(item.message, lost=not taken)
                    if taken:
                        self.cells.abandon()

    def _take_changes(self) -> None:
        """On the main thread, between cells: take in what ran beside them has changed."""
        with stops_held():  # they are told once
            for gang, done in self._comms.settle():
                if self._gangs.get(gang.name) is gang:
                    self.names.gang_changed(gang.name, done)
            self.cells.take_in()
            self._adoption.take_answered()

    def lose_gang(self, name: str, why: str, *, lost: bool = True) -> None:
        """Its workers are gone: so are its names, and what follows them."""
        gang = self._gangs.pop(name, None)
        self._adoption.lose(name)
        self.cells.gang_gone(name)
        gone, back = self.names.gang_gone(name, why)
        self.names.results.gang_gone(name, why)
        if gang is not None:
            self._comms.gang_gone(gang)
            self.code.gone(name)
            gang.lose_all(why)
            gang.close()
        tried = self.names.provenance.can_be_tried
        for told in losses(name, gone, back, lost=lost, can_be_tried=tried):
            print(f"farcell: {told}", file=sys.stderr)

    def _forget_gangs(self, why: str, *, lost: bool = True) -> None:
        for name in self._all_gangs():
            self.lose_gang(name, why, lost=lost)
        self._adoption.end()
        self._broken.clear()  # workers of other sessions are called the same
        with self._lock:
            self._news.clear()

    def _connect(self, session: Session, placed: pb.Gang, shape: Shape) -> Gang:
        if (old := self._gangs.get(placed.name)) is not None:
            if old.epoch == placed.epoch:
                self._shapes[placed.name] = shape
                return old
            self.lose_gang(placed.name, "its gang was restarted")
        if self._adoption.is_waiting(placed.name):
            self._adoption.wait_for(placed.name)
            if placed.name in self._gangs:
                return self._gangs[placed.name]
        return self._register(self._talk_to(placed), shape)

    def _register(self, gang: Gang, shape: Shape) -> Gang:
        self._gangs[gang.name] = gang
        self._shapes[gang.name] = shape
        session = self._attachment.now()
        self.code.joined(gang, session.file.token, session.tenure)
        if self._broken.pop(gang.name, None) == gang.member_ids:
            directory = self.names.directory  # which knows what has changed since
            found = [name for name in gang.names if directory.why_lost(name)]
            directory.not_told(gang.name, set(gang.names) - set(found))
            print(f"farcell: connected with gang {gang.name} again", file=sys.stderr)
            self.names.found(gang.name, found, known=False)
        elif gang.names:
            known = self._memory.is_known(gang.name, next(reversed(gang.ended), ""))
            for told in meet(self.names, gang, known=known):
                print(f"farcell: {told}", file=sys.stderr)
        return gang

    def reattach(self) -> None:
        """If there is a session already, say what it holds, and have its names readable here."""
        with contextlib.suppress(TimeoutError), errors_shown():
            self._attachment.wait(_ATTACH_S)
            self._adopt()

    def _adopt(self) -> None:
        """Take in what the session held before this kernel came to it."""
        with stops_held():  # it is told once
            if (found := self._attachment.take_found()) is not None:
                self._memory.read()
                self.names.observe(self.cells.code)
                self._adoption.begin(*found)

    def _take_found(self, placed: pb.Gang, gang: Gang) -> bool:
        if gang.name in self._gangs:
            return False
        self._register(gang, shape_of(placed))
        return True

    def _talk_to(self, placed: pb.Gang) -> Gang:
        session = self._attachment.now()
        return Gang(placed, session.file.token, self._pool, session.tenure)

    def _is_there(self, placed: pb.Gang) -> bool:
        with contextlib.suppress(FarcellError):
            known = self._attachment.now().gangs.get(placed.name)
            return known is None or known.epoch == placed.epoch
        return False

    def _gang_named(self, name: str) -> Gang:
        """The gang of that name, waited for if it is in a run that an earlier kernel began."""
        if self._adoption.is_waiting(name):
            try:
                self._adoption.wait_for(name)
            except FarcellError as error:
                self.lose_gang(name, error.message)
                raise
        return self._gangs[name]

    def _gang_that_answers(self, name: str) -> Gang:
        """The gang of that name; raises ``TimeoutError`` if it is in such a run."""
        if self._adoption.is_waiting(name):
            raise TimeoutError(f"gang {name} is busy")
        return self._gangs[name]

    def _all_gangs(self) -> list[str]:
        """Those that names may be on: also such as have not answered yet."""
        return [*self._gangs, *self._adoption.waiting()]

    def _epoch(self, gang: str) -> int:
        """That of the gang of that name, if it is known; else 0."""
        known = self._gangs.get(gang)
        return self._adoption.epoch(gang) if known is None else known.epoch

    def _is_busy_named(self, name: str) -> bool:
        return self._adoption.is_waiting(name) or self._is_busy(self._gangs[name])

    def _is_busy(self, gang: Gang) -> bool:
        return self.cells.is_busy(gang)


def check_gang(name: str, known: list[str]) -> None:
    """Raise ``UsageError`` if the gang ``name`` is not among those ``known``."""
    if name not in known:
        raise UsageError(f"there is no gang '{name}'", hint=f"gangs: {', '.join(known) or 'none'}")
