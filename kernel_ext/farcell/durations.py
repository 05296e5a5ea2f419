"""Durations in words."""

from __future__ import annotations


def duration_text(seconds: float) -> str:
    """``12 s``, ``3 min 12 s``, ``30 min``, ``2 h 3 min``."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    if minutes:
        return f"{minutes} min {rest} s" if rest else f"{minutes} min"
    return f"{rest} s"
