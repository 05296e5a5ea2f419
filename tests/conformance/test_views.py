"""Views of names that live on workers: inspection and listing, without their values."""

from __future__ import annotations

import pytest

from tests.conformance.page import Cell, Page, plain

MAKE = """
import numpy as np
seen_big = np.zeros(3_000_000)
def seen_make(a, b=2):
    "Makes it."
    return a
class SeenKind:
    "A kind."
    def go(self): "Goes."
seen = SeenKind()
"""


def paged(cell: Cell) -> str:
    """What a cell has opened the pager with."""
    assert cell.reply is not None
    return "".join(plain(each["data"]["text/plain"]) for each in cell.reply["payload"])


def tooltip(page: Page, code: str, cursor: int | None = None) -> str:
    """What Shift+Tab shows; empty if nothing is known."""
    channels = page._channels
    channels.inspect(code, len(code) if cursor is None else cursor)
    content = channels.get_shell_msg(timeout=20)["content"]
    assert content["status"] == "ok"
    return plain(content["data"]["text/plain"]) if content["found"] else ""


def absent(page: Page) -> str:
    """The names whose values the notebook does not have."""
    return page.value("get_ipython()._farcell.names.absent()")


@pytest.fixture(scope="module")
def viewed(page: Page) -> Page:
    """A notebook with names on a worker."""
    page.good_remote(MAKE)
    return page


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("seen_make(", ["seen_make(a, b=2)", "Makes it."]),
        ("seen_make(1, ", ["seen_make(a, b=2)"]),
        ("seen.go", ["seen.go()", "Goes."]),
        ("SeenKind", ["A kind."]),
        ("seen_big", ["ndarray", "[0. 0. 0."]),
    ],
)
def test_a_tooltip_is_the_workers(viewed: Page, code: str, told: list[str]) -> None:
    before = absent(viewed)
    shown = tooltip(viewed, code)
    assert [text for text in told if text not in shown] == [], shown
    assert absent(viewed) == before


@pytest.mark.parametrize("code", ["seen_nowhere", "seen.nowhere", "nowhere_at_all.x"])
def test_a_tooltip_of_nothing(viewed: Page, code: str) -> None:
    assert tooltip(viewed, code) == ""


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("seen_make?", "Makes it."),
        ("?seen_make", "Makes it."),
        ("seen_make??", "return a"),
        ("%pinfo seen", "A kind."),
        ("%pinfo2 seen_make", "return a"),
        ("%pdoc seen_make", "Makes it."),
        ("%psource seen_make", "return a"),
        ("seen.go?", "Goes."),
        ("seen_big.mean?", "average"),
    ],
)
def test_question_marks_ask_the_worker(viewed: Page, code: str, told: str) -> None:
    before = absent(viewed)
    assert told in paged(viewed.good(code))
    assert absent(viewed) == before


def test_what_a_magic_prints(viewed: Page) -> None:
    assert "seen_make(a, b=2)" in plain(viewed.good("%pdef seen_make").stdout)
    assert "`seen.nowhere` not found" in viewed.good("seen.nowhere?").stdout


def test_a_value_that_cant_come_back(page: Page) -> None:
    page.good_remote("import threading\nseen_lock = threading.Lock()")
    page.good("seen_lock")
    assert "unlocked" in tooltip(page, "seen_lock")
    page.good_remote("seen_lock.acquire()")
    assert "unlocked" not in paged(page.good("seen_lock?"))


def test_a_value_that_is_here_is_inspected_here(page: Page) -> None:
    page.good_remote("def seen_twice(): 'First.'")
    page.good("seen_twice()\ndef seen_twice(): 'Second.'")
    assert "Second." in tooltip(page, "seen_twice")
    page.good_remote("def seen_twice(): 'Third.'")
    assert "Third." in tooltip(page, "seen_twice")


def test_a_value_that_the_cell_itself_has_bound(page: Page) -> None:
    page.good_remote("def seen_again(): 'There.'")
    cell = page.good("def seen_again(): 'Here.'\n%pdoc seen_again\n%whos function")
    assert "Here." in paged(cell)
    [row] = [line for line in cell.stdout.splitlines() if line.startswith("seen_again")]
    assert "<function seen_again at" in row


def test_while_the_worker_is_busy(viewed: Page) -> None:
    viewed.good_remote("seen_sized = np.zeros(1_000_000)")
    viewed.good("seen_sized.sum()")
    viewed.good_remote("seen_sized[0] = 1")
    viewed.good(
        "import threading, time\ndef look():\n"
        "    while not (runs := get_ipython()._farcell.cells._running): time.sleep(0.01)\n"
        "    told.append(get_ipython().object_inspect_mime('seen_sized'))\n"
        "    told.append(bool(runs))\n"
        "told = []\nlooking = threading.Thread(target=look)\nlooking.start()"
    )
    viewed.good_remote("import time\ntime.sleep(2)")
    shown = viewed.value("looking.join()\ntold")
    assert "numpy.ndarray" in shown
    assert "8.0 MB" in shown
    assert "gang default, which is busy" in shown
    assert "True" in shown
    assert "seen_sized" in absent(viewed)


def test_whos_leaves_values_where_they_are(viewed: Page) -> None:
    viewed.good("seen_here = 5")
    before = absent(viewed)
    cell = viewed.good("%whos")
    lines = {line.split()[0]: line for line in cell.stdout.splitlines() if line}
    [kind, shown] = lines["seen_big"].split(maxsplit=2)[1:]
    assert (kind, shown) == ("ndarray", "on gang default, (3000000,) float64, 24.0 MB")
    assert lines["seen"].split(maxsplit=2)[1:] == ["SeenKind", "on gang default"]
    assert lines["seen_here"].split() == ["seen_here", "int", "5"]
    assert absent(viewed) == before


def test_whos_of_tables_and_of_a_gang_that_is_gone(page: Page) -> None:
    pytest.importorskip("pandas")
    page.good_remote("import pandas\nseen_table = pandas.DataFrame({'a': [1, 2]})", "--on ending")
    assert "on gang ending, (2, 1)" in page.good("%whos DataFrame").stdout
    page.good("%cluster stop ending")
    assert "seen_table" not in page.good("%whos").stdout


def test_who_takes_types(viewed: Page) -> None:
    assert viewed.good("%who ndarray").stdout.split()[0] == "seen_big"
    assert "seen_big" not in viewed.good("%who int").stdout
    assert "'seen_make'" in viewed.value("%who_ls function")


@pytest.mark.parametrize(
    "code",
    [
        "'seen_small' in dir()",
        "'seen_small' in globals()",
        "'seen_small' in vars()",
        "'seen_small' in list(locals())",
        "globals()['seen_small'] == [1, 2]",
        "(lambda name: globals()[name] == [1, 2])('seen_small')",
        "def by_name(name): return globals()[name]\nby_name('seen_small') == [1, 2]",
        "by_name('seen_' + 'small') == [1, 2]",
        "def has(name): return name in globals()\nhas('seen_' + 'small')",
        "sum(name == 'seen_small' for name in globals())",
        "vars()['seen_' + 'small'] == [1, 2]",
        "get_ipython().ev('seen_small') == [1, 2]",
        "eval('seen_' + 'small') == [1, 2]",
        "get_ipython().user_ns['seen_small'] == [1, 2]",
        "get_ipython().user_ns['seen_' + 'small'] == [1, 2]",
    ],
)
def test_the_namespace_as_a_dict(page: Page, code: str) -> None:
    page.good_remote("seen_small = [1, 2]")
    assert page.value(code) in ("True", "1")


def test_a_workers_function_that_reads_any_name(page: Page) -> None:
    page.good_remote("def there_by_name(name): return globals()[name]\nseen_small = [1, 2]")
    assert page.value("there_by_name('seen_' + 'small')") == "[1, 2]"
    page.good("seen_tiny = [3]")
    assert page.good_remote("there_by_name('seen_' + 'tiny')").result == "[3]"


def test_unloading_undoes_the_hooks(opened: object) -> None:
    page: Page = opened()  # type: ignore[operator]
    before = page.value("get_ipython().magics_manager.magics['line']['whos'].__self__")
    page.good_remote("seen_small = [1, 2]")
    page.good("%unload_ext farcell")
    after = page.value("get_ipython().magics_manager.magics['line']['whos'].__self__")
    assert ("listing" in before, "listing" in after) == (True, False)
    assert (
        page.value("[h for h in ('_inspect', 'object_inspect_mime') if h in vars(get_ipython())]")
        == "[]"
    )
    assert "Object `seen_small` not found" in page.good("seen_small?").stdout
