"""The head's state with the processes it believes in, and every event that may happen to them.

Nothing runs here: a world is cheap to copy, so that all orders of events can be played. The same
events are played with real processes in ``test_played.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass, field, replace

from farcell_runtime.errors import FarcellError, SessionLost
from farcell_runtime.events import (
    Admit,
    Command,
    Driver,
    DriverAttached,
    DriverDetached,
    Event,
    Gang,
    GangChanged,
    GangClosed,
    GangRequested,
    HostsChanged,
    Interrupt,
    InterruptRequested,
    KillWorker,
    Oust,
    Refuse,
    Reply,
    Request,
    RestartRequested,
    Rules,
    RunGoesOn,
    RunRecord,
    RunReported,
    ScaleRequested,
    StartWorker,
    StopHead,
    StopRequested,
    Tick,
    WorkerExited,
    WorkerGone,
    WorkerReady,
)
from farcell_runtime.messages import Shape
from farcell_runtime.placement import Host, Seat
from farcell_runtime.state import State

WORKERS = 3
HOST = Host("here", cpus=2, slots=100, gpu_uuids=("G0", "G1"))
RULES = Rules("/tmp/farcell-x", "secret", idle_stop_s=100.0, start_timeout_s=10.0)
SHAPES = {
    "one": Shape(name="one"),
    "pair": Shape(ranks=2, gpus=2, name="pair"),
    "gpu": Shape(gpus=1, name="gpu"),
}
KERNEL, OTHER = "kernel", "another kernel"


@dataclass(frozen=True, slots=True)
class Process:
    """A worker's process, as the head had it started."""

    seat: Seat
    gang: str
    epoch: int
    ready: bool = False
    killed: bool = False


@dataclass
class World:
    """A head, its workers' processes, and a kernel.

    Attributes:
        alive: the processes that have not ended, by worker; in the order of their start.
        gone: the worker whose end was told last; news of it may come again, late.
        asked: the requests that nobody has answered yet.
        epochs: the newest epoch of each gang, by name.
        over: the head has stopped, and its engine ended all processes.
    """

    state: State = field(default_factory=lambda: State(RULES, [HOST], WORKERS, now=0.0))
    now: float = 0.0
    alive: dict[str, Process] = field(default_factory=dict)
    gone: str = "w0"
    asked: frozenset[str] = frozenset()
    requests: int = 0
    epochs: dict[str, int] = field(default_factory=dict)
    over: bool = False

    def copy(self) -> World:
        twin = copy(self)
        twin.state = copy(self.state)
        twin.state.gangs = dict(self.state.gangs)
        twin.state.runs = dict(self.state.runs)
        twin.state.tenure = copy(self.state.tenure)
        twin.alive = dict(self.alive)
        return twin

    def key(self) -> object:
        """Equal for worlds in which the same can happen: without numbers that only count up."""
        if self.over:
            return "over"
        state = self.state
        gangs = tuple(
            (
                name,
                gang.state,
                gang.shape,
                gang.placement,
                tuple(each.state for each in gang.members),
                tuple(each.seat for each in gang.leaving),
                gang.deaths,
                len(gang.waiting),
                len(gang.closing),
            )
            for name, gang in sorted(state.gangs.items())
        )
        runs = tuple((run.gang, run.state) for run in state.runs.values())
        driver = state.tenure.driver.key if state.tenure.driver else ""
        return gangs, runs, driver, state.capacity, bool(state.hosts)

    # ---- events -----------------------------------------------------------------------------

    def request(self, event: Request) -> list[Command]:
        """Ask for something, as a driver does."""
        self.requests += 1
        request = f"q{self.requests}"
        self.asked |= {request}
        return self.happen(replace(event, request=request))

    def happen(self, event: Event) -> list[Command]:
        """Have the state handle an event, and carry its commands out as an engine would."""
        stopped = bool(self.state.stopping)
        if isinstance(event, WorkerExited):
            self.alive.pop(event.worker, None)
            self.gone = event.worker
        if isinstance(event, WorkerReady) and event.worker in self.alive:
            self.alive[event.worker] = replace(self.alive[event.worker], ready=True)
        commands = self.state.handle(event, self.now)
        for command in commands:
            self._carry_out(command)
        self.state.check()
        assert not (stopped and [c for c in commands if not isinstance(c, Reply | Refuse)])
        self.epochs = self.epochs | {each.gang: each.epoch for each in self.alive.values()}
        self.check()
        return commands

    def _carry_out(self, command: Command) -> None:
        match command:
            case StartWorker(spec, seat):
                assert spec.worker not in self.alive, "a worker was started twice"
                assert int(spec.worker[1:]) > int(self.gone[1:]), "an old id came again"
                assert spec.epoch > self.epochs.get(spec.gang, 0), "an epoch came again"
                self.alive[spec.worker] = Process(seat, spec.gang, spec.epoch)
            case KillWorker(worker):
                assert worker in self.alive, "what isn't there was killed"
                assert not self.alive[worker].killed, "it was killed twice"
                self.alive[worker] = replace(self.alive[worker], killed=True)
            case Interrupt(worker, _):
                process = self.alive[worker]
                assert process.ready, "a worker was interrupted that isn't ready"
                assert not process.killed
                assert process.epoch == self.state.gangs[process.gang].epoch
            case Reply(request, gang):
                self._answered(request)
                if gang is not None:
                    self._check_answer(gang)
            case Refuse(request, error):
                self._answered(request)
                assert isinstance(error, FarcellError)
            case GangChanged(gang):
                assert gang.epoch > 0
            case WorkerGone(member, exited, expected):
                assert member.worker == exited.worker == self.gone
                assert not (expected and member.worker in self.alive)
            case Admit(driver, tenure):
                assert self.state.tenure.driver is not None
                assert self.state.tenure.driver.key == driver, "two drivers have the session"
                assert tenure == self.state.tenure.number
            case Oust(driver, by):
                assert self.state.tenure.driver == by
                assert driver in (KERNEL, OTHER)
            case StopHead():
                self.over = True

    def _answered(self, request: str) -> None:
        assert request in self.asked, "answered twice, or never asked"
        self.asked -= {request}

    def _check_answer(self, gang: Gang) -> None:
        """All ranks or none, of the newest epoch, and each of them a process that lives."""
        assert gang.state == "ready"
        assert [each.spec.rank for each in gang.members] == list(range(gang.shape.ranks))
        for member in gang.members:
            process = self.alive[member.worker]
            assert process.ready
            assert not process.killed
            assert process.epoch == gang.epoch == self.state.gangs[gang.name].epoch

    # ---- invariants -------------------------------------------------------------------------

    def check(self) -> None:
        """Assert what holds after every event, beside what the state says of itself."""
        gangs = self.state.gangs.values()
        seats = [process.seat for process in self.alive.values()]
        uuids = [uuid for seat in seats for uuid in seat.gpu_uuids]
        assert len(set(uuids)) == len(uuids), "two processes have one GPU"
        waiting = {each for gang in gangs for each in (*gang.waiting, *gang.closing)}
        assert waiting == self.asked, "somebody waits, and nobody knows it"
        if self.state.stopping:
            assert not self.asked
            return
        members = {each.worker: each for gang in gangs for each in gang.members}
        leaving = {each.worker for gang in gangs for each in gang.leaving}
        assert {*members, *leaving} == {*self.alive}, "a process has leaked"
        assert leaving == {name for name, process in self.alive.items() if process.killed}
        assert len(self.alive) <= self.state.capacity
        for name, member in members.items():
            assert (member.state == "ready") == self.alive[name].ready
        for gang in gangs:
            placed = {seat for each in (*gang.members, *gang.leaving) for seat in [each.seat]}
            held = set(gang.placement.seats) if gang.placement else set()
            assert placed <= held, "a process has what its gang doesn't hold"

    def settle(self) -> None:
        """Let everything that was begun come to its end; nobody may be left waiting."""
        if self.over:
            return
        self.happen(HostsChanged((HOST,)))
        for _ in range(4):
            for name, process in list(self.alive.items()):
                if process.killed:
                    self.happen(WorkerExited(name, signal=9))
            for name, process in list(self.alive.items()):
                if not process.ready and not process.killed:
                    self.happen(WorkerReady(name, 1))
        assert not self.asked, "somebody waits in vain"
        assert all(gang.state in ("ready", "lost") for gang in self.state.gangs.values())
        for gang in self.state.gangs.values():
            assert (gang.placement is None) == (gang.state == "lost"), "held for nobody"
        for kernel in (KERNEL, OTHER):
            self.happen(DriverDetached(kernel))
        self.now += RULES.idle_stop_s
        self.happen(Tick())
        assert self.over, "nobody came back, and it goes on"


# ---- what may happen --------------------------------------------------------------------------

Happening = Callable[[World], object]


def _nth(world: World, number: int) -> str | None:
    names = list(world.alive)
    return names[number] if number < len(names) else None


def _ready(number: int) -> Happening:
    def happen(world: World) -> None:
        name = _nth(world, number)
        if name is not None and not world.alive[name].ready:  # also one that was killed just now
            world.happen(WorkerReady(name, 1))

    return happen


def _dies(number: int) -> Happening:
    def happen(world: World) -> None:
        if (name := _nth(world, number)) is not None:
            world.happen(WorkerExited(name, signal=9))

    return happen


def _old_news(world: World) -> None:
    """Reports of a worker of an epoch that is over come a second time, or late."""
    before = world.key()
    assert world.happen(WorkerReady(world.gone, 1)) == []
    assert world.happen(WorkerExited(world.gone)) == []
    assert world.key() == before, "old news have changed something"


def _late(world: World) -> None:
    """So much time passes that what has not started by now counts as dead."""
    world.now += RULES.start_timeout_s
    world.happen(Tick())


def _lease_ends(world: World) -> None:
    """Nobody has come back for the idle time; a kernel that is there keeps everything."""
    before = world.key()
    world.now += RULES.idle_stop_s
    began = any(gang.state == "starting" for gang in world.state.gangs.values())
    commands = world.happen(Tick())
    if world.state.tenure.driver and not began:
        assert commands == []
        assert world.key() == before
        twin = world.copy()
        for kernel in (KERNEL, OTHER):
            twin.happen(DriverDetached(kernel))
        twin.happen(Tick())
        assert not twin.over, "the idle time counts from when the kernel left"
    assert world.over or world.state.tenure.driver


def _head_dies(world: World) -> None:
    """Its workers end with their lease, and who waited was told; the next head knows nothing."""
    world.state = State(RULES, [HOST], WORKERS, world.now)
    world.alive, world.gone, world.asked = {}, "w0", frozenset()
    world.epochs, world.over = {}, False


def _stop(world: World) -> None:
    commands = world.request(StopRequested("enough"))
    assert any(isinstance(each, StopHead) for each in commands) or world.state.stopping
    for shape in SHAPES.values():  # nothing begins any more
        (refused,) = world.request(GangRequested(shape))
        assert isinstance(refused, Refuse)
        assert isinstance(refused.error, SessionLost)


def _run(world: World) -> None:
    world.happen(RunReported(RunRecord("r0", "pair", "running")))


EVENTS: dict[str, Happening] = {
    **{f"worker {number} is ready": _ready(number) for number in range(WORKERS)},
    **{f"worker {number} dies": _dies(number) for number in range(WORKERS)},
    **{f"ask for {name}": lambda w, s=s: w.request(GangRequested(s)) for name, s in SHAPES.items()},
    **{f"restart {name}": lambda w, n=name: w.request(RestartRequested(n)) for name in SHAPES},
    **{f"close {name}": lambda w, n=name: w.request(GangClosed(n)) for name in SHAPES},
    "interrupt pair": lambda w: w.request(InterruptRequested("pair", "r0")),
    "allow two": lambda w: w.request(ScaleRequested(2)),
    "allow three": lambda w: w.request(ScaleRequested(3)),
    "kernel comes": lambda w: w.request(DriverAttached(Driver(KERNEL))),
    "another takes it": lambda w: w.request(DriverAttached(Driver(OTHER), take=True)),
    "kernel leaves": lambda w: w.happen(DriverDetached(KERNEL)),
    "a run begins": _run,
    "a run goes on": lambda w: w.happen(RunGoesOn()),
    "old news come": _old_news,
    "starts are late": _late,
    "the idle time is over": _lease_ends,
    "hosts go": lambda w: w.happen(HostsChanged(())),
    "hosts come": lambda w: w.happen(HostsChanged((HOST,))),
    "the head dies": _head_dies,
    "stop": _stop,
}


def beginnings() -> Iterator[World]:
    """A head that has just started; and one with a kernel and all three workers."""
    yield World()
    world = World()
    world.request(DriverAttached(Driver(KERNEL)))
    for name in ("one", "pair"):
        world.request(GangRequested(SHAPES[name]))
    for name in list(world.alive):
        world.happen(WorkerReady(name, 1))
    yield world
