"""Arrivals, poured into the objects that are there already.

A name whose value was changed in place elsewhere keeps its object here: closures, containers,
threads and libraries that refer to it see the change. A pickle can't say that. So, for values whose
contents can be exchanged, the object and its contents are pickled apart: first an anchor, which
stands for the object and becomes the living one where it is unpickled, or a new one; then, with all
references to it, the contents. Only when everything has been unpickled are they poured in: a pickle
that can't be loaded changes nothing.
"""

from __future__ import annotations

import collections
import contextlib
import copyreg
import pickle
import threading
import types
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from farcell_runtime.sharing import is_alone


@dataclass(frozen=True, slots=True)
class _Kind:
    """How the contents of objects of one type are exchanged.

    Attributes:
        take: what an object holds.
        pour: have an object hold that instead.
        make: an object to pour it into where there is none, from what ``form`` tells.
        form: what must be equal for one object to take the contents of another.
    """

    take: Callable[[Any], Any]
    pour: Callable[[Any, Any], None]
    make: Callable[..., Any]
    form: Callable[[Any], tuple[Any, ...]] = lambda _: ()


def _pour_list(living: list[Any], contents: list[Any]) -> None:
    living[:] = contents


def _pour_dict(living: dict[Any, Any], contents: dict[Any, Any]) -> None:
    living.clear()
    for key, value in contents.items():  # a Counter would add them up
        living[key] = value  # noqa: PERF403


def _pour_defaults(
    living: collections.defaultdict[Any, Any], contents: tuple[Any, dict[Any, Any]]
) -> None:
    living.default_factory = contents[0]
    _pour_dict(living, contents[1])


def _pour_set(living: set[Any], contents: set[Any]) -> None:
    living.clear()
    living.update(contents)


def _pour_deque(living: collections.deque[Any], contents: list[Any]) -> None:
    living.clear()
    living.extend(contents)


def _pour_bytes(living: bytearray, contents: memoryview) -> None:
    living[:] = contents


_KINDS: dict[type, _Kind] = {
    list: _Kind(list, _pour_list, list),
    dict: _Kind(dict, _pour_dict, dict),
    set: _Kind(set, _pour_set, set),
    bytearray: _Kind(pickle.PickleBuffer, _pour_bytes, bytearray),
    collections.OrderedDict: _Kind(dict, _pour_dict, collections.OrderedDict),
    collections.Counter: _Kind(dict, _pour_dict, collections.Counter),
    collections.defaultdict: _Kind(
        lambda value: (value.default_factory, dict(value)), _pour_defaults, collections.defaultdict
    ),
    collections.deque: _Kind(
        list,
        _pour_deque,
        lambda longest: collections.deque(maxlen=longest),
        lambda value: (value.maxlen,),
    ),
}


def _pour_instance(living: Any, contents: tuple[Any, list[Any], list[Any]]) -> None:
    """Have ``living`` be as if it had just been unpickled with these contents."""
    state, items, pairs = contents
    attributes = getattr(living, "__dict__", {})
    before = dict(attributes)
    slots = _slots(living)
    attributes.clear()
    for name in slots:
        object.__delattr__(living, name)
    try:
        _set_state(living, state)
    except BaseException:
        attributes.clear()
        attributes.update(before)
        for name, value in slots.items():
            object.__setattr__(living, name, value)
        raise
    if isinstance(living, list):
        list.clear(living)
        living.extend(items)
    elif isinstance(living, dict):
        dict.clear(living)
        for key, value in pairs:
            living[key] = value


def _slots(value: Any) -> dict[str, Any]:
    """What ``value`` has in its slots."""
    names: list[str] = copyreg._slotnames(type(value))  # type: ignore[attr-defined]
    return {name: getattr(value, name) for name in names if hasattr(value, name)}


def _set_state(living: Any, state: Any) -> None:
    if state is None:
        return
    if hasattr(type(living), "__setstate__"):  # not by its own ``__getattr__``, which has no state
        living.__setstate__(state)
        return
    attributes, slots = state if isinstance(state, tuple) else (state, None)
    if attributes:
        living.__dict__.update(attributes)
    for name, value in (slots or {}).items():
        object.__setattr__(living, name, value)


def _instance_contents(value: Any) -> tuple[Any, list[Any], list[Any]] | None:
    """What ``value`` holds; None if it is not made without arguments and then given that."""
    try:
        reduced = value.__reduce_ex__(5)
    except Exception:  # which the pickler gets too, and tells
        return None
    if not isinstance(reduced, tuple):
        return None
    make, arguments, state, items, pairs, setter = (*reduced, *[None] * 4)[:6]
    kind = type(value)
    by_class = make is kind and arguments == ()
    by_new = make is copyreg.__newobj__ and arguments == (kind,)  # type: ignore[attr-defined]
    if setter is not None or not (by_class or by_new):
        return None
    return state, list(items or ()), list(pairs or ())


_INSTANCE = _Kind(_instance_contents, _pour_instance, object)


# What is no instance, or made whole.
_BY_REFERENCE = (type, types.ModuleType, types.FunctionType, BaseException)


class Anchor:
    """Stands for the object of a name, at the start of a pickle."""

    def __init__(self, name: str, value: object, contents: object) -> None:
        self.value = value
        self.contents = contents
        self._name = name

    @classmethod
    def of(cls, name: str, value: Any) -> Anchor | None:
        """The anchor of ``value``; none if its contents can't be exchanged."""
        kind = type(value)
        if kind in _KINDS:
            return cls(name, value, _KINDS[kind].take(value))
        if not _is_plain(value) or (contents := _instance_contents(value)) is None:
            return None
        return cls(name, value, contents)

    def __reduce__(self) -> tuple[Any, ...]:
        kind = type(self.value)
        form = _KINDS[kind].form(self.value) if kind in _KINDS else ()
        return _object, (self._name, kind, form)


def _is_plain(value: Any) -> bool:
    """Whether ``value`` is known by its identity alone.

    What lies in a set by what it holds would not be found there any more.
    """
    kind: Any = type(value)
    if kind in copyreg.dispatch_table or isinstance(value, _BY_REFERENCE):
        return False
    if kind.__hash__ in (None, object.__hash__):
        return True
    try:
        hash(value)
    except TypeError:
        return True
    return False


@dataclass(slots=True)
class Arrival:
    """What was unpickled, and is still to be poured into the objects that it belongs in.

    Attributes:
        values: the values of the names.
    """

    values: dict[str, Any] = field(default_factory=dict)
    _waiting: list[tuple[Callable[[Any, Any], None], Any, Any]] = field(default_factory=list)

    def fill(self, objects: tuple[Any, ...], contents: tuple[Any, ...]) -> None:
        """``contents`` belong in ``objects``."""
        for living, each in zip(objects, contents, strict=True):
            pour = _KINDS.get(type(living), _INSTANCE).pour
            self._waiting.append((pour, living, each))

    def copy(self, living: Any, array: Any) -> None:
        """The elements of ``array`` belong in ``living``."""
        self._waiting.append((_pour_array, living, array))

    def pour(self) -> None:
        """Have the objects hold what arrived."""
        while self._waiting:
            pour, living, contents = self._waiting.pop(0)
            pour(living, contents)


def _pour_array(living: Any, array: Any) -> None:
    living[...] = array


class _Loading(threading.local):
    """What this thread unpickles now, and the objects that it may belong in."""

    arrival: Arrival | None = None
    namespace: Mapping[str, Any] = {}
    names: Collection[str] = ()

    def living(self, name: str) -> Any:
        return self.namespace.get(name) if name in self.names else None


_loading = _Loading()


@contextlib.contextmanager
def loading(namespace: Mapping[str, Any], names: Collection[str]) -> Iterator[Arrival]:
    """What is unpickled meanwhile belongs, if it is of ``names``, in the objects they have."""
    arrival = Arrival()
    before = _loading.arrival, _loading.namespace, _loading.names
    _loading.arrival, _loading.namespace, _loading.names = arrival, namespace, names
    try:
        yield arrival
    finally:
        _loading.arrival, _loading.namespace, _loading.names = before


def _object(name: str, kind: Any, form: tuple[Any, ...]) -> Any:
    """The object that an anchor stands for."""
    living = _loading.living(name)
    known = _KINDS.get(kind)
    if known is None:
        return living if type(living) is kind else kind.__new__(kind)
    if type(living) is kind and known.form(living) == form and _is_free(living):
        return living
    return known.make(*form)


def _is_free(living: object) -> bool:
    """Whether the length of ``living`` may change: not that of a buffer that somebody reads."""
    if isinstance(living, bytearray):
        try:
            living.append(0)
        except BufferError:
            return False
        living.pop()
    return True


class Elements:
    """An array as it is pickled by itself."""

    def __init__(self, reduced: tuple[Any, ...]) -> None:
        self._reduced = reduced

    def __reduce__(self) -> tuple[Any, ...]:
        return self._reduced


def reduced_array(name: str, array: Any) -> tuple[Any, ...]:
    """What a NumPy array that a name has is rebuilt from."""
    return _array, (name, Elements(array.__reduce_ex__(5)))


def _array(name: str, array: Any) -> Any:
    living = _loading.living(name)
    arrival = _loading.arrival
    if (
        arrival is None
        or type(living) is not type(array)
        or living.shape != array.shape
        or living.dtype != array.dtype
        or not living.flags.writeable
    ):
        return array
    # To copy it would be for nobody.
    del living
    if is_alone(_loading.namespace, name):
        return array
    living = _loading.namespace[name]
    arrival.copy(living, array)
    return living


def anchored(values: Mapping[str, Any]) -> list[Anchor]:
    """The anchors of those among ``values`` whose contents can be exchanged."""
    anchors = (Anchor.of(name, value) for name, value in values.items())
    return [anchor for anchor in anchors if anchor is not None]
