"""What a session leaves behind when neither its head nor its reaper had a chance to clean up.

A folder is in use while a process of its session holds a lock on it: the head, the warm parent
and, through it, every worker. The system drops the lock with the last of them, however it ended.
Which processes these are is recorded in the folder, by number and start time. The logs of a session
that ended by accident are kept beside Jupyter's runtime files.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from farcell_runtime.process import ProcessId
from farcell_runtime.transport.session_file import SessionFile

_PROCESSES = "processes"
_KEPT = "farcell-*.logs"
_MOST_KEPT_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Leftover:
    """A file or a folder of a session that is over.

    Attributes:
        path: the session file, the session's folder, or the folder of its logs.
        session: the session's id.
        key: what it belonged to.
        age_s: how long ago it was last written to.
        kept: whether it is there on purpose: logs to read.
        processes: those of the session that go on, by what they are.
    """

    path: Path
    session: str
    key: str
    age_s: float
    kept: bool = False
    processes: tuple[tuple[str, ProcessId], ...] = ()

    def remove(self) -> None:
        for _, process in self.processes:
            process.send_signal(signal.SIGKILL)
        if self.path.is_dir():
            shutil.rmtree(self.path, ignore_errors=True)
        else:
            self.path.unlink(missing_ok=True)


# ---- a session's folder -------------------------------------------------------------------------


def note_process(folder: str | os.PathLike[str], what: str) -> None:
    """Record this process as one of the session's."""
    own = ProcessId.own()
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
    descriptor = os.open(Path(folder, _PROCESSES), flags, 0o600)
    try:
        os.write(descriptor, f"{own.pid} {own.started} {what}\n".encode())
    finally:
        os.close(descriptor)


def processes_of(folder: Path) -> list[tuple[str, ProcessId]]:
    """What was recorded, as far as it lives: what each process is, and which."""
    found = []
    with contextlib.suppress(OSError):
        for line in (folder / _PROCESSES).read_text().splitlines():
            pid, started, what = line.split(" ", 2)
            process = ProcessId(int(pid), int(started))
            # Without a start time it could be a later process of the same number.
            if process.started and process.alive():
                found.append((what, process))
    return found


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


def remove_session_file(file: SessionFile, runtime_folder: Path) -> None:
    """Remove the file that leads to the session, unless it leads to another one by now."""
    path = SessionFile.path_of(runtime_folder, file.key)
    with contextlib.suppress(OSError, ValueError):
        if SessionFile.read(path).session == file.session:
            path.unlink()


def keep_logs(file: SessionFile, runtime_folder: Path) -> None:
    """Copy the session's logs out of its folder, the newest first, while they are not too large."""
    folder = Path(file.folder)
    kept = runtime_folder / f"farcell-{file.key}.{file.session}.logs"
    kept.mkdir(mode=0o700, parents=True, exist_ok=True)
    replace(file, token="", folder=str(kept)).write(kept)
    left_bytes = _MOST_KEPT_BYTES
    logs = [path for path in (folder / "head.log", *folder.glob("logs/*/*")) if path.is_file()]
    for path in sorted(logs, key=lambda path: -path.stat().st_mtime):
        size_bytes = path.stat().st_size
        if 0 < size_bytes <= left_bytes:
            left_bytes -= size_bytes
            target = kept / path.relative_to(folder)
            target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            shutil.copy2(path, target)


# ---- what is left -------------------------------------------------------------------------------


def leftovers(runtime_folder: Path, older_than_s: float = 0.0) -> list[Leftover]:
    """What dead sessions of this user left, last written to more than ``older_than_s`` ago.

    Which process a head was is told by its recorded start time, never by its name. What a living
    reaper will see to, or a process that is not recorded holds, is left alone.
    """
    found = (*_files_in(runtime_folder), *_folders(), *_kept_in(runtime_folder))
    return [each for each in found if each.age_s >= older_than_s]


def _files_in(runtime_folder: Path) -> Iterator[Leftover]:
    for file in SessionFile.all_in(runtime_folder):
        if head_of(file).alive() or "reaper" in dict(processes_of(Path(file.folder))):
            continue
        path = SessionFile.path_of(runtime_folder, file.key)
        yield Leftover(path, file.session, file.key, _age_s(path))


def _kept_in(runtime_folder: Path) -> Iterator[Leftover]:
    for folder in runtime_folder.glob(_KEPT):
        for record in SessionFile.all_in(folder):
            yield Leftover(folder, record.session, record.key, _age_s(folder), kept=True)


def _folders() -> Iterator[Leftover]:
    for folder in Path(tempfile.gettempdir()).glob("farcell-*"):
        with contextlib.suppress(OSError):  # another user's, or it went away meanwhile
            if folder.is_symlink() or not folder.is_dir() or folder.stat().st_uid != os.getuid():
                continue
            for record in SessionFile.all_in(folder):
                if Path(record.folder) != folder or head_of(record).alive():
                    continue
                processes = processes_of(folder)
                if "reaper" in dict(processes) or (is_held(folder) and not processes):
                    continue
                age_s = min(_age_s(path) for path in (folder, *folder.glob("*.log")))
                yield Leftover(
                    folder, record.session, record.key, age_s, processes=tuple(processes)
                )


def _age_s(path: Path) -> float:
    try:
        return max(0.0, time.time() - path.stat().st_mtime)
    except OSError:
        return 0.0
