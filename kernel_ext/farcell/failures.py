"""A remote failure, raised in the notebook under its own type and shown as the worker showed it."""

from __future__ import annotations

import contextlib
import sys
import weakref
from collections.abc import Callable, Iterator
from typing import Any

from farcell_runtime.errors import FarcellError, RemoteError
from farcell_runtime.executor.failure import restore
from farcell_runtime.transport import farcell_pb2 as pb

_RENDERED = "__farcell_traceback__"


def to_raise(failure: pb.Failure, *, gang: str, rank: int | None) -> BaseException:
    """The exception that stands for ``failure`` here: of its own type where that is possible."""
    remote = RemoteError(
        f"{failure.type_name}: {failure.message}",
        type_name=failure.type_name,
        traceback="\n".join(failure.traceback),
        gang=gang,
        rank=rank,
        why=failure.why_not_pickled,
    )
    error: BaseException = remote
    if failure.pickled:
        try:
            error = restore(failure.pickled)
        except Exception as fault:
            remote.why = f"it can't be rebuilt here: {type(fault).__name__}: {fault}"
    if error is remote:
        remote.hint = f"the exception itself could not come: {remote.why}"
    else:
        _innermost(error).__cause__ = remote
    mark(error, list(failure.traceback))
    return error


def mark(error: BaseException, lines: list[str]) -> None:
    """Have ``error`` shown as ``lines``; as nothing, if there are none."""
    try:
        setattr(error, _RENDERED, lines)
    except AttributeError:  # an exception with slots is shown as Python shows it
        return


def is_remote(error: BaseException | None) -> bool:
    """Whether ``error`` came from a worker, and was rendered there."""
    return hasattr(error, _RENDERED)


def _innermost(error: BaseException) -> BaseException:
    seen = {id(error)}
    while True:
        deeper = error.__cause__ or error.__context__
        if deeper is None or id(deeper) in seen:
            return error
        seen.add(id(deeper))
        error = deeper


class TracebackHook:
    """Shows remote failures as the worker's shell rendered them, in place of frames of farcell's.

    ``_render_traceback_``, which IPython asks exceptions for, is not asked of syntax errors, exits
    and exception groups; and a failure that the worker's output shows already must show nothing.
    """

    def __init__(self, shell: Any, before: Callable[[], None]) -> None:
        """``before`` is called before a traceback is shown: that is the last of a cell's output."""
        self._shell: Any = weakref.proxy(shell)
        self._before = before
        self._original: Callable[..., Any] | None = None

    def install(self) -> None:
        self._original = self._shell.showtraceback
        self._shell.showtraceback = self._show

    def uninstall(self) -> None:
        if self._original is not None:
            del self._shell.showtraceback
            self._original = None

    def _show(self, exc_tuple: Any = None, *args: Any, **kwargs: Any) -> None:
        assert self._original is not None
        self._before()
        if exc_tuple is None or len(exc_tuple) < 2:
            exc_tuple = sys.exc_info()
        kind, error = exc_tuple[:2]
        if isinstance(error, FarcellError) and not is_remote(error):
            # What happened, to what, and what to do next: where in farcell says nothing more.
            mark(error, self._shell.InteractiveTB.get_exception_only(kind, error))
        if not is_remote(error):
            self._original(exc_tuple, *args, **kwargs)
            return
        sys.last_type, sys.last_value = kind, error
        sys.last_traceback = None
        lines = getattr(error, _RENDERED)
        if lines:
            self._shell._showtraceback(kind, error, lines)


def show(shell: Any, error: BaseException) -> None:
    """Show an error in the cell that this thread speaks for, and have nobody debug it."""
    lines = getattr(error, _RENDERED, None)
    if lines is None:
        lines = shell.InteractiveTB.get_exception_only(type(error), error)
    shell._showtraceback(type(error), error, lines)


@contextlib.contextmanager
def errors_shown() -> Iterator[None]:
    """IPython prints a traceback for whatever its event callbacks raise; ours is one line."""
    try:
        yield
    except FarcellError as error:
        print(f"farcell: {error}", file=sys.stderr)
