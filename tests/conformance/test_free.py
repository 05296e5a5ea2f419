"""What a session holds: its sizes, told to the kernel that comes to it, and freed on demand."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.page import Page, plain

ARRAY = "import numpy as np\n{0} = np.ones({1} << 17)"  # that many MiB


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Page]:
    page = Page(tmp_path, {"FARCELL_MEMORY_NOTICE_BYTES": str(100 << 20)})
    try:
        page.load()
        yield page
    finally:
        if page.alive():
            page.run("%cluster interrupt")
            page.run("%cluster stop")
        page.close()


def used_mb(page: Page, gang: str = "default") -> float:
    told = page.good("%cluster status").stdout
    part = told.partition(f"gang {gang}: ready")[2].partition("gang ")[0]
    return sum(float(each) for each in re.findall(r"([\d.]+) MB", part))


def test_after_a_restart_what_is_large_is_told_and_can_be_freed(own: Page) -> None:
    own.good_remote(ARRAY.format("big", 200) + "\n" + "other = [np.ones(50 << 17)]\nsmall = 1")
    own.restart()
    told = own.good("%load_ext farcell").stdout
    assert "(big 209.7 MB, other 52.4 MB, " in told
    notice = "these names hold 262.1 MB on gang default: keep them, or free them with "
    assert notice + "%cluster free big, other\n" in told
    before = used_mb(own)
    freed = own.good("%cluster free big, other").stdout
    assert "freed big, other on gang default" in freed
    assert before - used_mb(own) > 200
    lost = own.run("big")
    assert (lost.error, "'big' is gone: it was freed" in lost.message) == ("ObjectLost", True)
    assert own.remote("other").error == "ObjectLost"
    assert own.value("small") == "1"
    assert own.good_remote("big = 2\nbig").result == "2"
    assert own.value("big") == "2"


def test_little_is_not_worth_a_line(own: Page) -> None:
    own.good_remote(ARRAY.format("some", 50))
    own.restart()
    told = own.good("%load_ext farcell").stdout
    assert "some 52.4 MB" in told
    assert "free" not in told


def test_results_do_not_keep_it(own: Page) -> None:
    own.good_remote(ARRAY.format("big", 200) + "\nbig")
    own.good_remote("big")
    before = used_mb(own)
    own.good("%cluster free big")
    assert before - used_mb(own) > 150


def test_another_name_does_and_that_is_told(own: Page) -> None:
    own.good_remote(ARRAY.format("big", 50) + "\nalso = big")
    assert (
        "the same value, and so its memory, is held by also" in own.good("%cluster free big").text
    )
    assert own.good_remote("also.sum()").result.startswith("np.float64")  # type: ignore[union-attr]


def test_what_the_notebook_has_too_it_keeps(own: Page) -> None:
    own.good("here = [1, 2]")
    own.good_remote("here")
    assert "still elsewhere: here" in own.good("%cluster free here").text
    assert own.value("here") == "[1, 2]"
    assert own.good_remote("here").result == "[1, 2]"


def test_on_every_rank(own: Page) -> None:
    own.good_remote(ARRAY.format("big", 100), "--ranks 2")
    before = used_mb(own, "ranks=2")
    own.good("%cluster free big")
    assert before - used_mb(own, "ranks=2") > 150


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("%cluster free", "NAME..."),
        ("%cluster free bgi", "no gang holds a name 'bgi'"),
        ("%cluster free bgi", "did you mean big?"),
        ("%cluster free here", "'here' is in the notebook, and on no gang"),
        ("%cluster free big bgi", "no gang holds a name 'bgi'"),
        ("%cluster free big --on nowhere", "there is no gang 'nowhere'"),
        ("%cluster free --help", "give back their memory"),
    ],
)
def test_what_can_not_be_freed_is_told(own: Page, typed: str, told: str) -> None:
    own.good("here = 1")
    own.good_remote("big = 1")
    assert told in plain((cell := own.run(typed)).text + cell.message)
    assert own.value("big") == "1"


def test_names_are_completed_and_read_as_python_reads_them(own: Page) -> None:
    own.good_remote("größe = 1\nbig = 2")
    completed = "get_ipython().complete({0!r}, {1!r})[1]"
    assert "'größe'" in own.value(completed.format("gr", "%cluster free big, gr"))
    own.good("%cluster free gro\u0308ße,big")  # as some keyboards write it
    assert own.run("größe").error == "ObjectLost"


# ---- a gang that is in a run ------------------------------------------------------------------

RUN = """import os, time
print("@go", flush=True)
while not os.path.exists({go!r}):
    time.sleep(0.01)
del gone
there.append(2)
"""


def busy(page: Page, tmp_path: Path) -> Path:
    """Restart the kernel while its gang is in a run: the file that ends that."""
    go = tmp_path / "go"
    page.good("sent = ['sent']")
    page.good_remote("there = [1]\ngone = 1")
    running = page.begin_remote("sent\n" + RUN.format(go=str(go)))
    page.until_text(running, "@go")
    page.restart()
    told = page.good("%load_ext farcell").text
    assert "gang default is busy; what it holds can be read when that run ends: " in told
    assert all(name in told for name in ("there", "gone", "sent"))
    return go


def test_a_name_of_a_busy_gang_is_waited_for(own: Page, tmp_path: Path) -> None:
    go = busy(own, tmp_path)
    reading = own.begin("there")
    own.until_text(reading, "gang default is busy; waiting for the run there to end: sent")
    assert not reading.ended
    go.touch()
    assert own.finish(reading).result == "[1, 2]"
    assert own.run("gone").error == "NameError"
    assert own.value("sent") == "['sent']"


def test_a_stop_there_leaves_all_as_it_was(own: Page, tmp_path: Path) -> None:
    go = busy(own, tmp_path)
    for source in ("there", "eval('there')"):
        reading = own.begin(source)
        own.until_text(reading, "waiting for the run there to end")
        own.interrupt()
        assert own.finish(reading).error == "KeyboardInterrupt", source
    assert own.value("1 + 1") == "2"
    go.touch()
    own.until(lambda: own.run("there").result == "[1, 2]")


def test_what_a_busy_gang_holds_can_not_be_freed_and_is_listed(own: Page, tmp_path: Path) -> None:
    go = busy(own, tmp_path)
    refused = own.run("%cluster free there")
    assert refused.error == "UsageError"
    assert "gang default is in a run" in refused.message
    assert "there" in own.good("%who").stdout
    assert "default" in own.good("%cluster names").stdout
    assert own.good("there?").ok
    # What the notebook binds meanwhile stays its own.
    own.good("there = 'mine'")
    go.touch()
    own.until(lambda: "there_default" in own.run("%cluster names").stdout)
    assert own.value("there, there_default") == "('mine', [1, 2])"


def test_a_busy_gang_that_dies_is_lost_with_its_names(own: Page, tmp_path: Path) -> None:
    busy(own, tmp_path)
    pid = int(re.findall(r"pid (\d+)", own.good("%cluster status").stdout)[0])
    reading = own.begin("there")
    own.until_text(reading, "waiting for the run there to end")
    os.kill(pid, signal.SIGKILL)
    assert own.finish(reading).error in ("ObjectLost", "SessionLost")
    assert own.run("there").error == "ObjectLost"
    assert own.good_remote("1 + 1").result == "2"
