"""A MIME bundle as JSON: images as base64, other bytes as text."""

from __future__ import annotations

import base64
import math
import numbers
from typing import Any


def clean(value: Any) -> Any:
    """``value`` with everything in it that JSON can't say turned into what Jupyter would send."""
    match value:
        case bytes():
            return base64.b64encode(value).decode("ascii")
        case bool() | int() | str() | None:
            return value
        case float():
            return value if math.isfinite(value) else repr(value)
        case dict():
            return {str(key): clean(part) for key, part in value.items()}
        case list() | tuple() | set():
            return [clean(part) for part in value]
        case numbers.Integral():  # NumPy's, for one
            return int(value)
        case numbers.Real():
            return clean(float(value))
        case _:
            return str(value)
