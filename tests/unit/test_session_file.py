"""The session file: whole or absent, its owner's only, and never mistaken for another process's."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from farcell_runtime.leftovers import hold, is_held, leftovers
from farcell_runtime.process import ProcessId
from farcell_runtime.security import new_folder
from farcell_runtime.transport.session_file import SessionFile

OWN = ProcessId.own()
FILE = SessionFile(
    session="ab12",
    key="kernel-1",
    engine="local",
    folder="/tmp/farcell-nowhere",
    address="unix:/tmp/farcell-nowhere/head.sock",
    token="secret",
    head_pid=OWN.pid,
    head_started=OWN.started,
    farcell="0.1.0",
    python="3.11.7",
)


def test_it_comes_back_as_it_was_written(tmp_path: Path) -> None:
    path = FILE.write(tmp_path / "runtime")
    assert path.name == "farcell-kernel-1.json"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert SessionFile.read(path) == FILE
    assert [each.name for each in path.parent.iterdir()] == [path.name]


def test_one_that_others_may_read_is_refused(tmp_path: Path) -> None:
    path = FILE.write(tmp_path)
    path.chmod(0o640)
    with pytest.raises(PermissionError, match="other users"):
        SessionFile.read(path)
    assert list(SessionFile.all_in(tmp_path)) == []


def test_a_link_is_refused(tmp_path: Path) -> None:
    target = FILE.write(tmp_path)
    link = tmp_path / "farcell-link.json"
    link.symlink_to(target)
    with pytest.raises(PermissionError):
        SessionFile.read(link)


def test_a_field_of_a_later_version_is_passed_over_and_a_missing_one_told(tmp_path: Path) -> None:
    path = FILE.write(tmp_path)
    content = json.loads(path.read_text())
    path.write_text(json.dumps(content | {"colour": "red"}))
    assert SessionFile.read(path) == FILE
    del content["token"]
    path.write_text(json.dumps(content))
    with pytest.raises(ValueError, match="of this version"):
        SessionFile.read(path)


def test_all_are_found_the_newest_first(tmp_path: Path) -> None:
    for number, key in enumerate(("old", "new")):
        path = replace(FILE, key=key).write(tmp_path)
        os.utime(path, (number, number))
    (tmp_path / "farcell-broken.json").write_text("{")
    assert [each.key for each in SessionFile.all_in(tmp_path)] == ["new", "old"]


# ---- the process it names ---------------------------------------------------------------------


def test_a_process_is_alive_until_it_ends_reaped_or_not() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    identity = ProcessId.of(child.pid)
    assert identity.alive()
    child.kill()
    os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
    assert not identity.alive()
    child.communicate()
    assert not identity.alive()


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells when a process started")
def test_a_later_process_of_the_same_number_is_another_one() -> None:
    earlier = ProcessId(OWN.pid, OWN.started - 1)
    assert OWN.alive()
    assert not earlier.alive()
    earlier.send_signal(9)  # hits nobody, above all not this process


# ---- what is left behind ----------------------------------------------------------------------


def test_files_of_dead_heads_are_left_over_and_those_of_living_ones_not(tmp_path: Path) -> None:
    FILE.write(tmp_path)
    dead = replace(FILE, key="dead", head_started=OWN.started - 1).write(tmp_path)
    found = [each for each in leftovers(tmp_path) if each.path.parent == tmp_path]
    assert [each.path for each in found] == [dead]
    assert not [e for e in leftovers(tmp_path, older_than_s=60) if e.path.parent == tmp_path]
    found[0].remove()
    assert not dead.exists()


def test_a_folder_is_left_over_once_nobody_holds_it(tmp_path: Path) -> None:
    folder = new_folder()
    try:
        dead = replace(FILE, folder=str(folder), head_started=OWN.started - 1)
        dead.write(folder)
        lock = hold(folder)
        assert is_held(folder)
        assert folder not in [each.path for each in leftovers(tmp_path)]
        os.close(lock)
        assert not is_held(folder)
        (found,) = [each for each in leftovers(tmp_path) if each.path == folder]
        found.remove()
        assert not folder.exists()
    finally:
        if folder.exists():
            for path in folder.iterdir():
                path.unlink()
            folder.rmdir()


def test_a_folder_that_isnt_a_sessions_is_left_alone(tmp_path: Path) -> None:
    folder = new_folder()
    try:
        (folder / "thesis.txt").write_text("mine")
        assert folder not in [each.path for each in leftovers(tmp_path)]
    finally:
        (folder / "thesis.txt").unlink()
        folder.rmdir()
