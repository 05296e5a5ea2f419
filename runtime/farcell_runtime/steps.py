"""``farcell.step()``: points of a loop at which all ranks of a gang can take new code together."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Steps:
    """Counts the calls of one run, and holds the run at one of them until it is told to go on.

    A rank that has promised to wait at a call waits there: for the commit, once all ranks have
    promised, or for its release. No rank ever waits for another one's call, only for what other
    threads decide, so that a collective operation can't be in the way.

    Args:
        first: is called at a run's first call.
        commit: takes the new code.
    """

    def __init__(self, first: Callable[[], None], commit: Callable[[], None]) -> None:
        self._first = first
        self._commit = commit
        self._changed = threading.Condition()
        self.count = 0
        self._running = False
        self._held_at = 0
        self._commit_at = 0

    def step(self) -> None:
        """The run is at its next call."""
        self.count += 1
        if self.count == 1:
            self._first()
        if not self._held_at:
            return
        with self._changed:
            while self._held_at and self._held_at <= self.count and not self._commit_at:
                self._changed.wait()
            due = bool(self._commit_at) and self._commit_at <= self.count
            if due:
                self._held_at = self._commit_at = 0
        if due:
            self._commit()

    def promise(self, step: int) -> bool:
        """Have the run wait at its ``step``-th call; false if it has passed that already."""
        with self._changed:
            waits = 0 < self._held_at == self.count
            if step < self.count or (step == self.count and not waits):
                return False
            self._held_at = step
            self._changed.notify_all()
            return True

    def commit_at(self, step: int) -> None:
        """Have the run take the new code there, or now, if there is no run."""
        with self._changed:
            now = not self._running
            if not now:
                self._held_at = self._commit_at = step
                self._changed.notify_all()
        if now:
            self._commit()

    def release(self) -> None:
        """Have the run wait nowhere."""
        with self._changed:
            self._held_at = self._commit_at = 0
            self._changed.notify_all()

    def begin(self) -> None:
        """A run begins."""
        self._running = True

    def end(self) -> None:
        """The run is over; what it was to take at a later call, it takes now."""
        with self._changed:
            due = bool(self._commit_at)
            self._held_at = self._commit_at = self.count = 0
            self._running = False
        if due:
            self._commit()


# Those of this process, if it is a worker.
_here: list[Steps] = []


def use(steps: Steps) -> None:
    """Have ``step`` count with ``steps``."""
    _here[:] = [steps]


def step() -> None:
    """Say that the loop which calls it is at a point where it can take new code.

    Call it once in each iteration, on every rank: ranks of a gang that are in a cell take an edited
    module together, all at the same call. In the notebook's own process it does nothing.
    """
    for steps in _here:
        steps.step()
