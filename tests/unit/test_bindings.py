"""What a cell bound, deleted, or may have changed in place."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import pytest

from farcell_runtime.bindings import Bindings, is_immutable, type_name
from farcell_runtime.sharing import leaders, sharing


def change(before: str, cell: str, reached: set[str]) -> tuple[dict[str, bool], list[str]]:
    """The names that ``cell`` changed (true: bound anew), and those it deleted."""
    namespace: dict[str, Any] = {"__name__": "__main__", "In": []}
    exec(before, namespace)
    bindings = Bindings(namespace, {"hidden"})
    exec(cell, namespace)
    found, gone = bindings.changes(namespace, reached)
    return {binding.name: binding.bound for binding in found}, gone


BOUND: dict[str, tuple[str, str, set[str], dict[str, bool], list[str]]] = {
    "bound": ("", "x = 1", {"x"}, {"x": True}, []),
    "bound anew": ("x = []", "x = []", {"x"}, {"x": True}, []),
    "bound to the same": ("x = y = []", "x = y", set(), {}, []),
    "deleted": ("x = 1", "del x", {"x"}, {}, ["x"]),
    "deleted, an object": ("x = {1}", "del x", {"x"}, {}, ["x"]),
    "nothing": ("x = []", "", set(), {}, []),
    "touched": ("x = []", "x.append(1)", {"x"}, {"x": False}, []),
    "of a number only the name": ("x = 1", "x + 1", {"x"}, {}, []),
    "a name that is not there": ("", "", {"x"}, {}, []),
    "hidden": ("hidden = 1", "hidden = 2; __x__ = _i = _i5 = In = 1", set(), {}, []),
    "results": ("", "_ = ___ = 1", set(), {"_": True, "___": True}, []),
    "private": ("", "__x = _y = Into = 1", set(), {"__x": True, "_y": True, "Into": True}, []),
    "a class": ("class A: n = 0", "A.n = 1", {"A"}, {"A": False}, []),
    "a class of an instance": (
        "class A: n = []\na = A(); b = A(); other = A.n",
        "",
        {"a", "A"},
        {"a": False, "A": False, "other": False},
        [],
    ),
    "a library's class": ("from fractions import Fraction", "", {"Fraction"}, {}, []),
    "by function": ("x = 1\ndef f():\n global x\n x = 2", "f()", {"f"}, {"x": True}, []),
}  # fmt: skip


@pytest.mark.parametrize("case", BOUND.values(), ids=BOUND)
def test_changes(case: tuple[str, str, set[str], dict[str, bool], list[str]]) -> None:
    before, cell, reached, names, gone = case
    assert change(before, cell, reached) == (names, gone)


# Each: what makes ``a`` and ``b`` such that changing ``a`` in place changes ``b``.
SHARED = {
    "two names": "a = b = []",
    "an item": "a = []; b = [0, a]",
    "its holder": "b = []; a = [0, b]",
    "both hold it": "x = []; a = [x]; b = {'k': (x,)}",
    "an attribute": "class A: pass\na = []; b = A(); b.x = a",
    "slots": "class A: __slots__ = 'x'\na = []; b = A(); b.x = a",
    "a closure": "a = []\ndef make(x): return lambda: x\nb = make(a)",
    "a variable of two functions": (
        "def make():\n n = 0\n def inc():\n  nonlocal n\n  n += 1\n def get(): return n\n"
        " return inc, get\na, b = make()"
    ),
    "a default value": "a = []\ndef b(x=a): pass",
    "a bound method": "a = []; b = a.append",
    "a method": "class A:\n def m(self): pass\na = A(); b = a.m",
    "a partial": "import functools\na = []; b = functools.partial(print, a)",
    "an iterator": "a = [1]; b = iter(a)",
    "a view": "import numpy\na = numpy.zeros(9); b = a[2:5].reshape(3, 1)",
    "two views": "import numpy\nx = numpy.zeros(9); a = x[1:]; b = x[:4]; del x",
    "a frame's holder": "import pandas\na = pandas.DataFrame({'x': [1]}); b = {'df': a}",
    "a deque": "import collections\na = []; b = collections.deque([a])",
    "a key": "class A: pass\na = A(); b = {a: 1}",
    "a large list": "a = []; b = [[i] for i in range(3000)] + [a]",
}
APART = {
    "two lists": "a = []; b = []",
    "of one class": "class A: pass\na = A(); b = A()",
    "a number in common": "a = [1000]; b = [1000]",
    "an empty tuple in common": "a = [()]; b = [()]",
    "a module in common": "import os\na = [os]; b = [os]",
    "an enum's member in common": ("import enum\nclass E(enum.Enum): X = []\na = [E.X]; b = [E.X]"),
    "a logger in common": "import logging\na = [logging.getLogger()]; b = [logging.getLogger()]",
    "a function of the same globals": "a = []\ndef b(): return a",
    "copies": "import numpy\na = numpy.zeros(3); b = a.copy()",
    "a dtype in common": "import numpy\na = numpy.zeros(3); b = numpy.ones(3)",
    "an index in common": (
        "import pandas\na = pandas.DataFrame({'x': [1]}); b = pandas.Series([2], a.index)"
    ),
    "a copy of a table": "import pandas\na = pandas.DataFrame({'x': [1]}); b = a.copy()",
    "a long list of numbers": "a = []; b = list(range(100_000))",
}


@pytest.mark.parametrize("before", SHARED.values(), ids=SHARED)
def test_what_shares_a_part_is_touched(before: str) -> None:
    changed, _ = change(before, "", {"a"})
    assert {"a", "b"} <= changed.keys()
    changed, _ = change(before, "", {"b"})
    assert {"a", "b"} <= changed.keys()


@pytest.mark.parametrize("before", APART.values(), ids=APART)
def test_what_shares_none_is_not(before: str) -> None:
    changed, _ = change(before, "", {"a"})
    assert changed == {"a": False}


def test_what_a_cell_deletes_is_freed_at_once() -> None:
    class Large:
        pass

    namespace = {"x": Large()}
    dead = weakref.ref(namespace["x"])
    bindings = Bindings(namespace, ())
    del namespace["x"]
    gc.collect()
    assert dead() is None
    assert bindings.changes(namespace, ()) == ([], ["x"])


def test_another_object_at_the_same_address_is_another() -> None:
    class Large:
        pass

    namespace = {"x": Large()}
    bindings = Bindings(namespace, ())
    for _ in range(100):  # the freed memory is used again
        del namespace["x"]
        namespace["x"] = Large()
        found, _gone = bindings.changes(namespace, ())
        assert [binding.bound for binding in found] == [True]


IMMUTABLE = {
    "1": True, "'a'": True, "None": True, "b'a'": True, "()": True, "(1, ('a',))": True,
    "frozenset({1})": True, "range(3)": True, "len": True, "int": True, "lambda: 1": True,
    "__import__('os')": True, "__import__('numpy').float64(1)": True,
    "__import__('numpy').dtype('i4')": True,
    "[]": False, "{}": False, "set()": False, "bytearray()": False, "([],)": False,
    "[].append": False, "lambda x=[]: x": False, "lambda *, x={}: x": False, "object()": False,
    "(lambda x: lambda: x)(1)": False,
    "__import__('functools').partial(print, [])": False,
    "__import__('numpy').zeros(1)": False,
}  # fmt: skip


@pytest.mark.parametrize(("value", "immutable"), IMMUTABLE.items(), ids=IMMUTABLE)
def test_immutable(value: str, immutable: bool) -> None:
    assert is_immutable(eval(value)) is immutable


def test_the_first_name_of_those_that_share_a_part() -> None:
    x: list[int] = []
    y, z, w = [x], [[1]], {"w": 1}
    namespace = {"_i": x, "a": y, "b": x, "c": [], "d": 1, "e": 1, "f": z, "g": z[0], "h": w}
    bindings = Bindings(namespace, ())
    assert bindings.by_identity(namespace) == {}
    bindings.changes(namespace, ["b", "c", "d"])
    assert bindings.by_identity(namespace) == {id(x): "a", id(y): "a"}
    bindings.changes(namespace, ["f", "b"])
    assert bindings.by_identity(namespace) == {
        id(x): "a", id(y): "a", id(z): "f", id(z[0]): "f",
    }  # fmt: skip


def test_groups_are_linked_by_what_is_in_both() -> None:
    one, two = [1], [2]
    values = {"a": one, "b": two, "c": [one, two], "d": [3]}
    assert leaders(values, ["b"]) == {"a": "a", "b": "a", "c": "a"}
    assert leaders(values, ["d", "unknown"]) == {}
    assert leaders(values, []) == {}


def test_the_name_of_a_type() -> None:
    assert type_name(1) == "int"
    assert type_name(Bindings({}, ())) == "farcell_runtime.bindings.Bindings"


class Big:
    """Referred to weakly."""


def test_none_in_place_of_what_is_gone() -> None:
    namespace: dict[str, Any] = {"model": Big()}
    before = Bindings(namespace, ())
    namespace["model"] = None
    [binding] = before.changes(namespace, ())[0]
    assert (binding.name, binding.bound) == ("model", True)


def test_what_is_recorded_was_there_all_along() -> None:
    namespace: dict[str, Any] = {"a": 1, "b": 2, "gone": 3}
    before = Bindings(namespace, ())
    namespace.update(a=10, b=20, new=30)
    del namespace["gone"]
    before.record(namespace, ["a", "new", "gone", "never"])
    changed, deleted = before.changes(namespace, ())
    assert [binding.name for binding in changed] == ["b"]
    assert deleted == []


ALONE = {
    "numbers": ("[1, 'a', None]", True),
    "many numbers": ("list(range(100_000))", True),
    "containers": ("{'a': [{1}], 'b': ([2],)}", True),
    "an array": ("np.ones(3)", True),
    "an array that arrived": ("np.frombuffer(bytearray(8))", True),
    "an array that arrived in a pickle": ("np.ndarray((1,), 'f8', bytearray(8))", True),
    "arrays": ("[np.ones(3) for _ in range(10_000)]", True),
    "a view of its own": ("np.ones(9)[1:]", True),
    "itself under another name": ("[]\nother = value", False),
    "a part": ("[[1]]\nother = value[0]", False),
    "a part deep in it": ("{'a': ([np.ones(3)],)}\nother = value['a'][0][0]", False),
    "one of many": ("[np.ones(3) for _ in range(10_000)]\nother = value[9000]", False),
    "held by another": ("[1]\nother = [value]", False),
    "a view": ("np.ones(3)\nother = value[1:]", False),
    "a view in it": ("[np.ones(3)]\nother = value[0][1:]", False),
    "memory": ("np.frombuffer(other := bytearray(8))", False),
    "memory in a pickle": ("np.ndarray((1,), 'f8', other := bytearray(8))", False),
    "an object": ("[object()]", False),
    "an array of objects": ("np.array([[1], None], object)", False),
}


@pytest.mark.parametrize(("value", "alone"), ALONE.values(), ids=ALONE)
def test_what_nothing_else_has_a_part_of(value: str, alone: bool) -> None:
    namespace: dict[str, Any] = {"np": pytest.importorskip("numpy")}
    exec(f"value = {value}", namespace)
    bindings = Bindings(namespace, ())
    assert bindings.is_alone(namespace, "value") == alone
    found, _ = bindings.changes(namespace, {"value"})
    assert {each.name for each in found} == {"value", "other"} & namespace.keys()


def test_a_large_value_of_its_own_shares_nothing() -> None:
    namespace: dict[str, Any] = {
        "large": [[number] for number in range(10_000)],
        "shared": [[number] for number in range(10_000)],
        "small": [[1]],
    }
    namespace["also"] = [namespace["shared"][9000]]
    assert sharing(namespace, ["small"]) == {"small", "shared"}  # who knows
    assert sharing(namespace, ["also"]) == {"also", "shared"}
    assert sharing(namespace, ["shared"]) == {"also", "shared"}
