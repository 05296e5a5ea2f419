"""A notebook and its cluster: everything of farcell's that belongs to one IPython shell."""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
import threading
import time
from concurrent.futures import Future
from typing import Any

from farcell import front_end
from farcell.comms import Comms
from farcell.failures import TracebackHook, errors_shown
from farcell.gang import Gang
from farcell.late_output import LateOutput
from farcell.names import Names
from farcell.options import runs_remotely
from farcell.receipt import dry_run
from farcell.reports import RunReports
from farcell.run import Run
from farcell_runtime import ambient, codec, settings
from farcell_runtime.ambient import Ambient
from farcell_runtime.config import Config
from farcell_runtime.errors import FarcellError, SessionLost, UsageError
from farcell_runtime.launch import Launch, living_session
from farcell_runtime.messages import Shape
from farcell_runtime.segments import Pool
from farcell_runtime.session import Session
from farcell_runtime.transport import farcell_pb2 as pb

_TELL_AFTER_S = 1.0
_COMPLETE_S = 0.5
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
        self.names = Names(shell, self._gang_named, self._pool, limit_bytes)
        self.last_gang = ""  # of the last run that failed, for %debug
        self._launch = launch
        self._session: Future[Session] | None = None
        self._gangs: dict[str, Gang] = {}
        self._shapes: dict[str, Shape] = {}
        self._ambient: dict[str, Ambient] = {}
        self._last_ambient: Ambient | None = None  # none once local code has run
        self._news: list[pb.WorkerExit | pb.Gang | SessionLost] = []
        self._running: dict[str, Run] = {}
        self._lock = threading.RLock()
        self._tracebacks = TracebackHook(shell)
        self._reports = RunReports(self._report)
        self._late = LateOutput(shell)
        self._comms = Comms(
            shell, self._late, busy=self._is_busy, interrupt=self._interrupt_handling
        )
        # Gangs from before this kernel started, whose names are still to be taken in.
        self._to_adopt: list[pb.Gang] = []

    # ---- beginnings and ends ----------------------------------------------------------------

    def install(self) -> None:
        """Hook into the shell, and start the cluster in the background."""
        self._tracebacks.install()
        self.names.install()
        codec.use_cell_numbers(self.shell.compile._filename_map)
        self.shell.events.register("pre_run_cell", self._before_cell)
        self.shell.events.register("post_run_cell", self._after_cell)
        self.start()

    def uninstall(self) -> None:
        """Unhook from the shell, and stop the cluster."""
        self.shell.events.unregister("pre_run_cell", self._before_cell)
        self.shell.events.unregister("post_run_cell", self._after_cell)
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
        placed = session.gang(shape)
        return self._connect(session, placed, shape)

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

    # ---- cells ------------------------------------------------------------------------------

    def run(
        self,
        shape: Shape,
        code: str,
        *,
        header: str = "",
        timeout_s: float | None = None,
    ) -> None:
        """Run a cell on the gang of ``shape``, as the cell that runs now.

        Raises:
            BaseException: what the cell raised.
            CaptureError: if a name that it reads can't travel; then nothing ran.
            WorkerLost: if a worker died under it.
        """
        self._take_changes()
        self.names.observe("")
        gang = self.gang(shape)
        shipment = self.names.capture(gang, code)
        here = self._ambient_here(gang)
        number = self.shell.displayhook.prompt_count
        execute = pb.Execute(
            epoch=gang.epoch,
            code=code,
            header=header,
            execution_count=number,
            stdin_allowed=True,
            filename=front_end.code_name(self.shell, code, number),
            ambient=here.change_from(self._ambient.get(gang.name, Ambient())),
            forget=shipment.forget,
            parent=front_end.parent_json(self.shell),
            modules=shipment.modules,
        )
        run = Run(
            gang,
            execute,
            shipment.packed,
            self.shell,
            timeout_s=timeout_s,
            grace_s=self._config.interrupt_grace_s,
            interrupt=self._interrupt_run,
            kill=self._kill_run,
            price=lambda: self.names.directory.price(gang.name),
            comms=self._comms.of(gang),
        )
        self._ambient[gang.name] = here
        self._running[run.id] = run

        def meanwhile() -> None:
            self.names.arrived(gang.name, shipment)
            self._reports.started(run.id, gang.name, code, front_end.cell_id(self.shell))

        try:
            run.carry_out(meanwhile)
        except BaseException as fault:
            # Nobody knows what reached the gang: it is sent again when next read.
            self.names.refused(gang.name, shipment)
            self._ambient.pop(gang.name, None)
            self._reports.ended(run.id, fault)
            raise
        finally:
            self._running.pop(run.id, None)
            self._late.follow(run.logs(), self._comms.of(gang), widgets=run.made_comms)
        error = run.error()
        self._reports.ended(run.id, error)
        if run.done is not None and run.done.status == "refused":
            self.names.refused(gang.name, shipment)
            if shipment.patches:
                # Something there is not what it was taken for: whole, it will be.
                self.run(shape, code, header=header, timeout_s=timeout_s)
                return
            if isinstance(error, UsageError):
                names = ", ".join(f"'{name}'" for name in shipment.sizes)
                error = UsageError(f"{names} {error.message}", hint=error.hint)
        elif run.done is not None:
            self.names.gang_changed(gang.name, run.done, code)
            trouble = ambient.apply(run.done.ambient)
            if run.done.ambient:
                self._last_ambient = None
                self._ambient[gang.name] = self._ambient_here(gang)
            if trouble:
                print(trouble, file=sys.stderr)
            if run.done.lost_bytes:
                print(
                    f"farcell: the disk is full: {run.done.lost_bytes:,} bytes of output are lost",
                    file=sys.stderr,
                )
        self._take_news()
        if error is not None:
            if not isinstance(error, FarcellError):
                self.last_gang = gang.name
            raise error

    def run_on(self, gang: str, code: str) -> None:
        """Run code on a gang that there is."""
        if gang not in self._shapes:
            raise UsageError("the gang of the last error is gone", hint="run the cell again")
        self.run(self._shapes[gang], code)

    def dry_run(self, shape: Shape, code: str) -> str:
        """What ``run`` would send, and why; nothing is sent."""
        self.names.observe("")
        return dry_run(shape.gang, self.names.preview(shape.gang, code))

    def complete(self, text: str) -> list[str]:
        """What ``text`` may go on as, of the names that live on gangs and their attributes."""
        name, dot, _ = text.partition(".")
        if not dot:
            return [each for each in self.names.absent() if each.startswith(text)]
        holder = self.names.holder(name)
        gang = self._gangs.get(holder) if holder else None
        if gang is None:
            return []
        try:
            answer = gang.inspect(gang.ranks[0], "complete", text, len(text), _COMPLETE_S)
        except (FarcellError, TimeoutError):
            return []  # the worker is busy with a cell, or gone
        return [match for match in json.loads(answer)["matches"] if match.startswith(name)]

    # ---- the shell's events -----------------------------------------------------------------

    def _before_cell(self, info: Any) -> None:
        self._take_news()
        self._take_changes()
        if self._to_adopt:
            with errors_shown():
                self._adopt()
        code = info.raw_cell or ""
        if not runs_remotely(code):
            with errors_shown():
                try:
                    self.names.fetch_for(code)
                except KeyboardInterrupt:
                    self.names.stopped = True  # IPython runs the cell nonetheless
            settings.write_waiting(code)

    def _after_cell(self, result: Any) -> None:
        self._comms.take_control()
        self.names.stopped = False
        code = (result.info.raw_cell or "") if result.info is not None else ""
        if not runs_remotely(code):  # else the next cell is soon enough
            self.names.observe(code)
            self._last_ambient = None

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
                self._to_adopt = list(session.snapshot().gangs)
                return session
            launch = Launch.begin(self.key, self._config, front_end.notebook_path())
        return Session.join(launch)

    def _heard(self, news: pb.WorkerExit | pb.Gang | SessionLost) -> None:
        """On the watching thread: runs must hear of a loss at once, the rest can wait."""
        if isinstance(news, pb.WorkerExit) and (gang := self._gangs.get(news.gang)):
            gang.lose(news)
        elif isinstance(news, SessionLost):
            for gang in list(self._gangs.values()):
                gang.lose_all(str(news))
        with self._lock:
            self._news.append(news)

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
        """On the main thread, between cells: take in what the handlers of widgets have changed."""
        for gang, done in self._comms.settle():
            if self._gangs.get(gang.name) is gang:
                self.names.gang_changed(gang.name, done)

    def _lose_gang(self, name: str, why: str) -> None:
        gang = self._gangs.pop(name, None)
        self._ambient.pop(name, None)
        lost = self.names.gang_gone(name, why)
        if gang is not None:
            self._comms.gang_gone(gang)
            gang.close()
        if lost := [each for each in lost if not each.startswith("_")]:
            print(f"farcell: lost with gang {name}: {', '.join(lost)}", file=sys.stderr)

    def _forget_gangs(self, why: str) -> None:
        for name in list(self._gangs):
            self._lose_gang(name, why)

    def _connect(self, session: Session, placed: pb.Gang, shape: Shape) -> Gang:
        if (old := self._gangs.get(placed.name)) is not None:
            if old.epoch == placed.epoch:
                self._shapes[placed.name] = shape
                return old
            self._lose_gang(placed.name, "its gang was restarted")
        gang = Gang(placed, session.file.token, self._pool)
        self._gangs[placed.name] = gang
        self._shapes[placed.name] = shape
        if gang.names:
            self.names.found(gang.name, gang.names)
        return gang

    def _adopt(self) -> None:
        """Take in what gangs hold from before this kernel was started."""
        gangs, self._to_adopt = self._to_adopt, []
        session = self._session_now()
        for placed in gangs:
            if placed.state != "ready":
                continue
            asked = placed.shape
            gang = self._connect(
                session, placed, Shape(asked.ranks, asked.gpus, asked.cpus, asked.name)
            )
            if gang.names:
                names = ", ".join(gang.names[:8]) + (" …" if len(gang.names) > 8 else "")
                print(f"farcell: attached to gang {gang.name}, which holds {names}")

    def _ambient_here(self, gang: Gang) -> Ambient:
        alone = len(gang.ranks) == 1
        before = self._last_ambient
        if before is not None and alone != ("random" in before.settings):
            before = None
        self._last_ambient = Ambient.here(before, generators=alone)
        return self._last_ambient

    def _gang_named(self, name: str) -> Gang:
        return self._gangs[name]

    def _is_over(self, future: Future[Session]) -> bool:
        if not future.done():
            return False
        return future.exception() is not None or future.result().lost is not None

    def _interrupt_run(self, run: Run) -> None:
        # If the session is over, the run hears of that by itself.
        with contextlib.suppress(FarcellError):
            self._session_now().interrupt(run.gang.name, run.id)

    def _is_busy(self, gang: Gang) -> bool:
        return any(run.gang is gang for run in list(self._running.values()))

    def _interrupt_handling(self, gang: Gang, run: str) -> None:
        with contextlib.suppress(FarcellError):
            self._session_now().interrupt(gang.name, run)

    def _kill_run(self, run: Run) -> None:
        with contextlib.suppress(FarcellError):
            self._session_now().restart(run.gang.name)

    def _session_now(self) -> Session:
        future = self._session
        if future is None or not future.done():
            raise SessionLost("there is no cluster", hint="%cluster start")
        return future.result()

    def _report(self, report: pb.RunReport) -> None:
        with contextlib.suppress(FarcellError):
            self._session_now().report_run(report)
