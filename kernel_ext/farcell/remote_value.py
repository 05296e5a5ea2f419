"""What a name holds in the notebook whose value can't leave its worker, or does not unasked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from farcell_runtime import codec
from farcell_runtime.errors import UsageError


class RemoteValue:
    """Stands for a value that lives on a gang and can't travel, or is too large to without asking.

    It tells what the value is without fetching it. In a cell that runs on its gang it *is* the
    value; anywhere else, using it says why the value could not come.
    """

    def __init__(
        self,
        name: str,
        gang: str,
        type_name: str,
        shown: str,
        why: str,
        fetch: Callable[[str], Any] | None = None,
    ) -> None:
        """``fetch`` gives the value of a name, if that can be had."""
        self._fetch = fetch
        self._name = name
        self._gang = gang
        self._type_name = type_name
        self._shown = shown
        self._why = why

    def __repr__(self) -> str:
        return f"<{self._type_name} on gang {self._gang}: {self._shown}>"

    def __dir__(self) -> list[str]:
        return ["get"]

    def get(self) -> Any:
        """Fetch the value, and have the name hold it.

        Raises:
            UsageError: if it can't travel, saying why.
        """
        if self._fetch is None:
            self._refuse("be fetched")
        return self._fetch(self._name)

    def __getattr__(self, attribute: str) -> NoReturn:
        if attribute.startswith("_"):
            # Protocols that ask for optional hooks (IPython, copy, pickle) must hear of none.
            raise AttributeError(attribute)
        self._refuse(f"be asked for .{attribute} here", AttributeError)

    def __call__(self, *args: object, **kwargs: object) -> NoReturn:
        self._refuse("be called here", TypeError)

    def __iter__(self) -> NoReturn:
        self._refuse("be iterated over here", TypeError)

    def __getitem__(self, key: object) -> NoReturn:
        self._refuse("be indexed here", TypeError)

    def __bool__(self) -> NoReturn:
        self._refuse("be tested here", TypeError)

    def __len__(self) -> NoReturn:
        self._refuse("be measured here", TypeError)

    def __setitem__(self, key: object, value: object) -> NoReturn:
        self._refuse("be assigned to here", TypeError)

    def __delitem__(self, key: object) -> NoReturn:
        self._refuse("have items deleted here", TypeError)

    def __setattr__(self, attribute: str, value: object) -> None:
        if not attribute.startswith("_"):
            self._refuse(f"be given .{attribute} here", AttributeError)
        object.__setattr__(self, attribute, value)

    def __contains__(self, item: object) -> NoReturn:
        self._refuse("be searched here", TypeError)

    def __eq__(self, other: object) -> bool:
        if other is not self:
            self._refuse("be compared here", TypeError)
        return True

    __hash__ = object.__hash__

    def __array__(self, *args: object, **kwargs: object) -> NoReturn:
        # NumPy would make an array of one object of it.
        self._refuse("be made an array here", TypeError)

    def __await__(self) -> NoReturn:
        self._refuse("be awaited here", TypeError)

    def __next__(self) -> NoReturn:
        self._refuse("be advanced here", TypeError)

    def __enter__(self) -> NoReturn:
        self._refuse("be entered here", TypeError)

    def __exit__(self, *exception: object) -> NoReturn:
        self._refuse("be left here", TypeError)

    def _calculate(self, *other: object) -> NoReturn:
        self._refuse("be calculated with here", TypeError)

    __add__ = __radd__ = __sub__ = __rsub__ = __mul__ = __rmul__ = _calculate
    __truediv__ = __rtruediv__ = __matmul__ = __rmatmul__ = _calculate
    __floordiv__ = __rfloordiv__ = __mod__ = __rmod__ = __pow__ = __rpow__ = _calculate
    __and__ = __rand__ = __or__ = __ror__ = __xor__ = __rxor__ = _calculate
    __lshift__ = __rlshift__ = __rshift__ = __rrshift__ = _calculate
    __neg__ = __pos__ = __abs__ = __invert__ = __round__ = _calculate
    __lt__ = __le__ = __gt__ = __ge__ = _calculate
    __float__ = __int__ = __index__ = __complex__ = _calculate

    def __reduce__(self) -> tuple[Any, ...]:
        return _resolve, (self._name, self._gang)

    def _refuse(self, what: str, builtin: type[Exception] | None = None) -> NoReturn:
        message = f"'{self._name}' lives on gang {self._gang} and can't {what}: {self._why}"
        hint = f"use '{self._name}' in a %%remote cell"
        if self._fetch is not None:
            hint += f", or fetch it with {self._name}.get()"
        if builtin is None:
            raise UsageError(message, hint=hint)
        kind = type("UsageError", (UsageError, builtin), {"__module__": UsageError.__module__})
        raise kind(message, hint=hint)


def _resolve(name: str, gang: str) -> object:
    """On the value's own worker: the value."""
    namespace = codec.home()
    if name not in namespace or isinstance(namespace[name], RemoteValue):
        raise UsageError(
            f"'{name}' lives on gang {gang} and can't leave it", hint="run this cell on that gang"
        )
    return namespace[name]


def lives_elsewhere(value: object, gang: str) -> bool:
    """Whether ``value`` stands for one that lives on another gang than this."""
    return isinstance(value, RemoteValue) and value._gang != gang
