"""One namespace: beyond what `cells` compares, what can't travel, and what is said about it."""

from __future__ import annotations

import pytest

from tests.conformance.page import Page


@pytest.mark.every_engine
def test_an_unpicklable_name_is_named_before_anything_runs(page: Page, tmp_path: object) -> None:
    page.good("import threading\nlock_here = threading.Lock()\nother_here = 1")
    cell = page.remote(f"open({str(tmp_path)!r} + '/ran', 'w')\nlock_here, other_here")
    assert cell.error == "CaptureError"
    assert "'lock_here'" in cell.message
    assert "lock" in cell.message.partition("can't be sent")[2]
    assert "--local" in cell.message
    assert page.value(f"__import__('os').listdir({str(tmp_path)!r})") == "[]"


def test_the_part_that_cant_travel_is_named(page: Page) -> None:
    page.good("import threading\nsettings = {'a': [1, {'deep': threading.Lock()}]}")
    cell = page.remote("settings['a']")
    assert cell.error == "CaptureError"
    assert "['a'][1]['deep']" in cell.message


def test_a_function_that_reads_what_cant_travel(page: Page) -> None:
    page.good(
        "import threading\ninner_lock = threading.Lock()\ndef guarded():\n"
        "    with inner_lock: return 1"
    )
    cell = page.remote("guarded()")
    assert cell.error == "CaptureError"
    assert "inner_lock" in cell.message


def test_what_no_path_reads_holds_nothing_up(page: Page) -> None:
    page.good("import threading\nunread_lock = threading.Lock()")
    assert page.good_remote("x = 1\nx").result == "1"


def test_a_generator_and_an_open_file_are_refused(page: Page, tmp_path: object) -> None:
    page.good(f"running = (i for i in range(3))\nfile_here = open({str(tmp_path)!r} + '/f', 'w')")
    for name in ("running", "file_here"):
        cell = page.remote(f"{name}")
        assert (cell.error, name in cell.message) == ("CaptureError", True), cell.describe()


@pytest.mark.every_engine
def test_a_value_that_cant_come_back_stands_for_itself(page: Page) -> None:
    page.good_remote("import threading\nlock_there = threading.Lock()\nbeside = 5")
    cell = page.good("lock_there")
    assert cell.result is not None
    assert "lock" in cell.result
    assert "default" in cell.result
    assert page.value("beside") == "5"
    assert page.good_remote("lock_there.acquire()").result == "True"
    used = page.run("lock_there.acquire()")
    assert used.error in ("UsageError", "AttributeError")
    assert "lock_there" in used.message
    assert "%%remote" in used.message


def test_a_remote_value_goes_back_in_a_container(page: Page) -> None:
    page.good_remote("import threading\nlock_two = threading.Lock()")
    page.good("box_of_lock = [lock_two]")
    assert page.good_remote("box_of_lock[0] is lock_two").result == "True"


def test_a_generator_that_lives_there(page: Page) -> None:
    page.good_remote("numbers_there = iter(x * x for x in range(5))\nnext(numbers_there)")
    assert page.good_remote("list(numbers_there)").result == "[1, 4, 9, 16]"
    assert "generator" in page.value("numbers_there")


def test_a_name_of_a_worker_can_be_replaced(page: Page) -> None:
    page.good_remote("import threading\nturns = threading.Lock()")
    page.good("turns = 'a string now'")
    assert page.good_remote("turns").result == "'a string now'"


def test_a_name_that_exists_nowhere_is_a_name_error(page: Page) -> None:
    page.good_remote("some_name = 1")
    cell = page.run("no_such_name_anywhere")
    assert (cell.error, cell.message) == (
        "NameError",
        "name 'no_such_name_anywhere' is not defined",
    )


def test_two_gangs_share_the_namespace(page: Page) -> None:
    page.good_remote("made_on_one = [1, 2]", "--on one")
    cell = page.good_remote("made_on_one.append(3)\nmade_on_one", "--on two")
    assert cell.result == "[1, 2, 3]"
    assert page.value("made_on_one") == "[1, 2, 3]"
    assert page.good_remote("made_on_one", "--on one").result == "[1, 2, 3]"


def test_a_name_isnt_sent_again(page: Page) -> None:
    page.good("import numpy as np\nten_mb = np.zeros(10 << 17)")
    first = page.good("%%remote --dry-run\nten_mb.sum()")
    assert "→ ten_mb 10.5 MB" in first.stdout
    page.good_remote("ten_mb.sum()")
    again = page.good("%%remote --dry-run\nten_mb.sum()")
    assert "→ ten_mb" not in again.stdout
    assert "ten_mb" in again.stdout


def test_an_instance_changed_in_place_on_either_side(page: Page) -> None:
    page.good("class Bag:\n    def __init__(self): self.items = []\nbag = Bag()")
    for side in (page.good_remote, page.good, page.good_remote, page.good):
        side("bag.items.append(len(bag.items))")
    assert page.value("bag.items") == "[0, 1, 2, 3]"


def test_a_class_defined_anew_is_the_new_one(page: Page) -> None:
    page.good("class Anew:\n    def say(self): return 'old'")
    assert page.good_remote("Anew().say()").result == "'old'"
    page.good("class Anew:\n    def say(self): return 'new'")
    assert page.good_remote("Anew().say()").result == "'new'"


def test_a_function_defined_anew_is_the_new_one(page: Page) -> None:
    for text in ("'first'", "'second'"):
        page.good(f"def said_anew(): return {text}\ndef says(): return said_anew()")
        assert page.good_remote("says()").result == text


def test_isinstance_holds_across_many_ways(page: Page) -> None:
    page.good("class Way: pass\nway = Way()")
    for _ in range(3):
        assert (
            page.good_remote("way = way if isinstance(way, Way) else None\ntype(way) is Way").result
            == "True"
        )
        assert page.value("type(way) is Way") == "True"


def test_pickles_of_the_notebooks_classes_are_read_on_both_sides(page: Page) -> None:
    page.good("class Kept:\n    v = 3\nimport pickle")
    page.good_remote("data = pickle.dumps(Kept())")
    assert page.value("type(pickle.loads(data)) is Kept") == "True"


def test_names_after_a_failing_remote_cell(page: Page) -> None:
    page.remote("before_it = [1]\nbefore_it.append(2)\n1/0\nnever = 3")
    assert page.value("before_it") == "[1, 2]"
    assert page.run("never").error == "NameError"


def test_magic_assignments_come_back(page: Page) -> None:
    page.good_remote("listing = !echo one two")
    assert page.value("listing.s") == "'one two'"
    page.good_remote("%%capture said\nprint('captured')")
    assert page.value("said.stdout") == r"'captured\n'"


def test_completion_knows_remote_names(page: Page) -> None:
    page.good_remote("completed_name_there = {'a': 1}")
    channels = page._channels
    channels.complete("completed_name_th")
    content = channels.get_shell_msg(timeout=20)["content"]
    assert "completed_name_there" in content["matches"]


def test_who_lists_remote_names(page: Page) -> None:
    page.good_remote("listed_there = 1")
    assert "listed_there" in page.good("%who").stdout


def test_del_of_a_remote_name(page: Page) -> None:
    page.good_remote("del_me_here = 1")
    page.good("del del_me_here")
    assert page.good_remote("'del_me_here' in globals()").result == "False"


def test_random_numbers_differ_between_workers(page: Page) -> None:
    code = "import random, numpy\ndrawn = (random.random(), numpy.random.rand())\ndrawn"
    seen = {page.good_remote(code, f"--on draws{n}").result for n in range(3)}
    assert len(seen) == 3


@pytest.mark.parametrize("flags", ["", "--ranks 2"])
def test_a_value_that_cant_be_rebuilt_here_stands_for_itself(page: Page, flags: str) -> None:
    page.good_remote(
        "import sys, types\nonly_there = types.ModuleType('only_there')\n"
        "sys.modules['only_there'] = only_there\n"
        "exec('class Strange: pass', vars(only_there))\n"
        "strange = only_there.Strange()\nbeside_it = [1]",
        flags,
    )
    cell = page.good("beside_it, strange")
    assert "[1]" in (cell.result or "")
    assert "only_there" in (cell.result or "")
    used = page.run("strange.x")
    assert "only_there" in used.message
    assert page.good_remote("type(strange).__name__", flags).result == "'Strange'"


def test_what_each_process_has_one_of_is_that_of_where_it_arrives(page: Page) -> None:
    page.good(
        "import functools, sys\nsay_it = functools.partial(print, file=sys.stdout)\n"
        "shell_it = get_ipython()\nhtml_it = shell_it.display_formatter.formatters['text/html']"
    )
    cell = page.good_remote(
        "say_it('there')\nstream_it = {'to': sys.stdout}\n"
        "shell_it is get_ipython(), html_it is shell_it.display_formatter.formatters['text/html']"
    )
    assert (cell.stdout, cell.result) == ("there\n", "(True, True)")
    home = page.good("print('home', file=stream_it['to'])\nstream_it['to'] is sys.stdout")
    assert (home.stdout, home.result) == ("home\n", "True")
