"""Ray: bare actor calls, and what its tasks do when cancelled."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import tempfile
import time
from pathlib import Path
from typing import Any

from . import models
from .plan import Plan
from .process_memory import unshared_mb
from .samples import Versions, emit, reported, times_ms

numpy: Any = importlib.import_module("numpy")
ray: Any = importlib.import_module("ray")
WHO = "Ray"
SLEEP_S = 3.0


class Echo:
    """An actor whose one method does nothing."""

    def trivial(self) -> None:
        return None

    def pid(self) -> int:
        return os.getpid()

    def take(self, value: Any) -> int:
        return len(value)

    def kind(self, value: Any) -> str:
        return type(value).__name__

    def make(self) -> Any:
        return numpy.ones(12_500_000)


def sleep(mark: str, seconds: float) -> None:
    Path(mark).touch()
    time.sleep(seconds)


def loop(mark: str, seconds: float) -> None:
    Path(mark).touch()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        pass


def start_actors(count: int) -> list[Any]:
    """``count`` actors that reserve no CPU, each of which has answered once."""
    actor_class = ray.remote(Echo).options(num_cpus=0)
    actors = [actor_class.remote() for _ in range(count)]
    call_all(actors)
    return actors


def call_all(actors: list[Any]) -> None:
    ray.get([actor.trivial.remote() for actor in actors])


def measure_restarts(actor: Any, repeats: int) -> Any:
    """Kill an actor, make a new one, and wait for its first answer; returns the last one."""
    taken: list[float] = []
    for _ in range(repeats):
        start = time.perf_counter()
        ray.kill(actor)
        (actor,) = start_actors(1)
        taken.append(time.perf_counter() - start)
    emit("restart.call", WHO, taken)
    return actor


def measure_stop(figure: str, body: Any, repeats: int) -> None:
    """``ray.cancel`` of a running task, until ``ray.get`` of it returns."""
    task = ray.remote(body)
    taken: list[float] = []
    for _ in range(repeats):
        with tempfile.TemporaryDirectory() as folder:
            mark = f"{folder}/running"
            ref = task.remote(mark, SLEEP_S)
            while not Path(mark).exists():
                time.sleep(0.005)
            start = time.perf_counter()
            ray.cancel(ref)
            with contextlib.suppress(ray.exceptions.RayError):
                ray.get(ref)
            taken.append((time.perf_counter() - start) * 1e3)
    emit(figure, WHO, taken)


def measure_ranks(ranks: int, trips: int) -> list[Any]:
    """Start ``ranks`` more actors, then call them all; returns them."""
    start = time.perf_counter()
    actors = start_actors(ranks)
    emit(f"gang.{ranks}", WHO, [time.perf_counter() - start])
    emit(f"trip.{ranks}", WHO, times_ms(lambda: call_all(actors), trips, warm=10))
    return actors


def measure_values(actors: list[Any]) -> None:
    """A value put into the object store and read by actors, and one that comes back."""
    array = numpy.arange(12_500_000, dtype="f8")

    def to(some: list[Any]) -> None:
        ref = ray.put(array)
        ray.get([actor.take.remote(ref) for actor in some])

    emit("values.one", WHO, times_ms(lambda: to(actors[:1]), 5, warm=3))
    emit("values.all", WHO, times_ms(lambda: to(actors), 5, warm=3))
    emit("values.back", WHO, times_ms(lambda: ray.get(actors[0].make.remote()), 5, warm=3))
    many = {i: numpy.full(100, float(i)) for i in range(10_000)}
    emit("values.dict", WHO, times_ms(lambda: ray.get(actors[0].take.remote(many)), 5, warm=1))
    if importlib.util.find_spec("pandas"):
        pandas: Any = importlib.import_module("pandas")
        frame = pandas.DataFrame({"n": range(1_000_000)})
        frame["text"] = frame["n"].astype(str)
        emit(
            "values.frame", WHO, times_ms(lambda: ray.get(actors[0].take.remote(frame)), 5, warm=1)
        )


def measure_models(actor: Any) -> None:
    """Models that an actor reads, all of them changed before each time."""
    for figure, (make, change) in models.here().items():
        names: dict[str, Any] = {}
        exec(make, names)
        taken: list[float] = []
        for _ in range(7):
            exec(change, names)
            start = time.perf_counter()
            ray.get(actor.kind.remote(ray.put(names["model"])))
            taken.append((time.perf_counter() - start) * 1e3)
        emit(figure, WHO, taken[2:])


def main() -> None:
    plan = Plan.from_arguments()
    print(Versions({"ray": ray.__version__}).line(), flush=True)
    start = time.perf_counter()
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    actors = start_actors(2)
    if plan.wants("start"):
        emit("start.2", WHO, [time.perf_counter() - start])
    if plan.wants("trip"):
        with reported("trip.1", WHO):
            emit("trip.1", WHO, times_ms(lambda: call_all(actors[:1]), plan.trips))
            emit("trip.2", WHO, times_ms(lambda: call_all(actors), plan.trips))
    if plan.wants("values"):
        with reported("values.all", WHO):
            measure_values(actors)
        with reported("values.module", WHO):
            measure_models(actors[0])
    if plan.wants("memory"):
        with reported("memory.worker", WHO):
            pids = ray.get([actor.pid.remote() for actor in actors])
            emit("memory.worker", WHO, [unshared_mb(pid) for pid in pids])
    if plan.wants("restart"):
        with reported("restart.call", WHO):
            actors[0] = measure_restarts(actors[0], min(plan.restarts, 3))
    if plan.wants("stop"):
        with reported("stop.sleep", WHO):
            measure_stop("stop.sleep", sleep, 1)
        with reported("stop.loop", WHO):
            measure_stop("stop.loop", loop, plan.stops)
    if plan.wants("trip") or plan.wants("start"):
        for ranks in plan.ranks:
            with reported(f"trip.{ranks}", WHO):
                for actor in actors:
                    ray.kill(actor)
                actors = measure_ranks(ranks, max(plan.trips // ranks, 20))
    ray.shutdown()


if __name__ == "__main__":
    main()
