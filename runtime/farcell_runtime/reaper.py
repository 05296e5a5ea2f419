"""The reaper: a session's first process and its last, which sees to what the others leave.

It forks the head in its first moments, and then waits. Whatever descends from it and loses its own
parent becomes its child: a warm parent whose head was killed, a daemon that a cell started. So it
knows what belongs to the session without looking for names or numbers, and when head, parent and
workers have ended, in whatever way, it ends the rest and removes the session's files. Logs of a
session that ended by accident are kept elsewhere (see `leftovers`).
"""

from __future__ import annotations

import ctypes
import logging
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from farcell_runtime.config import Config
from farcell_runtime.leftovers import is_held, keep_logs, note_process, remove_session_file
from farcell_runtime.process import children_of, set_name
from farcell_runtime.transport.session_file import SessionFile

log = logging.getLogger(__name__)

_PR_SET_CHILD_SUBREAPER = 36
_POLL_S = 0.05
_BEYOND_LEASE_S = 5.0  # for a warm parent that does what the lease's end asks of it
_READ_S = 1.0  # drivers read the last lines of what ran, when they hear of its end
_TAIL_LINES = 12


def watch_over(
    folder: Path, runtime_folder: Path, config: Config, tell: Callable[[str], object]
) -> None:
    """Fork. Returns in the child, which is to be the head; this process becomes its reaper.

    Args:
        folder: the session's folder.
        runtime_folder: where its session file will lie.
        config: the session's settings.
        tell: is told the end of the head's log, if it did not end of itself.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    head = os.fork()
    if head == 0:
        os.setsid()
        return
    exit_code = 1
    try:
        exit_code = _Reaper(head, folder, runtime_folder, config).run(tell)
    except Exception:
        log.exception("the reaper failed")  # the last frame of this process
    finally:
        os._exit(exit_code)


class _Reaper:
    def __init__(self, head: int, folder: Path, runtime_folder: Path, config: Config) -> None:
        self._head = head
        self._folder = folder
        self._runtime_folder = runtime_folder
        self._config = config
        self._hurried = False
        for number in (signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda got, _: self._hurry(got))

    def run(self, tell: Callable[[str], object]) -> int:
        """Wait for the end of all, and clean up; the answer is the head's exit code."""
        set_name("farcell:reaper")
        note_process(self._folder, "reaper")
        exit_code = self._wait_for_head()
        if exit_code:
            tell(_tail(self._folder / "head.log"))
        if exit_code < 0:
            self._wait_for_workers()
        self._end_the_rest()
        if self._folder.exists():
            self._clean()
        return exit_code if exit_code >= 0 else 128 - exit_code

    def _hurry(self, number: int) -> None:
        """Asked to end: so is the head, or, where that has ended, whoever is in its lease."""
        self._hurried = True
        if self._head:
            os.kill(self._head, number)

    def _wait_for_head(self) -> int:
        while True:
            ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
            assert ended is not None
            if was_head := ended.si_pid == self._head:
                self._head = 0  # before another process can have its number
                self._hurried = False
            status = os.waitpid(ended.si_pid, 0)[1]  # or an orphan's
            if was_head:
                return os.waitstatus_to_exitcode(status)

    def _wait_for_workers(self) -> None:
        """The head was killed: until its lease is over its workers may end what they are in."""
        until_s = time.monotonic() + self._config.lease_s + _BEYOND_LEASE_S
        while not self._hurried and time.monotonic() < until_s and self._is_held():
            try:
                if os.waitpid(-1, os.WNOHANG)[0]:
                    continue
            except ChildProcessError:
                return
            time.sleep(_POLL_S)

    def _is_held(self) -> bool:
        return self._folder.exists() and is_held(self._folder)

    def _end_the_rest(self) -> None:
        """End all children, and theirs, which become children of this process then."""
        while True:
            for pid in children_of(os.getpid()):
                os.kill(pid, signal.SIGKILL)  # it can't be another's: only this process reaps it
            try:
                os.wait()
            except ChildProcessError:
                return

    def _clean(self) -> None:
        file = next(SessionFile.all_in(self._folder), None)
        if file is not None:
            time.sleep(_READ_S)
            remove_session_file(file, self._runtime_folder)
            if self._config.keep_logs_s:
                keep_logs(file, self._runtime_folder)
        shutil.rmtree(self._folder, ignore_errors=True)


def _tail(path: Path) -> str:
    try:
        return "\n".join(path.read_text(errors="replace").strip().splitlines()[-_TAIL_LINES:])
    except OSError:
        return ""
