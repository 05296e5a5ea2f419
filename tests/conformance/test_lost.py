"""A worker that dies is a `WorkerLost` with its last lines, and the next cell has a fresh one."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.page import Cell, Page


def lost(page: Page, code: str) -> Cell:
    """Run what kills its worker; the next cell must work."""
    cell = page.remote(f"print('last words')\n{code}")
    assert cell.error == "WorkerLost", cell.describe()
    assert "last words" in cell.message
    assert page.good_remote("'fresh'").result == "'fresh'"
    return cell


@pytest.mark.every_engine
def test_kill(page: Page) -> None:
    cell = lost(page, "import os, signal\nos.kill(os.getpid(), signal.SIGKILL)")
    assert "SIGKILL" in cell.message


def test_a_segmentation_fault(page: Page) -> None:
    cell = lost(page, "import ctypes\nctypes.string_at(0)")
    assert "SIGSEGV" in cell.message


def test_an_abort(page: Page) -> None:
    assert "SIGABRT" in lost(page, "import os\nos.abort()").message


@pytest.mark.every_engine
def test_an_exit_behind_pythons_back(page: Page) -> None:
    assert "code 7" in lost(page, "import os\nos._exit(7)").message


def test_an_exit_with_success(page: Page) -> None:
    assert "code 0" in lost(page, "import os\nos._exit(0)").message


def test_a_kill_from_outside_in_the_middle_of_a_cell(page: Page) -> None:
    page.good("from_home = 'here'")
    cell = page.begin_remote("import os, time\nprint('pid', os.getpid(), 'end')\ntime.sleep(600)")
    page.until_text(cell, "end")
    os.kill(int(cell.stdout.split()[1]), signal.SIGKILL)
    page.finish(cell)
    assert cell.error == "WorkerLost", cell.describe()
    assert page.good_remote("from_home").result == "'here'"


@pytest.mark.every_engine
def test_a_kill_between_cells(page: Page) -> None:
    pid = int(page.good_remote("import os\nos.getpid()").result or "")
    os.kill(pid, signal.SIGKILL)
    page.until(lambda: not Path(f"/proc/{pid}").exists())
    cell = page.remote("import os\nos.getpid()")
    if cell.error == "WorkerLost":  # the news came while the cell was on its way
        cell = page.good_remote("import os\nos.getpid()")
    assert cell.ok, cell.describe()
    assert cell.result != str(pid)


def test_names_that_lived_there_alone_are_named(page: Page) -> None:
    page.good_remote("only_there = 1")
    page.good("held_here = 2")
    page.good_remote("held_here")
    page.remote("import os\nos._exit(1)")
    assert page.good_remote("held_here").result == "2"
    cell = page.run("only_there")
    assert cell.error == "ObjectLost", cell.describe()
    assert "only_there" in cell.message
    there = page.remote("only_there")
    assert there.error == "ObjectLost", there.describe()
    page.good_remote("only_there = 3")
    assert page.value("only_there") == "3"


def test_a_name_that_was_fetched_survives(page: Page) -> None:
    page.good_remote("fetched = [1, 2]")
    page.good("fetched")
    page.remote("import os\nos._exit(1)")
    assert page.value("fetched") == "[1, 2]"
    assert page.good_remote("fetched").result == "[1, 2]"


def test_a_name_that_was_read_and_then_bound_there_is_lost(page: Page) -> None:
    page.good("bound_again = [1]")
    page.good_remote("bound_again")
    page.good_remote("bound_again = [2]")
    page.remote("import os\nos._exit(1)")
    assert page.run("bound_again").error == "ObjectLost"


def test_children_of_a_dead_worker_are_gone(page: Page) -> None:
    cell = page.remote(
        "import os, subprocess\nchild = subprocess.Popen(['sleep', '600'])\n"
        "print('child', child.pid, flush=True)\nos.kill(os.getpid(), 9)"
    )
    assert cell.error == "WorkerLost"
    child = int(cell.stdout.split()[1])
    page.until(lambda: not Path(f"/proc/{child}").exists())


def test_one_rank_that_dies_ends_the_gang(page: Page) -> None:
    cell = page.remote(
        "import os, time\nif os.environ['RANK'] == '1': os._exit(3)\ntime.sleep(600)", "--ranks 2"
    )
    assert cell.error == "WorkerLost", cell.describe()
    assert "rank 1" in cell.message
    assert "code 3" in cell.message
    assert page.good_remote("1", "--ranks 2").result == "1"


def test_a_cell_that_loops_over_deaths(page: Page) -> None:
    for code in range(4):
        assert f"code {code}" in page.remote(f"import os\nos._exit({code})").message
    assert page.good_remote("'alive'").result == "'alive'"


def test_the_restart_verb_gives_fresh_workers(page: Page) -> None:
    page.good_remote("before_restart = 1")
    page.good("%cluster restart --on default")
    assert page.good_remote("'before_restart' in globals()").result == "False"


# ---- out of memory ---------------------------------------------------------------------------


@pytest.fixture
def small_memory() -> Iterator[Path]:
    """A memory cgroup of 600 MB, as the file that takes a process id into it."""
    root = Path("/sys/fs/cgroup")
    own = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
    version_1 = [path for _, controllers, path in own if "memory" in controllers.split(",")]
    if version_1:
        folder = root / "memory" / version_1[0].lstrip("/") / "farcell-conformance"
        limit = "memory.limit_in_bytes"
    else:
        folder = root / own[-1][2].lstrip("/") / "farcell-conformance"
        limit = "memory.max"
    try:
        folder.mkdir(exist_ok=True)
        (folder / limit).write_text(str(600 << 20))
    except OSError as error:
        pytest.skip(f"a memory cgroup can't be made here: {error}")
    if not (folder / "cgroup.procs").exists():
        folder.rmdir()
        pytest.skip("a memory cgroup made here takes no processes")
    yield folder / "cgroup.procs"
    # What is left in it goes back to where it came from.
    for pid in (folder / "cgroup.procs").read_text().split():
        (folder.parent / "cgroup.procs").write_text(pid)
    folder.rmdir()


@pytest.mark.on_engine("local")  # whose workers are in the cgroup of the kernel
def test_out_of_memory_is_told_by_name(opened: object, small_memory: Path) -> None:
    page: Page = opened(load=False)  # type: ignore[operator]
    page.good(f"import os\nopen({str(small_memory)!r}, 'w').write(str(os.getpid()));")
    page.load()
    cell = page.remote(
        "print('last words')\nheap = []\nwhile True: heap.append(bytearray(8 << 20))"
    )
    assert cell.error == "WorkerLost", cell.describe()
    assert "out of memory" in cell.message
    assert "last words" in cell.message
    assert page.good_remote("'fresh'").result == "'fresh'"
    page.close()


def test_what_its_cells_may_have_changed_is_as_before_and_that_is_said(page: Page) -> None:
    page.good("touched_lost, unread_lost = [1], [1]")
    page.good_remote("touched_lost.append(2)\nonly_there_lost = 1")
    page.good("%cluster restart")
    said = page.good("touched_lost, unread_lost")
    assert said.result == "([1], [1])"
    told = [cell.stderr for cell in page.cells.values() if "may have changed" in cell.stderr]
    assert told
    assert "touched_lost" in told[-1]
    assert "unread_lost" not in told[-1]
