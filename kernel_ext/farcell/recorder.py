"""The notebook's cells, as its shell tells of them, on their way into the provenance."""

from __future__ import annotations

import ast
import time
from collections.abc import Callable
from typing import Any

from farcell.options import runs_remotely
from farcell.parsing import Transform, looked_up, parsed
from farcell.provenance import PastRun, Provenance
from farcell_runtime.errors import RunTimeout

_ASKING = frozenset({"input", "getpass"})
_AWAITING = (ast.Await, ast.AsyncFor, ast.AsyncWith)
_SCOPES = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


class Recorder:
    """Tells the provenance which cells run, how long that takes and how they end.

    Args:
        kept: called after each cell, when there is something to be kept.
    """

    def __init__(self, shell: Any, provenance: Provenance, kept: Callable[[], None]) -> None:
        self._kept = kept
        self._shell = shell
        self._provenance = provenance
        self._run: PastRun | None = None
        self._began_s = 0.0

    def begins(self, code: str) -> None:
        """The shell runs a cell, or one within another."""
        run = self._provenance.begins(code, self._shell.displayhook.prompt_count)
        if run is not None:
            self._run, self._began_s = run, time.monotonic()

    def ended(self, result: Any) -> None:
        """The cell has ended, and what it has changed was taken in."""
        run = self._run
        if run is None or result.info is None or result.info.raw_cell != run.source:
            return  # one within another
        self._run = None
        self._provenance.ended(
            run,
            took_s=time.monotonic() - self._began_s,
            ended=ended_as(result.error_before_exec or result.error_in_exec),
            once=""
            if runs_remotely(run.source) or not run.changes
            else _once(run.source, self._shell.transform_cell),
        )
        self._kept()


def ended_as(error: BaseException | None) -> str:
    """How a run has ended that raised ``error``, as the provenance has it."""
    if error is None:
        return ""
    if isinstance(error, KeyboardInterrupt | RunTimeout):
        return "was stopped"
    return f"failed ({type(error).__name__})"


def _once(code: str, transform: Transform) -> str:
    """Why a local cell can't be run again; empty if it can."""
    if any(name in code for name in _ASKING) and looked_up(code, transform) & _ASKING:
        return "it asks for input"
    if ("await" in code or "async" in code) and _awaits(code, transform):
        return "it awaits in the notebook"
    return ""


def _awaits(code: str, transform: Transform) -> bool:
    """Whether it does so outside of functions."""
    waiting: list[ast.AST] = [parsed(code, transform) or ast.Module([], [])]
    while waiting:
        node = waiting.pop()
        if isinstance(node, _AWAITING):
            return True
        if isinstance(node, ast.comprehension) and node.is_async:
            return True
        waiting += [n for n in ast.iter_child_nodes(node) if not isinstance(n, _SCOPES)]
    return False
