"""Which run of which cell made each name, and from what: enough to say what must run again.

It is pure: it knows the text of cells, names and versions, no values, no clock and no process. The
version of a name is the number of the run that has bound it, or may have changed its value in
place. Numbers grow: a run reads only what runs with smaller ones have made.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

_MOST_RUNS = 1000
_TOO_OLD = f"more than {_MOST_RUNS} cells ago"
_UNSEEN = "by no cell that farcell has seen"


@dataclass(slots=True)
class PastRun:
    """A run of a cell, as it is remembered.

    Attributes:
        number: grows from run to run.
        prompt: the number that the notebook shows beside the cell.
        source: the cell as typed.
        header: its ``%%remote`` line as it was carried out, if it has one.
        reads: the names that it read, with their versions then.
        known_by: what the values of some of them were known by (see ``Values``).
        made: the names that it has bound.
        touched: those whose values it may have changed in place, with their versions before.
        deleted: those that it has deleted.
        took_s: how long it ran.
        ended: how, if not well: ``failed``, or ``was stopped``.
        once: why it can't be run again; empty if it can.
        earlier: whether a kernel before this one has run it.
    """

    number: int
    prompt: int
    source: str
    header: str = ""
    reads: dict[str, int] = field(default_factory=dict)
    known_by: dict[str, object] = field(default_factory=dict)
    made: set[str] = field(default_factory=set)
    touched: dict[str, int] = field(default_factory=dict)
    deleted: set[str] = field(default_factory=set)
    took_s: float = 0.0
    ended: str = ""
    once: str = ""
    earlier: bool = False

    @property
    def label(self) -> str:
        """What it is called in messages."""
        return f"In[{self.prompt}]{' before the restart' if self.earlier else ''}"

    @property
    def changes(self) -> set[str]:
        """The names that are not after it what they were before."""
        return self.made | self.touched.keys() | self.deleted


class Provenance:
    """What is remembered of the notebook's runs."""

    def __init__(self) -> None:
        self._runs: dict[int, PastRun] = {}
        self._there: dict[str, int] = {}  # the versions of the names that there are
        self._lost: dict[str, int] = {}  # the newest versions of names that are gone, or older now
        self._former: dict[str, int] = {}  # what a kernel before this one had
        self._former_deleted: frozenset[str] = frozenset()
        self._held: dict[str, dict[str, int]] = {}  # the versions that gangs have
        self._unwritten: set[str] = set()  # names that something has happened to
        self._aside: dict[str, int] = {}  # the versions that the notebook keeps of others' names
        self._makers: dict[int, str] = {}  # of versions that no run has made
        self._current: PastRun | None = None
        self._again = False
        self._beside = ""
        self._latest = 0

    # ---- runs -------------------------------------------------------------------------------

    def begins(self, source: str, prompt: int) -> PastRun | None:
        """A cell begins to run; none, if it does so within another, which it is a part of."""
        if self._current is not None:
            return None
        self._latest += 1
        self._current = PastRun(self._latest, prompt, source)
        return self._current

    def ended(self, run: PastRun, *, took_s: float, ended: str = "", once: str = "") -> None:
        """That run has ended."""
        run.took_s, run.ended, run.once = took_s, ended, run.once or once
        if self._current is run:
            self._current = None
        self._keep(run)

    def goes_on(self) -> PastRun:
        """What the cell that runs has begun goes on in the background.

        Returns:
            A run of its own, that has read what the cell has. Its end is to be ``settled``.
        """
        current = self._current or PastRun(0, 0, "")
        run = PastRun(0, current.prompt, current.source, current.header)
        run.reads, run.known_by = dict(current.reads), dict(current.known_by)
        return run

    @contextlib.contextmanager
    def settling(self, run: PastRun, ended: str = "") -> Iterator[None]:
        """What changes meanwhile is of a run that has ended so in the background."""
        run.ended = ended
        run.number = self._number_before_current()
        run.reads = {name: v for name, v in run.reads.items() if v < run.number}
        with self._as(run, again=False):
            yield
        self._keep(run)

    @contextlib.contextmanager
    def again(self, run: PastRun) -> Iterator[None]:
        """``run`` is run again: what it makes is what it made."""
        with self._as(run, again=True):
            yield

    @contextlib.contextmanager
    def _as(self, run: PastRun, *, again: bool) -> Iterator[None]:
        before = self._current, self._again
        self._current, self._again = run, again
        try:
            yield
        finally:
            self._current, self._again = before

    @contextlib.contextmanager
    def beside(self, maker: str) -> Iterator[None]:
        """What changes meanwhile is made by no cell, but by ``maker``, if there is one."""
        before, self._beside = self._beside, self._beside or maker
        try:
            yield
        finally:
            self._beside = before

    def runs_as(self, header: str) -> None:
        """The run is that of a remote cell with this line."""
        if self._current is not None and not self._again:
            self._current.header = header

    def happens_once(self, why: str) -> None:
        """The run can't be run again."""
        if self._current is not None and not self._again:
            self._current.once = why

    # ---- names ------------------------------------------------------------------------------

    def read(self, names: Iterable[str], known_by: Mapping[str, object] | None = None) -> None:
        """The run reads ``names``, some of whose values are ``known_by`` this."""
        run = self._current
        if run is None or self._again:
            return
        for name in names:
            version = self._there.get(name)
            if version is None or version == run.number or name in run.reads:
                continue
            run.reads[name] = version
            if known_by and name in known_by:
                run.known_by[name] = known_by[name]

    def changed(self, name: str, *, bound: bool, here: bool, was_here: bool = False) -> None:
        """``name`` was bound, or its value may have changed in place.

        Args:
            here: whether that was in the notebook's kernel.
            was_here: whether the kernel had its newest value before.
        """
        before = self._there.get(name, 0)
        run = self._current
        if run is None or self._beside:
            number = self._number_before_current()
            self._makers[number] = self._beside or _UNSEEN
        else:
            number = run.number
            if self._again and not bound and name not in run.changes:
                return  # it has done no such thing the first time
            if not self._again or name not in run.changes:
                self._note(run, name, before, bound=bound)
        if here or bound:
            self._aside.pop(name, None)
        elif was_here:
            self._aside[name] = before
        self._there[name] = number
        self._unwritten.add(name)
        self._not_missed(name, number)

    def holds(self, gang: str, names: Iterable[str]) -> None:
        """``gang`` has the newest version of ``names``."""
        held = self._held.setdefault(gang, {})
        for name in names:
            if (version := self._there.get(name)) is not None and held.get(name) != version:
                held[name] = version
                self._unwritten.add(name)

    def gang_gone(self, gang: str) -> None:
        """``gang`` is gone, with all that it had."""
        self._unwritten.update(self._held.pop(gang, ()))

    def _not_missed(self, name: str, number: int) -> None:
        for missed in (self._lost, self._former):
            if missed.get(name, 0) <= number:
                missed.pop(name, None)

    def found(self, gang: str, name: str, *, known: bool) -> None:
        """``gang`` has ``name`` from a kernel before this one.

        Args:
            known: whether all is known that was changed there.
        """
        held = self._held.get(gang, {}).get(name)
        if known and held is not None and held == self._former.get(name):
            self._there[name] = self._former.pop(name)
        else:
            self.changed(name, bound=True, here=False)

    def _note(self, run: PastRun, name: str, before: int, *, bound: bool) -> None:
        run.deleted.discard(name)
        if bound:
            run.made.add(name)
        elif before != run.number and name not in run.made:
            run.touched.setdefault(name, before)

    def deleted(self, name: str) -> None:
        """``name`` was deleted."""
        run = self._current
        self._there.pop(name, None)
        self._aside.pop(name, None)
        self._unwritten.add(name)
        for held in self._held.values():
            held.pop(name, None)
        if run is not None and not self._beside and not self._again:
            run.deleted.add(name)
            run.made.discard(name)
        self._not_missed(name, self._latest if run is None else run.number)

    def lost(self, lost: Iterable[str], back: Iterable[str] = ()) -> None:
        """A gang is gone: what it alone had, and what is as it was before its cells."""
        for name in lost:
            if (version := self._there.pop(name, None)) is not None:
                self._lost[name] = max(version, self._lost.get(name, 0))
        for name in back:
            version, before = self._there.get(name, 0), self._aside.get(name)
            if before is not None and before != version:
                self._lost[name] = max(version, self._lost.get(name, 0))
                self._there[name] = before

    def taken_out(self, name: str) -> None:
        """``name`` is gone again: what was made again is older than what was lost."""
        self._there.pop(name, None)

    def is_again(self, name: str, version: int) -> None:
        """``name`` has once more the value of ``version``, which is what it shall have."""
        self._there[name] = version
        self._aside.pop(name, None)
        self._unwritten.add(name)

    def is_rebuilt(self, name: str) -> None:
        """What was lost of ``name`` is not missed any more."""
        self._lost.pop(name, None)
        self._former.pop(name, None)

    # ---- what is known ----------------------------------------------------------------------

    def run(self, version: int) -> PastRun | None:
        """The run that made that version of names, if it is remembered."""
        return self._runs.get(version)

    def maker(self, version: int) -> str:
        """When or by whom a version was made of which no run is known."""
        return self._makers.get(version, _TOO_OLD)

    def version(self, name: str) -> int | None:
        """The version of ``name`` that is there; none if it isn't."""
        return self._there.get(name)

    def version_lost(self, name: str) -> int | None:
        """The version of ``name`` that was lost, with a worker or a kernel, if it was."""
        return self._lost.get(name, self._former.get(name))

    def was_deleted(self, name: str) -> bool:
        """Whether a kernel before this one has deleted ``name``."""
        return name in self._former_deleted

    def names_lost(self) -> list[str]:
        """The names that are gone."""
        return sorted(n for n in self._lost if n not in self._there and not n.startswith("_"))

    def names_older(self) -> list[str]:
        """The names that are as they were before the lost worker's cells."""
        return sorted(n for n in self._lost if n in self._there and not n.startswith("_"))

    def can_be_tried(self, name: str) -> bool:
        """Whether ``name`` was lost, and the run that made it can be run again."""
        run = self._runs.get(self._lost.get(name, 0))
        return run is not None and not run.once

    # ---- for another kernel -----------------------------------------------------------------

    def runs_after(self, number: int) -> list[PastRun]:
        """The runs with larger numbers."""
        found: list[PastRun] = []
        for run in reversed(self._runs.values()):
            if run.number <= number:
                break
            found.append(run)
        return found[::-1]

    def take_unwritten(self, *, all_: bool = False) -> dict[str, tuple[int, dict[str, int]]]:
        """What has become of names since the last call, or all there is to tell.

        Returns:
            For each name its newest version, be that lost; 0 if there is no such name any more. And
            the versions that gangs have.
        """
        names, self._unwritten = self._unwritten, set()
        if all_:
            names = {*self._former, *self._there, *self._lost}
        found: dict[str, tuple[int, dict[str, int]]] = {}
        for name in names:
            each = (known.get(name, 0) for known in (self._lost, self._there, self._former))
            version = next((number for number in each if number), 0)
            held = {gang: has[name] for gang, has in self._held.items() if name in has}
            found[name] = version, held
        return found

    def restore(
        self,
        runs: Iterable[PastRun],
        versions: Mapping[str, tuple[int, dict[str, int]]],
        makers: Mapping[int, str],
    ) -> bool:
        """Remember what a kernel before this one has written; false once a cell has run here."""
        if self._runs or self._current is not None:
            return False
        self._runs = {run.number: run for run in runs}
        first = max([*self._runs, *(version for version, _ in versions.values()), *makers, 0])
        self._there = {name: first + version for name, version in self._there.items()}
        self._makers = {first + number: maker for number, maker in self._makers.items()}
        self._makers |= makers
        self._former = {n: v for n, (v, _) in versions.items() if v and n not in self._there}
        self._former_deleted = frozenset(name for name, (v, _) in versions.items() if not v)
        for name, (_, held) in versions.items():
            for gang, version in held.items():
                self._held.setdefault(gang, {})[name] = version
        self._latest += first
        return True

    # ---- numbers ----------------------------------------------------------------------------

    def _number_before_current(self) -> int:
        """A number for what happens within a run, which may read what comes of it."""
        self._latest += 1
        run = self._current
        if run is None or self._again:
            return self._latest
        number, run.number = run.number, self._latest
        for name in run.changes:
            if self._there.get(name) == number:
                self._there[name] = run.number
        return number

    def _keep(self, run: PastRun) -> None:
        if not run.changes:
            return
        self._runs[run.number] = run
        while len(self._runs) > _MOST_RUNS:
            del self._runs[min(self._runs)]
        if len(self._makers) > 2 * _MOST_RUNS:
            used = {*self._there.values(), *self._lost.values()}
            self._makers = {each: who for each, who in self._makers.items() if each in used}
