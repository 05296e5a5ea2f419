"""``%cluster put`` and ``%cluster get``: files and folders to workers, and from them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conformance.page import Page, rendered


@pytest.fixture
def apart(page: Page, tmp_path: Path) -> Iterator[Path]:
    """A folder in which a worker's paths are told apart from the notebook's by their folder."""
    (tmp_path / "there").mkdir()
    yield tmp_path
    page.good(f"%cd -q {page.folder}")


def leftovers(folder: Path) -> list[str]:
    return [str(each) for each in folder.rglob(".farcell-*")]


@pytest.mark.every_engine
def test_there_and_back(page: Page, apart: Path) -> None:
    (apart / "data/sub").mkdir(parents=True)
    (apart / "data/sub/naïve 名.txt").write_text("text")
    (apart / "data/run").write_text("#!")
    (apart / "data/run").chmod(0o755)
    shown = page.good(f"%cluster put {apart}/data {apart}/there/copy").stdout
    assert shown == f"{apart}/data (6 B) → gang default: {apart}/there/copy\n"
    assert (
        page.good_remote(f"open('{apart}/there/copy/sub/naïve 名.txt').read()").result == "'text'"
    )
    page.good_remote(f"open('{apart}/there/copy/made', 'w').write('there')")
    shown = page.good(f"%cluster get {apart}/there/copy {apart}/back").stdout
    assert shown == f"gang default: {apart}/there/copy (11 B) → {apart}/back\n"
    assert (apart / "back/made").read_text() == "there"
    assert (apart / "back/run").stat().st_mode & 0o777 == 0o755
    assert leftovers(apart) == []


def test_paths_are_the_notebooks(page: Page, apart: Path) -> None:
    page.good_remote("1")
    page.good(f"%cd -q {apart}\nopen('plain file', 'w').write('1')\nname = 'plain file'")
    assert f"gang default: {apart}/plain file" in page.good('%cluster put "$name"').stdout
    assert f"{apart}/new/plain file" in page.good("%cluster put '{name}' new/").stdout
    assert f"→ {apart}/new/plain file" in page.good("%cluster get 'new/plain file'").stdout
    assert f"→ {apart}/plain file" in page.good(f"%cluster get '{apart}/new/plain file'").stdout


def test_to_every_rank(page: Page, apart: Path) -> None:
    (apart / "file").write_text("ranks")
    page.good_remote(
        f"import os\nhome = '{apart}/' + os.environ['RANK']\nos.makedirs(home)\nos.chdir(home)",
        "--ranks 2",
    )
    shown = page.good(f"%cluster put {apart}/file copied --on ranks=2").stdout
    assert "all ranks of gang ranks=2" in shown
    assert [(apart / rank / "copied").read_text() for rank in "01"] == ["ranks", "ranks"]
    page.good_remote("mine = open('mine', 'w').write(os.environ['RANK'])", "--ranks 2")
    page.good(f"%cluster get mine {apart}/of1 --on ranks=2 --rank 1")
    assert (apart / "of1").read_text() == "1"
    cell = page.run("%cluster get mine --on ranks=2 --rank 2")
    assert (cell.error, "ranks are 0 to 1" in cell.message) == ("UsageError", True)


ERRORS = {
    "%cluster put nowhere": "there is no file or folder",
    "%cluster get nowhere": "there is no file or folder",
    "%cluster put": "takes PATH [DEST]",
    "%cluster put /etc/hostname /proc/farcell/x": "/proc/farcell/x",
    "%cluster get /etc/hostname /proc/farcell/x": "/proc/farcell/x",
    "%cluster put /etc/hostname /etc/hostname/x": "no folder",
    "%cluster put /etc /etc/hostname": "/etc",
    "%cluster get /dev/null": "neither a file nor a folder",
    "%cluster put /etc/hostname x --on nobody": "there is no gang 'nobody'",
}


@pytest.mark.parametrize(("line", "told"), ERRORS.items(), ids=ERRORS)
def test_errors(page: Page, line: str, told: str) -> None:
    cell = page.run(line)
    assert cell.error == "UsageError", cell.describe()
    assert told in cell.message
    assert page.good_remote("'goes on'").result == "'goes on'"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may do anything")
def test_no_permission(page: Page, apart: Path) -> None:
    (apart / "there").chmod(0o500)
    (apart / "file").write_text("")
    cell = page.run(f"%cluster put {apart}/file {apart}/there/x")
    assert (cell.error, "no permission for" in cell.message) == ("UsageError", True)


def test_no_room(opened: Callable[..., Page], tmp_path: Path) -> None:
    page = opened()
    (tmp_path / "there").mkdir()
    (tmp_path / "there/file").write_text("old")
    (tmp_path / "file").write_bytes(bytes(5 << 20))
    page.good_remote(
        "import resource\nresource.setrlimit(resource.RLIMIT_FSIZE, (2 << 20, 2 << 20))"
    )
    cell = page.run(f"%cluster put {tmp_path}/file {tmp_path}/there/file")
    assert (cell.error, f"{tmp_path}/there/file" in cell.message) == ("UsageError", True)
    assert "too large" in cell.message
    assert (tmp_path / "there/file").read_text() == "old"
    assert leftovers(tmp_path) == []


def test_a_stop(page: Page, apart: Path) -> None:
    with open(apart / "endless", "wb") as endless:
        endless.truncate(40 << 30)
    for verb in ("put", "get"):
        cell = page.begin(f"%cluster {verb} {apart}/endless {apart}/there/")
        page.until_text(cell, "of 42.9 GB")
        page.interrupt()
        page.finish(cell)
        assert cell.error == "KeyboardInterrupt", cell.describe()
        assert "endless" in rendered(cell.stderr)
        assert page.good_remote("'goes on'").result == "'goes on'"
        assert [each.name for each in (apart / "there").iterdir()] == []


def test_a_worker_that_dies(page: Page, apart: Path) -> None:
    with open(apart / "endless", "wb") as endless:
        endless.truncate(40 << 30)
    pid = int(page.good_remote("__import__('os').getpid()").result or 0)
    cell = page.begin(f"%cluster get {apart}/endless {apart}/there/")
    page.until_text(cell, "of 42.9 GB")
    os.kill(pid, signal.SIGKILL)
    page.finish(cell)
    assert cell.error == "WorkerLost", cell.describe()
    assert list((apart / "there").iterdir()) == []


def test_a_kernel_that_dies(opened: Callable[..., Page], tmp_path: Path) -> None:
    page = opened()
    with open(tmp_path / "endless", "wb") as endless:
        endless.truncate(40 << 30)
    (tmp_path / "there").mkdir()
    page.good_remote("1")
    cell = page.begin(f"%cluster put {tmp_path}/endless {tmp_path}/there/")
    page.until_text(cell, "of 42.9 GB")
    assert leftovers(tmp_path) != []
    page.kill()
    for _ in range(100):
        if not leftovers(tmp_path):
            break
        time.sleep(0.1)
    assert leftovers(tmp_path) == []
