"""A cell that runs while the notebook goes on."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Generator, Mapping
from typing import Any

from farcell.front_end import in_cell, parent_of
from farcell.run import Run
from farcell.shipment import Shipment
from farcell_runtime.errors import RunTimeout


class BackgroundRun:
    """What ``%%remote --background`` returns: a run that can be waited for and cancelled.

    Attributes:
        number: what ``%cluster runs`` calls it.
        name: what ``--name`` has called it; empty if it has no name.
    """

    def __init__(
        self,
        run: Run,
        number: int,
        name: str,
        *,
        shell: Any,
        versions: Mapping[str, int],
        code: str,
        shipment: Shipment,
        ended: Callable[[BackgroundRun, BaseException | None], None],
        take_in: Callable[[], None],
    ) -> None:
        self.number = number
        self.name = name
        self.run = run
        self.code = code
        self.shipment = shipment
        self.versions = versions
        self.parent = parent_of(shell)
        self.settled = threading.Event()
        self.taken_in = False  # whether the notebook's names know what it has changed
        self._shell = shell
        self._ended = ended
        self._take_in = take_in
        self._error: BaseException | None = None
        self._started_s = time.monotonic()
        self._ended_s: float | None = None
        self._waiting: list[Callable[[], object]] = []
        self._lock = threading.Lock()

    @property
    def gang(self) -> str:
        """The gang that it runs on."""
        return self.run.gang.name

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
            self.run.interrupt()

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
                self.run.follow()
                self._error = self.run.error()
                if self._error is not None:
                    self._shell.showtraceback((type(self._error), self._error, None))
        except BaseException as fault:
            self._error = fault
        self._ended_s = time.monotonic()
        try:
            self._ended(self, self._error)
        finally:
            with self._lock:
                self.settled.set()
                waiting, self._waiting = self._waiting, []
            for wake in waiting:
                wake()
