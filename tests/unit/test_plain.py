"""Plain values: told from others, and pickled together."""

from __future__ import annotations

import pickle
import sys
from collections import OrderedDict, namedtuple
from typing import Any

import pytest

from farcell_runtime import plain

Point = namedtuple("Point", "x y")


class Text(str):
    __slots__ = ()


@pytest.mark.parametrize(
    "value",
    [1, -0.0, 1j, True, "text", b"bytes", None, [], [1, "a", None], {"a": [1, {2, 3}]}, ((), 1),
     frozenset({1}), [bytearray(b"a")]],
)  # fmt: skip
def test_what_is_plain(value: Any) -> None:
    data = plain.pickled(value)
    assert data is not None
    assert repr(pickle.loads(data)) == repr(value)
    assert plain.mark(data) == plain.mark(plain.pickled(value) or b"")


@pytest.mark.parametrize(
    "value",
    [print, int, sys, object(), Text("a"), Point(1, 2), OrderedDict(), range(3), bytearray(3),
     [print], [int], {"a": (object(),)}, [Text("a")], [...],
     "a" * 5000, b"a" * 5000, ["a" * 5000], [["a" * 100] * 2] * 2000, [[0] * 5000], [1 << 50_000]],
)  # fmt: skip
def test_what_is_not(value: Any) -> None:
    assert plain.pickled(value) is None


def test_what_holds_itself_is_plain_and_what_is_too_deep_is_not() -> None:
    ring: list[Any] = []
    ring.append(ring)
    again = pickle.loads(plain.pickled(ring) or b"")
    assert again[0] is again
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    assert plain.pickled(deep) is None


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (1, True), (1, 1.0), (0.0, -0.0), ("a", b"a"), ([1], (1,)), ({1: 2}, {2: 1}),
        ("a" * 99, "b" * 99),
    ],
)  # fmt: skip
def test_marks_tell_apart_what_is_equal_and_not_the_same(one: Any, other: Any) -> None:
    marks = {plain.mark(plain.pickled(value) or b"") for value in (one, other)}
    assert len(marks) == 2
    assert all(len(mark) <= 64 for mark in marks)


def test_what_shares_a_part_goes_on_sharing_it() -> None:
    part = [1]
    loaded = pickle.loads(plain.dump({"a": part, "b": {"part": part}}))
    assert loaded["b"]["part"] is loaded["a"]
