"""What the front end has told of the cell that runs now, and of its notebook."""

from __future__ import annotations

import json
import os
from typing import Any

import xxhash

_LONG_CODE = 1000
_ENCODER = json.JSONEncoder(default=str)


def parent_json(shell: Any) -> bytes:
    """The message that asked for the cell, as JSON, without content; ``{}`` in a terminal."""
    parent = _parent(shell)
    kept = {key: parent[key] for key in ("header", "metadata", "parent_header") if key in parent}
    return _ENCODER.encode(kept).encode()


def cell_id(shell: Any) -> str:
    """The cell's id; empty where it has none."""
    return str(_parent(shell).get("metadata", {}).get("cellId", ""))


def code_name(shell: Any, code: str, number: int) -> str:
    """What the notebook calls the code of a cell, in tracebacks and to debuggers."""
    # ipykernel hashes the code in Python, which takes milliseconds if it is long.
    key = code if len(code) <= _LONG_CODE else xxhash.xxh3_128_hexdigest(code.encode())
    return str(shell.compile.get_code_name(key, key, number))


def notebook_path() -> str:
    """The path of the notebook; empty where the front end does not tell it."""
    return os.environ.get("JPY_SESSION_NAME", "")


def _parent(shell: Any) -> dict[str, Any]:
    parent: dict[str, Any] = shell.get_parent() if hasattr(shell, "get_parent") else {}
    return parent
