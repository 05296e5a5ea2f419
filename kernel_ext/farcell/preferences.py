"""The verbs of ``%farcell``, as functions that return what to say."""

from __future__ import annotations

from farcell import code_lines
from farcell.notebook import Notebook
from farcell_runtime.errors import UsageError


def receipts(notebook: Notebook, state: str | None = None) -> str:
    """Whether a line under each cell says what moved for it: ``on``, ``off``, or leave it."""
    if state is not None:
        notebook.receipts.on = state == "on"
    return f"receipts are {'on' if notebook.receipts.on else 'off'}"


def code(
    notebook: Notebook, what: str | None = None, old: str | None = None, new: str | None = None
) -> str:
    """The versions of the project's code, or the difference of two of them."""
    versions = notebook.code.versions
    if what is None:
        return code_lines.listing(versions, notebook.code.lagging())
    if what != "diff":
        raise UsageError(f"%farcell code can't {what!r}", hint="%farcell code diff v1 v2")
    last = versions[-1].number if new is None else _number(new)
    first = max(1, last - 1) if old is None else _number(old)
    return code_lines.diff(versions, first, last)


def reload(notebook: Notebook, mode: str | None = None) -> str:
    """When edits are taken: ``auto``, ``now``, ``cell`` or ``off``, or leave it."""
    if mode is not None:
        notebook.code.mode = mode
    return f"reload is {notebook.code.mode}"


def _number(text: str) -> int:
    digits = text.removeprefix("v")
    if not digits.isdecimal():
        raise UsageError(f"{text!r} is no version of the code", hint="%farcell code lists them")
    return int(digits)
