"""The processor's cores: work on large memory, spread over some of them."""

from __future__ import annotations

import _thread
import os
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

# One core does not use up what memory can give; a few do.
_MOST = 4

P = TypeVar("P")
R = TypeVar("R")


def spread(work: Callable[[P], R], parts: Sequence[P]) -> list[R]:
    """What ``work`` makes of each of ``parts``, in their order.

    That pays if ``work`` lets other threads run, as C code does that needs no Python, and takes
    longer than a thread takes to start, which is 0.05 ms.
    """
    found: list[Any] = [None] * len(parts)
    waiting = deque(enumerate(parts))
    faults: list[BaseException] = []

    def take() -> None:
        while True:
            try:
                number, part = waiting.popleft()
            except IndexError:
                return
            found[number] = work(part)

    def help_out(ended: _thread.LockType) -> None:
        try:
            take()
        except BaseException as fault:  # raised below
            faults.append(fault)
            waiting.clear()
        finally:
            ended.release()

    # No threads of `threading`, nor of a pool that stays: a cell that forks, or that asks which
    # threads there are, is to find none of ours.
    helpers: list[_thread.LockType] = []
    try:
        for _ in range(min(_available(), _MOST, len(parts)) - 1):
            ended = _thread.allocate_lock()
            ended.acquire()
            _thread.start_new_thread(help_out, (ended,))
            helpers.append(ended)
    except RuntimeError:  # no more threads can be had
        pass
    try:
        take()
    finally:
        waiting.clear()
        for ended in helpers:
            ended.acquire()
    if faults:
        raise faults[0]
    return found


def _available() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
