"""ipyparallel: ``%%px`` cells in a real notebook kernel, and its direct view.

Runs under farcell's interpreter; the kernel it drives runs under the peers' (``--python``).
"""

from __future__ import annotations

import os
import time

from .notebook_kernel import NotebookKernel
from .plan import Plan
from .process_memory import unshared_mb
from .samples import Versions, emit, reported
from .stops import stop_ms

WHO = "ipyparallel"
VIEW = "ipyparallel, bare call"

START = """
_cluster = _ipp.Cluster(n={engines}, log_level=40)
_rc = _cluster.start_and_connect_sync(activate=True)
get_ipython().run_cell("%%px\\npass").raise_error()
"""
BARE = """
def _trivial(): return None
def _bare_ms(targets, repeats):
    view = _rc[targets]
    taken = []
    for number in range(20 + repeats):
        start = _time.perf_counter()
        view.apply_sync(_trivial)
        if number >= 20:
            taken.append((_time.perf_counter() - start) * 1e3)
    return taken
"""


def start_engines(kernel: NotebookKernel, engines: int) -> float:
    """Start a cluster inside the kernel; returns the seconds to its first result."""
    start = time.perf_counter()
    kernel.run(START.format(engines=engines))
    return time.perf_counter() - start


def stop_engines(kernel: NotebookKernel) -> None:
    kernel.run("_rc.close(); _cluster.stop_cluster_sync()")


def measure_flood(kernel: NotebookKernel, lines: int) -> None:
    """``lines`` printed by one engine, beside the same prints in a local cell."""
    loop = f"for i in range({lines}): print('line', i)"
    local = kernel.run(loop, keep_text=False)
    before = unshared_mb(kernel.pid)
    flood = kernel.run(f"%%px --targets 0 --stream\n{loop}", keep_text=False)
    emit("flood.ratio", WHO, [flood.elapsed_s / local.elapsed_s])
    emit("flood.time", WHO, [flood.elapsed_s])
    emit("flood.messages", WHO, [flood.messages])
    emit("flood.text", WHO, [flood.characters / 1e6])
    emit("flood.growth", WHO, [unshared_mb(kernel.pid) - before])


def measure(kernel: NotebookKernel, plan: Plan) -> None:
    kernel.run("import ipyparallel as _ipp, os as _os, signal as _signal")
    seconds = start_engines(kernel, 2)
    if plan.wants("start"):
        emit("start.2", WHO, [seconds])
    kernel.run(BARE)
    if plan.wants("trip"):
        with reported("trip.1", WHO):
            trips = max(plan.trips // 3, 20)
            one, both = "'%%px --targets 0\\npass'", "'%%px\\npass'"
            emit("trip.1", WHO, kernel.ask(f"_times_ms({one}, {trips})"))
            emit("trip.2", WHO, kernel.ask(f"_times_ms({both}, {trips})"))
            emit("trip.1", VIEW, kernel.ask(f"_bare_ms([0], {trips})"))
            emit("trip.2", VIEW, kernel.ask(f"_bare_ms([0, 1], {trips})"))
    if plan.wants("memory"):
        with reported("memory.worker", WHO):
            pids = kernel.ask("_rc[:].apply_sync(_os.getpid)")
            emit("memory.worker", WHO, [unshared_mb(pid) for pid in pids])
    if plan.wants("stop"):
        with reported("stop.sleep", WHO):
            cell = "%%px --targets 0 --stream\nimport time\nprint('@go')\ntime.sleep(3)"
            emit("stop.sleep", WHO, [stop_ms(kernel, cell, must_raise=False)])
    if plan.wants("flood"):
        with reported("flood.ratio", WHO):
            measure_flood(kernel, plan.lines)
    if plan.wants("trip") or plan.wants("start"):
        for ranks in (ranks for ranks in plan.ranks if ranks <= 8):
            with reported(f"trip.{ranks}", WHO):
                stop_engines(kernel)
                emit(f"gang.{ranks}", WHO, [start_engines(kernel, ranks)])
                trips = max(plan.trips // 10, 20)
                emit(f"trip.{ranks}", WHO, kernel.ask(f"_times_ms('%%px\\npass', {trips})"))
    stop_engines(kernel)


def main() -> None:
    plan = Plan.from_arguments()
    with NotebookKernel(os.environ["BENCH_KERNEL_PYTHON"]) as kernel:
        kernel.run("import ipyparallel")
        version = kernel.ask("ipyparallel.__version__")
        print(Versions({"ipyparallel": version}).line(), flush=True)
        measure(kernel, plan)


if __name__ == "__main__":
    main()
