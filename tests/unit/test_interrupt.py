"""Interrupts that come at every moment of a run."""

from __future__ import annotations

import asyncio
import mmap
import os
import signal
import subprocess
import sys
from collections.abc import Callable

import pytest

from farcell_runtime.executor.interrupt import Interruptible, InterruptPage, Interrupts


def _run(main: Callable[[], object]) -> object:
    return asyncio.run(main())  # type: ignore[arg-type]


def test_while_it_waits() -> None:
    async def main() -> str:
        run = Interruptible("a", asyncio.sleep(60))
        asyncio.get_running_loop().call_later(0.01, run.interrupt)
        try:
            await run
        except KeyboardInterrupt:
            return "interrupted"
        return "went on"

    assert _run(main) == "interrupted"


def test_when_it_is_over_it_hits_nobody() -> None:
    async def main() -> str:
        run = Interruptible("a", asyncio.sleep(0, "done"))
        result = await run
        run.interrupt()
        await asyncio.sleep(0.01)  # where the task that ran it waits for the next cell
        return result

    assert _run(main) == "done"


def test_when_it_goes_on_by_itself_before_it_is_cancelled() -> None:
    async def main() -> str:
        future: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        async def cell() -> str:
            return await future

        run = Interruptible("a", cell())

        def both() -> None:
            future.set_result("done")  # the task's next step is on its way
            run.interrupt()

        asyncio.get_running_loop().call_later(0.01, both)
        try:
            await run
        except KeyboardInterrupt:
            await asyncio.sleep(0.01)
            return "interrupted"
        return "went on"

    assert _run(main) == "interrupted"


# As in a worker with OpenBLAS or torch: a thread that is not Python's takes the signal when the
# main thread blocks it, and what the handler passes on to the children comes back to it.
_OTHER_THREAD = """
import mmap, os, signal, threading, time
from farcell_runtime.executor.interrupt import InterruptPage, Interrupts
os.setpgid(0, 0)
page = mmap.mmap(-1, 4096)
page[0:2] = b"\\x01a"
interrupts = Interrupts(InterruptPage(page))
class Run:
    run = "a"
    hits = 0
    def interrupt(self):
        self.hits += 1
interrupts.current = run = Run()
interrupts.install()
threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])
os.kill(os.getpid(), signal.SIGINT)
end = time.monotonic() + 0.5
while time.monotonic() < end:
    pass
print(run.hits)
os._exit(0)
"""


def test_what_is_passed_on_to_the_children_does_not_come_back() -> None:
    done = subprocess.run(
        [sys.executable, "-c", _OTHER_THREAD], capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "1\n", done.stdout + done.stderr


@pytest.mark.parametrize("target", ["another run", ""])
def test_a_signal_for_another_run_is_ignored(target: str) -> None:
    page = mmap.mmap(-1, 4096)
    page[0] = len(target)
    page[1 : 1 + len(target)] = target.encode()
    interrupts = Interrupts(InterruptPage(page))
    hits: list[str] = []
    interrupts.current = type("Run", (), {"run": "a", "interrupt": lambda self: hits.append("a")})()
    before = signal.getsignal(signal.SIGINT)
    try:
        interrupts.install()
        os.kill(os.getpid(), signal.SIGINT)
    finally:
        signal.signal(signal.SIGINT, before)
    assert hits == []
