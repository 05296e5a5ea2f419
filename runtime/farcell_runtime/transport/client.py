"""Calls to a head, with the token on each and gRPC's errors turned into ours."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import grpc

from farcell_runtime.errors import ConnectError
from farcell_runtime.transport import farcell_pb2 as pb
from farcell_runtime.transport.farcell_pb2_grpc import HeadStub
from farcell_runtime.transport.faults import from_rpc
from farcell_runtime.transport.server import CHANNEL_OPTIONS, TENURE_KEY, TOKEN_KEY

_PEER = "the head"
_ANSWER_S = 10.0  # of calls that the head answers at once, if it is well


class HeadClient:
    """Calls to the head, one method a call; see ``farcell.proto`` for their meaning."""

    def __init__(self, address: str, token: str) -> None:
        self.address = address
        self._metadata: tuple[tuple[str, str], ...] = ((TOKEN_KEY, token),)
        self._channel = grpc.insecure_channel(
            address, options=[*CHANNEL_OPTIONS, ("grpc.use_local_subchannel_pool", 1)]
        )
        self._stub = HeadStub(self._channel)

    def close(self) -> None:
        self._channel.close()

    def speak_as(self, tenure: int) -> None:
        """Speak as the driver of that tenure: heard for as long as that is the latest."""
        self._metadata = (self._metadata[0], (TENURE_KEY, str(tenure)))

    def _call(self, method: Any, request: object, *, timeout_s: float | None = None) -> Any:
        try:
            options = {"metadata": self._metadata, "timeout": timeout_s}
            if threading.current_thread() is threading.main_thread():
                return _apart(lambda: method.future(request, **options))
            return method(request, **options)
        except grpc.RpcError as error:
            raise from_rpc(error, _PEER) from None
        except ValueError as error:  # gRPC's word for a channel that was closed
            raise ConnectError(f"the connection to {_PEER} was closed") from error

    def _stream(self, responses: Any) -> Iterator[Any]:
        try:
            yield from responses
        except grpc.RpcError as error:
            raise from_rpc(error, _PEER) from None

    def watch(
        self,
        watcher: str,
        *,
        snapshots: bool = False,
        driver: pb.Driver | None = None,
        take: bool = False,
    ) -> tuple[Iterator[pb.HeadEvent], Callable[[], None]]:
        """The stream of events, and the function that ends it.

        Args:
            driver: which process is to drive the session from now on.
            take: whether it takes the session from another that drives it.
        """
        request = pb.WatchRequest(
            watcher=watcher,
            driver=driver is not None,
            snapshots=snapshots,
            process=driver,
            take=take,
        )
        responses = self._stub.Watch(request, metadata=self._metadata)
        return self._stream(responses), responses.cancel

    def open_gang(self, request: pb.GangRequest) -> pb.Gang:
        gang: pb.Gang = self._call(self._stub.OpenGang, request)
        return gang

    def close_gang(self, name: str) -> None:
        self._call(self._stub.CloseGang, pb.GangName(name=name))

    def restart_gang(self, name: str) -> pb.Gang:
        gang: pb.Gang = self._call(self._stub.RestartGang, pb.GangName(name=name))
        return gang

    def interrupt(self, gang: str, run: str) -> None:
        request = pb.InterruptRequest(gang=gang, run=run)
        self._call(self._stub.Interrupt, request, timeout_s=_ANSWER_S)

    def scale(self, workers: int) -> None:
        self._call(self._stub.Scale, pb.ScaleRequest(workers=workers))

    def snapshot(self, *, timeout_s: float = _ANSWER_S) -> pb.Snapshot:
        snapshot: pb.Snapshot = self._call(self._stub.GetSnapshot, pb.Empty(), timeout_s=timeout_s)
        return snapshot

    def report_run(self, report: pb.RunReport) -> None:
        self._call(self._stub.ReportRun, report, timeout_s=_ANSWER_S)

    def detach(self) -> None:
        self._call(self._stub.Detach, pb.Empty(), timeout_s=_ANSWER_S)

    def stop(self, reason: str) -> None:
        self._call(self._stub.Stop, pb.StopRequest(reason=reason), timeout_s=_ANSWER_S)


def _apart(start: Callable[[], Any]) -> Any:
    """The result of the call that ``start`` begins, on a thread that no stop strikes.

    A ``KeyboardInterrupt`` within gRPC can leave a lock of the channel taken: no call would be
    answered any more.
    """
    answer: Future[Any] = Future()
    calls: list[Any] = []
    stopped = threading.Event()

    def ask() -> None:
        try:
            calls.append(start())
            if stopped.is_set():
                calls[0].cancel()
            answer.set_result(calls[0].result())
        except BaseException as error:
            answer.set_exception(error)

    threading.Thread(target=ask, name="farcell-call", daemon=True).start()
    try:
        return answer.result()
    except KeyboardInterrupt:
        stopped.set()
        for call in calls:
            threading.Thread(target=call.cancel, name="farcell-call", daemon=True).start()
        raise
