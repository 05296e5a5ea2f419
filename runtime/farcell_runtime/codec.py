"""Values as bytes: pickle protocol 5 with buffers out of band, and cloudpickle for code.

Functions and classes of the notebook travel by value and live in the receiver's notebook
namespace (``__main__``): they see its globals, not copies of the sender's. Which names they read
is told to the sender, so that those can go along.
"""

from __future__ import annotations

import enum
import io
import linecache
import pickle
import sys
import types
import weakref
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import cloudpickle
from cloudpickle import cloudpickle as internals

from farcell_runtime import reducers
from farcell_runtime.errors import FarcellError
from farcell_runtime.parts import parts_of
from farcell_runtime.reads import ATOMS, cell_parts, code_names, in_order, value_reads
from farcell_runtime.views import Roots


class CannotPickle(FarcellError):
    """A value that can't be pickled, with the way to the part that can't."""

    def __init__(self, path: str, why: str) -> None:
        super().__init__(f"{path}: {why}" if path else why)
        self.path = path
        self.why = why


@dataclass(frozen=True, slots=True)
class Pickled:
    """A pickle and the buffers behind it.

    Attributes:
        reads: the notebook's names that functions in it read.
        living: names whose value was changed in place since the receiver got it: it belongs in
            the object that the receiver has.
    """

    data: bytes | memoryview
    buffers: tuple[bytes | memoryview, ...]
    reads: frozenset[str] = frozenset()
    living: frozenset[str] = frozenset()

    @property
    def size_bytes(self) -> int:
        return len(self.data) + sum(memoryview(buffer).nbytes for buffer in self.buffers)


def home() -> dict[str, Any]:
    """The notebook's namespace in this process: the kernel's, or its image on a worker."""
    return sys.modules["__main__"].__dict__


def dump(values: object, *, explicit: Iterable[object] = ()) -> Pickled:
    """Pickle ``values``.

    Classes among ``explicit`` have their attributes set anew where they are known already; others
    keep the attributes that they have there.

    Raises:
        CannotPickle: naming the part that can't be.
    """
    file = io.BytesIO()
    buffers: list[pickle.PickleBuffer] = []
    pickler = _Pickler(file, buffers.append, explicit)
    try:
        pickler.dump(values)
        raw = tuple(_contiguous(buffer) for buffer in buffers)
    except Exception as error:
        if isinstance(error, CannotPickle):
            raise
        path, why = _culprit(values, error)
        raise CannotPickle(path, why) from error
    return Pickled(file.getvalue(), raw, frozenset(pickler.reads))


def dump_whole(value: object) -> bytes:
    """Pickle a small value with its buffers in band.

    Raises:
        CannotPickle: naming the part that can't be.
    """
    file = io.BytesIO()
    try:
        _Pickler(file, None, ()).dump(value)
    except Exception as error:
        path, why = _culprit(value, error)
        raise CannotPickle(path, why) from error
    return file.getvalue()


def load(data: bytes | memoryview, buffers: Iterable[bytes | bytearray | memoryview] = ()) -> Any:
    """Unpickle; arrays over ``buffers`` are writable where the buffers are."""
    return pickle.loads(data, buffers=buffers)


def _contiguous(buffer: pickle.PickleBuffer) -> memoryview:
    try:
        return buffer.raw()
    except BufferError:
        raise CannotPickle("", "holds a buffer that is not contiguous") from None


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    def __init__(
        self,
        file: io.BytesIO,
        buffer_callback: Callable[[pickle.PickleBuffer], Any] | None,
        explicit: Iterable[object],
    ) -> None:
        super().__init__(file, protocol=5, buffer_callback=buffer_callback)
        self.reads: set[str] = set()
        self._home = home()
        explicit = tuple(explicit)
        self._explicit = {id(value) for value in explicit if isinstance(value, type)}
        self._sources: dict[str, _Source] = {}
        self._cells: dict[int, types.CellType] = {}
        self._roots = Roots(explicit)

    def _dynamic_function_reduce(self, func: types.FunctionType) -> tuple[Any, ...]:
        if func.__globals__ is not self._home:
            reduced: tuple[Any, ...] = super()._dynamic_function_reduce(func)
            return reduced
        code = func.__code__
        self.reads |= code_names(code)
        # Cells travel as themselves, empty at first: functions that share a variable go on sharing
        # it, and a function may be in a cell of its own.
        closure = func.__closure__
        self._cells.update({id(cell): cell for cell in closure or ()})
        contents = [(cell, part) for cell in closure or () for part in cell_parts(cell)]
        state = {
            "__defaults__": func.__defaults__,
            "__kwdefaults__": func.__kwdefaults__,
            "__annotations__": func.__annotations__,
            "__qualname__": func.__qualname__,
            "__doc__": func.__doc__,
        }
        # Submodules that the code reaches through a package's name must be imported there too.
        globals_read = [self._home[name] for name in code_names(code) if name in self._home]
        submodules = internals._find_imported_submodules(code, globals_read)
        return (
            _make_function,
            (code, func.__name__, func.__module__, closure, self._source(code.co_filename)),
            (state, func.__dict__, contents, submodules),
            None,
            None,
            _set_function_state,
        )

    def reducer_override(self, obj: Any) -> Any:
        kind = type(obj)
        if kind is _Source:
            return NotImplemented
        if kind is types.CellType and id(obj) in self._cells:
            return _make_cell, ()
        parts = self._roots.reduced(obj) or reducers.reduced(obj)
        if parts is not None:
            return parts
        reduced = super().reducer_override(obj)
        if isinstance(reduced, tuple) and reduced[-1] is internals._class_setstate:
            set_state = _set_class_state if id(obj) in self._explicit else _set_new_class_state
            made: Any = reduced[:-1]
            make, arguments, (attributes, slots), *rest = made
            attributes["__qualname__"] = obj.__qualname__
            return (_make_class, (make, *arguments), (attributes, slots), *rest, set_state)
        return reduced

    def _source(self, filename: str) -> _Source | None:
        # One object a file, so that the pickle holds its text once.
        if filename not in self._sources and (source := _Source.of(filename)):
            self._sources[filename] = source
        return self._sources.get(filename)


@dataclass(frozen=True)
class _Source:
    """The text of a cell, so that tracebacks and ``inspect`` find it where its functions go."""

    filename: str
    text: str
    number: int | None

    @classmethod
    def of(cls, filename: str) -> _Source | None:
        cached = linecache.cache.get(filename)
        # Cells are cached without a modification time; files are read where the code goes.
        if cached is None or len(cached) == 1 or cached[1] is not None:
            return None
        return cls(filename, "".join(cached[2]), cell_numbers.get(filename))

    def register(self) -> None:
        if self.filename not in linecache.cache:
            lines = self.text.splitlines(keepends=True)
            linecache.cache[self.filename] = (len(self.text), None, lines, self.filename)
        if self.number is not None:
            cell_numbers.setdefault(self.filename, self.number)


# The notebook's numbers of cells, by the file name that their code objects carry. The shells of
# both sides point this to the mapping from which they render "Cell In[5]".
cell_numbers: dict[str, int] = {}


def use_cell_numbers(mapping: dict[str, int]) -> None:
    """Read and write the numbers of cells in ``mapping`` from now on."""
    global cell_numbers
    cell_numbers = mapping


def _make_function(
    code: types.CodeType,
    name: str,
    module: str,
    cells: tuple[types.CellType, ...] | None,
    source: _Source | None,
) -> types.FunctionType:
    if source is not None:
        source.register()
    function = types.FunctionType(code, home(), name, None, cells)
    function.__module__ = module
    return function


def _make_cell() -> types.CellType:
    return types.CellType()


def _set_function_state(
    function: types.FunctionType,
    state: tuple[
        dict[str, Any], dict[str, Any], list[tuple[types.CellType, Any]], list[types.ModuleType]
    ],
) -> None:
    attributes, namespace, contents, _ = state  # the modules are imported by now
    for name, value in attributes.items():
        setattr(function, name, value)
    function.__dict__.update(namespace)
    for cell, content in contents:
        cell.cell_contents = content


@dataclass(frozen=True)
class _Bound:
    """A value that is bound to its name in the receiver's namespace as soon as it is there.

    What is unpickled after it can use it: a class's ``__init_subclass__`` or an instance's
    ``__hash__`` runs while the rest still arrives.
    """

    name: str
    value: object

    def __reduce__(self) -> tuple[Any, ...]:
        return _bind, (self.name, self.value)


def _bind(name: str, value: object) -> object:
    home()[name] = value
    return value


def to_bind(values: Mapping[str, Any]) -> dict[str, Any]:
    """``values`` such that unpickling them binds each to its name in the receiver's namespace.

    What a value reads comes before it, as far as they don't read each other.
    """
    needs = {
        name: sorted(value_reads(value, home()) & values.keys()) for name, value in values.items()
    }
    ordered = in_order(sorted(values), needs.__getitem__)
    return {name: _Bound(name, values[name]) for name in ordered}


# Classes that a pickle has made in this process and not yet given their attributes.
_fresh_classes: weakref.WeakSet[type] = weakref.WeakSet()


def _make_class(make: Callable[..., type], *arguments: Any) -> type:
    tracker_id = arguments[-2]
    known = tracker_id in internals._DYNAMIC_CLASS_TRACKER_BY_ID
    cls = make(*arguments)
    if not known:
        _fresh_classes.add(cls)
    return cls


def _set_class_state(cls: type, state: Any) -> None:
    if cls in _fresh_classes:
        _fresh_classes.discard(cls)
    elif not issubclass(cls, enum.Enum):
        _delete_attributes(cls, state[0].keys())
    internals._class_setstate(cls, state)


def _delete_attributes(cls: type, kept: Iterable[str]) -> None:
    """Delete what was deleted from the class where it comes from."""
    for name in vars(cls).keys() - set(kept):
        own = name.startswith(("__", "_abc_"))
        if not own and not isinstance(vars(cls)[name], types.MemberDescriptorType):
            delattr(cls, name)


def _set_new_class_state(cls: type, state: Any) -> None:
    # cloudpickle sets the attributes of a class with each instance that arrives, which would put
    # back whatever was assigned to the class here (cloudpickle#439).
    if cls in _fresh_classes:
        _set_class_state(cls, state)


def _culprit(value: object, error: BaseException, depth: int = 8) -> tuple[str, str]:
    """The way from ``value`` to the smallest part that can't be pickled, and why it can't."""
    for step, part in parts_of(value) if depth else ():
        if type(part) in ATOMS:
            continue
        try:
            # Out of band, large buffers cost nothing.
            _Pickler(io.BytesIO(), lambda buffer: None, ()).dump(part)
        except Exception as part_error:
            path, why = _culprit(part, part_error, depth - 1)
            return step + path, why
    kind = type(value)
    name = kind.__qualname__ if kind.__module__ == "builtins" else _full_name(kind)
    return "", f"{name} can't be pickled ({type(error).__name__}: {_first_line(error)})"


def _full_name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"


def _first_line(error: BaseException) -> str:
    lines = str(error).splitlines()
    return lines[0] if lines else ""
