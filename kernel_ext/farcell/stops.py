"""What the stop button does while something must not be torn apart."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any


class _Hold:
    """SIGINT does something else than outside.

    Attributes:
        outside: what it does there.
        pressed: whether it came, and waits.
    """

    def __init__(self) -> None:
        self.outside: Any = signal.default_int_handler
        self.pressed = False

    def press(self) -> None:
        self.pressed = True

    def take(self) -> bool:
        """Whether it came and waits; it waits no more."""
        pressed, self.pressed = self.pressed, False
        return pressed


_holds: list[_Hold] = []  # the innermost last


@contextlib.contextmanager
def on_stop(act: Callable[[], object]) -> Iterator[None]:
    """Have SIGINT do ``act`` instead of raising ``KeyboardInterrupt``, on the main thread."""
    with _held(_Hold(), act):
        yield


@contextlib.contextmanager
def stops_held() -> Iterator[None]:
    """Have SIGINT wait until what must be done as a whole is done."""
    hold = _Hold()
    with _held(hold, hold.press):
        yield
    if hold.take():
        signal.raise_signal(signal.SIGINT)


@contextlib.contextmanager
def stops_allowed() -> Iterator[None]:
    """Within ``stops_held``: what may be torn apart after all, since it takes long."""
    if not _holds or threading.current_thread() is not threading.main_thread():
        yield
        return
    held = signal.signal(signal.SIGINT, _holds[-1].outside)
    try:
        if _holds[-1].take():
            signal.raise_signal(signal.SIGINT)
        yield
    finally:
        signal.signal(signal.SIGINT, held)


def raise_stop() -> None:
    """Within ``stops_held``: raise a stop that waits, before something long begins."""
    if _holds and threading.current_thread() is threading.main_thread() and _holds[-1].take():
        raise KeyboardInterrupt


@contextlib.contextmanager
def _held(hold: _Hold, act: Callable[[], object]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    hold.outside = signal.signal(signal.SIGINT, lambda *_: act())
    waiting = bool(_holds) and _holds[-1].take()
    _holds.append(hold)
    try:
        if waiting:
            act()
        yield
    finally:
        _holds.pop()
        signal.signal(signal.SIGINT, hold.outside)
