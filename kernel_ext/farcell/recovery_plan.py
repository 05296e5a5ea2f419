"""What must run again for names to be what they were, and what can't be had again and why.

It is pure, as the provenance is that it reads.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from farcell.provenance import PastRun, Provenance

Known = Callable[[str], object]


@dataclass(frozen=True, slots=True)
class Step:
    """A run that is to be run again.

    Attributes:
        puts_back: names that it reads as they are now, and that a step before it binds.
    """

    run: PastRun
    puts_back: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run again, and what comes of it.

    Attributes:
        steps: in their order.
        names: what is there again afterwards, with the versions.
        kept: names that are there and stay what they are, though steps change them: they are put
            back.
        deleted: names that there are no more, though nothing was lost of them: deleted again.
        cannot: the names that can't be rebuilt, with the reasons.
        caveats: names that are made again only as they were before a run that did not end well.
    """

    steps: Sequence[Step]
    names: Mapping[str, int]
    kept: frozenset[str]
    deleted: frozenset[str]
    cannot: Mapping[str, str]
    caveats: Mapping[str, str]

    @property
    def changed(self) -> set[str]:
        """The names that steps change."""
        return {name for step in self.steps for name in step.run.changes}


def plan_of(
    past: Provenance, names: Collection[str] = (), known: Known = lambda name: None
) -> Plan:
    """What must run again for ``names``; without any, for all that are lost.

    Args:
        known: what a value that the notebook has is known by now; none if that can't be told.
    """
    return _Planning(past, known).plan(names or past.names_lost())


class _Planning:
    """The making of one plan."""

    def __init__(self, past: Provenance, known: Known) -> None:
        self._past = past
        self._known = known
        self._caveats: dict[str, str] = {}
        self._refused: dict[int, str] = {}  # runs that ran beside others, with the reasons
        self._same: dict[tuple[str, int], bool] = {}  # whether what is there is that version too

    def plan(self, names: Collection[str]) -> Plan:
        while True:
            self._caveats = {}
            wanted, cannot = self._wanted(names)
            runs = self._runs_for(wanted)
            steps = self._in_turn(runs)
            if steps is not None:
                break
        after: dict[str, int] = {}
        for run in runs:
            after.update(dict.fromkeys(run.made | run.touched.keys(), run.number))
        reached = {name: v for name, v in after.items() if v == self._past.version_lost(name)}
        got = {**reached, **wanted}
        changed = {name for run in runs for name in run.changes}
        rest = changed - got.keys()
        kept = {name for name in rest if self._past.version(name) is not None}
        deleted = {name for name in rest - kept if self._past.version_lost(name) is None}
        used = {*wanted, *(name for run in runs for name in run.reads)}
        caveats = {name: why for name, why in self._caveats.items() if name in used}
        return Plan(steps, got, frozenset(kept), frozenset(deleted), cannot, caveats)

    def _wanted(self, names: Collection[str]) -> tuple[dict[str, int], dict[str, str]]:
        """The versions that can be had, and why others can't."""
        wanted: dict[str, int] = {}
        cannot: dict[str, str] = {}
        for name in names:
            lost = self._past.version_lost(name)
            if lost is None:
                there = self._past.version(name) is not None
                cannot[name] = "it is not lost" if there else "no cell is known that made it"
                continue
            version = self._settled(name, lost)
            if why := self._why_not(name, version):
                cannot[name] = why
            else:
                wanted[name] = version
        return wanted, cannot

    def _why_not(self, name: str, version: int) -> str:
        """Why ``name`` can't become ``version`` again; empty if it can."""
        if self._is_there(name, version):
            return ""
        needed: dict[int, set[str]] = {}
        waiting = [(name, version)]
        while waiting:
            wanted, at = waiting.pop()
            if wanted not in needed.setdefault(at, set()):
                needed[at].add(wanted)
                waiting += self._needs(wanted, at)
        reasons: dict[tuple[str, int], str] = {}
        for at in sorted(needed):  # what a run needs was made before it
            for wanted in needed[at]:
                reasons[wanted, at] = self._reason(wanted, at, reasons)
        return reasons[name, version]

    def _reason(self, name: str, version: int, reasons: Mapping[tuple[str, int], str]) -> str:
        run = self._past.run(version)
        if run is None:
            return f"it was made {self._past.maker(version)}"
        if why := self._refused.get(version) or run.once:
            return f"{run.label} can't be run again: {why}"
        if run.ended:
            return f"{run.label}, which made it, {run.ended} half way"
        for read, then in self._needs(name, version):
            if why := reasons[read, then]:
                changed = "" if self._past.version(read) is None else "has changed since, and "
                return f"{run.label} read '{read}', which {changed}can't be had again: {why}"
        return ""

    def _needs(self, name: str, version: int) -> Iterator[tuple[str, int]]:
        """What isn't there and must be, for ``name`` to become ``version``."""
        run = self._past.run(version)
        if run is None:
            return
        for read, then in self._inputs(run, name):
            settled = self._settled(read, then, run)
            if not self._is_there(read, settled, run):
                yield read, settled

    def _inputs(self, run: PastRun, name: str) -> Iterator[tuple[str, int]]:
        yield from run.reads.items()
        if name in run.touched and name not in run.reads:
            yield name, run.touched[name]

    def _is_there(self, name: str, version: int, reader: PastRun | None = None) -> bool:
        there = self._past.version(name)
        if there == version or there is None:
            return there is not None
        if (found := self._same.get((name, version))) is not None:
            return found
        if reader is None or name not in reader.known_by:
            return False
        now = self._known(name)
        found = self._same[name, version] = now is not None and now == reader.known_by[name]
        return found

    def _settled(self, name: str, version: int, reader: PastRun | None = None) -> int:
        """``version``, or the one before a run that did not end well and only touched ``name``."""
        while not self._is_there(name, version, reader):
            run = self._past.run(version)
            if run is None or not run.ended or name not in run.touched:
                break
            self._caveats[name] = f"{run.label}, which {run.ended} and may have changed it in place"
            version = run.touched[name]
        return version

    def _runs_for(self, wanted: Mapping[str, int]) -> list[PastRun]:
        found: dict[int, PastRun] = {}
        seen: set[tuple[str, int]] = set()
        waiting = [(name, v) for name, v in wanted.items() if not self._is_there(name, v)]
        while waiting:
            name, version = waiting.pop()
            run = self._past.run(version)
            if run is None or (name, version) in seen:
                continue
            seen.add((name, version))
            found[version] = run
            waiting += self._needs(name, version)
        return [found[number] for number in sorted(found)]

    def _in_turn(self, runs: Sequence[PastRun]) -> list[Step] | None:
        """The steps; none if a run would not find what it read, which is refused then.

        That happens to one that ran beside others: what it read was changed before it had ended.
        """
        steps: list[Step] = []
        now: dict[str, int] = {}  # the versions of what steps have changed; 0: it is deleted
        for run in runs:
            back: set[str] = set()
            for name, then in run.reads.items():
                settled = self._settled(name, then, run)
                if name not in now or now[name] in (then, settled):
                    continue
                if not self._is_there(name, settled, run):
                    self._refused[run.number] = f"'{name}' changed while it ran"
                    return None
                back.add(name)
                del now[name]
            steps.append(Step(run, frozenset(back)))
            now.update(dict.fromkeys(run.made | run.touched.keys(), run.number))
            now.update(dict.fromkeys(run.deleted, 0))
        return steps
