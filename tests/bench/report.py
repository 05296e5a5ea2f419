"""Medians, spreads, ratios and verdicts, as Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from .figures import FIGURES, TARGETS, Figure, Target
from .plan import SUBJECTS
from .samples import Failure, Sample, Versions, median, quantile

COLUMNS = (
    "farcell",
    "local cell",
    "pickle, file",
    "Ray",
    "Monarch",
    "Dask",
    "ipyparallel",
    "ipyparallel, bare call",
    "floor",
)

NOTES = """\
- Each program ran in a process of its own, once a round; rounds alternate in order. A figure is the
  median of all its values with their p10–p90 behind it; a ratio is taken within each round, and
  stands as the median over the rounds with their least and greatest.
- **farcell** and **ipyparallel** run whole cells (`%%remote`, `%%px`) through the shell of a real
  ipykernel process, timed inside it; the "local cell" is the same code in the same kernel, without
  the magic. They run back to back; IPython writes its history to disk on a thread of its own, which
  one row takes in. Ray, Monarch and Dask make bare calls from a plain Python process: no cell is
  parsed, no output captured, no names moved.
- Ray: `ray.get(actor.f.remote())`, dashboard off, actors with `num_cpus=0`. Monarch:
  `actors.f.call().get()`. Dask: `submit(...).result()` on one worker, `client.run` on all.
- A start counts from `%load_ext` (farcell) or from after the imports (peers) to the first result.
  "More ranks" are a gang, actors or a mesh in a cluster that is up; for ipyparallel a new cluster.
- A stop counts from the signal to the cell's reply at the front end; Ray's is `ray.cancel` of a
  sleeping task (3 s) until `ray.get` returns; ipyparallel's cell sleeps 3 s too.
- A new kernel counts from `%load_ext` in a process that is up, with the session still living: to
  the end of the cell that reads a list of ten, and to the last line at the front end.
- Memory is what smaps calls private, clean and dirty: what the end of the process would give back.
"""


@dataclass
class Results:
    """All samples of a run, by round."""

    rounds: list[dict[tuple[str, str], list[float]]] = field(default_factory=list)
    failures: dict[tuple[str, str], str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    subjects: frozenset[str] = frozenset(SUBJECTS)  #: what was asked for

    def begin_round(self) -> None:
        self.rounds.append({})

    def add(self, records: Iterable[Sample | Failure | Versions]) -> None:
        for record in records:
            if isinstance(record, Sample):
                values = self.rounds[-1].setdefault((record.figure, record.who), [])
                values.extend(record.values)
            elif isinstance(record, Failure):
                self.failures[record.figure, record.who] = record.why
            else:
                self.versions.update(record.packages)

    def pooled(self, figure: str, who: str) -> list[float]:
        """The values of a figure from all rounds."""
        return [value for one in self.rounds for value in one.get((figure, who), [])]

    def by_round(self, target: Target) -> list[float]:
        """What ``target`` is about, once for each round that measured it."""
        found: list[float] = []
        for one in self.rounds:
            values = one.get((target.figure, "farcell"))
            if not values:
                continue
            value = quantile(values, target.q)
            if target.reference is not None:
                against = one.get(target.reference)
                if not against:
                    continue
                value /= median(against)
            found.append(value)
        return found


def number(value: float) -> str:
    """Three significant digits, and no exponent."""
    if value == int(value) and abs(value) < 1e6:
        return f"{int(value):,}"
    for limit, digits in ((100, 0), (10, 1), (1, 2), (0.1, 3)):
        if abs(value) >= limit:
            return f"{value:,.{digits}f}"
    return f"{value:.4f}" if abs(value) < 0.01 else f"{value:.3f}"


def _table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def _spread(values: list[float], low: float, high: float) -> str:
    least, most = number(low), number(high)
    return f" ({least}–{most})" if len(values) > 1 and least != most else ""


def target_rows(results: Results, *, full: bool) -> list[list[str]]:
    """One row for each target: measured, limit, verdict."""
    units = {figure.name: figure.unit for figure in FIGURES}
    subjects = {figure.name: figure.subject for figure in FIGURES}
    rows: list[list[str]] = []
    for target in TARGETS:
        if target.full_only and not full:
            continue
        unit = "×" if target.reference else " " + units[target.figure]
        unit = unit.replace(" ×", "×")
        limit = f"{number(target.at_most)}{unit}"
        values = results.by_round(target)
        if not values:
            subject = subjects[target.figure]
            if subject not in results.subjects:
                continue
            broken = results.failures.get(("program", "farcell"), "not measured")
            why = results.failures.get((target.figure, "farcell"), broken)
            rows.append([target.title, "–", limit, why])
            continue
        middle = median(values)
        reached = "reached" if middle <= target.at_most else "**not reached**"
        shown = f"{number(middle)}{unit}{_spread(values, min(values), max(values))}"
        rows.append([target.title, shown, limit, reached])
    return rows


def _cell(results: Results, figure: Figure, who: str) -> str:
    values = results.pooled(figure.name, who)
    if not values:
        return "failed" if (figure.name, who) in results.failures else "–"
    return number(median(values)) + _spread(values, quantile(values, 0.1), quantile(values, 0.9))


def _subject_table(results: Results, subject: str) -> str:
    figures = [figure for figure in FIGURES if figure.subject == subject]
    figures = [f for f in figures if any(results.pooled(f.name, who) for who in COLUMNS)]
    columns = [who for who in COLUMNS if any(results.pooled(f.name, who) for f in figures)]
    if not figures:
        return ""
    rows: list[list[str]] = []
    for figure in figures:
        unit = f", {figure.unit}" if figure.unit else ""
        cells = [_cell(results, figure, who) for who in columns]
        rows.append([figure.title + unit, *cells])
    return f"### {SUBJECTS[subject].capitalize()}\n\n" + _table(["", *columns], rows)


def losses(results: Results) -> list[str]:
    """Each figure at which a peer does better than farcell, in a line."""
    found: list[str] = []
    for figure in FIGURES:
        ours = results.pooled(figure.name, "farcell")
        if not ours:
            continue
        for who in COLUMNS[2:-1]:
            theirs = results.pooled(figure.name, who)
            if theirs and median(theirs) < median(ours):
                ratio = f"{median(ours) / median(theirs):.2f}×" if median(theirs) > 0 else "more"
                values = f"{number(median(ours))} against {number(median(theirs))} {figure.unit}"
                subject = SUBJECTS[figure.subject]
                found.append(f"- {subject}, {figure.title}: {values.strip()}, {ratio} {who}'s")
    return found


def markdown(
    results: Results, machine: Mapping[str, str], *, when: str, took_s: float, full: bool
) -> str:
    """The whole of BENCHMARKS.md."""
    parts = [
        "# Benchmarks\n",
        "Written by `make bench`; do not edit. farcell beside its peers, in one run on one machine,"
        " on 2 workers unless a row says otherwise: the ratios matter, not the milliseconds.\n",
        f"{when}, {len(results.rounds)} round(s) in {took_s / 60:.0f} min. "
        + ", ".join(f"{name}: {value}" for name, value in machine.items())
        + ".  \n"
        + ", ".join(f"{name} {value}" for name, value in sorted(results.versions.items()))
        + ".\n",
        "## What farcell is to reach\n",
        _table(["", "farcell", "at most", ""], target_rows(results, full=full)),
        "## Side by side\n",
        *[table for subject in SUBJECTS if (table := _subject_table(results, subject))],
        "## Where a peer is better\n",
        "\n".join(losses(results) or ["- Nowhere in this run."]) + "\n",
    ]
    troubles = [f"- {who} is missing: it could not be installed here" for who in results.missing]
    troubles += [f"- {who}, `{name}`: {why}" for (name, who), why in results.failures.items()]
    if troubles:
        parts += ["## What could not be measured\n", "\n".join(troubles) + "\n"]
    parts += ["## How it was measured\n", NOTES]
    return "\n".join(parts)
