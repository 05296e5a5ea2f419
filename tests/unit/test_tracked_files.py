"""What is believed of files that editors write, each in its own way."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from farcell.tracked_files import TrackedFiles
from farcell.watcher import Watcher

LONG_AGO_S = 1_000_000_000


class Disk:
    """A folder with tracked files, and a clock of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now_s = 0.0
        self.files = TrackedFiles(lambda: self.now_s)

    def track(self, name: str, source: str) -> Path:
        path = self.folder / f"{name}.py"
        path.write_text(source)
        self.files.track(name, str(path))
        return path

    def found(self) -> dict[str, str | None]:
        """What is believed after as many looks as that takes."""
        for _ in range(1000):
            changes = self.files.changes()
            if not changes.unsettled:
                return {
                    each.module: None if each.source is None else each.source.decode()
                    for each in changes.texts
                }
            self.now_s += 0.002
        raise AssertionError("it never settles")

    def take(self) -> None:
        self.files.take(self.files.changes().texts)


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    return Disk(tmp_path)


def test_nothing_has_changed(disk: Disk) -> None:
    disk.track("m", "a = 1")
    assert disk.found() == {}


def test_a_save_in_place(disk: Disk) -> None:
    path = disk.track("m", "a = 1")
    path.write_text("a = 2")
    assert disk.found() == {"m": "a = 2"}
    disk.take()
    assert disk.found() == {}


def test_a_save_by_rename(disk: Disk) -> None:
    path = disk.track("m", "a = 1")
    other = path.with_suffix(".tmp")
    other.write_text("a = 2")
    other.replace(path)
    assert disk.found() == {"m": "a = 2"}


def test_two_saves_within_the_clocks_tick(disk: Disk) -> None:
    path = disk.track("m", "a = 1")
    found = os.stat(path)
    path.write_text("a = 2")
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns + 1))
    assert disk.found() == {"m": "a = 2"}
    disk.take()
    path.write_text("a = 3")
    os.utime(path, ns=(found.st_atime_ns, found.st_mtime_ns + 2))
    assert disk.found() == {"m": "a = 3"}


def test_a_file_that_is_empty_is_about_to_be_written(disk: Disk) -> None:
    path = disk.track("m", "a = 1")
    path.write_text("")
    for _ in range(50):
        assert disk.files.changes().unsettled
        disk.now_s += 0.002
    path.write_text("a = 2")
    assert disk.found() == {"m": "a = 2"}


def test_one_that_stays_empty_is_empty(disk: Disk) -> None:
    path = disk.track("m", "a = 1")
    path.write_text("")
    assert disk.found() == {"m": ""}
    assert disk.now_s >= 0.2


def test_one_that_is_gone_may_come_back(disk: Disk) -> None:
    path = disk.track("m", "a = 1")
    path.unlink()
    assert disk.files.changes().unsettled
    path.write_text("a = 2")
    assert disk.found() == {"m": "a = 2"}


def test_one_that_stays_gone_is_deleted(disk: Disk) -> None:
    path = disk.track("m", "a = 1")
    path.unlink()
    assert disk.found() == {"m": None}
    disk.take()
    assert disk.found() == {}
    path.write_text("a = 3")
    assert disk.found() == {"m": "a = 3"}


def test_the_same_text_written_again_is_no_change(disk: Disk) -> None:
    path = disk.track("m", "a = 1")
    path.write_text("a = 1")
    assert disk.found() == {}


def test_what_was_refused_is_not_named_before_it_changes(disk: Disk) -> None:
    path = disk.track("m", "a = 1")
    path.write_text("a = (")
    disk.found()
    disk.files.refuse(disk.files.changes().texts)
    assert disk.found() == {}
    path.write_text("a = (2)")
    assert disk.found() == {"m": "a = (2)"}


def test_a_link_is_followed(disk: Disk, tmp_path: Path) -> None:
    real = tmp_path / "real.py"
    real.write_text("a = 1")
    link = tmp_path / "m.py"
    link.symlink_to(real)
    disk.files.track("m", str(link))
    real.write_text("a = 2")
    assert disk.found() == {"m": "a = 2"}
    disk.take()
    other = tmp_path / "other.py"
    other.write_text("a = 3")
    link.unlink()
    link.symlink_to(other)
    assert disk.found() == {"m": "a = 3"}


def test_a_checkout_is_one_change(disk: Disk) -> None:
    git = disk.folder / ".git"
    git.mkdir()
    paths = [disk.track(f"m{number}", "a = 1") for number in range(200)]
    (git / "index.lock").touch()
    for path in paths[:100]:
        path.write_text("a = 2")
    for _ in range(5):
        assert disk.files.changes().unsettled
        disk.now_s += 1
    for path in paths[100:]:
        path.write_text("a = 2")
    (git / "index.lock").unlink()
    assert len(disk.found()) == 200


def test_a_lock_that_was_left_behind_holds_nothing_up(disk: Disk) -> None:
    (disk.folder / ".git").mkdir()
    path = disk.track("m", "a = 1")
    lock = disk.folder / ".git/index.lock"
    lock.touch()
    os.utime(lock, (LONG_AGO_S, LONG_AGO_S))
    path.write_text("a = 2")
    assert disk.found() == {"m": "a = 2"}


def test_a_source_that_is_not_what_the_file_holds_any_more(disk: Disk) -> None:
    path = disk.folder / "m.py"
    path.write_text("a = 2")
    disk.files.track("m", str(path), b"a = 1")
    assert disk.found() == {"m": "a = 2"}


def test_the_watcher_tells_of_every_way_to_save(tmp_path: Path) -> None:
    path = tmp_path / "m.py"
    path.write_text("a = 1")
    told = threading.Semaphore(0)
    watcher = Watcher(lambda: told.release())
    watcher.watch([str(tmp_path)])
    other = tmp_path / "other"
    other.write_text("a = 2")
    assert not told.acquire(timeout=0.1), "a log that grows beside the modules is none of them"
    for act in (
        lambda: other.replace(path),
        lambda: path.write_text("a = 3"),
        path.unlink,
        lambda: path.write_text("a = 4"),
    ):
        while told.acquire(timeout=0.05):
            pass
        act()
        assert told.acquire(timeout=30)
    watcher.end()


def test_what_was_refused_is_named_again_when_another_file_was_taken(disk: Disk) -> None:
    lacking, other = disk.track("b", "b = 1"), disk.track("a", "a = 1")
    lacking.write_text("from a import new")
    assert disk.found() == {"b": "from a import new"}
    disk.files.refuse(disk.files.changes().texts)
    assert disk.found() == {}
    other.write_text("new = 2")
    assert disk.found() == {"a": "new = 2"}
    disk.take()
    assert disk.found() == {"b": "from a import new"}
