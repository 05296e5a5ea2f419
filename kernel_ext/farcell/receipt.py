"""In words: what a cell moved and why, and what it would move."""

from __future__ import annotations

import contextlib
import html
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from farcell.shipment import Moved, Shipment
from farcell.table import shortened
from farcell_runtime.sizes import size_text

_LONG_S = 1.0  # a remote cell that ran for longer says how long
_LARGE_BYTES, _SLOW_S = 1_000_000, 0.5  # what a local cell fetched is told above one of these
_WORTH_BYTES = 1000  # of what was there already, smaller values are not told
_MOST_MOVED, _MOST_UNCHANGED = 3, 2
_BETWEEN, _APART = " · ", "   "

# The variables are JupyterLab's and VS Code's; elsewhere a grey for white and for black.
_STYLE = (
    "color:var(--jp-ui-font-color2,var(--vscode-descriptionForeground,#767676));"
    "font:12px/1.6 var(--jp-ui-font-family,sans-serif);font-variant-numeric:tabular-nums;"
    "padding:2px 8px;overflow-wrap:anywhere"
)
_TITLE = "What moved for this cell. %farcell receipts off: say it no more"
_CODE_TITLE = "Modules that were edited. %farcell code lists the versions of the code"
_MOST_LINES = 3  # of code, under one cell


@dataclass(slots=True)
class Receipt:
    """What has moved for one cell.

    Attributes:
        remote: whether something ran on a gang.
        ranks: of that gang.
        came: what was fetched from gangs, by gang, and ``fetched_s`` how long that took.
        took_s: how long the cell ran, if it was a remote one.
    """

    remote: bool = False
    ranks: int = 1
    sent: list[Moved] = field(default_factory=list)
    unchanged: dict[str, int] = field(default_factory=dict)
    came: dict[str, list[Moved]] = field(default_factory=dict)
    fetched_s: dict[str, float] = field(default_factory=dict)
    took_s: float = 0.0

    def is_worth_telling(self) -> bool:
        """Whether something moved, or took long; of a local cell, whether much did."""
        came_bytes = sum(piece.size_bytes for pieces in self.came.values() for piece in pieces)
        if self.remote:
            return bool(self.sent or came_bytes) or self.took_s > _LONG_S
        return came_bytes > _LARGE_BYTES or sum(self.fetched_s.values()) > _SLOW_S

    def parts(self) -> list[str]:
        """The parts of the line: what went out, what came from each gang, and the time."""
        found: list[str] = []
        gone = {name for piece in self.sent for name in piece.names}
        there = {name: size for name, size in self.unchanged.items() if name not in gone}
        out = _moved_texts(self.sent) + _unchanged_texts(there, _WORTH_BYTES)
        if out:
            found.append(f"→ {_BETWEEN.join(out)}")
            if self.sent and self.ranks > 1:
                found[-1] += f" to each of {self.ranks} ranks"
        for gang, pieces in self.came.items():
            here = {piece.names[0]: piece.whole_bytes for piece in pieces if not piece.size_bytes}
            came = [piece for piece in pieces if piece.size_bytes]
            if texts := _moved_texts(came) + _unchanged_texts(here, _LARGE_BYTES):
                took = time_text(self.fetched_s[gang])
                found.append(f"← {_BETWEEN.join(texts)} from gang {gang}, {took}")
        if self.took_s:
            found.append(time_text(self.took_s))
        return found


class Receipts:
    """Tells under the output of each cell, in one dim line, what moved for it.

    Attributes:
        on: whether that is wanted.
    """

    def __init__(self, shell: Any, *, on: bool) -> None:
        self.on = on
        self._shell = shell
        self._receipt = Receipt()
        self._lines: list[str] = []

    def note(self, line: str) -> None:
        """Tell ``line`` too, under the cell that runs now or next; from any thread."""
        self._lines.append(line)

    def sent(self, shipment: Shipment, ranks: int) -> None:
        """``shipment`` has gone to a gang of so many ranks."""
        receipt = self._receipt
        receipt.remote, receipt.ranks = True, ranks
        receipt.sent += shipment.moved
        receipt.unchanged |= shipment.unchanged

    @contextlib.contextmanager
    def fetching(self, gang: str) -> Iterator[list[Moved]]:
        """While values are fetched from ``gang``: the list takes what came."""
        receipt = self._receipt
        began_s = time.monotonic()
        try:
            yield receipt.came.setdefault(gang, [])
        finally:
            took_s = time.monotonic() - began_s
            receipt.fetched_s[gang] = receipt.fetched_s.get(gang, 0.0) + took_s

    def took(self, seconds: float) -> None:
        """A remote cell ran for so long."""
        self._receipt.took_s += seconds

    def show(self) -> None:
        """Tell what there is to tell by now, in the cell that runs; once."""
        lines, self._lines = self._lines, []
        if len(lines) > _MOST_LINES:
            lines[:-_MOST_LINES] = [f"… {len(lines) - _MOST_LINES} lines more"]
        for line in lines:
            self._publish([line], _CODE_TITLE)
        receipt = self._receipt
        if not (receipt.remote or receipt.came):
            return
        self._receipt = Receipt()
        if self.on and receipt.is_worth_telling() and (parts := receipt.parts()):
            self._publish(parts, _TITLE)

    def _publish(self, parts: list[str], title: str) -> None:
        line = _APART.join(parts)
        if getattr(self._shell, "kernel", None) is None and sys.stdout.isatty():
            line = f"\x1b[2m{line}\x1b[0m"  # dim; where it is kept, it is kept bare
        self._shell.display_pub.publish({"text/plain": line, "text/html": _page(parts, title)})


def dry_run(gang: str, shipment: Shipment) -> str:
    """What ``shipment`` would send to ``gang``, a line each."""
    lines = [f"to gang {gang}:"]
    for holder, sizes in shipment.first.items():
        lines.append(f"  from gang {holder} first, and then on: {_first_text(sizes)}")
    lines += [f"  → {_moved_text(piece, most=len(piece.names))}" for piece in shipment.moved]
    if shipment.unchanged:
        lines.append(f"  there already: {', '.join(sorted(shipment.unchanged))}")
    if len(lines) == 1:
        lines.append("  nothing")
    return "\n".join(lines)


def time_text(seconds: float) -> str:
    """``20 ms``, ``0.4 s``, ``3 min 5 s``."""
    if seconds < 0.1:
        return f"{seconds * 1000:.0f} ms"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s"


def _page(parts: Iterable[str], title: str) -> str:
    """HTML that breaks between names, where it must be broken."""
    whole = (part.replace(" ", "\xa0").replace("\xa0·\xa0", "\xa0· ") for part in parts)
    line = "\u2003".join(html.escape(part, quote=False) for part in whole)
    return f'<div title="{title}" style="{_STYLE}">{line}</div>'


def _moved_texts(pieces: Iterable[Moved]) -> list[str]:
    """The largest of ``pieces``, and what the others are together."""
    ordered = sorted(pieces, key=lambda piece: -piece.size_bytes)
    # One more is told as shortly as that there is one more.
    most = _MOST_MOVED if len(ordered) > _MOST_MOVED + 1 else len(ordered)
    found = [_moved_text(piece) for piece in ordered[:most]]
    if rest := ordered[most:]:
        count = sum(len(piece.names) for piece in rest)
        found.append(f"… and {count} more, {size_text(sum(p.size_bytes for p in rest))}")
    return found


def _moved_text(piece: Moved, most: int = 2) -> str:
    names = ", ".join(shortened(name) for name in piece.names[:most])
    if len(piece.names) > most:
        names += f" and {len(piece.names) - most} more"
    size = size_text(piece.size_bytes)
    if piece.is_patch:
        size += f" of {size_text(piece.whole_bytes)} changed"
    why = f" ({piece.why})" if piece.why else ""
    return f"{names} {size}{why}"


def _unchanged_texts(sizes: Mapping[str, int], least_bytes: int) -> list[str]:
    worth = {name: size for name, size in sizes.items() if size >= least_bytes}
    ordered = sorted(worth, key=lambda name: (-worth[name], name))
    most = _MOST_UNCHANGED if len(ordered) > _MOST_UNCHANGED + 1 else len(ordered)
    found = [f"{shortened(name)} {size_text(worth[name])} (unchanged)" for name in ordered[:most]]
    if rest := ordered[most:]:
        found.append(f"{len(rest)} more unchanged")
    return found


def _first_text(sizes: Mapping[str, int]) -> str:
    sized = {name: f"{size_text(size)} when it last moved" for name, size in sizes.items() if size}
    return ", ".join(f"{name} ({sized.get(name, 'its size is known there')})" for name in sizes)
