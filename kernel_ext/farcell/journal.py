"""The runs of a notebook, in a file that outlives its kernel, however that ends."""

from __future__ import annotations

import contextlib
import os
import struct
from collections.abc import Iterable
from pathlib import Path

from google.protobuf.message import DecodeError

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
        self._bytes = self._read()[1]
        os.ftruncate(self._descriptor, self._bytes)  # behind what is torn nothing could be read

    def reports(self) -> list[pb.RunReport]:
        """The last word on each run."""
        return self._read()[0]

    def _read(self) -> tuple[list[pb.RunReport], int]:
        """The last word on each run, and how many bytes of the file are whole records."""
        data = self._path.read_bytes()
        found: dict[str, pb.RunReport] = {}
        whole = 0
        while whole + _LENGTH.size <= len(data):
            (length,) = _LENGTH.unpack_from(data, whole)
            start = whole + _LENGTH.size
            if start + length > len(data):
                break  # there was no room on the disk for all of it
            try:
                report = pb.RunReport.FromString(data[start : start + length])
            except DecodeError:
                break
            found[report.run] = report
            whole = start + length
        return list(found.values()), whole

    def add(self, report: pb.RunReport) -> None:
        """Write down what became of a run."""
        record = _record(report)
        with contextlib.suppress(OSError):  # no room: the head is told a little later
            if os.write(self._descriptor, record) == len(record):
                self._bytes += len(record)
            else:
                os.ftruncate(self._descriptor, self._bytes)

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
