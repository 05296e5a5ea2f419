"""Dask distributed: ``submit().result()`` on one worker, ``run`` on all."""

from __future__ import annotations

import importlib
import os
import time
from typing import Any

from .plan import Plan
from .process_memory import unshared_mb
from .samples import Versions, emit, reported, times_ms

distributed: Any = importlib.import_module("distributed")
WHO = "Dask"


def trivial() -> None:
    return None


def start(workers: int) -> tuple[Any, Any]:
    """A cluster of ``workers`` processes and a client, after the first result."""
    cluster = distributed.LocalCluster(
        n_workers=workers, threads_per_worker=1, processes=True, dashboard_address=None
    )
    client = distributed.Client(cluster)
    client.submit(trivial, pure=False).result()
    return cluster, client


def main() -> None:
    plan = Plan.from_arguments()
    print(Versions({"distributed": distributed.__version__}).line(), flush=True)
    begun = time.perf_counter()
    cluster, client = start(2)
    if plan.wants("start"):
        emit("start.2", WHO, [time.perf_counter() - begun])
    if plan.wants("trip"):
        with reported("trip.1", WHO):
            trips = max(plan.trips // 4, 20)
            one = times_ms(lambda: client.submit(trivial, pure=False).result(), trips)
            emit("trip.1", WHO, one)
            emit("trip.2", WHO, times_ms(lambda: client.run(trivial), plan.trips))
    if plan.wants("memory"):
        with reported("memory.worker", WHO):
            pids = client.run(os.getpid).values()
            emit("memory.worker", WHO, [unshared_mb(pid) for pid in pids])
    if plan.wants("restart"):
        with reported("restart.call", WHO):
            taken: list[float] = []
            for _ in range(min(plan.restarts, 3)):
                begun = time.perf_counter()
                client.restart()
                client.submit(trivial, pure=False).result()
                taken.append(time.perf_counter() - begun)
            emit("restart.call", WHO, taken)
    client.close()
    cluster.close()


if __name__ == "__main__":
    main()
