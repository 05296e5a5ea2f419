"""What the head's state is told, what it has done, and the values that it keeps.

Plain frozen values, so that a whole life of a cluster can be written down as a list of them.
Times are seconds of a clock that only goes forward.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from farcell_runtime.errors import FarcellError
from farcell_runtime.messages import Shape, WorkerSpec
from farcell_runtime.placement import Host, Placement, Seat

# ---- values ---------------------------------------------------------------------------------

MemberState: TypeAlias = Literal["starting", "ready", "stopping", "dead"]
GangState: TypeAlias = Literal["starting", "ready", "lost", "closed"]


@dataclass(frozen=True, slots=True)
class Member:
    """One rank of a gang, in one epoch: one worker process."""

    spec: WorkerSpec
    seat: Seat
    state: MemberState = "starting"
    pid: int = 0

    @property
    def worker(self) -> str:
        return self.spec.worker


@dataclass(frozen=True, slots=True)
class Gang:
    """A gang, as the state keeps it.

    Attributes:
        epoch: grows with each restart, and never comes again in the session.
        placement: what it holds; None if it holds nothing.
        members: the ranks of this epoch, by rank; empty while those before them end.
        leaving: workers of earlier epochs that were killed and have not ended yet.
        deaths: how often in a row ranks have died before all were ready.
        since: when the ranks of this epoch were started.
        reason: why it is lost.
        waiting: the requests to answer when it is ready.
        closing: the requests to answer when it is closed.
    """

    shape: Shape
    epoch: int
    state: GangState = "starting"
    placement: Placement | None = None
    members: tuple[Member, ...] = ()
    leaving: tuple[Member, ...] = ()
    deaths: int = 0
    since: float = 0.0
    reason: str = ""
    waiting: tuple[str, ...] = ()
    closing: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        return self.shape.gang


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What a driver or a worker reported about a run. Times are seconds since the epoch."""

    run: str
    gang: str
    state: str
    label: str = ""
    started_at_s: float = 0.0
    ended_at_s: float = 0.0
    cell_id: str = ""
    number: int = 0
    name: str = ""
    logs: tuple[int, ...] = ()
    workers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Driver:
    """A process that drives the session, or wants to.

    Attributes:
        key: names this attachment of it, and no other.
        name: what it calls itself.
        pid: its process id, and
        started: that process's start time, as in `ProcessId`.
        notebook: the path of its notebook, where it is known.
        since_s: when it came, in seconds since the epoch.
    """

    key: str
    name: str = ""
    pid: int = 0
    started: int = 0
    notebook: str = ""
    since_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Rules:
    """What a session is given at its start, and keeps.

    Attributes:
        folder: the session's folder.
        token: the secret that its workers ask for.
        idle_stop_s: after so long without a driver and without a run it stops; 0: never.
        start_timeout_s: a rank that is not ready after so long counts as dead.
    """

    folder: str
    token: str
    idle_stop_s: float = 1800.0
    start_timeout_s: float = 60.0


# ---- events ---------------------------------------------------------------------------------
# ``request`` names the call to answer; empty if nobody waits for an answer.


@dataclass(frozen=True, slots=True)
class DriverAttached:
    """A driver wants the session; with ``take``, also one that another driver has."""

    driver: Driver
    take: bool = False
    request: str = ""


@dataclass(frozen=True, slots=True)
class DriverDetached:
    """The driver of this key is gone; ``left``: it has let go on purpose."""

    driver: str
    left: bool = False
    request: str = ""


@dataclass(frozen=True, slots=True)
class GangRequested:
    shape: Shape
    request: str = ""


@dataclass(frozen=True, slots=True)
class RestartRequested:
    gang: str
    request: str = ""


@dataclass(frozen=True, slots=True)
class GangClosed:
    gang: str
    request: str = ""


@dataclass(frozen=True, slots=True)
class InterruptRequested:
    gang: str
    run: str
    request: str = ""


@dataclass(frozen=True, slots=True)
class ScaleRequested:
    workers: int
    request: str = ""


@dataclass(frozen=True, slots=True)
class StopRequested:
    reason: str
    request: str = ""


@dataclass(frozen=True, slots=True)
class RunReported:
    record: RunRecord


@dataclass(frozen=True, slots=True)
class RunGoesOn:
    """A worker was seen in a run, whether or not anybody waits for it."""


@dataclass(frozen=True, slots=True)
class HostsChanged:
    """The engine's hosts are these from now on."""

    hosts: tuple[Host, ...]


@dataclass(frozen=True, slots=True)
class WorkerReady:
    """A worker's server listens."""

    worker: str
    pid: int


@dataclass(frozen=True, slots=True)
class WorkerExited:
    """A worker process ended, or could not be started; ``reason`` says more where known."""

    worker: str
    exit_code: int = 0
    signal: int = 0
    out_of_memory: bool = False
    peak_memory_bytes: int = 0
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


Request: TypeAlias = (
    GangRequested
    | RestartRequested
    | GangClosed
    | InterruptRequested
    | ScaleRequested
    | StopRequested
    | DriverAttached
    | DriverDetached
)

Event: TypeAlias = (
    Request | RunReported | RunGoesOn | HostsChanged | WorkerReady | WorkerExited | Tick
)

# ---- commands -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class StartWorker:
    spec: WorkerSpec
    seat: Seat


@dataclass(frozen=True, slots=True)
class KillWorker:
    worker: str


@dataclass(frozen=True, slots=True)
class Interrupt:
    """Send SIGINT to a worker if it is in ``run``."""

    worker: str
    run: str


@dataclass(frozen=True, slots=True)
class Reply:
    """Answer a call: with the gang it asked for, or with nothing."""

    request: str
    gang: Gang | None = None


@dataclass(frozen=True, slots=True)
class Refuse:
    """Answer a call with an error."""

    request: str
    error: FarcellError


@dataclass(frozen=True, slots=True)
class GangChanged:
    """Tell all watchers what a gang is like now."""

    gang: Gang


@dataclass(frozen=True, slots=True)
class WorkerGone:
    """Tell all watchers that a worker ended; ``expected`` if it was asked to."""

    member: Member
    exited: WorkerExited
    expected: bool
    last_run: str = ""


@dataclass(frozen=True, slots=True)
class Admit:
    """Tell a driver that the session is its own, in a tenure of this number."""

    driver: str
    tenure: int


@dataclass(frozen=True, slots=True)
class Oust:
    """Tell a driver that another has the session now."""

    driver: str
    by: Driver


@dataclass(frozen=True, slots=True)
class NoteDriver:
    """Write down who drives the session, or did last; ``left``: it has let go on purpose."""

    driver: Driver
    left: bool = False


@dataclass(frozen=True, slots=True)
class StopHead:
    """Tell all watchers that the session ends, and end it."""

    reason: str


Command: TypeAlias = (
    StartWorker
    | KillWorker
    | Interrupt
    | Reply
    | Refuse
    | GangChanged
    | WorkerGone
    | Admit
    | Oust
    | NoteDriver
    | StopHead
)
