"""Every error farcell raises, and whose move it is.

    FarcellError                    .hint: what to do next
    ├─ UsageError(ValueError)       nothing was sent
    │  ├─ CaptureError              .name .type .why: a name that cannot travel
    │  ├─ SessionHeld               another process drives the session
    │  └─ PlacementError            .requested .available .holders
    ├─ RemoteError                  the user's code raised
    ├─ LostError
    │  ├─ WorkerLost                .rank .signal .exit_code .last_lines
    │  ├─ ObjectLost                a value whose only holder is gone
    │  └─ SessionLost               the head is gone
    │     └─ SessionTaken           another process drives the session now
    ├─ ConnectError(ConnectionError)
    │  ├─ AuthError
    │  └─ VersionMismatch           .theirs .ours .remedy
    ├─ RunTimeout(TimeoutError)
    ├─ ReloadError                  .file .line .source_line: the old code runs on
    └─ InternalError                ours: says what to report

Each message says what happened and to what; ``hint`` says what to do about it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

# What to do in a process that has as many files open as it may.
NO_DESCRIPTORS = "close files there, or raise the limit with resource.setrlimit"


class FarcellError(Exception):
    """Base of all errors of farcell's own. ``hint`` says what to do next."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n→ {self.hint}" if self.hint else self.message

    def __reduce__(self) -> tuple[object, ...]:
        # Keyword-only constructors do not survive Exception's own reduce.
        return (_restore, (type(self), self.args, self.__dict__.copy()))


def _restore(
    cls: type[FarcellError], args: tuple[object, ...], state: dict[str, object]
) -> FarcellError:
    error = cls.__new__(cls)
    error.args = args
    error.__dict__.update(state)
    return error


class UsageError(FarcellError, ValueError):
    """What was asked for cannot be done as asked; nothing was sent or changed."""


class CaptureError(UsageError):
    """A name that a cell reads cannot travel to where the cell would run."""

    def __init__(self, name: str, type_name: str, why: str, *, hint: str = "") -> None:
        super().__init__(
            f"'{name}' ({type_name}) can't be sent: {why}",
            hint=hint or f"create '{name}' in a %%remote cell, or run this cell with --local",
        )
        self.name = name
        self.type = type_name
        self.why = why


class SessionHeld(UsageError):
    """A session that another living process drives; nothing was taken from it."""


class PlacementError(UsageError):
    """A gang that cannot be placed on what the cluster has."""

    def __init__(
        self,
        message: str,
        *,
        requested: Mapping[str, float],
        available: Mapping[str, float],
        holders: Sequence[str] = (),
        hint: str = "",
    ) -> None:
        super().__init__(message, hint=hint)
        self.requested = dict(requested)
        self.available = dict(available)
        self.holders = tuple(holders)


class RemoteError(FarcellError):
    """The user's code raised on a worker.

    It is the cause of the exception that is re-raised under its own type, and stands for that
    exception where it could not be pickled or its type cannot be imported here.
    """

    def __init__(
        self,
        message: str,
        *,
        type_name: str = "",
        traceback: str = "",
        gang: str = "",
        rank: int | None = None,
        why: str = "",
        hint: str = "",
    ) -> None:
        super().__init__(message, hint=hint)
        self.type_name = type_name
        self.traceback = traceback
        self.gang = gang
        self.rank = rank
        self.why = why


class LostError(FarcellError):
    """Something the cluster held is gone."""


class WorkerLost(LostError):
    """A worker process ended while it was needed."""

    def __init__(
        self,
        message: str,
        *,
        gang: str = "",
        rank: int = 0,
        exit_code: int | None = None,
        signal: str = "",
        out_of_memory: bool = False,
        last_lines: Sequence[str] = (),
        hint: str = "",
    ) -> None:
        super().__init__(message, hint=hint)
        self.gang = gang
        self.rank = rank
        self.exit_code = exit_code
        self.signal = signal
        self.out_of_memory = out_of_memory
        self.last_lines = tuple(last_lines)


class ObjectLost(LostError):
    """A value whose only holder is gone."""


class SessionLost(LostError):
    """The head is gone, and with it the session."""


class SessionTaken(SessionLost):
    """The session goes on, and another process has taken it from this one."""


class ConnectError(FarcellError, ConnectionError):
    """A process of the cluster could not be reached."""


class AuthError(ConnectError):
    """The other side refused the token or the user id."""


class VersionMismatch(ConnectError):
    """Two processes of the cluster differ in a version that matters."""

    def __init__(self, message: str, *, theirs: str, ours: str, remedy: str) -> None:
        super().__init__(message, hint=remedy)
        self.theirs = theirs
        self.ours = ours
        self.remedy = remedy


class RunTimeout(FarcellError, TimeoutError):
    """A run took longer than its ``--timeout`` and was interrupted."""


class ReloadError(FarcellError):
    """An edit of a module that can't be taken; the code from before it runs on."""

    def __init__(
        self, message: str, *, file: str = "", line: int = 0, source_line: str = "", hint: str = ""
    ) -> None:
        super().__init__(message, hint=hint)
        self.file = file
        self.line = line
        self.source_line = source_line


class InternalError(FarcellError):
    """A fault of farcell's own."""

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(
            message,
            hint=hint
            or "this is a fault in farcell: report it with the output of `farcell doctor`",
        )
