"""One run: a cell on every rank of a gang, followed from its start to its end."""

from __future__ import annotations

import getpass
import itertools
import json
import os
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from farcell.failures import to_raise
from farcell.gang import Gang
from farcell.mailbox import Lost, Mailbox, Stop, stops_into
from farcell.merged_done import merged
from farcell.output import CellOutput, RanksOutput
from farcell_runtime.errors import RunTimeout
from farcell_runtime.runlog import Event, LogReader
from farcell_runtime.segments import Segment
from farcell_runtime.transport import farcell_pb2 as pb
from farcell_runtime.transport.payload import Packed
from farcell_runtime.values import Differs

_FIRST_LOOK_S, _LATER_LOOK_S = 0.02, 0.1
_RANKS_WAIT_S = 2.0  # for so long a line waits for the same line of the other ranks
_DIFFERS = f"{Differs.__module__}.{Differs.__qualname__}"
_numbers = itertools.count(1)
_origin = f"{os.getpid():x}-{time.time_ns():x}"


@dataclass(slots=True)
class RankState:
    """Where one rank's share of the run stands."""

    log: LogReader | None = None
    done: pb.Done | None = None
    lost: Lost | None = None

    @property
    def over(self) -> bool:
        return self.done is not None or self.lost is not None

    def complete(self) -> bool:
        """Whether all that the run said until its end was read."""
        if self.done is None or self.log is None:
            return False
        end, reach = self.done.position, self.log.reach
        return (end.out, end.err, end.events) == (reach.out, reach.err, reach.events)


class Run:
    """A cell on its way through a gang.

    Args:
        execute: what is asked of the ranks; the run's id and what each rank is told are added.
        names: the names that go along.
        interrupt: asks that a run on a gang be interrupted.
        kill: kills the gang's workers, when a stop was asked for twice.
        price: the names that only live on the gang, for the person who is about to kill it.
        comms: takes the events of comms.
        background: whether other cells run meanwhile.
    """

    def __init__(
        self,
        gang: Gang,
        execute: pb.Execute,
        names: Packed | None,
        shell: Any,
        *,
        timeout_s: float | None,
        grace_s: float,
        interrupt: Callable[[str, str], None],
        kill: Callable[[Gang], None],
        price: Callable[[], list[str]],
        comms: Callable[[Event], None],
        background: bool = False,
    ) -> None:
        self.id = execute.run = f"{_origin}-{next(_numbers)}"
        self.gang = gang
        self.number = execute.execution_count
        self._message = pb.ToWorker(execute=execute)
        self._segment: Segment | None = None
        if names is not None:
            self._message.execute.names.CopyFrom(names.payload)
            self._segment = names.segment
        self._timeout_s = timeout_s
        self._shell = shell
        self._grace_s = grace_s
        self._interrupt = interrupt
        self._kill = kill
        self._price = price
        self._mailbox = Mailbox(rank.client for rank in gang.ranks)
        self._ranks = [RankState() for _ in gang.ranks]
        self._output = CellOutput(shell, comms, beside=background)
        self._together = RanksOutput(self._output, len(gang.ranks)) if len(gang.ranks) > 1 else None
        self._started_s = time.monotonic()
        self._interrupted_s: float | None = None
        self._timed_out = False
        self._told_stuck = False
        self._killed = False
        self.asked = False  # whether it has asked for input
        self._held_back_s: float | None = None

    @property
    def done(self) -> pb.Done | None:
        """The last words of the ranks as one; none if no rank has run the cell."""
        return merged([state.done for state in self._ranks if state.done is not None])

    @property
    def refused(self) -> bool:
        """Whether some rank could not take what it was sent, and so has not run the cell."""
        return any(s.done is not None and s.done.status == "refused" for s in self._ranks)

    @property
    def wants_whole_values(self) -> bool:
        """Whether no rank has run the cell, as what it has is not what a patch was made for."""
        return all(
            s.done is not None
            and s.done.status == "refused"
            and s.done.failure.type_name == _DIFFERS
            for s in self._ranks
        )

    def carry_out(self, meanwhile: Callable[[], None]) -> None:
        """Send the cell to every rank, and follow it to its end.

        ``meanwhile`` is called when it was sent: what is done then costs no time.

        Must be called on the kernel's main thread: that makes output, interrupts and questions
        the business of the cell that runs now.
        """
        try:
            with stops_into(self._mailbox):
                # Not within the mailbox: a worker that is sending too must be read from meanwhile.
                self.send()
                with self._mailbox:
                    meanwhile()
                    self._follow()
        finally:
            self._release()

    def follow(self) -> None:
        """Follow what was sent to its end, on any thread."""
        try:
            with self._mailbox:
                self._follow()
        finally:
            self._release()

    def interrupt(self) -> None:
        """Ask that its ranks be interrupted."""
        self._interrupt(self.gang.name, self.id)

    def _release(self) -> None:
        for rank in self.gang.ranks:
            rank.release(self.id)

    def send(self) -> None:
        """Send the cell to every rank."""
        execute = self._message.execute
        stdin_allowed = execute.stdin_allowed
        if self._segment is not None:
            self.gang.lend(self._segment)
        for rank, state in zip(self.gang.ranks, self._ranks, strict=True):
            state.log = rank.expect(self.id, self._mailbox)
            execute.stdin_allowed = stdin_allowed and rank.rank == 0
            rank.send(self._message, self._segment)

    def _follow(self) -> None:
        look_s = _FIRST_LOOK_S
        while not all(state.over for state in self._ranks):
            word = self._mailbox.get(look_s)
            if word is None:
                look_s = min(look_s * 1.5, _LATER_LOOK_S)
                if self._output.may_read():
                    self._show_new()
                self._keep_time()
                continue
            self._take(*word)
        self._show_rest()
        if lost := sum(state.done.lost_bytes for state in self._ranks if state.done is not None):
            told = f"farcell: the disk is full: {lost:,} bytes of output are lost"
            print(told, file=sys.stderr)

    @property
    def made_comms(self) -> bool:
        """Whether the cell has made widgets, which may speak later."""
        return self._output.made_comms

    @property
    def showed_result(self) -> bool:
        """Whether the cell has shown a value as its result."""
        return self._output.showed_result

    def logs(self) -> list[LogReader]:
        """The readers of the ranks' logs, read up to the run's end.

        Those left out are empty, and the next run's.
        """
        return [
            state.log
            for state in self._ranks
            if state.log is not None and (state.done is None or not state.done.log_unused)
        ]

    def loaded(self) -> list[list[pb.ModuleFile]]:
        """By rank, the project's modules that were imported in it."""
        return [[] if state.done is None else list(state.done.loaded) for state in self._ranks]

    def log_numbers(self) -> list[int]:
        """By rank, the numbers of its logs, once it was sent; 0 for one that it left empty."""
        return [
            0 if state.done is not None and state.done.log_unused else int(state.log.path.stem)
            for state in self._ranks
            if state.log is not None
        ]

    def error(self) -> BaseException | None:
        """What the cell is to raise, if it failed anywhere."""
        if self._killed:
            return KeyboardInterrupt()
        losses = [state.lost for state in self._ranks if state.lost is not None]
        if losses:
            # The loss that began it; the other ranks were stopped because of it.
            return min(losses, key=lambda lost: lost.expected).error
        failures: dict[tuple[str, str], list[int]] = {}
        for rank, state in enumerate(self._ranks):
            if state.done is not None and state.done.HasField("failure"):
                failure = state.done.failure
                failures.setdefault((failure.type_name, failure.message), []).append(rank)
        if not failures:
            return self._output.fault
        if self._timed_out and any(name == "KeyboardInterrupt" for name, _ in failures):
            return RunTimeout(
                f"the cell ran for over {self._timeout_s:g} s and was interrupted",
                hint="its names are kept; give it more time with --timeout",
            )
        groups = sorted(failures.values())
        if len(self._ranks) > 1 and (len(groups) > 1 or len(groups[0]) < len(self._ranks)):
            for ranks in groups:
                failure = self._failure(ranks[0])
                print(f"{_ranks(ranks)}: {failure.type_name}: {failure.message}", file=sys.stderr)
        first = groups[0][0]
        only = first if len(self._ranks) > 1 else None
        return to_raise(self._failure(first), gang=self.gang.name, rank=only)

    def _failure(self, rank: int) -> pb.Failure:
        done = self._ranks[rank].done
        assert done is not None
        return done.failure

    def _take(self, rank: int, message: pb.FromWorker | Lost | Stop) -> None:
        state = self._ranks[rank]
        if isinstance(message, Stop):
            self._stop()
            return
        if isinstance(message, Lost):
            state.lost = message
            if self._together is not None:
                self._together.ended(rank)
            return
        match message.WhichOneof("kind"):
            case "done":
                state.done = message.done
                self._pages(message.done)
            case "input_request":
                self._show_new(wait=False)
                self._answer(rank, message.input_request)

    def _show_new(self, *, wait: bool = True) -> None:
        for rank, state in enumerate(self._ranks):
            if state.log is None or state.complete() or not state.log.has_more():
                continue
            items = self._output.read(state.log)
            if self._together is None:
                for item in items:
                    self._output.show(item)
                self._note_shown()
            else:
                self._together.add(rank, items)
        if self._together is not None:
            now_s = time.monotonic()
            self._together.flush(wait=True)
            if not self._together.waiting():
                self._held_back_s = None
            elif self._held_back_s is None:
                self._held_back_s = now_s
            if not wait or now_s - (self._held_back_s or now_s) > _RANKS_WAIT_S:
                self._together.flush(wait=False)
                self._held_back_s = None
            if not self._together.waiting():
                self._note_shown()

    def _note_shown(self) -> None:
        """Have a kernel that takes this one's place go on from here."""
        if all(state.over for state in self._ranks):
            return  # nothing will be left to show
        self._output.flush()  # or it would be lost with this process
        for state in self._ranks:
            if state.log is not None:
                state.log.note_shown()

    def _show_rest(self) -> None:
        if self._together is None:
            self._show_new()
            return
        self._show_new()
        for rank in range(len(self._ranks)):
            self._together.ended(rank)
        self._together.flush(wait=False)

    def _answer(self, rank: int, question: pb.InputRequest) -> None:
        self.asked = True
        reply = pb.InputReply(run=self.id)
        ask = getpass.getpass if question.password else input
        ours = signal.getsignal(signal.SIGINT)
        try:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            try:
                reply.text = ask(question.prompt)
            finally:
                signal.signal(signal.SIGINT, ours)
        except KeyboardInterrupt:  # which may have struck before that last line
            signal.signal(signal.SIGINT, ours)
            reply.interrupted = True
        except Exception as error:  # StdinNotImplementedError, or EOF in a terminal
            reply.refused = str(error) or type(error).__name__
        self.gang.ranks[rank].send(pb.ToWorker(input_reply=reply))

    def _pages(self, done: pb.Done) -> None:
        for payload in json.loads(done.payloads) if done.payloads else ():
            self._shell.payload_manager.write_payload(payload)

    def _keep_time(self) -> None:
        now_s = time.monotonic()
        timeout_s = self._timeout_s
        if timeout_s is not None and not self._timed_out and now_s - self._started_s > timeout_s:
            self._timed_out = True
            self._interrupted_s = now_s
            self.interrupt()
        waited_s = 0.0 if self._interrupted_s is None else now_s - self._interrupted_s
        if waited_s > self._grace_s and not self._told_stuck:
            self._told_stuck = True
            print(
                "farcell: the cell is inside a call that can't be interrupted; it stops when that "
                f"returns. Stop again to kill the worker.{self._priced()}",
                file=sys.stderr,
                flush=True,
            )

    def _stop(self) -> None:
        """A stop was asked for: once interrupts, twice kills."""
        if self._interrupted_s is None:
            self._interrupted_s = time.monotonic()
            self.interrupt()
            return
        if time.monotonic() - self._interrupted_s < self._grace_s or self._killed:
            return  # a second press in haste; the first one is still on its way
        print(f"farcell: killing the worker.{self._priced()}", file=sys.stderr, flush=True)
        self._killed = True
        self._kill(self.gang)

    def _priced(self) -> str:
        names = self._price()
        if not names:
            return " No name lives there alone."
        shown = ", ".join(names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
        return f" That costs what only lives there: {shown}."


def _ranks(ranks: list[int]) -> str:
    """``rank 3``, ``ranks 0-6`` or ``ranks 0, 2``."""
    if len(ranks) == 1:
        return f"rank {ranks[0]}"
    if ranks == list(range(ranks[0], ranks[-1] + 1)):
        return f"ranks {ranks[0]}-{ranks[-1]}"
    return "ranks " + ", ".join(map(str, ranks))
