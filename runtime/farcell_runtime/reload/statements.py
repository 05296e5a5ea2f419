"""A module's text as statements, split without parsing what hasn't changed.

A *chunk* is text from the start of one top-level statement to that of the next. Where one starts,
strings, comments and brackets tell, which a regular expression finds fast. A chunk is parsed when
somebody asks what is in it.
"""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from functools import cached_property
from typing import Any, NamedTuple

from farcell_runtime.reload.names import Names, names_of

_TOKEN = re.compile(
    r'"""[^"\\]*(?:(?:\\.|"(?!""))[^"\\]*)*"""'
    r"|'''[^'\\]*(?:(?:\\.|'(?!''))[^'\\]*)*'''"
    r'|"[^"\\\n]*(?:\\.[^"\\\n]*)*"'
    r"|'[^'\\\n]*(?:\\.[^'\\\n]*)*'"
    r"|#[^\n]*"
    r"|\\\n"
    r"|\n(?=[^\s#)\]}])"
    r"|[\"']",
    re.DOTALL,
)
_CONTINUES = re.compile(r"(?:else|elif|except|finally)\b")
_SILENT = re.compile(r"(?:\s|#[^\n]*)*\Z")
_NESTED_QUOTES = sys.version_info >= (3, 12)

Block = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
Function = ast.FunctionDef | ast.AsyncFunctionDef


class Statement:
    """One statement, its lines counted from its chunk's start."""

    def __init__(self, node: ast.stmt) -> None:
        self.node = node

    @cached_property
    def outline(self) -> object:
        """All that it says, without where it stands."""
        return outline(self.node, hollow=False)

    @cached_property
    def skeleton(self) -> object:
        """The same without the bodies of its functions."""
        return outline(self.node, hollow=True)

    @cached_property
    def names(self) -> Names:
        """What it binds and reads."""
        return names_of(self.node)

    @cached_property
    def first_line(self) -> int:
        """Its line, or that of its first decorator."""
        if isinstance(self.node, Block) and self.node.decorator_list:
            return self.node.decorator_list[0].lineno
        return self.node.lineno

    @property
    def key(self) -> object:
        """What is equal in a statement and what became of it; None if nothing tells."""
        node = self.node
        if isinstance(node, Function):
            return ("def", node.name)
        if isinstance(node, ast.ClassDef):
            return ("class", node.name)
        if self.names.binds and not isinstance(node, ast.Import | ast.ImportFrom):
            return (type(node), frozenset(self.names.binds))
        return None


class Placed(NamedTuple):
    """A statement in a text: ``offset`` is what its lines lack."""

    statement: Statement
    offset: int

    @property
    def line(self) -> int:
        return self.statement.node.lineno + self.offset


class Chunk:
    """Some statements' text, and its first line."""

    __slots__ = ("_statements", "line", "text")

    def __init__(self, text: str, line: int, statements: list[Statement] | None = None) -> None:
        self.text = text
        self.line = line
        self._statements = statements

    @property
    def statements(self) -> list[Statement]:
        """What it says; raises ``SyntaxError`` with lines of the whole text."""
        if self._statements is None:
            try:
                self._statements = [Statement(node) for node in ast.parse(self.text).body]
            except SyntaxError as error:
                error.lineno = (error.lineno or 1) + self.line - 1
                raise
        return self._statements

    @property
    def placed(self) -> Iterator[Placed]:
        return (Placed(statement, self.line - 1) for statement in self.statements)

    def adopt(self, other: Chunk) -> None:
        """Take over what is known of a chunk of the same text."""
        self._statements = other._statements

    def share(self, other: Chunk) -> None:
        """Know what the other knows, both ways."""
        statements = other.statements
        self._statements = statements

    @property
    def lines(self) -> int:
        """How many lines it takes."""
        return self.text.count("\n") + (not self.text.endswith("\n"))


def split(text: str) -> list[Chunk]:
    """The chunks of a module's text."""
    starts = _starts(text)
    if starts is None:
        return _parsed(text)
    chunks: list[Chunk] = []
    line = 1
    pending = ""
    for start, end in zip(starts, [*starts[1:], len(text)], strict=True):
        piece = pending + text[start:end]
        pending = ""
        if chunks and not pending and _CONTINUES.match(piece):
            chunks[-1].text += piece
            continue
        if piece.startswith("@") and _is_decorators(piece):
            pending = piece
            continue
        if not _is_balanced(piece):
            pending = piece
            continue
        chunks.append(Chunk(piece, 0))
    if pending:
        chunks.append(Chunk(pending, 0))
    for chunk in chunks:
        chunk.line = line
        line += chunk.text.count("\n")
    return chunks


def _starts(text: str) -> list[int] | None:
    """Where top-level statements may start; None if only the parser knows."""
    starts = [0]
    for match in _TOKEN.finditer(text):
        start = match.start()
        first = text[start]
        if first == "\n":
            starts.append(start + 1)
        elif first in "\"'":
            if match.end() - start == 1:
                return None
            if _NESTED_QUOTES and _may_nest(text, start, match.end()):
                return None
    return starts


def _may_nest(text: str, start: int, end: int) -> bool:
    """Whether what looks like a string is only the beginning of an f-string."""
    prefix = re.search(r"[A-Za-z]*\Z", text[max(0, start - 2) : start])
    if prefix is None or not set(prefix.group().lower()) & {"f", "t"}:
        return False
    inner = text[start:end]
    return inner.count("{") != inner.count("}") or inner.rfind("{") > inner.rfind("}")


def _is_balanced(piece: str) -> bool:
    if _balance(piece):
        return True
    bare = _TOKEN.sub(lambda match: "\n" if match.group() == "\n" else " ", piece)
    return _balance(bare)


def _balance(piece: str) -> bool:
    count = piece.count
    return count("(") == count(")") and count("[") == count("]") and count("{") == count("}")


def _is_decorators(piece: str) -> bool:
    """Whether nothing that is decorated has come yet."""
    if not _is_balanced(piece):
        return True
    return not re.search(r"^(?:async\s|def\s|class\s)", piece, re.MULTILINE)


def _parsed(text: str) -> list[Chunk]:
    """The chunks, as the parser sees them."""
    lines = text.splitlines(keepends=True)
    starts = sorted({Statement(node).first_line for node in ast.parse(text).body} | {1})
    ends = [*(start - 1 for start in starts[1:]), len(lines)]
    return [
        Chunk("".join(lines[start - 1 : end]), start)
        for start, end in zip(starts, ends, strict=True)
    ]


def is_silent(chunk: Chunk) -> bool:
    """Whether a chunk is blank lines and comments."""
    return _SILENT.match(chunk.text) is not None


_DEFINITION = ("def",)
_UNTOLD = frozenset({"ctx", "type_comment", "kind"})


def outline(node: Any, *, hollow: bool, shown: bool = False) -> object:
    """What a tree says as nested tuples; if ``hollow``, without the bodies of its functions.

    A lambda's body counts as one where the lambda is what is bound, or a part of a display that is.
    """
    kind = type(node)
    if kind is list:
        return tuple([outline(each, hollow=hollow, shown=shown) for each in node])
    if kind is ast.Constant:
        return (type(node.value), repr(node.value))
    if not isinstance(node, ast.AST):
        return node
    skipped = _UNTOLD
    label: object = kind
    if hollow:
        if kind is ast.FunctionDef or kind is ast.AsyncFunctionDef:
            skipped, label = _UNTOLD | {"body"}, _DEFINITION
        elif kind is ast.Lambda and shown:
            skipped = _UNTOLD | {"body"}
    inner = (hollow and kind in (ast.Assign, ast.AnnAssign)) or (
        shown and kind in (ast.Dict, ast.List, ast.Tuple, ast.Set)
    )
    return (
        label,
        *[
            outline(getattr(node, name, None), hollow=hollow, shown=inner)
            for name in node._fields
            if name not in skipped
        ],
    )
