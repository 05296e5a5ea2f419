"""Random plays of cells and deaths: carried out, a plan gives the values that there were.

Cells are functions of what they read: the value that one makes tells all that went into it.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from hypothesis import given, settings
from hypothesis import strategies as st

from farcell.directory import KERNEL, Directory
from farcell.provenance import PastRun, Provenance
from farcell.recovery_plan import Plan, plan_of

NAMES = "abcd"


@dataclass(frozen=True)
class Code:
    """What a cell does: first it changes some names in place, then it binds and deletes others."""

    place: str
    number: int
    reads: frozenset[str]
    touches: frozenset[str]
    makes: frozenset[str]
    deletes: frozenset[str]
    fails: bool

    def results(self, values: dict[str, str]) -> dict[str, str]:
        given = ",".join(f"{name}={values.get(name)}" for name in sorted(self.reads))
        touched = {
            n: f"{self.number}!{n}({values[n]};{given})" for n in self.touches & values.keys()
        }
        return touched | {name: f"{self.number}:{name}({given})" for name in self.makes}


@dataclass
class Play:
    """A notebook and one gang: what all names are, wherever they are."""

    values: dict[str, str] = field(default_factory=dict)
    shadows: dict[str, str] = field(default_factory=dict)
    history: dict[tuple[str, int], str] = field(default_factory=dict)
    cells: dict[str, Code] = field(default_factory=dict)
    past: Provenance = field(default_factory=Provenance)
    directory: Directory = field(default_factory=Directory)

    def run(self, code: Code) -> None:
        source = str(code.number)
        there = self.values.keys()
        found = {"reads": code.reads, "touches": code.touches, "deletes": code.deletes}
        code = replace(code, **{what: names & there for what, names in found.items()})
        self.cells[source] = code
        run = self.past.begins(source, code.number)
        assert run is not None
        self.past.read(code.reads & self.values.keys())
        self.carry_out(code)
        for name in code.touches | code.makes:
            if name in self.values:
                self.history[name, run.number] = self.values[name]
        self.past.ended(run, took_s=0, ended="failed (E)" if code.fails else "")

    def carry_out(self, code: Code) -> None:
        known = [name for name in code.reads if name in self.directory]
        self.directory.received(code.place, known)
        for name, value in code.results(self.values).items():
            bound = name in code.makes
            was_here = self.directory.is_newest(KERNEL, name)
            if bound or code.place == KERNEL:
                self.shadows.pop(name, None)
            elif was_here:
                self.shadows[name] = self.values[name]
            self.directory.changed(code.place, name)
            self.past.changed(name, bound=bound, here=code.place == KERNEL, was_here=was_here)
            self.values[name] = value
        for name in code.deletes & self.values.keys():
            self.delete(name)

    def delete(self, name: str) -> None:
        self.directory.deleted(KERNEL, name)
        self.past.deleted(name)
        self.values.pop(name, None)
        self.shadows.pop(name, None)

    def kill(self) -> None:
        back = [n for n in self.shadows if self.directory.holders(n) == ["gang"]]
        for name in back:
            self.directory.changed(KERNEL, name)
            self.values[name] = self.shadows.pop(name)
        lost = self.directory.gone("gang", "it died")
        for name in lost:
            del self.values[name]
            self.shadows.pop(name, None)
        self.past.lost(lost, back)

    def carry_out_plan(self, plan: Plan) -> None:
        aside: dict[str, tuple[str, int]] = {}
        gone = self.past.names_lost()
        there = plan.changed & self.values.keys()
        for step in plan.steps:
            for name in step.puts_back:
                self.bind(name, *aside[name])
            for name in (step.run.changes & there) - aside.keys():
                version = self.past.version(name)
                assert version is not None
                aside[name] = self.values[name], version
            self.again(step.run)
        for name, (value, version) in aside.items():
            if name not in plan.names:
                self.bind(name, value, version)
        for name in plan.deleted & self.values.keys():
            self.delete(name)
        for name in plan.names:
            self.past.is_rebuilt(name)
        for name in gone:
            if name in self.values and name not in plan.names:
                self.directory.lose(name, "older")
                self.past.taken_out(name)
                del self.values[name]

    def again(self, run: PastRun) -> None:
        code = self.cells[run.source]
        assert code.reads & run.reads.keys() <= self.values.keys()
        with self.past.again(run):
            self.carry_out(code)

    def bind(self, name: str, value: str, version: int) -> None:
        self.directory.changed(KERNEL, name)
        self.shadows.pop(name, None)
        self.values[name] = value
        self.past.is_again(name, version)


some = st.frozensets(st.sampled_from(NAMES), max_size=2)
cells = st.builds(
    lambda place, reads, touched, makes, deletes, fails: Code(
        place, 0, reads | touched, touched - makes, makes, deletes - makes - touched, fails
    ),
    st.sampled_from([KERNEL, "gang", "gang"]),
    some,
    some,
    some,
    st.frozensets(st.sampled_from(NAMES), max_size=1),
    st.sampled_from([False, False, False, False, True]),
)
plays = st.lists(st.one_of(cells, cells, cells, st.just("kill"), some), max_size=14)


@settings(max_examples=150, deadline=None)
@given(plays, some)
def test_a_plan_gives_the_values_that_there_were(play: list[object], asked: frozenset[str]) -> None:
    story = Play()
    for number, event in enumerate([*play, "kill", asked], 1):
        if isinstance(event, Code):
            story.run(replace(event, number=number))
        elif event == "kill":
            story.kill()
        elif isinstance(event, frozenset):
            recover(story, event)
        story.directory.check()


def recover(story: Play, asked: frozenset[str]) -> None:
    before = dict(story.values)
    missing = {n for n in NAMES if story.past.version_lost(n) is not None}
    plan = plan_of(story.past, sorted(asked & missing))
    there = {n: story.past.version(n) for n in NAMES}
    story.carry_out_plan(plan)
    if not plan.caveats:
        for name, version in plan.names.items():
            assert story.values[name] == story.history[name, version], name
    for name, value in before.items():
        if name not in plan.names:
            assert story.values[name] == value, name
            assert story.past.version(name) == there[name], name
    # What is neither rebuilt nor was there is not there: nothing old passes for new.
    assert story.values.keys() == before.keys() | plan.names.keys()
