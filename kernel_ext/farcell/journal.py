"""The runs of a notebook, in a file that outlives its kernel, however that ends."""

from __future__ import annotations

import contextlib
import os
import struct
from collections.abc import Iterable
from pathlib import Path

from farcell_runtime.transport import farcell_pb2 as pb

_NAME = "runs.journal"
_LENGTH = struct.Struct("<I")  # of the report behind it
_LONGEST_BYTES = 1 << 20


class RunJournal:
    """What became of runs, report behind report, until the head has been told.

    What was written is there when the process is killed in the next moment: the system has it.

    Args:
        folder: the session's.
    """

    def __init__(self, folder: str) -> None:
        self._path = Path(folder) / _NAME
        self._descriptor = self._open(self._path)
        self._bytes = os.fstat(self._descriptor).st_size

    def reports(self) -> list[pb.RunReport]:
        """The last word on each run."""
        data = self._path.read_bytes()
        found: dict[str, pb.RunReport] = {}
        start = 0
        while start + _LENGTH.size <= len(data):
            (length,) = _LENGTH.unpack_from(data, start)
            start += _LENGTH.size
            if start + length > len(data):
                break  # there was no room on the disk for all of it
            report = pb.RunReport.FromString(data[start : start + length])
            found[report.run] = report
            start += length
        return list(found.values())

    def add(self, report: pb.RunReport) -> None:
        """Write down what became of a run."""
        with contextlib.suppress(OSError):  # no room: the head is told a little later
            self._bytes += os.write(self._descriptor, _record(report))

    def keep(self, reports: Iterable[pb.RunReport]) -> None:
        """Forget all but these, of which nothing has changed; or do so later, if that is little."""
        kept = b"".join(map(_record, reports))
        if not kept and self._bytes:
            os.ftruncate(self._descriptor, 0)
            self._bytes = 0
        elif self._bytes > len(kept) + _LONGEST_BYTES:
            with contextlib.suppress(OSError):
                self._replace(kept)

    def close(self) -> None:
        os.close(self._descriptor)

    def _replace(self, data: bytes) -> None:
        draft = self._path.with_suffix(".draft")
        draft.write_bytes(data)
        descriptor = self._open(draft)
        draft.replace(self._path)
        self.close()
        self._descriptor, self._bytes = descriptor, len(data)

    def _open(self, path: Path) -> int:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


def _record(report: pb.RunReport) -> bytes:
    data = report.SerializeToString()
    return _LENGTH.pack(len(data)) + data
