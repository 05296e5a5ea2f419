"""The statements of a body, brought up to date: what has to run runs, and is poured."""

from __future__ import annotations

import ast
import copy
import types
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from farcell_runtime.reload.bodies import ABSENT, Body
from farcell_runtime.reload.codes import inner, is_function
from farcell_runtime.reload.difference import Kind
from farcell_runtime.reload.functions import Functions
from farcell_runtime.reload.journal import Journal
from farcell_runtime.reload.merging import Merging
from farcell_runtime.reload.references import redirect
from farcell_runtime.reload.schedule import Flow, Schedule, is_same
from farcell_runtime.reload.statements import Block, Function, Placed, outline
from farcell_runtime.reload.swaps import Swaps

_METHODS = (types.FunctionType, staticmethod, classmethod, property, type)


class Entry(NamedTuple):
    """A statement of the new text, what it was, and its number in the old text."""

    kind: Kind
    old: Placed | None
    new: Placed
    origin: int | None


@dataclass(slots=True)
class Tools:
    """What updates of one module share."""

    module: types.ModuleType
    path: str
    flags: int
    journal: Journal
    functions: Functions
    swaps: Swaps
    merging: Merging
    notes: list[str]
    changed: list[str]
    migrating: list[type]
    moved: list[tuple[int, int, int]]
    # Dataclasses whose fields changed: what derives from them has taken these over.
    reshaped: set[type]
    attributes: set[str]  # of classes, that have other values: ``Config.STEPS``
    # What takes the changes of a class statement, and what pours one class into another.
    remake: Callable[[Tools, Body, Entry, type, set[str]], None]
    pour: Callable[[Tools, type, type], type]


class Update:
    """One body's update."""

    def __init__(
        self,
        tools: Tools,
        body: Body,
        old: Sequence[Placed],
        entries: Sequence[Entry],
        removed: Sequence[Placed],
    ) -> None:
        self._removed = removed
        self._tools = tools
        self._body = body
        self._entries = entries
        before = Flow([each.statement.names for each in old])
        self._after = Flow([each.new.statement.names for each in entries])
        self._before = before
        self.ran: list[int] = []
        changed = {
            number
            for number, entry in enumerate(entries)
            if entry.kind is Kind.CHANGED and not _says_nothing(number, entry)
        }
        self._schedule = Schedule(
            before,
            self._after,
            [entry.origin for entry in entries],
            changed,
            body.value_of,
            self._derives_anew,
        )

    @property
    def fresh(self) -> set[str]:
        """The names that are bound to other values now."""
        return self._schedule.fresh

    def play(self, fresh: Collection[str] = ()) -> None:
        """Run what has to run, where ``fresh`` names were bound anew from elsewhere."""
        body = self._body
        before = {name: body.value_of(name) for name in self._after.final}
        self._evict()
        self._schedule.play(self._run, fresh)
        for name in self._schedule.leftovers():
            body.bind(name, before[name])
        for name in self._schedule.deleted():
            body.bind(name, ABSENT)

        self._tell()

    def _evict(self) -> None:
        """Take out of dicts what no line puts there any more."""
        stored = {_stored(entry.new.statement.node) for entry in self._entries}
        for each in self._removed:
            place = _stored(each.statement.node)
            if place is None or place in stored:
                continue
            items = self._body.value_of(place[0])
            if type(items) is dict:
                self._tools.journal.delete_item(items, place[1])

    def _tell(self) -> None:
        changed = self._tools.changed
        for number in sorted(set(self.ran)):
            entry = self._entries[number]
            node = entry.new.statement.node
            told = isinstance(node, ast.ClassDef) and entry.old is not None
            for name in [] if told else sorted(entry.new.statement.names.binds):
                if entry.kind is Kind.CHANGED or name in self.fresh:
                    changed.append(self._body.prefix + name)
        changed += [self._body.prefix + name for name in sorted(self._schedule.deleted())]

    def _run(self, number: int) -> None:
        self.ran.append(number)
        entry = self._entries[number]
        node = entry.new.statement.node
        alone = self._is_alone(entry)
        if entry.old is not None and alone:
            before = entry.old.statement.node
            if isinstance(node, Function) and isinstance(before, Function):
                if not self._is_decorated_anew(before, node):
                    self._redefine(entry, node, before)
                    return
            elif isinstance(node, ast.ClassDef) and isinstance(before, ast.ClassDef):
                cls = self._body.value_of(node.name)
                if isinstance(cls, type):
                    was = dict(vars(cls))
                    self._tools.remake(self._tools, self._body, entry, cls, self.fresh)
                    self._note_attributes(node.name, was)
                    return
        if isinstance(node, Function) and entry.old is not None:
            self._swap_bodies(entry)
        was = {name: self._body.value_of(name) for name in entry.new.statement.names.binds}
        changes = self._body.run(node, entry.new.offset)
        self._adopt(entry, was, changes, alone=alone)

    def _note_attributes(self, name: str, was: dict[str, Any]) -> None:
        """What reads ``Config.STEPS`` runs again where that is another value now."""
        now = self._body.value_of(name)
        changed = {
            f"{name}.{each}"
            for each, value in (vars(now).items() if isinstance(now, type) else ())
            if not each.startswith("__")
            and not isinstance(value, _METHODS)
            and not is_same(was.get(each, ABSENT), value)
        }
        self._schedule.fresh |= changed
        if not self._body.prefix:
            self._tools.attributes |= changed

    def _derives_anew(self, number: int) -> bool:
        node = self._entries[number].new.statement.node
        return isinstance(node, ast.ClassDef) and derives_anew(
            self._tools, self._body.value_of(node.name)
        )

    def _is_alone(self, entry: Entry) -> bool:
        """Whether no other statement binds the names that this one does."""
        return all(
            len(flow.final.get(name, (0,))) == 1
            and sum(name in names.binds for names in flow.statements) <= 1
            for name in entry.new.statement.names.binds
            for flow in (self._before, self._after)
        )

    def _is_decorated_anew(self, old: Any, new: Any) -> bool:
        if _said(old.decorator_list) != _said(new.decorator_list):
            return True
        if not new.decorator_list:
            return False
        read = reads_in(new.decorator_list)
        # What registers by type reads the annotations.
        return bool(read & self.fresh) or _annotations(old) != _annotations(new)

    def _redefine(self, entry: Entry, node: Any, old: Any) -> None:
        """Take a function's new code and signature, and leave its decorators alone."""
        tools = self._tools
        bare = copy.copy(node)
        bare.decorator_list = []
        was = self._body.value_of(node.name)
        raw = self._body.run(bare, entry.new.offset)[node.name]
        self._body.bind(node.name, was)
        keeps = _said(old.args) == _said(node.args) and not self._reads_fresh(node.args)
        for function in self._swap_bodies(entry):
            if not keeps:
                tools.journal.set_attribute(function, "__defaults__", raw.__defaults__)
                tools.journal.set_attribute(function, "__kwdefaults__", raw.__kwdefaults__)
            if function.__annotations__ != raw.__annotations__:
                tools.journal.set_attribute(function, "__annotations__", raw.__annotations__)
        if was is ABSENT:
            self._body.bind(node.name, raw)

    def _reads_fresh(self, node: ast.AST) -> bool:
        return not self.fresh.isdisjoint(reads_in([node]))

    def _swap_bodies(self, entry: Entry) -> list[Any]:
        """New code for the functions on the old code of one definition."""
        assert entry.old is not None
        old = self._code_of(entry.old)
        new = self._code_of(entry.new)
        return self._tools.swaps.replace(old, new) if old and new else []

    def _code_of(self, placed: Placed) -> types.CodeType | None:
        node: Any = placed.statement.node
        code = self._body.compile(node, placed.offset)
        found = [each for each in inner(code) if each.co_name == node.name and is_function(each)]
        return found[-1] if found else None

    def _adopt(
        self, entry: Entry, was: dict[str, Any], changes: dict[str, Any], *, alone: bool
    ) -> None:
        """Pour the functions and classes that a statement has made into those that were there."""
        defined = dict(_defined(entry.new.statement.node)) if alone else {}
        for name, value in changes.items():
            merged, old = value, was.get(name, ABSENT)
            if name in defined and old is not ABSENT and value is not ABSENT:
                merged = self._merged(name, old, value)
            self._body.bind(name, merged)
            if merged is not value and defined[name]:
                redirect(value, merged, self._tools.journal, {id(changes), id(was)})

    def _merged(self, name: str, old: Any, new: Any) -> Any:
        if old is new:
            return new
        if issubclass(type(old), type) and issubclass(type(new), type):
            if (old.__module__, old.__qualname__) == (new.__module__, new.__qualname__):
                return self._tools.pour(self._tools, old, new)
            return new
        return self._tools.merging.merge(name, old, new)


def reads_in(nodes: Iterable[ast.AST]) -> set[str]:
    """The names in expressions, with ``module.name`` as well."""
    found: set[str] = set()
    for node in nodes:
        for each in ast.walk(node):
            if isinstance(each, ast.Name):
                found.add(each.id)
            elif isinstance(each, ast.Attribute) and isinstance(each.value, ast.Name):
                found.add(f"{each.value.id}.{each.attr}")
    return found


def derives_anew(tools: Tools, cls: object) -> bool:
    """Whether a class is a dataclass whose bases have other fields now."""
    return (
        isinstance(cls, type)
        and "__dataclass_fields__" in vars(cls)
        and not tools.reshaped.isdisjoint(cls.__mro__[1:])
    )


def _says_nothing(number: int, entry: Entry) -> bool:
    """A string by itself that isn't the module's docstring, or ``pass``."""
    node = entry.new.statement.node
    return isinstance(node, ast.Pass) or (
        isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and number > 0
    )


def _stored(node: ast.stmt) -> tuple[str, Any] | None:
    """The name and the key of a line like ``TABLE["key"] = value``."""
    if isinstance(node, ast.Assign) and len(node.targets) == 1:
        target = node.targets[0]
        if isinstance(target, ast.Subscript) and isinstance(target.value, ast.Name):
            key = target.slice
            if isinstance(key, ast.Constant):
                return target.value.id, key.value
    return None


def _defined(node: ast.AST) -> Iterator[tuple[str, bool]]:
    """The names of functions and classes that a statement makes, and whether others see them."""
    if isinstance(node, Block):
        yield node.name, bool(node.decorator_list) or isinstance(node, ast.ClassDef)
        return
    for each in ast.iter_child_nodes(node):
        if isinstance(each, ast.stmt | ast.ExceptHandler | ast.match_case):
            yield from _defined(each)


def _said(node: Any) -> object:
    return outline(node, hollow=False)


def _annotations(node: Any) -> object:
    return [
        _said(each.annotation)
        for each in ast.walk(node.args)
        if isinstance(each, ast.arg) and each.annotation
    ]
