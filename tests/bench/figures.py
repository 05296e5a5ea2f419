"""What is measured, in the order of the report, and what farcell is to reach."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One row of the report."""

    name: str
    title: str
    unit: str  #: ``ms``, ``s``, ``MB``, ``×`` or empty for a count

    @property
    def subject(self) -> str:
        return SUBJECT_OF.get(self.name.partition(".")[0], self.name.partition(".")[0])


#: Prefixes whose figures belong under another subject's heading.
SUBJECT_OF = {"gang": "start", "loop": "values"}

FIGURES = (
    Figure("trip.1", "`pass`, 1 rank", "ms"),
    Figure("trip.history", "the same, kept in IPython's history", "ms"),
    Figure("trip.2", "`pass`, 2 ranks", "ms"),
    Figure("trip.8", "`pass`, 8 ranks", "ms"),
    Figure("trip.64", "`pass`, 64 ranks", "ms"),
    Figure("trip.value", "`1 + 1`, shown, 1 rank", "ms"),
    Figure("trip.assign", "`x = 1`, 1 rank", "ms"),
    Figure("start.1", "from nothing to the first result, 1 worker", "s"),
    Figure("start.2", "from nothing to the first result, 2 workers", "s"),
    Figure("gang.1", "1 more rank, running cluster", "s"),
    Figure("gang.2", "2 more ranks, running cluster", "s"),
    Figure("gang.8", "8 more ranks, running cluster", "s"),
    Figure("gang.64", "64 more ranks, running cluster", "s"),
    Figure("restart.ready", "restart asked for → ready", "s"),
    Figure("restart.torch", "the same, with torch imported", "s"),
    Figure("restart.call", "restart asked for → first result", "s"),
    Figure("restart.kill", "`kill -9` → first result", "s"),
    Figure("restart.failed", "cells that failed after the kill", ""),
    Figure("stop.sleep", "`time.sleep`", "ms"),
    Figure("stop.loop", "tight Python loop", "ms"),
    Figure("stop.numpy", "loop of NumPy calls", "ms"),
    Figure("stop.subprocess", "`subprocess.run`", "ms"),
    Figure("stop.await", "`await asyncio.sleep`", "ms"),
    Figure("stop.input", "`input()`", "ms"),
    Figure("accident.error", "`kill -9` in a cell → its error", "ms"),
    Figure("accident.again", "`kill -9` in a cell → the next cell has run", "s"),
    Figure("accident.reattach", "new kernel, `%load_ext` → the first name is read", "s"),
    Figure("accident.replay", "new kernel, `%load_ext` → 100,000 lines of a run replayed", "s"),
    Figure("accident.messages", "messages sent to the page for them", ""),
    Figure("flood.time", "200,000 lines", "s"),
    Figure("flood.ratio", "the same, to a local cell's time", "×"),
    Figure("flood.messages", "messages sent to the page", ""),
    Figure("flood.text", "text sent to the page", "MB"),
    Figure("flood.growth", "growth of the kernel's memory", "MB"),
    Figure("memory.worker", "unshared memory of an idle worker", "MB"),
    Figure("memory.torch", "the same, with torch imported", "MB"),
    Figure("memory.base", "the processes above the workers", "MB"),
    Figure("values.all", "100 MB array to 2 workers, written anew", "ms"),
    Figure("values.one", "the same to one", "ms"),
    Figure("values.cold", "the same, into memory never touched", "ms"),
    Figure("values.same", "the same, unchanged since", "ms"),
    Figure("values.element", "the same, one element changed", "ms"),
    Figure("values.back", "100 MB array back to the notebook", "ms"),
    Figure("values.names", "1,000 new integers, all read by one cell", "ms"),
    Figure("values.dict", "dict of 10,000 arrays of 100 numbers", "ms"),
    Figure("values.frame", "DataFrame of 1 M rows with strings", "ms"),
    Figure("values.forest", "forest of 50 trees of scikit-learn's, 23 MB", "ms"),
    Figure("values.module", "module of torch's, 100 MB, all of it changed", "ms"),
    Figure("values.shared", "1 GB array read by 8 workers: memory it takes in all", "MB"),
    Figure("loop.global", "loop over a global in a local cell, to one without farcell", "×"),
    Figure("loop.builtin", "loop over a builtin, likewise", "×"),
    Figure("floor.touch", "first touch of 100 MB", "ms"),
    Figure("floor.pipe", "pipe ping-pong, 2 processes", "ms"),
    Figure("floor.grpc", "message on a gRPC stream and back, unix socket", "ms"),
    Figure("floor.memcpy", "memcpy of 100 MB", "ms"),
)


@dataclass(frozen=True)
class Target:
    """What a figure of farcell's is held to."""

    title: str
    figure: str
    at_most: float
    #: The figure it is divided by, and whose; None where the limit is in the figure's own unit.
    reference: tuple[str, str] | None = None
    q: float = 0.5  #: which quantile of a round's values counts
    full_only: bool = False


TARGETS = (
    Target("whole `%%remote` round trip, p50, to Ray's bare actor call", "trip.1", 1.0,
           ("trip.1", "Ray")),
    Target("the same, kept in IPython's history", "trip.history", 1.0, ("trip.1", "Ray")),
    Target("the round trip on 2 ranks, to 1 rank", "trip.2", 1.3, ("trip.1", "farcell")),
    Target("the same on 8 ranks, to 1 rank", "trip.8", 3.0, ("trip.1", "farcell")),
    Target("the same on 64 ranks, to Monarch's", "trip.64", 0.8, ("trip.64", "Monarch"),
           full_only=True),
    Target("64 ranks started", "gang.64", 2.0, full_only=True),
    Target("`%load_ext` to the first result", "start.1", 0.7),
    Target("stop → cell ended, p95, `time.sleep`", "stop.sleep", 100, q=0.95),
    Target("stop → cell ended, p95, tight loop", "stop.loop", 100, q=0.95),
    Target("stop → cell ended, p95, NumPy loop", "stop.numpy", 100, q=0.95),
    Target("stop → cell ended, p95, `subprocess.run`", "stop.subprocess", 100, q=0.95),
    Target("stop → cell ended, p95, `await asyncio.sleep`", "stop.await", 100, q=0.95),
    Target("stop → cell ended, p95, `input()`", "stop.input", 100, q=0.95),
    Target("a worker restarted", "restart.ready", 0.05),
    Target("the same, with torch imported", "restart.torch", 0.05),
    Target("`kill -9` in a cell → its error, p95", "accident.error", 300, q=0.95),
    Target("`kill -9` in a cell → the next cell has run, p95", "accident.again", 0.5, q=0.95),
    Target("a new kernel: `%load_ext` → the first name is read", "accident.reattach", 1.0),
    Target("a new kernel: `%load_ext` → 100,000 lines replayed", "accident.replay", 2.0),
    Target("messages sent to the page for them", "accident.messages", 50),
    Target("200,000 lines, to a local cell's time", "flood.ratio", 2.0),
    Target("100 MB array to 2 workers, warm, to a memcpy", "values.all", 1.5,
           ("floor.memcpy", "floor")),
    Target("the same to one", "values.one", 1.5, ("floor.memcpy", "floor")),
    Target("the same, into memory never touched, to a first touch", "values.cold", 1.2,
           ("floor.touch", "floor")),
    Target("the same, unchanged since, to a memcpy", "values.same", 0.6,
           ("floor.memcpy", "floor")),
    Target("the same, one element changed, to a memcpy", "values.element", 0.7,
           ("floor.memcpy", "floor")),
    Target("100 MB array back to the notebook, to a memcpy", "values.back", 1.5,
           ("floor.memcpy", "floor")),
    Target("1,000 new names in a cell", "values.names", 10),
    Target("module of torch's, 100 MB, to Ray", "values.module", 1.0, ("values.module", "Ray")),
    Target("the same, to a pickle in a file", "values.module", 1.0,
           ("values.module", "pickle, file")),
    Target("forest of scikit-learn's, to a pickle in a file", "values.forest", 1.0,
           ("values.forest", "pickle, file")),
    Target("1 GB array read by 8 workers, memory in all", "values.shared", 1100),
    Target("loop over a global in a local cell, to one without farcell", "loop.global", 1.05),
    Target("loop over a builtin, likewise", "loop.builtin", 1.05),
    Target("memory an idle worker adds, unshared", "memory.worker", 25),
    Target("the same, with torch imported", "memory.torch", 40),
)  # fmt: skip
