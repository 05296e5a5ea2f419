"""What the stop button does while something must not be torn apart."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def on_stop(act: Callable[[], object]) -> Iterator[None]:
    """Have SIGINT do ``act`` instead of raising ``KeyboardInterrupt``, on the main thread."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, lambda *_: act())
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


@contextlib.contextmanager
def stops_held() -> Iterator[None]:
    """Have SIGINT wait until what must be done as a whole is done."""
    pressed: list[bool] = []
    with on_stop(lambda: pressed.append(True)):
        yield
    if pressed:
        raise KeyboardInterrupt
