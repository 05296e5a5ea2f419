"""Where Python looks for a global name that it finds nowhere else: from there, it is fetched."""

from __future__ import annotations

import builtins
from collections.abc import Callable
from typing import Any


class FetchingBuiltins(dict[str, Any]):
    """The builtins of the notebook's namespace: where Python looks for a name it finds nowhere."""

    def __init__(self, fetch: Callable[[str], Any]) -> None:
        super().__init__(vars(builtins))
        self._fetch = fetch

    def __missing__(self, name: str) -> Any:
        if name in vars(builtins):
            return vars(builtins)[name]
        return self._fetch(name)
