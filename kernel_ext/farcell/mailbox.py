"""What a run is told while somebody waits for it."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import threading
import time
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from farcell_runtime.errors import WorkerLost
from farcell_runtime.transport import farcell_pb2 as pb
from farcell_runtime.transport.worker_client import WorkerClient


@dataclass(frozen=True, slots=True)
class Lost:
    """A rank's worker is gone: what its run and whoever waits for an answer are told."""

    error: WorkerLost
    expected: bool = False  # it was stopped, perhaps because another rank died


class Stop:
    """The person at the notebook asked the run to stop."""


Message = pb.FromWorker | Lost | Stop


# Pipes that wake whoever waits on a mailbox, kept for the next ones.
_bells: list[tuple[int, int]] = []


class Mailbox:
    """What a run is told, and which rank tells it.

    Whoever waits on it, within ``with``, reads from the workers meanwhile: what wakes two threads
    one after another takes twice as long.
    """

    def __init__(self, clients: Iterable[WorkerClient]) -> None:
        self._messages: deque[tuple[int, Message]] = deque()
        self._clients = list(clients)
        self._taken: dict[int, WorkerClient] = {}
        self._poll = select.poll()
        self._bell, self._rope = _bells.pop() if _bells else os.pipe()
        self._rung = False
        self._poll.register(self._bell, select.POLLIN)
        self._reader = 0  # the thread that reads from the workers now
        self._closed = False
        self._lock = threading.RLock()  # which a signal's handler may take where it is held

    def __enter__(self) -> Mailbox:
        for client in self._clients:
            if client.take_over():
                self._taken[client.fileno()] = client
                self._poll.register(client, select.POLLIN)
        return self

    def __exit__(self, *_: object) -> None:
        for client in self._taken.values():
            client.give_back()
        self._taken.clear()
        with self._lock:
            self._closed = True
            self._hush()
            _bells.append((self._bell, self._rope))

    def put(self, rank: int, message: Message) -> None:
        """From any thread, and from a signal's handler."""
        self._messages.append((rank, message))
        if self._reader == threading.get_ident():
            return
        with self._lock:
            if not (self._closed or self._rung):
                self._rung = True
                os.write(self._rope, b"!")

    def get(self, timeout_s: float) -> tuple[int, Message] | None:
        """The next message; None if there is none for ``timeout_s``."""
        until_s = time.monotonic() + timeout_s
        while not self._messages:
            left_s = until_s - time.monotonic()
            if left_s <= 0:
                return None
            for descriptor, _ in self._poll.poll(left_s * 1000):
                if descriptor == self._bell:
                    with self._lock:
                        self._hush()
                else:
                    self._read(descriptor)
        return self._messages.popleft()

    def _hush(self) -> None:
        if self._rung:
            os.read(self._bell, 1)
            self._rung = False

    def _read(self, descriptor: int) -> None:
        self._reader = threading.get_ident()
        try:
            more = self._taken[descriptor].read()
        finally:
            self._reader = 0
        if not more:
            self._poll.unregister(descriptor)


@contextlib.contextmanager
def stops_into(mailbox: Mailbox) -> Iterator[None]:
    """Have SIGINT arrive as a message.

    A ``KeyboardInterrupt`` could strike between taking a message and acting on it, and whoever
    follows a run would wait forever for a word that it has had.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, lambda *_: mailbox.put(0, Stop()))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
