"""Copying files and folders to a gang's workers, and from one of them."""

from __future__ import annotations

import itertools
import os
import sys
import time
from collections.abc import Sequence
from types import TracebackType

from farcell.gang import Gang, Rank
from farcell.mailbox import Mailbox, stops_into
from farcell_runtime.sizes import size_text
from farcell_runtime.transport import farcell_pb2 as pb
from farcell_runtime.transport.files import Sink, Source

_TELL_EVERY_S = 0.5
_numbers = itertools.count(1)


def put(gang: Gang, path: str, destination: str | None) -> str:
    """Copy a file or folder of this machine's to each machine of a gang's workers.

    The answer says what went where.

    Raises:
        UsageError: if it can't be read or written; then nothing was changed.
        WorkerLost: if a worker dies meanwhile.
    """
    source = Source(path)
    destination = destination or _same_place(path, source.path)
    name = os.path.basename(source.path)
    with _Transfer(gang, gang.ranks) as transfer:
        answers = transfer.step(kind="put", path=destination, name=name, folder=source.folder)
        # Ranks that would write the same file leave that to the first of them.
        places = [
            (rank.member.host, answer.path)
            for rank, answer in zip(gang.ranks, answers, strict=True)
        ]
        transfer.leave([n for n, place in enumerate(places) if place in places[:n]])
        progress = _Progress(f"sending {name} to gang {gang.name}", source.size_bytes)
        while (part := source.next()).kind != "end":
            transfer.step(kind="part", part=part)
            progress.add(len(part.data))
        [landed, *_] = transfer.step(kind="commit")
        progress.end()
    where = f"gang {gang.name}" if len(gang.ranks) == 1 else f"all ranks of gang {gang.name}"
    return f"{source.path} ({size_text(progress.done_bytes)}) → {where}: {landed.path}"


def get(gang: Gang, rank: Rank, path: str, destination: str | None) -> str:
    """Copy a file or folder from a rank's machine to this one.

    Raises:
        UsageError: if it can't be read or written; then nothing was changed.
        WorkerLost: if the worker dies meanwhile.
    """
    with _Transfer(gang, [rank]) as transfer:
        [found] = transfer.step(kind="get", path=path)
        name = os.path.basename(found.path)
        sink = Sink(destination or _same_place(path, found.path), name, folder=found.folder)
        progress = _Progress(f"getting {name} from gang {gang.name}", found.size_bytes)
        try:
            while True:
                [answer] = transfer.step(kind="next")
                if answer.part.kind == "end":
                    break
                sink.take(answer.part)
                progress.add(len(answer.part.data))
            sink.commit()
        except BaseException:
            sink.abort()
            raise
        progress.end()
    where = f"gang {gang.name}" if len(gang.ranks) == 1 else f"rank {rank.rank} of {gang.name}"
    return f"{where}: {found.path} ({size_text(progress.done_bytes)}) → {sink.path}"


class _Transfer:
    """One transfer, step by step, on some ranks. A stop ends it between two steps.

    What has not been committed when its block is left, is undone on the ranks.
    """

    def __init__(self, gang: Gang, ranks: Sequence[Rank]) -> None:
        self._gang = gang
        self._ranks = list(ranks)
        self._id = str(next(_numbers))
        # A KeyboardInterrupt could strike in the middle of a message to a worker.
        self._mailbox = Mailbox([])
        self._stops = stops_into(self._mailbox)

    def __enter__(self) -> _Transfer:
        self._stops.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if error is not None:
                self.leave(range(len(self._ranks)))
        finally:
            self._stops.__exit__(kind, error, trace)

    def step(
        self,
        *,
        kind: str,
        path: str = "",
        name: str = "",
        folder: bool = False,
        part: pb.FilePart | None = None,
    ) -> list[pb.Transferred]:
        """Take a step on all ranks.

        Raises:
            KeyboardInterrupt: if a stop was asked for.
            UsageError: what a rank says against it.
        """
        request = pb.Transfer(
            id=self._id, kind=kind, path=path, name=name, folder=folder, part=part
        )
        return self._gang.transfer(self._ranks, request, stopped=self._stopped)

    def leave(self, numbers: Sequence[int]) -> None:
        """Undo what was done on these of the ranks, and go on with the others."""
        for number in numbers:
            abort = pb.Transfer(id=self._id, kind="abort")
            self._ranks[number].send(pb.ToWorker(transfer=abort))
        self._ranks = [rank for n, rank in enumerate(self._ranks) if n not in numbers]

    def _stopped(self) -> bool:
        return self._mailbox.get(0) is not None


class _Progress:
    """Says how far a transfer is, if it takes long."""

    def __init__(self, what: str, size_bytes: int) -> None:
        self.done_bytes = 0
        self._what = what
        self._size_bytes = size_bytes
        self._told_s = time.monotonic()
        self._told = False

    def add(self, count_bytes: int) -> None:
        self.done_bytes += count_bytes
        now_s = time.monotonic()
        if now_s - self._told_s > _TELL_EVERY_S:
            self._told_s = now_s
            self._tell()

    def end(self) -> None:
        if self._told:
            self._tell()
            print(file=sys.stderr)

    def _tell(self) -> None:
        self._told = True
        done = f"{size_text(self.done_bytes)} of {size_text(self._size_bytes)}"
        print(f"\rfarcell: {self._what}: {done}   ", end="", file=sys.stderr, flush=True)


def _same_place(path: str, found: str) -> str:
    """Where a copy goes by default: the same path, of one from the root on the same name."""
    if path.startswith("/") or ".." in path.split("/"):
        return os.path.basename(found)
    return os.path.normpath(path)
