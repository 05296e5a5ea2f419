"""Whether a worker is in a run: a lock that it holds meanwhile, and that others may look at.

It needs no message that may be lost with whoever sends it, nor a thread that waits for the user's
code to let go of the interpreter; and however the worker ends, it is in no run any more.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

_NAME = "run.lock"


class Occupancy:
    """A worker's own side of it; entered for each run."""

    def __init__(self, log_folder: str) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        self._descriptor = os.open(Path(log_folder, _NAME), flags, 0o600)

    def __enter__(self) -> None:
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        # What a cell has forked shares the lock, and would hold it for as long as it lives.
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)


def is_occupied(log_folder: str) -> bool:
    """Whether the worker of that folder is in a run now."""
    try:
        descriptor = os.open(Path(log_folder, _NAME), os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False  # it has not started yet
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False
