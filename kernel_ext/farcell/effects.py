"""Which values a cell may change in place, by its syntax: what it only looks at it leaves alone.

What is not known to leave a value alone counts as changing it: a function that is given the value,
a method of it, a place that it is stored in.
"""

from __future__ import annotations

import ast
from collections.abc import Callable

from farcell.evaluation import INSPECTING_MAGICS, LISTING_MAGICS, NAMESPACES
from farcell.parsing import Transform, parsed

# Functions of Python's that change none of their arguments; of the first kind, what they return
# holds nothing of these.
_TELLING = frozenset(
    {"abs", "all", "any", "ascii", "bin", "bool", "bytes", "callable", "chr", "complex", "display",
     "divmod", "float", "format", "hasattr", "hash", "hex", "id", "int", "isinstance", "issubclass",
     "len", "oct", "ord", "pow", "print", "repr", "round", "str", "type"}
)  # fmt: skip
_PASSING = frozenset(
    {"dict", "enumerate", "frozenset", "list", "max", "min", "range", "reversed", "set",
     "slice", "sorted", "sum", "tuple", "zip"}
)  # fmt: skip
# Methods that change nothing, of the types of Python, NumPy, pandas and their like.
_LOOKING = frozenset(
    {"agg", "all", "any", "argmax", "argmin", "argsort", "astype", "copy", "corr", "count",
     "cumsum", "describe", "dot", "encode", "endswith", "format", "get", "groupby", "head",
     "idxmax", "idxmin", "index", "info", "isin", "isna", "isnull", "item", "items", "join", "keys",
     "lower", "max", "mean", "median", "memory_usage", "merge", "min", "notna", "nunique", "prod",
     "quantile", "reshape", "round", "sample", "split", "startswith", "std", "strip", "sum", "tail",
     "to_dict", "to_list", "to_numpy", "tolist", "transpose", "unique", "upper", "value_counts",
     "values", "var"}
)  # fmt: skip
# Types whose values those methods leave alone, and so do all parts of the first kind's values.
_ARRAYS = ("numpy.", "pandas.", "polars.", "pyarrow.", "torch.Tensor")
_CONTAINERS = frozenset(
    {"bytes", "dict", "float", "frozenset", "int", "list", "set", "str", "tuple"}
)  # fmt: skip
# Modules whose functions change none of their arguments, but for these.
_MODULES = frozenset({"json", "math", "matplotlib", "numpy", "pandas", "seaborn", "statistics"})
_CHANGING = frozenset(
    {"copyto", "dump", "fill_diagonal", "load", "place", "put", "put_along_axis", "putmask",
     "shuffle"}
)  # fmt: skip
_CHANGING_WORDS = frozenset({"copy", "file", "inplace", "out"})
# Whoever looks at a value of these types changes it.
_RESTLESS = frozenset({"collections.defaultdict", "enumerate", "filter", "generator", "map", "zip"})
# Functions that let code reach names without spelling them out.
_REACHING = NAMESPACES | {"compile", "eval", "exec", "get_ipython"}
# Magics that run nothing of the notebook's.
_IDLE_MAGICS = INSPECTING_MAGICS | LISTING_MAGICS | {
    "cat", "cd", "cluster", "env", "farcell", "ls", "lsmagic", "matplotlib", "pip", "pwd", "sx",
    "system",
}  # fmt: skip
_Derived = set[str]  # names whose value, or a part of it, an expression may give
Kind = Callable[[str], str]


def changed_in_place(code: str, transform: Transform, kind: Kind) -> set[str] | None:
    """The names whose values ``code`` may change in place, as far as it spells them out.

    Functions that it calls are among them: what these read they may change. None if all that it
    mentions may change: it does not parse, or has more in it than can be followed.

    Args:
        kind: the type of what is bound to a name, with its module; of a module ``module:`` and its
            own name. Empty if that is not known.
    """
    tree = parsed(code, transform)
    if tree is None:
        return None
    effects = _Effects(kind)
    try:
        effects.block(tree.body)
    except (RecursionError, _Unknown):
        return None
    # What is bound to a part of a value changes it where it is changed.
    changed = effects.changed
    while more := {one for one, other in effects.flows if other in changed} - changed:
        changed |= more
    return changed


class _Unknown(Exception):
    """The code has something in it that can't be followed."""


class _Effects:
    """Walks code, and notes what it may change."""

    def __init__(self, kind: Kind) -> None:
        self._kind = kind
        self.changed: set[str] = set()
        self.flows: set[tuple[str, str]] = set()  # from a name to one that is bound to parts of it

    def block(self, statements: list[ast.stmt]) -> None:
        for statement in statements:
            self.statement(statement)

    def statement(self, node: ast.stmt) -> None:
        match node:
            case ast.Expr():
                self.look(node.value)
            case ast.Assign():
                derived = self.look(node.value)
                for target in node.targets:
                    self.bind(target, derived)
            case ast.AnnAssign():
                if node.value is not None:
                    self.bind(node.target, self.look(node.value))
            case ast.AugAssign():
                self.changed |= self.look(_loaded(node.target))
                self.look(node.value)
            case ast.For():
                self.bind(node.target, self.look(node.iter))
                self.block(node.body)
                self.block(node.orelse)
            case ast.While() | ast.If():
                self.look(node.test)
                self.block(node.body)
                self.block(node.orelse)
            case ast.With():
                for item in node.items:
                    derived = self.look(item.context_expr)
                    self.changed |= derived  # it is entered and left
                    if item.optional_vars is not None:
                        self.bind(item.optional_vars, derived)
                self.block(node.body)
            case ast.Try():
                self.block([*node.body, *node.orelse, *node.finalbody])
                for handler in node.handlers:
                    self.block(handler.body)
            case ast.Assert():
                self.look(node.test)
                if node.msg is not None:
                    self.look(node.msg)
            case ast.Raise():
                self._all(node)
            case ast.Delete():
                for target in node.targets:
                    if not isinstance(target, ast.Name):
                        self.changed |= _names_in(target)
            case ast.Import() | ast.ImportFrom() | ast.Pass() | ast.Break() | ast.Continue():
                pass
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                # It does nothing until it is called, and then it is among what may change.
                for default in _defaults(node.args):
                    self.changed |= self.look(default)
                self._defined(node)
            case ast.ClassDef():
                for base in node.bases:
                    self.changed |= self.look(base)
                self._defined(node)
                self.block(node.body)
            case _:
                raise _Unknown

    def look(self, node: ast.expr) -> _Derived:
        """Note what ``node`` changes; the answer is what its value may be a part of."""
        match node:
            case ast.Constant():
                return set()
            case ast.Name():
                kind = self._kind(node.id)
                if kind in _RESTLESS or kind.endswith("iterator"):
                    self.changed.add(node.id)
                return {node.id}
            case ast.Attribute() | ast.Starred():
                return self.look(node.value)
            case ast.Subscript():
                self.look(node.slice)
                return self.look(node.value)
            case ast.Slice():
                self._all(node)
                return set()
            case ast.Call():
                return self.call(node)
            case ast.Compare() | ast.JoinedStr() | ast.FormattedValue():
                self._all(node)
                return set()
            case ast.UnaryOp() if isinstance(node.op, ast.Not):
                self.look(node.operand)
                return set()
            case ast.BinOp() if isinstance(node.op, ast.LShift | ast.RShift):
                raise _Unknown  # of a stream or a pipeline it changes the left one
            case ast.BinOp() | ast.UnaryOp() | ast.BoolOp() | ast.IfExp():
                return self._all(node)
            case ast.List() | ast.Tuple() | ast.Set() | ast.Dict():
                return self._all(node)
            case ast.ListComp() | ast.SetComp() | ast.GeneratorExp():
                self._generators(node.generators)
                return self.look(node.elt)
            case ast.DictComp():
                self._generators(node.generators)
                return self.look(node.key) | self.look(node.value)
            case ast.NamedExpr():
                derived = self.look(node.value)
                self.bind(node.target, derived)
                return derived
            case ast.Await():
                self.changed |= self.look(node.value)
                return set()
            case ast.Lambda():
                return _names_in(node)
            case _:
                raise _Unknown

    def bind(self, target: ast.expr, derived: _Derived) -> None:
        match target:
            case ast.Name():
                self.flows |= {(name, target.id) for name in derived}
            case ast.Tuple() | ast.List():
                for part in target.elts:
                    self.bind(part, derived)
            case ast.Starred():
                self.bind(target.value, derived)
            case _:  # a part of another value, which whoever changes that can reach
                self.changed |= self.look(_loaded(target)) | derived

    def call(self, node: ast.Call) -> _Derived:
        arguments = [*node.args, *(keyword.value for keyword in node.keywords)]
        given = set[str]().union(*map(self.look, arguments))
        words = {keyword.arg for keyword in node.keywords}
        match node.func:
            case _ if words & _CHANGING_WORDS:
                pass
            case ast.Name(name) if name in _TELLING and not self._kind(name):
                return set()
            case ast.Name(name) if name in _PASSING and not (self._kind(name) or "key" in words):
                return given
            case ast.Attribute(ast.Call(ast.Name("get_ipython")), _):
                if not _is_idle(node):
                    raise _Unknown
                return set()
            case ast.Attribute(value, name) if name in _LOOKING and self._is_known(value):
                return self.look(value) | given
            case ast.Attribute(value, name) if name not in _CHANGING and self._is_module(value):
                return given
            case ast.Name(name) if name in _REACHING:
                raise _Unknown
        reached = self.look(node.func) | given
        self.changed |= reached
        return reached

    def _defined(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> None:
        for decorator in node.decorator_list:
            self.changed |= self.look(decorator)
        self.flows |= {(name, node.name) for name in _names_in(node)}

    def _is_known(self, value: ast.expr) -> bool:
        """Whether it is known of the type of ``value`` what its methods do."""
        kinds = {self._kind(name) for name in self.look(value)}
        if all(kind.startswith(_ARRAYS) for kind in kinds):
            return True
        return isinstance(value, ast.Name) and kinds <= _CONTAINERS

    def _is_module(self, value: ast.expr) -> bool:
        while isinstance(value, ast.Attribute):
            value = value.value
        if not isinstance(value, ast.Name):
            return False
        kind, _, module = self._kind(value.id).partition(":")
        return kind == "module" and module.partition(".")[0] in _MODULES

    def _all(self, node: ast.AST) -> _Derived:
        parts = (part for part in ast.iter_child_nodes(node) if isinstance(part, ast.expr))
        return set[str]().union(*map(self.look, parts))

    def _generators(self, generators: list[ast.comprehension]) -> None:
        for generator in generators:
            self.bind(generator.target, self.look(generator.iter))
            for condition in generator.ifs:
                self.look(condition)


def _is_idle(node: ast.Call) -> bool:
    """Whether a magic runs nothing of the notebook's."""
    assert isinstance(node.func, ast.Attribute)
    if node.func.attr in ("system", "getoutput"):
        return True
    first = node.args[0] if node.args else None
    return isinstance(first, ast.Constant) and first.value in _IDLE_MAGICS


def _loaded(target: ast.expr) -> ast.expr:
    """What is there before ``target`` is assigned to: of ``a.b`` and ``a[0]`` that is ``a``."""
    return target.value if isinstance(target, ast.Attribute | ast.Subscript) else target


def _names_in(node: ast.AST) -> set[str]:
    return {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}


def _defaults(args: ast.arguments) -> list[ast.expr]:
    return [*args.defaults, *(each for each in args.kw_defaults if each is not None)]
