"""Where names are looked up: the scopes of Python code, followed as the code runs."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(slots=True)
class Scope:
    """Where a name is looked up at one point of the code, and what is surely bound by then.

    Attributes:
        bound: names of the notebook's namespace.
        local: names that belong to an enclosing function or comprehension.
        shared: names that the code here has declared global.
        own: in the body of a class, the names bound in it; functions in it don't see them.
        here: in the body of a class, the part of ``local`` that it sees.
        function: whether names that are bound here are a function's own.
        later: names that are bound by the time a function that is defined here runs.
    """

    bound: set[str] = field(default_factory=set)
    local: frozenset[str] = frozenset()
    shared: frozenset[str] = frozenset()
    own: set[str] | None = None
    here: frozenset[str] = frozenset()
    function: bool = False
    later: frozenset[str] = frozenset()

    def branch(self) -> Scope:
        """The same, to go on from here on one path of several."""
        return Scope(
            set(self.bound),
            self.local,
            self.shared,
            None if self.own is None else set(self.own),
            self.here,
            self.function,
            self.later,
        )

    def join(self, ends: Iterable[Scope]) -> None:
        """Go on from where several paths meet: what is bound on all of them is bound."""
        ends = list(ends)
        self.bound = set.intersection(*(end.bound for end in ends))
        if self.own is not None:
            self.own = set.intersection(*(end.own or set() for end in ends))

    def add(self, other: Scope, since: Scope) -> None:
        """Bind what ``other`` has bound since it was ``since``."""
        self.bound |= other.bound - since.bound
        if self.own is not None and other.own is not None and since.own is not None:
            self.own |= other.own - since.own

    def bind(self, name: str) -> None:
        if name in self.shared:
            self.bound.add(name)
        elif self.own is not None:
            self.own.add(name)
        elif not self.function:
            self.bound.add(name)

    def unbind(self, name: str) -> None:
        self.bound.discard(name)
        if self.own is not None:
            self.own.discard(name)

    def is_global(self, name: str) -> bool:
        """Whether what is bound to ``name`` here is bound in the notebook's namespace."""
        return name in self.shared or (self.own is None and not self.function)

    def is_bound(self, name: str) -> bool:
        """Whether a read of ``name`` here can't reach what the notebook had under it before."""
        if self.own is None:
            return name in self.local or name in self.bound
        if name not in self.shared and (name in self.own or name in self.here):
            return True
        return name in self.bound


def with_type_parameters(node: ast.AST, scope: Scope) -> Scope:
    """The scope in which a definition's type parameters (Python 3.12) are seen."""
    parameters = {parameter.name for parameter in getattr(node, "type_params", ())}
    if not parameters:
        return scope
    around = scope.branch()
    around.local |= parameters
    around.here |= parameters
    return around


def assigned_names(body: list[ast.stmt]) -> tuple[frozenset[str], frozenset[str]]:
    """The names that code with this body binds in its own scope, and those it declares global."""
    found: set[str] = set()
    shared: set[str] = set()
    waiting: list[ast.AST] = list(body)
    while waiting:
        node = waiting.pop()
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef():
                found.add(node.name)
                continue
            case ast.Lambda():
                continue
            case ast.comprehension():
                waiting += [node.iter, *node.ifs]  # its targets are its own
                continue
            case ast.Global():
                shared |= set(node.names)
            case ast.Name() if isinstance(node.ctx, (ast.Store, ast.Del)):
                found.add(node.id)
            case ast.Import() | ast.ImportFrom():
                found |= {(a.asname or a.name.split(".")[0]) for a in node.names}
            case ast.ExceptHandler() | ast.MatchAs() | ast.MatchStar() if node.name:
                found.add(node.name)
            case ast.MatchMapping() if node.rest:
                found.add(node.rest)
        waiting.extend(ast.iter_child_nodes(node))
    return frozenset(found - shared), frozenset(shared)
