"""A notebook and its cluster: everything of farcell's that belongs to one IPython shell."""

from __future__ import annotations

import contextlib
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import Future
from typing import Any

from farcell import front_end
from farcell.cells import Cells
from farcell.comms import Comms
from farcell.failures import TracebackHook, errors_shown
from farcell.gang import Gang, shape_of
from farcell.inspection import Inspection
from farcell.journal import RunJournal
from farcell.late_output import LateOutput
from farcell.listing import Listing
from farcell.names import Names
from farcell.options import runs_remotely
from farcell.project_code import ProjectCode
from farcell.reattachment import Reattachment
from farcell.receipt import Receipts
from farcell.recorder import Recorder
from farcell.recovery import Recovery
from farcell.reports import RunReports
from farcell.stops import stops_held
from farcell_runtime import codec
from farcell_runtime.config import Config
from farcell_runtime.errors import ConnectError, FarcellError, SessionLost, UsageError
from farcell_runtime.launch import Launch, living_session
from farcell_runtime.messages import Shape
from farcell_runtime.runlog import LogReader
from farcell_runtime.segments import Pool
from farcell_runtime.session import Session
from farcell_runtime.sizes import size_text
from farcell_runtime.transport import farcell_pb2 as pb

_TELL_AFTER_S = 1.0
_CONNECT_TRIES, _CONNECT_AGAIN_S = 3, 0.1
_ATTACH_S = 5.0
_ANSWER_S = 0.5  # a worker that is in no cell answers in less
_MOST_FREE_BYTES = 1 << 30  # of shared memory, kept for the next values


class Notebook:
    """What ``%load_ext farcell`` makes.

    Args:
        launch: a head that was started already, if there is one.
    """

    def __init__(self, shell: Any, key: str, launch: Launch | None = None) -> None:
        self.shell = shell
        self.key = key
        self._pool = Pool(tempfile.gettempdir(), _MOST_FREE_BYTES)
        self._config = Config.from_environment()
        limit_bytes = self._config.fetch_limit_bytes
        self.receipts = Receipts(shell, on=self._config.receipts)
        self.code = ProjectCode(self.receipts)
        self.names = Names(shell, self._gang_named, self._pool, limit_bytes, self.receipts)
        self._recorder = Recorder(shell, self.names.provenance)
        self._launch = launch
        self._session: Future[Session] | None = None
        self._gangs: dict[str, Gang] = {}
        self._shapes: dict[str, Shape] = {}
        self._news: list[pb.WorkerExit | pb.Gang | SessionLost] = []
        self._lock = threading.RLock()
        self._tracebacks = TracebackHook(shell, self.receipts.show)
        self._late = LateOutput(shell)
        self._comms = Comms(shell, self._late, busy=self._is_busy, interrupt=self._interrupt_run)
        self._reports = RunReports(self._report)
        self.cells = Cells(
            shell,
            self.names,
            self._reports,
            self._late,
            self._comms,
            self.receipts,
            self.code,
            gang=self.gang,
            config=lambda: self._config,
            take_changes=self._take_changes,
            take_news=self._take_news,
            interrupt=self._interrupt_run,
            kill=self._kill_gang,
            is_there=lambda gang: self._gangs.get(gang.name) is gang,
        )
        self.inspection = Inspection(shell, self.names, self._gang_named, self._is_busy)
        self._listing = Listing(shell, self.names, self.inspection)
        # What the session held before this kernel started, until it is taken in.
        self._found: tuple[pb.Snapshot, list[pb.RunReport]] | None = None
        self._reattachment = Reattachment(self._talk_to, self._is_there)

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
        with contextlib.suppress(FarcellError):
            self.stop()

    def start(self, config: Config | None = None) -> None:
        """Start a cluster, or attach to the one that this notebook has, in the background.

        Raises:
            UsageError: if there is one that has other settings.
        """
        with self._lock:
            if self._session is not None and not self._is_over(self._session):
                if config is not None and config != self._config:
                    raise UsageError(
                        "this notebook has a cluster already, with other settings",
                        hint="%cluster stop first; that loses the names that live there",
                    )
                return
            self._config = config or self._config
            future: Future[Session] = Future()
            self._session = future
            threading.Thread(
                target=self._open, args=(future,), name="farcell-start", daemon=True
            ).start()

    def stop(self, reason: str = "stopped from its notebook") -> None:
        """Stop the cluster, with all that lives on it."""
        with self._lock:
            future, self._session = self._session, None
        if future is None:
            return
        session = future.result()
        session.stop(reason)
        self._reports.keep_in(None)
        self._forget_gangs("the cluster was stopped")

    @property
    def running(self) -> bool:
        """Whether there is a cluster, or one on its way."""
        return self._session is not None and not self._is_over(self._session)

    def session(self) -> Session:
        """The session, waited for if it must be, and started if there is none.

        Raises:
            SessionLost: if it could not be started.
        """
        self._take_news()
        future = self._session
        if future is None or self._is_over(future):
            self.start()
            future = self._session
            assert future is not None
        if not future.done():
            started_s = time.monotonic()
            while not future.done():
                with contextlib.suppress(TimeoutError):
                    future.exception(timeout=_TELL_AFTER_S)
                if not future.done() and time.monotonic() - started_s < 2 * _TELL_AFTER_S:
                    print("farcell: waiting for the cluster to start …", file=sys.stderr)
        try:
            return future.result()
        except FarcellError:
            self._session = None
            raise

    # ---- gangs ------------------------------------------------------------------------------

    def gang(self, shape: Shape) -> Gang:
        """The gang of that shape, with a conversation open to each of its workers."""
        session = self.session()
        gang = self._gangs.get(shape.gang)
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
            self._check_gang(name, list(gangs))
            shape = shape_of(gangs[name])
        self.cells.bring_directory(shape)
        return self.gang(shape)

    def restart(self, names: list[str] | None = None) -> list[str]:
        """Give gangs fresh workers; all gangs, if none are named. The answer names them."""
        session = self.session()
        known = [gang.name for gang in session.snapshot().gangs]
        for name in names or known:
            self._check_gang(name, known)
            session.restart(name)
            self._lose_gang(name, f"gang {name} was restarted")
        return names or known

    def close_gang(self, name: str) -> None:
        """End a gang: its workers, and the names that only live there."""
        session = self.session()
        self._check_gang(name, [gang.name for gang in session.snapshot().gangs])
        session.close_gang(name)
        self._lose_gang(name, f"gang {name} was stopped")

    def interrupt(self, names: list[str] | None = None) -> list[str]:
        """Interrupt what runs on gangs; on all, if none are named. The answer names them."""
        session = self.session()
        snapshot = session.snapshot()
        if names:
            for name in names:
                self._check_gang(name, [gang.name for gang in snapshot.gangs])
        running = [
            run
            for run in snapshot.runs
            if run.state == "running" and (not names or run.gang in names)
        ]
        for run in running:
            session.interrupt(run.gang, run.run)
        return [run.gang for run in running]

    def _check_gang(self, name: str, known: list[str]) -> None:
        if name not in known:
            raise UsageError(
                f"there is no gang '{name}'", hint=f"gangs: {', '.join(known) or 'none'}"
            )

    def recovery(self, names: Sequence[str] = ()) -> Recovery:
        """What must run again for ``names``, or all that a lost worker had, to be there again."""
        self._take_news()
        return Recovery(self.shell, self.names, self.cells, self.receipts, names)

    # ---- the shell's events -----------------------------------------------------------------

    def _before_cell(self, info: Any) -> None:
        code = info.raw_cell or ""
        self.cells.cell_begins("" if runs_remotely(code) else code)
        self._take_news()
        self._take_changes()
        self.code.before_cell(self.shell.user_ns, code)
        with errors_shown():
            self._adopt()
        self._recorder.begins(code)
        if not runs_remotely(code):
            with errors_shown():
                try:
                    self.names.fetch_for(code)
                except KeyboardInterrupt:
                    self.names.stopped = True  # IPython runs the cell nonetheless

    def _after_cell(self, result: Any) -> None:
        self._comms.take_control()
        self.receipts.show()
        self.names.stopped = False
        code = (result.info.raw_cell or "") if result.info is not None else ""
        if not runs_remotely(code):  # else the next cell is soon enough
            # The cell's own code has ended: there is nothing left to stop.
            with contextlib.suppress(KeyboardInterrupt), stops_held():
                self.names.observe(code)
            self.cells.local_code_ran()
        self._recorder.ended(result)

    # ---- what happens elsewhere -------------------------------------------------------------

    def _open(self, future: Future[Session]) -> None:
        try:
            session = self._open_session()
        except BaseException as error:
            future.set_exception(error)
            return
        session.on_exit(self._heard)
        session.on_gang(self._heard)
        session.on_lost(self._heard)
        future.set_result(session)

    def _open_session(self) -> Session:
        launch, self._launch = self._launch, None
        if launch is None:
            if (file := living_session(self.key)) is not None:
                session = Session.attach(file, watcher=self.key)
                journal = RunJournal(file.folder)
                self._found = session.snapshot(), journal.reports()
                self._reports.keep_in(journal)
                return session
            launch = Launch.begin(self.key, self._config, front_end.notebook_path())
        session = Session.join(launch)
        self._reports.keep_in(RunJournal(session.file.folder))
        return session

    def _heard(self, news: pb.WorkerExit | pb.Gang | SessionLost) -> None:
        """On the watching thread: runs must hear of a loss at once, the rest can wait."""
        with self._lock:
            self._news.append(news)
        if isinstance(news, pb.WorkerExit) and (gang := self._gangs.get(news.gang)):
            gang.lose(news)
        elif isinstance(news, SessionLost):
            for gang in list(self._gangs.values()):
                gang.lose_all(str(news))

    def _take_news(self) -> None:
        """On the main thread, between cells: forget gangs that are gone or were restarted."""
        with self._lock:
            news, self._news = self._news, []
        for item in news:
            match item:
                case pb.Gang():
                    gang = self._gangs.get(item.name)
                    if gang is not None and (item.epoch > gang.epoch or item.state == "closed"):
                        self._lose_gang(item.name, "its gang was restarted")
                case pb.WorkerExit():
                    gang = self._gangs.get(item.gang)
                    if gang is not None and item.epoch >= gang.epoch:
                        self._lose_gang(item.gang, f"the worker of gang {item.gang} died")
                case SessionLost():
                    self._session = None
                    self._forget_gangs(item.message)

    def _take_changes(self) -> None:
        """On the main thread, between cells: take in what ran beside them has changed."""
        for gang, done in self._comms.settle():
            if self._gangs.get(gang.name) is gang:
                self.names.gang_changed(gang.name, done)
        self.cells.take_in()
        self._take_reattached()

    def _lose_gang(self, name: str, why: str) -> None:
        gang = self._gangs.pop(name, None)
        self.cells.gang_gone(name)
        lost, back = self.names.gang_gone(name, why)
        self.names.results.gang_gone(name, why)
        if gang is not None:
            self._comms.gang_gone(gang)
            self.code.gone(name)
            gang.lose_all(why)
            gang.close()
        if lost := [each for each in lost if not each.startswith("_")]:
            told = f"farcell: lost with gang {name}: {', '.join(lost)}"
            if any(map(self.names.provenance.can_be_tried, lost)):
                told += "; %cluster recover rebuilds what it can"
            print(told, file=sys.stderr)
        if back := [each for each in back if not each.startswith("_")]:
            told = ", ".join(back[:8]) + (f" and {len(back) - 8} more" if len(back) > 8 else "")
            print(
                f"farcell: as before the cells on gang {name} that may have changed them: {told}",
                file=sys.stderr,
            )

    def _forget_gangs(self, why: str) -> None:
        for name in list(self._gangs):
            self._lose_gang(name, why)

    def _connect(self, session: Session, placed: pb.Gang, shape: Shape) -> Gang:
        if (old := self._gangs.get(placed.name)) is not None:
            if old.epoch == placed.epoch:
                self._shapes[placed.name] = shape
                return old
            self._lose_gang(placed.name, "its gang was restarted")
        if self._reattachment.is_waiting(placed.name):
            self._wait_for(placed.name)
            self._take_reattached()
            if placed.name in self._gangs:
                return self._gangs[placed.name]
        gang = Gang(placed, session.file.token, self._pool)
        return self._register(gang, shape)

    def _register(self, gang: Gang, shape: Shape) -> Gang:
        self._gangs[gang.name] = gang
        self._shapes[gang.name] = shape
        self.code.joined(gang, self._session_now().file.token)
        if gang.names:
            self.names.found(gang.name, gang.names)
        return gang

    def reattach(self) -> None:
        """If there is a session already, say what it holds, and have its names readable here."""
        future = self._session
        if future is not None:
            with contextlib.suppress(TimeoutError), errors_shown():
                future.result(_ATTACH_S)
                self._adopt()

    def _adopt(self) -> None:
        """Take in what the session held before this kernel was started."""
        found, self._found = self._found, None
        if found is None:
            return
        snapshot, journal = found
        gangs = {gang.name: gang for gang in snapshot.gangs if gang.state == "ready"}
        for placed in gangs.values():
            self._reattachment.begin(placed)
        self._reattachment.settle(_ANSWER_S)
        self._take_reattached()
        runs = {report.run: report for report in snapshot.runs}
        for report in journal:  # of what the kernel before this one had not told
            if report.run not in runs or runs[report.run].state == "running":
                runs[report.run] = report
                if report.state != "running":
                    self._report(report)
        for report in runs.values():
            gang = gangs.get(report.gang)
            if report.state == "running" and gang and report.epoch in (0, gang.epoch):
                self._follow_found(report, gang)

    def _follow_found(self, report: pb.RunReport, placed: pb.Gang) -> None:
        members = sorted(placed.members, key=lambda member: member.rank)
        self._late.follow(
            [
                LogReader.resumed(member.log_folder, str(number))
                for member, number in zip(members, report.logs, strict=False)
            ],
            lambda event: None,  # whoever could have shown its widgets is gone
            widgets=False,
        )
        run = self.cells.found(report, lambda: self._reattachment.wait(placed.name))
        goes_on = self._reattachment.is_waiting(placed.name)
        state = "is still running" if goes_on else "has ended meanwhile"
        named = f" '{run.name}'" if run.name else ""
        print(f"farcell: run {run.number}{named} on gang {run.gang} {state}: {run.label}")

    def _take_reattached(self) -> None:
        """On the main thread: take in the gangs that have answered."""
        for placed, gang in self._reattachment.take():
            if gang.name in self._gangs:
                gang.close()
                continue
            self._register(gang, shape_of(placed))
            used = size_text(sum(member.memory_bytes for member in placed.members))
            names = [name for name in gang.names if not name.startswith("_")]
            count = f"{len(names)} name{'' if len(names) == 1 else 's'}"
            held = f"{count} ({_listed(names)})" if names else "no names"
            newer = [n for n in names if not self.names.directory.is_newest(gang.name, n)]
            but = f"; newer elsewhere: {_listed(newer)}" if newer else ""
            print(f"farcell: attached to gang {gang.name}: {held}, {used} of memory{but}")

    def _wait_for(self, gang: str) -> None:
        """Wait for a gang that is in a run which a kernel before this one began."""
        told = False
        while True:
            with contextlib.suppress(TimeoutError):
                self._reattachment.wait(gang, _TELL_AFTER_S)
                return
            if not told:
                print(f"farcell: waiting for the run on gang {gang} to end …", file=sys.stderr)
                told = True

    def _talk_to(self, placed: pb.Gang) -> Gang:
        return Gang(placed, self._session_now().file.token, self._pool)

    def _is_there(self, placed: pb.Gang) -> bool:
        with contextlib.suppress(FarcellError):
            known = self._session_now().gangs.get(placed.name)
            return known is None or known.epoch == placed.epoch
        return False

    def _gang_named(self, name: str) -> Gang:
        return self._gangs[name]

    def _is_over(self, future: Future[Session]) -> bool:
        if not future.done():
            return False
        return future.exception() is not None or future.result().lost is not None

    def _interrupt_run(self, gang: str, run: str) -> None:
        # If the session is over, whoever follows the run hears of that by itself.
        with contextlib.suppress(FarcellError):
            self._session_now().interrupt(gang, run)

    def _is_busy(self, gang: Gang) -> bool:
        return self.cells.is_busy(gang)

    def _kill_gang(self, gang: Gang) -> None:
        with contextlib.suppress(FarcellError):
            self._session_now().restart(gang.name)

    def _session_now(self) -> Session:
        future = self._session
        if future is None or not future.done():
            raise SessionLost("there is no cluster", hint="%cluster start")
        return future.result()

    def _report(self, report: pb.RunReport) -> None:
        with contextlib.suppress(FarcellError):
            self._session_now().report_run(report)


def _listed(names: list[str]) -> str:
    return ", ".join(names[:8]) + (" …" if len(names) > 8 else "")
