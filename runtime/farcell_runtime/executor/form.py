"""What an array, a tensor or a table looks like, in a few words."""

from __future__ import annotations

from typing import Any

from farcell_runtime.sizes import size_text


def form_of(value: Any) -> str:
    """Shape, type of the elements and size, as far as ``value`` has them; empty without a shape."""
    if isinstance(value, type):
        return ""
    try:
        shape, kind, size_bytes = (
            getattr(value, name, None) for name in ("shape", "dtype", "nbytes")
        )
    except Exception:  # whatever the user's own attributes raise
        return ""
    if not isinstance(shape, tuple):
        return ""
    parts = [str(tuple(shape)) if kind is None else f"{tuple(shape)} {kind}"]
    if isinstance(size_bytes, int):
        parts.append(size_text(size_bytes))
    return ", ".join(parts)
