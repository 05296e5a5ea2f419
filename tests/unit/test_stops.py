"""What the stop button does while something must not be torn apart."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator

import pytest

from farcell.stops import on_stop, raise_stop, stops_allowed, stops_held


def press() -> None:
    signal.raise_signal(signal.SIGINT)


@contextlib.contextmanager
def interrupted() -> Iterator[None]:
    with pytest.raises(KeyboardInterrupt):
        yield


@pytest.fixture(autouse=True)
def as_in_a_cell() -> Iterator[None]:
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    signal.signal(signal.SIGINT, before)


def test_a_stop_waits_while_stops_are_held() -> None:
    done = []
    with interrupted(), stops_held():
        press()
        done.append("whole")
    assert done == ["whole"]


def test_what_fails_meanwhile_is_told_rather_than_the_stop() -> None:
    def fail() -> None:
        with stops_held():
            press()
            raise ValueError("its own")

    with pytest.raises(ValueError, match="own"):
        fail()


def test_held_within_held_it_waits_for_the_outer() -> None:
    done = []
    with interrupted(), stops_held():
        with stops_held():
            press()
        done.append("whole")
    assert done == ["whole"]


def test_a_stop_acts_where_something_listens() -> None:
    heard = []
    with on_stop(lambda: heard.append("once")), stops_held():
        press()
        assert heard == []
    assert heard == ["once"]


def test_a_stop_that_waits_reaches_who_listens_next() -> None:
    heard = []
    with stops_held():
        press()
        with on_stop(lambda: heard.append("now")):
            assert heard == ["now"]
    assert heard == ["now"]


def test_where_it_is_allowed_it_strikes() -> None:
    done = []
    with interrupted(), stops_held():
        with stops_allowed():
            press()
        done.append("not reached")
    assert done == []


def test_one_that_waits_strikes_where_it_is_allowed() -> None:
    with interrupted(), stops_held():
        press()
        with stops_allowed():
            pytest.fail("it goes on")


def test_one_that_waits_can_be_raised() -> None:
    done = []
    with interrupted(), stops_held():
        raise_stop()
        done.append("none waits")
        press()
        raise_stop()
        done.append("not reached")
    assert done == ["none waits"]


def test_after_what_is_allowed_stops_are_held_again() -> None:
    done = []
    with interrupted(), stops_held():
        with stops_allowed():
            pass
        press()
        done.append("whole")
    assert done == ["whole"]


def test_other_threads_have_no_stops() -> None:
    found = []

    def run() -> None:
        with stops_held(), stops_allowed(), on_stop(press):
            found.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert found == [signal.default_int_handler]
