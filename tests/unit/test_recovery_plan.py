"""Which cells make lost names again: stories of cells, a line each, and the plans after them.

``R model <- df cfg`` is a remote cell that makes ``model`` and reads the others, ``L`` a local one;
``~x`` among what it makes is a name that it may have changed in place, ``-x`` one that it deletes.
Cells are numbered from 1. ``kill`` loses the worker.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from farcell.directory import KERNEL, Directory
from farcell.provenance import PastRun, Provenance
from farcell.recovery_plan import Plan, plan_of

ENDS = {"fails": "failed (ValueError)", "stopped": "was stopped"}


@dataclass
class Story:
    """A notebook and one gang."""

    past: Provenance = field(default_factory=Provenance)
    directory: Directory = field(default_factory=Directory)
    shadows: set[str] = field(default_factory=set)
    values: dict[str, object] = field(default_factory=dict)  # what the notebook's are known by
    background: dict[str, PastRun] = field(default_factory=dict)
    cells: int = 0

    def tell(self, line: str) -> None:
        words = line.split()
        if words[0] == "kill":
            self.kill()
        elif words[0] == "thread":
            with self.past.beside("by a thread"):
                self.change(KERNEL, words[1])
        elif words[0] == "ends":
            run = self.background.pop(words[1])
            with self.past.settling(run):
                for name in words[2:]:
                    self.change("gang", name)
        else:
            self.cell(words)

    def cell(self, words: list[str]) -> None:
        place = KERNEL if words[0] == "L" else "gang"
        self.cells += 1
        run = self.past.begins(f"cell {self.cells}", self.cells)
        assert run is not None
        how = words[1] if words[1] in (*ENDS, "asks", "begins") else ""
        makes, _, reads = " ".join(words[2 if how else 1 :]).partition("<-")
        self.past.read(reads.split(), self.values)
        self.directory.received(place, [n for n in reads.split() if n in self.directory])
        if how == "begins":
            self.background[makes.strip()] = self.past.goes_on()
            makes = ""
        for name in makes.split():
            self.change(place, name)
        once = "it asks for input" if how == "asks" else ""
        self.past.ended(run, took_s=1.0, ended=ENDS.get(how, ""), once=once)

    def change(self, place: str, name: str) -> None:
        bare = name.lstrip("~-")
        if name.startswith("-"):
            self.directory.deleted(place, bare)
            self.past.deleted(bare)
            return
        bound = name == bare
        was_here = self.directory.is_newest(KERNEL, bare)
        self.directory.changed(place, bare)
        self.past.changed(bare, bound=bound, here=place == KERNEL, was_here=was_here)
        if place == KERNEL or bound:
            self.shadows.discard(bare)
        elif was_here:
            self.shadows.add(bare)

    def kill(self) -> None:
        back = [n for n in self.shadows if self.directory.holders(n) == ["gang"]]
        for name in back:
            self.directory.changed(KERNEL, name)
        self.past.lost(self.directory.gone("gang", "it died"), back)
        self.directory.check()

    def plan(self, *names: str) -> Plan:
        return plan_of(self.past, names, self.values.get)


def told(*lines: str) -> Story:
    story = Story()
    for line in lines:
        story.tell(line)
    return story


def steps(plan: Plan) -> list[int]:
    return [step.run.prompt for step in plan.steps]


# What happened, the names asked for, the cells to run again, and what is there afterwards.
PLANS: dict[str, tuple[list[str], str, list[int], str]] = {
    "one cell": (["R x <-", "kill"], "", [1], "x"),
    "nothing was lost": (["L x <-", "R y <- x", "L z <- y"], "", [], ""),
    "a chain, and only what is needed of it": (
        ["R a <-", "R b <- a", "R c <- a", "kill"], "b", [1, 2], "a b",
    ),
    "all of it": (["R a <-", "R b <- a", "R c <- a", "kill"], "", [1, 2, 3], "a b c"),
    "what was fetched is there": (
        ["R a <-", "L a <-", "R b <- a", "kill"], "", [3], "b",
    ),
    "a local input is there": (["L cfg <-", "R m <- cfg", "kill"], "", [2], "m"),
    "an input that was bound anew since": (
        ["L cfg <-", "R m <- cfg", "L cfg <-", "kill"], "", [1, 2], "m",
    ),
    "and its own inputs": (
        ["L n <-", "L cfg <- n", "R m <- cfg", "L n <-", "L cfg <- n", "kill"], "", [1, 2, 3], "m",
    ),
    "one that was bound anew on the gang": (
        ["R x <-", "R y <- x", "R x <-", "kill"], "y", [1, 2], "y",
    ),
    "the newest of it": (["R x <-", "R y <- x", "R x <-", "kill"], "x", [3], "x"),
    "both": (["R x <-", "R y <- x", "R x <-", "kill"], "", [1, 2, 3], "x y"),
    "changed in place": (["R m <-", "R ~m <- m", "R ~m <- m", "kill"], "", [1, 2, 3], "m"),
    "read before it was changed in place": (
        ["R m <-", "R y <- m", "R ~m <- m", "kill"], "y", [1, 2], "y",
    ),
    "read between changes in place": (
        ["R m <-", "R ~m <- m", "R y <- m", "R ~m <- m", "kill"], "y", [1, 2, 3], "y",
    ),
    "a local cell changed it in place": (
        ["L xs <-", "R s <- xs", "L ~xs <- xs", "kill"], "", [1, 2], "s",
    ),
    "deleted, and made again": (
        ["R x <-", "R y <- x", "L -x <-", "R x <-", "kill"], "y", [1, 2], "y",
    ),
    "a cell that makes two names": (["R a b <-", "R c <- a", "kill"], "c", [1, 2], "a b c"),
    "what a gang may have changed is as before": (
        ["L cfg <-", "R m ~cfg <- cfg", "kill"], "", [2], "cfg m",
    ),
    "asked for by name": (
        ["L cfg <-", "R ~cfg <- cfg", "R m <- cfg", "kill"], "cfg", [2], "cfg",
    ),
    "and then changed here": (
        ["L cfg <-", "R m ~cfg <- cfg", "kill", "L ~cfg <- cfg"], "", [1, 2], "m",
    ),
    "a second loss": (["R x <-", "kill", "R x <-", "R y <- x", "kill"], "", [2, 3], "x y"),
    "bound in the notebook after the loss": (["R x <-", "R y <-", "kill", "L x <-"], "", [2], "y"),
    "ran beside others": (
        ["L x <-", "R begins slow <- x", "L z <-", "ends slow y", "kill"], "", [2], "y",
    ),
    "read what ended while it ran": (
        ["R begins slow <-", "ends slow y", "R z <- y", "kill"], "z", [1, 2], "y z",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", PLANS)
def test_what_runs_again(what: str) -> None:
    lines, asked, cells, names = PLANS[what]
    plan = told(*lines).plan(*asked.split())
    assert steps(plan) == cells
    assert sorted(plan.names) == names.split()
    assert plan.cannot == {}


# What can't be had again: what happened, the names asked for, and the reason for the first.
REFUSED: dict[str, tuple[list[str], str, str]] = {
    "it is not lost": (["L x <-"], "x", "it is not lost"),
    "nobody knows it": (["L x <-"], "y", "no cell is known"),
    "it asks": (["R asks x <-", "kill"], "x", "In[1] can't be run again: it asks for input"),
    "an input's cell asks": (
        ["R asks x <-", "R y <- x", "kill"], "y", "In[2] read 'x', which can't be had again: In[1]",
    ),
    "it failed half way": (["R fails x <-", "kill"], "x", "In[1], which made it, failed"),
    "it was stopped": (["R stopped x <-", "kill"], "x", "In[1], which made it, was stopped"),
    "an input has changed since, and a thread had made it": (
        ["thread x", "R y <- x", "L x <-", "kill"],
        "y",
        "In[1] read 'x', which has changed since, and can't be had again: it was made by a thread",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_what_can_not_be_had_again(what: str) -> None:
    lines, asked, why = REFUSED[what]
    plan = told(*lines).plan(asked)
    assert steps(plan) == []
    assert why in plan.cannot[asked]


def test_what_overlapped_is_refused() -> None:
    story = told(
        "R x <-", "R begins slow <- x", "L a <-", "R z ~x <- x a", "ends slow y", "R w <- x y z",
        "kill",
    )  # fmt: skip
    plan = story.plan("w")
    assert "'x' changed while it ran" in plan.cannot["w"]
    assert steps(story.plan("z")) == [1, 4]
    assert steps(story.plan("y")) == [1, 2]


def test_what_is_there_stays() -> None:
    plan = told("L cfg <-", "R m <- cfg", "L cfg <-", "kill").plan()
    assert plan.kept == {"cfg"}
    plan = told("R a b <-", "L b <-", "kill").plan("a")
    assert (steps(plan), plan.kept) == ([1], {"b"})


def test_what_was_deleted_is_deleted_again() -> None:
    plan = told("R a <-", "R b <- a", "L -a <-", "kill").plan()
    assert (steps(plan), list(plan.names), plan.deleted) == ([1, 2], ["b"], {"a"})


def test_what_is_there_is_put_back_before_it_is_read() -> None:
    plan = told("R a b <-", "L b <-", "R c <- a b", "kill").plan("c")
    assert steps(plan) == [1, 3]
    assert [step.puts_back for step in plan.steps] == [set(), {"b"}]


def test_a_cell_that_failed_and_only_touched_is_left_out() -> None:
    plan = told("R m <-", "R fails ~m <- m", "kill").plan()
    assert steps(plan) == [1]
    assert plan.caveats == {
        "m": "In[2], which failed (ValueError) and may have changed it in place"
    }
    assert plan.names == {"m": 1}
    plan = told("R m <-", "R stopped ~m <- m", "R y <- m", "kill").plan("y")
    assert (steps(plan), list(plan.caveats)) == ([1, 3], ["m"])


def test_a_value_that_is_still_the_one_that_was_read() -> None:
    story = told("L df <-")
    story.values["df"] = "digest"
    story.tell("R y <- df")
    story.tell("L ~df <- df")  # it may have changed it, and has not
    story.tell("kill")
    assert steps(story.plan()) == [2]
    story.values["df"] = "another"
    assert steps(story.plan()) == [1, 2]


def test_run_again_it_makes_what_it_made() -> None:
    story = told("R a <-", "R b <- a", "kill")
    for step in story.plan("a").steps:
        with story.past.again(step.run):
            story.change("gang", "a")
    story.past.is_rebuilt("a")
    assert steps(story.plan()) == [2]
    story.tell("kill")
    assert steps(story.plan()) == [1, 2]


def test_what_is_made_again_older_is_still_missed() -> None:
    story = told("R m <-", "R y <- m", "R ~m <- m", "kill")
    run = story.plan("y").steps[0].run
    with story.past.again(run):
        story.change("gang", "m")
    assert story.past.version("m") == 1
    assert story.past.version_lost("m") == 3
    story.past.taken_out("m")
    assert story.past.names_lost() == ["m", "y"]


def test_a_part_of_a_cell_is_no_cell() -> None:
    past = Provenance()
    run = past.begins("outer", 1)
    assert past.begins("inner", 1) is None
    past.changed("x", bound=True, here=False)
    assert run is not None
    past.ended(run, took_s=1.0)
    past.lost(["x"])
    assert [step.run.source for step in plan_of(past).steps] == ["outer"]


def test_a_long_session_is_bounded() -> None:
    story = told("R first <-", *["R ~m <- m", "R y <- first"] * 1200, "kill")
    plan = story.plan()
    assert "more than 1000 cells ago" in plan.cannot["m"]
    assert "In[2401] read 'first', which can't be had again" in plan.cannot["y"]


def test_many_runs_are_planned_quickly() -> None:
    story = told("R m <-", *["R ~m <- m"] * 900, "kill")
    assert len(story.plan().steps) == 901
