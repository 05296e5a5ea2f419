"""Random notebooks: cells of statements over a handful of names, run here or elsewhere.

A step says what to do to which name, and becomes a statement only when it is known what the names
hold. So a notebook stays one that makes sense whichever of its cells and steps are left out, and
Hypothesis finds the shortest that fails.
"""

from __future__ import annotations

import contextlib
import io
import types
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st

NAMES = ("a", "b", "c", "d", "e")
PLACES = ("", "%%remote\n", "%%remote --on other\n")

PRELUDE = """\
import numpy as np
class Box:
    def __init__(self, v): self.v = v
    def __repr__(self): return f'Box({type(self.v).__name__})'
def counter(start):
    n = start
    def up():
        nonlocal n
        n += 1
        return n
    return up
def adder(items):
    def add():
        items.append(len(items))
        return len(items)
    return add
"""
DEFINED = ("np", "Box", "counter", "adder")

# What a name may be bound to; of each kind there is a way to change it in place.
_MAKES = (
    "[{n}, 2]", "{n}", "{{'k': {n}}}", "{{{n}, 7}}", "np.arange({n}.0, {n} + 6)", "Box({n})",
    "counter({n})", "'s{n}'", "bytearray([{n}])", "np.arange(200_000) * {n}",
)  # fmt: skip
_CHANGES: dict[type, tuple[str, ...]] = {
    list: ("{x}.append({n})", "{x} += [{n}]", "{x}[0:1] = [{n}]", "{x}.clear()"),
    dict: ("{x}['k'] = {n}", "{x}['new{n}'] = {n}", "{x}.pop('k', None)", "{x} |= {{'or': {n}}}"),
    set: ("{x}.add({n})", "{x} |= {{{n}}}", "{x}.discard({n})"),
    bytearray: ("{x}.append({n})", "{x}[0:1] = b'{n}'", "{x} += b'{n}'"),
    np.ndarray: ("{x}[0] = {n}", "{x} += {n}", "{x}[-1:] *= 2", "{x}.sort()"),
    int: ("{x} += {n}",),
    str: ("{x} += '{n}'",),
}
_READS = (
    "print(type({x}).__name__, repr({x}))",
    "print(list(map(lambda one: one, [{x}])), {x} == {y})",
    "print({x})",
    "print(f'{{{x}!r:>3}}')",
    "print([{x} for _ in range(2)])",
    "print((lambda: {x})())",
    "print(eval('{x}'))",
    "print(globals()['{x}'])",
    "def show(): return repr({x})\nprint(show())",
    "class K:\n    held = repr({x})\nprint(K.held)",
    "print({x} is {y}, {x} is {x})",
    "print('{x}' in globals())",
    "{x}",
)
_HOLDS = (
    "{y}", "[{y}]", "{{'k': {y}}}", "Box({y})", "({y}, {y})", "[{y}, {x}]", "lambda: {y}",
    "__import__('copy').deepcopy({y})", "__import__('copy').copy({y})",
)  # fmt: skip


@dataclass(frozen=True)
class Step:
    """What to do, to which name, with which other, and with which number."""

    does: str
    x: str
    y: str
    n: int
    way: int

    def statement(self, names: dict[str, Any]) -> str:
        """The step as code, given what the notebook's names hold."""
        ways = self._ways(names)
        return ways[self.way % len(ways)].format(x=self.x, y=self.y, n=self.n)

    def _ways(self, names: dict[str, Any]) -> Sequence[str]:
        x, y = names.get(self.x), names.get(self.y)
        match self.does:
            case "make":
                return [f"{{x}} = {make}" for make in _MAKES]
            case _ if self.x not in names:
                return ["{x} = [{n}]", "print({x})"]  # NameError is one, wherever it is read
            case "change":
                return _changes(x)
            case "call" if isinstance(x, types.FunctionType):
                return ["print({x}())"]
            case "call" if callable(x):
                return ["print({x}({n}))"]
            case "inner":
                return _inner_changes(x)
            case "hold" if self.y in names:
                views = ["{x} = {y}[1:]", "{x} = {y}[::2]"] if isinstance(y, np.ndarray) else []
                closures = ["{x} = adder({y})", "{x} = {y}.append"] if isinstance(y, list) else []
                return [f"{{x}} = {hold}" for hold in _HOLDS] + views + closures
            case "put" if self.y in names:
                return _puts(x)
            case "delete":
                return ["del {x}", "del {x}\n{x} = [{n}]"]
            case "loop":
                return ["for {x} in range({n}): pass", "for i in range(2): {x} = [{x}]"]
            case "code":
                return [
                    "def change():\n    global {x}\n    {x} = [{n}]\nchange()",
                    "exec('{x} = {n}')",
                    "globals()['{x}'] = {n}",
                    *(f"(lambda: {change})()" for change in _changes(x) if "=" not in change),
                ]
            case "fail":
                return ["1 / 0", "{x} = [{n}]; 1 / 0"]
            case _:
                return _READS if self.y in names else [read for read in _READS if "{y}" not in read]


def _changes(value: Any) -> Sequence[str]:
    if type(value).__name__ == "Box":
        return ["{x}.v = {n}", "{x}.new = {n}", "vars({x}).pop('new', None)"]
    if callable(value):
        return ["print({x}())"] if isinstance(value, types.FunctionType) else ["{x}({n})"]
    return _CHANGES.get(type(value), ["{x} = {n}"])


def _inner_changes(value: Any) -> Sequence[str]:
    """Changes of what a name's value holds, by way of that value."""
    found: list[str] = []
    parts: list[tuple[str, Any]] = []
    match value:
        case list() | tuple():
            parts = [(f"{{x}}[{place}]", part) for place, part in enumerate(value[:3])]
        case dict():
            parts = [(f"{{x}}[{key!r}]", part) for key, part in list(value.items())[:3]]
        case _ if type(value).__name__ == "Box":
            parts = [("{x}.v", value.v)]
    for way, part in parts:
        if isinstance(value, tuple) and isinstance(part, (int, str)):
            continue
        # A tuple's part can be changed, and not be assigned to.
        changes = _changes(part)
        if isinstance(value, tuple):
            changes = [
                change for change in changes if not change.startswith(("{x} +=", "{x} |=", "{x} ="))
            ]
        found += [change.replace("{x}", way) for change in changes]
    return found or ["print({x})"]


def _puts(value: Any) -> Sequence[str]:
    match value:
        case list():
            return ["{x}.append({y})", "{x}[0:1] = [{y}]"]
        case dict():
            return ["{x}['k'] = {y}", "{x}['put'] = {y}"]
        case _ if type(value).__name__ == "Box":
            return ["{x}.v = {y}", "{x}.put = {y}"]
        case _:
            return ["print({x}, {y})"]


DOES = ("read", "make", "change", "hold", "inner", "put", "call", "delete", "loop", "code", "fail")
STEPS = st.builds(
    Step,
    st.sampled_from(DOES),
    st.sampled_from(NAMES),
    st.sampled_from(NAMES),
    st.integers(1, 5),
    st.integers(0, 15),
)
PLAYS = st.lists(
    st.tuples(st.sampled_from(PLACES), st.lists(STEPS, min_size=1, max_size=4)),
    min_size=1,
    max_size=10,
)


@dataclass
class Ran:
    """A cell, and what a plain Python made of it.

    Attributes:
        error: the exception's type; empty if there was none.
    """

    source: str
    text: str = ""
    error: str = ""


@dataclass
class Reference:
    """A notebook run at home, in a plain namespace, as it ought to be everywhere."""

    names: dict[str, Any] = field(default_factory=lambda: {"__name__": "__main__"})

    def prelude(self) -> str:
        exec(PRELUDE, self.names)
        return PRELUDE

    def run(self, place: str, steps: Iterable[Step]) -> Ran:
        """Make a cell of ``steps`` while running it."""
        lines: list[str] = []
        ran = Ran("")
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            for step in steps:
                lines.append(step.statement(self.names))
                try:
                    exec(lines[-1], self.names)
                except Exception as error:
                    ran.error = type(error).__name__
                    break
        ran.text = printed.getvalue()
        ran.source = place + "\n".join(lines)
        return ran

    def bound(self) -> dict[str, Any]:
        """The names that the play is about, as far as they are bound."""
        return {name: self.names[name] for name in NAMES if name in self.names}
