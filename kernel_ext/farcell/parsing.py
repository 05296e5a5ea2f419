"""A cell as a syntax tree, with or without magics in it."""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable

Transform = Callable[[str], str]


# To parse a long cell takes milliseconds, and cells are run again and again.
@functools.lru_cache(maxsize=16)
def _tree(code: str) -> ast.Module:
    return ast.parse(code)


def parsed(code: str, transform: Transform) -> ast.Module | None:
    """The tree of the cell ``code``, which ``transform`` makes plain Python of; not to be changed.

    None if it does not parse.
    """
    try:
        return _tree(code)  # most cells are plain Python; to transform one takes 0.1 ms
    except (SyntaxError, ValueError, RecursionError):
        pass
    try:
        return ast.parse(transform(code))
    except (SyntaxError, ValueError, RecursionError):
        return None


def first_line(code: str) -> str:
    """What a cell is known by in tables."""
    return code.strip().partition("\n")[0][:80]


def looked_up(code: str, transform: Transform) -> set[str]:
    """The names that the cell ``code`` itself looks up, those in strings left out."""
    found: set[str] = set()
    for node in ast.walk(parsed(code, transform) or ast.Module([], [])):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            found.add(node.id)
    return found
