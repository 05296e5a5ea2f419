"""Durations in words."""

from __future__ import annotations


def duration_text(seconds: float) -> str:
    """``12 s``, ``3 min 12 s``, ``2 h 3 min``."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
