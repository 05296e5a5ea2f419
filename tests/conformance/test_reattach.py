"""A kernel that died, or was restarted, and the one in its place."""

from __future__ import annotations

import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conformance.page import Cell, Page, plain

# Counts, pauses at 20 until the kernel is gone, and goes on until it is told to stop.
COUNTING = """import os, time
with open({folder!r} + "/log", "w") as log:
    log.write(os.readlink("/proc/self/fd/1"))
for number in range(100_000):
    print("@" + str(number), flush=True)
    time.sleep(0.01)
    while number == 20 and not os.path.exists({folder!r} + "/gone"):
        time.sleep(0.01)
    if os.path.exists({folder!r} + "/go"):
        break
last = number
open({folder!r} + "/over", "w").close()
"""


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Page]:
    page = Page(tmp_path)
    try:
        page.load()
        yield page
    finally:
        if page.alive():
            page.run("%cluster stop")
        page.close()


def load(page: Page) -> str:
    cell = page.good("%load_ext farcell")
    return cell.stdout


def numbers(*texts: str) -> list[int]:
    return [int(word[1:]) for text in texts for word in text.split() if word.startswith("@")]


def wait_until(reached: Callable[[], object]) -> None:
    """Wait for what no message tells of."""
    pause = threading.Event()
    for _ in range(6000):
        if reached():
            return
        pause.wait(0.01)
    raise TimeoutError("what was waited for did not come")


def lose_kernel(page: Page, counting: Cell, folder: Path) -> None:
    """Kill the kernel when it has shown what the cell has said, and noted that."""
    page.until(lambda: "@20" in counting.text, counting)
    out = Path((folder / "log").read_text())
    noted = out.with_suffix(".shown")
    wait_until(lambda: noted.exists() and noted.read_bytes()[:8] == struct.pack("<Q", size_of(out)))
    page.kill()
    (folder / "gone").touch()


def size_of(path: Path) -> int:
    return path.stat().st_size


def test_the_names_are_there_again(own: Page) -> None:
    own.good_remote("import numpy as np\nthere = np.arange(5)\nboth = [1]")
    own.good("both")
    own.restart()
    told = load(own)
    assert own.value("there.sum(), both") == "(np.int64(10), [1])"
    assert "attached to gang default" in told
    assert "there" in told
    assert own.good_remote("both.append(2)\nboth").result == "[1, 2]"


@pytest.mark.parametrize("flags", ["", "--background --name count", "--ranks 2"])
def test_a_run_goes_on_and_is_replayed_once(own: Page, tmp_path: Path, flags: str) -> None:
    first = own.begin_remote(COUNTING.format(folder=str(tmp_path)), flags)
    lose_kernel(own, first, tmp_path)
    own.restart()
    loaded = own.good("%load_ext farcell")
    assert "still running" in loaded.stdout
    shown = max(numbers(first.text))
    own.until(lambda: f"@{shown + 50}" in loaded.text, loaded)
    (tmp_path / "go").touch()
    own.good("import farcell\nrun = farcell.find_run('1')\nrun.wait(30)")
    own.until(lambda: own.value("run.state") == "'done'")
    last = int(own.value("last if isinstance(last, int) else last[0]"))
    own.until(lambda: f"@{last}" in loaded.text, loaded)
    seen = numbers(first.text, loaded.text)
    if "--ranks" not in flags:
        assert seen == list(range(last + 1))
    else:
        assert set(seen) == set(range(max(seen) + 1))
    assert own.good_remote("1 + 1", flags.partition("--background")[0]).result == "2"


def test_a_run_that_ended_meanwhile(own: Page, tmp_path: Path) -> None:
    counting = COUNTING.format(folder=str(tmp_path)) + "1 / 0"
    first = own.begin_remote(counting, "--background --name fails")
    lose_kernel(own, first, tmp_path)
    (tmp_path / "go").touch()
    wait_until((tmp_path / "over").exists)
    own.restart()
    loaded = own.good("%load_ext farcell")
    assert "run 1 'fails'" in loaded.stdout
    own.until(lambda: "ZeroDivisionError" in plain(loaded.describe()), loaded)
    assert own.run("farcell = __import__('farcell'); farcell.find_run('fails').wait(20)").error == (
        "ZeroDivisionError"
    )
    last = int(own.value("last"))
    assert numbers(first.text, loaded.text) == list(range(last + 1))


def test_a_cell_on_a_busy_gang_waits_for_it(own: Page, tmp_path: Path) -> None:
    first = own.begin_remote(COUNTING.format(folder=str(tmp_path)))
    own.until(lambda: "@5" in first.text, first)
    (tmp_path / "gone").touch()
    own.restart()
    own.good("%load_ext farcell")
    waiting = own.begin_remote("last >= 5")
    own.until(lambda: "waiting for the run" in waiting.text, waiting)
    (tmp_path / "go").touch()
    assert own.finish(waiting).result == "True"


def test_it_can_be_cancelled_after(own: Page, tmp_path: Path) -> None:
    first = own.begin_remote(COUNTING.format(folder=str(tmp_path)), "--name endless")
    own.until(lambda: "@5" in first.text, first)
    own.restart()
    own.good("%load_ext farcell")
    own.good("%cluster cancel endless")
    assert own.run("import farcell\nfarcell.find_run('endless').wait(30)").error == (
        "KeyboardInterrupt"
    )
    assert own.good_remote("number >= 5").result == "True"


@pytest.mark.parametrize("flags", ["", "--background", "--ranks 2"])
def test_a_run_that_had_only_just_begun(own: Page, tmp_path: Path, flags: str) -> None:
    """The kernel dies before it has told anybody of the run."""
    begun, go = tmp_path / "begun", tmp_path / "go"
    own.good_remote("import os, time", flags.partition("--background")[0])
    first = own.begin_remote(
        f"print('@0', flush=True)\nopen({str(begun)!r}, 'w').close()\n"
        f"while not os.path.exists({str(go)!r}): time.sleep(0.01)\nprint('@1')",
        flags,
    )
    wait_until(begun.exists)
    own.restart()
    loaded = own.good("%load_ext farcell")
    assert "still running" in loaded.stdout
    go.touch()
    own.until(lambda: "@1" in loaded.text, loaded)
    assert set(numbers(first.text, loaded.text)) == {0, 1}


def test_a_run_that_had_just_ended(own: Page) -> None:
    """It is not taken for one that goes on, nor shown twice."""
    first = own.good_remote("import time; print('@0', flush=True); time.sleep(0.3)\nprint('@1')")
    assert numbers(first.text) == [0, 1]
    own.restart()
    loaded = own.good("%load_ext farcell")
    assert "attached to gang default" in loaded.stdout
    assert " run " not in loaded.stdout
    assert numbers(loaded.text) == []
    status = own.good("%cluster status").stdout
    assert "running on" not in status


@pytest.mark.parametrize("flags", ["", "--ranks 2"])
def test_the_logs_of_runs_of_the_kernel_before(own: Page, tmp_path: Path, flags: str) -> None:
    own.good_remote("print('said before')", f"{flags} --background --name over")
    own.good("import farcell\nfarcell.find_run('over').wait(30)")
    counting = own.begin_remote(COUNTING.format(folder=str(tmp_path)), f"{flags} --name goes")
    lose_kernel(own, counting, tmp_path)
    own.restart()
    own.good("%load_ext farcell")
    assert own.good("%cluster logs over").stdout == "said before\n"
    (tmp_path / "go").touch()
    own.good("import farcell\nfarcell.find_run('goes').wait(30)")
    last = own.value("last if isinstance(last, int) else min(last)")
    told = numbers(own.good("%cluster logs goes").stdout)
    assert [each for each in told if each <= int(last)] == list(range(int(last) + 1))
    started = own.good_remote("print('new')", f"{flags} --background --name new")
    own.good("farcell.find_run('3').wait(30)")
    assert own.good("%cluster logs 3").stdout == "new\n"
    assert started.ok


def test_what_the_new_kernel_has_is_newer(own: Page) -> None:
    own.good_remote("bound_again = ['old']\nthere_alone = 1")
    own.restart()
    own.good("bound_again = ['new']")
    told = own.good("%load_ext farcell").stderr
    assert "the notebook has 'bound_again' too, and keeps it" in told
    assert own.value("bound_again, there_alone") == "(['new'], 1)"
    assert own.good_remote("bound_again").result == "['new']"


def test_what_was_bound_before_loading_goes_along(tmp_path: Path) -> None:
    page = Page(tmp_path)
    try:
        page.good("early, early_list = 1, [2]")
        page.load()
        assert page.good_remote("early, early_list").result == "(1, [2])"
    finally:
        page.run("%cluster stop")
        page.close()
