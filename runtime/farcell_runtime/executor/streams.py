"""``sys.stdout`` and ``sys.stderr`` of a worker: text goes straight to the log of its run."""

from __future__ import annotations

import contextvars
import functools
import io
import os
import subprocess
import threading
import time
import weakref
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from farcell_runtime.runlog import OUT, RunLog

_HOLD_S = 0.02

# The run that a task belongs to; tasks take it along in their context.
_of_task: contextvars.ContextVar[RunLog] = contextvars.ContextVar("farcell_log")
# The run in which a thread was started.
_of_thread: weakref.WeakKeyDictionary[threading.Thread, RunLog] = weakref.WeakKeyDictionary()


class Router:
    """Knows the log that the calling thread or task shall write to: that of its own run.

    A thread belongs to the run that started it, a task to the run that created it, so that late
    output lands in the right cell; anything else belongs to the latest run.
    """

    def __init__(self, first: RunLog) -> None:
        self.latest = first

    def enter(self, log: RunLog) -> None:
        """Make ``log`` the latest run's, and the calling task's."""
        self.latest = log
        _of_task.set(log)

    def lend(self, log: RunLog) -> None:
        """Make ``log`` the calling task's, and leave the latest run's what it is."""
        _of_task.set(log)

    def current(self) -> RunLog:
        log = _of_task.get(None)
        if log is None:
            log = _of_thread.get(threading.current_thread())
        return self.latest if log is None or log.closed else log


def follow_threads(router: Router) -> None:
    """Have threads and thread pools remember the run that started them or gave them work.

    The run remembers that too, and that it started processes: it may get output when it is over.
    """
    start, submit = threading.Thread.start, ThreadPoolExecutor.submit
    spawn = subprocess.Popen.__init__

    def hand_on() -> RunLog:
        log = router.current()
        log.handed_on = True
        return log

    def start_in_run(self: threading.Thread) -> None:
        _of_thread[self] = hand_on()
        start(self)

    @functools.wraps(spawn)
    def spawn_in_run(self: subprocess.Popen[Any], *args: Any, **kwargs: Any) -> None:
        hand_on()
        spawn(self, *args, **kwargs)

    def submit_in_run(
        self: ThreadPoolExecutor, fn: Callable[..., Any], /, *args: Any, **kwargs: Any
    ) -> Any:
        # As fresh a context as the pool's threads have, but for the run. (The caller's would take
        # along what does not reach a pool, such as the precision of decimals.)
        context = contextvars.Context()
        context.run(_of_task.set, hand_on())
        return submit(self, context.run, fn, *args, **kwargs)

    os.register_at_fork(after_in_parent=hand_on)
    subprocess.Popen.__init__ = spawn_in_run  # type: ignore[method-assign]
    threading.Thread.start = start_in_run  # type: ignore[method-assign]
    ThreadPoolExecutor.submit = submit_in_run  # type: ignore[method-assign,assignment]


class RunStream(io.TextIOBase):
    """A text stream over descriptor 1 or 2, without a buffer of its own.

    It writes where the descriptor points, by way of the log, so that text from Python, from C
    and from subprocesses keeps one order.
    """

    encoding = "utf-8"  # pyright: ignore[reportAssignmentType]
    errors = "backslashreplace"  # pyright: ignore[reportAssignmentType]

    def __init__(self, descriptor: int, router: Router) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._router = router
        self.buffer = _RunBuffer(self)
        self.name = "<stdout>" if descriptor == OUT else "<stderr>"
        self.mode = "w"
        # The beginnings of lines, by the thread that is writing them, while there are several.
        self._held: dict[int, tuple[RunLog, str]] = {}
        self._has_held = threading.Event()
        self._flusher: threading.Thread | None = None
        self._lone = 1  # how many threads there are when none is the user's

    def write(self, text: str, /) -> int:
        if not isinstance(text, str):
            raise TypeError(f"write() argument must be str, not {type(text).__name__}")
        # A print is two writes, its text and the line's end: with several threads, lines would mix.
        if self._held or threading.active_count() > self._lone:
            self._write_lines(text)
        else:
            self.write_bytes(text.encode(errors="backslashreplace"))
        return len(text)

    def flush(self) -> None:
        """Write what is held back of the calling thread's line."""
        self._let_go(threading.get_ident())

    def flush_all(self) -> None:
        """Write what is held back of any thread's line."""
        for thread in list(self._held):
            self._let_go(thread)

    def _write_lines(self, text: str) -> None:
        thread = threading.get_ident()
        log, held = self._held.pop(thread, (self._router.current(), ""))
        text = held + text
        end = max(text.rfind("\n"), text.rfind("\r")) + 1
        if text[:end]:
            log.write(self._descriptor, text[:end].encode(errors="backslashreplace"))
        if text[end:]:
            self._held[thread] = (log, text[end:])
            if self._flusher is None:
                self._flusher = threading.Thread(target=self._flush_forever, daemon=True)
                self._lone = 2
                self._flusher.start()
            self._has_held.set()

    def _let_go(self, thread: int) -> None:
        log, text = self._held.pop(thread, (None, ""))
        if log is not None:
            log.write(self._descriptor, text.encode(errors="backslashreplace"))

    def _flush_forever(self) -> None:
        while self._has_held.wait():
            self._has_held.clear()
            time.sleep(_HOLD_S)
            self.flush_all()

    def write_bytes(self, data: bytes) -> None:
        """Append ``data`` to the log of the calling thread's run."""
        if data:
            self._router.current().write(self._descriptor, data)

    def fileno(self) -> int:
        return self._descriptor

    def writable(self) -> bool:
        return True

    def isatty(self) -> bool:
        return False

    def reconfigure(self, **settings: Any) -> None:
        """Accept the settings of ``TextIOWrapper.reconfigure``; none makes a difference here."""

    def close(self) -> None:
        """Stay open: a cell that closes its output must not silence the cells after it."""


class _RunBuffer(io.BufferedIOBase):
    def __init__(self, stream: RunStream) -> None:
        super().__init__()
        self._stream = stream

    def write(self, data: Any, /) -> int:
        raw = memoryview(data).tobytes()
        self._stream.write_bytes(raw)
        return len(raw)

    def fileno(self) -> int:
        return self._stream.fileno()

    def writable(self) -> bool:
        return True

    def close(self) -> None:
        """Stay open, as the stream does."""
