"""What stands for a value that can't leave its worker: it says so, and never passes for it."""

from __future__ import annotations

import asyncio
import copy
import operator
from collections.abc import Callable
from typing import Any

import pytest

from farcell.remote_value import RemoteValue
from farcell_runtime import codec
from farcell_runtime.errors import UsageError


@pytest.fixture
def value() -> Any:
    return RemoteValue("lock", "gpus=8", "_thread.lock", "<locked>", "lock can't be pickled")


USES: dict[str, Callable[[Any], object]] = {
    "get": lambda v: v.get(),
    "an attribute": lambda v: v.acquire,
    "setting one": lambda v: setattr(v, "x", 1),
    "a call": lambda v: v(1, k=2),
    "an item": lambda v: v[0],
    "setting one item": lambda v: operator.setitem(v, 0, 1),
    "deleting one": lambda v: operator.delitem(v, 0),
    "iteration": list,
    "unpacking": lambda v: print(*v),
    "length": len,
    "truth": bool,
    "negation": lambda v: not v,
    "equality": lambda v: v == 1,
    "inequality": lambda v: v != 1,
    "order": lambda v: v < 1,
    "order, turned": lambda v: 1 > v,  # noqa: SIM300
    "membership": lambda v: 1 in v,
    "addition": lambda v: v + 1,
    "addition, turned": lambda v: 1 + v,
    "addition in place": lambda v: operator.iadd(v, 1),
    "a power": lambda v: 2**v,
    "a remainder": lambda v: v % 2,
    "an absolute value": abs,
    "a float": float,
    "an index": lambda v: [1, 2][v],
    "a context": lambda v: v.__enter__() and None,
    "the next": next,
    "awaiting": lambda v: asyncio.run(_await(v)),
}


async def _await(value: Any) -> object:
    return await value


@pytest.mark.parametrize("use", USES.values(), ids=USES)
def test_using_it_says_why_it_is_not_here(value: Any, use: Callable[[Any], object]) -> None:
    with pytest.raises(UsageError) as refused:
        use(value)
    message = str(refused.value)
    assert "'lock' lives on gang gpus=8" in message
    assert "lock can't be pickled" in message
    assert "use 'lock' in a %%remote cell" in message


@pytest.mark.parametrize(
    ("use", "kind"),
    [("an attribute", AttributeError), ("a call", TypeError), ("an item", TypeError)],
)
def test_the_error_is_also_what_python_would_raise(
    value: Any, use: str, kind: type[Exception]
) -> None:
    with pytest.raises(kind):
        USES[use](value)


def test_numpy_makes_no_array_of_it(value: Any) -> None:
    numpy = pytest.importorskip("numpy")
    with pytest.raises(TypeError, match="lives on gang"):
        numpy.asarray(value)


def test_what_may_be_asked(value: Any) -> None:
    assert repr(value) == "<_thread.lock on gang gpus=8: <locked>>"
    assert dir(value) == ["get"]
    assert value == value
    assert value in [value]
    assert {value: 1}[value] == 1
    assert isinstance(value, RemoteValue)
    assert not hasattr(value, "_repr_html_")


def test_it_is_the_value_where_that_lives(value: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(codec.home(), "lock", "the real one")
    assert codec.load(codec.dump_whole([value])) == ["the real one"]


@pytest.mark.parametrize("there", [{}, {"lock": RemoteValue("lock", "g", "t", "", "")}])
def test_elsewhere_it_does_not_arrive(
    value: Any, monkeypatch: pytest.MonkeyPatch, there: dict[str, object]
) -> None:
    monkeypatch.delitem(codec.home(), "lock", raising=False)
    for name, held in there.items():
        monkeypatch.setitem(codec.home(), name, held)
    with pytest.raises(UsageError, match="can't leave it"):
        codec.load(codec.dump_whole(value))
    with pytest.raises(UsageError):
        copy.copy(value)
