"""Remote cells: what goes along, how they are followed, and what comes of them."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any

from farcell import front_end
from farcell.ambients import Ambients
from farcell.background import BackgroundRun
from farcell.comms import Comms
from farcell.failures import to_raise
from farcell.gang import Gang
from farcell.late_output import LateOutput
from farcell.names import Names
from farcell.overlaps import Overlaps
from farcell.parsing import first_line
from farcell.project_code import ProjectCode
from farcell.receipt import Receipts, dry_run
from farcell.recorder import ended_as
from farcell.reports import RunReports
from farcell.run import Run
from farcell.shipment import Shipment
from farcell.started import Started
from farcell.stops import raise_stop, stops_allowed, stops_held
from farcell_runtime.bindings import RESULTS
from farcell_runtime.config import Config
from farcell_runtime.errors import FarcellError, SessionLost, UsageError, WorkerLost
from farcell_runtime.messages import Shape
from farcell_runtime.transport import farcell_pb2 as pb

_MOST_KEPT = 100  # of background runs that have ended
_TELL_AFTER_S = 1.0


class Cells:
    """Carries out the remote cells of a notebook.

    Args:
        gang: gives the gang of a shape, which it starts if it must.
        take_changes: takes in what has changed beside the cells.
        take_news: takes in what has become of gangs.
        interrupt: asks that a run on a gang, both by name, be interrupted.
        is_there: whether a gang has these workers still.
        settled: is told of each run, with its gang's name, when its changes were taken in.
        kill: gives a gang fresh workers.
    """

    def __init__(
        self,
        shell: Any,
        names: Names,
        reports: RunReports,
        late: LateOutput,
        comms: Comms,
        receipts: Receipts,
        project_code: ProjectCode,
        *,
        gang: Callable[[Shape], Gang],
        config: Callable[[], Config],
        take_changes: Callable[[], None],
        take_news: Callable[[], None],
        interrupt: Callable[[str, str], None],
        kill: Callable[[Gang], None],
        is_there: Callable[[Gang], bool],
        settled: Callable[[str, str], None],
    ) -> None:
        self.last_gang = ""  # of the last run that failed, for %debug
        self.background: dict[int, BackgroundRun] = {}
        self.overlaps = Overlaps(names)
        self._shell = shell
        self._names = names
        self._reports = reports
        self._late = late
        self._comms = comms
        self._receipts = receipts
        self._project_code = project_code
        self._gang = gang
        self._config = config
        self._take_changes = take_changes
        self._take_news = take_news
        self._interrupt = interrupt
        self._kill = kill
        self._is_there = is_there
        self._settled = settled
        self._shapes: dict[str, Shape] = {}
        self._ambients = Ambients()
        self._running: dict[str, Run] = {}
        self._started: list[Started] = []
        self.code = ""  # of the notebook's cell that runs now
        self._latest = 0  # number of a run

    def run(
        self, shape: Shape, code: str, *, header: str = "", timeout_s: float | None = None
    ) -> None:
        """Run a cell on the gang of ``shape``, as the cell that runs now.

        Raises:
            BaseException: what the cell raised.
            CaptureError: if a name that it reads can't travel; then nothing ran.
            WorkerLost: if a worker died under it.
        """
        began_s = time.monotonic()
        # A stop must not come between what is sent or told and what is recorded of it.
        with stops_held():
            gang, shipment = self._capture(shape, code)
            run = self._prepared(gang, shipment, code, header, timeout_s)
            try:
                settled = self._carry_out(run, shipment, code)
            finally:
                if header:
                    self._receipts.took(time.monotonic() - began_s)
        if not settled:
            # Something there is not what it was taken for: whole, it will be.
            self.run(shape, code, header=header, timeout_s=timeout_s)

    def _carry_out(self, run: Run, shipment: Shipment, code: str) -> bool:
        """Run a cell, and take in what it has changed; false if its values must be sent whole."""
        gang = run.gang
        versions = self._names.directory.versions() if self._started else None
        try:
            run.carry_out(lambda: self._sent(run, shipment, code))
        except BaseException as fault:
            self._fell_through(run, shipment, fault)
            raise
        finally:
            self._over(run)
            self._late.follow(run.logs(), self._comms.of(gang), widgets=run.made_comms)
        error = run.error()
        self._reports.ended(run.id, error, run.log_numbers())
        self.take_in()
        if run.asked:
            self._names.provenance.happens_once("it asks for input")
        if run.refused:
            self._names.refused(gang.name, shipment)
            if run.wants_whole_values:
                return False
            error = shipment.told_in(error)
        if (done := run.done) is not None:
            if versions is None:
                self._names.gang_changed(gang.name, done, code)
            else:
                number = self._next_number()
                self._tell(self.overlaps.take_in(gang, done, code, versions, number))
            if run.showed_result:
                self._names.results.made(run.number, gang.name)
            self._ambients.take(gang, done.ambient)
        self._settled(gang.name, run.id)
        self._take_news()
        if error is not None:
            if not isinstance(error, FarcellError):
                self.last_gang = gang.name
            elif isinstance(error, WorkerLost) and self._names.provenance.names_lost():
                error.hint = f"%cluster recover rebuilds what was lost; {error.hint}"
            raise error
        return True

    def start(
        self,
        shape: Shape,
        code: str,
        *,
        header: str = "",
        timeout_s: float | None = None,
        name: str = "",
    ) -> BackgroundRun:
        """Start a cell on the gang of ``shape``, and let it run while the notebook goes on.

        Its output goes on appearing in its own cell. What it changes is taken in between cells.

        Raises:
            CaptureError: if a name that it reads can't travel; then nothing runs.
        """
        if name and any(run.name == name and not run.done() for run in self.background.values()):
            raise UsageError(f"a run called '{name}' is running already", hint="%cluster runs")
        with stops_held():
            gang, shipment = self._capture(shape, code, background=True)
            run = self._prepared(gang, shipment, code, header, timeout_s, background=True)
            background = self._started_in_background(run, shipment, code, name)
            background.follow()
        return background

    def _started_in_background(
        self, run: Run, shipment: Shipment, code: str, name: str
    ) -> BackgroundRun:
        versions = self._names.directory.versions()
        background = BackgroundRun(
            self._next_number(),
            name,
            run.gang.name,
            first_line(code),
            shell=self._shell,
            follow=lambda: self._follow(run, shipment, background),
            interrupt=run.interrupt,
            take_in=self._take_in_here,
        )
        try:
            run.send()
            self._sent(run, shipment, code, background)
        except BaseException as fault:
            self._over(run)
            self._fell_through(run, shipment, fault)
            raise
        past = self._names.provenance.goes_on()
        self._started.append(Started(background, run, code, shipment, versions, past))
        self._keep(background)
        return background

    def found(self, report: pb.RunReport, gang: Callable[[], Gang]) -> BackgroundRun:
        """Follow a run that was begun by a kernel that is gone.

        What it has said since then, and says, appears in the cell that runs now.

        Args:
            gang: waits for its gang, which can be connected with when the run has ended.
        """
        number = report.number = report.number or self._next_number()
        background = BackgroundRun(
            number,
            report.name,
            report.gang,
            report.label,
            shell=self._shell,
            follow=lambda: self._follow_found(report, gang),
            interrupt=lambda: self._interrupt(report.gang, report.run),
            take_in=self._take_in_here,
            elapsed_s=max(0.0, time.time() - report.started_at_s),
        )
        self._reports.started(report)
        self._keep(background)
        background.follow()
        return background

    def _follow_found(self, report: pb.RunReport, gang: Callable[[], Gang]) -> BaseException | None:
        error: BaseException | None
        logs = list(report.logs)
        try:
            attached = gang()
            logs = attached.logs_kept(report.run, logs)
            done = attached.ended.get(report.run)
            if done is None:
                error = SessionLost("how the run ended is not known any more", hint="%cluster logs")
            elif done.HasField("failure"):
                error = to_raise(done.failure, gang=report.gang, rank=None)
            else:
                error = None
        except FarcellError as lost:
            error = lost
        self._late.look()
        self._reports.ended(report.run, error, logs)
        return error

    def _follow(
        self, run: Run, shipment: Shipment, background: BackgroundRun
    ) -> BaseException | None:
        """On the thread of a background run."""
        error: BaseException | None = None
        try:
            run.follow()
            error = shipment.told_in(run.error()) if run.refused else run.error()
        except BaseException as fault:
            error = fault
            raise
        finally:
            self._over(run)
            self._reports.ended(run.id, error, run.log_numbers())
            logs, comms = run.logs(), self._comms.of(run.gang)
            self._late.follow(logs, comms, widgets=run.made_comms, parent=background.parent)
        return error

    def _over(self, run: Run) -> None:
        self._running.pop(run.id, None)
        self._project_code.ended(run.gang.name, run.loaded())

    def _next_number(self) -> int:
        self._latest += 1
        return self._latest

    def _keep(self, background: BackgroundRun) -> None:
        self.background[background.number] = background
        for number, known in list(self.background.items()):
            if len(self.background) > _MOST_KEPT and known.done():
                del self.background[number]

    def find(self, key: str) -> BackgroundRun:
        """The background run of that number or name; of several, the latest.

        Raises:
            UsageError: if there is none.
        """
        for run in reversed(self.background.values()):
            if key in (str(run.number), run.name):
                return run
        known = ", ".join(str(run.name or run.number) for run in self.background.values())
        raise UsageError(f"there is no background run {key!r}", hint=f"runs: {known or 'none'}")

    def count_from(self, number: int) -> None:
        """Let new background runs have higher numbers than ``number``."""
        self._latest = max(self._latest, number)

    def take_in(self) -> None:
        """On the main thread: take in what background runs have changed that have ended."""
        for started in list(self._started):
            if started.background.done():
                self._take_in(started)

    def _take_in_here(self) -> None:
        """The same, in the middle of a cell, where that waits for a run."""
        self._names.observe(self.code)
        self._take_changes()

    def _take_in(self, started: Started) -> None:
        gang, done = started.run.gang, started.run.done
        lines: list[str] = []
        number = started.background.number
        if done is None or started.run.refused:
            self._names.refused(gang.name, started.shipment)
        if done is None:
            pass
        elif not self._is_there(gang):
            names = [each.name for each in done.names if each.bound and each.name not in RESULTS]
            if names:
                lines = [f"lost with gang {gang.name}: {', '.join(names)}, made by run {number}"]
        else:
            # What it has set there stays there: the notebook has gone on meanwhile.
            self._ambients.forget(gang.name)
            past, ended = started.past, ended_as(started.background.exception())
            past.took_s = started.background.elapsed_s
            with self._names.provenance.settling(past, ended):
                lines = self.overlaps.take_in(gang, done, started.code, started.versions, number)
            past.once = "other cells changed the same names while it ran" if lines else past.once
            if started.run.showed_result:
                self._names.results.made(started.run.number, gang.name)
        self._settled(gang.name, started.run.id)
        self._started.remove(started)
        self._tell(lines)

    def _tell(self, lines: list[str]) -> None:
        for line in lines:
            print(f"farcell: {line}", file=sys.stderr)

    def run_on(self, gang: str, code: str) -> None:
        """Run code on a gang that there is."""
        if gang not in self._shapes:
            raise UsageError("the gang of the last error is gone", hint="run the cell again")
        self.run(self._shapes[gang], code)

    def dry_run(self, shape: Shape, code: str) -> str:
        """What ``run`` would send, and why; nothing is sent."""
        self._names.observe("")
        self._names.results.offer(shape.gang, code)
        return dry_run(shape.gang, self._names.preview(shape.gang, code))

    def bring_directory(self, shape: Shape) -> None:
        """Have the workers of ``shape`` in the notebook's working directory, as a cell would."""
        gang = self._gang(shape)
        if not self._ambients.has_directory(gang):
            self.run(shape, "pass")

    def tell_reports(self) -> None:
        """Have the head know by now of all runs what there is to know."""
        self._reports.tell()

    def is_busy(self, gang: Gang) -> bool:
        """Whether a cell runs on ``gang``."""
        return any(run.gang is gang for run in list(self._running.values()))

    def cell_begins(self, code: str) -> None:
        """The notebook's kernel runs ``code`` now; none, if the cell runs elsewhere."""
        self.code = code

    def local_code_ran(self) -> None:
        """What runs in the notebook may have changed what its process keeps."""
        self._ambients.code_ran()

    def abandon(self) -> None:
        """What runs goes on without this kernel, and what it says is for another to show."""
        for started in self._started:
            started.background.settled.wait(_TELL_AFTER_S)
        self._late.forget()
        self._reports.forget()

    def gang_gone(self, gang: str) -> None:
        """That gang's workers are gone."""
        self._ambients.forget(gang)
        self._shapes.pop(gang, None)

    def _capture(
        self, shape: Shape, code: str, *, background: bool = False
    ) -> tuple[Gang, Shipment]:
        if self._names.stopped:
            raise KeyboardInterrupt
        with stops_allowed():
            self._names.observe(self.code)
            gang = self._gang(shape)
            self._await_turn(gang, background=background)
            self._take_changes()
            self._shapes[gang.name] = shape
            self._names.results.offer(gang.name, code)
        return gang, self._names.capture(gang, code, whole=background)

    def _await_turn(self, gang: Gang, *, background: bool) -> None:
        """Wait for what runs in the background on ``gang``: a cell reads what that makes."""
        for started in list(self._started):
            run = started.background
            if started.run.gang is not gang or run.done():
                continue
            if background:
                raise UsageError(
                    f"gang {gang.name} is in run {run.number}, and can do one thing at a time",
                    hint="start it on another gang with --on NAME, or wait for that run",
                )
            if not run.settled.wait(_TELL_AFTER_S):
                print(
                    f"farcell: waiting for run {run.number} on gang {gang.name} to end …",
                    file=sys.stderr,
                )
                run.settled.wait()

    def _prepared(
        self,
        gang: Gang,
        shipment: Shipment,
        code: str,
        header: str,
        timeout_s: float | None,
        *,
        background: bool = False,
    ) -> Run:
        try:
            here = self._ambients.here(gang)
            number = self._shell.displayhook.prompt_count
            execute = pb.Execute(
                epoch=gang.epoch,
                code=code,
                header=header,
                execution_count=number,
                stdin_allowed=not background,
                filename=front_end.code_name(self._shell, code, number),
                ambient=self._ambients.change_for(gang, here),
                forget=shipment.forget,
                parent=front_end.parent_json(self._shell),
                modules=shipment.modules,
            )
            run = Run(
                gang,
                execute,
                shipment.packed,
                self._shell,
                timeout_s=timeout_s,
                grace_s=self._config().interrupt_grace_s,
                interrupt=self._interrupt,
                kill=self._kill,
                price=lambda: self._names.directory.price(gang.name),
                comms=self._comms.of(gang),
                background=background,
            )
            raise_stop()
            self._project_code.begin(gang.name, f"In[{number}]")
        except BaseException:
            self._names.refused(gang.name, shipment)
            raise
        self._names.provenance.runs_as(header)
        self._ambients.told(gang, here)
        self._running[run.id] = run
        return run

    def _sent(
        self, run: Run, shipment: Shipment, code: str, background: BackgroundRun | None = None
    ) -> None:
        self._names.arrived(run.gang.name, shipment)
        self._receipts.sent(shipment, len(run.gang.ranks))
        report = pb.RunReport(
            run=run.id,
            gang=run.gang.name,
            workers=[rank.member.worker for rank in run.gang.ranks],
            state="running",
            label=first_line(code),
            started_at_s=time.time(),
            cell_id=front_end.cell_id(self._shell),
            logs=run.log_numbers(),
        )
        if background is not None:
            report.number, report.name = background.number, background.name
        self._reports.started(report)

    def _fell_through(self, run: Run, shipment: Shipment, fault: BaseException) -> None:
        # Nobody knows what reached the gang: it is sent again when next read.
        self._names.refused(run.gang.name, shipment)
        self._ambients.forget(run.gang.name)
        self._reports.ended(run.id, fault)
