"""Whoever waits on a mailbox reads from the workers meanwhile, and one may end at any moment."""

from __future__ import annotations

import os
from typing import cast

import pytest

from farcell.mailbox import Mailbox
from farcell_runtime.transport.worker_client import WorkerClient


class Client:
    """A worker's, of which only the descriptor matters."""

    def __init__(self, descriptor: int | None = None, fault: Exception | None = None) -> None:
        self._descriptor = descriptor
        self._fault = fault
        self.taken = 0

    def take_over(self) -> int | None:
        if self._fault is not None:
            raise self._fault
        self.taken += 1
        return self._descriptor

    def give_back(self) -> None:
        self.taken -= 1

    def fileno(self) -> int:
        return -1  # its end was read, and it is closed

    def read(self) -> bool:
        return False


def mailbox(*clients: Client) -> Mailbox:
    return Mailbox(cast("list[WorkerClient]", clients))


def test_a_worker_that_ends_when_it_was_taken_over() -> None:
    ours, theirs = os.pipe()
    client = Client(ours)
    os.close(theirs)
    with mailbox(client) as waiting:
        assert waiting.get(0.01) is None
    os.close(ours)
    assert not client.taken


def test_what_was_taken_over_before_an_error_is_given_back() -> None:
    ours, theirs = os.pipe()
    client = Client(ours)
    waiting = mailbox(client, Client(fault=OSError("none left")))
    for _ in range(3):
        before = len(os.listdir("/proc/self/fd"))
        with pytest.raises(OSError, match="none left"), waiting:
            pass
        assert not client.taken
    assert len(os.listdir("/proc/self/fd")) == before
    for each in (ours, theirs):
        os.close(each)
