"""A class statement that changed, taken by the living class."""

from __future__ import annotations

import abc
import ast
import enum
import types
from typing import Any

from farcell_runtime.reload import enums
from farcell_runtime.reload.bodies import ABSENT, Body
from farcell_runtime.reload.class_bodies import OWN, ClassBody
from farcell_runtime.reload.codes import function_pairs
from farcell_runtime.reload.difference import Kind, Pair, match
from farcell_runtime.reload.names import mangled
from farcell_runtime.reload.references import instances, redirect
from farcell_runtime.reload.statements import Function, Placed, Statement, outline
from farcell_runtime.reload.update import Entry, Tools, Update, derives_anew, reads_in

_LAYOUT = ("__basicsize__", "__itemsize__", "__dictoffset__", "__weakrefoffset__")
_DESCRIPTORS = (types.MemberDescriptorType, types.GetSetDescriptorType)


def remake(tools: Tools, outer: Body, entry: Entry, cls: type, fresh: set[str]) -> None:
    """Have ``cls`` be what its changed statement says."""
    assert entry.old is not None
    old, new = entry.old.statement.node, entry.new.statement.node
    assert isinstance(old, ast.ClassDef)
    assert isinstance(new, ast.ClassDef)
    before = [Placed(Statement(node), entry.old.offset) for node in old.body]
    after = [Placed(Statement(node), entry.new.offset) for node in new.body]
    pairs, removed = match(before, after)
    tools.migrating.append(cls)
    changed = [pair for pair in pairs if pair.kind is Kind.CHANGED]
    touched = [*(pair.new for pair in changed), *removed]
    touched += [pair.old for pair in changed if pair.old is not None]
    if (
        _header(old) == _header(new)
        and not _header_reads(new) & fresh
        and not derives_anew(tools, cls)
        and _fits(cls, new, touched, _body_reads(after) & fresh, removed=bool(removed))
    ):
        _update(tools, cls, before, pairs, removed, fresh)
        return
    tools.changed.append(cls.__qualname__)
    made = outer.run(new, entry.new.offset)[new.name]
    kept = {
        mangled(name, new.name)
        for pair in pairs
        if pair.kind is Kind.SAME and not isinstance(pair.new.statement.node, Function)
        for name in pair.new.statement.names.binds
        if not pair.new.statement.names.reads & fresh
    }
    gone = {mangled(name, new.name) for each in before for name in each.statement.names.binds}
    if isinstance(made, type) and (made.__qualname__ == cls.__qualname__):
        now = pour(tools, cls, made, kept, gone)
        outer.bind(new.name, now)
        if now is cls:
            redirect(made, cls, tools.journal)
            _forget(made)
    else:
        outer.bind(new.name, made)


def _header(node: ast.ClassDef) -> object:
    parts = [node.bases, node.keywords, node.decorator_list, getattr(node, "type_params", [])]
    return [outline(part, hollow=False) for part in parts]


def _header_reads(node: ast.ClassDef) -> set[str]:
    return reads_in((*node.bases, *node.keywords, *node.decorator_list))


def _body_reads(statements: list[Placed]) -> set[str]:
    return {name for each in statements for name in each.statement.names.reads}


def _fits(
    cls: type, node: ast.ClassDef, touched: list[Placed], fresh: set[str], *, removed: bool
) -> bool:
    """Whether the living class can take what changed in its body statement by statement."""
    # A decorator may have put another class there.
    if issubclass(cls, enum.Enum) or cls.__qualname__.rpartition(".")[2] != node.name:
        return False
    if "<locals>" in cls.__qualname__:
        return False
    names = {name for each in touched for name in each.statement.names.binds}
    if names & {"__slots__", "__init_subclass__", "__class_getitem__", "__eq__", "__hash__"}:
        return False
    nodes = [each.statement.node for each in touched]
    simple = not fresh and all(isinstance(node, Function) for node in nodes)
    dunder = any(name.startswith("__") and name.endswith("__") for name in names)
    if simple and not dunder:
        return _is_made_by_type(cls) or (not removed and names <= set(vars(cls)))
    return not node.decorator_list and _is_plain(cls)


def _is_made_by_type(cls: type) -> bool:
    """Whether no metaclass of somebody's has looked at what the class has."""
    return type(cls) in (type, abc.ABCMeta)


def _is_plain(cls: type) -> bool:
    """Whether nothing but ``type`` has looked at the class's body when it was made."""
    if not _is_made_by_type(cls):
        return False
    if "__dataclass_fields__" in vars(cls) or issubclass(cls, tuple):
        return False
    hooks = {vars(base).get("__init_subclass__") for base in cls.__mro__[1:-1]} - {None}
    return not hooks


def _update(
    tools: Tools,
    cls: type,
    before: list[Placed],
    pairs: list[Pair],
    removed: list[Placed],
    fresh: set[str],
) -> None:
    """Run what changed of a class's body within the living class."""
    body = ClassBody(tools, cls)
    numbers = {id(each.statement): number for number, each in enumerate(before)}
    entries = []
    for pair in pairs:
        origin = numbers[id(pair.old.statement)] if pair.old else None
        if pair.old and pair.kind is not Kind.CHANGED:
            swap(tools, body, pair)
        entries.append(Entry(pair.kind, pair.old, pair.new, origin))
    bound = {name for pair in pairs for name in pair.new.statement.names.binds}
    Update(tools, body, before, entries, removed).play(fresh - bound)
    _annotate(tools, cls, pairs, body.annotations)
    tools.journal.flush()
    if isinstance(cls, abc.ABCMeta):
        _set_abstract(tools, cls)


def swap(tools: Tools, body: Body, pair: Pair) -> None:
    """New code for the functions of a statement of which only bodies or lines changed."""
    assert pair.old is not None
    before, after = pair.old, pair.new
    quietly = pair.kind is Kind.SAME
    shape = _shape(before.statement.node)
    if quietly and shape == _shape(after.statement.node):
        delta = after.line - before.line
        if delta:
            end = before.statement.node.end_lineno or before.statement.node.lineno
            first, last = before.statement.first_line + before.offset, end + before.offset
            tools.moved.append((first, last, delta))
        return
    old = body.compile(before.statement.node, before.offset)
    new = body.compile(after.statement.node, after.offset)
    for one, other in function_pairs(old, new):
        if quietly or not _same_code(one, other):
            if not quietly:
                tools.changed.append(other.co_qualname)
            tools.swaps.replace(one, other, quietly=quietly)
        elif one.co_firstlineno != other.co_firstlineno:
            tools.swaps.replace(one, other, quietly=True)


def _shape(node: ast.AST) -> list[int]:
    """The lines that a statement's parts stand in, from its own."""
    first = getattr(node, "lineno", 0)
    return [getattr(each, "lineno", first) - first for each in ast.walk(node)]


def _same_code(one: types.CodeType, other: types.CodeType) -> bool:
    """Whether two code objects do the same, wherever they stand."""
    if (one.co_code, one.co_names, one.co_varnames, one.co_flags, one.co_freevars) != (
        other.co_code, other.co_names, other.co_varnames, other.co_flags, other.co_freevars
    ) or len(one.co_consts) != len(other.co_consts):  # fmt: skip
        return False
    for before, after in zip(one.co_consts, other.co_consts, strict=True):
        if type(before) is types.CodeType and type(after) is types.CodeType:
            if not _same_code(before, after):
                return False
        elif type(before) is not type(after) or repr(before) != repr(after):
            return False
    return True


def _annotate(tools: Tools, cls: type, pairs: list[Pair], made: dict[str, Any]) -> None:
    """Bring a class's annotations into the order of its text, with those that were ``made``."""
    old = vars(cls).get("__annotations__")
    names = [
        node.target.id
        for pair in pairs
        if isinstance(node := pair.new.statement.node, ast.AnnAssign)
        and isinstance(node.target, ast.Name)
    ]
    now = {**(old or {}), **made}
    new = {name: now[name] for name in names if name in now}
    if (old is not None and type(old) is dict and (old != new or list(old) != list(new))) or (
        old is None and new
    ):
        tools.journal.set_member(cls, "__annotations__", new)


def _set_abstract(tools: Tools, cls: Any) -> None:
    """Have a class, and those that derive from it, know which methods are still abstract."""
    old = cls.__abstractmethods__
    abc.update_abstractmethods(cls)
    new = cls.__abstractmethods__
    tools.journal.add_last((cls._abc_caches_clear,))
    if old != new:
        tools.journal.took(
            (setattr, cls, "__abstractmethods__", new), (setattr, cls, "__abstractmethods__", old)
        )
        for each in type.__subclasses__(cls):
            _set_abstract(tools, each)


# -- a class made anew ------------------------------------------------------------------------


def pour(
    tools: Tools,
    old: Any,
    new: Any,
    kept: set[str] | frozenset[str] = frozenset(),
    gone: set[str] | frozenset[str] = frozenset(),
) -> Any:
    """Have the class ``old`` be what ``new`` is; returns it, or ``new`` where that can't be.

    ``kept`` are attributes that the edit did not touch, ``gone`` those that the old text bound.
    """
    tools.journal.flush()
    if not _can_pour(tools, old, new):
        _replace(tools, old, new)
        return new
    _set_cell(tools, new, old)
    is_enum = isinstance(old, enum.EnumMeta)
    members = enums.pour(tools.journal, old, new) if is_enum else set()
    before, after = vars(old), vars(new)
    fields = before.get("__dataclass_fields__")
    for name, value in list(after.items()):
        if name in OWN or name in members or name == "_abc_impl":
            continue
        was = before.get(name, ABSENT)
        if was is value or isinstance(value, _DESCRIPTORS) or (name in kept and was is not ABSENT):
            continue
        tools.journal.set_member(old, name, _member(tools, name, was, value))
    generated = {name for name in before if name.startswith("__") and name.endswith("__")}
    for name in (gone | generated) - OWN - {"__abstractmethods__", "__slots__", "__doc__"}:
        if name in before and name not in after and not isinstance(before[name], _DESCRIPTORS):
            tools.journal.delete_member(old, name)
    if "__annotations__" in after or "__annotations__" in before:
        tools.journal.set_member(old, "__annotations__", after.get("__annotations__", {}))
    tools.journal.flush()
    if isinstance(old, abc.ABCMeta):
        _set_abstract(tools, old)
    _tell_of_fields(tools, old, fields, after)
    if repr(fields) != repr(after.get("__dataclass_fields__")):
        tools.reshaped.add(old)
    return old


def _member(tools: Tools, name: str, old: Any, new: Any) -> Any:
    if old is ABSENT:
        return new
    if issubclass(type(old), type) and issubclass(type(new), type):
        if (old.__module__, old.__qualname__) == (new.__module__, new.__qualname__):
            return pour(tools, old, new)
        return new
    return tools.merging.merge(name, old, new)


def _can_pour(tools: Tools, old: Any, new: Any) -> bool:
    """Whether one class can become the other; where bases or metaclass differ, they are set."""
    if any(getattr(old, name) != getattr(new, name) for name in _LAYOUT):
        return False
    if _slots(old) != _slots(new):
        return False
    for name in ("__class__", "__bases__"):
        was, now = getattr(old, name), getattr(new, name)
        if was == now:
            continue
        try:
            setattr(old, name, now)
        except TypeError:
            return False
        tools.journal.took((setattr, old, name, now), (setattr, old, name, was))
    return True


def _slots(cls: type) -> list[str]:
    return sorted(
        name for name, value in vars(cls).items() if isinstance(value, types.MemberDescriptorType)
    )


def _set_cell(tools: Tools, new: type, old: type) -> None:
    """Have the new methods' ``super()`` look at the old class."""
    for value in list(vars(new).values()):
        for function in _functions_of(value):
            for name, cell in zip(
                function.__code__.co_freevars, function.__closure__ or (), strict=True
            ):
                if name == "__class__" and cell.cell_contents is new:
                    tools.journal.set_attribute(cell, "cell_contents", old)
    tools.journal.flush()


def _functions_of(value: Any, depth: int = 3) -> list[Any]:
    if type(value) is types.FunctionType:
        return [
            value,
            *(_functions_of(value.__dict__.get("__wrapped__"), depth - 1) if depth else ()),
        ]
    if type(value) in (staticmethod, classmethod):
        return _functions_of(value.__func__)
    if type(value) is property:
        return [
            each for part in (value.fget, value.fset, value.fdel) for each in _functions_of(part)
        ]
    return []


def _tell_of_fields(tools: Tools, cls: type, old: Any, after: Any) -> None:
    new = after.get("__dataclass_fields__")
    lacking: list[str] = []
    if new is not None:
        known = old if old is not None else {}
        lacking = [name for name in new if name not in known and name not in after]
    if lacking and instances(cls):
        tools.notes.append(
            f"instances of {cls.__qualname__} made before lack "
            + ", ".join(f"'{name}'" for name in lacking)
        )


def _replace(tools: Tools, old: Any, new: Any) -> None:
    """Have ``new`` take the place of a class that can't become it."""
    journal = tools.journal
    stuck = 0
    living = instances(old)
    for instance in living:
        try:
            object.__setattr__(instance, "__class__", new)
        except TypeError:
            stuck += 1
            continue
        journal.took(
            (object.__setattr__, instance, "__class__", new),
            (object.__setattr__, instance, "__class__", old),
        )
    for cls in old.__subclasses__():
        bases = tuple([new if base is old else base for base in cls.__bases__])
        was = cls.__bases__
        try:
            cls.__bases__ = bases
        except TypeError:
            tools.notes.append(
                f"{cls.__module__}.{cls.__qualname__} keeps the old {old.__qualname__} as its base"
            )
            continue
        journal.took((setattr, cls, "__bases__", bases), (setattr, cls, "__bases__", was))
    if stuck:
        tools.notes.append(
            f"instances of {old.__qualname__} made before keep their old class: "
            "its layout (slots, bases) changed"
        )
    _pass_on_methods(tools, old, new, stuck=bool(stuck))
    redirect(old, new, journal)
    journal.flush()


def _pass_on_methods(tools: Tools, old: Any, new: Any, *, stuck: bool) -> None:
    """Have methods that somebody holds, and instances that are ``stuck``, run the new code."""
    before = vars(old)
    for name, value in list(vars(new).items()):
        functions = _functions_of(value)
        if not functions:
            continue
        if stuck and any("__class__" in each.__code__.co_freevars for each in functions):
            continue  # its super() is for instances of the new class only
        merged = _member(tools, name, before.get(name, ABSENT), value)
        if merged is not value:
            tools.journal.set_member(new, name, merged)
        if stuck and before.get(name, ABSENT) is not merged:
            tools.journal.set_member(old, name, merged)


def _forget(made: Any) -> None:
    """Have the bases not list a class that is gone, but for its cycles."""
    try:
        made.__bases__ = tuple(_Gone if base is not object else object for base in made.__bases__)
    except TypeError:
        return


class _Gone:
    """The base of classes that were poured into others."""
