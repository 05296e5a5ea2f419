"""Files and folders on the wire: read in parts at one end, put together at the other."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Generator, Iterator
from typing import BinaryIO

from farcell_runtime.errors import UsageError
from farcell_runtime.transport import farcell_pb2 as pb

_PART_BYTES = 1 << 20
_PERMISSIONS = 0o777
_WORDS = {
    errno.ENOENT: "there is no file or folder",
    errno.EACCES: "there is no permission for",
    errno.EPERM: "there is no permission for",
    errno.ENOSPC: "the disk is full:",
    errno.EDQUOT: "the disk quota is used up:",
    errno.ENOTDIR: "a part of the path is no folder:",
    errno.EROFS: "the disk can't be written to:",
}


def absolute(path: str) -> str:
    """``path`` from the root on, with ``~`` and the working directory of this process put in."""
    return os.path.abspath(os.path.expanduser(path))


class Source:
    """A file or folder, read in parts.

    Attributes:
        path: where it is.
        folder: whether it is a folder.
        size_bytes: of all files in it.

    Raises:
        UsageError: here and on reading, if something can't be read, or is no file, folder or link
            that stays within the source.
    """

    def __init__(self, path: str) -> None:
        with told(path):
            self.path = os.path.realpath(absolute(path))
            kind = os.stat(self.path).st_mode
            self.folder = stat.S_ISDIR(kind)
            if not self.folder and not stat.S_ISREG(kind):
                raise UsageError(f"{self.path} is neither a file nor a folder")
            self.size_bytes = sum(found.size_bytes for found in self._entries())
        self._parts = self._read()

    def next(self) -> pb.FilePart:
        """The next part; the last one is of kind ``end``."""
        return next(self._parts, None) or pb.FilePart(kind="end")

    def close(self) -> None:
        self._parts.close()

    def _entries(self) -> Iterator[_Entry]:
        """All that is in it, folders before what they hold."""
        waiting = [""]
        while waiting:
            path = waiting.pop()
            place = os.path.join(self.path, path) if path else self.path
            with told(place):
                entry = _Entry(path, os.lstat(place))
                names = sorted(os.listdir(place)) if entry.kind == "folder" else []
            yield entry
            waiting += [os.path.join(path, name) for name in reversed(names)]

    def _read(self) -> Generator[pb.FilePart, None, None]:
        for entry in self._entries():
            place = os.path.join(self.path, entry.path) if entry.path else self.path
            part = pb.FilePart(kind=entry.kind, path=os.fsencode(entry.path), mode=entry.mode)
            with told(place):
                if entry.kind == "link":
                    part.target = os.fsencode(os.readlink(place))
                    _check_link(entry.path, os.fsdecode(part.target))
                elif entry.kind == "other":
                    raise UsageError(
                        f"{place} is neither a file nor a folder", hint="remove it, then try again"
                    )
                elif entry.kind == "file":
                    with open(place, "rb", buffering=0) as file:
                        yield part
                        while data := file.read(_PART_BYTES):
                            yield pb.FilePart(kind="data", data=data)
                    continue
            yield part


class _Entry:
    """Something in a source."""

    __slots__ = ("kind", "mode", "path", "size_bytes")

    def __init__(self, path: str, found: os.stat_result) -> None:
        self.path = path
        self.mode = found.st_mode & _PERMISSIONS
        self.size_bytes = 0
        if stat.S_ISDIR(found.st_mode):
            self.kind = "folder"
        elif stat.S_ISLNK(found.st_mode):
            self.kind = "link"
        elif stat.S_ISREG(found.st_mode):
            self.kind, self.size_bytes = "file", found.st_size
        else:
            self.kind = "other"


class Sink:
    """Puts parts together beside where they belong, and moves them there when all have come.

    A folder that is there already is merged into: of what has the same name, the new is kept.

    Args:
        path: where it belongs; a folder takes a file into itself, and so does one written with a
            slash at its end a folder.
        name: what the source is called.
        folder: whether the source is a folder.

    Raises:
        UsageError: here and later, if it can't be written; then nothing was changed.
    """

    def __init__(self, path: str, name: str, *, folder: bool) -> None:
        self.path = os.path.realpath(absolute(path))
        with told(self.path, exactly=True):
            if path.endswith("/") or (not folder and os.path.isdir(self.path)):
                self.path = os.path.join(self.path, name)
            self._made = _make_folders(os.path.dirname(self.path))
            try:
                self._stage = tempfile.mkdtemp(prefix=".farcell-", dir=os.path.dirname(self.path))
            except OSError:
                self._remove_made()
                raise
        self._file: BinaryIO | None = None
        self._modes: dict[str, int] = {}  # of folders, by their path below the source

    def take(self, part: pb.FilePart) -> None:
        """Put the next part in its place."""
        path = os.fsdecode(part.path)
        with told(self.path, exactly=True):
            if part.kind == "data":
                if self._file is None:
                    raise UsageError("data came that is of no file")
                self._file.write(part.data)
                return
            self._close_file()
            place = self._place(path)
            if part.kind == "folder":
                os.mkdir(place, 0o700)
                self._modes[path] = part.mode & _PERMISSIONS
            elif part.kind == "link":
                target = os.fsdecode(part.target)
                _check_link(path, target)
                os.symlink(target, place)
            else:
                self._file = open(place, "xb")  # noqa: SIM115  its data comes next
                os.chmod(place, part.mode & _PERMISSIONS)

    def commit(self) -> None:
        """All has come: move it to where it belongs."""
        with told(self.path, exactly=True):
            self._close_file()
            staged = os.path.join(self._stage, "whole")
            if not os.path.isdir(staged):
                if os.path.isdir(self.path):
                    raise UsageError(f"{self.path} is a folder", hint="name another destination")
                os.replace(staged, self.path)
            elif os.path.lexists(self.path):
                self._merge(staged)
            else:
                os.rename(staged, self.path)
            # Now, since a folder that can't be written to can't be moved either.
            for path in reversed(self._modes):
                os.chmod(os.path.join(self.path, path) if path else self.path, self._modes[path])
            shutil.rmtree(self._stage, ignore_errors=True)

    def abort(self) -> None:
        """It does not come after all: leave nothing behind."""
        with contextlib.suppress(OSError):
            self._close_file()
        shutil.rmtree(self._stage, ignore_errors=True)
        self._remove_made()

    def _place(self, path: str) -> str:
        """Where the part with this path is put, if that is within what has come before."""
        if not path:
            return os.path.join(self._stage, "whole")
        parent, name = os.path.split(path)
        if parent not in self._modes or name in ("", ".", ".."):
            raise UsageError(f"{path!r} does not belong to what is copied")
        return os.path.join(self._stage, "whole", path)

    def _merge(self, staged: str) -> None:
        """Move what is in the staged folder into the one that is there."""
        moves: list[tuple[str, str]] = []
        for folder, below, files in os.walk(staged):
            there = os.path.normpath(os.path.join(self.path, os.path.relpath(folder, staged)))
            if os.path.lexists(there):
                if os.path.islink(there) or not os.path.isdir(there):
                    raise UsageError(f"{there} is no folder", hint="remove it, or name another")
                self._modes.pop(os.path.relpath(folder, staged).removeprefix("."), None)
            links = [name for name in below if os.path.islink(os.path.join(folder, name))]
            for name in [*files, *links]:
                to = os.path.join(there, name)
                if os.path.isdir(to) and not os.path.islink(to):
                    raise UsageError(f"{to} is a folder", hint="remove it, or name another")
                moves.append((os.path.join(folder, name), to))
        for path in self._modes:
            os.mkdir(os.path.join(self.path, path))
        for staged_file, to in moves:
            os.replace(staged_file, to)

    def _close_file(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()

    def _remove_made(self) -> None:
        for folder in reversed(self._made):
            with contextlib.suppress(OSError):  # somebody uses it by now
                os.rmdir(folder)


@contextlib.contextmanager
def told(path: str, *, exactly: bool = False) -> Iterator[None]:
    """Say of the system's errors what they mean for the file or folder ``path``.

    Args:
        exactly: name it, and not the one that the system names.
    """
    try:
        yield
    except OSError as error:
        named = absolute(path)
        if error.filename and not exactly:
            named = os.fsdecode(error.filename)
        words = _WORDS.get(error.errno or 0, f"{error.strerror}:")
        raise UsageError(f"{words} {named}", hint=_hint(error)) from None


def _hint(error: OSError) -> str:
    if error.errno == errno.ENOENT:
        return f"relative paths begin at {os.getcwd()}"
    return ""


def _make_folders(path: str) -> list[str]:
    """Make the folder ``path`` and those around it; the answer is those that were not there."""
    missing: list[str] = []
    while not os.path.lexists(path):
        missing.append(path)
        path = os.path.dirname(path)
    made: list[str] = []
    for folder in reversed(missing):
        with contextlib.suppress(FileExistsError):  # another rank was quicker
            os.mkdir(folder)
            made.append(folder)
    return made


def _check_link(path: str, target: str) -> None:
    """Refuse a link at ``path``, below a source, that leads out of it.

    Steps up may only come first: behind a step into another link they lead anywhere.
    """
    steps = [step for step in target.split("/") if step not in ("", ".")]
    up = next((number for number, step in enumerate(steps) if step != ".."), len(steps))
    if not path or target.startswith("/") or up > path.count("/") or ".." in steps[up:]:
        raise UsageError(
            f"the link {path} -> {target} leads out of the folder",
            hint="put what it leads to into the folder, or copy it by itself",
        )
