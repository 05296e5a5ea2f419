"""The project's code: a file that was saved is what the notebook and its workers run next."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conformance.conftest import Open
from tests.conformance.page import Page, plain

_numbers = itertools.count(1)

SOURCE = """
class Net:
    def forward(self):
        return "net {0}"

def loss():
    return "loss {0}"
"""


class Module:
    """A module in the notebook's folder that tests write again and again."""

    def __init__(self, page: Page, source: str = SOURCE) -> None:
        self.name = f"model{next(_numbers)}"
        self.path = page.folder / f"{self.name}.py"
        self._source = source
        self.write("one")

    def write(self, word: str) -> None:
        """Save it as many editors do."""
        other = self.path.with_suffix(".tmp")
        other.write_text(self._source.replace("{0}", word))
        other.replace(self.path)

    def write_in_place(self, text: str) -> None:
        self.path.write_text(text)


@pytest.fixture
def module(page: Page) -> Module:
    return Module(page)


def both(module: Module, instance: str) -> str:
    return f"print({module.name}.loss(), {instance}.forward())"


def lines(page: Page) -> list[str]:
    """What was told of code, under any cell."""
    found = [data["text/plain"] for cell in page.cells.values() for data in cell.bundles]
    return [plain(each) for each in found if each.startswith("code v")]


def until(reached: Callable[[], bool]) -> None:
    end_s = time.monotonic() + 30
    while not reached():
        assert time.monotonic() < end_s, "it did not come"
        time.sleep(0.005)


@pytest.mark.every_engine
def test_an_edit_is_live_everywhere_before_the_next_cell(page: Page, module: Module) -> None:
    page.good(f"import {module.name}\nhere = {module.name}.Net()")
    page.good_remote(f"import {module.name}\nthere = {module.name}.Net()")
    page.good_remote(f"import {module.name}\nfar = {module.name}.Net()", "--ranks 2 --on pair")
    module.write("two")
    assert page.good_remote(both(module, "there")).stdout == "loss two net two\n"
    assert page.good(both(module, "here")).stdout == "loss two net two\n"
    assert page.good_remote(both(module, "far"), "--on pair --ranks 2").stdout == (
        "loss two net two\n"
    )
    told = lines(page)[-1]
    assert f"{module.name}.py: " in told
    assert "loss" in told
    assert " workers" in told


def test_a_local_cell_runs_the_newest_code_too(page: Page, module: Module) -> None:
    page.good(f"import {module.name}\nonly_here = {module.name}.Net()")
    module.write("two")
    assert page.good(both(module, "only_here")).stdout == "loss two net two\n"


def test_a_module_that_only_workers_have(page: Page, module: Module) -> None:
    page.good_remote(f"import {module.name} as only\nnet_w = only.Net()")
    module.write("two")
    assert page.good_remote("print(only.loss(), net_w.forward())").stdout == "loss two net two\n"
    assert page.value(f"{module.name!r} in __import__('sys').modules") == "False"


def test_a_broken_edit_is_told_and_changes_nothing(page: Page, module: Module) -> None:
    page.good(f"import {module.name}\nnet_b = {module.name}.Net()")
    page.good_remote(f"import {module.name}")
    module.write_in_place('def loss(:\n    return "two"\n')
    cell = page.good_remote(f"print({module.name}.loss())")
    assert cell.stdout == "loss one\n"
    assert f"{module.name}.py, line 1" in cell.stderr
    assert "def loss(:" in cell.stderr
    again = page.good_remote(f"print({module.name}.loss())")
    assert again.stderr == "", "it is told once"
    module.write("three")
    assert page.good_remote(both(module, "net_b")).stdout == "loss three net three\n"


def test_what_one_rank_refuses_is_dropped_everywhere(page: Page) -> None:
    source = "import os\nWORD = '{0}'\n"
    module = Module(page, source)
    page.good(f"import {module.name}")
    page.good_remote(f"import {module.name}", "--ranks 2 --on pair")
    page.good_remote(f"import {module.name}")
    module.write_in_place(
        "import os\nif os.environ.get('RANK') == '1': raise OSError('not on this one')\n"
        "WORD = 'two'\n"
    )
    cell = page.good_remote(f"print({module.name}.WORD)", "--ranks 2 --on pair")
    assert cell.stdout == "one\n"
    assert "OSError: not on this one" in cell.stderr
    assert "gang pair, rank 1" in cell.stderr
    assert page.value(f"{module.name}.WORD") == "'one'"
    assert page.good_remote(f"print({module.name}.WORD)").stdout == "one\n"
    module.write("three")
    assert page.value(f"{module.name}.WORD") == "'three'"


def test_several_files_are_one_version(page: Page) -> None:
    first, second = Module(page), Module(page)
    page.good(f"import {first.name}, {second.name}")
    page.good_remote(f"import {first.name}, {second.name}")
    page.good("%farcell reload cell")
    first.write("two")
    second.write("two")
    before = len(lines(page))
    page.good_remote(f"print({first.name}.loss(), {second.name}.loss())")
    page.good("%farcell reload auto")
    told = lines(page)[before:]
    assert len(told) == 1
    assert f"{first.name}.py" in told[0]
    assert f"{second.name}.py" in told[0]


def test_two_edits_in_quick_succession_end_at_the_second(page: Page, module: Module) -> None:
    page.good(f"import {module.name}\nquick = {module.name}.Net()")
    page.good_remote(f"import {module.name}")
    for number in range(20):
        module.write(f"n{number}")
    assert page.good_remote(both(module, "quick")).stdout == "loss n19 net n19\n"


def test_a_fresh_worker_runs_the_current_version(page: Page, module: Module) -> None:
    page.good(f"import {module.name}")
    page.good_remote(f"import {module.name}", "--on fresh")
    module.write("two")
    page.good("%cluster restart --on fresh")
    code = f"import {module.name}\nprint({module.name}.loss())"
    assert page.good_remote(code, "--on fresh").stdout == "loss two\n"
    module.write("three")
    assert page.good_remote(code, "--on fresh").stdout == "loss three\n"


def test_workers_that_outlive_their_kernel_come_to_what_the_files_hold(opened: Open) -> None:
    page = opened()
    module = Module(page)
    page.good_remote(f"import {module.name}\nold = {module.name}.Net()\nprint(old.forward())")
    page.restart()
    module.write("two")
    page.load()
    assert page.good_remote(both(module, "old")).stdout == "loss two net two\n"


def test_pickles_go_both_ways_after_an_edit(page: Page, module: Module) -> None:
    page.good(f"import {module.name}\nfrom_here = {module.name}.Net()")
    page.good_remote(f"import {module.name}\nfrom_there = {module.name}.Net()")
    module.write("two")
    page.good_remote(
        f"assert type(from_here) is {module.name}.Net\nassert from_here.forward() == 'net two'"
    )
    assert page.value(f"type(from_there) is {module.name}.Net, from_there.forward()") == (
        "(True, 'net two')"
    )


# ---- in the middle of a run ---------------------------------------------------------------------

LOOP = """
import {name}, os, time
while not os.path.exists({go!r}):
    if {name}.loss() != last: print(last := {name}.loss(), flush=True)
    time.sleep(0.001)
"""


def test_a_loop_on_one_rank_takes_it_with_its_next_call(
    page: Page, module: Module, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    page.good("last = ''")
    cell = page.begin_remote(LOOP.format(name=module.name, go=str(go)))
    page.until_text(cell, "loss one")
    module.write("two")
    page.until_text(cell, "loss two")
    go.touch()
    assert page.finish(cell).ok


def test_frames_in_flight_end_with_their_code(page: Page) -> None:
    module = Module(page, "def numbers():\n    yield '{0}'\n    yield '{0}'\n")
    page.good_remote(f"import {module.name}\ng = {module.name}.numbers()\nprint(next(g))")
    module.write("two")
    code = f"print(next(g), next({module.name}.numbers()))"
    assert page.good_remote(code).stdout == "one two\n"


def test_several_ranks_in_a_cell_take_it_when_that_ends(
    page: Page, module: Module, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    page.good(f"import {module.name}")
    page.good_remote(f"import {module.name}", "--ranks 2 --on pair")
    flags = "--ranks 2 --on pair --name several"
    page.good_remote(
        f"import os, time\nprint('begun', flush=True)\n"
        f"while not os.path.exists({str(go)!r}): time.sleep(0.01)\nprint({module.name}.loss())",
        flags,
    )
    module.write("two")
    assert page.value(f"__import__('sys').modules[{module.name!r}].loss()") == "'loss two'"
    assert "later on gang pair" in lines(page)[-1]
    assert "gang pair lags behind" in page.good("%farcell code").stdout
    go.touch()
    page.good("import farcell\nfarcell.find_run('several').wait(20)")
    background = [cell for cell in page.cells.values() if "--name several" in cell.source][-1]
    page.until(lambda: "loss" in background.stdout, background)
    assert background.stdout == "begun\nloss one\n"
    until(lambda: "lags" not in page.good("%farcell code").stdout)
    code = f"print({module.name}.loss())"
    assert page.good_remote(code, "--ranks 2 --on pair").stdout == "loss two\n"


STEPS = """
import farcell, os, pathlib, time, {name}
seen, rank = [], int(os.environ["RANK"])
while not os.path.exists({go!r}) or len(seen) % 10:
    farcell.step()
    seen.append({name}.loss())
    if seen[-1] not in seen[:-1]: pathlib.Path({go!r} + f".{{seen[-1]}}.{{rank}}").touch()
    time.sleep(0.0005 * (1 + rank))
"""


def test_ranks_that_step_take_it_at_the_same_step(
    page: Page, module: Module, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    page.good_remote(STEPS.format(name=module.name, go=str(go)), "--ranks 2 --on pair --name steps")
    for word in ("one", "two", "three"):
        module.write(word)
        until(lambda word=word: len(list(tmp_path.glob(f"go.loss {word}.*"))) == 2)
    go.touch()
    page.good("import farcell\nfarcell.find_run('steps').wait(20)")
    counted = page.value("[[each.index('loss two'), each.index('loss three')] for each in seen]")
    first, second = eval(counted)
    assert first == second
    assert 0 < first[0] < first[1]


# ---- what the person says and sees --------------------------------------------------------------


def test_off_takes_nothing_and_cell_takes_it_between_cells(page: Page, module: Module) -> None:
    page.good(f"import {module.name}")
    page.good_remote(f"import {module.name}")
    assert page.good("%farcell reload off").stdout == "reload is off\n"
    module.write("two")
    assert page.value(f"{module.name}.loss()") == "'loss one'"
    assert page.good_remote(f"print({module.name}.loss())").stdout == "loss one\n"
    page.good("%farcell reload cell")
    module.write("three")
    assert page.good_remote(f"print({module.name}.loss())").stdout == "loss three\n"
    page.good("%farcell reload auto")
    assert page.run("%farcell reload sometimes").error == "UsageError"


def test_versions_are_listed_and_compared(page: Page, module: Module) -> None:
    page.good(f"import {module.name}")
    ran = page.good_remote(f"import {module.name}")
    assert ran.ok
    module.write("two")
    page.good_remote("pass")
    table = page.good("%farcell code").stdout
    assert f"{module.name}.py: " in table.splitlines()[-1]
    assert "In[" in table.splitlines()[-1]
    shown = page.good("%farcell code diff").stdout
    assert '-    return "loss one"' in shown
    assert '+    return "loss two"' in shown
    assert page.run("%farcell code diff v1 v999").error == "UsageError"


def test_a_file_saved_between_cells_is_shipped_ahead(page: Page, module: Module) -> None:
    page.good(f"import {module.name}")
    page.good_remote(f"import {module.name}\nimport os\npid_ahead = os.getpid()")
    seen = page.folder / "seen"
    module.write_in_place(
        f"import os\nopen({str(seen)!r} + str(os.getpid()), 'w').close()\n"
        "def loss():\n    return 'two'\n"
    )
    until(lambda: len(list(page.folder.glob("seen*"))) == 2)
    assert os.path.exists(f"{seen}{page.value('pid_ahead')}")


def test_values_that_were_imported_by_name_go_along_as_they_are_now(page: Page) -> None:
    module = Module(page, "RATE = '{0}'\ndef rate():\n    return RATE\n")
    page.good(f"from {module.name} import RATE, rate")
    assert page.good_remote("print(RATE, rate())").stdout == "one one\n"
    module.write("two")
    assert page.good_remote("print(RATE, rate())").stdout == "two two\n"
    assert page.value("RATE, rate()") == "('two', 'two')"


def test_a_gang_that_does_not_answer_holds_nobody_up(page: Page, module: Module) -> None:
    page.good(f"import {module.name}")
    page.good_remote(f"import {module.name}", "--on busy")
    held = page.folder / "held"
    page.good_remote(
        f"import ctypes, os, pathlib\npathlib.Path({str(held)!r}).touch()\n"
        "ctypes.PyDLL(None).sleep(3)\n"  # in C, and with the lock that the thread needs
        f"print({module.name}.loss())",
        "--on busy --name hog",
    )
    until(held.exists)
    module.write("two")
    assert page.value(f"__import__('sys').modules[{module.name!r}].loss()") == "'loss two'"
    assert any("later on gang busy" in line for line in lines(page)[-2:])
    page.good("import farcell\nfarcell.find_run('hog').wait(20)")
    assert page.good_remote(f"print({module.name}.loss())", "--on busy").stdout == "loss two\n"


def test_an_edit_reaches_a_local_cell_that_runs(page: Page, module: Module) -> None:
    go = page.folder / "go_local"
    cell = page.begin("last = ''\n" + LOOP.format(name=module.name, go=str(go)))
    page.until_text(cell, "loss one")
    module.write("two")
    page.until_text(cell, "loss two")
    go.touch()
    assert page.finish(cell).ok


def test_a_checkout_of_many_files_is_one_version(page: Page) -> None:
    modules = [Module(page) for _ in range(40)]
    names = ", ".join(each.name for each in modules)
    page.good(f"import {names}")
    page.good_remote(f"import {names}")
    git = page.folder / ".git"
    (git / "refs").mkdir(parents=True)
    before = len(lines(page))
    (git / "index.lock").touch()
    for each in modules:
        each.write("two")
        time.sleep(0.002)
    (git / "index.lock").unlink()
    page.good_remote(f"print({modules[0].name}.loss(), {modules[39].name}.loss())")
    told = lines(page)[before:]
    assert len(told) == 1, told
    assert "more files" in told[0]
