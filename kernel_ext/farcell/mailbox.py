"""What a run is told while somebody waits for it."""

from __future__ import annotations

import contextlib
import os
import select
import threading
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from farcell.stops import on_stop
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
        self._bell: tuple[int, int] | None = None  # a pipe's ends: to hear it, and to ring it
        self._rung = False
        self._reading_thread = 0
        self._lock = threading.RLock()  # which a signal's handler may take where it is held

    def __enter__(self) -> Mailbox:
        bell = _bells.pop() if _bells else os.pipe()
        self._poll = select.poll()
        self._poll.register(bell[0], select.POLLIN)
        with self._lock:
            self._bell = bell
        try:
            for client in self._clients:
                descriptor = client.take_over()
                if descriptor is not None:
                    self._taken[descriptor] = client
                    self._poll.register(descriptor, select.POLLIN)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for client in self._taken.values():
            client.give_back()
        self._taken.clear()
        with self._lock:
            if self._bell is not None:
                self._hush()
                _bells.append(self._bell)
                self._bell = None

    def put(self, rank: int, message: Message) -> None:
        """From any thread, and from a signal's handler."""
        self._messages.append((rank, message))
        if self._reading_thread == threading.get_ident():
            return
        with self._lock:
            if self._bell is not None and not self._rung:
                self._rung = True
                os.write(self._bell[1], b"!")

    def get(self, timeout_s: float | None = None) -> tuple[int, Message] | None:
        """The next message; None if there is none for ``timeout_s``."""
        until_s = None if timeout_s is None else time.monotonic() + timeout_s
        while not self._messages:
            left_s = None if until_s is None else until_s - time.monotonic()
            if left_s is not None and left_s <= 0:
                return None
            for descriptor, _ in self._poll.poll(None if left_s is None else left_s * 1000):
                if (client := self._taken.get(descriptor)) is not None:
                    self._read(client, descriptor)
                else:
                    with self._lock:
                        self._hush()
        return self._messages.popleft()

    def _hush(self) -> None:
        if self._rung and self._bell is not None:
            os.read(self._bell[0], 1)
            self._rung = False

    def _read(self, client: WorkerClient, descriptor: int) -> None:
        self._reading_thread = threading.get_ident()
        try:
            more = client.read()
        finally:
            self._reading_thread = 0
        if not more:
            self._poll.unregister(descriptor)


def stops_into(mailbox: Mailbox) -> contextlib.AbstractContextManager[None]:
    """Have SIGINT arrive as a message.

    A ``KeyboardInterrupt`` could strike between taking a message and acting on it, and whoever
    follows a run would wait forever for a word that it has had.
    """
    return on_stop(lambda: mailbox.put(0, Stop()))
