"""Code objects: made from statements, moved by some lines, matched with those they replace."""

from __future__ import annotations
import __future__

import ast
import collections
import types
from collections.abc import Iterator, Sequence

from farcell_runtime.reload.statements import Placed

_OPTIMIZED = 0x1  # set for functions, not for bodies of modules and classes
_HAS_DOCSTRING = 0x4000000


def future_flags(nodes: Sequence[Placed]) -> int:
    """The flags that a module's ``from __future__`` lines set."""
    flags = 0
    for each in nodes:
        node = each.statement.node
        if isinstance(node, ast.ImportFrom) and node.module == "__future__":
            for alias in node.names:
                flags |= getattr(__future__, alias.name).compiler_flag
    return flags


def compiled(body: list[ast.stmt], filename: str, flags: int, offset: int) -> types.CodeType:
    """The code of statements whose lines lack ``offset``."""
    tree = ast.Module(body, [])
    try:
        code = compile(tree, filename, "exec", flags=flags, dont_inherit=True)
    except SyntaxError as error:
        error.lineno = (error.lineno or 1) + offset
        raise
    return shifted(code, offset) if offset else code


def shifted(code: types.CodeType, lines: int) -> types.CodeType:
    """The same code, some lines further down."""
    constants = code.co_consts
    if any(type(each) is types.CodeType for each in constants):
        constants = tuple(
            [shifted(each, lines) if type(each) is types.CodeType else each for each in constants]
        )
    # A module's code starts in line 0 where it has nothing to run.
    return code.replace(co_firstlineno=max(code.co_firstlineno + lines, 0), co_consts=constants)


def inner(code: types.CodeType) -> list[types.CodeType]:
    """The code objects that this one makes functions and classes of."""
    return [each for each in code.co_consts if type(each) is types.CodeType]


def is_function(code: types.CodeType) -> bool:
    """Whether functions may live on that run it: not so classes' bodies and comprehensions."""
    name = code.co_name
    return bool(code.co_flags & _OPTIMIZED) and (name[0] != "<" or name == "<lambda>")


def function_pairs(
    old: types.CodeType, new: types.CodeType
) -> Iterator[tuple[types.CodeType, types.CodeType]]:
    """The functions of two modules or classes that differ in the bodies of functions only."""
    for before, after in zip(inner(old), inner(new), strict=True):
        if before.co_flags & _OPTIMIZED:
            if is_function(before):
                yield before, after
            else:
                yield from function_pairs(before, after)
        else:
            yield from function_pairs(before, after)


def inner_pairs(
    old: types.CodeType, new: types.CodeType
) -> Iterator[tuple[types.CodeType, types.CodeType]]:
    """The code right within two functions' code, by name."""
    places: dict[str, collections.deque[types.CodeType]] = collections.defaultdict(
        collections.deque
    )
    for each in inner(new):
        places[each.co_name].append(each)
    for before in inner(old):
        if waiting := places.get(before.co_name):
            yield before, waiting.popleft()


def docstring(code: types.CodeType) -> str | None:
    """The docstring of functions that are made with this code."""
    first = code.co_consts[0] if code.co_consts else None
    return first if isinstance(first, str) and _may_have_docstring(code) else None


def _may_have_docstring(code: types.CodeType) -> bool:
    return not _FLAGGED or bool(code.co_flags & _HAS_DOCSTRING)


def _flagged() -> bool:
    code = compile("def f(): 'd'", "", "exec").co_consts[0]
    return bool(code.co_flags & _HAS_DOCSTRING)


_FLAGGED = _flagged()
