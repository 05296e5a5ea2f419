"""How to take apart what pickle can't, or would rebuild as something else."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import importlib
import io
import pickle
import sys
import types
import weakref
from collections.abc import Callable
from typing import Any

Parts = tuple[Any, ...]

# A smaller array travels within the pickle: as a buffer of its own it costs many times as much.
_SMALL_ARRAY_BYTES = 4096
_NUMBERS = frozenset("?bBhHiIlLqQefdgFDG")  # numpy's letters for types that are only numbers


def reduced(value: Any) -> Parts | None:
    """What ``value`` is to be rebuilt from, as ``__reduce__`` says it; none for most values."""
    kind = type(value)
    if (reduce := _REDUCERS.get(kind)) is not None:
        return reduce(value)
    if kind.__name__ == "ndarray" and kind.__module__ == "numpy":
        _REDUCERS[kind] = _small_array
        return _small_array(value)
    if kind.__module__ == "torch.storage":
        return _storage(value)
    if isinstance(value, io.IOBase):
        return _standard_stream(value)
    if str(kind.__module__).startswith(("IPython.", "ipykernel.")):
        return _of_shell(value)
    if issubclass(kind, functools._lru_cache_wrapper) and value.__module__ == "__main__":
        # It pickles as a reference to its own name, and that is not there to be looked up.
        return _cached, (value.__wrapped__, value.cache_parameters(), vars(value))
    if (
        issubclass(kind, BaseException)
        and isinstance(kind.__init__, types.FunctionType)
        and isinstance(kind.__reduce__, types.MethodDescriptorType)
    ):
        # Pickle calls its __init__ with what it handed on to its base's.
        return exception_parts(value)
    return None


def _standard_stream(value: Any) -> Parts | None:
    """A stream that each process has one of: where it arrives, that of the process there."""
    for name in ("stdout", "stderr", "stdin", "__stdout__", "__stderr__", "__stdin__"):
        if getattr(sys, name) is value:
            return getattr, (sys, name)
    return None


def _of_shell(value: Any) -> Parts | None:
    """IPython's shell and what hangs on it: where they arrive, those of the process there."""
    shell = _shell()
    if shell is None:
        return None
    if value is shell:
        return _shell, ()
    for name in ("display_formatter", "display_pub", "displayhook", "events", "magics_manager"):
        if getattr(shell, name) is value:
            return getattr, (shell, name)
    for mime, formatter in shell.display_formatter.formatters.items():
        if formatter is value:
            return _formatter, (mime,)
    return None


def _shell() -> Any:
    ipython: Any = sys.modules.get("IPython")
    return None if ipython is None else ipython.get_ipython()


def _formatter(mime: str) -> Any:
    return _shell().display_formatter.formatters[mime]


def exception_parts(error: BaseException) -> Parts:
    """To rebuild ``error`` without its ``__init__``: its type, ``args`` and attributes."""
    kind = type(error)
    builtin = next(base for base in kind.__mro__ if base.__module__ == "builtins")
    fields = {
        name: value
        for base in builtin.__mro__
        for name, member in vars(base).items()
        # The object that lacks an attribute may be anything.
        if isinstance(member, types.MemberDescriptorType) and name != "obj"
        if (value := getattr(error, name, None)) is not None
    }
    state = (vars(error), fields)
    return _new_exception, (kind, builtin, error.args), state, None, None, _set_exception_state


def _new_exception(
    kind: type[BaseException], builtin: type[BaseException], args: tuple[Any, ...]
) -> BaseException:
    error = builtin.__new__(kind, *args)
    error.args = args
    return error


def _set_exception_state(
    error: BaseException, state: tuple[dict[str, Any], dict[str, Any]]
) -> None:
    attributes, fields = state
    for name, value in fields.items():
        with contextlib.suppress(AttributeError, TypeError):  # read only: set by __new__
            setattr(error, name, value)
    vars(error).update(attributes)


def _cached(function: Any, parameters: dict[str, Any], attributes: dict[str, Any]) -> Any:
    wrapper = functools.lru_cache(**parameters)(function)
    vars(wrapper).update(attributes)
    return wrapper


def _small_array(value: Any) -> Parts | None:
    """A small array of numbers in two calls of C: NumPy itself takes eight, and some of Python."""
    if (
        value.nbytes > _SMALL_ARRAY_BYTES
        or value.dtype.char not in _NUMBERS
        or not value.flags.carray  # contiguous, aligned, writable
    ):
        return None
    # Of the array itself, which may be an index, bytearray would make so many zeros.
    return type(value), (value.shape, value.dtype, bytearray(memoryview(value)))


def _storage(value: Any) -> Parts | None:
    """The memory of tensors, out of band: torch itself would copy it into the pickle."""
    if isinstance(value, _torch().TypedStorage):
        return _typed_storage, (value._untyped_storage, value.dtype)
    if value.device.type != "cpu":
        return None
    view = _torch().empty(0, dtype=_torch().uint8).set_(value)
    return _storage_of, (pickle.PickleBuffer(view.numpy()),)


def _storage_of(memory: Any) -> Any:
    if not len(memory):
        return _torch().UntypedStorage(0)
    return _torch().frombuffer(memory, dtype=_torch().uint8).untyped_storage()


def _typed_storage(storage: Any, dtype: Any) -> Any:
    return _torch().storage.TypedStorage(wrap_storage=storage, dtype=dtype, _internal=True)


def _torch() -> Any:
    return importlib.import_module("torch")


def _constant(value: object) -> tuple[Any, ...]:
    return getattr, (dataclasses, _CONSTANTS[type(value)])


def _weak_dict(value: Any) -> tuple[Any, ...]:
    return type(value), (dict(value),)


def _cached_property(value: Any) -> tuple[Any, ...]:
    return _make_cached_property, (value.func, value.attrname)


def _make_cached_property(function: Callable[[Any], Any], name: str) -> Any:
    made = functools.cached_property(function)
    made.__set_name__(object, name)
    return made


# Constants that are compared by identity, by their types.
_CONSTANTS: dict[type, str] = {
    type(getattr(dataclasses, name)): name
    for name in ("MISSING", "KW_ONLY", "_HAS_DEFAULT_FACTORY")
    if hasattr(dataclasses, name)
}
# What pickle can't take apart, though its parts can travel: a cached property holds a lock in
# Python 3.11, single-dispatch functions hold weak dictionaries.
_REDUCERS: dict[type, Callable[[Any], Parts | None]] = {
    **dict.fromkeys(_CONSTANTS, _constant),
    functools.cached_property: _cached_property,
    weakref.WeakKeyDictionary: _weak_dict,
    weakref.WeakValueDictionary: _weak_dict,
}
