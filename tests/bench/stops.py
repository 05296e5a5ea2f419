"""From the stop button to the end of the cell, as a front end sees it."""

from __future__ import annotations

import threading
import time

from .notebook_kernel import NotebookKernel

#: Cells that run until they are stopped; each prints ``@go`` or asks when it has begun.
CELLS = {
    "sleep": "import time\nprint('@go', flush=True)\ntime.sleep(30)",
    "loop": "print('@go', flush=True)\nwhile True: pass",
    "numpy": (
        "import numpy\ngrid = numpy.ones((400, 400))\nprint('@go', flush=True)\n"
        "while True: grid = grid @ grid / 400"
    ),
    "subprocess": "import subprocess\nprint('@go', flush=True)\nsubprocess.run(['sleep', '30'])",
    "await": "import asyncio\nprint('@go', flush=True)\nawait asyncio.sleep(30)",
    "input": "answer = input('?')",
}


def stop_ms(
    kernel: NotebookKernel, cell: str, *, delay_s: float = 0.1, must_raise: bool = True
) -> float:
    """Press stop ``delay_s`` after the cell has begun; milliseconds until its reply came.

    With ``must_raise``, a cell that does not end with KeyboardInterrupt raises RuntimeError here.
    """
    pressed_at_s = 0.0

    def press() -> None:
        nonlocal pressed_at_s
        pressed_at_s = time.perf_counter()
        kernel.interrupt()

    timer = threading.Timer(delay_s, press)

    def begun(text: str = "@go") -> None:
        if "@go" in text and timer.ident is None:
            timer.start()

    end = kernel.run(cell, on_text=begun, on_question=begun, check=False, timeout_s=60)
    if timer.ident is None:
        raise RuntimeError(f"the cell ended before it was stopped: {end.error or 'no error'}")
    timer.join()
    if must_raise and "KeyboardInterrupt" not in end.error:
        raise RuntimeError(f"the stopped cell ended with {end.error or 'no error'}")
    return (end.ended_at_s - pressed_at_s) * 1e3
