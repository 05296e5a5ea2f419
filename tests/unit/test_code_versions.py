"""Versions of the code: who is asked, who commits, who gets it later, and what is dropped."""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farcell.code_commands import Abort, Command, Commit, Drop, Fault, Prepare, Promise, Take, Text
from farcell.code_versions import CodeVersions

BAD = b"bad"


def text(module: str, digest: bytes | str) -> Text:
    digest = digest.encode() if isinstance(digest, str) else digest
    return Text(module, f"/p/{module}.py", digest, digest)


class Workers:
    """Simulated workers, that do what they are told, or don't.

    ``silent`` answer nothing; ``unable`` refuse; ``steps`` is how far each rank's loop is.
    """

    def __init__(self, gangs: dict[str, int], held: dict[str, str] | None = None) -> None:
        self.versions = CodeVersions()
        self.here: dict[str, bytes] = {}
        self.held: dict[tuple[str, int], dict[str, bytes]] = {}
        self.prepared: dict[tuple[str, int], tuple[int, dict[str, bytes]]] = {}
        self.silent: set[str] = set()
        self.unable: set[str] = set()
        self.steps: dict[tuple[str, int], int] = {}
        self.waiting_at: dict[tuple[str, int], int] = {}
        self.messages = 0
        self.faults: list[Fault] = []
        self._pending: tuple[Text, ...] = ()
        held = {"m": "1"} if held is None else held
        for module, digest in held.items():
            self.versions.track(text(module, digest))
            self.here[module] = digest.encode()
        for name, ranks in gangs.items():
            self.join(name, ranks, held)

    def join(self, name: str, ranks: int, held: dict[str, str]) -> None:
        self.versions.joined(name, ranks)
        for rank in range(ranks):
            has = {module: digest.encode() for module, digest in held.items()}
            self.held[name, rank] = dict(has)
            self.versions.opened(name, rank, has.items())

    def save(self, *texts: Text) -> None:
        self._pending = texts
        self.perform(self.versions.propose(texts))

    def bring(self, name: str) -> None:
        self.perform(self.versions.bring(name))

    def perform(self, commands: list[Command]) -> None:
        """Deliver commands and answers until nothing moves, then let the silent be given up."""
        queue = deque(commands)
        while queue or self.versions.deciding:
            if not queue:
                queue.extend(self.versions.silent())
                continue
            queue.extend(self._answer(queue.popleft()))

    def _answer(self, command: Command) -> list[Command]:
        versions = self.versions
        match command:
            case Take():
                self.here |= {each.module: each.digest for each in self._pending}
                return []
            case Drop(fault):
                self.faults.append(fault)
                return []
        self.messages += 1
        worker = command.gang, command.rank
        if command.gang in self.silent:
            return []
        match command:
            case Prepare(gang, rank, number, texts):
                if gang in self.unable or any(each.digest == BAD for each in texts):
                    return versions.refused(gang, rank, number, Fault("no"))
                self.prepared[worker] = number, {each.module: each.digest for each in texts}
                return versions.prepared(
                    gang, rank, number, changed=["m.f"], step=self.steps.get(worker, 0)
                )
            case Promise(gang, rank, number, step):
                if step <= self.steps[worker]:
                    return versions.passed(gang, rank, number, self.steps[worker])
                self.waiting_at[worker] = step
                return versions.promised(gang, rank, number, step)
            case Commit(gang, rank, number, step):
                if step:
                    return []  # it says so when it gets there
                return self.commit(gang, rank)
            case Abort():
                self.prepared.pop(worker, None)
        return []

    def commit(self, gang: str, rank: int) -> list[Command]:
        number, digests = self.prepared.pop((gang, rank))
        self.held[gang, rank] |= digests
        return self.versions.committed(gang, rank, number)

    def of(self, gang: str, module: str = "m") -> list[str]:
        ranks = sorted(worker for worker in self.held if worker[0] == gang)
        return [self.held[worker][module].decode() for worker in ranks]


def test_all_take_it() -> None:
    workers = Workers({"a": 1, "b": 2})
    workers.save(text("m", "2"))
    assert workers.here == {"m": b"2"}
    assert workers.of("a") == ["2"]
    assert workers.of("b") == ["2", "2"]
    version = workers.versions.current
    assert (version.number, version.workers, version.changed) == (2, 3, ["m.f"])


def test_one_that_refuses_drops_it_everywhere() -> None:
    workers = Workers({"a": 1, "b": 2})
    workers.unable = {"b"}
    workers.save(text("m", "2"))
    assert workers.here == {"m": b"1"}
    assert workers.of("a") + workers.of("b") == ["1", "1", "1"]
    assert workers.prepared == {}
    assert workers.versions.current.number == 1
    assert workers.faults == [Fault("no")]
    workers.unable = set()
    workers.save(text("m", "3"))
    assert workers.versions.current.number == 2
    assert workers.of("b") == ["3", "3"]


def test_a_silent_one_holds_nobody_up() -> None:
    workers = Workers({"a": 1, "b": 2})
    workers.silent = {"b"}
    workers.save(text("m", "2"))
    assert workers.of("a") == ["2"]
    assert workers.versions.current.later == ["b"]
    assert workers.versions.lacks("b")
    workers.silent = set()
    workers.bring("b")
    assert workers.of("b") == ["2", "2"]
    assert not workers.versions.lacks("b")
    assert (workers.versions.current.later, workers.versions.current.workers) == ([], 3)


def test_a_late_answer_to_what_was_dropped_counts_for_nothing() -> None:
    workers = Workers({"a": 1, "b": 1})
    versions = workers.versions
    first = versions.propose([text("m", "2")])
    asked = {each.gang: each.round for each in first if isinstance(each, Prepare)}
    versions.refused("a", 0, asked["a"], Fault("no"))
    second = versions.propose([text("m", "3")])
    assert versions.prepared("b", 0, asked["b"]) == []
    now = next(each.round for each in second if isinstance(each, Prepare))
    assert versions.prepared("a", 0, now) == []
    assert Take(2) in versions.prepared("b", 0, now)


def test_who_has_not_loaded_it_is_sent_nothing() -> None:
    workers = Workers({"a": 1})
    workers.join("b", 1, {})
    workers.save(text("m", "2"))
    assert workers.of("a") == ["2"]
    assert workers.messages == 2
    assert workers.versions.current.workers == 2


def test_one_that_comes_later_is_brought_to_the_current_version() -> None:
    workers = Workers({"a": 1})
    workers.save(text("m", "2"))
    workers.join("b", 2, {"m": "1"})
    assert workers.versions.lacks("b")
    workers.bring("b")
    assert workers.of("b") == ["2", "2"]


def test_one_that_imports_what_was_saved_meanwhile_is_brought_back_to_the_version() -> None:
    workers = Workers({"a": 1})
    workers.held["a", 0]["m"] = b"0"
    workers.versions.loaded("a", 0, [("m", b"0")])
    assert workers.versions.lacks("a")
    workers.bring("a")
    assert workers.of("a") == ["1"]


def test_a_run_of_one_rank_takes_it_at_once_and_one_of_several_later() -> None:
    workers = Workers({"a": 1, "b": 2})
    workers.versions.began("a", "In[1]")
    workers.versions.began("b", "In[2]")
    workers.save(text("m", "2"))
    assert workers.of("a") == ["2"]
    assert workers.of("b") == ["1", "1"]
    workers.bring("b")
    assert workers.of("b") == ["1", "1"], "it is in its run yet"
    workers.versions.ended("b")
    workers.bring("b")
    assert workers.of("b") == ["2", "2"]


@pytest.mark.parametrize(("mode", "taken"), [("now", ["2", "2"]), ("cell", ["1", "1"])])
def test_modes(mode: str, taken: list[str]) -> None:
    workers = Workers({"b": 2})
    workers.versions.mode = mode
    workers.versions.began("b", "In[1]")
    workers.save(text("m", "2"))
    assert workers.of("b") == taken


def test_a_gang_that_lags_does_not_decide_for_the_others() -> None:
    workers = Workers({"a": 1, "b": 2})
    workers.versions.began("b", "In[1]")
    workers.save(text("m", "2"))
    workers.unable = {"b"}
    workers.versions.ended("b")
    workers.bring("b")
    assert workers.versions.fault("b") == Fault("no")
    assert workers.of("b") == ["1", "1"]
    workers.save(text("m", "3"))
    assert workers.of("a") == ["3"]
    assert workers.versions.current.later == ["b"]
    workers.unable = set()
    workers.bring("b")
    assert workers.of("b") == ["3", "3"]
    assert workers.versions.fault("b") is None


def test_a_gang_that_goes_away_is_waited_for_no_longer() -> None:
    workers = Workers({"a": 1, "b": 1})
    commands = workers.versions.propose([text("m", "2")])
    number = next(each.round for each in commands if isinstance(each, Prepare))
    workers.versions.prepared("a", 0, number)
    assert Take(2) in workers.versions.gone("b")


def test_back_to_the_text_before() -> None:
    workers = Workers({"a": 1})
    workers.save(text("m", "2"))
    workers.save(text("m", "1"))
    assert workers.of("a") == ["1"]
    assert workers.versions.current.number == 3


# ---- steps --------------------------------------------------------------------------------------


def stepping(*counts: int) -> Workers:
    workers = Workers({"b": len(counts)})
    workers.versions.began("b", "In[1]")
    for rank, count in enumerate(counts):
        workers.steps["b", rank] = count
        workers.versions.stepping("b", rank)
    return workers


def test_ranks_that_step_commit_at_one_step() -> None:
    workers = stepping(7, 9, 8)
    workers.save(text("m", "2"))
    assert workers.of("b") == ["1", "1", "1"]
    workers.bring("b")
    assert set(workers.waiting_at.values()) == {11}
    assert not workers.versions.may_take("b"), "a commit is on its way"
    for rank in range(3):
        workers.commit("b", rank)
    assert workers.of("b") == ["2", "2", "2"]
    assert not workers.versions.lacks("b")


def test_a_rank_that_was_quicker_has_all_asked_for_a_later_step() -> None:
    workers = stepping(7, 9)
    commands = workers.versions.bring("b") if workers.versions.lacks("b") else []
    assert commands == []
    workers.save(text("m", "2"))
    commands = workers.versions.bring("b")
    number = next(each.round for each in commands if isinstance(each, Prepare))
    workers.versions.prepared("b", 0, number, step=7)
    asked = workers.versions.prepared("b", 1, number, step=9)
    assert {each.step for each in asked if isinstance(each, Promise)} == {11}
    workers.versions.promised("b", 0, number, 11)
    again = workers.versions.passed("b", 1, number, 30)
    assert {each.rank: each.step for each in again if isinstance(each, Promise)} == {0: 34, 1: 34}
    assert workers.versions.promised("b", 0, number, 11) == [], "that was the earlier step"
    workers.versions.promised("b", 0, number, 34)
    done = workers.versions.promised("b", 1, number, 34)
    assert [each.step for each in done if isinstance(each, Commit)] == [34, 34]
    assert not workers.versions.deciding


def test_a_rank_that_promises_nothing_releases_the_others() -> None:
    workers = stepping(7, 9)
    workers.save(text("m", "2"))
    commands = workers.versions.bring("b")
    number = next(each.round for each in commands if isinstance(each, Prepare))
    workers.versions.prepared("b", 0, number, step=7)
    workers.versions.prepared("b", 1, number, step=9)
    workers.versions.promised("b", 0, number, 11)
    released = workers.versions.silent()
    assert {each.rank for each in released if isinstance(each, Abort)} == {0, 1}
    assert not workers.versions.deciding
    assert workers.versions.lacks("b")


# ---- many ---------------------------------------------------------------------------------------


def test_a_thousand_workers_cost_two_messages_each() -> None:
    workers = Workers({f"g{number}": 8 for number in range(125)}, {f"m{i}": "1" for i in range(50)})
    workers.save(text("m7", "2"))
    assert workers.messages == 2000
    assert workers.versions.current.workers == 1000
    assert all(set(workers.of(f"g{number}", "m7")) == {"2"} for number in range(125))


@given(st.data())
def test_whatever_happens_a_gang_has_one_text_and_all_come_to_the_notebooks(
    data: st.DataObject,
) -> None:
    gangs = {"a": 1, "b": 2, "c": 3}
    workers = Workers(gangs, {"m": "1", "n": "1"})
    names = st.sampled_from(sorted(gangs))
    for turn in range(data.draw(st.integers(1, 12))):
        match data.draw(st.sampled_from(["save", "bad", "run", "end", "silent", "heard", "bring"])):
            case "save":
                modules = data.draw(st.sets(st.sampled_from("mn"), min_size=1))
                workers.save(*(text(module, f"{module}{turn}") for module in modules))
            case "bad":
                workers.save(text("m", BAD))
            case "run":
                workers.versions.began(data.draw(names), "In[1]")
            case "end":
                workers.versions.ended(data.draw(names))
            case "silent":
                workers.silent.add(data.draw(names))
            case "heard":
                workers.silent.clear()
            case "bring":
                workers.bring(data.draw(names))
        for name in gangs:
            for module in "mn":
                assert len(set(workers.of(name, module))) == 1
    workers.silent.clear()
    for name in gangs:
        workers.versions.ended(name)
        if workers.versions.fault(name) is None:
            workers.bring(name)
        if workers.versions.fault(name) is None:  # it may have been asked for the first time
            for module in "mn":
                assert set(workers.of(name, module)) == {workers.here[module].decode()}
