"""What changed in place elsewhere reaches the objects that are here, or changes nothing."""

from __future__ import annotations

import collections
import threading
import types
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
import pandas as pd
import pytest

from tests.unit.test_values import Side, _homes  # noqa: F401  a fixture


@dataclass
class Point:
    x: int
    parts: list[int] = field(default_factory=list)


class Slotted:
    __slots__ = ("a", "b")


class Stack(list[int]):
    pass


class Node:
    def __init__(self) -> None:
        self.children: list[Node] = []
        self.top: Node = self

    def add(self) -> None:
        self.children.append(child := Node())
        child.top = self


def _append(value: Any) -> None:
    value.append(3)


def _set_key(value: Any) -> None:
    value["new"] = 3


def _slots(a: int) -> Slotted:
    value = Slotted()
    value.a = a
    return value


def _change_slots(value: Slotted) -> None:
    del value.a
    value.b = 5


@pytest.mark.parametrize(
    ("value", "change"),
    [
        ([1, 2], _append),
        ({"a": 1}, _set_key),
        ({1, 2}, lambda value: value.add(3)),
        (bytearray(b"ab"), _append),
        (collections.deque([1], maxlen=2), _append),
        (collections.OrderedDict(a=1), lambda value: value.move_to_end("a") or _set_key(value)),
        (collections.defaultdict(int, a=1), _set_key),
        (collections.Counter("aab"), lambda value: value.update("b")),
        (Point(1), lambda value: value.parts.append(2) or setattr(value, "x", 7)),
        (types.SimpleNamespace(a=1), lambda value: delattr(value, "a") or setattr(value, "b", 2)),
        (Stack([1]), _append),
        (pd.DataFrame({"a": [1, 2]}), lambda value: value.insert(1, "b", [3, 4])),
        (np.arange(4), lambda value: value.__setitem__(0, 9)),
    ],
)
def test_who_refers_to_the_object_sees_the_change(value: Any, change: Any) -> None:
    here, there = Side(x=value), Side()
    here.send(there, "x")
    held = there.namespace["x"]
    change(value)
    here.send(there, "x")
    assert there.namespace["x"] is held
    assert repr(held) == repr(value)


def test_slots_are_exchanged_too() -> None:
    here, there = Side(x=_slots(1)), Side()
    here.send(there, "x")
    held = there.namespace["x"]
    _change_slots(here.namespace["x"])
    here.send(there, "x")
    assert there.namespace["x"] is held
    assert (held.b, hasattr(held, "a")) == (5, False)


def test_what_is_bound_anew_is_another_object() -> None:
    here, there = Side(x=[1]), Side()
    here.send(there, "x")
    held = there.namespace["x"]
    here.namespace["x"] = [2]
    here.values.rebound(["x"])
    here.send(there, "x")
    assert (held, there.namespace["x"]) == ([1], [2])
    here.namespace["x"].append(3)
    held = there.namespace["x"]
    here.send(there, "x")
    assert there.namespace["x"] is held == [2, 3]


def test_it_goes_both_ways() -> None:
    here, there = Side(x=[1]), Side()
    here.send(there, "x")
    held = here.namespace["x"]
    there.namespace["x"].append(2)
    here.values.doubt(["x"])
    here.fetch(there, "x")
    assert here.namespace["x"] is held == [1, 2]


def test_what_refers_back_refers_to_the_object() -> None:
    here, there = Side(x=Node()), Side()
    here.send(there, "x")
    held = there.namespace["x"]
    here.namespace["x"].add()
    here.send(there, "x")
    assert there.namespace["x"] is held
    assert held.children[0].top is held.top is held


def test_names_of_one_object_stay_so() -> None:
    shared = [1]
    here, there = Side(a=shared, b={"inner": shared}, c=shared), Side()
    here.send(there, "a", "b", "c")
    held = [there.namespace[name] for name in "abc"]
    shared.append(2)
    here.send(there, "a", "b", "c")
    assert [there.namespace[name] for name in "abc"] == [[1, 2], {"inner": [1, 2]}, [1, 2]]
    assert all(there.namespace[name] is old for name, old in zip("abc", held, strict=True))
    assert there.namespace["b"]["inner"] is there.namespace["a"] is there.namespace["c"]


def test_a_new_name_of_it_gets_the_object_that_is_there() -> None:
    here, there = Side(z=[1]), Side()
    here.send(there, "z")
    held = there.namespace["z"]
    here.namespace["a"] = here.namespace["z"]
    here.namespace["z"].append(2)
    here.send(there, "a", "z")
    assert there.namespace["a"] is there.namespace["z"] is held == [1, 2]


def test_an_array_that_nobody_else_holds_is_not_copied() -> None:
    here, there = Side(x=np.arange(100_000)), Side()
    here.send(there, "x")
    before = there.namespace["x"].ctypes.data
    here.namespace["x"] += 1
    here.send(there, "x")
    assert there.namespace["x"].ctypes.data != before
    assert there.namespace["x"][5] == 6


def test_views_are_of_the_array_that_came_with_them() -> None:
    array = np.arange(100_000)
    here, there = Side(a=array, v=array[5:10]), Side()
    here.send(there, "a", "v")
    held = there.namespace["a"]
    array += 1
    here.send(there, "a", "v")
    assert held[5] == 5
    there.namespace["a"][5] = 0
    assert there.namespace["v"][0] == 0


def test_another_shape_is_another_array() -> None:
    here, there = Side(x=np.arange(4)), Side()
    here.send(there, "x")
    held = there.namespace["x"]
    here.namespace["x"].shape = (2, 2)
    here.send(there, "x")
    assert (held.shape, there.namespace["x"].shape) == ((4,), (2, 2))


class Unloadable:
    broken = False

    def __setstate__(self, state: Any) -> None:
        if self.broken:
            raise ValueError("not today")
        self.__dict__.update(state)


def test_what_cannot_be_loaded_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    class_of_part = Unloadable()
    class_of_part.a = 1  # type: ignore[attr-defined]
    here, there = Side(x=[class_of_part]), Side()
    here.send(there, "x")
    held = there.namespace["x"]
    before = list(held)
    here.namespace["x"].append(4)
    monkeypatch.setattr(Unloadable, "broken", True)
    with pytest.raises(ValueError, match="not today"):
        here.send(there, "x")
    assert held == before


def test_an_instance_that_refuses_its_state_keeps_the_old(monkeypatch: pytest.MonkeyPatch) -> None:
    here, there = Side(x=Unloadable()), Side()
    here.namespace["x"].a = 1
    here.send(there, "x")
    held = there.namespace["x"]
    here.namespace["x"].a = 2
    monkeypatch.setattr(Unloadable, "broken", True)
    with pytest.raises(ValueError, match="not today"):
        here.send(there, "x")
    assert held.a == 1


def test_a_buffer_that_somebody_reads_keeps_its_length() -> None:
    here, there = Side(x=bytearray(b"ab")), Side()
    here.send(there, "x")
    held = there.namespace["x"]
    with memoryview(held):
        here.namespace["x"] += b"c"
        here.send(there, "x")
    assert (held, there.namespace["x"]) == (bytearray(b"ab"), bytearray(b"abc"))


class Counting(collections.deque[int]):
    pass


class Guarded:
    """Has what a pickle does not hold."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.n = 1

    def __reduce__(self) -> Any:
        return Guarded, (), {"n": self.n}


class Hashed:
    def __init__(self, key: int) -> None:
        self.key = key

    def __hash__(self) -> int:
        return hash(self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Hashed) and self.key == other.key


class Total:
    """Is made of what another name has."""

    def __init__(self, parts: list[int]) -> None:
        self.parts, self.total = parts, sum(parts)

    def __reduce__(self) -> Any:
        return Total, (self.parts,)


def test_what_arrives_is_what_pickle_makes() -> None:
    here, there = Side(q=Counting([1, 2]), g=Guarded(), xs=[1, 2], t=None), Side()
    here.namespace["t"] = Total(here.namespace["xs"])
    for parts in ([1, 2], [1, 2, 3]):
        here.namespace["xs"][:] = parts
        here.namespace["t"].total = sum(parts)
        here.namespace["q"].append(len(parts))
        here.send(there, "q", "g", "xs", "t")
        assert there.namespace["q"] == here.namespace["q"]
        assert not there.namespace["g"].lock.locked()
        assert there.namespace["t"].total == sum(parts)
        assert there.namespace["t"].parts is there.namespace["xs"]


def test_what_hashes_by_what_it_holds_is_found_where_it_lies() -> None:
    key = Hashed(1)
    here, there = Side(k=key, s={key}), Side()
    here.send(there, "k", "s")
    key.key = 2
    here.namespace["s"] = {key}
    here.values.rebound(["s"])
    here.send(there, "k", "s")
    assert there.namespace["k"] in there.namespace["s"]


def test_names_that_are_no_longer_one_object() -> None:
    shared = {"w": 0}
    here, there = Side(now=shared, best=shared), Side()
    here.send(there, "now", "best")
    here.namespace["best"] = dict(shared)
    here.values.rebound(["best"])
    shared["w"] = 7
    here.send(there, "now")
    assert there.namespace["best"] == {"w": 0}
    assert there.namespace["now"] == {"w": 7}


def test_an_equal_value_that_is_another_object_is_sent() -> None:
    shared = [1]
    here, there = Side(p=shared, q=shared), Side()
    here.send(there, "p", "q")
    here.namespace["q"] = [1]
    here.values.rebound(["q"])
    assert here.send(there, "q") == []
    there.namespace["q"].append(2)
    assert there.namespace["p"] == [1]


def test_a_patch_is_not_written_into_what_the_name_has_left() -> None:
    here, there = Side(big=np.zeros(1 << 20)), Side()
    here.send(there, "big")
    held = there.namespace["big"]
    here.namespace["big"] = here.namespace["big"].copy()
    here.namespace["big"][0] = 99
    here.values.rebound(["big"])
    here.send(there, "big")
    assert (held[0], there.namespace["big"][0]) == (0, 99)


def test_a_class_that_keeps_its_instances() -> None:
    class Plugin:
        made: ClassVar[list[Any]] = []

    plugin = Plugin()
    Plugin.made.append(plugin)
    plugin.name = "a"  # type: ignore[attr-defined]
    here, there = Side(plugin=plugin), Side()
    for name in "ab":
        plugin.name = name  # type: ignore[attr-defined]
        here.send(there, "plugin")
        assert there.namespace["plugin"].name == name


def test_a_tuple_that_holds_the_value_keeps_what_came() -> None:
    inner = [1]
    here, there = Side(inner=inner, pair=(inner, {"deep": inner})), Side()
    here.send(there, "inner", "pair")
    inner.append(2)
    here.send(there, "inner", "pair")
    assert there.namespace["pair"] == ([1, 2], {"deep": [1, 2]})
    assert there.namespace["pair"][0] is there.namespace["inner"]
    assert there.namespace["pair"][1]["deep"] is there.namespace["inner"]
