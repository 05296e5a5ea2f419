"""The head: the state, an engine, and one thread that keeps them in step."""

from __future__ import annotations

import itertools
import logging
import os
import platform
import socket
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import replace
from queue import Empty, SimpleQueue

import farcell_runtime
from farcell_runtime.config import Config
from farcell_runtime.events import (
    Admit,
    Command,
    Driver,
    DriverAttached,
    DriverDetached,
    Event,
    Gang,
    GangChanged,
    Interrupt,
    KillWorker,
    NoteDriver,
    Oust,
    Refuse,
    Reply,
    Request,
    Rules,
    RunGoesOn,
    StartWorker,
    StopHead,
    Tick,
    WorkerGone,
)
from farcell_runtime.head.engine import Engine
from farcell_runtime.head.views import driver_message, exit_message, gang_message, report_message
from farcell_runtime.messages import WorkerSpec
from farcell_runtime.metrics import Meter
from farcell_runtime.occupancy import is_occupied
from farcell_runtime.placement import Host
from farcell_runtime.process import ProcessId
from farcell_runtime.state import State
from farcell_runtime.transport import farcell_pb2 as pb

log = logging.getLogger(__name__)

_TICK_S = 1.0
_SNAPSHOT_S = 0.5
# A watcher that has so many events to read yet gets no more snapshots.
_MOST_UNREAD = 8


class Watcher:
    """Somebody who is told of every change, through ``events``; None ends them."""

    def __init__(self, name: str, *, driver: bool, snapshots: bool) -> None:
        self.name = name
        self.driver = driver
        self.snapshots = snapshots
        self.events: SimpleQueue[pb.HeadEvent | None] = SimpleQueue()


class Head:
    """Feeds events to the state, one after the other, and carries out its commands."""

    def __init__(
        self,
        engine: Engine,
        inbox: SimpleQueue[Event],
        config: Config,
        *,
        session: str,
        folder: str,
        token: str,
        notebook: str,
        note_driver: Callable[[Driver, bool], None],
    ) -> None:
        """``note_driver`` writes down who drives the session, or has let go of it."""
        self.stopped = threading.Event()
        self.reason = ""
        self._session = session
        self._notebook = notebook
        self._note_driver = note_driver
        self._engine = engine
        self._config = config
        self._hosts = engine.hosts()
        self._started_at_s = time.time()
        rules = Rules(folder, token, config.idle_stop_s, config.start_timeout_s)
        self._state = State(rules, self._hosts, config.workers, time.monotonic())
        # Held while the state is read or changed, and while watchers come, go, or are told.
        self._lock = threading.Lock()
        self._inbox = inbox
        self._answers: dict[str, Future[Gang | None]] = {}
        self._request_numbers = itertools.count(1)
        self._watchers: dict[str, Watcher] = {}
        self._watcher_numbers = itertools.count(1)
        self._ports: dict[tuple[str, int], int] = {}
        self._meter = Meter()
        self._thread = threading.Thread(target=self._run, name="farcell-head", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def post(self, event: Event) -> None:
        """Have ``event`` handled in its turn; callable from any thread and signal handler."""
        self._inbox.put(event)

    def ask(self, event: Request) -> Future[Gang | None]:
        """Have a request handled; the future holds its answer, or the error that refused it."""
        request = f"q{next(self._request_numbers)}"
        answer: Future[Gang | None] = Future()
        self._answers[request] = answer
        self.post(replace(event, request=request))
        return answer

    # ---- watchers ---------------------------------------------------------------------------

    def watch(self, watcher: Watcher) -> str:
        """Tell ``watcher`` what there is, and from now on every change; the answer is its key."""
        key = f"{watcher.name}#{next(self._watcher_numbers)}"
        with self._lock:
            for gang in self._state.gangs.values():
                watcher.events.put(pb.HeadEvent(gang_changed=gang_message(gang)))
            if self.stopped.is_set():
                watcher.events.put(pb.HeadEvent(stopping=pb.Stopping(reason=self.reason)))
                watcher.events.put(None)
            self._watchers[key] = watcher
        if watcher.snapshots:
            self.post(Tick())
        return key

    @property
    def tenure(self) -> int:
        """The number of the latest driver's tenure."""
        return self._state.tenure.number

    @property
    def driver(self) -> str:
        """The key of the driver that is attached; empty if none is."""
        driver = self._state.tenure.driver
        return driver.key if driver is not None else ""

    def unwatch(self, key: str) -> None:
        with self._lock:
            watcher = self._watchers.pop(key, None)
        if watcher is not None:
            watcher.events.put(None)
            if watcher.driver:
                self.post(DriverDetached(key))

    def _tell(self, event: pb.HeadEvent) -> None:
        for watcher in self._watchers.values():
            watcher.events.put(event)

    # ---- snapshots --------------------------------------------------------------------------

    def snapshot(self) -> pb.Snapshot:
        """All there is to see of the session now."""
        with self._lock:
            return self._snapshot()

    def _snapshot(self) -> pb.Snapshot:
        state = self._state
        pids = [m.pid for g in state.gangs.values() for m in (*g.members, *g.leaving) if m.pid]
        usages = self._meter.processes(pids)
        return pb.Snapshot(
            session=self._session,
            engine=self._engine.name,
            notebook=self._notebook,
            started_at_s=self._started_at_s,
            head_pid=os.getpid(),
            farcell_version=farcell_runtime.__version__,
            python_version=platform.python_version(),
            capacity=state.capacity,
            hosts=[self._host_message(host) for host in state.hosts],
            gangs=[gang_message(gang, usages) for gang in state.gangs.values()],
            runs=[report_message(run) for run in state.runs.values()],
            drivers=int(state.tenure.driver is not None),
            driver=driver_message(state.tenure.driver),
            idle_stop_s=self._config.idle_stop_s,
            folder=state.rules.folder,
        )

    def _host_message(self, host: Host) -> pb.Host:
        message = pb.Host(name=host.name, cpus=int(host.cpus), gpu_uuids=host.gpu_uuids)
        if host.name == socket.gethostname():
            usage = self._meter.host()
            message.memory_bytes = usage.memory_bytes
            message.memory_used_bytes = usage.memory_used_bytes
            message.cpu_percent = usage.cpu_percent
        return message

    def _tell_snapshots(self) -> None:
        readers = [
            watcher
            for watcher in self._watchers.values()
            if watcher.snapshots and watcher.events.qsize() < _MOST_UNREAD
        ]
        if readers:
            event = pb.HeadEvent(snapshot=self._snapshot())
            for watcher in readers:
                watcher.events.put(event)

    # ---- the loop ---------------------------------------------------------------------------

    def _run(self) -> None:
        due_s = time.monotonic()
        while not self.stopped.is_set():
            now = time.monotonic()
            if now >= due_s:
                if self._runs_alone():
                    self._take(RunGoesOn(), now)
                self._take(Tick(), now)
                with self._lock:
                    self._tell_snapshots()
                    watched = any(each.snapshots for each in self._watchers.values())
                due_s = now + (_SNAPSHOT_S if watched else _TICK_S)
            try:
                event = self._inbox.get(timeout=max(0.0, due_s - now))
            except Empty:
                continue
            if isinstance(event, Tick):
                due_s = 0.0
            else:
                self._take(event, time.monotonic())

    def _runs_alone(self) -> bool:
        """Whether a worker is in a run that no driver waits for."""
        if self._state.tenure.driver is not None:
            return False
        members = [each for gang in self._state.gangs.values() for each in gang.members]
        return any(is_occupied(each.spec.log_folder) for each in members)

    def _take(self, event: Event, now: float) -> None:
        try:
            with self._lock:
                if isinstance(event, Tick | DriverAttached):
                    self._miss_driver(now)
                for command in self._state.handle(event, now):
                    self._carry_out(command)
        except Exception as error:
            # A fault of ours must neither end this thread, on which everything hangs, nor
            # leave the one who asked waiting.
            log.exception("%s failed", event)
            answer = self._answers.pop(getattr(event, "request", ""), None)
            if answer is not None:
                answer.set_exception(error)

    def _miss_driver(self, now: float) -> None:
        """Find out whether the driver has died: what it has forked may keep its socket open."""
        driver = self._state.tenure.driver
        if driver is None or not driver.pid or ProcessId(driver.pid, driver.started).alive():
            return
        for command in self._state.handle(DriverDetached(driver.key), now):
            self._carry_out(command)
        if (watcher := self._watchers.get(driver.key)) is not None:
            watcher.events.put(None)

    def _carry_out(self, command: Command) -> None:
        match command:
            case StartWorker(spec, seat):
                self._engine.start_worker(self._with_port(spec), seat)
            case KillWorker(worker):
                self._engine.kill(worker)
            case Interrupt(worker, run):
                self._engine.interrupt(worker, run)
            case Reply(request, gang):
                self._answer(request, gang, None)
            case Refuse(request, error):
                self._answer(request, None, error)
            case GangChanged(gang):
                log.info("%s, epoch %d: %s %s", gang.name, gang.epoch, gang.state, gang.reason)
                self._tell(pb.HeadEvent(gang_changed=gang_message(gang)))
            case WorkerGone(member, exited, expected):
                log.info("%s ended%s: %s", member.worker, "" if expected else " alone", exited)
                self._tell(pb.HeadEvent(worker_exited=exit_message(command)))
            case NoteDriver(driver, left):
                self._note_driver(driver, left)
            case Admit(key, tenure):
                if (watcher := self._watchers.get(key)) is not None:
                    watcher.events.put(pb.HeadEvent(attached=pb.Attached(tenure=tenure)))
            case Oust(key, by):
                if (watcher := self._watchers.get(key)) is not None:
                    watcher.events.put(pb.HeadEvent(taken=driver_message(by)))
                    watcher.events.put(None)
            case StopHead(reason):
                log.info("stopping: %s", reason)
                self.reason = reason
                self.stopped.set()
                self._tell(pb.HeadEvent(stopping=pb.Stopping(reason=reason)))
                for watcher in self._watchers.values():
                    watcher.events.put(None)

    def _answer(self, request: str, gang: Gang | None, error: Exception | None) -> None:
        answer = self._answers.pop(request, None)
        if answer is None or not answer.set_running_or_notify_cancel():
            return  # whoever asked has gone
        if error is not None:
            answer.set_exception(error)
        else:
            answer.set_result(gang)

    def _with_port(self, spec: WorkerSpec) -> WorkerSpec:
        """Add the port at which the ranks of one epoch of a gang meet."""
        if spec.world_size == 1:
            return spec
        key = (spec.gang, spec.epoch)
        if key not in self._ports:
            self._ports = {k: port for k, port in self._ports.items() if k[0] != spec.gang}
            self._ports[key] = _free_port()
        port = ("MASTER_PORT", str(self._ports[key]))
        return replace(spec, environment=(*spec.environment, port))


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("", 0))
        port: int = probe.getsockname()[1]
        return port
