"""Which names code reads: that of a cell as written, and that of values it uses in turn."""

from __future__ import annotations

import collections
import contextlib
import dis
import functools
import itertools
import re
import types
from collections.abc import Callable, Iterable, Mapping
from typing import Any

_IDENTIFIER = re.compile(r"\b[^\W\d]\w*")
_READING = frozenset(
    {"LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS", "DELETE_GLOBAL", "DELETE_NAME"}
)
# Code that calls one of these may evaluate its string constants.
_EVALUATING = frozenset({"eval", "exec", "query", "evaluate", "globals"})
# Among the names that code reads: it may read any, by way of the namespace itself.
ANY_NAME = "*"
# Steps of code between those that matter here.
_SILENT = frozenset({"CACHE", "EXTENDED_ARG", "NOP", "PRECALL", "PUSH_NULL"})
# How many objects of a value are looked into: for a list of functions, a pipeline of steps.
_MOST_OBJECTS = 1000
_MOST_ITEMS = 200  # of one container

# Values of these types hold no others.
ATOMS: frozenset[type] = frozenset(
    {int, float, complex, bool, str, bytes, bytearray, type(None), range, slice,
     types.ModuleType, types.CodeType, type(Ellipsis), type(NotImplemented)}
)  # fmt: skip


def mentioned(text: str) -> set[str]:
    """Every identifier in ``text``, be it in code, a magic's line, a string or a comment."""
    return set(_IDENTIFIER.findall(text))


@functools.lru_cache(maxsize=4096)
def code_names(code: types.CodeType) -> frozenset[str]:
    """The names that ``code`` and the code nested in it look up globally.

    With them those in strings that it may evaluate, such as formulas and queries.
    """
    names: set[str] = set()
    if code.co_names:
        names = {
            instruction.argval
            for instruction in dis.get_instructions(code)
            if instruction.opname in _READING
        }
    if "globals" in names and _looks_anywhere(code):
        names.add(ANY_NAME)
    evaluates = not _EVALUATING.isdisjoint(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, types.CodeType):
            names |= code_names(constant)
        elif isinstance(constant, str) and (evaluates or "~" in constant):
            names |= mentioned(constant)
    return frozenset(names)


def _looks_anywhere(code: types.CodeType) -> bool:
    """Whether it uses ``globals()`` for more than names that it spells out, or binds."""
    steps = [step for step in dis.get_instructions(code) if step.opname not in _SILENT]
    for at, step in enumerate(steps):
        if step.argval != "globals" or step.opname not in _READING:
            continue
        before, after = steps[at - 1], steps[at + 2 : at + 5]  # behind the call
        if not after:
            return True
        if after[0].opname in ("LOAD_METHOD", "LOAD_ATTR"):
            if after[0].argval == "update":
                continue
            after.pop(0)
        tests = after[0].opname == "CONTAINS_OP" and before.opname == "LOAD_CONST"
        spelled = after[0].opname == "LOAD_CONST"
        binds = len(after) > 1 and after[1].opname == "STORE_SUBSCR"
        if not (tests or spelled or binds):
            return True
    return False


def defines(kind: type, name: str) -> bool:
    """Whether ``kind`` or a base of it defines ``name``; no code of its metaclass runs."""
    return any(name in vars(base) for base in kind.__mro__)


def value_reads(value: object, home: Mapping[str, Any]) -> set[str]:
    """The names of ``home`` that calling or using ``value`` may read.

    Looks into functions and classes defined in ``home``, their instances, the wrappers around
    functions that Python itself has, containers and the attributes of instances; of a large value
    into its beginning.
    """
    found: set[str] = set()
    if type(value) in ATOMS:
        return found
    seen = {id(value)}
    waiting: list[object] = [value]
    while waiting:
        for part in _parts(waiting.pop(), home, found):
            if type(part) in ATOMS or id(part) in seen:
                continue
            if len(seen) >= _MOST_OBJECTS:
                return found
            seen.add(id(part))
            waiting.append(part)
    return found


def _parts(value: Any, home: Mapping[str, Any], found: set[str]) -> Iterable[object]:
    """What ``value`` uses in turn; the names that it reads itself are added to ``found``."""
    kind = type(value)  # not what a proxy pretends to be
    if defines(kind, "class_traits") and defines(kind, "comm"):
        return ()  # a widget: it stays where it is
    if kind is types.FunctionType:
        if value.__globals__ is home:
            found |= code_names(value.__code__)
        return [
            *(value.__defaults__ or ()),
            *(value.__kwdefaults__ or {}).values(),
            *value.__dict__.values(),
            *(part for cell in value.__closure__ or () for part in cell_parts(cell)),
        ]
    if kind is list or kind is tuple:
        return value[:_MOST_ITEMS]  # type: ignore[no-any-return]
    if issubclass(kind, (list, tuple, set, frozenset)):
        return [*itertools.islice(value, _MOST_ITEMS), *_instance_parts(value)]
    if issubclass(kind, dict):
        if value is home:
            return ()
        pairs = itertools.islice(dict.items(value), _MOST_ITEMS)
        inner = [part for pair in pairs for part in pair]
        return inner if kind is dict else [*inner, *_instance_parts(value)]
    if issubclass(kind, type):
        if value.__module__ != "__main__":
            return ()
        # Its own name too: methods and pickles look it up.
        found.add(value.__name__)
        return [*vars(value).values(), *value.__bases__, kind]
    if kind is types.MethodType:
        return (value.__func__, value.__self__)
    if kind is types.BuiltinFunctionType:
        return (value.__self__,)
    if issubclass(kind, functools.partial):
        return (value.func, *value.args, *value.keywords.values(), *_instance_parts(value))
    if issubclass(kind, (staticmethod, classmethod)):
        return (value.__func__,)
    if issubclass(kind, property):
        return (value.fget, value.fset, value.fdel)
    return _instance_parts(value)


def _instance_parts(value: object) -> list[object]:
    kind = type(value)
    found: list[object] = []
    if kind.__dictoffset__:
        with contextlib.suppress(AttributeError, TypeError):
            attributes = object.__getattribute__(value, "__dict__")
            found += itertools.islice(attributes.values(), _MOST_ITEMS)
    if kind.__module__ == "__main__":
        found.append(kind)
        slots = [
            member
            for base in kind.__mro__
            for member in vars(base).values()
            if type(member) is types.MemberDescriptorType
        ]
        for slot in slots:
            with contextlib.suppress(AttributeError):
                found.append(slot.__get__(value))
    return found


def cell_parts(cell: types.CellType) -> tuple[object, ...]:
    """The content of a closure's cell, if it has one."""
    try:
        return (cell.cell_contents,)
    except ValueError:
        return ()


def closure(
    names: Iterable[str], reads_of: Callable[[str], Iterable[str]], known: Callable[[str], bool]
) -> set[str]:
    """``names`` and all that they read in turn, as far as it is ``known``."""
    found: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        if name in found or not known(name):
            continue
        found.add(name)
        waiting.extend(reads_of(name))
    return found


def readers(
    names: Iterable[str], reads_of: Callable[[str], Iterable[str]], known: Callable[[str], bool]
) -> dict[str, str]:
    """``names`` and all that they read in turn, each with what reads it on the shortest way.

    What reads ``names`` themselves is empty.
    """
    found: dict[str, str] = {}
    waiting = collections.deque((name, "") for name in names)
    while waiting:
        name, reader = waiting.popleft()
        if name in found or not known(name):
            continue
        found[name] = reader
        waiting.extend((other, name) for other in sorted(reads_of(name)))
    return found


def in_order(names: Iterable[str], needs: Callable[[str], Iterable[str]]) -> list[str]:
    """``names``, each behind those that it ``needs``, as far as they don't need each other.

    ``needs`` tells names among ``names`` only.
    """
    # With a stack of its own: a function that calls itself would, as a closure, keep alive all it
    # refers to until the garbage collector comes by.
    ordered: list[str] = []
    seen: set[str] = set()
    for name in names:
        waiting = [] if name in seen else [(name, iter(needs(name)))]
        seen.add(name)
        while waiting:
            current, others = waiting[-1]
            other = next((each for each in others if each not in seen), None)
            if other is None:
                ordered.append(current)
                waiting.pop()
            else:
                seen.add(other)
                waiting.append((other, iter(needs(other))))
    return ordered
