"""farcell: whole ``%%remote`` cells in a real notebook kernel."""

from __future__ import annotations

import importlib.util
import os
import re
import sys

from . import models
from .accidents import measure_accidents
from .hot_loops import measure_loops
from .notebook_kernel import NotebookKernel
from .plan import Plan
from .process_memory import parent, proportional_mb, unshared_mb
from .samples import emit, reported
from .stops import CELLS, stop_ms

WHO = "farcell"
LOCAL = "local cell"
FILE = "pickle, file"
TRIVIAL = "%%remote\\npass"
LOAD = "%load_ext farcell"
RESTART = "%cluster restart --on default"

KILL = '''
import os as _os

def _seconds_after_kill(pid, cell):
    """Kill a worker and run ``cell`` until it succeeds: seconds, and how many cells failed."""
    shell = get_ipython()
    start = _time.perf_counter()
    _os.kill(pid, 9)
    for failed in range(20):
        if shell.run_cell(cell, store_history=True).success:
            return [_time.perf_counter() - start, failed]
    raise RuntimeError("no cell succeeded after the worker was killed")
'''


def remote(flags: str, code: str) -> str:
    """The source of a remote cell, as it stands inside a string of another cell."""
    return f"%%remote {flags}".strip() + f"\\n{code}"


def worker_pids(kernel: NotebookKernel, flags: str = "") -> list[int]:
    """The process ids of a gang's workers, as they print them."""
    cell = f"%%remote {flags}\nimport os\nprint('@pid', os.getpid())"
    return [int(pid) for pid in re.findall(r"@pid (\d+)", kernel.run(cell).text)]


def measure_start(figure: str, first_cell: str, repeats: int) -> None:
    """``%load_ext`` to the first result, in a kernel that is running, in a fresh session."""
    taken: list[float] = []
    for _ in range(repeats):
        with NotebookKernel(sys.executable) as kernel:
            taken.append(kernel.ask(f"_seconds('{LOAD}', '{first_cell}')"))
            kernel.run("%cluster stop")
    emit(figure, WHO, taken)


def measure_trips(kernel: NotebookKernel, plan: Plan) -> None:
    emit("trip.1", LOCAL, kernel.ask(f"_times_ms('pass', {plan.trips})"))
    emit("trip.1", WHO, kernel.ask(f"_times_ms('{TRIVIAL}', {plan.trips})"))
    kept = f"{plan.trips}, history=True"
    emit("trip.history", LOCAL, kernel.ask(f"_times_ms('pass', {kept})"))
    emit("trip.history", WHO, kernel.ask(f"_times_ms('{TRIVIAL}', {kept})"))
    emit("trip.value", LOCAL, kernel.ask(f"_times_ms('1 + 1', {plan.trips // 3})"))
    emit("trip.value", WHO, kernel.ask(f"_times_ms('{remote('', '1 + 1')}', {plan.trips // 3})"))
    emit("trip.assign", WHO, kernel.ask(f"_times_ms('{remote('', 'x = 1')}', {plan.trips // 3})"))


def measure_ranks(kernel: NotebookKernel, ranks: int, plan: Plan) -> None:
    """A gang of ``ranks`` opened in a running session, then trivial cells on it."""
    cell = remote(f"--ranks {ranks}", "pass")
    emit(f"gang.{ranks}", WHO, [kernel.ask(f"_seconds('{cell}')")])
    trips = max(plan.trips // max(ranks // 2, 1), 20)
    emit(f"trip.{ranks}", WHO, kernel.ask(f"_times_ms('{cell}', {trips})"))


def measure_restarts(kernel: NotebookKernel, repeats: int) -> None:
    ready: list[float] = []
    called: list[float] = []
    killed: list[float] = []
    failed: list[float] = []
    for _ in range(repeats):
        ready.append(kernel.ask(f"_seconds('{RESTART}')"))
        called.append(kernel.ask(f"_seconds('{RESTART}', '{TRIVIAL}')"))
        (pid,) = worker_pids(kernel)
        seconds, cells = kernel.ask(f"_seconds_after_kill({pid}, '{TRIVIAL}')")
        killed.append(seconds)
        failed.append(cells)
    emit("restart.ready", WHO, ready)
    emit("restart.call", WHO, called)
    emit("restart.kill", WHO, killed)
    emit("restart.failed", WHO, failed)


def measure_torch(kernel: NotebookKernel, plan: Plan) -> None:
    """Restarts and memory once a cell has imported torch, which the warm parent then holds too."""
    kernel.run("%%remote\nimport torch")
    kernel.run(RESTART)
    kernel.run("%%remote\nimport torch")
    if plan.wants("memory"):
        emit("memory.torch", WHO, [unshared_mb(pid) for pid in worker_pids(kernel)])
    if plan.wants("restart"):
        taken = [kernel.ask(f"_seconds('{RESTART}')") for _ in range(plan.restarts)]
        emit("restart.torch", WHO, taken)


def measure_memory(kernel: NotebookKernel) -> None:
    """What each idle worker holds alone, and what the processes above it hold."""
    pids = worker_pids(kernel, "--ranks 2")
    emit("memory.worker", WHO, [unshared_mb(pid) for pid in pids])
    above: list[int] = []
    pid = parent(pids[0])
    while pid > 1 and pid not in (kernel.pid, os.getpid()):
        above.append(pid)
        pid = parent(pid)
    emit("memory.base", WHO, [sum(unshared_mb(pid) for pid in above)])


def measure_stops(kernel: NotebookKernel, repeats: int) -> None:
    for name, code in CELLS.items():
        if name != "await":  # a local top-level sleep ends when it would have ended anyway
            with reported(f"stop.{name}", LOCAL):
                emit(f"stop.{name}", LOCAL, [stop_ms(kernel, code) for _ in range(2)])
        with reported(f"stop.{name}", WHO):
            kernel.run("%%remote\nkept = 'kept'")
            taken = [stop_ms(kernel, f"%%remote\n{code}") for _ in range(repeats)]
            emit(f"stop.{name}", WHO, taken)
            kernel.run("%%remote\nassert kept == 'kept'")


def measure_flood(kernel: NotebookKernel, lines: int) -> None:
    """``lines`` printed remotely, beside the same prints in a local cell."""
    loop = f"for i in range({lines}): print('line', i)"
    local = kernel.run(loop, keep_text=False)
    before = unshared_mb(kernel.pid)
    flood = kernel.run(f"%%remote\n{loop}", keep_text=False)
    emit("flood.growth", WHO, [unshared_mb(kernel.pid) - before])
    emit("flood.ratio", WHO, [flood.elapsed_s / local.elapsed_s])
    for who, end in ((WHO, flood), (LOCAL, local)):
        emit("flood.time", who, [end.elapsed_s])
        emit("flood.messages", who, [end.messages])
        emit("flood.text", who, [end.characters / 1e6])


VALUES = """
import numpy as _numpy
array = _numpy.arange(12_500_000, dtype="f8")
names = "\\n".join(f"n{i} = _time.perf_counter_ns() + {i}" for i in range(1000))
many = {i: _numpy.full(100, float(i)) for i in range(10_000)}
"""
NAMES = "%%remote\\nlast = [" + ", ".join(f"n{i}" for i in range(1000)) + "][-1]"


def measure_values(kernel: NotebookKernel, repeats: int) -> None:
    """Values that a cell reads: from the cell's start to its end, what it computes is nothing."""
    kernel.run(VALUES)
    one, both = remote("", "first = array[0]"), remote("--ranks 2", "first = array[0]")

    def each(figure: str, before: str, cell: str, warm: int) -> None:
        call = f"_each_ms({before!r}, '{cell}', {repeats}, {warm})"
        emit(figure, WHO, kernel.ask(call))

    emit("values.cold", WHO, kernel.ask(f"_each_ms('array += 1', '{one}', 1, 0)"))
    each("values.one", "array += 1", one, 5)
    each("values.same", "array[0]", one, 1)
    each("values.element", "array[7] += 1", one, 1)
    each("values.all", "array += 1", both, 5)
    kernel.run("%%remote\narray *= 1.0")
    each("values.back", "%%remote\narray += 1", "array[0]", 5)
    kernel.run("del array")
    each("values.names", "exec(names)", NAMES, 1)
    each("values.dict", "many[5] = many[5] + 1", remote("", "size = len(many)"), 1)
    if importlib.util.find_spec("pandas"):
        kernel.run(
            "import pandas\nframe = pandas.DataFrame({'n': range(1_000_000)})\n"
            "frame['text'] = frame['n'].astype(str)"
        )
        before = "frame.loc[0, 'n'] += 1"
        each("values.frame", before, remote("", "size = len(frame)"), 1)


def measure_models(kernel: NotebookKernel, repeats: int) -> None:
    """Models that a cell reads, all of them changed before each time."""
    for figure, (make, change) in models.here().items():
        with reported(figure, WHO):
            kernel.run(f"import pickle\n{make}")
            cell = remote("", "kind = type(model)")
            emit(figure, WHO, kernel.ask(f"_each_ms({change!r}, '{cell}', {repeats}, 2)"))
            file = models.THROUGH_A_FILE
            emit(figure, FILE, kernel.ask(f"_each_ms({change!r}, {file!r}, {repeats}, 1)"))
            kernel.run("del model")


def measure_shared(kernel: NotebookKernel) -> None:
    """What it costs in memory, in all processes, that eight workers read an array of 1 GB."""
    kernel.run("%cluster scale 12")
    pids = [kernel.pid, *worker_pids(kernel, "--ranks 8")]
    kernel.run("import numpy\nshared = numpy.ones(125_000_000)")
    before = sum(map(proportional_mb, pids))
    kernel.run("%%remote --ranks 8\ntotal = float(shared.sum())")
    emit("values.shared", WHO, [sum(map(proportional_mb, pids)) - before])
    kernel.run("del shared\n%cluster stop ranks=8", check=False)


def measure_session(kernel: NotebookKernel, plan: Plan) -> None:
    """All that needs a session which is up."""
    kernel.run(f"{LOAD}\n_seconds('{TRIVIAL}')")
    kernel.run(KILL)
    if plan.wants("trip"):
        with reported("trip.1", WHO):
            measure_trips(kernel, plan)
    if plan.wants("trip") or plan.wants("start"):
        with reported("trip.2", WHO):
            measure_ranks(kernel, 2, plan)
    if plan.wants("memory"):
        with reported("memory.worker", WHO):
            measure_memory(kernel)
    if plan.wants("stop"):
        measure_stops(kernel, plan.stops)
    if plan.wants("restart"):
        with reported("restart.ready", WHO):
            measure_restarts(kernel, plan.restarts)
    if plan.wants("accident"):
        measure_accidents(kernel, plan.kills)
    if plan.wants("values"):
        with reported("values.all", WHO):
            measure_values(kernel, 5)
        measure_models(kernel, 5)
        with reported("values.shared", WHO):
            measure_shared(kernel)
    if plan.wants("flood"):
        with reported("flood.ratio", WHO):
            measure_flood(kernel, plan.lines)
    if plan.wants("trip") or plan.wants("start"):
        kernel.run(f"%cluster scale {sum(plan.ranks) + 4}")
        for ranks in plan.ranks:
            with reported(f"trip.{ranks}", WHO):
                measure_ranks(kernel, ranks, plan)
    if importlib.util.find_spec("torch") and (plan.wants("restart") or plan.wants("memory")):
        with reported("restart.torch", WHO):
            measure_torch(kernel, plan)
    kernel.run("%cluster stop")


def main() -> None:
    plan = Plan.from_arguments()
    if plan.wants("start"):
        with reported("start.1", WHO):
            measure_start("start.1", TRIVIAL, 2)
        with reported("start.2", WHO):
            measure_start("start.2", remote("--ranks 2", "pass"), 1)
    if plan.wants("values"):
        with reported("loop.global", WHO):
            measure_loops(3)
    with NotebookKernel(sys.executable) as kernel:
        measure_session(kernel, plan)


if __name__ == "__main__":
    main()
