"""The three locks: the folder, the peer's uid, the token."""

from __future__ import annotations

import os
import socket
import stat
import sys
from pathlib import Path

import pytest

from farcell_runtime.errors import UsageError
from farcell_runtime.security import (
    check_folder,
    foreign_peers,
    new_folder,
    new_token,
    same_token,
)

linux = pytest.mark.skipif(sys.platform != "linux", reason="Linux tells a connection's uid")
NOBODY = 65534


def test_tokens_are_long_and_never_the_same() -> None:
    first, second = new_token(), new_token()
    assert len(first) >= 43
    assert first != second
    assert same_token(first, first)
    assert not same_token(first, second)
    assert not same_token("", first)


def test_a_sessions_folder_is_its_owners_only() -> None:
    folder = new_folder()
    try:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        check_folder(folder)
        folder.chmod(0o750)
        with pytest.raises(PermissionError, match="other users"):
            check_folder(folder)
    finally:
        folder.rmdir()


def test_a_file_or_a_link_is_no_folder(tmp_path: Path) -> None:
    real = tmp_path / "real"
    real.mkdir(mode=0o700)
    link = tmp_path / "link"
    link.symlink_to(real)
    with pytest.raises(PermissionError):
        check_folder(link)


def test_a_path_too_long_for_a_socket_is_told_and_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("x" * 80)
    deep.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(deep))
    with pytest.raises(UsageError, match="too long") as caught:
        new_folder()
    assert "TMPDIR" in caught.value.hint
    assert list(deep.iterdir()) == []


@pytest.fixture
def listener(tmp_path: Path) -> socket.socket:
    server = socket.socket(socket.AF_UNIX)
    server.bind(f"{tmp_path}/s")
    server.listen()
    return server


@linux
def test_peers_of_ones_own_are_welcome(listener: socket.socket) -> None:
    path = listener.getsockname()
    with listener, socket.socket(socket.AF_UNIX) as caller:
        caller.connect(path)
        accepted, _ = listener.accept()
        with accepted:
            assert foreign_peers(path) == []
            caller.sendall(b"still connected")
            assert accepted.recv(100) == b"still connected"


@linux
@pytest.mark.skipif(os.getuid() != 0, reason="only root can be somebody else")
def test_a_strangers_connection_is_found_and_shut_down(
    listener: socket.socket, tmp_path: Path
) -> None:
    folder = os.open(tmp_path, os.O_PATH)
    path = listener.getsockname()
    os.chmod(path, 0o777)
    tmp_path.chmod(0o755)
    listener.settimeout(10)
    pid = os.fork()
    if pid == 0:
        try:
            stranger = socket.socket(socket.AF_UNIX)
            # A stranger who got past the folder's mode: its descriptor was opened before.
            os.fchdir(folder)
            os.setresuid(NOBODY, NOBODY, NOBODY)
            stranger.connect("s")
            os._exit(len(stranger.recv(100)))  # returns when he is thrown out
        finally:
            os._exit(100)
    with listener:
        accepted, _ = listener.accept()
        with accepted:
            assert foreign_peers(path) == [NOBODY]
            assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


@linux
def test_looking_leaves_no_descriptors_behind(listener: socket.socket) -> None:
    before = len(os.listdir("/proc/self/fd"))
    with listener:
        for _ in range(3):
            foreign_peers(listener.getsockname())
        assert len(os.listdir("/proc/self/fd")) == before
