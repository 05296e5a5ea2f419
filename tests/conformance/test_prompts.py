"""``input()`` and ``getpass()`` of a remote cell are asked in the notebook."""

from __future__ import annotations

import pytest

from tests.conformance.page import Page


@pytest.mark.every_engine
def test_input_is_asked_and_answered(page: Page) -> None:
    cell = page.good_remote("name = input('Who? ')\nprint('hello', name)", answers=["Ada"])
    assert cell.asked == [("Who? ", False)]
    assert cell.stdout == "hello Ada\n"
    assert page.value("name") == "'Ada'"


def test_several_questions_in_a_row(page: Page) -> None:
    cell = page.good_remote("a = input('a')\nb = input('b')\na + b", answers=["1", "2"])
    assert cell.result == "'12'"


def test_what_was_printed_stands_before_the_question(page: Page) -> None:
    cell = page.begin_remote("print('first this')\nanswer = input()")
    # Text and question come through sockets of their own, in either order.
    page.until(lambda: cell.asked and cell.stdout, cell)
    assert cell.stdout == "first this\n"
    page.answer(cell, "then that")
    assert page.finish(cell).ok


def test_getpass_hides_what_is_typed(page: Page) -> None:
    cell = page.good_remote(
        "import getpass\nsecret = getpass.getpass('Token: ')\nlen(secret)", answers=["abcd"]
    )
    assert cell.asked == [("Token: ", True)]
    assert cell.result == "4"


def test_getpass_imported_by_name(page: Page) -> None:
    cell = page.good_remote("from getpass import getpass\nlen(getpass())", answers=["abc"])
    assert (cell.asked[0][1], cell.result) == (True, "3")


def test_an_empty_answer(page: Page) -> None:
    assert page.good_remote("repr(input())", answers=[""]).result == "\"''\""


def test_input_in_a_function_of_the_notebook(page: Page) -> None:
    page.good("def ask(): return input('there? ').upper()")
    assert page.good_remote("ask()", answers=["yes"]).result == "'YES'"


@pytest.mark.every_engine
def test_where_nobody_can_be_asked_the_cell_is_told(page: Page) -> None:
    cell = page.remote("input('anybody?')", stdin=False)
    assert cell.error == "StdinNotImplementedError", cell.describe()
    caught = page.remote(
        "from IPython.core.error import StdinNotImplementedError\ntry: input()\n"
        "except StdinNotImplementedError: print('nobody')",
        stdin=False,
    )
    assert caught.stdout == "nobody\n"


def test_input_of_a_thread(page: Page) -> None:
    cell = page.good_remote(
        "import threading\ngot = []\nt = threading.Thread(target=lambda: got.append(input('t')))\n"
        "t.start(); t.join()\ngot",
        answers=["from thread"],
    )
    assert cell.result == "['from thread']"


def test_stdin_itself_is_empty(page: Page) -> None:
    assert page.good_remote("import sys\nsys.stdin.read() if sys.stdin else ''").result == "''"
