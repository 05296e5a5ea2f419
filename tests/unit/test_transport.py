"""Calls over a real socket: the token on each, and gRPC's errors as ours."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from farcell_runtime.errors import (
    AuthError,
    ConnectError,
    InternalError,
    PlacementError,
    SessionLost,
    UsageError,
)
from farcell_runtime.security import new_folder
from farcell_runtime.transport import farcell_pb2 as pb
from farcell_runtime.transport.client import HeadClient
from farcell_runtime.transport.farcell_pb2_grpc import HeadServicer, add_HeadServicer_to_server
from farcell_runtime.transport.server import Server, answer_with

ERRORS: dict[str, Exception] = {
    "usage": UsageError("no such thing", hint="take another"),
    "placement": PlacementError("no room", requested={}, available={}, hint="ask for less"),
    "fault": KeyError("ours"),
}


_cancelled = threading.Event()


class Parrot(HeadServicer):
    """A head that has nothing behind it."""

    def OpenGang(self, request: pb.GangRequest, context: Any) -> pb.Gang:  # noqa: N802
        if request.name in ERRORS:
            answer_with(context, ERRORS[request.name])
        if request.name == "late":
            context.add_callback(_cancelled.set)
            _cancelled.wait()
        return pb.Gang(name=request.name)

    def Watch(self, request: pb.WatchRequest, context: Any) -> Iterator[pb.HeadEvent]:  # noqa: N802
        for number in range(3):
            yield pb.HeadEvent(gang_changed=pb.Gang(epoch=number))


@pytest.fixture
def folder() -> Iterator[Path]:
    folder = new_folder()
    yield folder
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()


@pytest.fixture
def server(folder: Path) -> Iterator[Server]:
    server = Server(f"{folder}/s", "secret", lambda s: add_HeadServicer_to_server(Parrot(), s))
    yield server
    server.stop()


@pytest.fixture
def caller(server: Server) -> Iterator[HeadClient]:
    caller = HeadClient(server.address, "secret")
    yield caller
    caller.close()


def test_a_call_is_answered(caller: HeadClient) -> None:
    assert caller.open_gang(pb.GangRequest(name="x")).name == "x"


def test_a_stream_is_read_to_its_end(caller: HeadClient) -> None:
    events, _ = caller.watch("me")
    assert [event.gang_changed.epoch for event in events] == [0, 1, 2]


@pytest.mark.parametrize("token", ["", "wrong", "secret "])
def test_a_wrong_token_is_refused_on_calls_and_streams(server: Server, token: str) -> None:
    try:
        stranger = HeadClient(server.address, token)
        with pytest.raises(AuthError):
            stranger.open_gang(pb.GangRequest(name="x"))
        with pytest.raises(AuthError):
            list(stranger.watch("me")[0])
    finally:
        stranger.close()


@pytest.mark.parametrize(
    ("name", "kind"),
    [("usage", UsageError), ("placement", PlacementError), ("fault", InternalError)],
)
def test_an_error_arrives_as_its_own_kind(
    caller: HeadClient, name: str, kind: type[Exception]
) -> None:
    with pytest.raises(kind) as caught:
        caller.open_gang(pb.GangRequest(name=name))
    assert type(caught.value) is kind
    assert caught.value.__cause__ is None
    assert str(ERRORS[name]) in str(caught.value)


def test_a_server_that_is_gone_is_a_lost_session(folder: Path) -> None:
    caller = HeadClient(f"unix:{folder}/nobody", "secret")
    with pytest.raises(SessionLost):
        caller.open_gang(pb.GangRequest())
    caller.close()


def test_stops_at_any_moment_leave_the_connection_whole(caller: HeadClient) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        stopped = sum(_is_stopped(caller, after_s) for after_s in [0.00001 * n for n in range(300)])
    finally:
        signal.signal(signal.SIGINT, before)
    assert stopped > 20
    answers: SimpleQueue[pb.Gang] = SimpleQueue()
    threading.Thread(
        target=lambda: answers.put(caller.open_gang(pb.GangRequest(name="after"))), daemon=True
    ).start()
    assert answers.get(timeout=20).name == "after"


def _is_stopped(caller: HeadClient, after_s: float) -> bool:
    try:
        timer = threading.Timer(after_s, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        caller.open_gang(pb.GangRequest(name="one"))
        timer.join()
    except KeyboardInterrupt:
        return True
    return False


def test_a_stopped_call_is_cancelled(caller: HeadClient) -> None:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    try:
        with pytest.raises(KeyboardInterrupt):
            caller.open_gang(pb.GangRequest(name="late"))
    finally:
        signal.signal(signal.SIGINT, before)
    assert _cancelled.wait(20)


def test_a_closed_connection_says_so(caller: HeadClient) -> None:
    caller.close()
    with pytest.raises(ConnectError):
        caller.open_gang(pb.GangRequest())
