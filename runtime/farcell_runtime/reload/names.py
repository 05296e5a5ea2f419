"""Which names a statement binds, and which it reads when it runs."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

_MAKING = frozenset({"__init__", "__new__", "__post_init__", "__call__", "__set_name__"})
_CONTAINERS = frozenset(
    {"list", "dict", "set", "bytearray", "deque", "defaultdict", "OrderedDict", "Counter"}
)
# They call what they are given.
_CALLING = frozenset(
    {"map", "filter", "sorted", "min", "max", "sum", "any", "all", "list", "tuple", "set", "dict",
     "next", "reduce"}
)  # fmt: skip
_DISPLAYS = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)
_Functions = ast.FunctionDef | ast.AsyncFunctionDef
_Scopes = ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp


@dataclass(slots=True)
class Names:
    """What one statement does with names of its module (or class)."""

    binds: set[str] = field(default_factory=set)  # binds or deletes
    certain: set[str] = field(default_factory=set)  # binds whatever happens
    reads: set[str] = field(default_factory=set)
    called: set[str] = field(default_factory=set)  # of these, what calls may run
    # What is read when the function or class that a name is bound to is called.
    deferred: dict[str, set[str]] = field(default_factory=dict)
    imported: set[str] = field(default_factory=set)  # from another module, whose value it follows
    makes: set[str] = field(default_factory=set)  # is bound to a new container
    mutates: set[str] = field(default_factory=set)  # by a method or an operator
    stores: set[str] = field(default_factory=set)  # sets items of


def names_of(node: ast.stmt) -> Names:
    """What ``node`` binds and reads as it runs."""
    reader = _Reader()
    reader.visit(node)
    return reader.names


class _Reader(ast.NodeVisitor):
    def __init__(self) -> None:
        self.names = Names()
        self._locals: list[set[str]] = []  # of comprehensions and class bodies
        self._calls = 0
        self._branches = 0
        self._class: list[tuple[str, bool]] = []

    # -- names ----------------------------------------------------------------------------

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self._read([node.id])
        else:
            if isinstance(node.ctx, ast.Del):
                self._read([node.id])  # it has to be there
            self._bind(node.id)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if isinstance(node.value, ast.Name) and isinstance(node.ctx, ast.Load):
            self._read([f"{node.value.id}.{node.attr}"])
        self.generic_visit(node)

    def _read(self, names: Iterable[str]) -> None:
        for name in names:
            if name.partition(".")[0] in self.names.certain:
                continue  # the statement itself has bound it
            if not any(name in scope for scope in self._locals):
                self.names.reads.add(name)
                if self._calls:
                    self.names.called.add(name)

    def _bind(self, name: str) -> None:
        if self._locals:
            self._locals[-1].add(name)
            return
        self.names.binds.add(name)
        if not self._branches:
            self.names.certain.add(name)

    # -- definitions ----------------------------------------------------------------------

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        self._visit_called(node.decorator_list)
        self.visit(node.args)
        if node.returns:
            self.visit(node.returns)
        self._bind(node.name)
        self._defer(node.name, free_names(node))

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self.visit(node.args)
        if self._calls:
            self._read(free_names(node))

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        self._visit_called(node.decorator_list)
        for each in (*node.bases, *node.keywords):
            self.visit(each)
        outer = not self._locals
        if outer:
            self._class.append((node.name, False))
        self._locals.append(set())
        for each in node.body:
            self.visit(each)
        self._locals.pop()
        if outer:
            self._class.pop()
        self._bind(node.name)

    def _defer(self, name: str, reads: set[str]) -> None:
        if not self._locals:
            self.names.deferred.setdefault(name, set()).update(reads)
        elif self._class and name in _MAKING and len(self._locals) == 1:
            self.names.deferred.setdefault(self._class[-1][0], set()).update(reads)

    def _visit_called(self, nodes: Iterable[ast.AST]) -> None:
        self._calls += 1
        for node in nodes:
            self.visit(node)
        self._calls -= 1

    # -- expressions ----------------------------------------------------------------------

    def visit_Call(self, node: ast.Call) -> None:
        self._visit_called([node.func])
        arguments = [*node.args, *node.keywords]
        # What takes a function keeps it for later, as far as is known: it registers it.
        if isinstance(node.func, ast.Name) and node.func.id in _CALLING:
            self._visit_called(arguments)
            return
        outer, self._calls = self._calls, 0
        for each in arguments:
            self.visit(each)
        self._calls = outer

    def _visit_scope(
        self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp
    ) -> None:
        self._locals.append(set())
        for generator in node.generators:
            self.visit(generator.iter)
            self.visit(generator.target)
            for test in generator.ifs:
                self.visit(test)
        if isinstance(node, ast.DictComp):
            self.visit(node.key)
            self.visit(node.value)
        else:
            self.visit(node.elt)
        self._locals.pop()

    visit_ListComp = visit_SetComp = visit_GeneratorExp = visit_DictComp = _visit_scope  # noqa: N815

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self.visit(node.value)
        scopes, self._locals = self._locals, []
        self._bind(node.target.id)
        self._locals = scopes

    # -- statements -----------------------------------------------------------------------

    def visit_Assign(self, node: ast.Assign) -> None:
        self.visit(node.value)
        for target in node.targets:
            self.visit(target)
            if isinstance(target, ast.Subscript) and not self._locals:
                self.names.stores.add(_root(target))
            if isinstance(target, ast.Name) and not self._locals:
                if isinstance(node.value, ast.Lambda):
                    self._defer(target.id, free_names(node.value))
                if _is_container(node.value):
                    self.names.makes.add(target.id)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        self.visit(node.annotation)
        if node.value:
            self.visit(node.value)
            if isinstance(node.target, ast.Name) and not self._locals and _is_container(node.value):
                self.names.makes.add(node.target.id)
            self.visit(node.target)
        elif not isinstance(node.target, ast.Name):
            self.visit(node.target)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self.visit(node.value)
        root = _root(node.target)
        if isinstance(node.target, ast.Name):
            self._read([node.target.id])
            self._bind(node.target.id)
        else:
            self.visit(node.target)
            if root and not self._locals:
                self.names.mutates.add(root)

    def visit_Expr(self, node: ast.Expr) -> None:
        self.visit(node.value)
        value = node.value
        if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute):
            root = _root(value.func.value)
            if root and not self._locals:
                self.names.mutates.add(root)

    def visit_Import(self, node: ast.Import) -> None:
        for alias in node.names:
            self._bind(alias.asname or alias.name.partition(".")[0])

    def visit_ImportFrom(self, node: ast.ImportFrom) -> None:
        for alias in node.names:
            if alias.name != "*":
                self._bind(alias.asname or alias.name)
                self.names.imported.add(alias.asname or alias.name)

    def visit_ExceptHandler(self, node: ast.ExceptHandler) -> None:
        if node.type:
            self.visit(node.type)
        if node.name:
            self._visit_scratch(ast.Name(node.name, ast.Store()))
        for each in node.body:
            self.visit(each)

    def visit_withitem(self, node: ast.withitem) -> None:
        self.visit(node.context_expr)
        if node.optional_vars:
            self._visit_scratch(node.optional_vars)

    def visit_For(self, node: ast.For | ast.AsyncFor) -> None:
        self.visit(node.iter)
        self._visit_scratch(node.target)
        self._branches += 1
        for each in (*node.body, *node.orelse):
            self.visit(each)
        self._branches -= 1

    visit_AsyncFor = visit_For  # noqa: N815

    def _visit_scratch(self, target: ast.expr) -> None:
        """What a block's head binds is the block's: two blocks' aren't one variable."""
        branches, self._branches = self._branches, 0
        self.visit(target)
        self._branches = branches

    def _visit_branch(self, node: Any) -> None:
        self._branches += 1
        self.generic_visit(node)
        self._branches -= 1

    visit_If = visit_While = visit_Try = visit_TryStar = _visit_branch  # noqa: N815
    visit_Match = _visit_branch  # noqa: N815

    def visit_MatchAs(self, node: ast.MatchAs) -> None:
        if node.name:
            self._bind(node.name)
        self.generic_visit(node)

    def visit_MatchStar(self, node: ast.MatchStar) -> None:
        if node.name:
            self._bind(node.name)

    def visit_MatchMapping(self, node: ast.MatchMapping) -> None:
        if node.rest:
            self._bind(node.rest)
        self.generic_visit(node)


def mangled(name: str, cls: str) -> str:
    """What a name in the body of the class ``cls`` is called in it."""
    stripped = cls.lstrip("_")
    if not stripped or not name.startswith("__") or name.endswith("__"):
        return name
    return f"_{stripped}{name}"


def free_names(node: Any) -> set[str]:
    """The names that a function's body reads, and that aren't its own."""
    arguments = node.args
    own = {
        each.arg
        for each in (
            *arguments.posonlyargs,
            *arguments.args,
            *arguments.kwonlyargs,
            *filter(None, (arguments.vararg, arguments.kwarg)),
        )
    }
    read: set[str] = set()
    outer: set[str] = set()
    waiting: list[Any] = list(node.body) if isinstance(node.body, list) else [node.body]
    while waiting:
        each = waiting.pop()
        if isinstance(each, ast.Name):
            (read if isinstance(each.ctx, ast.Load) else own).add(each.id)
        elif isinstance(each, _Functions | ast.Lambda):
            read |= free_names(each)
            if not isinstance(each, ast.Lambda):
                own.add(each.name)
                waiting += each.decorator_list
            waiting.append(each.args)
        elif isinstance(each, ast.Global):
            outer |= set(each.names)
        else:
            if isinstance(each, ast.ClassDef):
                own.add(each.name)
            elif isinstance(each, ast.Import | ast.ImportFrom):
                own |= {alias.asname or alias.name.partition(".")[0] for alias in each.names}
            waiting += ast.iter_child_nodes(each)
    return read - (own - outer)


def _root(node: ast.expr) -> str:
    """The name whose value is changed in place when ``node`` is."""
    while isinstance(node, ast.Attribute | ast.Subscript):
        node = node.value
    return node.id if isinstance(node, ast.Name) else ""


def _is_container(node: ast.expr) -> bool:
    if isinstance(node, _DISPLAYS):
        return True
    if not isinstance(node, ast.Call):
        return False
    function = node.func
    name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
    return name in _CONTAINERS
