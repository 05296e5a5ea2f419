"""Tables in a fixed-width font."""

from __future__ import annotations

import unicodedata
from collections.abc import Container, Sequence

_MOST_COLUMNS = 32  # that a cell of the table takes up
_NO_WIDTH = ("Mn", "Me", "Cf")  # categories of what is drawn over the character before


def table(rows: Sequence[Sequence[str]], *, right: Container[str] = ()) -> list[str]:
    """The lines of a table whose first row is its head.

    What is too long is cut, but in the last column.

    Args:
        right: the heads of columns that are aligned on the right.
    """
    cut = [[*(shortened(cell) for cell in row[:-1]), row[-1]] for row in rows]
    widths = [max(map(width, column)) for column in zip(*cut, strict=True)]
    lines: list[str] = []
    for row in cut:
        cells = []
        for cell, most, head in zip(row, widths, rows[0], strict=True):
            space = " " * (most - width(cell))
            cells.append(space + cell if head in right else cell + space)
        lines.append("  ".join(cells).rstrip())
    return lines


def shortened(text: str, most: int = _MOST_COLUMNS) -> str:
    """``text``, or of a longer one its beginning and end."""
    if width(text) <= most:
        return text
    head, tail = "", ""
    while True:
        at_head = width(head) <= width(tail)
        character = text[0] if at_head else text[-1]
        if width(head) + width(tail) + width(character) >= most:
            return f"{head}…{tail}"
        if at_head:
            head, text = head + character, text[1:]
        else:
            tail, text = character + tail, text[:-1]


def width(text: str) -> int:
    """How many columns ``text`` takes up."""
    if text.isascii():
        return len(text)
    return sum(_columns(character) for character in text)


def _columns(character: str) -> int:
    if unicodedata.category(character) in _NO_WIDTH:
        return 0
    return 2 if unicodedata.east_asian_width(character) in "WF" else 1
