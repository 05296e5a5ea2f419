"""The head's state: each row of its table, and its invariants under anything that can happen."""

from __future__ import annotations

from dataclasses import replace
from typing import TypeVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from farcell_runtime.errors import FarcellError, PlacementError, SessionLost, UsageError, WorkerLost
from farcell_runtime.events import (
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
from farcell_runtime.messages import Shape
from farcell_runtime.placement import Host
from farcell_runtime.state import State

HOST = Host("here", cpus=4, slots=100, gpu_uuids=("G0", "G1", "G2", "G3"))
RULES = Rules("/tmp/farcell-x", "secret", idle_stop_s=100.0, start_timeout_s=10.0)
T = TypeVar("T")


class Cluster:
    """A state, and the processes it believes in."""

    def __init__(self, workers: int = 8) -> None:
        self.state = State(RULES, [HOST], workers, now=0.0)
        self.now = 0.0
        self.alive: set[str] = set()
        self.killed: set[str] = set()
        self.started: list[str] = []

    def do(self, *events: Event) -> list[Command]:
        commands: list[Command] = []
        for event in events:
            if isinstance(event, WorkerExited):
                self.alive.discard(event.worker)
                self.killed.discard(event.worker)
            new = self.state.handle(event, self.now)
            for command in new:
                if isinstance(command, StartWorker):
                    assert command.spec.worker not in self.started
                    self.alive.add(command.spec.worker)
                    self.started.append(command.spec.worker)
                if isinstance(command, KillWorker):
                    assert command.worker in self.alive, "what isn't there was killed"
                    assert command.worker not in self.killed, "it was killed twice"
                    self.killed.add(command.worker)
            self.state.check()
            commands += new
        return commands

    def open(self, shape: Shape | None = None) -> Gang:
        """A gang, ready."""
        shape = shape or Shape()
        begun = self.do(GangRequested(shape))
        self.do(*(WorkerReady(each.spec.worker, 100) for each in only(StartWorker, begun)))
        return self.state.gangs[shape.gang]


def only(kind: type[T], commands: list[Command]) -> list[T]:
    return [each for each in commands if isinstance(each, kind)]


def one(kind: type[T], commands: list[Command]) -> T:
    (found,) = only(kind, commands)
    return found


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


# ---- GangRequested ----------------------------------------------------------------------------


def test_a_new_gang_is_started_and_answered_when_all_ranks_are_ready(cluster: Cluster) -> None:
    begun = cluster.do(GangRequested(Shape(ranks=2, gpus=2), "q1"))
    starts = only(StartWorker, begun)
    assert [(each.spec.worker, each.spec.rank) for each in starts] == [("w1", 0), ("w2", 1)]
    assert [each.spec.gpu_uuids for each in starts] == [("G0",), ("G1",)]
    assert not only(Reply, begun)
    assert not only(Reply, cluster.do(WorkerReady("w2", 12)))
    done = cluster.do(WorkerReady("w1", 11))
    reply = one(Reply, done)
    assert reply.request == "q1"
    assert reply.gang is not None
    assert [each.pid for each in reply.gang.members] == [11, 12]
    assert one(GangChanged, done).gang.state == "ready"


def test_ranks_of_several_know_each_other_and_a_single_one_is_plain(cluster: Cluster) -> None:
    several = only(StartWorker, cluster.do(GangRequested(Shape(ranks=3))))
    environment = dict(several[2].spec.environment)
    assert environment == {
        "RANK": "2",
        "LOCAL_RANK": "2",
        "WORLD_SIZE": "3",
        "LOCAL_WORLD_SIZE": "3",
        "MASTER_ADDR": "127.0.0.1",
    }
    assert one(StartWorker, cluster.do(GangRequested(Shape()))).spec.environment == ()


def test_a_starting_gang_answers_all_who_wait(cluster: Cluster) -> None:
    cluster.do(GangRequested(Shape(), "q1"))
    assert cluster.do(GangRequested(Shape(), "q2")) == []
    done = cluster.do(WorkerReady("w1", 11))
    assert [each.request for each in only(Reply, done)] == ["q1", "q2"]


def test_a_ready_gang_answers_at_once(cluster: Cluster) -> None:
    gang = cluster.open()
    assert cluster.do(GangRequested(Shape(), "q1")) == [Reply("q1", gang)]


def test_a_name_alone_means_the_gang_that_has_it(cluster: Cluster) -> None:
    gang = cluster.open(Shape(ranks=2, gpus=2, name="train"))
    assert cluster.do(GangRequested(Shape(name="train"), "q")) == [Reply("q", gang)]
    refused = one(Refuse, cluster.do(GangRequested(Shape(gpus=4, name="train"), "q")))
    assert isinstance(refused.error, UsageError)
    assert "ranks=2 gpus=2" in refused.error.message


def test_what_cannot_be_placed_is_refused_and_leaves_no_trace(cluster: Cluster) -> None:
    cluster.open(Shape(gpus=3, name="train"))
    refused = one(Refuse, cluster.do(GangRequested(Shape(gpus=2), "q")))
    assert isinstance(refused.error, PlacementError)
    assert refused.error.holders == ("train",)
    assert list(cluster.state.gangs) == ["train"]


def test_no_more_workers_than_the_session_may_hold(cluster: Cluster) -> None:
    cluster.open(Shape(ranks=7))
    refused = one(Refuse, cluster.do(GangRequested(Shape(ranks=2), "q")))
    assert isinstance(refused.error, PlacementError)
    assert refused.error.available == {"workers": 1}


# ---- WorkerExited -----------------------------------------------------------------------------


def test_a_death_restarts_the_whole_gang_when_the_others_have_ended(cluster: Cluster) -> None:
    cluster.open(Shape(ranks=3))
    cluster.do(RunReported(RunRecord("r1", "ranks=3", "running")))
    died = cluster.do(WorkerExited("w2", signal=11, peak_memory_bytes=5))
    gone = one(WorkerGone, died)
    assert isinstance(died[0], WorkerGone), "the death is told before anything else"
    assert (gone.expected, gone.last_run, gone.member.spec.rank) == (False, "r1", 1)
    assert gone.exited.signal == 11
    assert {each.worker for each in only(KillWorker, died)} == {"w1", "w3"}
    changed = one(GangChanged, died).gang
    assert (changed.state, changed.epoch) == ("starting", 2)
    assert not only(StartWorker, died)
    assert cluster.state.runs["r1"].state == "lost"

    first = cluster.do(WorkerExited("w1", signal=9))
    assert one(WorkerGone, first).expected
    assert not only(StartWorker, first)
    last = cluster.do(WorkerExited("w3", signal=9))
    assert [each.spec.worker for each in only(StartWorker, last)] == ["w4", "w5", "w6"]
    assert {each.spec.epoch for each in only(StartWorker, last)} == {2}
    cluster.do(*(WorkerReady(f"w{number}", 1) for number in (4, 5, 6)))
    assert cluster.state.gangs["ranks=3"].state == "ready"


def test_whoever_asks_during_a_restart_gets_the_fresh_ranks(cluster: Cluster) -> None:
    cluster.open()
    cluster.do(WorkerExited("w1", signal=9))
    cluster.do(GangRequested(Shape(), "q"))
    reply = one(Reply, cluster.do(WorkerReady("w2", 7)))
    assert reply.gang is not None
    assert [each.worker for each in reply.gang.members] == ["w2"]


def test_three_deaths_before_ready_lose_the_gang_with_the_reason(cluster: Cluster) -> None:
    cluster.do(GangRequested(Shape(), "q1"))
    cluster.do(WorkerExited("w1", exit_code=1), WorkerExited("w2", exit_code=1))
    lost = cluster.do(WorkerExited("w3", exit_code=1, reason="no module named x"))
    assert not only(StartWorker, lost)
    refused = one(Refuse, lost)
    assert isinstance(refused.error, WorkerLost)
    assert "no module named x" in refused.error.message
    gang = cluster.state.gangs["default"]
    assert (gang.state, gang.placement) == ("lost", None)

    again = cluster.do(GangRequested(Shape(), "q2"))
    assert one(StartWorker, again).spec.worker == "w4"
    assert one(Reply, cluster.do(WorkerReady("w4", 1))).request == "q2"


def test_deaths_count_in_a_row_only(cluster: Cluster) -> None:
    cluster.open()
    for number in range(1, 9):
        cluster.do(WorkerExited(f"w{number}", signal=9), WorkerReady(f"w{number + 1}", 1))
    assert cluster.state.gangs["default"].state == "ready"


def test_late_news_of_old_workers_change_nothing(cluster: Cluster) -> None:
    cluster.open()
    cluster.do(WorkerExited("w1", signal=9))
    assert cluster.do(WorkerExited("w1"), WorkerReady("w1", 3), WorkerReady("w99", 3)) == []


def test_a_rank_that_is_never_ready_counts_as_dead(cluster: Cluster) -> None:
    cluster.do(GangRequested(Shape(ranks=2)), WorkerReady("w1", 1))
    cluster.now = 9.9
    assert cluster.do(Tick()) == []
    cluster.now = 10.0
    assert {each.worker for each in only(KillWorker, cluster.do(Tick()))} == {"w1", "w2"}
    assert cluster.do(Tick()) == []
    begun = cluster.do(WorkerExited("w1", signal=9), WorkerExited("w2", signal=9))
    assert len(only(StartWorker, begun)) == 2
    cluster.now = 19.9
    assert cluster.do(Tick()) == []


# ---- RestartRequested, GangClosed -------------------------------------------------------------


def test_a_restart_answers_with_the_fresh_gang(cluster: Cluster) -> None:
    cluster.open(Shape(gpus=4))
    begun = cluster.do(RestartRequested("gpus=4", "q"))
    assert one(KillWorker, begun).worker == "w1"
    fresh = cluster.do(WorkerExited("w1", signal=9))
    assert one(StartWorker, fresh).spec.gpu_uuids == HOST.gpu_uuids
    reply = one(Reply, cluster.do(WorkerReady("w2", 5)))
    assert reply.gang is not None
    assert (reply.request, reply.gang.epoch) == ("q", 2)


def test_what_a_gang_holds_is_its_own_while_it_restarts(cluster: Cluster) -> None:
    cluster.open(Shape(gpus=4))
    cluster.do(RestartRequested("gpus=4"))
    refused = one(Refuse, cluster.do(GangRequested(Shape(gpus=1), "q")))
    assert isinstance(refused.error, PlacementError)


def test_a_closed_gang_frees_what_it_held_when_its_workers_have_ended(cluster: Cluster) -> None:
    cluster.open(Shape(gpus=4))
    closing = cluster.do(GangClosed("gpus=4", "q1"))
    assert one(GangChanged, closing).gang.state == "closed"
    assert not only(Reply, closing)
    assert isinstance(one(Refuse, cluster.do(GangRequested(Shape(gpus=1), "q2"))).error, UsageError)
    cluster.do(GangClosed("gpus=4", "q3"))
    closed = cluster.do(WorkerExited("w1", signal=9))
    assert [each.request for each in only(Reply, closed)] == ["q1", "q3"]
    assert cluster.state.gangs == {}
    cluster.open(Shape(gpus=1))


def test_a_closing_gang_can_be_asked_for_again(cluster: Cluster) -> None:
    cluster.open()
    cluster.do(GangClosed("default", "q1"))
    again = cluster.do(GangRequested(Shape(), "q2"))
    assert [each.request for each in only(Reply, again)] == ["q1"]
    assert not only(StartWorker, again)
    cluster.do(WorkerExited("w1", signal=9))
    assert one(Reply, cluster.do(WorkerReady("w2", 1))).request == "q2"


def test_closing_a_starting_gang_refuses_who_waits_for_it(cluster: Cluster) -> None:
    cluster.do(GangRequested(Shape(), "q1"))
    assert one(Refuse, cluster.do(GangClosed("default", "q2"))).request == "q1"


def test_a_lost_gang_is_closed_at_once(cluster: Cluster) -> None:
    cluster.do(GangRequested(Shape()), *(WorkerExited(f"w{n}") for n in (1, 2, 3)))
    assert one(Reply, cluster.do(GangClosed("default", "q"))).request == "q"
    assert cluster.state.gangs == {}


@pytest.mark.parametrize(
    "event",
    [
        RestartRequested("nope", "q"),
        GangClosed("nope", "q"),
        InterruptRequested("nope", "r", "q"),
    ],
)
def test_a_gang_that_isnt_there_is_named_with_those_that_are(
    cluster: Cluster, event: Event
) -> None:
    cluster.open()
    refused = one(Refuse, cluster.do(event))
    assert "'nope'" in refused.error.message
    assert "'default'" in refused.error.hint


# ---- the rest ---------------------------------------------------------------------------------


def test_an_interrupt_goes_to_every_ready_rank(cluster: Cluster) -> None:
    cluster.open(Shape(ranks=2))
    commands = cluster.do(InterruptRequested("ranks=2", "r7", "q"))
    assert commands == [Interrupt("w1", "r7"), Interrupt("w2", "r7"), Reply("q")]


def test_scaling_lets_more_in_but_throws_nobody_out(cluster: Cluster) -> None:
    cluster.do(ScaleRequested(16, "q1"))
    cluster.open(Shape(ranks=12))
    refused = one(Refuse, cluster.do(ScaleRequested(11, "q2")))
    assert "'ranks=12'" in refused.error.message
    assert cluster.do(ScaleRequested(12, "q3")) == [Reply("q3")]
    assert isinstance(one(Refuse, cluster.do(ScaleRequested(0, "q4"))).error, UsageError)


def test_without_a_driver_the_session_stops_itself(cluster: Cluster) -> None:
    cluster.do(DriverAttached(Driver("a")), DriverAttached(Driver("b"), take=True))
    cluster.now = 500.0
    assert cluster.do(DriverDetached("a"), Tick()) == []
    cluster.do(DriverDetached("b"), DriverDetached("b"))
    cluster.now = 599.9
    assert cluster.do(Tick(), DriverDetached("b"), Tick()) == []
    cluster.now = 600.0
    assert one(StopHead, cluster.do(Tick())).reason == (
        "no driver was attached for 100 s, and nothing ran"
    )


def test_a_driver_that_comes_back_keeps_it_going(cluster: Cluster) -> None:
    cluster.now = 99.0
    cluster.do(DriverAttached(Driver("a")))
    cluster.now = 1000.0
    assert cluster.do(Tick()) == []


def test_a_run_that_goes_on_keeps_it_going(cluster: Cluster) -> None:
    cluster.now = 99.0
    cluster.do(RunGoesOn())
    cluster.now = 198.9
    assert cluster.do(Tick()) == []
    cluster.now = 199.0
    assert only(StopHead, cluster.do(Tick()))


def test_an_idle_time_of_0_means_never() -> None:
    state = State(replace(RULES, idle_stop_s=0.0), [HOST], 8, now=0.0)
    assert state.handle(Tick(), 1e9) == []


def test_stopping_refuses_who_waits_and_who_comes_late(cluster: Cluster) -> None:
    cluster.do(GangRequested(Shape(), "q1"))
    stopped = cluster.do(StopRequested("enough", "q2"))
    assert isinstance(one(Refuse, stopped).error, SessionLost)
    assert one(Reply, stopped).request == "q2"
    assert isinstance(stopped[-1], StopHead)
    assert one(Refuse, cluster.do(GangRequested(Shape(), "q3"))).request == "q3"
    assert cluster.do(StopRequested("", "q4"), Tick(), WorkerReady("w1", 1)) == [Reply("q4")]


def test_hosts_that_went_away_lose_their_gangs(cluster: Cluster) -> None:
    cluster.open()
    cluster.do(HostsChanged(()))
    cluster.do(WorkerExited("w1", signal=9))
    assert cluster.state.gangs["default"].state == "lost"
    cluster.do(HostsChanged((HOST,)))
    cluster.open()


def test_a_hundred_runs_are_remembered(cluster: Cluster) -> None:
    for number in range(150):
        cluster.do(RunReported(RunRecord(f"r{number}", "default", "running")))
    cluster.do(RunReported(RunRecord("r149", "default", "done")))
    assert list(cluster.state.runs) == [f"r{number}" for number in range(50, 150)]
    assert cluster.state.runs["r149"].state == "done"


# ---- anything, in any order -------------------------------------------------------------------

SHAPES = [
    Shape(),
    Shape(ranks=2),
    Shape(ranks=2, gpus=2),
    Shape(gpus=4),
    Shape(cpus=3),
    Shape(name="x"),
    Shape(ranks=3, name="x"),
]
shape_choices = st.sampled_from(SHAPES)
names = st.sampled_from(sorted({shape.gang for shape in SHAPES}))


class AnyLife(RuleBasedStateMachine):
    """Requests, deaths and time in any order: nobody waits forever, and nothing is held twice."""

    def __init__(self) -> None:
        super().__init__()
        self.cluster = Cluster(workers=5)
        self.asked: set[str] = set()
        self.number = 0

    def request(self) -> str:
        self.number += 1
        self.asked.add(f"q{self.number}")
        return f"q{self.number}"

    def do(self, event: Event) -> None:
        for command in self.cluster.do(event):
            if isinstance(command, Reply | Refuse):
                assert command.request in self.asked, "answered twice, or never asked"
                self.asked.remove(command.request)
            if isinstance(command, Refuse):
                assert isinstance(command.error, FarcellError)

    @rule(shape=shape_choices)
    def ask_for_a_gang(self, shape: Shape) -> None:
        self.do(GangRequested(shape, self.request()))

    @rule(name=names)
    def restart(self, name: str) -> None:
        self.do(RestartRequested(name, self.request()))

    @rule(name=names)
    def close(self, name: str) -> None:
        self.do(GangClosed(name, self.request()))

    @rule(name=names)
    def interrupt(self, name: str) -> None:
        self.do(InterruptRequested(name, "r", self.request()))

    @rule(workers=st.integers(0, 8))
    def scale(self, workers: int) -> None:
        self.do(ScaleRequested(workers, self.request()))

    @precondition(lambda self: self.cluster.alive)
    @rule(data=st.data())
    def a_worker_is_ready(self, data: st.DataObject) -> None:
        self.do(WorkerReady(data.draw(st.sampled_from(sorted(self.cluster.alive))), 1))

    @precondition(lambda self: self.cluster.alive)
    @rule(data=st.data(), signal=st.sampled_from([0, 9, 11]))
    def a_worker_ends(self, data: st.DataObject, signal: int) -> None:
        worker = data.draw(st.sampled_from(sorted(self.cluster.alive)))
        self.do(WorkerExited(worker, signal=signal))

    @rule(number=st.integers(1, 30))
    def old_news(self, number: int) -> None:
        worker = f"w{number}"
        if worker not in self.cluster.alive:
            self.do(WorkerReady(worker, 1))
            self.do(WorkerExited(worker))

    @rule(driver=st.sampled_from("ab"), take=st.booleans())
    def a_driver_comes(self, driver: str, take: bool) -> None:
        self.do(DriverAttached(Driver(driver), take, self.request()))

    @rule(driver=st.sampled_from("ab"), left=st.booleans())
    def a_driver_goes(self, driver: str, left: bool) -> None:
        self.do(DriverDetached(driver, left, self.request() if left else ""))

    @rule(seconds=st.sampled_from([0.1, 5.0, 11.0]))
    def time_passes(self, seconds: float) -> None:
        self.cluster.now += seconds
        self.do(Tick())

    @rule(there=st.booleans())
    def hosts_change(self, there: bool) -> None:
        self.do(HostsChanged((HOST,) if there else ()))

    @rule()
    def a_run_is_reported(self) -> None:
        self.do(RunReported(RunRecord("r", "default", "running")))

    @invariant()
    def processes_are_those_it_knows(self) -> None:
        state = self.cluster.state
        if state.stopping:
            return
        known = {
            each.worker for gang in state.gangs.values() for each in (*gang.members, *gang.leaving)
        }
        assert known == self.cluster.alive
        leaving = {each.worker for gang in state.gangs.values() for each in gang.leaving}
        assert leaving == self.cluster.killed

    def teardown(self) -> None:
        """Whatever happened: once processes have ended or are ready, nobody waits."""
        cluster = self.cluster
        self.do(HostsChanged((HOST,)))
        for _ in range(20):
            for worker in sorted(cluster.killed):
                self.do(WorkerExited(worker, signal=9))
            for worker in sorted(cluster.alive - cluster.killed):
                self.do(WorkerReady(worker, 1))
        assert not self.asked, "somebody waits in vain"
        states = {gang.state for gang in cluster.state.gangs.values()}
        assert cluster.state.stopping or states <= {"ready", "lost"}


TestAnyLife = AnyLife.TestCase
TestAnyLife.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
