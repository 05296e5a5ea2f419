"""A process, named for good: its id and the time at which it started."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from dataclasses import dataclass

_PR_SET_NAME = 15


@dataclass(frozen=True, slots=True)
class ProcessId:
    """A process id that is never taken for that of a later process.

    Attributes:
        pid: its number, which the system gives out again after the process is gone.
        started: its start time in clock ticks since boot, or 0 where the system does not tell.
    """

    pid: int
    started: int = 0

    @classmethod
    def of(cls, pid: int) -> ProcessId:
        """The process that has the number ``pid`` now."""
        return cls(pid, _stat(pid)[1])

    @classmethod
    def own(cls) -> ProcessId:
        return cls.of(os.getpid())

    def alive(self) -> bool:
        """Whether it still runs. One that ended but was not reaped yet does not."""
        if self.pid <= 0:
            return False
        if not os.path.isdir("/proc/self"):
            return _answers(self.pid)
        state, started = _stat(self.pid)
        return state not in "XZ" and (not self.started or started == self.started)

    def send_signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        if not hasattr(os, "pidfd_open"):
            if self.alive():
                os.kill(self.pid, number)
            return
        try:
            descriptor = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return
        try:
            # What the descriptor names can't change any more: if it is this one now, it stays.
            if self.alive():
                signal.pidfd_send_signal(descriptor, number)
        except ProcessLookupError:
            return  # it ended meanwhile
        finally:
            os.close(descriptor)


def children_of(pid: int) -> list[int]:
    """The processes that ``pid`` is the parent of; none where the system does not tell."""
    names = os.listdir("/proc") if os.path.isdir("/proc/self") else []
    return [int(name) for name in names if name.isdecimal() and _parent_of(int(name)) == pid]


def set_name(name: str) -> None:
    """Show ``name`` in ``ps`` and ``top``; the system keeps 15 bytes of it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_NAME, name.encode(), 0, 0, 0)


def end_session(leader: int) -> list[int]:
    """Send SIGKILL to every process of the session that ``leader`` began, but to itself.

    A session keeps its number for as long as a process is in it, so this hits nobody else.
    Returns the processes that were hit; none where the system does not tell.
    """
    hit = []
    for name in os.listdir("/proc") if os.path.isdir("/proc/self") else ():
        if not name.isdecimal() or int(name) == os.getpid():
            continue
        pid = int(name)
        try:
            if os.getsid(pid) == leader and _stat(pid)[0] not in "XZ":
                os.kill(pid, signal.SIGKILL)
                hit.append(pid)
        except (ProcessLookupError, PermissionError):
            continue  # it ended meanwhile, or is not ours
    return hit


def _stat(pid: int) -> tuple[str, int]:
    """The state letter and start time of a process; ``("X", 0)`` if there is none."""
    words = _stat_words(pid)
    return (words[0].decode(), int(words[19])) if words else ("X", 0)


def _parent_of(pid: int) -> int:
    words = _stat_words(pid)
    return int(words[1]) if words else 0


def _stat_words(pid: int) -> list[bytes]:
    """What ``/proc`` says of a process, from its state on; nothing if there is none."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            content = file.read()
    except OSError:
        return []
    # The command's name stands in parentheses and may hold anything, parentheses included.
    return content[content.rindex(b")") + 2 :].split()


def _answers(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
