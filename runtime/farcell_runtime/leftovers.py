"""What a session leaves behind when its head had no chance to clean up, and its removal.

A folder is in use while a process of its session holds a lock on it: the head, the warm parent
and, through it, every worker. The system drops the lock with the last of them, however it ended.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from farcell_runtime.process import ProcessId
from farcell_runtime.transport.session_file import SessionFile


@dataclass(frozen=True, slots=True)
class Leftover:
    """A file or a folder of a session that is over.

    Attributes:
        path: the session file, or the session's folder.
        session: the session's id.
        key: what it belonged to.
        age_s: how long ago it was last written to.
    """

    path: Path
    session: str
    key: str
    age_s: float

    def remove(self) -> None:
        if self.path.is_dir():
            shutil.rmtree(self.path, ignore_errors=True)
        else:
            self.path.unlink(missing_ok=True)


def hold(folder: str | os.PathLike[str]) -> int:
    """Mark a session's folder as in use, until the descriptor that this returns is closed.

    Children that are forked share the mark; programs that are executed do not.
    """
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    fcntl.flock(descriptor, fcntl.LOCK_SH)
    return descriptor


def is_held(folder: str | os.PathLike[str]) -> bool:
    """Whether a process of the session still runs."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def head_of(file: SessionFile) -> ProcessId:
    return ProcessId(file.head_pid, file.head_started)


def leftovers(runtime_folder: Path, older_than_s: float = 0.0) -> list[Leftover]:
    """What dead sessions of this user left, last written to more than ``older_than_s`` ago.

    Which process a head was is told by its recorded start time, never by its name, and a folder
    that any process of the session still holds is left alone.
    """
    return [
        each for each in (*_files_in(runtime_folder), *_folders()) if each.age_s >= older_than_s
    ]


def _files_in(runtime_folder: Path) -> Iterator[Leftover]:
    for file in SessionFile.all_in(runtime_folder):
        if not head_of(file).alive():
            path = SessionFile.path_of(runtime_folder, file.key)
            yield Leftover(path, file.session, file.key, _age_s(path))


def _folders() -> Iterator[Leftover]:
    for folder in Path(tempfile.gettempdir()).glob("farcell-*"):
        with contextlib.suppress(OSError):  # another user's, or it went away meanwhile
            if folder.is_symlink() or not folder.is_dir() or folder.stat().st_uid != os.getuid():
                continue
            for record in SessionFile.all_in(folder):
                if Path(record.folder) != folder or head_of(record).alive() or is_held(folder):
                    continue
                age_s = min(_age_s(path) for path in (folder, *folder.glob("*.log")))
                yield Leftover(folder, record.session, record.key, age_s)


def _age_s(path: Path) -> float:
    try:
        return max(0.0, time.time() - path.stat().st_mtime)
    except OSError:
        return 0.0
