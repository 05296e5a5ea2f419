"""A worker that is killed in the middle of a cell, and a kernel that is replaced by another."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

from .notebook_kernel import NotebookKernel
from .samples import emit, reported

WHO = "farcell"
LOAD = "%load_ext farcell"
ENDLESS = "%%remote\nimport os, time\nprint('@pid', os.getpid(), flush=True)\ntime.sleep(60)"
#: Prints once it is told to, as it may when nobody is there to read it.
REPLAYED = """%%remote
import os, time
print('@begun', flush=True)
while not os.path.exists({go!r}):
    time.sleep(0.01)
for number in range({lines}):
    print('line', number)
print('@end', flush=True)
open({over!r}, 'w').close()
"""


class _Killed(Exception):
    """The kernel that ran the cell is gone."""


def measure_kills(kernel: NotebookKernel, repeats: int) -> None:
    """From ``kill -9`` of a worker to its cell's error, and to the end of the next cell."""
    errors: list[float] = []
    agains: list[float] = []
    for _ in range(repeats):
        killed_at_s = 0.0

        def kill(text: str) -> None:
            nonlocal killed_at_s
            if found := re.search(r"@pid (\d+)", text):
                killed_at_s = time.perf_counter()
                os.kill(int(found[1]), signal.SIGKILL)

        end = kernel.run(ENDLESS, on_text=kill, check=False)
        if not end.error.startswith("WorkerLost"):
            raise RuntimeError(f"the cell of a killed worker ended with {end.error or 'no error'}")
        again = kernel.run("%%remote\npass")
        errors.append((end.ended_at_s - killed_at_s) * 1e3)
        agains.append(again.ended_at_s - killed_at_s)
    emit("accident.error", WHO, errors)
    emit("accident.again", WHO, agains)


def measure_reattaching(repeats: int) -> None:
    """``%load_ext`` to the first name that is read, in a new kernel beside a living session."""
    with NotebookKernel(sys.executable) as kernel:
        kernel.run(f"{LOAD}\n")
        kernel.run("%%remote\nthere = list(range(10))")
        taken: list[float] = []
        for _ in range(repeats):
            kernel.replace()
            taken.append(kernel.ask(f"_seconds('{LOAD}', 'there[0]')"))
        emit("accident.reattach", WHO, taken)
        kernel.run("%cluster stop")


def measure_replay(lines: int, repeats: int) -> None:
    """``%load_ext`` to the last of the lines that a run printed while there was no kernel."""
    seconds: list[float] = []
    messages: list[float] = []
    for _ in range(repeats):
        with NotebookKernel(sys.executable) as kernel, TemporaryDirectory() as folder:
            kernel.run(LOAD)
            go, over = Path(folder, "go"), Path(folder, "over")

            def kill(text: str, kernel: NotebookKernel = kernel) -> None:
                if "@begun" in text:
                    kernel.kill()
                    raise _Killed

            try:
                kernel.run(REPLAYED.format(go=str(go), over=str(over), lines=lines), on_text=kill)
            except _Killed:
                go.touch()
            while not over.exists():
                time.sleep(0.01)
            kernel.replace()
            end = kernel.run(LOAD, until_text="@end")
            seconds.append(end.shown_at_s - (end.ended_at_s - end.elapsed_s))
            messages.append(end.messages)
            kernel.run("%cluster stop")
    emit("accident.replay", WHO, seconds)
    emit("accident.messages", WHO, messages)


def measure_accidents(kernel: NotebookKernel, kills: int) -> None:
    with reported("accident.error", WHO):
        measure_kills(kernel, kills)
    with reported("accident.reattach", WHO):
        measure_reattaching(5)
    with reported("accident.replay", WHO):
        measure_replay(100_000, 2)
