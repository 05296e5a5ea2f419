"""Running the corpus twice, at home and away, and telling cell by cell whether it looks alike."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from .compare import differences
from .corpus import Notebook
from .dialect import LOCAL, Dialect
from .runner import CellOutcome, Run, Runner

_REPEATS = 2


@dataclass(slots=True)
class Verdict:
    """How a cell compares.

    Attributes:
        verdict: ``alike``, ``different``, ``unsettled`` (differs between runs at home, too) or
            ``not run`` (nor at home).
        reasons: in what it differs.
        failed: whether it raises at home.
    """

    verdict: str
    reasons: list[str] = field(default_factory=list)
    failed: bool = False


@dataclass(slots=True)
class NotebookReport:
    """A notebook's verdicts.

    Attributes:
        name: the notebook's.
        cells: a verdict for each code cell.
        local_s: how long the cells took at home.
        away_s: how long they took in the other dialect.
        left_behind: processes that outlived the kernel.
        problem: why there is no verdict; empty if there is.
    """

    name: str
    cells: list[Verdict] = field(default_factory=list)
    local_s: float = 0.0
    away_s: float = 0.0
    left_behind: list[str] = field(default_factory=list)
    problem: str = ""

    @property
    def counts(self) -> Counter[str]:
        """How many cells have which verdict."""
        return Counter(cell.verdict for cell in self.cells)


async def judge(
    notebooks: list[Notebook],
    dialect: Dialect,
    runner: Runner,
    tell: Callable[[NotebookReport], None] = lambda report: None,
) -> list[NotebookReport]:
    """Judge all notebooks; ``tell`` hears of each as soon as it is through."""

    async def one(notebook: Notebook) -> NotebookReport:
        report = await _judge_one(notebook, dialect, runner)
        tell(report)
        return report

    return list(await asyncio.gather(*map(one, notebooks)))


async def _judge_one(notebook: Notebook, dialect: Dialect, runner: Runner) -> NotebookReport:
    report = NotebookReport(notebook.name)
    try:
        local = await runner.run(notebook, LOCAL)
        away = await runner.run(notebook, dialect, repeat=0 if dialect.prefix else 1)
    except (RuntimeError, OSError) as error:
        report.problem = f"{type(error).__name__}: {error}"
        return report
    if load_error := _errors(away.load):
        report.problem = f"{dialect.load!r} failed: {load_error}"
        return report
    report.cells = _verdicts(local, away)
    report.local_s = sum(cell.took_s for cell in local.cells)
    report.away_s = sum(cell.took_s for cell in away.cells)
    report.left_behind = away.left_behind
    # Only what differs is run again at home: does it differ there as well?
    for repeat in range(2, 2 + _REPEATS):
        if not report.counts["different"]:
            break
        again = await runner.run(notebook, LOCAL, repeat=repeat)
        _mark_unsettled(report.cells, local, again)
    return report


def _verdicts(local: Run, away: Run) -> list[Verdict]:
    verdicts = []
    for before, after in zip(local.cells, away.cells, strict=True):
        if before.ended != "done":
            verdicts.append(Verdict("not run"))
            continue
        reasons = differences(before.outputs, after.outputs)
        if after.ended != "done":
            reasons = [after.ended]
        verdict = "different" if reasons else "alike"
        verdicts.append(Verdict(verdict, reasons, failed=bool(_errors(before))))
    return verdicts


def _mark_unsettled(verdicts: list[Verdict], local: Run, again: Run) -> None:
    for verdict, before, after in zip(verdicts, local.cells, again.cells, strict=True):
        if verdict.verdict != "different":
            continue
        if after.ended != "done" or differences(before.outputs, after.outputs):
            verdict.verdict = "unsettled"


def _errors(outcome: CellOutcome) -> str:
    found = (o for o in outcome.outputs if o["output_type"] == "error")
    return "; ".join(f"{o['ename']}: {o['evalue']}" for o in found)
