"""Runs, told to the head for the panel and the terminal, without holding up any cell."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence

from farcell.journal import RunJournal
from farcell_runtime.errors import RunTimeout
from farcell_runtime.transport import farcell_pb2 as pb

_TELL_AFTER_S = 0.25
_MOST_AT_ONCE = 20  # of cells in a quick loop, only the last are told


class RunReports:
    """Gathers what becomes of runs and tells it a little later, once for what ended by then.

    A kernel that takes this one's place can't wait for that: it reads the journal.
    """

    def __init__(self, tell: Callable[[pb.RunReport], None]) -> None:
        self._tell = tell
        self._journal: RunJournal | None = None
        self._running: dict[str, pb.RunReport] = {}
        self._untold: dict[str, pb.RunReport] = {}
        self._told_running: set[str] = set()
        self._short: deque[str] = deque()  # of those untold, what has begun and ended
        self._lock = threading.Lock()
        self._telling = threading.Lock()
        self._timer: threading.Timer | None = None

    def keep_in(self, journal: RunJournal | None) -> None:
        """Write down in ``journal`` what the head has not been told yet; None: nowhere."""
        with self._lock:
            if self._journal is not None:
                self._journal.close()
            self._journal = journal

    def started(self, report: pb.RunReport) -> None:
        with self._lock:
            self._running[report.run] = report
            self._changed(report)

    def ended(
        self, run: str, error: BaseException | None, logs: Sequence[int] | None = None
    ) -> None:
        """``logs``: their numbers by rank, where it is known now which were written to."""
        with self._lock:
            report = self._running.pop(run, None)
            if report is None:
                return  # it was not begun
            report.ended_at_s = time.time()
            if logs is not None:
                report.logs[:] = logs
            if error is None:
                report.state = "done"
            else:
                stopped = isinstance(error, KeyboardInterrupt | RunTimeout)
                report.state = "interrupted" if stopped else "failed"
            if run not in self._told_running:
                self._short.append(run)
                if len(self._short) > _MOST_AT_ONCE:
                    del self._untold[self._short.popleft()]
            self._changed(report)

    def forget(self) -> None:
        """What is not told by now is not this kernel's to tell any more."""
        with self._lock:
            self._running.clear()
            self._untold.clear()
            self._short.clear()
            if self._journal is not None:  # it is another's by now
                self._journal.close()
                self._journal = None

    def _changed(self, report: pb.RunReport) -> None:
        if self._journal is not None:
            self._journal.add(report)
        self._untold[report.run] = report
        if self._timer is None:
            self._timer = threading.Timer(_TELL_AFTER_S, self.tell)
            self._timer.daemon = True
            self._timer.start()

    def tell(self) -> None:
        """Tell now what there is to tell."""
        with self._telling:
            with self._lock:
                untold, self._untold = self._untold, {}
                self._timer = None
                self._short.clear()
                for run, report in untold.items():
                    if report.state == "running":
                        self._told_running.add(run)
                    else:
                        self._told_running.discard(run)
            for report in untold.values():
                self._tell(report)
            with self._lock:
                if self._journal is not None and not self._untold:
                    self._journal.keep(self._running.values())
