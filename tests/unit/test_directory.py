"""The directory of names: who holds which version, and what is lost with whom."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from farcell.directory import KERNEL, Directory


@pytest.fixture
def directory() -> Directory:
    return Directory()


def test_whoever_changes_a_name_holds_it_alone(directory: Directory) -> None:
    directory.changed(KERNEL, "x", type_name="int", reads=["y"])
    assert directory.holders("x") == [KERNEL]
    directory.received("g", ["x"])
    assert directory.holders("x") == [KERNEL, "g"]
    directory.changed("g", "x", type_name="list")
    assert directory.holders("x") == ["g"]
    assert directory.has(KERNEL, "x")
    assert not directory.is_newest(KERNEL, "x")
    entry = directory.entry("x")
    assert (entry.version, entry.type_name, entry.reads) == (2, "list", frozenset())


def test_what_a_place_lacks(directory: Directory) -> None:
    directory.changed(KERNEL, "x")
    directory.changed("g", "y")
    assert directory.lacking("g", ["x", "y", "unknown"]) == ["x"]
    assert directory.lacking(KERNEL, ["x", "y"]) == ["y"]
    assert directory.lacking("h", ["x", "y"]) == ["x", "y"]


def test_unknown_names(directory: Directory) -> None:
    assert "x" not in directory
    assert list(directory) == []
    assert directory.holders("x") == []
    assert not directory.has(KERNEL, "x")
    directory.deleted(KERNEL, "x")
    directory.refused(KERNEL, ["x"])
    assert directory.why_lost("x") == ""
    with pytest.raises(KeyError):
        directory.entry("x")


def test_a_deleted_name_is_told_to_all_who_hold_it(directory: Directory) -> None:
    directory.changed(KERNEL, "x")
    directory.received("g", ["x"])
    directory.changed("h", "x")
    directory.deleted("h", "x")
    assert "x" not in directory
    assert directory.take_forgotten("g") == ["x"]
    assert directory.take_forgotten("g") == []
    assert directory.take_forgotten("h") == []
    assert directory.take_forgotten(KERNEL) == ["x"]


def test_a_name_that_is_bound_again_is_not_forgotten(directory: Directory) -> None:
    directory.changed("g", "x")
    directory.deleted(KERNEL, "x")
    directory.changed(KERNEL, "x")
    assert directory.take_forgotten("g") == []
    assert directory.lacking("g", ["x"]) == ["x"]
    directory.deleted(KERNEL, "x")
    assert directory.take_forgotten("g") == ["x"]  # it has the first one still


def test_what_is_lost_with_a_gang(directory: Directory) -> None:
    directory.changed("g", "only_there")
    directory.changed("g", "here_too")
    directory.received(KERNEL, ["here_too"])
    directory.changed(KERNEL, "older_there")
    directory.received("g", ["older_there"])
    directory.changed("g", "older_here")
    directory.received(KERNEL, ["older_here"])
    directory.changed("g", "older_here")
    assert directory.only_at("g") == ["older_here", "only_there"]
    assert directory.gone("g", "it died") == ["older_here", "only_there"]
    assert directory.why_lost("only_there") == "it died"
    assert directory.why_lost("here_too") == ""
    assert sorted(directory) == ["here_too", "older_there"]
    assert directory.gone("g", "it died") == []
    directory.changed(KERNEL, "only_there")
    assert directory.why_lost("only_there") == ""
    directory.check()


def test_the_price_of_a_gang(directory: Directory) -> None:
    directory.changed("g", "model")
    directory.changed("g", "np", module="numpy")
    directory.changed("g", "_")
    assert directory.price("g") == ["model"]


def test_names_of_one_object_are_a_group(directory: Directory) -> None:
    directory.changed("g", "a")
    directory.changed("g", "b", alias_of="a")
    directory.changed("g", "c", alias_of="unknown")
    directory.changed("g", "d", alias_of="d")
    assert directory.group("a") == directory.group("b") == ["a", "b"]
    assert directory.group("c") == ["c"]
    assert directory.group("d") == ["d"]
    directory.changed("g", "b")
    assert directory.group("a") == ["a"]


def test_why_a_name_is_stuck(directory: Directory) -> None:
    directory.changed("g", "lock")
    directory.set_stuck("lock", "it can't be pickled")
    assert directory.entry("lock").stuck == "it can't be pickled"
    directory.changed("g", "lock")
    assert directory.entry("lock").stuck == ""


NAMES = st.sampled_from(["a", "b"])
GANGS = st.sampled_from(["g", "h"])
PLACES = st.sampled_from([KERNEL, "g", "h"])


class Namespaces(RuleBasedStateMachine):
    """Three processes with real namespaces, kept as one by what the directory says.

    A value is a number that grows with each change, so that an old one is seen to be old.
    """

    def __init__(self) -> None:
        super().__init__()
        self.directory = Directory()
        self.held: dict[str, dict[str, int]] = {KERNEL: {}, "g": {}, "h": {}}
        self.truth: dict[str, int] = {}
        self.lost: set[str] = set()
        self.last = 0

    @rule(place=PLACES, name=NAMES, alias=NAMES)
    def change(self, place: str, name: str, alias: str) -> None:
        self.last += 1
        self.held[place][name] = self.truth[name] = self.last
        self.lost.discard(name)
        self.directory.changed(place, name, alias_of=alias)

    @rule(place=PLACES, name=NAMES)
    def read(self, place: str, name: str) -> None:
        """Bring what ``place`` lacks, as before a cell, and read it."""
        for wanted in self.directory.lacking(place, [name]):
            source = self.directory.holders(wanted)[0]
            self.held[place][wanted] = self.held[source][wanted]
            self.directory.received(place, [wanted])
        for forgotten in self.directory.take_forgotten(place):
            self.held[place].pop(forgotten, None)
        assert self.held[place].get(name) == self.truth.get(name)

    @rule(place=GANGS, name=NAMES)
    def refuse(self, place: str, name: str) -> None:
        """A name is sent to a gang that can't take it."""
        if self.directory.lacking(place, [name]):
            self.held[place].pop(name, None)
            self.directory.refused(place, [name])

    @rule(place=PLACES, name=NAMES)
    def delete(self, place: str, name: str) -> None:
        if self.held[place].get(name) == self.truth.get(name):
            self.held[place].pop(name, None)
            self.truth.pop(name, None)
            self.directory.deleted(place, name)

    @rule(gang=GANGS)
    def die(self, gang: str) -> None:
        del self.held[gang]
        newest = {
            name
            for name, value in self.truth.items()
            if not any(names.get(name) == value for names in self.held.values())
        }
        self.held[gang] = {}
        assert self.directory.gone(gang, "it died") == sorted(newest)
        for name in newest:
            del self.truth[name]
        self.lost |= newest

    @precondition(lambda self: self.truth)
    @rule(place=PLACES)
    def price(self, place: str) -> None:
        alone = {
            name
            for name, value in self.truth.items()
            if [other for other, names in self.held.items() if names.get(name) == value] == [place]
        }
        assert self.directory.only_at(place) == self.directory.price(place) == sorted(alone)

    @invariant()
    def agrees(self) -> None:
        self.directory.check()
        assert set(self.directory) == set(self.truth)
        for name, value in self.truth.items():
            holders = {place for place, names in self.held.items() if names.get(name) == value}
            assert set(self.directory.holders(name)) == holders
            assert name in self.directory.group(name)
        for name in self.lost - set(self.truth):
            assert self.directory.why_lost(name) == "it died"


TestNamespaces = Namespaces.TestCase
TestNamespaces.settings = settings(max_examples=150, stateful_step_count=30, deadline=None)
