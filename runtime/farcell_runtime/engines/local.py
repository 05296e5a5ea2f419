"""The ``local`` engine: workers are processes on this machine, forked from a warm parent."""

from __future__ import annotations

import logging
import os
import runpy
import signal
import socket
import subprocess
import sys
import threading
import traceback
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Protocol

from farcell_runtime.config import Config, usable_cpus
from farcell_runtime.events import HostsChanged, WorkerExited, WorkerReady
from farcell_runtime.messages import WorkerSpec
from farcell_runtime.placement import Host, Seat
from farcell_runtime.process import end_session
from farcell_runtime.worker.control import ControlChannel, Message

log = logging.getLogger(__name__)

Emit = Callable[[WorkerReady | WorkerExited | HostsChanged], None]
_GPUS = Path("/proc/driver/nvidia/gpus")
_PROGRAM = "farcell_runtime.worker.parent"
_MOST_WORKERS = 1024
_STOP_S = 5.0


def create(config: Config) -> LocalEngine:
    """The engine that `Config.engine` names."""
    return LocalEngine(config)


def gpu_uuids(folder: Path = _GPUS) -> tuple[str, ...]:
    """The UUIDs of this machine's NVIDIA devices, in the order of their places on the bus."""
    found = []
    for path in sorted(folder.glob("*/information")):
        for line in path.read_text().splitlines():
            key, _, value = line.partition(":")
            if key.strip() == "GPU UUID":
                found.append(value.strip())
    return tuple(found)


class Channel(Protocol):
    """A control channel, as `ControlChannel` is one."""

    def send(self, **message: Any) -> None: ...

    def receive(self) -> list[Message] | None: ...

    def close(self) -> None: ...


class Parent(Protocol):
    """A warm parent, and the workers that were asked of it and have not ended."""

    control: Channel
    workers: set[str]

    def wait(self) -> int:
        """Wait for its end; the answer is its exit code, or minus the signal that ended it."""
        ...

    def kill(self) -> None:
        """End it at once, and with it its workers."""
        ...

    def bury(self) -> None:
        """End what its workers have left, now that it has ended."""
        ...


class _Parent:
    """A warm parent that is this process's child."""

    def __init__(self, config: Config) -> None:
        ours, theirs = socket.socketpair()
        arguments = [
            f"--control-fd={theirs.fileno()}",
            f"--lease-s={config.lease_s}",
            f"--preload={','.join(config.preload)}",
        ]
        with theirs:
            if threading.active_count() == 1:
                # The head is a moment old: what it has imported need not be imported again.
                self.pid = _fork(theirs.fileno(), arguments)
            else:
                self.pid = _spawn(theirs.fileno(), arguments)
        self.control: Channel = ControlChannel(ours)
        self.workers: set[str] = set()

    def wait(self) -> int:
        """Wait for its end; the answer is its exit code, or minus the signal that ended it."""
        return os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])

    def kill(self) -> None:
        """End it at once; the system kills its workers with it."""
        os.kill(self.pid, signal.SIGKILL)

    def bury(self) -> None:
        """End what its workers have left, now that it has ended."""
        end_session(self.pid)


def _spawn(control_fd: int, arguments: list[str]) -> int:
    # "-P": the notebook's folder must not shadow what a worker imports.
    command = [sys.executable, "-P", "-m", _PROGRAM, *arguments]
    process = subprocess.Popen(
        command, pass_fds=[control_fd], stdin=subprocess.DEVNULL, start_new_session=True
    )
    process.returncode = 0  # waited for by its number, here as for a forked one
    return process.pid


def _fork(control_fd: int, arguments: list[str]) -> int:
    pid = os.fork()
    if pid:
        return pid
    exit_code = 1
    try:
        os.setsid()
        os.closerange(3, control_fd)
        os.closerange(control_fd + 1, os.sysconf("SC_OPEN_MAX"))
        sys.argv = [_PROGRAM, *arguments]
        runpy.run_module(_PROGRAM, run_name="__main__", alter_sys=True)
        exit_code = 0
    except BaseException:
        traceback.print_exc()  # the last frame of this process
    finally:
        os._exit(exit_code)


class LocalEngine:
    """Owns the warm parent; starts another one if it dies."""

    name = "local"

    def __init__(self, config: Config) -> None:
        self._config = config
        self._lock = threading.Lock()
        self._parent: Parent | None = None
        self._listener = threading.current_thread()
        self._emit: Emit | None = None
        self._stopping = False

    @property
    def parent_pid(self) -> int:
        """The process id of the warm parent; 0 if there is none now."""
        parent = self._parent
        return parent.pid if isinstance(parent, _Parent) else 0

    def hosts(self) -> tuple[Host, ...]:
        return (Host(socket.gethostname(), usable_cpus(), _MOST_WORKERS, gpu_uuids()),)

    def start(self, emit: Emit) -> None:
        self._emit = emit
        with self._lock:
            self._living_parent()

    def start_worker(self, spec: WorkerSpec, seat: Seat) -> None:
        with self._lock:
            parent = self._living_parent()
            parent.workers.add(spec.worker)
            self._send(parent, command="start", spec=asdict(spec))

    def interrupt(self, worker: str, run: str) -> None:
        self._send_to(worker, command="interrupt", run=run)

    def kill(self, worker: str) -> None:
        self._send_to(worker, command="kill")

    def stop(self) -> None:
        with self._lock:
            self._stopping = True
            parent = self._parent
            if parent is None:
                return
            self._send(parent, command="stop")
            listener = self._listener
        listener.join(_STOP_S)
        if listener.is_alive():
            log.warning("the warm parent did not stop in %g s: killed", _STOP_S)
            parent.kill()
            listener.join()

    def new_parent(self) -> Parent:
        """Start a warm parent; called with the lock held."""
        parent = _Parent(self._config)
        log.info("warm parent %d", parent.pid)
        return parent

    def _living_parent(self) -> Parent:
        """The parent, or a new one where it died; the lock is held."""
        if self._parent is None:
            self._parent = self.new_parent()
            self._listener = threading.Thread(
                target=self._listen, args=(self._parent,), name="farcell-engine", daemon=True
            )
            self._listener.start()
        return self._parent

    def _send_to(self, worker: str, **message: object) -> None:
        with self._lock:
            parent = self._parent
            if parent is not None and worker in parent.workers:
                self._send(parent, worker=worker, **message)

    def _send(self, parent: Parent, **message: object) -> None:
        try:
            parent.control.send(**message)
        except OSError:
            log.warning("the warm parent is gone")  # the listening thread deals with it

    def _listen(self, parent: Parent) -> None:
        """Tell what the parent reports; at its end, that its workers are gone."""
        while (messages := parent.control.receive()) is not None:
            for message in messages:
                self._hear(parent, message)
        code = parent.wait()
        parent.bury()
        with self._lock:
            self._parent = None
            orphans, parent.workers = parent.workers, set()
            parent.control.close()
        if self._stopping:
            return
        log.error("the warm parent ended with %d and took %d workers along", code, len(orphans))
        for worker in sorted(orphans):
            self._tell(WorkerExited(worker, signal=9, reason=f"the warm parent ended ({code})"))

    def _hear(self, parent: Parent, message: Message) -> None:
        match message.pop("event"):
            case "ready":
                self._tell(WorkerReady(message["worker"], message["pid"]))
            case "exited":
                with self._lock:
                    parent.workers.discard(message["worker"])
                self._tell(WorkerExited(**message))

    def _tell(self, event: WorkerReady | WorkerExited) -> None:
        assert self._emit is not None
        self._emit(event)
