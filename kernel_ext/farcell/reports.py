"""Runs, told to the head for the panel and the terminal, without holding up any cell."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from farcell_runtime.errors import RunTimeout
from farcell_runtime.transport import farcell_pb2 as pb

_TELL_AFTER_S = 0.25
_MOST_AT_ONCE = 20  # of cells in a quick loop, only the last are told


class RunReports:
    """Gathers what becomes of runs and tells it a little later, once for what ended by then."""

    def __init__(self, tell: Callable[[pb.RunReport], None]) -> None:
        self._tell = tell
        self._reports: dict[str, pb.RunReport] = {}
        self._untold: dict[str, pb.RunReport] = {}
        self._told_running: set[str] = set()
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None

    def started(self, report: pb.RunReport) -> None:
        self._reports[report.run] = report
        self._changed(report)

    def found(self, report: pb.RunReport) -> None:
        """A run that the head knows of already."""
        self._reports[report.run] = report

    def ended(self, run: str, error: BaseException | None) -> None:
        report = self._reports.pop(run, None)
        if report is None:
            return  # it was not begun
        report.ended_at_s = time.time()
        if error is None:
            report.state = "done"
        else:
            stopped = isinstance(error, KeyboardInterrupt | RunTimeout)
            report.state = "interrupted" if stopped else "failed"
        self._changed(report)

    def forget(self) -> None:
        """What is not told by now is not this kernel's to tell any more."""
        with self._lock:
            self._reports.clear()
            self._untold.clear()

    def _changed(self, report: pb.RunReport) -> None:
        with self._lock:
            self._untold[report.run] = report
            untold = [run for run in self._untold if run not in self._told_running]
            if len(untold) > _MOST_AT_ONCE:
                del self._untold[untold[0]]
            if self._timer is None:
                self._timer = threading.Timer(_TELL_AFTER_S, self.tell)
                self._timer.daemon = True
                self._timer.start()

    def tell(self) -> None:
        """Tell now what there is to tell."""
        with self._lock:
            untold, self._untold = self._untold, {}
            self._timer = None
        for run, report in untold.items():
            if report.state == "running":
                self._told_running.add(run)
            else:
                self._told_running.discard(run)
            self._tell(report)
