"""Loops in local cells that look up globals and builtins, with farcell loaded and without."""

from __future__ import annotations

import sys

from .notebook_kernel import NotebookKernel
from .samples import emit

WHO = "farcell"
LOAD = "%load_ext farcell"

# Functions are made anew for each measurement: they keep the builtins they were made with.
LOOPS = '''
_weight, _words = 3, list("abc")

def _least_ms(define, repeats):
    """The least time of a loop that the cell ``define`` defines."""
    shell = get_ipython()
    shell.run_cell(define).raise_error()
    loop = shell.user_ns["_loop"]
    taken = []
    for _ in range(repeats):
        start = _time.perf_counter()
        loop()
        taken.append((_time.perf_counter() - start) * 1e3)
    return min(taken)
'''
CELLS = {
    "loop.global": "def _loop():\n    for _ in range(300_000): _weight + _weight",
    "loop.builtin": "def _loop():\n    for _ in range(300_000): len(_words)",
}
_REPEATS = 30


def measure_loops(rounds: int) -> None:
    """Each loop in a kernel before and after ``%load_ext farcell``: how many times as long."""
    for figure in CELLS:
        ratios: list[float] = []
        for _ in range(rounds):
            with NotebookKernel(sys.executable) as kernel:
                kernel.run(LOOPS)
                call = f"_least_ms({CELLS[figure]!r}, {_REPEATS})"
                before = kernel.ask(call)
                kernel.run(f"{LOAD}\n%remote pass")
                ratios.append(kernel.ask(call) / before)
                kernel.run("%cluster stop")
        emit(figure, WHO, ratios)
