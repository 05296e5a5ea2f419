"""Calls of ``farcell.step()``, and what happens at them."""

from __future__ import annotations

import threading

import pytest

from farcell_runtime.steps import Steps


class Loop:
    """Steps, and what they have called."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.steps = Steps(lambda: self.calls.append("first"), self._commit)
        self.steps.begin()

    def _commit(self) -> None:
        self.calls.append(f"commit at {self.steps.count}")

    def go(self, times: int) -> None:
        for _ in range(times):
            self.steps.step()


@pytest.fixture
def loop() -> Loop:
    return Loop()


def test_the_first_call_of_each_run_is_told(loop: Loop) -> None:
    loop.go(3)
    loop.steps.end()
    loop.steps.begin()
    loop.go(2)
    assert loop.calls == ["first", "first"]


def test_it_commits_at_the_call_that_was_promised(loop: Loop) -> None:
    loop.go(3)
    assert loop.steps.promise(5)
    loop.steps.commit_at(5)
    loop.go(4)
    assert loop.calls == ["first", "commit at 5"]


def test_what_is_past_is_not_promised(loop: Loop) -> None:
    loop.go(5)
    assert not loop.steps.promise(4)
    assert not loop.steps.promise(5)
    assert loop.steps.promise(6)


def test_it_waits_at_what_it_promised_for_the_word(loop: Loop) -> None:
    loop.go(1)
    assert loop.steps.promise(3)
    thread = threading.Thread(target=loop.go, args=(4,))
    thread.start()
    while loop.steps.count < 3:
        pass
    assert loop.steps.promise(3), "it is there, and waits"
    assert thread.is_alive()
    loop.steps.commit_at(3)
    thread.join(30)
    assert loop.calls == ["first", "commit at 3"]
    assert loop.steps.count == 5


def test_a_promise_for_a_later_call_sends_it_on(loop: Loop) -> None:
    assert loop.steps.promise(1)
    thread = threading.Thread(target=loop.go, args=(3,))
    thread.start()
    while loop.steps.count < 1:
        pass
    assert loop.steps.promise(2)
    while loop.steps.count < 2:
        pass
    loop.steps.release()
    thread.join(30)
    assert loop.calls == ["first"]


def test_the_end_of_the_run_is_late_enough(loop: Loop) -> None:
    loop.go(1)
    assert loop.steps.promise(9)
    loop.steps.commit_at(9)
    loop.steps.end()
    assert loop.calls == ["first", "commit at 0"]


def test_a_commit_that_comes_when_the_run_is_over_is_done_at_once(loop: Loop) -> None:
    loop.go(1)
    assert loop.steps.promise(9)
    loop.steps.end()
    loop.steps.commit_at(9)
    assert loop.calls == ["first", "commit at 0"]
