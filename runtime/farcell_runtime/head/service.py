"""The head's gRPC service: each call becomes an event, and waits for its answer."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import CancelledError, Future
from typing import Any

from farcell_runtime.errors import FarcellError, SessionTaken
from farcell_runtime.events import (
    DriverAttached,
    DriverDetached,
    Gang,
    GangClosed,
    GangRequested,
    InterruptRequested,
    Request,
    RestartRequested,
    RunReported,
    ScaleRequested,
    StopRequested,
)
from farcell_runtime.head.head import Head, Watcher
from farcell_runtime.head.views import driver_of, gang_message, record_of, shape_of
from farcell_runtime.transport import farcell_pb2 as pb
from farcell_runtime.transport.farcell_pb2_grpc import HeadServicer, add_HeadServicer_to_server
from farcell_runtime.transport.server import TENURE_KEY, Server, answer_with

# Each watcher and each call that waits for a gang holds a thread.
_THREADS = 64


def serve(head: Head, path: str, token: str) -> Server:
    """Answer calls to ``head`` on the unix socket at ``path``."""
    service = _Service(head)
    return Server(
        path, token, lambda server: add_HeadServicer_to_server(service, server), threads=_THREADS
    )


class _Service(HeadServicer):
    """``context`` is gRPC's `ServicerContext` throughout."""

    def __init__(self, head: Head) -> None:
        self._head = head

    def Watch(self, request: pb.WatchRequest, context: Any) -> Iterator[pb.HeadEvent]:  # noqa: N802
        watcher = Watcher(request.watcher, driver=request.driver, snapshots=request.snapshots)
        key = self._head.watch(watcher)
        if not context.add_callback(lambda: self._head.unwatch(key)):
            self._head.unwatch(key)  # the call had ended before
            return
        if request.driver:
            driver = driver_of(key, request.process, time.time())
            self._ask(DriverAttached(driver, request.take), context)
            if not context.is_active():
                self._head.post(DriverDetached(key))  # once more: the first may have come before
        yield from iter(watcher.events.get, None)

    def OpenGang(self, request: pb.GangRequest, context: Any) -> pb.Gang:  # noqa: N802
        return _gang(self._ask(GangRequested(shape_of(request)), context))

    def RestartGang(self, request: pb.GangName, context: Any) -> pb.Gang:  # noqa: N802
        return _gang(self._ask(RestartRequested(request.name), context))

    def CloseGang(self, request: pb.GangName, context: Any) -> pb.Empty:  # noqa: N802
        self._ask(GangClosed(request.name), context)
        return pb.Empty()

    def Interrupt(self, request: pb.InterruptRequest, context: Any) -> pb.Empty:  # noqa: N802
        self._ask(InterruptRequested(request.gang, request.run), context)
        return pb.Empty()

    def Scale(self, request: pb.ScaleRequest, context: Any) -> pb.Empty:  # noqa: N802
        self._ask(ScaleRequested(request.workers), context)
        return pb.Empty()

    def GetSnapshot(self, request: pb.Empty, context: Any) -> pb.Snapshot:  # noqa: N802
        return self._head.snapshot()

    def ReportRun(self, request: pb.RunReport, context: Any) -> pb.Empty:  # noqa: N802
        self._head.post(RunReported(record_of(request)))
        return pb.Empty()

    def Stop(self, request: pb.StopRequest, context: Any) -> pb.Empty:  # noqa: N802
        self._ask(StopRequested(request.reason), context)
        return pb.Empty()

    def Detach(self, request: pb.Empty, context: Any) -> pb.Empty:  # noqa: N802
        self._ask(DriverDetached(self._head.driver, left=True), context)
        return pb.Empty()

    def _check_tenure(self, context: Any) -> None:
        """Refuse a driver that has lost the session to another, and may not know of it yet."""
        tenure = dict(context.invocation_metadata()).get(TENURE_KEY)
        if tenure is not None and int(tenure) != self._head.tenure:
            answer_with(context, SessionTaken("another process has taken the session over"))

    def _ask(self, event: Request, context: Any) -> Gang | None:
        self._check_tenure(context)
        answer: Future[Gang | None] = self._head.ask(event)
        # Frees this thread if the caller gives up.
        context.add_callback(answer.cancel)
        try:
            return answer.result()
        except (FarcellError, CancelledError) as error:
            answer_with(context, error)  # raises
            raise
        except Exception as error:
            answer_with(context, error)
            raise


def _gang(gang: Gang | None) -> pb.Gang:
    assert gang is not None
    return gang_message(gang)
