"""A cell that runs while the notebook goes on."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Generator
from typing import Any

from farcell.failures import show
from farcell.front_end import in_cell, parent_of
from farcell_runtime.errors import RunTimeout


class BackgroundRun:
    """What ``%%remote --background`` returns: a run that can be waited for and cancelled.

    Attributes:
        number: what ``%cluster runs`` calls it.
        name: what ``--name`` has called it; empty if it has no name.
        gang: the gang that it runs on.
        label: the first line of its cell.
    """

    def __init__(
        self,
        number: int,
        name: str,
        gang: str,
        label: str,
        *,
        shell: Any,
        follow: Callable[[], BaseException | None],
        interrupt: Callable[[], None],
        take_in: Callable[[], None],
        elapsed_s: float = 0.0,
    ) -> None:
        """``follow`` waits for its end, and returns what it raised."""
        self.number = number
        self.name = name
        self.gang = gang
        self.label = label
        self.parent = parent_of(shell)
        self.settled = threading.Event()
        self._shell = shell
        self._follow_it = follow
        self._interrupt = interrupt
        self._take_in = take_in
        self._error: BaseException | None = None
        self._started_s = time.monotonic() - elapsed_s
        self._ended_s: float | None = None
        self._waiting: list[Callable[[], object]] = []
        self._lock = threading.Lock()

    @property
    def state(self) -> str:
        """``running``, ``done``, ``failed`` or ``interrupted``."""
        if not self.settled.is_set():
            return "running"
        if self._error is None:
            return "done"
        stopped = isinstance(self._error, KeyboardInterrupt | RunTimeout)
        return "interrupted" if stopped else "failed"

    @property
    def elapsed_s(self) -> float:
        """How long it has run, or ran."""
        return (self._ended_s or time.monotonic()) - self._started_s

    def done(self) -> bool:
        """Whether it has ended."""
        return self.settled.is_set()

    def exception(self) -> BaseException | None:
        """What it raised; nothing if it runs yet, or has raised nothing."""
        return self._error

    def cancel(self) -> None:
        """Interrupt it, as the stop button does a cell that is waited for."""
        if not self.done():
            self._interrupt()

    def wait(self, timeout_s: float | None = None) -> None:
        """Wait for its end. Its names are the notebook's then.

        Raises:
            TimeoutError: if it runs for longer than ``timeout_s`` yet.
            BaseException: what the cell raised.
        """
        if not self.settled.wait(timeout_s):
            raise TimeoutError(f"{self!r} after {timeout_s:g} s of waiting")
        self._settle()

    def __await__(self) -> Generator[Any, None, None]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[None] = loop.create_future()

        def wake() -> None:
            if not future.done():
                future.set_result(None)

        with self._lock:
            if not self.done():
                self._waiting.append(lambda: loop.call_soon_threadsafe(wake))
            else:
                wake()
        yield from future
        self._settle()

    def follow(self) -> None:
        """Follow it to its end, on a thread of its own."""
        threading.Thread(
            target=self._follow, name=f"farcell-run-{self.number}", daemon=True
        ).start()

    def __repr__(self) -> str:
        called = f"{self.number} '{self.name}'" if self.name else str(self.number)
        return f"<run {called} on gang {self.gang}: {self.state}, {self.elapsed_s:.1f} s>"

    def _settle(self) -> None:
        if threading.current_thread() is threading.main_thread():
            self._take_in()
        if self._error is not None:
            raise self._error

    def _follow(self) -> None:
        try:
            with in_cell(self._shell, self.parent):
                self._error = self._follow_it()
                if self._error is not None:
                    show(self._shell, self._error)
        except BaseException as fault:
            self._error = fault
        self._ended_s = time.monotonic()
        with self._lock:
            self.settled.set()
            waiting, self._waiting = self._waiting, []
        for wake in waiting:
            wake()
