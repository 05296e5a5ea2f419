"""An exception on its way to another process: its rendered traceback, and itself if it can go."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from farcell_runtime import codec
from farcell_runtime.errors import RemoteError
from farcell_runtime.reducers import exception_parts

_LARGEST_BYTES = 16 << 20
_LONGEST_CHAIN = 100


@dataclass(frozen=True, slots=True)
class Failure:
    """What a failed cell raised.

    Attributes:
        type_name: the qualified name of its type.
        lines: the traceback as the worker's shell rendered it.
        pickled: the exception and those it is chained to (see ``restore``); empty if it can't
            be pickled.
        why_not_pickled: the reason, if so.
    """

    type_name: str
    message: str
    lines: tuple[str, ...]
    pickled: bytes = b""
    why_not_pickled: str = ""

    @classmethod
    def of(cls, error: BaseException, lines: list[str]) -> Failure:
        kind = type(error)
        name = kind.__qualname__ if kind.__module__ == "builtins" else _full_name(kind)
        try:
            pickled, why = _pickle_chain(error), ""
        except codec.CannotPickle as refused:
            pickled, why = b"", str(refused)
        return cls(name, _message(error), tuple(lines), pickled, why)


def restore(pickled: bytes) -> BaseException:
    """The exception that ``Failure.of`` pickled, chained as it was.

    Raises:
        Exception: whatever its unpickling raises, such as ``ImportError`` for a type that this
            process does not have.
    """
    records: list[_Record] = codec.load(pickled)
    errors = [_rebuilt(record) for record in records]
    links = {
        id(part): record.links[place]
        for record, error in zip(records, errors, strict=True)
        for place, part in enumerate(_with_members(error))
    }
    for error in errors:
        for part in _with_members(error):
            cause, context, suppress = links[id(part)]
            if context >= 0:
                part.__context__ = errors[context]
            if cause >= 0:
                part.__cause__ = errors[cause]
            part.__suppress_context__ = suppress
    return errors[0]


_Link = tuple[int, int, bool]  # the places of cause and context in the chain, -1 for none


@dataclass(frozen=True, slots=True)
class _Record:
    """One exception of a chain.

    Attributes:
        data: its pickle; of a group what it is besides its members.
        members: the pickles of a group's members, or their own records if they are groups.
        links: of the exception, and of all that are in it if it is a group.
    """

    data: bytes
    members: tuple[bytes | _Record, ...]
    links: tuple[_Link, ...]


def _rebuilt(record: _Record) -> BaseException:
    if not record.members:
        error: BaseException = codec.load(record.data)
        return error
    members = [
        codec.load(part) if isinstance(part, bytes) else _rebuilt(part) for part in record.members
    ]
    kind, message, attributes = codec.load(record.data)
    group: BaseException = BaseExceptionGroup.__new__(kind, message, members)
    vars(group).update(attributes)
    return group


def _with_members(error: BaseException) -> Iterator[BaseException]:
    """The exception, and what is in it if it is a group, outer ones first."""
    yield error
    if isinstance(error, BaseExceptionGroup):
        for member in error.exceptions:
            yield from _with_members(member)


def _pickle_chain(first: BaseException) -> bytes:
    chain: list[BaseException] = []
    _collect(first, chain)
    index = {id(error): place for place, error in enumerate(chain)}
    records = [_record(error, index, required=error is first) for error in chain]
    return bytes(codec.dump(records).data)


def _collect(error: BaseException | None, chain: list[BaseException]) -> None:
    while error is not None and all(error is not known for known in chain):
        if len(chain) == _LONGEST_CHAIN:
            return
        chain.append(error)
        for part in _with_members(error):
            _collect(part.__cause__, chain)
            if part is not error:
                _collect(part.__context__, chain)
        error = error.__context__


def _record(error: BaseException, index: dict[int, int], *, required: bool) -> _Record:
    links = tuple(
        (
            index.get(id(part.__cause__), -1),
            index.get(id(part.__context__), -1),
            part.__suppress_context__,
        )
        for part in _with_members(error)
    )
    if not isinstance(error, BaseExceptionGroup):
        return _Record(_pickle_one(error, required=required), (), links)
    try:
        data = codec.dump_whole((type(error), error.message, vars(error)))
    except codec.CannotPickle:
        if required:
            raise
        return _Record(_stand_in(error, "its attributes can't be pickled"), (), links[:1])
    members = tuple(
        _record(member, index, required=False)
        if isinstance(member, BaseExceptionGroup)
        else _pickle_one(member, required=False)
        for member in error.exceptions
    )
    return _Record(data, members, links)


def _pickle_one(error: BaseException, *, required: bool) -> bytes:
    says = _message(error)
    # As it pickles itself; without its __init__, which may want other arguments than it keeps; and
    # if it only says something else then, as urllib3's do that hold a connection, without that.
    forms: list[object] = [error, _Bare(error, least=False)]
    why = codec.CannotPickle("", "it can't be pickled")
    for form in forms:
        try:
            data = codec.dump_whole(form)
            if _message(_loaded(error, data)) == says:
                return data
            if form is error:
                forms.append(_Bare(error, least=True))
        except codec.CannotPickle as refused:
            why = refused
    if required:
        raise why
    return _stand_in(error, str(why))


def _stand_in(error: BaseException, why: str) -> bytes:
    name = _full_name(type(error))
    return codec.dump_whole(RemoteError(_message(error), type_name=name, why=why))


class _Bare:
    """Pickles as what an exception consists of: its type, its ``args`` and its attributes.

    With ``least``, of the arguments that can't travel only their text goes, and of such attributes
    nothing.
    """

    def __init__(self, error: BaseException, *, least: bool) -> None:
        self._error = error
        self._least = least

    def __reduce__(self) -> tuple[Any, ...]:
        make, (kind, builtin, args), (attributes, fields), *rest = exception_parts(self._error)
        if self._least:
            args = tuple(arg if _travels(arg) else str(arg) for arg in args)
            attributes = {name: part for name, part in attributes.items() if _travels(part)}
        return make, (kind, builtin, args), (attributes, fields), *rest


def _travels(part: object) -> bool:
    try:
        data = codec.dump_whole(part)
    except codec.CannotPickle:
        return False
    try:
        # Another exception may pickle, and say something else where it arrives.
        return not isinstance(part, BaseException) or str(codec.load(data)) == str(part)
    except Exception:  # whatever its own code raises: then it does not travel
        return False


def _loaded(error: BaseException, data: bytes) -> BaseException:
    """What becomes of ``error`` elsewhere."""
    if len(data) > _LARGEST_BYTES:
        raise codec.CannotPickle("", f"it holds {len(data):,} bytes")
    try:
        copy: BaseException = codec.load(data)
    except Exception as fault:
        raise codec.CannotPickle("", f"it can't be unpickled ({fault})") from fault
    if type(copy) is not type(error):
        raise codec.CannotPickle("", "it unpickles as another type")
    return copy


def _message(error: BaseException) -> str:
    try:
        return str(error)
    except Exception as fault:
        return f"<its __str__ raised {type(fault).__name__}: {fault}>"


def _full_name(kind: type) -> str:
    return f"{kind.__module__}.{kind.__qualname__}"
