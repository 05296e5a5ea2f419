"""The state around a cell that travels like a name.

Working directory, environment, module path, and the settings of libraries.
"""

from __future__ import annotations

import base64
import contextlib
import json
import os
import pickle
import sys
from dataclasses import dataclass, field
from typing import Any

from farcell_runtime import settings

# What is a process's own: set by whoever started it, never carried to another.
_OWN = frozenset(
    {
        "RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT",
        "CUDA_VISIBLE_DEVICES", "JPY_PARENT_PID", "JPY_SESSION_NAME", "PYDEVD_USE_FRAME_EVAL",
        "INTERPRETER_ID", "PWD", "OLDPWD",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Ambient:
    """A process's working directory, environment, module path and settings at one moment."""

    cwd: str = ""
    environment: dict[bytes, bytes] = field(default_factory=dict)
    path: tuple[str, ...] = ()
    settings: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def here(cls, before: Ambient | None = None, *, generators: bool = True) -> Ambient:
        """That of this process. A working directory that was deleted reads as none.

        Args:
            before: where no code has run since then that could have changed settings: then they
                are not read again.
            generators: whether the states of random generators are among the settings.
        """
        cwd = ""
        with contextlib.suppress(FileNotFoundError):
            cwd = os.getcwd()
        # Both ends of every cell come here: copying the undecoded mapping takes 0.2 µs, going
        # through the public one 45 µs.
        environment = os.environ._data.copy()  # type: ignore[attr-defined]  # pyright: ignore
        found = before.settings if before else settings.read(generators=generators)
        return cls(cwd, environment, tuple(sys.path), found)

    def change_from(self, base: Ambient) -> bytes:
        """What differs from ``base``, as JSON; empty if nothing does."""
        if self == base:
            return b""
        new, old = _told(self.environment), _told(base.environment)
        change: dict[str, object] = {
            "set": {key: value for key, value in new.items() if old.get(key) != value},
            "unset": [key for key in old if key not in new],
        }
        if self.cwd != base.cwd:
            change["cwd"] = self.cwd
        if self.path != base.path:
            change["path"] = self.path
        changed = {
            name: value
            for name, value in self.settings.items()
            if name not in base.settings or base.settings[name] != value
        }
        if changed:
            change["settings"] = _pickled(changed)
        # Some put Path objects into sys.path.
        return json.dumps(change, default=os.fspath).encode()


def _pickled(changed: dict[str, Any]) -> dict[str, str]:
    """By name as base64; one that is of a type of the notebook's own stays here."""
    found: dict[str, str] = {}
    for name, value in changed.items():
        with contextlib.suppress(Exception):
            found[name] = base64.b64encode(pickle.dumps(value)).decode()
    return found


def _told(environment: dict[bytes, bytes]) -> dict[str, str]:
    decoded = {os.fsdecode(key): os.fsdecode(value) for key, value in environment.items()}
    return {key: value for key, value in decoded.items() if key not in _OWN}


def apply(change: bytes) -> str:
    """Apply to this process what ``Ambient.change_from`` found elsewhere.

    Returns:
        What could not be applied, as a sentence; empty if all was.
    """
    if not change:
        return ""
    content = json.loads(change)
    for key in content["unset"]:
        os.environ.pop(key, None)
    os.environ.update(content["set"])
    if "settings" in content:
        settings.write({n: base64.b64decode(each) for n, each in content["settings"].items()})
    if "path" in content:
        # In place, since others hold this list.
        sys.path[:] = content["path"]
    if cwd := content.get("cwd"):
        try:
            os.chdir(cwd)
        except OSError as error:
            return f"the working directory {cwd} can't be entered here: {error.strerror}"
    return ""
