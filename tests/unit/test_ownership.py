"""Which session is whose, by their files alone."""

from __future__ import annotations

import os
import unicodedata
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from farcell_runtime import ownership
from farcell_runtime.errors import UsageError
from farcell_runtime.launch import living_session, living_sessions
from farcell_runtime.ownership import fresh_key, named, names_of, orphans, own_sessions
from farcell_runtime.process import ProcessId
from farcell_runtime.transport.session_file import SessionFile

OWN = ProcessId.own()
FILE = SessionFile(
    session="ab12cd34",
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
DRIVEN = {"driver_pid": OWN.pid, "driver_started": OWN.started}
# A process that had this one's number before it.
DEAD = {"driver_pid": OWN.pid, "driver_started": OWN.started - 1}

Write = Callable[..., SessionFile]


def id_of(key: str) -> str:
    return f"{zlib.crc32(key.encode()):08x}"


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes a session file, of a head that lives."""
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(tmp_path))

    def write(key: str, **changes: object) -> SessionFile:
        file = replace(FILE, key=key, session=id_of(key), **changes)  # type: ignore[arg-type]
        file.write(tmp_path)
        return file

    return write


@pytest.mark.parametrize(
    ("fields", "found"),
    [
        ({"key": "kernel-1"}, True),  # it began it
        ({"key": "kernel-1+2"}, True),
        ({"key": "kernel-12"}, False),
        ({"key": "kernel-2", "driver": "kernel-1", **DEAD}, True),  # it drove it last
        ({"key": "kernel-2", "notebook": "/a/x.ipynb"}, True),
        ({"key": "kernel-2", "notebook": "/b/x.ipynb"}, False),
        ({"key": "kernel-2", "notebook": "x.ipynb"}, False),
        ({"key": "kernel-2", "notebook": ""}, False),
        ({"key": "kernel-1", "left": True}, False),  # it has let go of it
        ({"key": "kernel-1", "head_started": OWN.started - 1}, False),  # its head is dead
    ],
)
def test_which_are_a_kernels_own(write: Write, fields: dict[str, object], found: bool) -> None:
    write(**fields)
    assert bool(own_sessions("kernel-1", "/a/x.ipynb")) == found


def test_without_a_notebook_the_kernel_alone_counts(write: Write) -> None:
    write("kernel-2")
    assert own_sessions("kernel-1", "") == []


def test_the_one_that_it_drove_last_comes_first(write: Write) -> None:
    by_notebook = write("kernel-2", notebook="/a/x.ipynb")
    began = write("kernel-1", driver="kernel-3")
    last = write("kernel-4", driver="kernel-1")
    found = own_sessions("kernel-1", "/a/x.ipynb")
    assert [file.key for file in found] == [last.key, began.key, by_notebook.key]


@pytest.mark.parametrize(
    ("fields", "driven"),
    [(DRIVEN, True), (DEAD, False), ({}, False), ({**DRIVEN, "left": True}, 0)],
)
def test_a_driver_lives_by_its_start_time(
    write: Write, fields: dict[str, object], driven: bool
) -> None:
    assert ownership.is_driven(write("kernel-1", **fields)) == bool(driven)


def test_a_fresh_key_is_nobodys(write: Write) -> None:
    assert fresh_key("kernel-1") == "kernel-1"
    write("kernel-1")
    write("kernel-1+2")
    assert fresh_key("kernel-1") == "kernel-1+3"


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("analysis", "kernel-1"),
        ("kernel-1", "kernel-1"),
        (id_of("kernel-1"), "kernel-1"),
        ("/a/analysis.ipynb", "kernel-1"),
        ("analysis.ipynb", "kernel-1"),
        (f"twice-{id_of('kernel-2')[:4]}", "kernel-2"),
        ("kernel-2", "kernel-2"),
        ("terminal", "terminal-7"),
        ("Übung 1", "kernel-4"),
        (unicodedata.normalize("NFD", "Übung 1"), "kernel-4"),
    ],
)
def test_what_a_name_means(write: Write, name: str, key: str) -> None:
    write("kernel-1", notebook="/a/analysis.ipynb")
    write("kernel-2", notebook="/a/twice.ipynb")
    write("terminal-7")
    write("kernel-4", notebook="/a/Übung 1.ipynb")
    write("other", notebook="/b/twice.ipynb")
    assert named(name).key == key


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("analisys", "did you mean analysis?"),
        ("zzz", "there are: "),
        ("", "there are: "),
        ("twice", "one of: "),
        ("Ubung 1", "did you mean 'Übung 1'?"),
    ],
)
def test_what_it_does_not_mean_is_told(write: Write, name: str, hint: str) -> None:
    write("kernel-1", notebook="/a/analysis.ipynb")
    write("kernel-2", notebook="/a/twice.ipynb")
    write("kernel-3", notebook="/b/twice.ipynb")
    write("kernel-4", notebook="/a/Übung 1.ipynb")
    with pytest.raises(UsageError) as caught:
        named(name)
    assert hint in caught.value.hint


def test_of_two_the_one_that_is_not_current_is_meant(write: Write) -> None:
    write("kernel-1", notebook="/a/x.ipynb")
    write("kernel-1+2", notebook="/a/x.ipynb")
    assert named("x", current=id_of("kernel-1")).key == "kernel-1+2"
    assert len(names_of(living_sessions())) == 2


def test_orphans_are_free_and_their_notebook_is_gone(write: Write, tmp_path: Path) -> None:
    there = tmp_path / "there.ipynb"
    there.touch()
    write("kernel-1", notebook=str(there))
    write("kernel-2", notebook=str(tmp_path / "driven.ipynb"), **DRIVEN)
    write("kernel-3", notebook="relative.ipynb")
    write("kernel-4", notebook=str(tmp_path / "gone.ipynb"), **DEAD)
    assert [file.key for file in orphans("kernel-9")] == ["kernel-4"]


# ---- another user's ---------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["owner", "mode", "link"])
def test_another_users_session_is_no_session(
    write: Write, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    file = write("kernel-1", notebook="/a/analysis.ipynb")
    path = SessionFile.path_of(tmp_path, "kernel-1")
    match how:
        case "owner" if os.getuid() == 0:
            os.chown(path, 12345, 12345)
        case "owner":
            monkeypatch.setattr(os, "getuid", lambda: 12345)
        case "mode":
            path.chmod(0o644)
        case "link":
            path.rename(tmp_path / "elsewhere")
            path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PermissionError):
        SessionFile.read(path)
    assert living_sessions() == []
    assert living_session("kernel-1") is None
    assert own_sessions("kernel-1", "/a/analysis.ipynb") == []
    assert SessionFile.of_driver(tmp_path, file.driver) is None
    for name in ("analysis", "kernel-1", id_of("kernel-1")):
        with pytest.raises(UsageError, match="there is no session"):
            named(name)
