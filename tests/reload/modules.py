"""Random modules that are valid, random edits of them, and what a module does as a value."""

from __future__ import annotations

import enum
import random
import types
from typing import Any

HEAD = """\
import dataclasses, enum, functools
def plain(f): return f
def twice(f):
    @functools.wraps(f)
    def wrapper(*a, **k): return (f(*a, **k), f(*a, **k))
    return wrapper
def tagged(n):
    def deco(f):
        def wrapper(*a, **k): return (n, f(*a, **k))
        return wrapper
    return deco
"""
DECORATORS = ["", "", "", "@plain\n", "@twice\n", "@tagged({n})\n"]


class Writer:
    """Writes statements. ``kind`` and ``name`` of each stay, what it says changes."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.count = 0
        self.statements: list[tuple[str, str, str]] = []  # kind, name, text

    def number(self) -> int:
        return self.random.randrange(100)

    def known(self, kind: str, before: int | None = None) -> list[str]:
        return [name for k, name, _ in self.statements[:before] if k == kind]

    def expression(self, before: int | None = None) -> str:
        names = self.known("constant", before)
        parts = [str(self.number())]
        if names and self.random.random() < 0.7:
            parts.append(self.random.choice(names))
        if self.random.random() < 0.2:
            parts.append(f"len([x for x in range({self.random.randrange(5)})])")
        return " + ".join(parts)

    def write(self, kind: str, name: str, at: int) -> str:
        return str(getattr(self, f"_{kind}")(name, at))

    def _constant(self, name: str, at: int) -> str:
        if self.random.random() < 0.15:
            return f"{name} = {self.number()}\n{name} += {self.expression(at)}\n"
        if self.random.random() < 0.15:
            return f"_t = {self.expression(at)}\n{name} = _t + 1\ndel _t\n"
        return f"{name} = {self.expression(at)}\n"

    def _condition(self, name: str, at: int) -> str:
        return (
            f"if {self.expression(at)} > 60:\n    {name} = {self.number()}\n"
            f"    def f_{name}(): return {self.expression()}\n"
            f"else:\n    {name} = -{self.number()}\n"
            f"    def f_{name}(): return -({self.expression()})\n"
        )

    def _items(self, name: str, at: int) -> str:
        lines = "".join(
            f"{name}.append({self.expression(at)})\n" for _ in range(self.random.randrange(4))
        )
        return f"{name} = []\n{lines}"

    def _table(self, name: str, at: int) -> str:
        keys = self.random.sample("abcd", self.random.randrange(4))
        lines = "".join(f"{name}[{key!r}] = {self.expression(at)}\n" for key in keys)
        return f"{name} = {{}}\n{lines}"

    def _call(self, name: str, at: int) -> str:
        steady = self.known("steady", at)
        if not steady:
            return f"{name} = {self.expression(at)}\n"
        return f"{name} = {self.random.choice(steady)}() + {self.number()}\n"

    def _steady(self, name: str, at: int) -> str:
        for kind, known, text in self.statements:
            if (kind, known) == ("steady", name):
                return text
        names = self.known("constant", at)
        body = self.random.choice(names) if names else "1"
        return f"def {name}(): return {body}\n"

    def function(self, name: str, first: str = "") -> str:
        arguments = self.random.choice(
            [first, f"{first}x={self.expression()}", f"{first}*, y={self.number()}"]
        )
        doc = f"    'doc {self.number()}'\n" if self.random.random() < 0.3 else ""
        bodies = [
            f"    return {self.expression()}\n",
            f"    # why {self.number()}\n    y = {self.expression()}\n    return [y, y]\n",
            f"    def inner(k={self.number()}): return k + {self.expression()}\n"
            "    return inner()\n",
            f"    return sorted([1, 2], key=lambda q: -q * {self.number() + 1})\n",
        ]
        return f"def {name}({arguments}):\n{doc}{self.random.choice(bodies)}"

    def _function(self, name: str, at: int) -> str:
        decorator = self.random.choice(DECORATORS).format(n=self.number())
        text = self.function(name)
        # A default is evaluated at the definition: only what stands above is there.
        head, _, rest = text.partition(":\n")
        for constant in self.known("constant"):
            if constant not in self.known("constant", at):
                head = head.replace(constant, "1")
        return f"{decorator}{head}:\n{rest}"

    def _class(self, name: str, at: int) -> str:
        bases = self.known("class", at)
        base = self.random.choice(bases) if bases and self.random.random() < 0.4 else ""
        attributes = self.random.sample(["size", "kind", "rate"], self.random.randrange(3))
        lines = [f"    {attribute} = {self.expression(at)}\n" for attribute in attributes]
        for method in self.random.sample(["go", "run", "stop"], self.random.randrange(3) + 1):
            style = self.random.randrange(5)
            body = f"return ({self.expression()}, type(self).__name__, {self.number()})"
            if style == 0:
                lines.append(f"    @property\n    def {method}(self): {body}\n")
            elif style == 1:
                lines.append(f"    @staticmethod\n    def {method}(): return {self.expression()}\n")
            elif style == 2:
                lines.append(
                    f"    def {method}(self): return (super().__repr__()[:2], self.__z)\n"
                    f"    __z = {self.number()}\n"
                )
            else:
                lines.append(f"    def {method}(self): {body}\n")
        return f"class {name}({base}):\n{''.join(lines)}"

    def _enumeration(self, name: str, at: int) -> str:
        members = self.random.sample(["A", "B", "C", "D"], self.random.randrange(3) + 1)
        lines = "".join(f"    {m} = {n * 100 + self.number()}\n" for n, m in enumerate(members))
        return f"class {name}(enum.{self.random.choice(['Enum', 'Enum', 'IntEnum'])}):\n{lines}"

    def _data(self, name: str, at: int) -> str:
        fields = self.random.sample(["a", "b", "c"], self.random.randrange(3) + 1)
        lines = "".join(f"    {field}: int = {self.number()}\n" for field in fields)
        method = f"    def go(self): return {self.expression()}\n"
        return f"@dataclasses.dataclass\nclass {name}:\n{lines}{method}"

    KINDS = (
        ["constant"] * 4
        + ["function"] * 6
        + ["class"] * 4
        + ["condition", "items", "table"]
        + ["call", "steady", "enumeration", "data"]
    )

    def add(self) -> None:
        kind = self.random.choice(self.KINDS)
        self.count += 1
        name = f"{kind[0]}{self.count}" if kind != "class" else f"C{self.count}"
        at = self.random.randrange(len(self.statements) + 1)
        self.statements.insert(at, (kind, name, ""))
        self.statements[at] = (kind, name, self.write(kind, name, at))

    def change(self) -> None:
        if not self.statements:
            return self.add()
        what, at = self.random.random(), self.random.randrange(len(self.statements))
        kind, name, _ = self.statements[at]
        if what < 0.15:
            self.add()
        elif what < 0.25:
            del self.statements[at]
        elif what < 0.35:
            self.statements.insert(
                self.random.randrange(len(self.statements)), self.statements.pop(at)
            )
        elif what < 0.4:
            self.statements[at] = (
                kind,
                name,
                f"# note {self.number()}\n\n" + self.statements[at][2],
            )
        else:
            self.statements[at] = (kind, name, self.write(kind, name, at))
        return None

    def text(self) -> str:
        return HEAD + "".join(text for _, _, text in self.statements)


def behaviour(module: types.ModuleType) -> dict[str, Any]:
    """What a module does, comparable with what another one does."""
    return {
        name: shown(value)
        for name, value in vars(module).items()
        if not name.startswith("__") and not isinstance(value, types.ModuleType)
    }


def shown(value: Any) -> Any:
    if isinstance(value, enum.EnumMeta):
        return [(each.name, each.value, value(each.value) is each) for each in value]  # type: ignore[var-annotated]
    if isinstance(value, type):
        try:
            instance = value()
        except Exception as error:
            return type(error).__name__
        names = sorted(name for name in dir(value) if not name.startswith("__"))
        return [
            [base.__name__ for base in value.__mro__],
            {name: result_of(lambda name=name: getattr(instance, name)) for name in names},
            repr(instance) if hasattr(value, "__dataclass_fields__") else "",
        ]
    if callable(value):
        return [value.__doc__, getattr(value, "__name__", ""), result_of(value)]
    return value


def result_of(function: Any) -> Any:
    try:
        result = function()
        return result_of(result) if callable(result) else result
    except Exception as error:
        return type(error).__name__
