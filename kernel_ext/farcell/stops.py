"""Stops that come at a bad moment."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def stops_held() -> Iterator[None]:
    """Hold a stop back until the end: what is done meanwhile must not be torn apart."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    stops: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: stops.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
        if stops:
            signal.raise_signal(signal.SIGINT)
