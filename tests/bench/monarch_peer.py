"""Monarch: bare endpoint calls on a mesh of processes."""

from __future__ import annotations

import importlib
import importlib.metadata
import os
import time
from typing import Any

from .plan import Plan
from .process_memory import unshared_mb
from .samples import Versions, emit, reported, times_ms

monarch: Any = importlib.import_module("monarch.actor")
WHO = "Monarch"


def actor_class() -> Any:
    """The actor whose endpoint does nothing; made here because its base is known at run time."""
    endpoint = monarch.endpoint

    class Echo(monarch.Actor):  # type: ignore[misc]
        @endpoint  # type: ignore[untyped-decorator]
        async def trivial(self) -> None:
            return None

        @endpoint  # type: ignore[untyped-decorator]
        async def pid(self) -> int:
            return os.getpid()

    return Echo


def start_mesh(ranks: int) -> tuple[Any, Any]:
    """A mesh of ``ranks`` processes and the actors on it, all of which have answered once."""
    processes = monarch.this_host().spawn_procs(per_host={"ranks": ranks})
    actors = processes.spawn("echo", actor_class())
    actors.trivial.call().get()
    return processes, actors


def measure_ranks(ranks: int, plan: Plan, figure: str) -> None:
    start = time.perf_counter()
    processes, actors = start_mesh(ranks)
    emit(f"{figure}.{ranks}", WHO, [time.perf_counter() - start])
    trips = max(plan.trips // max(ranks // 2, 1), 20)
    emit(f"trip.{ranks}", WHO, times_ms(lambda: actors.trivial.call().get(), trips))
    if ranks == 2 and plan.wants("memory"):
        pids = [pid for _, pid in actors.pid.call().get()]
        emit("memory.worker", WHO, [unshared_mb(pid) for pid in pids])
    processes.stop().get()


def measure_restarts(repeats: int) -> None:
    """Stop a mesh of one process, start another, and wait for its first answer."""
    taken: list[float] = []
    processes, _ = start_mesh(1)
    for _ in range(repeats):
        start = time.perf_counter()
        processes.stop().get()
        processes, _ = start_mesh(1)
        taken.append(time.perf_counter() - start)
    emit("restart.call", WHO, taken)
    processes.stop().get()


def main() -> None:
    plan = Plan.from_arguments()
    versions = {name: importlib.metadata.version(name) for name in ("torchmonarch", "torch")}
    print(Versions(versions).line(), flush=True)
    # The first mesh pays for the host's own start, so the one with two ranks comes first.
    if plan.wants("trip") or plan.wants("start") or plan.wants("memory"):
        for ranks in (2, 1, *plan.ranks):
            with reported(f"trip.{ranks}", WHO):
                measure_ranks(ranks, plan, "start" if ranks == 2 else "gang")
    if plan.wants("restart"):
        with reported("restart.call", WHO):
            measure_restarts(plan.restarts)


if __name__ == "__main__":
    main()
