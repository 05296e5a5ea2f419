"""The directory of names: who holds which version, and what is lost with whom."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

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


# ---- every transition ------------------------------------------------------------------------

# What has happened to ``x`` before, by the state that it has led to (see ``state``).
BEFORE: dict[str, list[tuple[Any, ...]]] = {
    "unknown": [],
    "kernel*": [("changed", KERNEL, "x")],
    "g*": [("changed", "g", "x")],
    "kernel* g*": [("changed", KERNEL, "x"), ("received", "g", ["x"])],
    "kernel* g* h*": [("changed", "g", "x"), ("received", KERNEL, ["x"]), ("received", "h", ["x"])],
    "kernel* g": [("changed", "g", "x"), ("changed", KERNEL, "x")],
    "kernel g*": [("changed", KERNEL, "x"), ("changed", "g", "x")],
    "g* h": [("changed", "h", "x"), ("changed", "g", "x")],
    "kernel g* h": [("changed", "h", "x"), ("received", KERNEL, ["x"]), ("changed", "g", "x")],
    "g*, stuck": [("changed", "g", "x"), ("set_stuck", "x", "a lock")],
    "lost": [("changed", "g", "x"), ("gone", "g", "it died")],
    "lost, kernel forgets": [
        ("changed", KERNEL, "x"), ("changed", "g", "x"), ("gone", "g", "it died"),
    ],
    "g forgets": [("changed", "g", "x"), ("deleted", KERNEL, "x")],
    "g forgets, h forgets": [
        ("changed", "g", "x"), ("received", "h", ["x"]), ("deleted", KERNEL, "x"),
    ],
    "kernel forgets": [("changed", KERNEL, "x"), ("deleted", "g", "x")],
}  # fmt: skip

# What happens. That ``g`` holds names when a kernel begins is to the directory as if it bound them,
# and a restart of ``g`` is its end.
EVENTS: dict[str, tuple[Any, ...]] = {
    "kernel binds": ("changed", KERNEL, "x"),
    "g binds": ("changed", "g", "x"),
    "h binds": ("changed", "h", "x"),
    "kernel gets": ("received", KERNEL, ["x"]),
    "g gets": ("received", "g", ["x"]),
    "h gets": ("received", "h", ["x"]),
    "g refuses": ("refused", "g", ["x"]),
    "kernel deletes": ("deleted", KERNEL, "x"),
    "g deletes": ("deleted", "g", "x"),
    "g hears": ("take_forgotten", "g"),
    "g hasn't heard": ("not_told", "g", ["x"]),
    "g ends": ("gone", "g", "it died"),
    "h ends": ("gone", "h", "it died"),
    "x is stuck": ("set_stuck", "x", "a lock"),
}

# Where nothing is said, the state stays as it was.
AFTER: dict[str, dict[str, str]] = {
    "unknown": {
        "kernel binds": "kernel*", "g binds": "g*", "h binds": "h*", "kernel gets": "KeyError",
        "g gets": "KeyError", "h gets": "KeyError", "g hasn't heard": "g forgets",
        "x is stuck": "KeyError",
    },
    "kernel*": {
        "g binds": "kernel g*", "h binds": "kernel h*", "g gets": "kernel* g*",
        "h gets": "kernel* h*", "g refuses": "kernel* g", "g hasn't heard": "kernel* g",
        "kernel deletes": "unknown", "g deletes": "kernel forgets",
        "x is stuck": "kernel*, stuck",
    },
    "g*": {
        "kernel binds": "kernel* g", "h binds": "g h*", "kernel gets": "kernel* g*",
        "h gets": "g* h*", "kernel deletes": "g forgets", "g deletes": "unknown",
        "g ends": "lost", "x is stuck": "g*, stuck",
    },
    "kernel* g*": {
        "kernel binds": "kernel* g", "g binds": "kernel g*", "h binds": "kernel g h*",
        "h gets": "kernel* g* h*", "g refuses": "kernel* g", "kernel deletes": "g forgets",
        "g deletes": "kernel forgets", "g ends": "kernel*", "x is stuck": "kernel* g*, stuck",
    },
    "kernel* g* h*": {
        "kernel binds": "kernel* g h", "g binds": "kernel g* h", "h binds": "kernel g h*",
        "g refuses": "kernel* g h*", "kernel deletes": "g forgets, h forgets",
        "g deletes": "kernel forgets, h forgets", "g ends": "kernel* h*", "h ends": "kernel* g*",
        "x is stuck": "kernel* g* h*, stuck",
    },
    "kernel* g": {
        "g binds": "kernel g*", "h binds": "kernel g h*", "g gets": "kernel* g*",
        "h gets": "kernel* g h*", "kernel deletes": "g forgets",
        "g deletes": "kernel forgets", "g ends": "kernel*", "x is stuck": "kernel* g, stuck",
    },
    "kernel g*": {
        "kernel binds": "kernel* g", "h binds": "kernel g h*", "kernel gets": "kernel* g*",
        "h gets": "kernel g* h*", "kernel deletes": "g forgets", "g deletes": "kernel forgets",
        "g ends": "lost, kernel forgets", "x is stuck": "kernel g*, stuck",
    },
    "g* h": {
        "kernel binds": "kernel* g h", "h binds": "g h*", "kernel gets": "kernel* g* h",
        "h gets": "g* h*", "kernel deletes": "g forgets, h forgets", "g deletes": "h forgets",
        "g ends": "lost, h forgets", "h ends": "g*", "x is stuck": "g* h, stuck",
    },
    "kernel g* h": {
        "kernel binds": "kernel* g h", "h binds": "kernel g h*", "kernel gets": "kernel* g* h",
        "h gets": "kernel g* h*", "kernel deletes": "g forgets, h forgets",
        "g deletes": "kernel forgets, h forgets", "g ends": "lost, kernel forgets, h forgets",
        "h ends": "kernel g*", "x is stuck": "kernel g* h, stuck",
    },
    "g*, stuck": {
        "kernel binds": "kernel* g", "g binds": "g*", "h binds": "g h*",
        "kernel gets": "kernel* g*, stuck", "h gets": "g* h*, stuck",
        "kernel deletes": "g forgets", "g deletes": "unknown", "g ends": "lost",
    },
    "lost": {
        "kernel binds": "kernel*", "g binds": "g*", "h binds": "h*", "kernel gets": "KeyError",
        "g gets": "KeyError", "h gets": "KeyError", "g hasn't heard": "lost, g forgets",
        "x is stuck": "KeyError",
    },
    "lost, kernel forgets": {
        "kernel binds": "kernel*", "g binds": "kernel g*", "h binds": "kernel h*",
        "kernel gets": "KeyError", "g gets": "KeyError", "h gets": "KeyError",
        "g hasn't heard": "lost, kernel forgets, g forgets", "x is stuck": "KeyError",
    },
    "g forgets": {
        "kernel binds": "kernel* g", "g binds": "g*", "h binds": "g h*",
        "kernel gets": "KeyError", "g gets": "KeyError", "h gets": "KeyError",
        "g hears": "unknown", "g ends": "unknown", "x is stuck": "KeyError",
    },
    "g forgets, h forgets": {
        "kernel binds": "kernel* g h", "g binds": "g* h", "h binds": "g h*",
        "kernel gets": "KeyError", "g gets": "KeyError", "h gets": "KeyError",
        "g hears": "h forgets", "g ends": "h forgets", "h ends": "g forgets",
        "x is stuck": "KeyError",
    },
    "kernel forgets": {
        "kernel binds": "kernel*", "g binds": "kernel g*", "h binds": "kernel h*",
        "kernel gets": "KeyError", "g gets": "KeyError", "h gets": "KeyError",
        "g hasn't heard": "kernel forgets, g forgets", "x is stuck": "KeyError",
    },
}  # fmt: skip


def state(directory: Directory) -> str:
    """Who holds ``x``, with a star at the newest; whether it is lost; who is to forget it."""
    parts: list[str] = []
    places = (KERNEL, "g", "h")
    if "x" in directory:
        held = [place for place in places if directory.has(place, "x")]
        newest = directory.holders("x")
        parts.append(" ".join(f"{place}*" if place in newest else place for place in held))
        parts += ["stuck"] if directory.entry("x").stuck else []
    parts += ["lost"] if directory.why_lost("x") else []
    parts += [f"{place} forgets" for place in places if directory.take_forgotten(place)]
    return ", ".join(parts) or "unknown"


def after(events: Iterable[tuple[Any, ...]]) -> Directory:
    directory = Directory()
    for method, *arguments in events:
        named = {"alias_of": arguments.pop()} if len(arguments) == 3 and method == "changed" else {}
        getattr(directory, method)(*arguments, **named)
        directory.check()
    return directory


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("event", EVENTS)
def test_every_transition(before: str, event: str) -> None:
    assert state(after(BEFORE[before])) == before
    expected = AFTER[before].get(event, before)
    if expected == "KeyError":
        with pytest.raises(KeyError):
            after([*BEFORE[before], EVENTS[event]])
    else:
        assert state(after([*BEFORE[before], EVENTS[event]])) == expected


def test_no_row_of_the_table_is_of_nothing() -> None:
    assert set(AFTER) == set(BEFORE)
    assert all(set(row) <= set(EVENTS) for row in AFTER.values())


@pytest.mark.parametrize(
    ("events", "together"),
    [
        ([], ["x", "y"]),
        ([("received", KERNEL, ["x", "y"])], ["x", "y"]),
        ([("changed", KERNEL, "x")], ["x"]),
        ([("changed", KERNEL, "x"), ("changed", KERNEL, "y", "x")], ["x", "y"]),
        ([("changed", "h", "z"), ("changed", "h", "x", "z")], ["x", "z"]),
        ([("deleted", KERNEL, "y")], ["x"]),
        ([("deleted", KERNEL, "y"), ("changed", KERNEL, "y")], ["x"]),
        ([("received", KERNEL, ["x"]), ("gone", "g", "it died")], ["x"]),
        ([("refused", "h", ["y"]), ("set_stuck", "y", "a lock")], ["x", "y"]),
    ],
)
def test_two_names_of_one_object(events: list[tuple[Any, ...]], together: list[str]) -> None:
    pair = [("changed", "g", "x"), ("changed", "g", "y", "x")]
    assert after([*pair, *events]).group("x") == together


# ---- random histories ------------------------------------------------------------------------


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
        """A name is sent to a gang that can't take it, and keeps what it has."""
        if self.directory.lacking(place, [name]):
            self.directory.refused(place, [name])

    @rule(place=GANGS)
    def miss(self, place: str) -> None:
        """What a gang is to delete does not reach it."""
        self.directory.not_told(place, self.directory.take_forgotten(place))

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
