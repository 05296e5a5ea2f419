"""A conversation over a socket, where the system has nothing left to give."""

from __future__ import annotations

import contextlib
import os
import resource
import socket
from collections.abc import Iterator

import pytest

from farcell_runtime import segments
from farcell_runtime.errors import UsageError
from farcell_runtime.segments import Pool
from farcell_runtime.transport import link as links
from farcell_runtime.transport.link import Link


class Text:
    def SerializeToString(self) -> bytes:  # noqa: N802
        return b"text"


@contextlib.contextmanager
def no_descriptors_left() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    held = [os.open(os.devnull, os.O_RDONLY)]
    resource.setrlimit(resource.RLIMIT_NOFILE, (held[0] + 1, before[1]))
    try:
        with contextlib.suppress(OSError):
            while True:
                held.append(os.open(os.devnull, os.O_RDONLY))
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
        for each in held:
            os.close(each)


@pytest.fixture
def ends() -> Iterator[tuple[Link[bytes], Link[bytes]]]:
    one, other = (Link(each, bytes) for each in socket.socketpair())
    yield one, other
    one.close()
    other.close()


def test_a_descriptor_that_can_t_come_ends_the_conversation(
    ends: tuple[Link[bytes], Link[bytes]],
) -> None:
    one, other = ends
    sent = os.open(os.devnull, os.O_RDONLY)
    one.send(Text(), [sent])
    os.close(sent)
    with no_descriptors_left():
        assert other.read() == []
    assert not other.open
    assert "no file descriptors left" in other.fault
    assert one.read() == []
    assert not one.open, "the other side learns it"


def test_what_can_t_be_sent_is_told(
    ends: tuple[Link[bytes], Link[bytes]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(109, "too many descriptors are on their way")

    one, other = ends
    with monkeypatch.context() as patched:
        patched.setattr(links.socket, "send_fds", refuse)
        with pytest.raises(OSError, match="on their way"):
            one.send(Text(), [0])
    one.send(Text())
    assert other.read() == [b"text"], "nothing of it went"


def test_to_somebody_who_is_gone_nothing_is_sent(ends: tuple[Link[bytes], Link[bytes]]) -> None:
    one, other = ends
    other.close()
    one.send(Text())
    one.send(Text(), [0])
    one.close()
    one.send(Text())


def test_no_segment_without_descriptors(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = Pool(str(tmp_path_factory.mktemp("pool")), 0)
    for available_bytes in (1 << 40, 0):
        monkeypatch.setattr(segments, "_available_bytes", lambda: available_bytes)  # noqa: B023
        with no_descriptors_left(), pytest.raises(UsageError, match="Too many open") as failed:
            pool.take(1000)
        assert "close files" in (failed.value.hint or "")
