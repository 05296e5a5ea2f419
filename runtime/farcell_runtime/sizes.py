"""Sizes in words."""

from __future__ import annotations

_UNITS = ("B", "kB", "MB", "GB", "TB")


def size_text(count_bytes: float) -> str:
    """``28 B``, ``2.0 kB``, ``1.2 GB``."""
    for unit in _UNITS[:-1]:
        if count_bytes < 1000:
            return f"{count_bytes:.0f} B" if unit == "B" else f"{count_bytes:.1f} {unit}"
        count_bytes /= 1000
    return f"{count_bytes:.1f} {_UNITS[-1]}"
