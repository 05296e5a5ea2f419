"""The WebSocket that feeds the panel: real server, real head, no browser."""

from __future__ import annotations

import contextlib
import json
import uuid
from collections.abc import Callable, Iterator
from typing import Any
from urllib.request import urlopen

import pytest

from farcell_runtime.config import Config
from farcell_runtime.messages import Shape
from farcell_runtime.session import Session
from tests.browser.lab import Server

websocket = pytest.importorskip("websocket", reason="comes with jupyter-server")

pytestmark = pytest.mark.slow

PATIENCE_S = 60


class Panel:
    """What the panel's own connection does, in Python."""

    def __init__(self, server: Server, kernel: str, **options: Any) -> None:
        url = f"{server.url.replace('http', 'ws', 1)}farcell/kernels/{kernel}"
        options.setdefault("header", [f"Authorization: token {server.token}"])
        self._socket = websocket.create_connection(url, timeout=PATIENCE_S, **options)
        self._requests = 0

    def next(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(self._socket.recv())
        return message

    def until(self, wanted: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        while not wanted(message := self.next()):
            pass
        return message

    def until_gang(self, wanted: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """The next snapshot with a gang that is ``wanted``: that gang."""
        found: list[dict[str, Any]] = []

        def has(message: dict[str, Any]) -> bool:
            gangs = message.get("snapshot", {}).get("gangs", [])
            found[:] = [gang for gang in gangs if wanted(gang)]
            return bool(found)

        self.until(has)
        return found[0]

    def send(self, **command: object) -> None:
        self._requests += 1
        self._socket.send(json.dumps({**command, "request": self._requests}))

    def ask(self, **command: object) -> str:
        """The error that the command is answered with; empty if it was done."""
        self.send(**command)
        reply = self.until(lambda message: message["type"] == "reply")
        assert reply["request"] == self._requests
        return str(reply["error"])

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def kernel(server: Server, monkeypatch: pytest.MonkeyPatch) -> str:
    """The id of a kernel of that server's; sessions started for it lie where the server looks."""
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(server.runtime_folder))
    return str(uuid.uuid4())


@pytest.fixture
def panel(server: Server, kernel: str) -> Iterator[Panel]:
    panel = Panel(server, kernel)
    yield panel
    panel.close()


@contextlib.contextmanager
def session_of(kernel: str) -> Iterator[Session]:
    session = Session.start(f"kernel-{kernel}", Config(idle_stop_s=60))
    yield session
    session.stop("the test is over")


def test_a_stranger_is_refused(server: Server, kernel: str) -> None:
    for header in ([], ["Authorization: token wrong"]):
        with pytest.raises(websocket.WebSocketBadStatusException, match="403"):
            Panel(server, kernel, header=header)


def test_another_site_is_refused(server: Server, kernel: str) -> None:
    """A page of another site has the browser's login cookie, but not the token."""
    with urlopen(f"{server.url}api/status?token={server.token}") as response:
        cookie = response.headers["Set-Cookie"].partition(";")[0]
    Panel(server, kernel, header=[], cookie=cookie).close()
    with pytest.raises(websocket.WebSocketBadStatusException, match="403"):
        Panel(server, kernel, header=[], cookie=cookie, origin="https://elsewhere.example")


def test_a_path_is_no_kernel(server: Server) -> None:
    with pytest.raises(websocket.WebSocketBadStatusException, match="404"):
        Panel(server, "..%2F..%2Fetc")


def test_snapshots_follow_the_session(panel: Panel, kernel: str) -> None:
    assert panel.next()["type"] == "absent"
    with session_of(kernel) as session:
        session.gang(Shape(ranks=2))
        gang = panel.until_gang(lambda gang: gang["name"] == "ranks=2" and gang["state"] == "ready")
        assert [member["rank"] for member in gang["members"]] == [0, 1]
        assert all(int(member["pid"]) > 0 for member in gang["members"])
    panel.until(lambda message: message["type"] == "absent")
    with session_of(kernel):
        panel.until(lambda message: message["type"] == "snapshot")


def test_the_panel_restarts_a_gang(panel: Panel, kernel: str) -> None:
    with session_of(kernel) as session:
        before = session.gang(Shape())
        panel.until_gang(lambda gang: gang["state"] == "ready")
        assert panel.ask(command="restart_gang", gang=before.name) == ""
        after = panel.until_gang(
            lambda gang: gang["state"] == "ready" and int(gang["epoch"]) > before.epoch
        )
        assert int(after["members"][0]["pid"]) != before.members[0].pid


def test_the_panel_stops_the_cluster(panel: Panel, kernel: str) -> None:
    with session_of(kernel):
        panel.until(lambda message: message["type"] == "snapshot")
        panel.send(command="stop")
        absent = panel.until(lambda message: message["type"] == "absent")
        assert "stopped from the panel" in absent["reason"]


def test_what_cannot_be_done_is_answered(panel: Panel, kernel: str) -> None:
    assert "no cluster" in panel.ask(command="stop")
    with session_of(kernel):
        panel.until(lambda message: message["type"] == "snapshot")
        assert "no-such" in panel.ask(command="restart_gang", gang="no-such")
        assert "unknown" in panel.ask(command="explode")
        assert panel.ask(command="restart_gang", gang=7) != ""
