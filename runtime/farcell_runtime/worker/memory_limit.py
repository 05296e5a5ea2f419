"""Whether the system killed a process of ours for want of memory."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

_CGROUPS = Path("/sys/fs/cgroup")


class OomCounter:
    """Counts the kills for want of memory, and which of them are explained already.

    The system tells how many there were (in this process's cgroup, or on the whole machine), not
    whom they hit. A worker that died of SIGKILL, which nobody here sent, while the count rose
    above what earlier deaths explain, was hit.
    """

    def __init__(self, read: Callable[[], int] | None = None) -> None:
        self._read = read or _reader()
        self._explained = 0

    def mark(self) -> int:
        """The mark of now, to be given to `rose_since` later."""
        return self._read() - self._explained

    def rose_since(self, mark: int) -> bool:
        """Whether there was a kill since ``mark`` that no earlier call has explained."""
        if self.mark() <= mark:
            return False
        self._explained += 1
        return True


def _reader() -> Callable[[], int]:
    for path, key in (*_cgroup_files(), (Path("/proc/vmstat"), "oom_kill")):
        if _count(path, key) is not None:
            return partial(_count_or_none_yet, path, key)
    return int


def _cgroup_files() -> list[tuple[Path, str]]:
    """The files that may hold the count of this process's own memory cgroup."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    files = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            files.append((_CGROUPS / path.lstrip("/") / "memory.events", "oom_kill"))
        elif "memory" in controllers.split(","):
            folder = _CGROUPS / "memory" / path.lstrip("/")
            files.append((folder / "memory.oom_control", "oom_kill"))
    return files


def _count_or_none_yet(path: Path, key: str) -> int:
    return _count(path, key) or 0


def _count(path: Path, key: str) -> int | None:
    try:
        for line in path.read_text().splitlines():
            name, _, number = line.partition(" ")
            if name == key:
                return int(number)
    except (OSError, ValueError):
        return None
    return None
