"""gRPC's errors, as ours: no ``grpc.RpcError`` passes beyond this package."""

from __future__ import annotations

import grpc

from farcell_runtime.errors import (
    AuthError,
    ConnectError,
    FarcellError,
    InternalError,
    LostError,
    PlacementError,
    RunTimeout,
    SessionHeld,
    SessionLost,
    SessionTaken,
    UsageError,
    WorkerLost,
)

_HINT_GONE = "start a new one with %cluster start"


def from_rpc(error: grpc.RpcError, peer: str) -> FarcellError:
    """The error of ours that stands for ``error``, which came from a call to ``peer``."""
    code = error.code() if isinstance(error, grpc.Call) else grpc.StatusCode.UNKNOWN
    details = (error.details() if isinstance(error, grpc.Call) else str(error)) or str(code)
    match code:
        case grpc.StatusCode.UNAUTHENTICATED | grpc.StatusCode.PERMISSION_DENIED:
            return AuthError(
                f"{peer} refused this process: {details}",
                hint="the session file may be another session's: restart the kernel",
            )
        case grpc.StatusCode.UNAVAILABLE:
            return SessionLost(f"{peer} is gone", hint=_HINT_GONE)
        case grpc.StatusCode.ABORTED:
            message, _, hint = details.partition("\n→ ")
            return SessionTaken(message, hint=hint)
        case grpc.StatusCode.CANCELLED:
            return ConnectError(f"the connection to {peer} ended: {details}", hint=_HINT_GONE)
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            return RunTimeout(f"{peer} did not answer in time")
        case grpc.StatusCode.RESOURCE_EXHAUSTED:
            return PlacementError(details, requested={}, available={})
        case grpc.StatusCode.FAILED_PRECONDITION:
            message, _, hint = details.partition("\n→ ")
            return WorkerLost(message, hint=hint)
        case grpc.StatusCode.ALREADY_EXISTS:
            message, _, hint = details.partition("\n→ ")
            return SessionHeld(message, hint=hint)
        case grpc.StatusCode.INVALID_ARGUMENT | grpc.StatusCode.NOT_FOUND:
            message, _, hint = details.partition("\n→ ")
            return UsageError(message, hint=hint)
        case _:
            return InternalError(f"{peer} failed: {details}")


def status_of(error: BaseException) -> tuple[grpc.StatusCode, str]:
    """What a server answers with when a call ended with ``error``: the reverse of ``from_rpc``."""
    match error:
        case PlacementError():
            return grpc.StatusCode.RESOURCE_EXHAUSTED, str(error)
        case SessionHeld():
            return grpc.StatusCode.ALREADY_EXISTS, str(error)
        case UsageError():
            return grpc.StatusCode.INVALID_ARGUMENT, str(error)
        case SessionTaken():
            return grpc.StatusCode.ABORTED, str(error)
        case SessionLost():
            return grpc.StatusCode.UNAVAILABLE, str(error)
        case LostError():
            return grpc.StatusCode.FAILED_PRECONDITION, str(error)
        case AuthError():
            return grpc.StatusCode.UNAUTHENTICATED, str(error)
        case _:
            return grpc.StatusCode.INTERNAL, f"{type(error).__name__}: {error}"
