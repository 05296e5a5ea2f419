"""What a cell reads, by its syntax; a name that it may look up before it binds it always counts."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field

from farcell.evaluation import (
    EVALUATING_METHODS,
    INSPECTING_MAGICS,
    LETS_PASS,
    LISTING_MAGICS,
    NAMESPACES,
    PYTHON_MAGICS,
    TEXT_MAGICS,
)
from farcell.parsing import Transform, parsed
from farcell.scope import Scope, assigned_names, with_type_parameters
from farcell_runtime.reads import mentioned

_BARE = re.compile(r"(?<![\w.])[^\W\d]\w*")  # an identifier, no attribute
_EXPANDED = re.compile(r"\{([^{}]*)\}|(?<!\$)\$([^\W\d]\w*)")
_FORMULA = re.compile(r"^[^/]*~[^/]+$")


@dataclass
class Reads:
    """What a cell reads.

    Attributes:
        names: read for certain, or on some path.
        maybe: mentioned in a string or a magic's line; read if some call evaluates that.
        everything: whether the cell asks for the namespace as such.
        dynamic: whether it evaluates strings: then ``maybe`` counts whatever it costs.
        texts: names, also in ``names``, whose value is evaluated if it is a string.
    """

    names: set[str] = field(default_factory=set)
    maybe: set[str] = field(default_factory=set)
    everything: bool = False
    dynamic: bool = False
    texts: set[str] = field(default_factory=set)


def reads_of(code: str, transform: Transform, *, here: bool = False) -> Reads:
    """What the cell ``code`` reads before it has bound it itself.

    ``transform`` turns a cell with magics into plain Python, as the shell does. A cell that does
    not parse reads nothing: its error is the worker's to show. In a cell that runs ``here``, in the
    notebook, magics that only inspect or list names read nothing.
    """
    reads = Reads()
    if (tree := parsed(code, transform)) is not None:
        try:
            _Reader(reads, transform, here).block(tree.body, Scope())
        except RecursionError:  # a sum of a thousand terms: whatever it mentions may be read
            reads.names |= mentioned(code)
            reads.everything = True
    return reads


class _Reader:
    """Walks code in the order in which it runs."""

    def __init__(self, reads: Reads, transform: Transform, here: bool) -> None:
        self._here = here
        self._reads = reads
        self._transform = transform

    def block(self, statements: list[ast.stmt], scope: Scope) -> None:
        for statement in statements:
            self.statement(statement, scope)

    def statement(self, node: ast.stmt, scope: Scope) -> None:
        match node:
            case ast.Expr():
                self.expression(node.value, scope)
            case ast.Assign():
                self.expression(node.value, scope)
                for target in node.targets:
                    self._bind(target, scope)
            case ast.If():
                self.expression(node.test, scope)
                ends = [scope.branch(), scope.branch()]
                self.block(node.body, ends[0])
                self.block(node.orelse, ends[1])
                scope.join(ends)
            case ast.While():
                self.expression(node.test, scope)
                self._loop(node, scope, scope.branch())
            case ast.For() | ast.AsyncFor():
                self.expression(node.iter, scope)
                inside = scope.branch()
                self._bind(node.target, inside)
                self._loop(node, scope, inside)
            case ast.With() | ast.AsyncWith():
                self._with(node, scope)
            case ast.Try() | ast.TryStar():
                self._try(node, scope)
            case ast.Match():
                self._match(node, scope)
            case ast.AnnAssign():
                if node.value is not None:
                    self.expression(node.value, scope)
                if node.value is not None or not isinstance(node.target, ast.Name):
                    self._bind(node.target, scope)
                self.expression(node.annotation, scope)
            case ast.AugAssign():
                if isinstance(node.target, ast.Name):
                    self._name(node.target.id, scope)
                self._bind(node.target, scope.branch())
                self.expression(node.value, scope)
                self._bind(node.target, scope)
            case ast.Import() | ast.ImportFrom():
                for alias in node.names:
                    scope.bind(alias.asname or alias.name.split(".")[0])
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                for decorator in node.decorator_list:
                    self.expression(decorator, scope)
                self._function(node.args, node.body, scope, node, node.name)
                scope.bind(node.name)
            case ast.ClassDef():
                self._class(node, scope)
                scope.bind(node.name)
            case ast.Delete():
                for target in node.targets:
                    self._delete(target, scope)
            case ast.Assert():
                self.expression(node.test, scope)
                if node.msg is not None:
                    self.expression(node.msg, scope.branch())
            case _:
                self._parts(node, scope)

    def expression(self, node: ast.expr, scope: Scope) -> None:
        match node:
            case ast.Name():
                if isinstance(node.ctx, ast.Load):
                    self._name(node.id, scope)
            case ast.Constant():
                if isinstance(node.value, str):
                    self._reads.maybe |= mentioned(node.value)
            case ast.BinOp():
                for side in (node.left, node.right):
                    self.expression(side, scope)
            case ast.Call():
                self._call(node, scope)
            case ast.Lambda():
                self._function(node.args, [ast.Expr(node.body)], scope, node)
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
                self._comprehension(node, scope)
            case ast.NamedExpr():
                self.expression(node.value, scope)
                scope.bind(node.target.id)
            case ast.BoolOp():
                self._some(node.values, 1, scope)
            case ast.Compare():
                is_in = len(node.ops) == 1 and isinstance(node.ops[0], (ast.In, ast.NotIn))
                if is_in and self._is_key(node.left, node.comparators[0], scope):
                    return
                self._some([node.left, *node.comparators], 2, scope)
            case ast.IfExp():
                self.expression(node.test, scope)
                ends = [scope.branch(), scope.branch()]
                self.expression(node.body, ends[0])
                self.expression(node.orelse, ends[1])
                scope.join(ends)
            case ast.Dict():
                for key, value in zip(node.keys, node.values, strict=True):
                    if key is not None:
                        self.expression(key, scope)
                    self.expression(value, scope)
            case ast.Subscript() if self._is_key(node.slice, node.value, scope):
                return
            case ast.Subscript(ast.Name("Out" | "_oh"), ast.Constant(int(number))):
                self._name(f"_{number}", scope)
                self.expression(node.value, scope)
            case ast.Attribute() if self._is_namespace(node, scope):
                self._reads.everything = self._reads.dynamic = True
            case _:
                self._parts(node, scope)

    def _parts(self, node: ast.AST, scope: Scope) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self.expression(child, scope)
            elif isinstance(child, ast.keyword):
                self.expression(child.value, scope)

    def _some(self, parts: list[ast.expr], certain: int, scope: Scope) -> None:
        """Expressions of which only the first ``certain`` are always evaluated."""
        for part in parts[:certain]:
            self.expression(part, scope)
        branch = scope.branch()
        for part in parts[certain:]:
            self.expression(part, branch)

    # ---- statements with a body ---------------------------------------------------------------

    def _loop(self, node: ast.While | ast.For | ast.AsyncFor, scope: Scope, inside: Scope) -> None:
        # What a loop binds counts as not bound after it: it may have run no time, or been left.
        otherwise = scope.branch()
        self.block(node.body, inside)
        self.block(node.orelse, otherwise)
        scope.join([scope.branch(), inside, otherwise])

    def _with(self, node: ast.With | ast.AsyncWith, scope: Scope) -> None:
        for item in node.items:
            self.expression(item.context_expr, scope)
            if item.optional_vars is not None:
                self._bind(item.optional_vars, scope)
        inside = scope.branch()
        self.block(node.body, inside)
        if all(_called(item.context_expr) in LETS_PASS for item in node.items):
            scope.join([inside])
        else:  # it may have left its body at any point, and swallowed the exception
            scope.join([scope.branch(), inside])

    def _try(self, node: ast.Try | ast.TryStar, scope: Scope) -> None:
        start, inside = scope.branch(), scope.branch()
        self.block(node.body, inside)
        start.join([start.branch(), inside])
        ends = [inside]
        for handler in node.handlers:
            caught = start.branch()
            if handler.type is not None:
                self.expression(handler.type, caught)
            if handler.name:
                self._deleted(handler.name, scope)
                caught.bind(handler.name)
            self.block(handler.body, caught)
            if handler.name:
                caught.unbind(handler.name)
            ends.append(caught)
        self.block(node.orelse, inside)
        final = start.branch()
        self.block(node.finalbody, final)
        scope.join(ends)
        scope.add(final, since=start)

    def _match(self, node: ast.Match, scope: Scope) -> None:
        self.expression(node.subject, scope)
        ends = []
        for case in node.cases:
            inside = scope.branch()
            for part in ast.walk(case.pattern):
                if isinstance(part, ast.expr):
                    self.expression(part, scope.branch())
                elif isinstance(part, ast.MatchMapping) and part.rest:
                    inside.bind(part.rest)
                elif isinstance(part, (ast.MatchAs, ast.MatchStar)) and part.name:
                    inside.bind(part.name)
            if case.guard is not None:
                self.expression(case.guard, inside)
            self.block(case.body, inside)
            ends.append(inside)
        scope.join([scope.branch(), *ends])

    def _class(self, node: ast.ClassDef, scope: Scope) -> None:
        for decorator in node.decorator_list:
            self.expression(decorator, scope)
        around = with_type_parameters(node, scope)
        for part in (*node.bases, *(keyword.value for keyword in node.keywords)):
            self.expression(part, around)
        assigned, shared = assigned_names(node.body)
        inside = Scope(
            bound=set(scope.bound),
            local=around.local,
            shared=shared,
            own=set(),
            # A name that a class body binds is never looked up in an enclosing function.
            here=around.local - assigned - shared,
            later=frozenset({node.name}) if _is_top(scope) else scope.later,
        )
        self.block(node.body, inside)

    def _function(
        self,
        args: ast.arguments,
        body: list[ast.stmt],
        scope: Scope,
        node: ast.AST,
        name: str = "",
    ) -> None:
        parameters = [*args.posonlyargs, *args.args, *args.kwonlyargs]
        parameters += [extra for extra in (args.vararg, args.kwarg) if extra is not None]
        for default in (*args.defaults, *(d for d in args.kw_defaults if d is not None)):
            self.expression(default, scope)
        around = with_type_parameters(node, scope)
        for parameter in parameters:
            if parameter.annotation is not None:
                self.expression(parameter.annotation, around)
        if (returns := getattr(node, "returns", None)) is not None:
            self.expression(returns, around)
        assigned, shared = assigned_names(body)
        bound = scope.bound | scope.later
        if name and _is_top(scope):
            bound.add(name)
        own = {parameter.arg for parameter in parameters} | assigned
        inside = Scope(
            bound=bound,
            local=(around.local | own) - shared,
            shared=shared,
            function=True,
            later=scope.later,
        )
        self.block(body, inside)

    def _comprehension(
        self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp, scope: Scope
    ) -> None:
        self.expression(node.generators[0].iter, scope)
        targets: set[str] = set()
        for generator in node.generators:
            for part in ast.walk(generator.target):
                if isinstance(part, ast.Name) and _is_stored(part):
                    targets.add(part.id)
        # Names of a class body are not seen in it. What it binds with := isn't bound if it runs
        # no time; until it ends it is.
        inside = Scope(
            bound=set(scope.bound),
            local=scope.local | targets,
            function=scope.function,
            later=scope.later,
        )
        for place, generator in enumerate(node.generators):
            if place:
                self.expression(generator.iter, inside)
            self._bind(generator.target, inside)
            for condition in generator.ifs:
                self.expression(condition, inside)
        if isinstance(node, ast.DictComp):
            self.expression(node.key, inside)
            self.expression(node.value, inside)
        else:
            self.expression(node.elt, inside)

    # ---- calls --------------------------------------------------------------------------------

    def _call(self, node: ast.Call, scope: Scope) -> None:
        name, receiver = _called(node), None
        if isinstance(node.func, ast.Attribute):
            receiver = node.func.value
        if receiver is not None and self._is_shell_call(name, receiver):
            self._magic(name, node, scope)
            return
        if receiver is not None and self._is_namespace(receiver, scope):
            own = name in ("get", "pop", "setdefault") and node.args
            if name == "update" or (own and self._is_key(node.args[0], receiver, scope)):
                for part in (*node.args, *(keyword.value for keyword in node.keywords)):
                    self.expression(part, scope)
                return
        if receiver is None:
            if self._is_namespace(node, scope):
                self._reads.everything = self._reads.dynamic = True
            elif name in ("eval", "exec") and len(node.args) == 1:
                self._evaluates(node.args[0], scope)
        elif name in EVALUATING_METHODS and node.args:
            self._reads.dynamic = True
            self._reads.texts |= {part.id for part in node.args if isinstance(part, ast.Name)}
        if len(node.args) == 1 and not any(keyword.arg == "data" for keyword in node.keywords):
            [only] = node.args
            if isinstance(only, ast.Constant) and isinstance(only.value, str):
                self._reads.dynamic |= _FORMULA.match(only.value) is not None
        self._parts(node, scope)

    def _evaluates(self, source: ast.expr, scope: Scope) -> None:
        self._reads.dynamic = True
        if isinstance(source, ast.Constant) and isinstance(source.value, str):
            if (tree := parsed(source.value.strip(), str)) is not None:
                self.block(tree.body, scope.branch())
        elif not isinstance(source, ast.Constant):
            self._reads.everything = True

    def _is_namespace(self, node: ast.expr, scope: Scope) -> bool:
        """Whether ``node`` gives the notebook's namespace or its names."""
        if isinstance(node, ast.Attribute) and node.attr == "user_ns":
            return True
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Name):
            return False
        if node.args or node.keywords or node.func.id not in NAMESPACES:
            return False
        return node.func.id == "globals" or _is_top(scope)

    def _is_key(self, key: ast.expr, mapping: ast.expr, scope: Scope) -> bool:
        """Whether just ``key`` is looked up in the notebook's namespace; then it is read."""
        if not self._is_namespace(mapping, scope):
            return False
        if not isinstance(key, ast.Constant) or not isinstance(key.value, str):
            return False
        if key.value not in scope.bound:
            self._reads.names.add(key.value)
        return True

    # ---- magics -------------------------------------------------------------------------------

    def _is_shell_call(self, name: str, receiver: ast.expr) -> bool:
        if name in ("run_line_magic", "run_cell_magic"):
            return True
        return name in ("system", "getoutput") and _called(receiver) == "get_ipython"

    def _magic(self, kind: str, node: ast.Call, scope: Scope) -> None:
        """A magic's text, which the transformation has made a string."""
        texts: list[str] = []
        for part in node.args:
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                texts.append(part.value)
            else:
                self.expression(part, scope)
        if not kind.startswith("run_"):
            self._expanded(" ".join(texts), scope)
            return
        if not texts or texts[0] == "remote":
            return  # what runs elsewhere reads nothing here
        magic, line, body = texts[0], "".join(texts[1:2]), "".join(texts[2:3])
        self._expanded(line, scope)
        if self._here and magic in INSPECTING_MAGICS | LISTING_MAGICS:
            return
        if magic in PYTHON_MAGICS | INSPECTING_MAGICS:
            # The line may begin with options that are no Python.
            for name in _BARE.findall(line):
                self._name(name, scope)
            if (tree := parsed(body, self._transform)) is not None:
                self.block(tree.body, scope.branch())
        elif magic in ("system", "sx", "!", "!!"):
            self._expanded(body, scope)
        elif magic in LISTING_MAGICS | {"psearch"} or (magic == "run" and "-i" in line.split()):
            self._reads.everything = self._reads.dynamic = True
        elif magic not in TEXT_MAGICS:
            self._reads.dynamic = True
            self._reads.maybe |= mentioned(line) | mentioned(body)

    def _expanded(self, text: str, scope: Scope) -> None:
        """What IPython puts in for ``$x`` and ``{x}`` before it runs ``text``."""
        for expression, name in _EXPANDED.findall(text):
            if name:
                self._name(name, scope)
            elif (tree := parsed(expression.strip(), str)) is not None:
                self.block(tree.body, scope.branch())

    # ---- names --------------------------------------------------------------------------------

    def _bind(self, target: ast.expr, scope: Scope) -> None:
        match target:
            case ast.Name():
                scope.bind(target.id)
            case ast.Tuple() | ast.List():
                for part in target.elts:
                    self._bind(part, scope)
            case ast.Starred():
                self._bind(target.value, scope)
            case ast.Subscript() if self._is_namespace(target.value, scope):
                self.expression(target.slice, scope)
            case _:
                self.expression(target, scope)

    def _delete(self, target: ast.expr, scope: Scope) -> None:
        match target:
            case ast.Name():
                self._deleted(target.id, scope)
                scope.unbind(target.id)
            case ast.Tuple() | ast.List():
                for part in target.elts:
                    self._delete(part, scope)
            case _:
                self.expression(target, scope)

    def _deleted(self, name: str, scope: Scope) -> None:
        """Count a name that is deleted as read, even where the code has bound it first.

        Whoever has a value from before must notice that there is none any more.
        """
        if scope.is_global(name):
            self._reads.names.add(name)

    def _name(self, name: str, scope: Scope) -> None:
        if not scope.is_bound(name):
            self._reads.names.add(name)


def _called(node: ast.expr) -> str:
    """The last part of the name of what ``node`` calls; empty if it is no such call."""
    if isinstance(node, ast.Call):
        if isinstance(node.func, ast.Name):
            return node.func.id
        if isinstance(node.func, ast.Attribute):
            return node.func.attr
    return ""


def _is_top(scope: Scope) -> bool:
    """Whether what is bound here is bound in the notebook's namespace."""
    return not scope.function and scope.own is None


def _is_stored(node: ast.AST) -> bool:
    return isinstance(node, ast.Name) and isinstance(node.ctx, (ast.Store, ast.Del))
