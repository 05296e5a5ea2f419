"""``%pip`` on workers: one at a time, since the workers of a host share an environment."""

from __future__ import annotations

import fcntl
import importlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


def serialise_pip(shell: Any, lock_path: str) -> None:
    """Have ``%pip`` of ``shell`` wait for that of other workers.

    The second of several ranks then finds installed what the first one has installed.
    """
    original = shell.find_line_magic("pip")

    def pip(line: str) -> Any:
        with _locked(lock_path):
            result = original(line)
        importlib.invalidate_caches()
        return result

    pip.__doc__ = original.__doc__
    shell.register_magic_function(pip, "line", "pip")


@contextmanager
def _locked(path: str) -> Iterator[None]:
    with open(path, "a") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
