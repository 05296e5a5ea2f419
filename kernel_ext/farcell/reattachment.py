"""The gangs that a new kernel finds in its session: connected with as soon as they are free."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future

from farcell.gang import Gang
from farcell_runtime.errors import ConnectError, FarcellError, SessionLost
from farcell_runtime.transport import farcell_pb2 as pb

_AGAIN_S = 0.2


class Reattachment:
    """Connects with gangs, each on a thread of its own: a worker in a cell does not answer.

    Args:
        connect: opens a conversation with the workers of a gang.
        is_there: whether the gang is there still, in the same epoch.
    """

    def __init__(
        self, connect: Callable[[pb.Gang], Gang], is_there: Callable[[pb.Gang], bool]
    ) -> None:
        self._connect = connect
        self._is_there = is_there
        self._gangs: dict[str, Future[Gang]] = {}
        self._new: dict[str, pb.Gang] = {}

    def begin(self, placed: pb.Gang) -> None:
        """Connect with a gang, when it answers."""
        future: Future[Gang] = Future()
        self._gangs[placed.name] = future
        self._new[placed.name] = placed
        threading.Thread(
            target=self._try, args=(placed, future), name="farcell-reattach", daemon=True
        ).start()

    def settle(self, timeout_s: float) -> None:
        """Wait so long for those that answer at once."""
        until_s = time.monotonic() + timeout_s
        for name in self._new:
            try:
                self._gangs[name].exception(max(0.0, until_s - time.monotonic()))
            except TimeoutError:
                return

    def take(self) -> list[tuple[pb.Gang, Future[Gang]]]:
        """The gangs that answered since the last call, or can't be connected with."""
        answered = [name for name in list(self._new) if self._gangs[name].done()]
        found = [(self._new.pop(name, None), self._gangs[name]) for name in answered]
        return [(placed, future) for placed, future in found if placed is not None]

    def waiting(self) -> list[pb.Gang]:
        """The gangs that have not answered yet, or whose answer nobody has taken."""
        return list(self._new.values())

    def forget(self, name: str) -> None:
        """The gang of that name is gone: nobody waits for its answer."""
        self._new.pop(name, None)

    def is_waiting(self, name: str) -> bool:
        """Whether the gang of that name has not answered yet, or nobody has taken its answer."""
        return name in self._new

    def wait(self, name: str, timeout_s: float | None = None) -> Gang:
        """The gang of that name, when it answers.

        Raises:
            TimeoutError: if it does not in ``timeout_s``.
            FarcellError: if it can't be connected with any more.
        """
        return self._gangs[name].result(timeout_s)

    def _try(self, placed: pb.Gang, future: Future[Gang]) -> None:
        while True:
            try:
                future.set_result(self._connect(placed))
            except ConnectError as error:
                if type(error) is not ConnectError:  # it was reached, and is not to be spoken with
                    future.set_exception(error)
                    return
                if self._is_there(placed):
                    time.sleep(_AGAIN_S)
                    continue
                future.set_exception(
                    SessionLost(f"gang {placed.name} was lost before it could be attached to")
                )
            except FarcellError as error:
                future.set_exception(error)
            except Exception as error:
                future.set_exception(error)
                raise
            return


def untold(snapshot: pb.Snapshot, journal: Sequence[pb.RunReport]) -> list[pb.RunReport]:
    """The ends of runs of which a kernel that is gone had not told the head."""
    over = {report.run for report in snapshot.runs if report.state != "running"}
    return [each for each in journal if each.state != "running" and each.run not in over]


def last_words(snapshot: pb.Snapshot, journal: Sequence[pb.RunReport]) -> list[pb.RunReport]:
    """What is known last of each run that the head or a kernel that is gone knew of."""
    found = {report.run: report for report in snapshot.runs}
    for report in journal:
        if report.run not in found or found[report.run].state == "running":
            found[report.run] = report
    return list(found.values())


def runs_on(report: pb.RunReport, placed: pb.Gang) -> bool:
    """Whether these are the workers that the run began on."""
    members = sorted(placed.members, key=lambda member: member.rank)
    return list(report.workers) == [member.worker for member in members]
