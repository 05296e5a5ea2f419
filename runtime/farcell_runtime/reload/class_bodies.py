"""The body of a living class, in which single statements of it can run."""

from __future__ import annotations

import ast
import builtins
import types
from typing import Any

from farcell_runtime.reload.bodies import ABSENT
from farcell_runtime.reload.codes import compiled, inner
from farcell_runtime.reload.names import mangled
from farcell_runtime.reload.update import Tools

# What a class statement binds by itself.
OWN = frozenset(
    {"__module__", "__qualname__", "__firstlineno__", "__static_attributes__", "__classcell__",
     "__classdictcell__", "__annotations__", "__annotate__", "__annotate_func__", "__dict__",
     "__weakref__"}
)  # fmt: skip


class _Scope(dict[str, Any]):
    """The scope of a class's body, which sees what the living class has."""

    def __init__(self, cls: type) -> None:
        self._members = vars(cls)

    def __missing__(self, name: str) -> Any:
        if name in OWN:
            raise KeyError(name)
        return self._members[name]


class _Same:
    """A metaclass that makes no class: the body's functions belong to the living one."""

    def __init__(self, cls: type, scope: _Scope) -> None:
        self._cls = cls
        self._scope = scope

    def __prepare__(self, *_: Any, **__: Any) -> _Scope:
        return self._scope

    def __call__(self, name: str, bases: tuple[type, ...], scope: dict[str, Any]) -> type:
        if (cell := scope.pop("__classcell__", None)) is not None:
            cell.cell_contents = self._cls
        return self._cls


class ClassBody:
    """A living class, within which statements of its body run."""

    def __init__(self, tools: Tools, cls: type) -> None:
        self._tools = tools
        self._cls = cls
        self.prefix = f"{cls.__qualname__}."
        self.annotations: dict[str, Any] = {}

    def value_of(self, name: str) -> Any:
        """What the class itself binds a name to, or ``ABSENT``."""
        return vars(self._cls).get(mangled(name, self._cls.__name__), ABSENT)

    def compile(self, node: ast.stmt, offset: int) -> types.CodeType:
        """The code of the class's body, if it were this statement alone."""
        names = self._cls.__qualname__.split(".")
        for name in reversed(names):
            shell = ast.parse(f"class {name}: pass").body[0]
            assert isinstance(shell, ast.ClassDef)
            shell.body = [node]
            node = ast.copy_location(shell, node)
        code = compiled([node], self._tools.path, self._tools.flags, offset)
        self._tools.functions.ignore(code)
        for name in names:
            code = next(each for each in inner(code) if each.co_name == name)
        return code

    def run(self, node: ast.stmt, offset: int) -> dict[str, Any]:
        """Run a statement within the class; what it has bound, by name."""
        self._tools.journal.flush()
        code = self.compile(node, offset)
        scope = _Scope(self._cls)
        function = types.FunctionType(code, vars(self._tools.module), self._cls.__name__)
        build: Any = builtins.__build_class__
        build(function, self._cls.__name__, metaclass=_Same(self._cls, scope))
        self.annotations.update(scope.get("__annotations__", {}))
        return {name: value for name, value in scope.items() if name not in OWN}

    def bind(self, name: str, value: object) -> None:
        """Bind a name of the class, or delete it where the value is ``ABSENT``."""
        journal = self._tools.journal
        name = mangled(name, self._cls.__name__)
        if vars(self._cls).get(name, ABSENT) is value:
            return
        if value is ABSENT:
            journal.delete_member(self._cls, name)
        else:
            if hook := getattr(type(value), "__set_name__", None):
                hook(value, self._cls, name)
            journal.set_member(self._cls, name, value)
        journal.flush()
