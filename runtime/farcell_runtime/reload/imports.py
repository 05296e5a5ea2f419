"""What a module imports, and the names elsewhere that follow when theirs are bound anew."""

from __future__ import annotations

import ast
import importlib.util
import re
import types
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from farcell_runtime.reload.bodies import ABSENT
from farcell_runtime.reload.journal import Journal
from farcell_runtime.reload.schedule import is_same

_MAY_IMPORT = re.compile(r"^\s*(?:from|import)\s", re.MULTILINE)


class Import(NamedTuple):
    """``from module import name as alias``; no name for ``import module``."""

    module: str
    name: str
    alias: str


def imports_of(nodes: Iterable[ast.stmt], package: str) -> list[Import]:
    """What statements import when they run, be it under a condition."""
    found: list[Import] = []
    waiting: list[ast.AST] = list(nodes)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            found += [Import(each.name, "", each.asname or each.name) for each in node.names]
        elif isinstance(node, ast.ImportFrom):
            try:
                module = importlib.util.resolve_name(
                    "." * node.level + (node.module or ""), package
                )
            except ImportError:
                continue
            found += [Import(module, each.name, each.asname or each.name) for each in node.names]
        elif not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.expr):
            waiting += ast.iter_child_nodes(node)
    return found


def may_import(text: str) -> bool:
    """Whether it pays to look for imports in a text."""
    return _MAY_IMPORT.search(text) is not None


def package_of(module: types.ModuleType) -> str:
    """What a module's relative imports start from."""
    package = getattr(module, "__package__", None)
    if isinstance(package, str):
        return package
    return module.__name__ if hasattr(module, "__path__") else module.__name__.rpartition(".")[0]


Changes = Mapping[str, tuple[Any, Any]]  # name → value before, value now


def follow(
    namespace: dict[str, Any],
    imports: Iterable[Import],
    module: types.ModuleType,
    changes: Changes,
    journal: Journal,
) -> Iterator[str]:
    """Bind the names that were imported from ``module`` and still hold its old values."""
    for each in imports:
        if each.module != module.__name__:
            continue
        if each.name == "*":
            public = _public(module)
            pairs = [(name, name) for name in public if name in changes or name not in namespace]
        else:
            pairs = [(each.name, each.alias)] if each.name in changes else []
        for name, alias in pairs:
            old, new = changes.get(name) or (ABSENT, vars(module).get(name, ABSENT))
            held = namespace.get(alias, ABSENT)
            if held is new or new is ABSENT or not is_same(held, old):
                continue
            journal.set_item(namespace, alias, new)
            yield alias


def _public(module: types.ModuleType) -> Iterable[str]:
    names = vars(module)
    if "__all__" in names:
        return tuple(names["__all__"])
    return [name for name in names if not name.startswith("_")]
