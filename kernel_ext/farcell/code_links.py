"""The conversations about code with all workers, read on one thread."""

from __future__ import annotations

import logging
import os
import selectors
import threading
from collections.abc import Callable

from farcell.gang import Gang
from farcell_runtime.transport import farcell_pb2 as pb
from farcell_runtime.transport.link import Link
from farcell_runtime.transport.worker_client import connect

_log = logging.getLogger(__name__)

CodeLink = Link[pb.FromWorker]
Received = Callable[[str, int, pb.CodeNews], None]


class CodeLinks:
    """Opens a conversation with each worker of a gang, and hands over what comes.

    Args:
        received: is called with the gang, the rank and what it said, on the reading thread.
    """

    def __init__(self, received: Received) -> None:
        self._received = received
        self._links: dict[str, list[CodeLink]] = {}
        self._homes: dict[CodeLink, tuple[str, int]] = {}
        self._selector = selectors.DefaultSelector()
        self._bell = os.pipe()
        self._selector.register(self._bell[0], selectors.EVENT_READ)
        self._ended = False
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def open(self, gang: Gang, token: str, tenure: int) -> None:
        """Open them with a gang's workers.

        Raises:
            ConnectError: if one can't be reached.
        """
        links: list[CodeLink] = []
        for rank in gang.ranks:
            connection = connect(rank.member.address, token, tenure)
            links.append(Link(connection, pb.FromWorker.FromString))
        with self._lock:
            self._links[gang.name] = links
            for number, link in enumerate(links):
                self._homes[link] = gang.name, number
                self._selector.register(link, selectors.EVENT_READ, link)
        if self._thread is None:
            self._thread = threading.Thread(target=self._read, name="farcell-code", daemon=True)
            self._thread.start()
        for link in links:
            link.send(pb.ToWorker(code=pb.Code(kind="open")))

    def send(self, gang: str, rank: int, message: pb.Code) -> None:
        """Send a message; to a worker that is gone, nothing."""
        with self._lock:
            links = self._links.get(gang)
        if links is not None:
            links[rank].send(pb.ToWorker(code=message))

    def close(self, gang: str) -> None:
        """End them with a gang."""
        with self._lock:
            links = self._links.pop(gang, ())
        for link in links:
            link.hang_up()  # the reading thread closes it

    def end(self) -> None:
        """End them all."""
        for gang in list(self._links):
            self.close(gang)
        self._ended = True
        os.write(self._bell[1], b"!")

    def _read(self) -> None:
        while not self._ended:
            for key, _ in self._selector.select():
                if key.data is not None:
                    try:
                        self._take(key.data)
                    except Exception:  # a fault: that worker lags then, the others don't
                        _log.exception("what a worker has said of code could not be taken in")

    def _take(self, link: CodeLink) -> None:
        gang, rank = self._homes[link]
        for message in link.read():
            # What an earlier epoch's worker has said counts no more.
            if message.HasField("code") and link in self._links.get(gang, ()):
                self._received(gang, rank, message.code)
        if not link.open:
            with self._lock:
                self._selector.unregister(link)
                del self._homes[link]
            link.close()
