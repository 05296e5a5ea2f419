"""Who drives a session: one driver at a time, and each step of how that changes."""

from __future__ import annotations

import pytest

from farcell_runtime.errors import SessionHeld
from farcell_runtime.events import (
    Admit,
    Driver,
    DriverDetached,
    NoteDriver,
    Oust,
    Reply,
)
from farcell_runtime.tenure import Tenure

A, B = Driver("a", pid=1), Driver("b", pid=2)


@pytest.fixture
def tenure() -> Tenure:
    return Tenure(now=0.0)


def test_the_first_driver_has_it_and_it_is_written_down_before_it_is_told(tenure: Tenure) -> None:
    assert tenure.attach(A, False, "q") == [NoteDriver(A), Admit("a", 1), Reply("q")]
    assert tenure.driver == A


def test_another_is_refused_and_changes_nothing(tenure: Tenure) -> None:
    tenure.attach(A, False, "")
    with pytest.raises(SessionHeld, match="process 1"):
        tenure.attach(B, False, "q")
    assert (tenure.driver, tenure.number) == (A, 1)


def test_another_takes_it_in_a_later_tenure_and_the_first_is_told(tenure: Tenure) -> None:
    tenure.attach(A, False, "")
    assert tenure.attach(B, True, "q") == [Oust("a", B), NoteDriver(B), Admit("b", 2), Reply("q")]
    # That the first goes afterwards is no news.
    assert tenure.detach(DriverDetached("a"), 5.0) == []
    assert (tenure.driver, tenure.idle_since) == (B, 0.0)


def test_a_free_one_is_taken_from_nobody(tenure: Tenure) -> None:
    assert tenure.attach(A, True, "") == [NoteDriver(A), Admit("a", 1)]


@pytest.mark.parametrize("left", [True, False])
def test_one_that_goes_leaves_it_free(tenure: Tenure, left: bool) -> None:
    tenure.attach(A, False, "")
    assert tenure.detach(DriverDetached("a", left, "q"), 5.0) == [NoteDriver(A, left), Reply("q")]
    assert (tenure.driver, tenure.idle_since) == (None, 5.0)
    assert tenure.attach(B, False, "")[-1] == Admit("b", 2)


def test_who_lets_go_twice_is_answered_twice(tenure: Tenure) -> None:
    assert tenure.detach(DriverDetached("a", True, "q"), 5.0) == [Reply("q")]
