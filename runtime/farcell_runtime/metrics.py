"""What this machine and the workers on it use, for the panel: the one importer of psutil."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import psutil


@dataclass(frozen=True, slots=True)
class Usage:
    """What a process uses: of one core in percent, and of memory (resident)."""

    cpu_percent: float = 0.0
    memory_bytes: int = 0


@dataclass(frozen=True, slots=True)
class HostUsage:
    """What a machine has and uses: of all its cores in percent."""

    cpu_percent: float
    memory_bytes: int
    memory_used_bytes: int


class Meter:
    """Measures since its last measurement; a process's first one tells no CPU."""

    def __init__(self) -> None:
        self._processes: dict[int, psutil.Process] = {}
        psutil.cpu_percent(None)

    def host(self) -> HostUsage:
        memory = psutil.virtual_memory()
        return HostUsage(psutil.cpu_percent(None), memory.total, memory.total - memory.available)

    def processes(self, pids: Iterable[int]) -> dict[int, Usage]:
        """The usage of each process of ``pids`` that still runs."""
        wanted = set(pids)
        for pid in self._processes.keys() - wanted:
            del self._processes[pid]
        usages = {}
        for pid in wanted:
            try:
                process = self._processes.setdefault(pid, psutil.Process(pid))
                with process.oneshot():
                    usages[pid] = Usage(process.cpu_percent(None), process.memory_info().rss)
            except psutil.Error:
                self._processes.pop(pid, None)  # it ended meanwhile
        return usages
