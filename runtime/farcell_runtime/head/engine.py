"""What the head asks of an engine, and no more."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from farcell_runtime.events import HostsChanged, WorkerExited, WorkerReady
from farcell_runtime.messages import WorkerSpec
from farcell_runtime.placement import Host, Seat

Emit = Callable[[WorkerReady | WorkerExited | HostsChanged], None]


class Engine(Protocol):
    """Provides workers on some hosts.

    Whatever becomes of a worker is told through ``emit``, from any thread: `WorkerReady` when its
    server listens, and `WorkerExited` exactly once, also for one that could not be started.
    None of the methods waits for a worker; none raises for a worker that is gone.
    """

    @property
    def name(self) -> str:
        """What it is called in `Config.engine`."""
        ...

    def start(self, emit: Emit) -> None:
        """Get ready to start workers; called once, before all other methods but ``hosts``."""
        ...

    def hosts(self) -> tuple[Host, ...]:
        """What can hold workers. Changes are told through ``emit``."""
        ...

    def start_worker(self, spec: WorkerSpec, seat: Seat) -> None:
        """Start the worker program on the seat's host, with the seat's devices and no others."""
        ...

    def interrupt(self, worker: str, run: str) -> None:
        """Send SIGINT to the worker, which heeds it only while it is in ``run``."""
        ...

    def kill(self, worker: str) -> None:
        """End the worker with SIGKILL, and with it what it has left in its process group."""
        ...

    def stop(self) -> None:
        """End all workers, and return when they are gone."""
        ...
