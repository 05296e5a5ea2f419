"""Cells that run while the notebook goes on."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance.page import Page, plain

LATER = "import os, time\nwhile not os.path.exists({go!r}): time.sleep(0.01)\n"


@pytest.fixture
def go(tmp_path: Path) -> Path:
    return tmp_path / "go"


def later(go: Path) -> str:
    return LATER.format(go=str(go))


def settle(page: Page, run: str) -> None:
    page.good(
        f"import farcell\ntry: farcell.find_run({run!r}).wait(20)\nexcept ZeroDivisionError: 0"
    )


def test_the_notebook_goes_on_and_its_output_is_its_own(page: Page, go: Path) -> None:
    first = page.good_remote(
        f"print('begun')\n{later(go)}print('ended')\n'its value'", "--background --name one"
    )
    assert "<run" in (first.result or "")
    assert "running" in (first.result or "")
    page.until(lambda: "begun" in first.text, first)
    here = page.good("print('here')")
    go.touch()
    settle(page, "one")
    page.until(lambda: "its value" in first.describe(), first)
    assert first.stdout == "begun\nended\n"
    assert here.text == "here\n"


def test_its_names_come_when_it_has_ended(page: Page, go: Path) -> None:
    page.good("base_bg = [1]")
    page.good_remote(f"{later(go)}made_bg = base_bg + [2]\nbase_bg.append(9)", "--name two")
    assert page.value("base_bg") == "[1]"
    assert page.run("made_bg").error == "NameError"
    go.touch()
    settle(page, "two")
    assert page.value("made_bg, base_bg") == "([1, 2], [1, 9])"


def test_it_can_be_awaited(page: Page, go: Path) -> None:
    page.good_remote(f"{later(go)}awaited_bg = 5", "--name three")
    cell = page.begin(
        f"import asyncio, farcell, pathlib\nasyncio.get_running_loop().call_later(0.1, "
        f"pathlib.Path({str(go)!r}).touch)\nawait farcell.find_run('three')\nawaited_bg"
    )
    assert page.finish(cell).result == "5"


def test_it_raises_in_its_cell_and_where_it_is_waited_for(page: Page) -> None:
    first = page.remote("1 / 0", "--background --name four")
    page.until(lambda: "ZeroDivisionError" in plain(first.describe()), first)
    waited = page.run("farcell.find_run('four').wait()")
    assert waited.error == "ZeroDivisionError"
    assert "1 / 0" in waited.traceback
    assert page.value("farcell.find_run('four').state") == "'failed'"


def test_it_can_be_cancelled(page: Page) -> None:
    page.good_remote("import time\ntime.sleep(60)", "--background --name five")
    page.good("%cluster cancel five")
    assert page.run("farcell.find_run('five').wait(20)").error == "KeyboardInterrupt"
    assert page.value("farcell.find_run('five').state") == "'interrupted'"
    assert page.good_remote("1 + 1").result == "2"


def test_a_stop_of_another_cell_does_not_hit_it(page: Page, go: Path) -> None:
    page.good_remote(f"{later(go)}kept_bg = 1", "--background --name six")
    stopped = page.begin("import time\nprint('@go', flush=True)\ntime.sleep(60)")
    assert page.stop_when(stopped).error == "KeyboardInterrupt"
    go.touch()
    settle(page, "six")
    assert page.value("kept_bg") == "1"


def test_a_cell_behind_it_waits_and_sees_what_it_made(page: Page, go: Path) -> None:
    page.good("behind_bg, seen_bg = 0, [0]")
    page.good_remote(f"{later(go)}behind_bg = 3\nseen_bg.append('there')", "--background")
    behind = page.begin_remote("print(behind_bg, seen_bg)\nbehind_bg + 1")
    page.until(lambda: "waiting for run" in behind.text, behind)
    go.touch()
    page.finish(behind)
    assert behind.result == "4"
    assert behind.stdout == "3 [0, 'there']\n"
    assert page.value("behind_bg, seen_bg") == "(3, [0, 'there'])"
    assert page.good_remote("print('after')").stdout == "after\n"


def test_a_gang_runs_one_at_a_time(page: Page, go: Path) -> None:
    page.good_remote(later(go), "--background --name first")
    refused = page.remote("1", "--background")
    assert refused.error == "UsageError"
    assert "--on" in refused.message
    go.touch()
    settle(page, "first")


def test_a_stop_while_a_cell_waits_stops_the_waiting(page: Page, go: Path) -> None:
    page.good_remote(f"{later(go)}went_on_bg = 1", "--background --name on")
    waiting = page.begin_remote("1")
    assert page.stop_when(waiting, "waiting for run").error == "KeyboardInterrupt"
    go.touch()
    settle(page, "on")
    assert page.value("went_on_bg") == "1"


def test_what_the_waiting_cell_has_changed_counts(page: Page, go: Path) -> None:
    page.good("mid_bg, other_mid_bg = [1], 0")
    page.good_remote(f"{later(go)}mid_bg.append('there')\nother_mid_bg = 1", "--name mid")
    cell = page.good(
        f"mid_bg.append('here'); other_mid_bg = 2\nopen({str(go)!r}, 'w').close()\n"
        "farcell.find_run('mid').wait(20)\nmid_bg, other_mid_bg"
    )
    assert cell.result == "([1, 'here'], 2)"
    number = page.value("farcell.find_run('mid').number")
    assert page.value(f"mid_bg_run{number}, other_mid_bg_run{number}") == "([1, 'there'], 1)"


def test_a_name_like_the_one_set_aside(page: Page, go: Path) -> None:
    page.good("like_bg = [1]\nfor n in range(99): globals()[f'like_bg_run{n}'] = 'mine'")
    page.good_remote(f"{later(go)}like_bg.append('there')", "--name like")
    page.good("like_bg.append('here')")
    go.touch()
    settle(page, "like")
    assert page.good("%cluster keep like like_bg")
    assert page.value("like_bg, like_bg_run5") == "([1, 'there'], 'mine')"


def test_ranks_that_change_a_name_each(page: Page, go: Path) -> None:
    page.good("ranked_bg = [0]")
    page.good_remote(
        f"import os\n{later(go)}if os.environ['RANK'] == '1': ranked_bg.append('one')",
        "--ranks 2 --background --name ranked",
    )
    page.good("ranked_bg.append('here')")
    go.touch()
    settle(page, "ranked")
    number = page.value("farcell.find_run('ranked').number")
    assert page.value("ranked_bg") == "[0, 'here']"
    assert "one" in page.value(f"ranked_bg_run{number}")
    page.good("%cluster stop ranks=2")


def test_a_capture_of_another_cell_is_its_own(page: Page, go: Path) -> None:
    first = page.good_remote(f"{later(go)}print('LOUD')", "--background --name loud")
    page.good(
        f"%%capture captured_bg\nopen({str(go)!r}, 'w').close()\n"
        "farcell.find_run('loud').wait(20)\nimport time\ntime.sleep(0.5)"
    )
    page.until(lambda: "LOUD" in first.text, first)
    assert "LOUD" not in page.value("captured_bg.stdout")


def test_what_changed_meanwhile_is_not_overwritten(page: Page, go: Path) -> None:
    page.good("clash_bg = [1]\nalone_bg = [1]")
    page.good_remote(
        f"{later(go)}clash_bg.append('there')\nalone_bg.append('there')",
        "--background --name eight",
    )
    page.good("clash_bg.append('here')")
    go.touch()
    settle(page, "eight")
    told = page.good("number_bg = farcell.find_run('eight').number\nclash_bg, alone_bg")
    assert told.result == "([1, 'here'], [1, 'there'])"
    number = page.value("number_bg")
    assert page.value(f"clash_bg_run{number}") == "[1, 'there']"
    assert page.good_remote("clash_bg").result == "[1, 'here']"
    kept = page.good(f"%cluster keep {number} clash_bg")
    assert "clash_bg" in kept.stdout
    assert page.value("clash_bg") == "[1, 'there']"
    assert page.good_remote("clash_bg").result == "[1, 'there']"
    assert page.run(f"clash_bg_run{number}").error == "NameError"


def test_what_was_only_read_meanwhile_is_no_clash(page: Page, go: Path) -> None:
    page.good("read_bg = {'a': 1}\nconf_bg = {'b': 2}")
    page.good_remote(f"{later(go)}conf_bg['b'], read_bg.update(a=2)", "--background --name read")
    page.good("read_bg['a'], conf_bg.update(b=3)")
    page.good_remote("conf_bg['b'], read_bg['a']", "--on other_bg")
    go.touch()
    settle(page, "read")
    assert page.value("read_bg, conf_bg") == "({'a': 2}, {'b': 3})"
    table = page.good("%cluster names").stdout
    assert "read_bg" in table
    assert "read_bg_run" not in table
    assert "conf_bg_run" not in table
    page.good("%cluster stop other_bg")


def test_two_gangs_that_change_one_name(page: Page, go: Path) -> None:
    page.good("two_bg = [1]")
    page.good_remote(f"{later(go)}two_bg.append('a')", "--on other_bg --background --name nine")
    page.good_remote("two_bg.append('b')")
    go.touch()
    settle(page, "nine")
    said = page.good("two_bg")
    number = page.value("farcell.find_run('nine').number")
    assert said.result == "[1, 'b']"
    assert page.good("%cluster keep nine two_bg")
    assert page.value("two_bg") == "[1, 'a']"
    assert page.good("%cluster stop other_bg")
    assert number


def test_a_worker_that_dies_under_it(page: Page) -> None:
    first = page.remote(
        "import os, signal\nos.kill(os.getpid(), 9)", "--on dies_bg --background --name ten"
    )
    page.until(lambda: "WorkerLost" in plain(first.describe()), first)
    assert page.run("farcell.find_run('ten').wait(20)").error == "WorkerLost"
    assert page.good_remote("1 + 1", "--on dies_bg").result == "2"
    page.good("%cluster stop dies_bg")


def test_input_is_refused(page: Page) -> None:
    page.good_remote("input('? ')", "--background --name eleven")
    assert page.run("farcell.find_run('eleven').wait(20)").error == "StdinNotImplementedError"


def test_the_table_and_what_is_not_there(page: Page) -> None:
    page.good_remote("pass", "--background --name twelve")
    page.good("farcell.find_run('twelve').wait(20)")
    table = page.good("%cluster runs").stdout
    assert [line for line in table.splitlines() if "twelve" in line and "done" in line]
    for line in ("%cluster cancel nobody", "%cluster keep 1 nothing_bg", "%cluster keep 1"):
        assert page.run(line).error == "UsageError"
    assert page.run("farcell.find_run('nobody')").error == "UsageError"
    assert page.remote("pass", "--background --name 7").error == "UsageError"


def test_a_name_that_cant_travel_starts_nothing(page: Page) -> None:
    page.good("import threading\nlock_bg = threading.Lock()")
    assert page.remote("lock_bg", "--background").error == "CaptureError"


def test_a_refusal_names_its_names(page: Page) -> None:
    page.good(
        "import os\nclass Picky:\n    def __init__(self): self.home = os.getpid()\n"
        "    def __setstate__(self, state):\n        import os\n"
        "        if os.getpid() != state['home']: raise ValueError('not here')\n"
        "picky_bg = Picky()"
    )
    page.good("import farcell")
    page.remote("picky_bg", "--background --name thirteen")
    cell = page.run("farcell.find_run('thirteen').wait(20)")
    assert cell.error == "UsageError", cell.describe()
    assert "'picky_bg'" in cell.message
