"""The installed packages whose values travel: where their versions differ, values may not."""

from __future__ import annotations

import platform
import sys
from importlib import metadata

_TRAVELLING = ("cloudpickle", "numpy", "pandas", "pyarrow", "scikit-learn", "torch")


def environment() -> str:
    """What tells this process's installed packages from others': its host and its prefix."""
    return f"{platform.node()}:{sys.prefix}"


def versions() -> dict[str, str]:
    """The versions of those that are installed here."""
    found = {}
    for name in _TRAVELLING:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def breaking(ours: dict[str, str], theirs: dict[str, str]) -> list[str]:
    """The packages that both have in versions whose pickles don't fit: another major version."""
    return [
        name
        for name in sorted(ours.keys() & theirs.keys())
        if ours[name].partition(".")[0] != theirs[name].partition(".")[0]
    ]
