"""What the figures were measured on."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path


def _field(path: str, name: str) -> str:
    for line in Path(path).read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return "unknown"


def describe() -> dict[str, str]:
    """Processor, cores, memory, kernel, Python, and how busy the machine was already."""
    memory_kb = int(_field("/proc/meminfo", "MemTotal").split()[0])
    return {
        "processor": _field("/proc/cpuinfo", "model name"),
        "cores": str(len(os.sched_getaffinity(0))),
        "memory": f"{memory_kb * 1024 / 1e9:.0f} GB",
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "load before the run": f"{os.getloadavg()[0]:.2f}",
    }


def is_busy() -> bool:
    """Whether something else kept more than a quarter of the cores busy in the last minute."""
    return os.getloadavg()[0] > len(os.sched_getaffinity(0)) / 4


def own_versions() -> dict[str, str]:
    """The versions of farcell and of what it stands on."""
    found: dict[str, str] = {}
    for package in ("farcell", "ipython", "ipykernel", "grpcio", "cloudpickle"):
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "missing"
    return found
