"""The working directory, environment and module path travel with a cell."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from farcell_runtime import ambient
from farcell_runtime.ambient import Ambient


@pytest.fixture(autouse=True)
def _as_before() -> Iterator[None]:
    environment, path, cwd = dict(os.environ), list(sys.path), os.getcwd()
    yield
    os.environ.clear()
    os.environ.update(environment)
    sys.path[:] = path
    os.chdir(cwd)


def test_nothing_changed() -> None:
    assert Ambient.here().change_from(Ambient.here()) == b""
    assert ambient.apply(b"") == ""


def test_what_changed_and_only_that(tmp_path: Path) -> None:
    os.environ["GONE"] = os.environ["CHANGED"] = "1"
    before = Ambient.here()
    os.environ["NEW"] = os.environ["CHANGED"] = "2"
    del os.environ["GONE"]
    os.chdir(tmp_path)
    sys.path.insert(0, "/somewhere")
    change = json.loads(Ambient.here().change_from(before))
    assert change == {
        "set": {"NEW": "2", "CHANGED": "2"},
        "unset": ["GONE"],
        "cwd": str(tmp_path),
        "path": sys.path,
    }


def test_there_and_back(tmp_path: Path) -> None:
    """Applied in another process, it makes that process's like this one's."""
    before = Ambient.here()
    os.environ["FARCELL_TEST"] = "größe \udcff"
    os.environ.pop("HOME", None)
    os.chdir(tmp_path)
    sys.path.append("/elsewhere")
    program = (
        "import sys, os, json\n"
        "from farcell_runtime import ambient\n"
        "path = sys.path\n"
        "said = ambient.apply(sys.stdin.buffer.read())\n"
        "print(json.dumps([said, os.environ['FARCELL_TEST'], 'HOME' in os.environ, os.getcwd(),"
        " path is sys.path, sys.path]))\n"
    )
    started = {os.fsdecode(key): os.fsdecode(value) for key, value in before.environment.items()}
    ran = subprocess.run(
        [sys.executable, "-c", program],
        input=Ambient.here().change_from(before),
        env=started,
        capture_output=True,
        check=True,
    )
    assert json.loads(ran.stdout) == [
        "", "größe \udcff", False, str(tmp_path), True, [str(part) for part in sys.path],
    ]  # fmt: skip


@pytest.mark.parametrize("name", ["RANK", "WORLD_SIZE", "CUDA_VISIBLE_DEVICES", "JPY_PARENT_PID"])
def test_what_is_a_process_own_stays(name: str) -> None:
    before = Ambient.here()
    os.environ[name] = "7"
    change = Ambient.here().change_from(before)
    assert not change or json.loads(change) == {"set": {}, "unset": []}
    other = Ambient.here()
    del os.environ[name]
    assert name not in Ambient.here().change_from(other).decode()


def test_a_first_change_holds_all() -> None:
    change = json.loads(Ambient.here().change_from(Ambient()))
    assert change["cwd"] == os.getcwd()
    assert change["path"] == sys.path
    assert change["set"]["PATH"] == os.environ["PATH"]
    assert change["unset"] == []


def test_paths_that_are_no_strings(tmp_path: Path) -> None:
    before = Ambient.here()
    sys.path.insert(0, tmp_path)  # type: ignore[arg-type]
    change = Ambient.here().change_from(before)
    assert json.loads(change)["path"][0] == str(tmp_path)
    assert ambient.apply(change) == ""


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    missing = tmp_path / "missing"
    change = json.dumps({"set": {"SET": "1"}, "unset": [], "cwd": str(missing)}).encode()
    said = ambient.apply(change)
    assert str(missing) in said
    assert "No such file" in said
    assert os.environ["SET"] == "1"


def test_a_deleted_directory(tmp_path: Path) -> None:
    folder = tmp_path / "deleted"
    folder.mkdir()
    os.chdir(folder)
    before = Ambient.here()
    folder.rmdir()
    after = Ambient.here()
    assert after.cwd == ""
    os.chdir(tmp_path)
    assert ambient.apply(after.change_from(before)) == ""
    assert Path.cwd() == tmp_path
