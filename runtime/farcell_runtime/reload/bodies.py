"""The body of a module: statements that run one by one, with what they bind."""

from __future__ import annotations

import ast
import types
from collections.abc import Iterator
from typing import Any, Protocol

from farcell_runtime.reload.codes import compiled
from farcell_runtime.reload.functions import Functions
from farcell_runtime.reload.journal import Journal

ABSENT = object()
_HIDDEN = frozenset({"__builtins__", "__annotations__"})


class Body(Protocol):
    """Where statements run: a module, or a class."""

    prefix: str  # of qualified names

    def value_of(self, name: str) -> Any:
        """What a name is bound to, or ``ABSENT``."""

    def run(self, node: ast.stmt, offset: int) -> dict[str, Any]:
        """Run a statement; what it has bound, by name, ``ABSENT`` where it has deleted."""
        ...

    def compile(self, node: ast.stmt, offset: int) -> types.CodeType:
        """The code of the body, if it were this statement alone."""
        ...

    def bind(self, name: str, value: object) -> None:
        """Bind a name, or delete it where the value is ``ABSENT``."""


class ModuleBody:
    """A module, in whose own namespace statements run under a journal."""

    prefix = ""

    def __init__(
        self,
        module: types.ModuleType,
        path: str,
        flags: int,
        journal: Journal,
        functions: Functions,
    ) -> None:
        self._functions = functions
        self.module = module
        self.path = path
        self.flags = flags
        self.journal = journal
        self._namespace = vars(module)
        self.before = dict(self._namespace)
        self.has_run = False

    def value_of(self, name: str) -> Any:
        """What the module binds a name to, or ``ABSENT``."""
        return self._namespace.get(name, ABSENT)

    def compile(self, node: ast.stmt, offset: int) -> types.CodeType:
        """The code of the module, if it were this statement alone."""
        code = compiled([node], self.path, self.flags, offset)
        self._functions.ignore(code)
        return code

    def run(self, node: ast.stmt, offset: int) -> dict[str, Any]:
        """Run a statement; what it has bound, by name."""
        self.journal.flush()
        self.has_run = True
        code = self.compile(node, offset)
        before = dict(self._namespace)
        annotations = before.get("__annotations__")
        copied = dict(annotations) if type(annotations) is dict else None
        try:
            exec(code, self._namespace)
        finally:
            changes = self._changes(before)
            if copied is not None and copied != annotations:
                self._note_annotations(annotations, copied)
        return changes

    def _changes(self, before: dict[str, Any]) -> dict[str, Any]:
        changes: dict[str, Any] = {}
        namespace = self._namespace
        for name in [*namespace, *(name for name in before if name not in namespace)]:
            old, new = before.get(name, ABSENT), namespace.get(name, ABSENT)
            if old is new or name == "__builtins__":
                continue
            changes[name] = new
            self.journal.took(_binding(namespace, name, new), _binding(namespace, name, old))
        return changes

    def _note_annotations(self, living: Any, old: dict[str, Any]) -> None:
        for name in [*living, *(name for name in old if name not in living)]:
            before, after = old.get(name, ABSENT), living.get(name, ABSENT)
            if before is not after:
                self.journal.took(_binding(living, name, after), _binding(living, name, before))

    def bind(self, name: str, value: object) -> None:
        """Bind a name, or delete it where the value is ``ABSENT``."""
        if self._namespace.get(name, ABSENT) is value:
            return
        if value is ABSENT:
            self.journal.delete_item(self._namespace, name)
        else:
            self.journal.set_item(self._namespace, name, value)
        self.journal.flush()

    def changed_names(self) -> Iterator[tuple[str, Any, Any]]:
        """The names that are bound otherwise than before, with both values."""
        for name in {*self.before, *self._namespace} - _HIDDEN:
            old, new = self.before.get(name, ABSENT), self._namespace.get(name, ABSENT)
            if old is not new:
                yield name, old, new


def _binding(namespace: dict[str, Any], name: str, value: Any) -> tuple[Any, ...]:
    if value is ABSENT:
        return (dict.pop, namespace, name, None)
    return (dict.__setitem__, namespace, name, value)
