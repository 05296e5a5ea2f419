"""A gRPC server on a unix socket that answers its own user's processes only."""

from __future__ import annotations

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

from farcell_runtime.errors import FarcellError
from farcell_runtime.security import foreign_peers, same_token
from farcell_runtime.transport.faults import status_of

TOKEN_KEY = "farcell-token"
TENURE_KEY = "farcell-tenure"
log = logging.getLogger(__name__)

CHANNEL_OPTIONS: list[tuple[str, int]] = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    ("grpc.enable_http_proxy", 0),
]


class _Doorkeeper(grpc.ServerInterceptor):  # type: ignore[type-arg]
    """Refuses a call, before a byte of it is read, unless its peer and its token are right."""

    def __init__(self, path: str, token: str) -> None:
        self._path = path
        self._token = token

        def refuse(request: object, context: grpc.ServicerContext) -> object:
            context.abort(grpc.StatusCode.UNAUTHENTICATED, "wrong token or user")

        self._refusals = {
            (False, False): grpc.unary_unary_rpc_method_handler(refuse),
            (False, True): grpc.unary_stream_rpc_method_handler(refuse),
            (True, False): grpc.stream_unary_rpc_method_handler(refuse),
            (True, True): grpc.stream_stream_rpc_method_handler(refuse),
        }

    def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
        details = handler_call_details
        handler = continuation(details)
        if handler is None:
            return None
        token = dict(details.invocation_metadata).get(TOKEN_KEY, "")
        if isinstance(token, bytes):
            token = token.decode(errors="replace")
        if same_token(token, self._token) and not foreign_peers(self._path):
            return handler
        log.warning("refused a call to %s", details.method)
        return self._refusals[handler.request_streaming, handler.response_streaming]


class Server:
    """Serves what ``register`` adds to it, on ``unix:<path>``, until ``stop``."""

    def __init__(
        self,
        path: str,
        token: str,
        register: Callable[[grpc.Server], None],
        *,
        threads: int = 8,
    ) -> None:
        self.address = f"unix:{path}"
        self._server = grpc.server(
            ThreadPoolExecutor(threads, thread_name_prefix="farcell-rpc"),
            interceptors=[_Doorkeeper(path, token)],
            options=CHANNEL_OPTIONS,
        )
        register(self._server)
        self._server.add_insecure_port(self.address)
        self._server.start()

    def stop(self, grace_s: float = 0.2) -> None:
        """Refuse new calls, and end those in flight after ``grace_s`` seconds."""
        self._server.stop(grace_s).wait(grace_s + 1)


def answer_with(context: grpc.ServicerContext, error: BaseException) -> None:
    """End the call with the status that stands for ``error``."""
    if not isinstance(error, FarcellError):
        log.exception("a call failed", exc_info=error)
    code, details = status_of(error)
    context.abort(code, details)
