"""The WebSocket between the panel in the browser and the head of one kernel's session."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

from google.protobuf.json_format import MessageToDict
from jupyter_core.paths import jupyter_runtime_dir
from jupyter_core.utils import ensure_async
from jupyter_server.auth.decorator import ws_authenticated
from jupyter_server.base.handlers import JupyterHandler
from jupyter_server.base.websocket import WebSocketMixin
from tornado.web import HTTPError
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from farcell_lab.feed import Feed
from farcell_runtime.errors import FarcellError, UsageError
from farcell_runtime.transport import farcell_pb2 as pb
from farcell_runtime.transport.client import HeadClient

_SHORTEST_INTERVAL_S = 0.5
_LONGEST_MESSAGE_BYTES = 64 * 1024


class PanelSocket(WebSocketMixin, WebSocketHandler, JupyterHandler):  # pyright: ignore[reportIncompatibleMethodOverride]
    """Sends snapshots, at most two a second and only those that differ; obeys the panel's commands.

    Who may run code in this server's kernels may use it, and nobody else.
    """

    @property
    def max_message_size(self) -> int:
        return _LONGEST_MESSAGE_BYTES

    @ws_authenticated
    async def get(self, *args: Any, **kwargs: Any) -> None:
        allowed = self.authorizer.is_authorized(self, self.current_user, "execute", "kernels")
        if not await ensure_async(allowed):
            raise HTTPError(403)
        await super().get(*args, **kwargs)

    def open(self, kernel_id: str) -> None:
        super().open(kernel_id)
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()
        self._news: dict[str, Any] | None = None
        self._stirred = asyncio.Event()
        self._run(self._send_news())
        self._feed = Feed(
            f"kernel-{kernel_id}",
            Path(jupyter_runtime_dir()),
            snapshot=lambda snapshot: self._soon(as_message(snapshot)),
            absent=lambda reason: self._soon({"type": "absent", "reason": reason}),
        )

    def on_close(self) -> None:
        super().on_close()
        if hasattr(self, "_feed"):
            self._feed.close()
            for task in self._tasks:
                task.cancel()

    def on_message(self, message: str | bytes) -> None:
        self._run(self._obey(message))

    def _soon(self, message: dict[str, Any]) -> None:
        """From the feed's thread: send ``message``, instead of an older one not sent yet."""

        def put() -> None:
            self._news = message
            self._stirred.set()

        try:
            self._loop.call_soon_threadsafe(put)
        except RuntimeError:
            self._feed.close()  # the server is ending, and its loop has

    async def _send_news(self) -> None:
        sent: dict[str, Any] = {}
        while True:
            await self._stirred.wait()
            self._stirred.clear()
            news, self._news = self._news, None
            if news is not None and news != sent:
                sent = news
                await self._send({**news, "now_s": time.time()})
                await asyncio.sleep(_SHORTEST_INTERVAL_S)

    async def _obey(self, text: str | bytes) -> None:
        request: object = None
        error = ""
        try:
            message = json.loads(text)
            request = message["request"]
            await asyncio.to_thread(obey, self._feed.head, message)
        except (ValueError, KeyError, TypeError, FarcellError) as fault:
            error = str(fault) or repr(fault)
        await self._send({"type": "reply", "request": request, "error": error})

    async def _send(self, message: dict[str, Any]) -> None:
        try:
            await self.write_message(json.dumps(message))
        except WebSocketClosedError:
            self.on_close()

    def _run(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


def as_message(snapshot: pb.Snapshot) -> dict[str, Any]:
    """A snapshot as the panel wants it: see ``ISnapshot`` in ``src/wire.ts``."""
    content = MessageToDict(
        snapshot, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    return {"type": "snapshot", "snapshot": content}


def obey(head: HeadClient, message: dict[str, str]) -> None:
    """Do what the panel asks for; see ``Command`` in ``src/wire.ts``.

    Raises:
        FarcellError: if the head refuses.
    """
    match message:
        case {"command": "stop"}:
            head.stop("stopped from the panel")
        case {"command": "restart_gang", "gang": str(gang)}:
            head.restart_gang(gang)
        case {"command": "interrupt", "gang": str(gang), "run": str(run)}:
            head.interrupt(gang, run)
        case _:
            raise UsageError(f"the panel asked for something unknown: {message.get('command')!r}")
