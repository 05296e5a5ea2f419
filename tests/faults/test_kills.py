"""SIGKILL of kernel, head, warm parent, worker and Jupyter server, in all combinations.

Whichever dies, nothing is left in the end: no process, be it a daemon that a cell started, no
socket, no file in the temporary folder, no shared memory.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import combinations
from pathlib import Path

import psutil
import pytest

from farcell_runtime.leftovers import leftovers
from farcell_runtime.transport.session_file import SessionFile
from tests.conftest import require_package
from tests.faults.jupyter import Jupyter, jupyter, kill_at_once, until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc"),
]

WHO = ("kernel", "head", "parent", "worker", "server")
# A kernel ends of itself when its server is killed: with the server each is killed alone, and all.
VICTIMS = [
    victims
    for size in range(1, 6)
    for victims in combinations(WHO, size)
    if "server" not in victims or size in (1, 2, 5)
]
_QUICK = {"FARCELL_LEASE_S": "0.3", "FARCELL_IDLE_STOP_S": "1", "FARCELL_PRELOAD": "none"}
_AT_ONCE = 3

BEGIN = """\
%load_ext farcell
here = bytes(3_000_000)
"""
CELL = """\
%%remote
import os, subprocess
daemon = subprocess.Popen(["sleep", "1000"], start_new_session=True)
there = here + bytes(1)
print(os.getpid(), os.getppid())
"""


def _kill(jupyter: Jupyter, victims: tuple[str, ...]) -> None:
    name, kernel = jupyter.begin_kernel()
    pid = int(kernel.run(f"{BEGIN}import os; print(os.getpid())"))
    worker, parent = map(int, kernel.run(CELL).split())
    assert kernel.run("print(len(there))") == "3000001\n"
    (file,) = [each for each in SessionFile.all_in(jupyter.runtime) if each.key.endswith(name)]
    pids = {"kernel": pid, "worker": worker, "parent": parent, "head": file.head_pid}
    cluster = {*pids.values()} - {pid} | {psutil.Process(file.head_pid).ppid()}
    mine = _of_session(jupyter, cluster)
    assert len(mine) == len(cluster) + 1, "the daemon"
    kill_at_once([jupyter.process.pid if who == "server" else pids[who] for who in victims])
    if not {"kernel", "head", "server"} & {*victims}:
        jupyter.end_kernel(name)  # it would go on
    _nothing_is_left(jupyter, file, mine)
    kernel.close()
    if "server" not in victims and {"kernel", "head"} & {*victims}:
        jupyter.end_kernel(name)  # or the one that the server started in its place


def _of_session(jupyter: Jupyter, pids: set[int]) -> list[psutil.Process]:
    """The processes of one session: those with these numbers, and what they have started."""
    return [
        each
        for each in jupyter.processes()
        if each.pid in pids or {parent.pid for parent in each.parents()} & pids
    ]


def _nothing_is_left(jupyter: Jupyter, file: SessionFile, processes: list[psutil.Process]) -> None:
    folder, path = Path(file.folder), SessionFile.path_of(jupyter.runtime, file.key)
    until(
        lambda: not [each for each in processes if each.is_running()],
        f"these go on: {processes}",
    )
    assert not folder.exists()
    assert not path.exists()
    assert file.folder not in Path("/proc/net/unix").read_text()
    for each in leftovers(jupyter.runtime):
        if each.session == file.session:
            assert each.kept, each  # logs, of a head that was killed
            assert file.head_pid not in [process.pid for process in processes if each.processes]
            each.remove()


def _kill_with_server(victims: tuple[str, ...]) -> None:
    with jupyter(**_QUICK) as server:
        _kill(server, victims)
        _ends_empty(server)


def _ends_empty(server: Jupyter) -> None:
    until(lambda: not server.processes(), f"these go on: {server.processes()}")
    left = [each.name for each in server.temporary.iterdir()]
    assert [name for name in left if not name.startswith("ipykernel_")] == []
    assert list(server.runtime.glob("farcell*")) == []
    assert not [name for name in os.listdir("/dev/shm") if "farcell" in name]


@pytest.fixture(scope="module")
def outcomes() -> Iterator[dict[tuple[str, ...], Future[None]]]:
    """What became of each combination; several are tried side by side."""
    require_package("jupyter_server")
    with jupyter(**_QUICK) as server:
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            yield {
                victims: pool.submit(_kill_with_server, victims)
                if "server" in victims
                else pool.submit(_kill, server, victims)
                for victims in VICTIMS
            }
        _ends_empty(server)


@pytest.mark.parametrize("victims", VICTIMS, ids="+".join)
def test_nothing_is_left(
    outcomes: dict[tuple[str, ...], Future[None]], victims: tuple[str, ...]
) -> None:
    outcomes[victims].result()
