"""What the front end has told of the cell that runs now, and of its notebook."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator
from typing import Any

import xxhash

_LONG_CODE = 1000
_ENCODER = json.JSONEncoder(default=str)


def parent_json(shell: Any) -> bytes:
    """The message that asked for the cell, as JSON, without content; ``{}`` in a terminal."""
    parent = parent_of(shell)
    kept = {key: parent[key] for key in ("header", "metadata", "parent_header") if key in parent}
    return _ENCODER.encode(kept).encode()


def cell_id(shell: Any) -> str:
    """The cell's id; empty where it has none."""
    return str(parent_of(shell).get("metadata", {}).get("cellId", ""))


def code_name(shell: Any, code: str, number: int) -> str:
    """What the notebook calls the code of a cell, in tracebacks and to debuggers."""
    # ipykernel hashes the code in Python, which takes milliseconds if it is long.
    key = code if len(code) <= _LONG_CODE else xxhash.xxh3_128_hexdigest(code.encode())
    return str(shell.compile.get_code_name(key, key, number))


def parent_of(shell: Any) -> dict[str, Any]:
    """Jupyter's message that asked for the cell that runs now; empty in a terminal."""
    parent: dict[str, Any] = shell.get_parent() if hasattr(shell, "get_parent") else {}
    return parent


@contextlib.contextmanager
def in_cell(shell: Any, parent: Any) -> Iterator[None]:
    """Have what this thread shows appear in the cell whose message was ``parent``."""
    if not parent or not hasattr(shell, "get_parent"):
        yield  # a terminal, or it may appear in the cell that runs now
    elif hasattr(shell, "set_thread_parent"):
        tokens = shell.set_thread_parent(parent)
        try:
            yield
        finally:
            shell.reset_thread_parent(tokens)
    elif threading.current_thread() is threading.main_thread():
        before = shell.get_parent()
        shell.set_parent(parent)
        try:
            yield
        finally:
            shell.set_parent(before)
    else:
        yield  # ipykernel before 7.4: it appears in the cell that runs now
