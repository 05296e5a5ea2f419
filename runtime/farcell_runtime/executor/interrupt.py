"""Interrupts that hit the run they were meant for, at its current line, and no other."""

from __future__ import annotations

import asyncio
import contextlib
import mmap
import os
import signal
import threading
from collections.abc import Coroutine, Generator, Iterator
from types import FrameType
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class InterruptPage:
    """The page of memory, shared with the parent, that names the run a SIGINT is meant for.

    The first byte is the length of the run's id, the id follows. The parent writes it before it
    sends the signal; a signal that comes when that run is over is ignored.
    """

    def __init__(self, page: mmap.mmap) -> None:
        self._page = page

    def target(self) -> str:
        length = self._page[0]
        return bytes(self._page[1 : 1 + length]).decode(errors="replace")

    def clear(self) -> None:
        """No run is meant any more."""
        self._page[0] = 0


class Interruptible(Generic[T]):
    """Awaits ``coroutine``; an interrupt raises ``KeyboardInterrupt`` where that stands.

    That is the running line while it computes, and its ``await`` while it waits.
    """

    def __init__(self, run: str, coroutine: Coroutine[Any, Any, T]) -> None:
        self.run = run
        self._coroutine = coroutine
        self._stepping = False
        self._interrupted = False
        self._over = False
        self._task: asyncio.Task[Any] | None = None

    def interrupt(self) -> None:
        """To be called on the main thread, from the signal's handler."""
        if self._stepping:
            raise KeyboardInterrupt
        self._interrupted = True
        if self._task is not None:
            # The loop may be asleep in a select that has not seen the signal.
            self._task.get_loop().call_soon_threadsafe(self._cancel)

    def _cancel(self) -> None:
        # Between the signal and this the run may have ended, and its task gone on to other things.
        if self._interrupted and not self._over and self._task is not None:
            self._task.cancel()

    def __await__(self) -> Generator[Any, Any, T]:
        self._task = asyncio.current_task()
        try:
            return (yield from self._steps())
        finally:
            self._over = True

    def _steps(self) -> Generator[Any, Any, T]:
        value: Any = None
        error: BaseException | None = None
        while True:
            self._stepping = True
            try:
                if self._interrupted:  # before it began, or it went on before it was cancelled
                    self._interrupted = False
                    error = KeyboardInterrupt()
                if error is None:
                    waits_for = self._coroutine.send(value)
                else:
                    waits_for = self._coroutine.throw(error)
            except StopIteration as stop:
                result: T = stop.value
                return result
            finally:
                self._stepping = False
            value = error = None
            try:
                value = yield waits_for
            except asyncio.CancelledError as cancelled:
                error = cancelled
                if self._interrupted:
                    self._interrupted = False
                    if self._task is not None:
                        self._task.uncancel()
                    error = KeyboardInterrupt()
            except BaseException as raised:
                error = raised


class Interrupts:
    """The process's handler of SIGINT."""

    def __init__(self, page: InterruptPage) -> None:
        self._page = page
        self._current: Interruptible[Any] | None = None
        self._held = 0
        self._waiting = False

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold an interrupt back until the end: what is done meanwhile must not be torn apart."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1
            if self._waiting and not self._held:
                self._waiting = False
                raise KeyboardInterrupt

    @property
    def current(self) -> Interruptible[Any] | None:
        """What an interrupt is for now."""
        return self._current

    @current.setter
    def current(self, run: Interruptible[Any] | None) -> None:
        self._current = run
        if run is not None and self._page.target() == run.run:
            self._page.clear()
            run.interrupt()  # which came before it began

    def install(self) -> None:
        signal.signal(signal.SIGINT, self._handle)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        current = self._current
        if current is None or self._page.target() != current.run:
            return
        # Whatever comes from now on, such as what is passed on, is for nobody.
        self._page.clear()
        _interrupt_children()
        if self._held:
            self._waiting = True
        else:
            current.interrupt()


def _interrupt_children() -> None:
    """Pass the interrupt on to what the cell has started, as a terminal does.

    The parent signals the worker alone: an interrupt that comes late must not hit the next cell's
    children either. This process gets the signal too, and knows that it is for nobody. (To ignore
    it meanwhile would not help: a signal that a thread blocks is kept until it finds a handler.)
    """
    if os.getpgrp() == os.getpid():
        os.killpg(os.getpid(), signal.SIGINT)
