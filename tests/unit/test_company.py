"""Who may still write when a cell is over."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading

from farcell_runtime.executor.company import Company


def test_alone() -> None:
    before = Company.now()
    assert Company.now() <= before


def test_a_new_thread_is_not_mistaken_for_one_that_ended() -> None:
    ends = [threading.Event(), threading.Event()]
    first, second = (threading.Thread(target=end.wait) for end in ends)
    first.start()
    before = Company.now()
    ends[0].set()
    first.join()
    assert Company.now() <= before, "one has left"
    second.start()
    assert not Company.now() <= before
    ends[1].set()
    second.join()


def test_a_new_task() -> None:
    async def main() -> None:
        before = Company.now()
        task = asyncio.create_task(asyncio.sleep(60))
        assert not Company.now() <= before
        task.cancel()

    loop = asyncio.new_event_loop()
    loop.run_until_complete(main())
    loop.close()


def test_a_new_process() -> None:
    before = Company.now()
    process = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    during = Company.now()
    assert not during <= before
    assert Company.now() <= during
    process.communicate(b"\n")
    assert Company.now() <= before
