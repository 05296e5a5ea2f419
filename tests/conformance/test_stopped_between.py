"""A stop, or an error, while values are on their way leaves no old value that passes for new."""

from __future__ import annotations

import pytest

from tests.conformance.conftest import Open
from tests.conformance.page import Page

_SLOW = """\
class Slow:
    def __init__(self): self.v, self.wait = 1, 0
    def __getstate__(self):
        import time
        time.sleep(self.wait)
        return vars(self)
slow = Slow()
"""
# Has a method of the notebook's do `act` the next time it is called, and then what it does.
_BEFORE = """\
import os, signal
def before(owner, name, act):
    method = getattr(owner, name)
    def once(*arguments):
        delattr(owner, name)
        act()
        return method(*arguments)
    setattr(owner, name, once)
notebook = get_ipython()._farcell
press = lambda: os.kill(os.getpid(), signal.SIGINT)
fail = lambda: 1 / 0
"""


@pytest.fixture(scope="module")
def tricky(page: Page) -> Page:
    page.good(_SLOW)
    page.good(_BEFORE)
    return page


def test_a_stop_while_a_value_is_fetched(tricky: Page) -> None:
    tricky.good_remote("slow.v")
    tricky.good_remote("slow.v, slow.wait = 2, 2")
    cell = tricky.stop_when(tricky.begin("slow.v"), "fetching")
    assert cell.error == "KeyboardInterrupt", cell.describe()
    assert tricky.value("slow.v") == "2"
    tricky.good("slow.wait = 0")


@pytest.mark.parametrize("accident", ["fail", "press"])
def test_an_accident_before_the_cell_is_sent(tricky: Page, accident: str) -> None:
    tricky.good("sent, deleted = [1], 1")
    tricky.good_remote("sent, deleted")
    tricky.good("sent.append(2)\ndel deleted")
    tricky.good(f"before(notebook.cells._ambients, 'here', {accident})")
    assert not tricky.remote("sent").ok
    assert tricky.good_remote("sent, 'deleted' in globals()").result == "([1, 2], False)"


def test_an_accident_while_values_are_packed(tricky: Page) -> None:
    tricky.good("packed, deleted = [1], 1")
    tricky.good_remote("packed, deleted")
    tricky.good("packed.append(2)\ndel deleted")
    tricky.good("before(notebook.names.directory, 'moved', fail)")
    assert tricky.remote("packed").error == "ZeroDivisionError"
    tricky.good("del packed")
    there = tricky.good_remote("'packed' in globals(), 'deleted' in globals()")
    assert there.result == "(False, False)"


def test_a_stop_when_a_remote_cell_has_just_ended(tricky: Page) -> None:
    tricky.good("changed = [1]")
    tricky.good("before(notebook.names, 'gang_changed', press)")
    assert tricky.remote("changed.append(2)\nbound = 3").error == "KeyboardInterrupt"
    assert tricky.value("changed, bound") == "([1, 2], 3)"


def test_a_stop_when_a_local_cell_has_just_ended(tricky: Page) -> None:
    tricky.good("touched = [1]")
    tricky.good_remote("touched")
    tricky.good("touched")
    tricky.good("before(notebook.names._reading, 'closure', press)\ntouched.append(2)")
    assert tricky.good_remote("touched").result == "[1, 2]"


def test_a_stop_when_a_background_cell_has_just_been_sent(tricky: Page) -> None:
    tricky.good("before(notebook.cells, '_sent', press)")
    assert tricky.remote("late = 7", "--background").error == "KeyboardInterrupt"
    assert tricky.good_remote("late + 1").result == "8"
    assert tricky.value("late") == "7"


_CLICK = """\
def click(*, wait=True):
    comms = notebook._comms
    comm_id = list(comms._ends)[-1]
    message = {"header": {"msg_id": "m"}, "content": {"comm_id": comm_id, "data": {}}}
    is_busy, comms._busy = comms._busy, comms._busy if wait else lambda gang: True
    comms._relay(comm_id, "comm_msg", message)
    comms._busy = is_busy
"""
_HANDLER = """\
from comm import create_comm
import time
def handler(message):
    global clicks
    time.sleep({wait_s})
    clicks += 1
clicks
create_comm(target_name="t").on_msg(handler)
"""


def test_a_stop_while_a_handlers_changes_are_taken_in(tricky: Page) -> None:
    tricky.good(_CLICK + "clicks = 0")
    tricky.good_remote(_HANDLER.format(wait_s=0))
    tricky.good("click()\nbefore(notebook.names, 'gang_changed', press)")
    assert tricky.remote("clicks += 10").error == "KeyboardInterrupt"
    assert tricky.value("clicks") == "1"


def test_a_stop_while_a_handler_goes_on(tricky: Page) -> None:
    tricky.good(_CLICK + "clicks = 0")
    tricky.good_remote(_HANDLER.format(wait_s=4))
    tricky.good("click(wait=False)")
    assert tricky.stop_when(tricky.begin("'here'"), "waiting for a widget's handler").ok
    assert tricky.value("clicks") == "1", "what it changed behind the stop is taken in"


def test_what_a_handler_changed_and_can_t_be_told(tricky: Page) -> None:
    tricky.good(_CLICK)
    tricky.good_remote(
        "from comm import create_comm\n"
        "class Silent(type):\n    def __getattribute__(cls, name): raise RuntimeError(name)\n"
        "def handler(message):\n    global odd\n    odd = Silent('Odd', (), {})()\n"
        "create_comm(target_name='t').on_msg(handler)",
        "--on odd",
    )
    tricky.good("click()")
    assert "can't be told: RuntimeError" in tricky.good("'here'").stderr


def test_a_gang_whose_connection_broke_is_connected_with_again(tricky: Page) -> None:
    tricky.good("older, doomed = 'old', 1")
    tricky.good_remote("kept = [1]\nolder, doomed", "--on apart")
    tricky.good("older = 'new'\ndel doomed")
    tricky.good(
        "rank = notebook._gangs['apart'].ranks[0]\nrank.client.close()\n"
        "while not rank.why_lost: pass"
    )
    found = tricky.good_remote("kept, older, 'doomed' in globals()", "--on apart")
    assert found.result == "([1], 'new', False)"


def test_a_stop_while_the_cluster_is_stopped(opened: Open) -> None:
    page = opened()
    page.good(_BEFORE)
    page.good_remote("x = [1]")
    page.good("before(notebook.session(), '_wait_for_head', press)")
    assert page.run("%cluster stop").error == "KeyboardInterrupt"
    assert page.run("x").error == "ObjectLost"
    assert page.good_remote("1 + 1").result == "2"
