"""A gang as the driver sees it: one conversation with each of its workers."""

from __future__ import annotations

import contextlib
import itertools
import json
import platform
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

from farcell.deaths import worker_lost
from farcell.mailbox import Lost, Mailbox, Stop
from farcell.stops import on_stop, stops_held
from farcell_runtime import __version__, packages
from farcell_runtime.errors import (
    ConnectError,
    FarcellError,
    InternalError,
    UsageError,
    VersionMismatch,
    WorkerLost,
)
from farcell_runtime.messages import Shape
from farcell_runtime.runlog import LogReader
from farcell_runtime.segments import Pool, Segment
from farcell_runtime.transport import farcell_pb2 as pb
from farcell_runtime.transport.payload import Arrivals
from farcell_runtime.transport.worker_client import WorkerClient
from farcell_runtime.values import Parcel

Answer = pb.Fetched | pb.Inspected | pb.Transferred
Waiting = SimpleQueue[Answer | Lost | Stop]


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a worker has under some names: what it says of them, and the values of most."""

    told: pb.Fetched
    values: Parcel


_TELL_AFTER_S = 0.5
_BUSY_S = 1.0  # without an answer for so long, a worker is taken to be busy with a cell
_LISTEN_S = 0.1
_EXIT_REPORT_S = 5.0  # how long the head may take to tell how a worker ended


class Rank:
    """The conversation with one worker. Messages of a run go to the mailbox of that run."""

    def __init__(self, gang: Gang, member: pb.Member, token: str, pool: Pool, tenure: int) -> None:
        self.rank = member.rank
        self.member = member
        self.arrivals = Arrivals()
        self._pool = pool
        self._log: int = 0  # the number of the latest run's log
        self._gang = gang
        self._lock = threading.Lock()
        self._mailboxes: dict[str, Mailbox] = {}
        self._cells: set[str] = set()  # of these runs, those that have logs
        self._requests: dict[int, Waiting] = {}
        self._hello: SimpleQueue[pb.Hello | FarcellError] = SimpleQueue()
        self._lost: Lost | None = None
        self.client = WorkerClient(
            member.address, token, tenure=tenure, receive=self._received, ended=self._ended
        )

    def greet(self) -> pb.Hello:
        """Wait for the worker's first word, and compare versions.

        Raises:
            VersionMismatch: if cells can't be exchanged with it.
            ConnectError: if it can't be reached.
        """
        hello = self._hello.get()
        if isinstance(hello, FarcellError):
            raise hello
        _check_versions(hello)
        self._log = hello.latest_log
        return hello

    def send(self, message: pb.ToWorker, segment: Segment | None = None) -> None:
        """Send ``message``, whose values are in ``segment``, which was lent, if they are in any."""
        with stops_held():  # half a message would end the conversation
            if (freed := self.arrivals.take_freed()) is not None:
                self.client.send(pb.ToWorker(freed=freed))
            if segment is None:
                self.client.send(message)
                return
            try:
                self.client.send(message, [segment.descriptor])
            except OSError as error:
                self._log -= 1  # the run has not reached it
                self._pool.freed(self, [segment.number])
                told = f"rank {self.rank} of gang {self._gang.name} can't be sent values: {error}"
                raise UsageError(told, hint="run the cell again") from error

    def expect(self, run: str, mailbox: Mailbox) -> LogReader:
        """Have the messages of ``run``, which is sent next, put into ``mailbox``.

        Returns:
            Its log: the worker numbers them in the order in which runs reach it.
        """
        self._listen(run, mailbox)
        self._log += 1
        self._cells.add(run)
        return LogReader(self.member.log_folder, str(self._log))

    @contextlib.contextmanager
    def listening(self, run: str, mailbox: Mailbox) -> Iterator[None]:
        """Have the messages of ``run``, which has no log of its own, put into ``mailbox``."""
        self._listen(run, mailbox)
        try:
            yield
        finally:
            self.release(run)

    def _listen(self, run: str, mailbox: Mailbox) -> None:
        with self._lock:
            self._mailboxes[run] = mailbox
            lost = self._lost
        if lost is not None:
            mailbox.put(self.rank, lost)

    def release(self, run: str) -> None:
        """Nobody follows ``run`` any more."""
        with self._lock:
            self._mailboxes.pop(run, None)
            self._cells.discard(run)

    def ask(self, number: int, message: pb.ToWorker, answer: Waiting) -> None:
        """Send a request, and have the answer put into ``answer``."""
        with self._lock:
            if self._lost is not None:
                answer.put(self._lost)
                return
            self._requests[number] = answer
        self.send(message)

    def give_up(self, number: int, answer: Waiting) -> None:
        """Nobody waits for the answer to a request any more; it may have come."""
        with self._lock:
            self._requests.pop(number, None)
        with contextlib.suppress(Empty):
            while True:
                if isinstance(reply := answer.get_nowait(), pb.Fetched):
                    self.arrivals.drop(reply.values)

    def unpack(self, fetched: pb.Fetched) -> Fetched:
        """What this worker has sent."""
        return Fetched(fetched, self.arrivals.unpack(fetched.values))

    def last_lines(self) -> list[str]:
        """The end of the latest run's log."""
        reader = LogReader(self.member.log_folder, str(self._log))
        try:
            return reader.tail(5)
        finally:
            reader.close()

    def lose(self, error: WorkerLost, *, expected: bool = False) -> None:
        """The head says that the worker is gone."""
        with self._lock:
            if self._lost is not None:
                return
            self._lost = Lost(error, expected)
            mailboxes = list(self._mailboxes.values())
            requests = list(self._requests.values())
            self._requests.clear()
        for mailbox in mailboxes:
            mailbox.put(self.rank, self._lost)
        for answer in requests:
            answer.put(self._lost)

    @property
    def why_lost(self) -> str:
        """Why the conversation is over, if it is; empty otherwise."""
        return "" if self._lost is None else self._lost.error.message

    def close(self) -> None:
        self.client.close()

    def _received(self, message: pb.FromWorker) -> None:
        match message.WhichOneof("kind"):
            case "freed":
                self._pool.freed(self, message.freed.segments)
            case "fetched" | "inspected" | "transferred" as kind:
                reply = getattr(message, kind)
                if kind == "fetched":
                    self.arrivals.note(message.fetched.values, self.client.descriptors)
                with self._lock:
                    answer = self._requests.pop(reply.request, None)
                    if answer is not None:
                        answer.put(reply)
                    elif kind == "fetched":
                        self.arrivals.drop(message.fetched.values)
            case "hello":
                self._hello.put(message.hello)
            case "done" | "input_request" as kind:
                run = getattr(message, kind).run
                if kind == "done" and run in self._cells:
                    self._log = int(message.done.log) - message.done.log_unused
                with self._lock:
                    mailbox = self._mailboxes.get(run)
                if mailbox is not None:
                    mailbox.put(self.rank, message)

    def _ended(self, error: FarcellError | None) -> None:
        self._hello.put(error or InternalError("the worker ended the conversation"))
        self._pool.gone(self)
        self.arrivals.close()
        if not isinstance(error, ConnectError):
            self._lose_unreported(error)
            return
        # How the worker ended is the head's to say. It hears of it from the operating system,
        # sooner or later than this connection breaks.
        timer = threading.Timer(_EXIT_REPORT_S, self._lose_unreported)
        timer.daemon = True
        timer.start()

    def _lose_unreported(self, error: FarcellError | None = None) -> None:
        why, hint = "", "run the cell again; it starts on a fresh worker"
        if error is not None:
            why, hint = f": {error.message}", error.hint or hint
        told = f"the connection to rank {self.rank} of gang {self._gang.name} broke{why}"
        self.lose(WorkerLost(told, gang=self._gang.name, rank=self.rank, hint=hint))


class Gang:
    """The ranks of one gang in one epoch."""

    def __init__(self, placed: pb.Gang, token: str, pool: Pool, tenure: int) -> None:
        self._pool = pool
        self.name = placed.name
        self.epoch = placed.epoch
        self._numbers = itertools.count(1)
        self.ranks: list[Rank] = []
        self.names: list[str] = []
        # How runs ended before this conversation: rank 0's word, if it has one.
        self.ended: dict[str, pb.Done] = {}
        self._left_logs: set[tuple[str, int]] = set()
        try:
            for member in sorted(placed.members, key=lambda member: member.rank):
                self.ranks.append(Rank(self, member, token, pool, tenure))
            for rank in self.ranks:
                hello = rank.greet()
                self.names += [name for name in hello.names if name not in self.names]
                for done in hello.ended:
                    self.ended.setdefault(done.run, done)
                    if done.log_unused:
                        self._left_logs.add((done.run, rank.rank))
                if hello.environment != packages.environment():
                    self._compare_packages(rank)
        except BaseException:
            self.close()
            raise

    def logs_kept(self, run: str, logs: Sequence[int]) -> list[int]:
        """Of a run that ended before this conversation, those logs that it has not left empty."""
        left = self._left_logs
        return [0 if (run, rank) in left else number for rank, number in enumerate(logs)]

    @property
    def broken(self) -> str:
        """Why a worker can't be spoken with any more, if that is so; empty otherwise."""
        return next((why for rank in self.ranks if (why := rank.why_lost)), "")

    @property
    def member_ids(self) -> list[str]:
        """Which workers its ranks are."""
        return [rank.member.worker for rank in self.ranks]

    def fetch(
        self,
        names: Iterable[str],
        *,
        anew: bool = False,
        most_bytes: int = 0,
    ) -> list[Fetched]:
        """What each rank holds under ``names``.

        Args:
            anew: also send what has not changed since it was last sent or received.
            most_bytes: a larger value is told of and not sent; 0: none is too large.

        Raises:
            WorkerLost: if a worker dies meanwhile.
        """
        number = next(self._numbers)
        request = pb.ToWorker(
            fetch=pb.Fetch(request=number, names=names, anew=anew, most_bytes=most_bytes)
        )
        told = f"farcell: fetching {', '.join(request.fetch.names)} from gang {self.name} …"
        tell_at_s = time.monotonic() + _TELL_AFTER_S
        found: list[Fetched] = []
        answers: list[Waiting] = [SimpleQueue() for _ in self.ranks]

        def stop() -> None:
            for answer in answers:
                answer.put(Stop())

        # Raised, it could strike when an answer was taken and nobody has it yet.
        with on_stop(stop):
            try:
                for rank, answer in zip(self.ranks, answers, strict=True):
                    rank.ask(number, request, answer)
                for rank, answer in zip(self.ranks, answers, strict=True):
                    if told and not _is_there(answer, tell_at_s):
                        print(told, file=sys.stderr)
                        told = ""
                    reply = _got(answer.get())
                    assert isinstance(reply, pb.Fetched)
                    found.append(rank.unpack(reply))
                return found
            except BaseException:
                found.clear()  # which the traceback would keep
                for rank, answer in zip(self.ranks, answers, strict=True):
                    rank.give_up(number, answer)
                raise

    def lend(self, segment: Segment) -> None:
        """All ranks are about to be sent ``segment``, which one may free before another has it."""
        self._pool.lend(segment, self.ranks)
        for rank in self.ranks:
            if not rank.client.open:  # and nobody says any more that it is free
                self._pool.gone(rank)

    def alias(self, name: str, other: str) -> bool:
        """Have each rank bind ``other`` to the object that it has under ``name``."""
        answers = [self.inspect(rank, "alias", f"{name} {other}") for rank in self.ranks]
        return all(map(json.loads, answers))

    def differs(self, name: str) -> bool:
        """Whether some rank's value is not what it was sent, or has sent; true if it is busy."""
        for rank in self.ranks:
            try:
                found = self.inspect(rank, "differing", json.dumps([name]), timeout_s=_BUSY_S)
            except (FarcellError, TimeoutError):
                return True
            if json.loads(found):
                return True
        return False

    def _compare_packages(self, rank: Rank) -> None:
        theirs = json.loads(self.inspect(rank, "packages"))
        ours = packages.versions()
        for name in packages.breaking(ours, theirs):
            raise VersionMismatch(
                f"the notebook has {name} {ours[name]}, the worker {name} {theirs[name]}: "
                "their values can't travel",
                theirs=theirs[name],
                ours=ours[name],
                remedy=f"%pip install {name}=={ours[name]} in a %%remote cell, or the other here",
            )

    def inspect(
        self,
        rank: Rank,
        kind: str,
        text: str = "",
        cursor: int = 0,
        timeout_s: float | None = None,
    ) -> bytes:
        """Ask a rank about its namespace; the answer is JSON.

        Raises:
            TimeoutError: if it does not answer in ``timeout_s``.
        """
        number = next(self._numbers)
        request = pb.Inspect(request=number, kind=kind, text=text, cursor=cursor)
        answer: Waiting = SimpleQueue()
        rank.ask(number, pb.ToWorker(inspect=request), answer)
        try:
            found = answer.get(timeout=timeout_s)
        except Empty:
            raise TimeoutError(f"rank {rank.rank} of gang {self.name} is busy") from None
        reply = _got(found)
        assert isinstance(reply, pb.Inspected)
        if reply.error:
            raise InternalError(f"rank {rank.rank} of gang {self.name}: {reply.error}")
        return reply.json

    def transfer(
        self, ranks: Sequence[Rank], step: pb.Transfer, *, stopped: Callable[[], bool]
    ) -> list[pb.Transferred]:
        """Have ``ranks`` take a step in copying files.

        Args:
            stopped: whether a stop was asked for meanwhile.

        Raises:
            KeyboardInterrupt: if one was.
            UsageError: if a rank can't take the step.
            WorkerLost: if a worker dies meanwhile.
        """
        step.request = next(self._numbers)
        message = pb.ToWorker(transfer=step)
        found: list[pb.Transferred] = []
        answers: list[Waiting] = [SimpleQueue() for _ in ranks]
        for rank, answer in zip(ranks, answers, strict=True):
            rank.ask(step.request, message, answer)
        for answer in answers:
            while not _is_there(answer, time.monotonic() + _LISTEN_S):
                if stopped():
                    raise KeyboardInterrupt
            reply = _got(answer.get())
            assert isinstance(reply, pb.Transferred)
            if reply.error:
                raise UsageError(reply.error, hint=reply.hint)
            found.append(reply)
        if stopped():
            raise KeyboardInterrupt
        return found

    def lose(self, exit_: pb.WorkerExit) -> None:
        """A worker of this gang has ended, as the head says."""
        for rank in self.ranks:
            if rank.member.worker == exit_.worker:
                rank.lose(worker_lost(exit_, rank.last_lines()), expected=exit_.expected)

    def lose_all(self, why: str) -> None:
        """The session is over, and with it every worker."""
        for rank in self.ranks:
            rank.lose(WorkerLost(why, gang=self.name, rank=rank.rank))

    def close(self) -> None:
        for rank in self.ranks:
            rank.close()


def shape_of(placed: pb.Gang) -> Shape:
    """What a gang that the head tells of was asked to be."""
    asked = placed.shape
    return Shape(asked.ranks, asked.gpus, asked.cpus, asked.name)


def _is_there(answer: SimpleQueue[Any], until_s: float) -> bool:
    """Wait ``until_s`` for something to be there to be got."""
    try:
        answer.put(answer.get(timeout=max(until_s - time.monotonic(), 0)))
    except Empty:
        return False
    return True


def _got(found: Answer | Lost | Stop) -> Answer:
    if isinstance(found, Stop):
        raise KeyboardInterrupt
    if isinstance(found, Lost):
        raise found.error
    return found


def _check_versions(hello: pb.Hello) -> None:
    ours, theirs = platform.python_version(), hello.python
    if ours.split(".")[:2] != theirs.split(".")[:2]:
        raise VersionMismatch(
            f"the notebook runs Python {ours}, the worker Python {theirs}: "
            "functions can't travel between them",
            theirs=theirs,
            ours=ours,
            remedy=f"start the workers with Python {'.'.join(ours.split('.')[:2])}",
        )
    if hello.farcell != __version__:
        raise VersionMismatch(
            f"the notebook has farcell {__version__}, the worker farcell {hello.farcell}",
            theirs=hello.farcell,
            ours=__version__,
            remedy="install the same version on both, then %cluster restart",
        )
