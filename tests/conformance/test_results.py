"""``Out[n]`` and ``_n`` across local and remote cells."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.conformance.page import Cell, Page


def number(cell: Cell) -> int:
    assert cell.reply is not None
    return int(cell.reply["execution_count"])


@pytest.mark.every_engine
@pytest.mark.parametrize("form", ["Out[{}]", "_{}", "_oh[{}]", "Out.get({})", "dict(Out)[{}]"])
def test_a_remote_result_at_home(page: Page, form: str) -> None:
    shown = number(page.good_remote("[1, 2]"))
    assert page.value(form.format(shown)) == "[1, 2]"


def test_both_forms_are_one_object(page: Page) -> None:
    shown = number(page.good_remote("[3]"))
    assert page.value(f"Out[{shown}] is _{shown}, Out[{shown}] is Out[{shown}]") == "(True, True)"


def test_a_function_and_a_thread_find_it(page: Page) -> None:
    shown = number(page.good_remote("[4]"))
    page.good(
        f"import threading\nfound = []\ndef find(): found.append(_{shown})\n"
        "thread = threading.Thread(target=find)\nthread.start(); thread.join()"
    )
    assert page.value("found") == "[[4]]"


def test_nothing_is_fetched_before_it_is_read(page: Page) -> None:
    shown = number(page.good_remote("[5]"))
    looked = page.good(f"{shown} in Out, {shown} in list(Out), str(dict.get(Out, {shown}))")
    assert looked.result is not None
    assert looked.result.startswith(f"(True, True, '<result on gang default: Out[{shown}]>'")
    assert page.value(f"'_{shown}' in vars(get_ipython().user_module)") == "False"


@pytest.mark.every_engine
def test_a_local_result_there(page: Page) -> None:
    shown = number(page.good("{'a': [6]}"))
    assert page.good_remote(f"Out[{shown}], _{shown}, _oh[{shown}]['a']").result == (
        "({'a': [6]}, {'a': [6]}, [6])"
    )


def test_a_local_result_that_has_changed(page: Page) -> None:
    cell = page.good("kept_by_result = [7]\nkept_by_result")
    shown = number(cell)
    assert page.good_remote(f"_{shown}").result == "[7]"
    page.good("kept_by_result.append(8)")
    assert page.good_remote(f"Out[{shown}]").result == "[7, 8]"


def test_the_workers_own_result_stays_itself(page: Page) -> None:
    shown = number(page.good_remote("own_result = [9]\nown_result"))
    assert page.value(f"Out[{shown}]") == "[9]"
    assert page.good_remote(f"Out[{shown}] is own_result").result == "True"
    assert page.good_remote(f"_{shown}", "--on two").result == "[9]"
    assert page.good_remote(f"_{shown} is own_result").result == "True"


def test_a_result_on_another_gang(page: Page) -> None:
    shown = number(page.good_remote("[10]"))
    assert page.good_remote(f"_{shown} + Out[{shown}]", "--on two").result == "[10, 10]"


def test_a_result_that_cant_come(page: Page) -> None:
    shown = number(page.good_remote("import threading\nthreading.Lock()"))
    assert "lock on gang default" in page.value(f"Out[{shown}]")
    assert "lock on gang default" in page.value(f"_{shown}")


def test_a_large_result(opened: Callable[..., Page]) -> None:
    page = opened(FARCELL_FETCH_LIMIT_BYTES="1000")
    shown = number(page.good_remote("bytes(5000)"))
    assert page.value(f"Out[{shown}]").startswith("<bytes on gang default: ")
    assert page.value(f"len(_{shown}.get()), len(_{shown}), len(Out[{shown}])") == (
        "(5000, 5000, 5000)"
    )


def test_results_of_ranks(page: Page) -> None:
    shown = number(page.good_remote("import os\nos.environ['RANK']", "--ranks 2"))
    assert page.value(f"Out[{shown}]") == "Ranks(['0', '1'])"


def test_a_cell_without_a_result(page: Page) -> None:
    quiet = number(page.good_remote("'quiet';"))
    page.good_remote("for _ in range(3): pass")
    assert page.run(f"Out[{quiet}]").error == "KeyError"
    assert page.run(f"_{quiet}").error == "NameError"
    assert page.run(f"Out[{quiet + 1}]").error == "KeyError"
    assert page.good_remote("Out.get(100000)").ok


def test_a_result_is_lost_with_its_gang(page: Page) -> None:
    read = number(page.good_remote("[11]", "--on gone"))
    unread = number(page.good_remote("[12]", "--on gone"))
    page.good(f"Out[{read}]")
    page.good("%cluster stop gone")
    assert page.value(f"Out[{read}], _{read}") == "([11], [11])"
    for form in (f"Out[{unread}]", f"_{unread}"):
        cell = page.run(form)
        assert (cell.error, "gang gone was stopped" in cell.message) == ("ObjectLost", True)


def test_reset_forgets_them(page: Page) -> None:
    shown = number(page.good_remote("[13]"))
    page.good("%reset -f out")
    assert page.run(f"Out[{shown}]").error == "KeyError"
    assert page.run(f"_{shown}").error == "NameError"


def test_unloading_leaves_a_plain_out(opened: Callable[..., Page]) -> None:
    page = opened()
    there = number(page.good_remote("[14]"))
    here = number(page.good("[15]"))
    page.good("%unload_ext farcell")
    assert page.value("type(Out)") == "dict"
    found = page.value(f"{there} in Out, Out[{here}], Out is _oh")
    assert found == "(False, [15], True)"
    assert page.value("get_ipython().history_manager.output_hist is Out") == "True"
