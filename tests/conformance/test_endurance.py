"""A thousand cells in a row leave nothing behind in kernel, head or worker."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.conformance.page import Page

_CELLS = 1000
# What a cell may be: each leaves something behind if anything does.
_KINDS = (
    "n_cell = {i}",
    "print('cell', {i})",
    "{i} * 2",
    "display({i})",
    "values = list(range({i}))\nlen(values)",
    "raise ValueError({i})",
    "import subprocess\nsubprocess.run(['true'])",
    "await __import__('asyncio').sleep(0)",
    "sent[{i} % 10] = {i}",
    "import threading\nt = threading.Thread(target=print, args=({i},)); t.start(); t.join()",
)


@dataclass(frozen=True)
class Held:
    """What a process holds."""

    descriptors: int
    threads: int
    children: int

    @classmethod
    def by(cls, pid: int) -> Held:
        base = Path(f"/proc/{pid}")
        tasks = list((base / "task").iterdir())
        children = sum(len((task / "children").read_text().split()) for task in tasks)
        return cls(len(os.listdir(base / "fd")), len(tasks), children)


def _shared_memory() -> set[str]:
    return set(os.listdir("/dev/shm")) if Path("/dev/shm").exists() else set()


def _ancestors(pid: int, until: int) -> dict[str, int]:
    """The warm parent and the head above a worker."""
    found: list[int] = []
    while pid not in (0, 1, until) and len(found) < 3:
        stat = Path(f"/proc/{pid}/stat").read_text()
        pid = int(stat.rpartition(")")[2].split()[1])
        found.append(pid)
    return {"parent": found[0], "head": found[1]}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_a_thousand_cells_leave_nothing_behind(opened: Callable[..., Page]) -> None:
    page = opened()
    page.good("sent = [0] * 10")

    def cells(count: int) -> None:
        # Through the shell, as a front end's request would be: the page itself is not the subject.
        page.good(
            f"from IPython.utils.capture import capture_output\nfor i in range({count}):\n"
            f"    kinds = {_KINDS!r}\n    code = kinds[i % len(kinds)].replace('{{i}}', str(i))\n"
            "    with capture_output():\n"
            "        get_ipython().run_cell('%%remote\\n' + code, store_history=True)\n"
        )

    cells(50)
    worker = int(page.good_remote("import os\nos.getpid()").result or "")
    processes = {"kernel": page.pid, "worker": worker, **_ancestors(worker, page.pid)}
    before = {who: Held.by(pid) for who, pid in processes.items()}
    shared = _shared_memory()
    for _ in range(_CELLS // 250):
        cells(250)
    page.good_remote("1")
    after = {who: Held.by(pid) for who, pid in processes.items()}
    grown = {
        who: (before[who], after[who])
        for who in processes
        if after[who].descriptors > before[who].descriptors + 2
        or after[who].threads > before[who].threads + 1
        or after[who].children > before[who].children
    }
    assert grown == {}
    assert _shared_memory() - shared == set()


@pytest.mark.slow
def test_a_kernel_that_ends_takes_its_cluster_along(opened: Callable[..., Page]) -> None:
    page = opened()
    worker = int(page.good_remote("import os\nos.getpid()").result or "")
    pids = [worker, *_ancestors(worker, page.pid).values()]
    page.close()
    left = [pid for pid in pids if Path(f"/proc/{pid}/exe").exists()]
    assert left == []
