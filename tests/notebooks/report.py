"""The verdicts as tables, as JSON, and one cell's two outputs side by side."""

from __future__ import annotations

import difflib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from .compare import Output, settled, shown
from .corpus import Notebook
from .judging import NotebookReport, Verdict
from .runner import CellOutcome

_LONGEST_LINES = 120


def share_alike(reports: list[NotebookReport]) -> float:
    """Which part of the settled cells looks alike, from 0 to 1."""
    counts = _counts(reports)
    judged = counts["alike"] + counts["different"]
    return counts["alike"] / judged if judged else 0.0


def judged_cells(reports: list[NotebookReport]) -> int:
    """How many cells there is a verdict on."""
    counts = _counts(reports)
    return counts["alike"] + counts["different"]


def write_json(reports: list[NotebookReport], path: Path) -> None:
    """Keep all verdicts in a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps([asdict(report) for report in reports], indent=1), encoding="utf-8")


def summary(reports: list[NotebookReport]) -> str:
    """A table by distribution, one by reason, and the total."""
    return "\n".join([*_by_label(reports), "", *_by_reason(reports), "", _total(reports)])


def line(report: NotebookReport) -> str:
    """A notebook in a line."""
    if report.problem:
        return f"  !  {report.name}: {report.problem.splitlines()[0]}"
    counts = report.counts
    judged = counts["alike"] + counts["different"]
    words = [f"{counts['alike']:4d}/{judged:<4d}{report.name}"]
    words += [f"{counts[word]} {word}" for word in ("unsettled", "not run") if counts[word]]
    words.append(f"{report.local_s:.1f} s / {report.away_s:.1f} s")
    if report.left_behind:
        words.append(f"left behind: {len(report.left_behind)} processes")
    differing = [f"{n}: {', '.join(cell.reasons)}" for n, cell in _different(report)]
    return "\n".join(["  ".join(words), *(f"          {text}" for text in differing)])


def side_by_side(notebook: Notebook, index: int, local: CellOutcome, away: CellOutcome) -> str:
    """A cell, what it showed at home and away, and the difference of their text."""
    before, after = (_as_text(outcome.outputs) for outcome in (local, away))
    difference = difflib.unified_diff(before, after, "local", "away", lineterm="", n=2)
    parts = [
        f"=== {notebook.name}, code cell {index}",
        notebook.cells[index],
        f"--- local ({local.ended}, {local.took_s:.2f} s)",
        *_shortened(before),
        f"--- away ({away.ended}, {away.took_s:.2f} s)",
        *_shortened(after),
        "--- difference",
        *difference,
    ]
    return "\n".join(parts)


def _as_text(outputs: list[Output]) -> list[str]:
    lines = []
    for output in outputs:
        kind = output["output_type"]
        if kind == "stream":
            lines += [f"[{output['name']}]", *settled(shown(output["text"])).split("\n")]
        elif kind == "error":
            lines += [f"[error] {output['ename']}: {output['evalue']}"]
            lines += shown("\n".join(output["traceback"])).split("\n")
        else:
            for mime, value in output["data"].items():
                lines.append(f"[{kind} {mime}]")
                if mime.startswith("text/"):
                    lines += settled("".join(value)).split("\n")
    return lines


def _shortened(lines: list[str]) -> list[str]:
    if len(lines) <= _LONGEST_LINES:
        return lines
    return [*lines[:_LONGEST_LINES], f"... {len(lines) - _LONGEST_LINES} more lines"]


def _counts(reports: list[NotebookReport]) -> Counter[str]:
    return sum((report.counts for report in reports), Counter[str]())


def _different(report: NotebookReport) -> Iterator[tuple[int, Verdict]]:
    for number, cell in enumerate(report.cells):
        if cell.verdict == "different":
            yield number, cell


def _by_label(reports: list[NotebookReport]) -> list[str]:
    lines = ["distribution        notebooks  alike  different  unsettled  not run"]
    labels = sorted({report.name.partition("/")[0] for report in reports})
    for label in labels:
        ours = [report for report in reports if report.name.startswith(f"{label}/")]
        counts = _counts(ours)
        lines.append(
            f"{label:20s}{len(ours):9d}{counts['alike']:7d}{counts['different']:11d}"
            f"{counts['unsettled']:11d}{counts['not run']:9d}"
        )
    return lines


def _by_reason(reports: list[NotebookReport]) -> list[str]:
    reasons: Counter[str] = Counter()
    example: dict[str, str] = {}
    for report in reports:
        for number, cell in _different(report):
            for reason in cell.reasons:
                reasons[reason] += 1
                example.setdefault(reason, f"{report.name}:{number}")
    return [
        f"{count:5d}  {reason}  (as {example[reason]})" for reason, count in reasons.most_common()
    ]


def _total(reports: list[NotebookReport]) -> str:
    counts = _counts(reports)
    sound = Counter(cell.verdict for report in reports for cell in report.cells if not cell.failed)
    judged = sound["alike"] + sound["different"]
    return (
        f"{100 * share_alike(reports):.2f} % of {judged_cells(reports)} cells alike; "
        f"{100 * sound['alike'] / max(judged, 1):.2f} % of the {judged} that raise nothing; "
        f"{counts['unsettled']} unsettled left out"
    )
