"""nbclient without a stall of its own."""

from __future__ import annotations

import time
from queue import Empty
from typing import Any

from nbclient import NotebookClient
from nbclient.util import ensure_async

_LOOK_S = 0.5


class PatientClient(NotebookClient):
    """Looks often whether the reply that it waits for is there.

    What an ``Output`` widget captures nbclient sends over the socket on which it awaits a reply. A
    reply that comes just then wakes nobody: it is found when the time for the cell is over, and so
    it is at home as well.
    """

    async def async_start_new_kernel_client(self) -> Any:
        client = await super().async_start_new_kernel_client()
        channel = client.shell_channel
        get_once = channel.get_msg

        async def get_msg(timeout: float | None = None, **kwargs: Any) -> Any:
            end_s = float("inf") if timeout is None else time.monotonic() + timeout
            while True:
                look_s = min(_LOOK_S, max(end_s - time.monotonic(), 0))
                try:
                    return await ensure_async(get_once(timeout=look_s, **kwargs))
                except Empty:
                    if time.monotonic() >= end_s:
                        raise

        channel.get_msg = get_msg
        return client
