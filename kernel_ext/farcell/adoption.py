"""What a session held before this kernel came to it: gangs with names, and runs that go on."""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Callable

from farcell.cells import Cells
from farcell.directory import KERNEL
from farcell.durations import duration_text
from farcell.gang import Gang
from farcell.late_output import LateOutput
from farcell.names import Names
from farcell.reattachment import Reattachment, last_words, runs_on, untold
from farcell.stops import stops_held
from farcell_runtime import roster
from farcell_runtime.runlog import LogReader
from farcell_runtime.sizes import size_text
from farcell_runtime.transport import farcell_pb2 as pb

_ANSWER_S = 0.5  # a worker that is in no cell answers in less
_TELL_AFTER_S = 1.0
_SIZES_S = 2.0
_MOST_TOLD = 8


class Adoption:
    """Takes in, and tells, what a session holds.

    Args:
        notice_bytes: names that hold more than this on a gang are told; 0: never.
        connect: opens a conversation with the workers of a gang.
        is_there: whether the gang is there still, in the same epoch.
        register: takes in a gang that has answered; false if it is known already.
        lose: forgets a gang, by name, for that reason.
        report: tells the session of a run.
    """

    def __init__(
        self,
        names: Names,
        cells: Cells,
        late: LateOutput,
        *,
        notice_bytes: int,
        connect: Callable[[pb.Gang], Gang],
        is_there: Callable[[pb.Gang], bool],
        register: Callable[[pb.Gang, Gang], bool],
        lose: Callable[[str, str], None],
        report: Callable[[pb.RunReport], None],
    ) -> None:
        self._names = names
        self._cells = cells
        self._notice_bytes = notice_bytes
        self._late = late
        self._connect = connect
        self._is_there = is_there
        self._register = register
        self._lose = lose
        self._report = report
        self._reattachment = Reattachment(connect, is_there)
        self._labels: dict[str, str] = {}  # of what runs, by gang

    def begin(self, snapshot: pb.Snapshot, journal: list[pb.RunReport]) -> None:
        """Connect with the gangs, wait a moment for those that are idle, and follow the runs.

        Args:
            journal: what became of runs, as the kernel before this one has noted it.
        """
        self._reattachment = Reattachment(self._connect, self._is_there)
        gangs = {gang.name: gang for gang in snapshot.gangs if gang.state == "ready"}
        for placed in gangs.values():
            self._reattachment.begin(placed)
        self._reattachment.settle(_ANSWER_S)
        self.take_answered()
        for report in untold(snapshot, journal):
            self._report(report)
        runs = last_words(snapshot, journal)
        self._cells.count_from(max((report.number for report in runs), default=0))
        running = [
            report
            for report in runs
            if report.state == "running"
            and (gang := gangs.get(report.gang))
            and runs_on(report, gang)
        ]
        self._labels = {report.gang: report.label for report in running}
        for report in running:
            self._follow(report, gangs[report.gang])
        for placed in self._reattachment.waiting():
            held = [name for name in self._await(placed) if not name.startswith("_")]
            if held:
                print(
                    f"farcell: gang {placed.name} is busy; what it holds can be read when that run "
                    f"ends: {_few(held)}"
                )

    def end(self) -> None:
        """The session is not this kernel's any more."""
        self._reattachment = Reattachment(self._connect, self._is_there)

    def take_answered(self) -> None:
        """On the main thread: take in the gangs that have answered."""
        with stops_held():  # they are told once
            self._take_answered()

    def _take_answered(self) -> None:
        for placed, future in self._reattachment.take():
            if (error := future.exception()) is not None:
                print(f"farcell: gang {placed.name} can't be used: {error}", file=sys.stderr)
                self._lose(placed.name, str(error))
                continue
            gang = future.result()
            if not self._register(placed, gang):
                gang.close()
                continue
            sizes = _sizes(gang)
            self._names.directory.moved(sizes)
            used = size_text(sum(member.memory_bytes for member in placed.members))
            print(f"farcell: attached to gang {gang.name}: {_held(gang, sizes)}, {used} of memory")
            if notice := _notice(gang.name, sizes, self._notice_bytes):
                print(f"farcell: {notice}")

    def is_waiting(self, gang: str) -> bool:
        """Whether the gang of that name has not answered yet, or has not been taken in."""
        return self._reattachment.is_waiting(gang)

    def waiting(self) -> list[str]:
        """The gangs that have not answered yet."""
        return [placed.name for placed in self._reattachment.waiting()]

    def epoch(self, gang: str) -> int:
        """That of a gang which has not answered yet; 0 of any other."""
        waiting = self._reattachment.waiting()
        return next((placed.epoch for placed in waiting if placed.name == gang), 0)

    def lose(self, gang: str) -> None:
        """The gang of that name is gone."""
        self._reattachment.forget(gang)

    def wait_for(self, gang: str) -> None:
        """Wait for a gang that is in a run which a kernel before this one began.

        Raises:
            KeyboardInterrupt: if that is not waited for; then all is as it was.
            FarcellError: if the gang is lost.
        """
        started_s = time.monotonic()
        what = self._labels.get(gang, "")
        told = False
        try:
            while True:
                with contextlib.suppress(TimeoutError):
                    self._reattachment.wait(gang, _TELL_AFTER_S)
                    break
                waited = duration_text(time.monotonic() - started_s)
                line = f"gang {gang} is busy; waiting for the run there to end: {what}, {waited} …"
                print(f"\rfarcell: {line}   ", end="", file=sys.stderr, flush=True)
                told = True
        finally:
            if told:
                print(file=sys.stderr)
        self.take_answered()

    def _await(self, placed: pb.Gang) -> list[str]:
        """Have the names known that a gang holds which is in a run, and can't be asked."""
        [first, *_] = sorted(placed.members, key=lambda member: member.rank)
        names, namespace = self._names, self._names.shell.user_ns
        held = roster.read(first.log_folder)
        here = [n for n in held if n in namespace and names.directory.is_newest(KERNEL, n)]
        awaited = [name for name in held if name not in here]
        names.found(placed.name, awaited, known=False)
        return awaited

    def _follow(self, report: pb.RunReport, placed: pb.Gang) -> None:
        members = sorted(placed.members, key=lambda member: member.rank)
        self._late.follow(
            [
                LogReader.resumed(member.log_folder, str(number))
                for member, number in zip(members, report.logs, strict=False)
            ],
            lambda event: None,  # whoever could have shown its widgets is gone
            widgets=False,
        )
        reattachment = self._reattachment
        run = self._cells.found(report, lambda: reattachment.wait(placed.name))
        goes_on = reattachment.is_waiting(placed.name)
        state = "is still running" if goes_on else "has ended meanwhile"
        named = f" '{run.name}'" if run.name else ""
        print(f"farcell: run {run.number}{named} on gang {run.gang} {state}: {run.label}")


def _sizes(gang: Gang) -> dict[str, int]:
    """How many bytes each name's value takes up, on all ranks together, as these say."""
    sizes: dict[str, int] = {}
    try:
        for rank in gang.ranks:
            found = json.loads(gang.inspect(rank, "footprints", timeout_s=_SIZES_S))
            for name, size in found.items():
                sizes[name] = sizes.get(name, 0) + size
    except TimeoutError:
        return {}  # something that goes on there keeps it busy
    return sizes


def _held(gang: Gang, sizes: dict[str, int]) -> str:
    names = [name for name in gang.names if not name.startswith("_")]
    if not names:
        return "no names"
    names.sort(key=lambda name: -sizes.get(name, 0))
    # Modules, functions and classes have no size of their own.
    told = [f"{name} {size_text(sizes[name])}" if sizes.get(name) else name for name in names]
    return f"{len(names)} name{'' if len(names) == 1 else 's'} ({_few(told)})"


def _notice(gang: str, sizes: dict[str, int], least_bytes: int) -> str:
    """What is to be said of names that hold much; nothing if they don't."""
    total = sum(sizes.values())
    if not least_bytes or total < least_bytes:
        return ""
    large = sorted((n for n in sizes if sizes[n] > total / 100), key=lambda n: -sizes[n])
    return (
        f"these names hold {size_text(total)} on gang {gang}: keep them, or free them with "
        f"%cluster free {', '.join(large[:_MOST_TOLD])}"
    )


def _few(names: list[str]) -> str:
    return ", ".join(names[:_MOST_TOLD]) + (" …" if len(names) > _MOST_TOLD else "")
