"""Work that is spread over the processor's cores."""

from __future__ import annotations

import _thread
import threading
import time

import pytest

from farcell_runtime import cores
from farcell_runtime.fingerprints import CHUNK_BYTES, Fingerprints, chunks


@pytest.mark.parametrize("available", [1, 2, 64])
def test_the_results_are_in_order(available: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "_available", lambda: available)
    assert cores.spread(str, range(1000)) == list(map(str, range(1000)))
    assert cores.spread(str, []) == []


def test_several_threads_work_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "_available", lambda: 3)
    before = threading.enumerate()
    meeting = threading.Barrier(3)
    threads = cores.spread(lambda _: (meeting.wait(20), _thread.get_ident())[1], range(3))
    assert len(set(threads)) == 3
    assert threading.enumerate() == before


def test_none_are_left_when_it_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cores, "_available", lambda: 4)
    ended: list[int] = []

    def work(number: int) -> None:
        time.sleep(0.01 * number)
        ended.append(number)

    cores.spread(work, range(8))
    assert sorted(ended) == list(range(8))


@pytest.mark.parametrize("fault", [ValueError, KeyboardInterrupt])
def test_what_fails_anywhere_is_raised(
    fault: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cores, "_available", lambda: 2)
    main = _thread.get_ident()
    for where in (True, False):
        done: list[int] = []

        def work(number: int, where: bool = where, done: list[int] = done) -> None:
            if (_thread.get_ident() == main) == where:
                raise fault("on purpose")
            time.sleep(0.001)
            done.append(number)

        with pytest.raises(fault, match="on purpose"):
            cores.spread(work, range(1000))
        assert len(done) < 1000


def test_where_no_thread_can_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> int:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(cores, "_available", lambda: 2)
    monkeypatch.setattr(_thread, "start_new_thread", refuse)
    assert cores.spread(str, range(3)) == ["0", "1", "2"]


def test_hashes_are_the_same_however_they_are_made(monkeypatch: pytest.MonkeyPatch) -> None:
    memory = memoryview(bytes(range(256)) * (40 * CHUNK_BYTES // 256) + b"end")
    made = set()
    for available in (1, 4):
        monkeypatch.setattr(cores, "_available", lambda available=available: available)
        made.add(Fingerprints().of(memory))
    made.add(b"".join(Fingerprints().of(part) for part in chunks(memory)))
    assert len(made) == 1
