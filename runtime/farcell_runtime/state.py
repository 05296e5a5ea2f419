"""What the head knows and decides, without a clock, a thread or a socket.

`State.handle` takes one event and the time, and returns the commands to carry out, in order.
A gang is in one of five states; this is all that can happen to it:

    event \\ state     (none)   starting        ready    lost     closed
    GangRequested     start    wait            answer   start    start when the old ranks ended
    RestartRequested  refuse   restart         restart  start    refuse
    GangClosed        refuse   close           close    close    wait
    WorkerReady       –        last: ready     –        –        –
    a rank exited     –        restart; lost   restart  –        –
                               the 3rd time
    an old one did    –        last: start     –        –        last: forget
    Tick              –        late: as if     –        –        –
                               it had exited

"Restart" kills the other ranks, raises the epoch, and starts fresh ranks as soon as the old ones
have ended: what they held (GPUs, memory) is free only then.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from farcell_runtime.errors import FarcellError, SessionLost, UsageError, WorkerLost
from farcell_runtime.events import (
    Command,
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
    Member,
    Refuse,
    Reply,
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
from farcell_runtime.messages import Shape, WorkerSpec
from farcell_runtime.placement import Host, Placement, Seat, check_shape, place, refusal
from farcell_runtime.tenure import Tenure

_MOST_DEATHS = 3
_MOST_RUNS = 100
_LIVE = ("waiting", "running")


class State:
    """All gangs, drivers and runs of one session."""

    def __init__(self, rules: Rules, hosts: Sequence[Host], workers: int, now: float) -> None:
        self.rules = rules
        self.hosts = tuple(hosts)
        self.capacity = workers
        self.gangs: dict[str, Gang] = {}
        self.tenure = Tenure(now)
        self.runs: dict[str, RunRecord] = {}
        self.stopping = ""
        self._next_worker = 1
        self._next_epoch = 1

    def handle(self, event: Event, now: float) -> list[Command]:
        """Take in one event; the answer is what has to be done about it, in this order."""
        if self.stopping:
            return self._handle_late(event)
        match event:
            case GangRequested(shape, request):
                return self._or_refuse(request, self._request, shape, request, now)
            case RestartRequested(name, request):
                return self._or_refuse(request, self._restart_by_name, name, request, now)
            case GangClosed(name, request):
                return self._or_refuse(request, self._close, name, request)
            case InterruptRequested(name, run, request):
                return self._or_refuse(request, self._interrupt, name, run, request)
            case ScaleRequested(workers, request):
                return self._or_refuse(request, self._scale, workers, request)
            case WorkerReady(worker, pid):
                return self._ready(worker, pid)
            case WorkerExited():
                return self._exited(event, now)
            case RunReported(record):
                self._report(record)
            case RunGoesOn():
                self.tenure.idle_since = now
            case HostsChanged(hosts):
                self.hosts = hosts
            case DriverAttached(driver, take, request):
                return self._or_refuse(request, self.tenure.attach, driver, take, request)
            case DriverDetached():
                return self.tenure.detach(event, now)
            case Tick():
                return self._tick(now)
            case StopRequested(reason, request):
                return self._stop(reason, request)
        return []

    def find(self, worker: str) -> tuple[Gang, Member] | None:
        """The gang and the member that ``worker`` is, in this epoch or leaving."""
        for gang in self.gangs.values():
            for member in (*gang.members, *gang.leaving):
                if member.worker == worker:
                    return gang, member
        return None

    # ---- requests ---------------------------------------------------------------------------

    def _or_refuse(
        self, request: str, method: Callable[..., list[Command]], *arguments: object
    ) -> list[Command]:
        try:
            return method(*arguments)
        except FarcellError as error:
            return [Refuse(request, error)] if request else []

    def _request(self, shape: Shape, request: str, now: float) -> list[Command]:
        gang = self.gangs.get(shape.gang)
        if gang is None:
            check_shape(shape)
            fresh = Gang(shape, self._new_epoch(), waiting=_some(request))
            self._place(fresh)  # refused before anything is kept
            return self._start(fresh, now)
        if not _fits(shape, gang.shape) and gang.state != "closed":
            raise UsageError(
                f"gang '{gang.name}' has {_words(gang.shape)}, not {_words(shape)}",
                hint=f"use another name, or close it first: %cluster stop {gang.name}",
            )
        match gang.state:
            case "ready":
                return [Reply(request, gang)] if request else []
            case "starting":
                self._keep(replace(gang, waiting=(*gang.waiting, *_some(request))))
                return []
            case "lost":
                again = replace(gang, waiting=_some(request))
                self._place(again)
                return self._restart(again, now)
            case "closed":
                again = replace(gang, waiting=_some(request), closing=(), state="starting")
                if not _fits(shape, gang.shape):
                    again = replace(again, shape=shape)
                self._place(again)
                answers: list[Command] = [Reply(each) for each in gang.closing]
                return [*answers, *self._restart(again, now)]

    def _restart_by_name(self, name: str, request: str, now: float) -> list[Command]:
        gang = self._open_gang(name)
        again = replace(gang, waiting=(*gang.waiting, *_some(request)), deaths=0)
        self._place(again)
        return self._restart(again, now)

    def _close(self, name: str, request: str) -> list[Command]:
        gang = self.gangs.get(name)
        if gang is not None and gang.state == "closed":
            self._keep(replace(gang, closing=(*gang.closing, *_some(request))))
            return []
        gang = self._open_gang(name)
        gang, kills = _leave(gang)
        closed = UsageError(f"gang '{name}' was closed before it was ready")
        refusals: list[Command] = [Refuse(each, closed) for each in gang.waiting]
        gang = replace(gang, state="closed", waiting=(), closing=_some(request))
        return [*refusals, *kills, *self._changed(gang), *self._forget_if_empty(gang)]

    def _interrupt(self, name: str, run: str, request: str) -> list[Command]:
        gang = self._open_gang(name)
        commands: list[Command] = [
            Interrupt(member.worker, run) for member in gang.members if member.state == "ready"
        ]
        return [*commands, *([Reply(request)] if request else [])]

    def _scale(self, workers: int, request: str) -> list[Command]:
        if workers < 1:
            raise UsageError(f"a session holds at least 1 worker, not {workers}")
        used = self._workers_held()
        if workers < used:
            names = ", ".join(f"'{each.gang}'" for each in self._held())
            raise UsageError(
                f"{used} workers are in use, by {names}",
                hint="close a gang first: %cluster stop NAME",
            )
        self.capacity = workers
        return [Reply(request)] if request else []

    def _stop(self, reason: str, request: str) -> list[Command]:
        self.stopping = reason or "stopped"
        lost = SessionLost(f"the session is stopping: {self.stopping}")
        commands: list[Command] = []
        for gang in self.gangs.values():
            commands += [Refuse(each, lost) for each in gang.waiting]
            commands += [Reply(each) for each in gang.closing]
            self._keep(replace(gang, waiting=(), closing=()))
        if request:
            commands.append(Reply(request))
        return [*commands, StopHead(self.stopping)]

    def _handle_late(self, event: Event) -> list[Command]:
        """Nothing begins in a session that is stopping, and nobody is left waiting."""
        request = getattr(event, "request", "")
        if not request:
            return []
        if isinstance(event, StopRequested | GangClosed):
            return [Reply(request)]
        lost = SessionLost(
            f"the session is stopping: {self.stopping}", hint="start a new one: %cluster start"
        )
        return [Refuse(request, lost)]

    # ---- workers ----------------------------------------------------------------------------

    def _ready(self, worker: str, pid: int) -> list[Command]:
        found = self.find(worker)
        if found is None:
            return []
        gang, member = found
        if member.state != "starting":
            return []  # it was asked to stop meanwhile
        gang = _with(gang, replace(member, state="ready", pid=pid))
        if any(each.state != "ready" for each in gang.members):
            return self._changed(gang)
        answers = gang.waiting
        gang = replace(gang, state="ready", deaths=0, waiting=())
        return [*self._changed(gang), *(Reply(each, gang) for each in answers)]

    def _exited(self, exited: WorkerExited, now: float) -> list[Command]:
        found = self.find(exited.worker)
        if found is None:
            return []
        gang, member = found
        expected = member.state == "stopping"
        gone = replace(member, state="dead")
        last_run = next(
            (run.run for run in reversed(self.runs.values()) if run.gang == gang.name), ""
        )
        notice = WorkerGone(gone, exited, expected, last_run)
        if not expected:
            return [notice, *self._died(gang, member, _cause(exited), now, gone=True)]
        gang = replace(
            gang, leaving=tuple(each for each in gang.leaving if each.worker != exited.worker)
        )
        self._keep(gang)
        if gang.leaving:
            return [notice]
        if gang.state == "starting":
            return [notice, *self._start(gang, now)]
        return [notice, *self._forget_if_empty(gang)]

    def _died(
        self, gang: Gang, member: Member, cause: str, now: float, *, gone: bool
    ) -> list[Command]:
        """A rank ended, or is given up: restart the gang, unless that failed too often."""
        deaths = gang.deaths + 1 if gang.state == "starting" else 0
        self._lose_runs(gang.name)
        if gone:
            others = tuple(each for each in gang.members if each.worker != member.worker)
            gang = replace(gang, members=others)
        gang = replace(gang, deaths=deaths)
        if deaths < _MOST_DEATHS:
            return self._restart(gang, now)
        why = f"rank {member.spec.rank} of '{gang.name}' could not be started: {cause}"
        hint = "the reason may stand in its log: `farcell logs`"
        return self._lost(gang, WorkerLost(why, gang=gang.name, rank=member.spec.rank, hint=hint))

    def _lost(self, gang: Gang, error: FarcellError) -> list[Command]:
        gang, kills = _leave(gang)
        refusals: list[Command] = [Refuse(each, error) for each in gang.waiting]
        gang = replace(gang, state="lost", waiting=(), deaths=0, reason=error.message)
        if not gang.leaving:
            gang = replace(gang, placement=None)
        return [*kills, *self._changed(gang), *refusals]

    def _restart(self, gang: Gang, now: float) -> list[Command]:
        gang, kills = _leave(gang)
        gang = replace(gang, epoch=self._new_epoch(), state="starting", reason="")
        if gang.leaving:
            return [*kills, *self._changed(gang)]
        return [*kills, *self._start(gang, now)]

    def _start(self, gang: Gang, now: float) -> list[Command]:
        """Start the ranks of a gang of which no process is left."""
        try:
            placement = self._place(gang)
        except FarcellError as error:  # the hosts changed since it was asked for
            return self._lost(gang, error)
        members = tuple(Member(self._spec(gang, placement, seat), seat) for seat in placement.seats)
        gang = replace(gang, placement=placement, members=members, since=now)
        starts = [StartWorker(member.spec, member.seat) for member in members]
        return [*starts, *self._changed(gang)]

    def _tick(self, now: float) -> list[Command]:
        idle_stop_s, tenure = self.rules.idle_stop_s, self.tenure
        if idle_stop_s and tenure.driver is None and now - tenure.idle_since >= idle_stop_s:
            return self._stop(f"no driver was attached for {idle_stop_s:g} s, and nothing ran", "")
        commands: list[Command] = []
        for gang in list(self.gangs.values()):
            late_s = now - gang.since
            if gang.state != "starting" or not gang.members:
                continue
            if late_s < self.rules.start_timeout_s:
                continue
            slow = next(each for each in gang.members if each.state == "starting")
            commands += self._died(
                gang, slow, f"it was not ready after {late_s:.0f} s", now, gone=False
            )
        return commands

    # ---- what is held -----------------------------------------------------------------------

    def _held(self, but: str = "") -> list[Placement]:
        return [
            gang.placement
            for gang in self.gangs.values()
            if gang.placement is not None and gang.name != but
        ]

    def _workers_held(self, but: str = "") -> int:
        return sum(len(each.seats) for each in self._held(but))

    def _place(self, gang: Gang) -> Placement:
        """Where the gang goes if what it holds itself counts as free."""
        held = self._held(but=gang.name)
        free = self.capacity - self._workers_held(but=gang.name)
        if gang.shape.ranks > free:
            raise refusal(
                gang.shape,
                {"workers": gang.shape.ranks},
                {"workers": free},
                {"workers": self.capacity},
                held,
            )
        return place(gang.shape, self.hosts, held)

    def _spec(self, gang: Gang, placement: Placement, seat: Seat) -> WorkerSpec:
        worker = f"w{self._next_worker}"
        self._next_worker += 1
        environment: dict[str, str] = {}
        if len(placement.seats) > 1:
            first = next(h for h in self.hosts if h.name == placement.seats[0].host)
            environment = {
                "RANK": str(seat.rank),
                "LOCAL_RANK": str(seat.local_rank),
                "WORLD_SIZE": str(len(placement.seats)),
                "LOCAL_WORLD_SIZE": str(placement.ranks_on(seat.host)),
                "MASTER_ADDR": first.address,
            }
        return WorkerSpec(
            worker=worker,
            gang=gang.name,
            rank=seat.rank,
            world_size=len(placement.seats),
            epoch=gang.epoch,
            folder=self.rules.folder,
            token=self.rules.token,
            gpu_uuids=seat.gpu_uuids,
            environment=tuple(environment.items()),
        )

    def _new_epoch(self) -> int:
        self._next_epoch += 1
        return self._next_epoch - 1

    def _open_gang(self, name: str) -> Gang:
        gang = self.gangs.get(name)
        if gang is None or gang.state == "closed":
            there = ", ".join(f"'{each.name}'" for each in self.gangs.values())
            raise UsageError(
                f"there is no gang '{name}'", hint=f"gangs are: {there}" if there else ""
            )
        return gang

    def _keep(self, gang: Gang) -> None:
        self.gangs[gang.name] = gang

    def _changed(self, gang: Gang) -> list[Command]:
        self._keep(gang)
        return [GangChanged(gang)]

    def _forget_if_empty(self, gang: Gang) -> list[Command]:
        if gang.leaving:
            return []
        if gang.state == "closed":
            del self.gangs[gang.name]
        else:
            self._keep(replace(gang, placement=None))
        return [Reply(each) for each in gang.closing]

    # ---- runs -------------------------------------------------------------------------------

    def _report(self, record: RunRecord) -> None:
        known = self.runs.get(record.run)
        if known is not None and known.state not in _LIVE and record.state in _LIVE:
            return  # reports may overtake each other
        self.runs[record.run] = record  # a run keeps the place of its first report
        while len(self.runs) > _MOST_RUNS:
            del self.runs[next(iter(self.runs))]

    def _lose_runs(self, gang: str) -> None:
        for run in self.runs.values():
            if run.gang == gang and run.state in _LIVE:
                self.runs[run.run] = replace(run, state="lost")

    # ---- invariants -------------------------------------------------------------------------

    def check(self) -> None:
        """Assert what holds after every event."""
        everyone = [each for gang in self.gangs.values() for each in (*gang.members, *gang.leaving)]
        workers = [each.worker for each in everyone]
        assert len(set(workers)) == len(workers), "two processes have one worker's id"
        assert all(int(worker[1:]) < self._next_worker for worker in workers)
        uuids = [uuid for each in self._held() for seat in each.seats for uuid in seat.gpu_uuids]
        assert len(set(uuids)) == len(uuids), "a GPU is held twice"
        assert self._workers_held() <= self.capacity, "more workers are held than may be"
        assert len(self.runs) <= _MOST_RUNS
        for name, gang in self.gangs.items():
            assert name == gang.name
            _check_gang(gang)
        assert not (self.stopping and any(gang.waiting for gang in self.gangs.values()))


def _check_gang(gang: Gang) -> None:
    states = [each.state for each in gang.members]
    assert gang.deaths < _MOST_DEATHS
    assert all(each.state == "stopping" for each in gang.leaving)
    assert all(each.spec.epoch == gang.epoch for each in gang.members)
    assert all(each.spec.epoch < gang.epoch or not states for each in gang.leaving)
    assert not (gang.members and gang.leaving), "fresh ranks run beside old ones"
    assert (gang.placement is not None) or not (gang.members or gang.leaving)
    assert not gang.waiting or gang.state == "starting"
    assert not gang.closing or gang.state == "closed"
    match gang.state:
        case "starting":
            assert bool(gang.members) != bool(gang.leaving)
            assert not states or "starting" in states
            assert not states or len(states) == gang.shape.ranks
        case "ready":
            assert states == ["ready"] * gang.shape.ranks
            assert [each.spec.rank for each in gang.members] == list(range(gang.shape.ranks))
        case "lost":
            assert not states
            assert gang.reason
            assert (gang.placement is None) == (not gang.leaving), "a lost gang holds something"
        case "closed":
            assert not states
            assert gang.leaving, "a closed gang was not forgotten"


def _leave(gang: Gang) -> tuple[Gang, list[Command]]:
    """The gang with all its members leaving, and the kills that makes."""
    kills: list[Command] = [KillWorker(each.worker) for each in gang.members]
    leaving = tuple(replace(each, state="stopping") for each in gang.members)
    return replace(gang, members=(), leaving=(*gang.leaving, *leaving)), kills


def _with(gang: Gang, member: Member) -> Gang:
    members = (member if each.worker == member.worker else each for each in gang.members)
    return replace(gang, members=tuple(members))


def _some(request: str) -> tuple[str, ...]:
    return (request,) if request else ()


def _fits(asked: Shape, there: Shape) -> bool:
    """Whether a gang of the shape ``there`` is what was asked for, by shape or by name alone."""
    plain = (asked.ranks, asked.gpus, asked.cpus) == (1, 0, 0.0)
    same = (asked.ranks, asked.gpus, asked.cpus) == (there.ranks, there.gpus, there.cpus)
    return same or (plain and bool(asked.name))


def _words(shape: Shape) -> str:
    return f"ranks={shape.ranks} gpus={shape.gpus} cpus={shape.cpus:g}"


def _cause(exited: WorkerExited) -> str:
    if exited.reason:
        return exited.reason
    if exited.out_of_memory:
        return "it ran out of memory"
    if exited.signal:
        return f"it was ended by signal {exited.signal}"
    return f"it exited with code {exited.exit_code}"
