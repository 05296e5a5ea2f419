"""Values that have arrived, made objects again."""

from __future__ import annotations

from typing import Any

from farcell_runtime.errors import FarcellError, UsageError
from farcell_runtime.values import Parcel, Values


def rebuilt(values: Values, parcel: Parcel) -> dict[str, Any]:
    """Receive ``parcel``.

    Raises:
        UsageError: if a value can't be rebuilt here, and what to do.
    """
    try:
        return values.receive(parcel)
    except FarcellError:
        raise
    except Exception as error:
        hint = "create it in a %%remote cell"
        if isinstance(error, ImportError):
            hint = "%pip install what is missing in a %%remote cell"
        raise UsageError(
            f"can't be rebuilt on the worker: {type(error).__name__}: {error}", hint=hint
        ) from error
