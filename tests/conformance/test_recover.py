"""What a lost worker had is made again by the cells that it came from, and only by those."""

from __future__ import annotations

import os
import re
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conformance.page import Cell, Page

# Says in a file that the cell has run.
RAN = "open('ran', 'a').write('{} ');\n"


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    page = Page(tmp_path)
    try:
        page.load()
        yield page
    finally:
        page.run("%cluster stop")
        page.close()


def lose(page: Page, flags: str = "") -> None:
    """Kill the first worker of a gang, and wait for the notebook to hear of it."""
    shown = page.good_remote("__import__('os').getpid()", flags).result or ""
    pid = int(re.findall(r"\d+", shown)[0])
    os.kill(pid, signal.SIGKILL)
    page.until(lambda: not Path(f"/proc/{pid}").exists())
    before = len(page.cells)
    page.until(lambda: page.good("0") and _heard(page, before))


def _heard(page: Page, before: int) -> bool:
    later = list(page.cells.values())[before:]
    return any("lost with gang" in cell.stderr for cell in later)


def recover(page: Page, names: str = "", *, answer: str = "y") -> Cell:
    return page.run(f"%cluster recover {names}", answers=[answer])


def again(cell: Cell) -> list[int]:
    """The numbers of the cells that ran again."""
    return [int(number) for number in re.findall(r"In\[(\d+)\] again", cell.stdout)]


def planned(cell: Cell) -> list[int]:
    """The numbers of the cells that it would run."""
    return [int(number) for number in re.findall(r"^  In\[(\d+)\]", cell.stdout, re.MULTILINE)]


def test_the_values_are_equal_again(page: Page) -> None:
    page.good("n = 5")
    page.good_remote("import numpy as np\ndata = np.arange(n) ** 2")
    page.good_remote("model = {'mean': data.mean(), 'data': data}")
    before = page.good_remote("model['mean'], model['data'].tolist()").result
    lose(page)
    assert page.run("model").error == "ObjectLost"
    cell = recover(page)
    assert "rebuilt: data, model" in cell.stdout, cell.describe()
    assert page.good_remote("model['mean'], model['data'].tolist()").result == before
    assert page.value("float(model['mean'])") == "6.0"
    assert "nothing is lost" in page.good("%cluster recover").stdout


def test_only_the_cells_that_are_needed_run(page: Page) -> None:
    page.good_remote(RAN.format("a") + "a = [1]")
    page.good_remote(RAN.format("b") + "b = a + [2]")
    page.good_remote(RAN.format("c") + "c = a + [3]")
    lose(page)
    cell = recover(page, "b")
    assert planned(cell) == again(cell) == [1, 2]
    assert (page.folder / "ran").read_text() == "a b c a b "
    assert "still lost: c" in cell.stdout
    assert page.value("a, b") == "([1], [1, 2])"
    lost = page.run("c")
    assert lost.error == "ObjectLost"
    assert "%cluster recover c" in lost.message
    assert again(recover(page)) == [3]
    assert page.value("c") == "[1, 3]"


def test_an_input_that_was_bound_anew_since(page: Page) -> None:
    page.good("n = 3")
    page.good_remote("xs = list(range(n))")
    page.good("n = 'newer'")
    lose(page)
    cell = recover(page)
    assert again(cell) == [1, 2], cell.describe()
    assert "put back afterwards as they are now: n" in cell.stdout
    assert page.value("xs, n") == "([0, 1, 2], 'newer')"
    assert page.good_remote("n").result == "'newer'"


def test_what_is_newer_on_the_gang_is_put_back(page: Page) -> None:
    page.good_remote("a, b = [1], [1]")
    page.good_remote("c = [*b, 2]")
    lose(page)
    page.good_remote("b = ['newer']\nimport threading\nlock = threading.Lock()")
    cell = recover(page, "c")
    assert again(cell) == [1, 2], cell.describe()
    assert page.good_remote("a, b, c, type(lock).__name__").result == (
        "([1], ['newer'], [1, 2], 'lock')"
    )
    assert page.value("a, b, c") == "([1], ['newer'], [1, 2])"


def test_what_local_cells_changed_in_place(page: Page) -> None:
    page.good("cfg = {'n': 1}")
    page.good("cfg['n'] += 1")
    page.good_remote("made = cfg['n']")
    page.good("cfg['n'] += 10")
    page.good("cfg")
    lose(page)
    cell = recover(page)
    assert again(cell) == [1, 2, 3], cell.describe()
    assert page.value("made, cfg") == "(2, {'n': 12})"


def test_a_cell_that_only_looked_does_not_run_again(page: Page) -> None:
    page.good("import pandas as pd\ncfg = pd.DataFrame({'x': [1, 2]})")
    page.good_remote("made = cfg.x.sum()")
    page.good("def look(frame): return frame.x.max()\nlook(cfg)")
    page.good_remote("print(made, len(cfg))")
    lose(page)
    assert again(recover(page)) == [2]


def test_what_a_function_changed_in_place(page: Page) -> None:
    page.good("def step(model): model.append(len(model))")
    page.good_remote("model = []")
    page.good_remote("for _ in range(3): step(model)")
    page.good_remote("size = len(model)")
    page.good_remote("step(model)")
    lose(page)
    cell = recover(page, "size")
    assert again(cell) == [2, 3, 4]
    # It is not what it was: cell 5 has changed it.
    assert page.run("model").error == "ObjectLost"
    assert again(recover(page)) == [2, 3, 5]
    assert page.value("model, size") == "([0, 1, 2, 3], 3)"


def test_a_dry_run_and_a_no_run_nothing(page: Page) -> None:
    page.good_remote(RAN.format("x") + "x = 1")
    lose(page)
    cell = page.good("%cluster recover --dry-run")
    assert planned(cell) == [1]
    assert "open('ran'" in cell.stdout
    assert "nothing was run" in recover(page, answer="no").stdout
    cell = page.run("%cluster recover x", stdin=False)
    assert "%cluster recover x --yes" in cell.stdout
    assert (page.folder / "ran").read_text() == "x "
    assert again(page.good("%cluster recover x --yes")) == [1]
    assert page.value("x") == "1"


def test_what_can_not_be_rebuilt_is_told_with_the_reason(page: Page) -> None:
    page.good_remote("asked = input('how many? ')", answers=["3"])
    page.good_remote("twice = asked * 2")
    page.remote("half = 1\n1 / 0")
    page.good_remote("fine = 1")
    lose(page)
    cell = recover(page)
    assert again(cell) == [4]
    assert "asked: In[1] can't be run again: it asks for input" in cell.stdout
    assert "twice: In[2] read 'asked', which can't be had again" in cell.stdout
    assert "half: In[3], which made it, failed (ZeroDivisionError) half way" in cell.stdout
    assert "still lost: asked, half, twice" in cell.stdout
    assert page.value("fine") == "1"
    assert page.run("twice").error == "ObjectLost"
    assert "no cell is known that made it" in page.good("%cluster recover nowhere").stdout


def test_a_cell_that_fails_again_ends_it(page: Page) -> None:
    (page.folder / "there").write_text("1")
    page.good_remote("first = 1")
    page.good("beside = 'old'")
    page.good_remote("second = (first, open('there').read(), beside)")
    page.good_remote("third = second")
    page.good("beside = 'new'")
    lose(page)
    (page.folder / "there").unlink()
    cell = recover(page)
    assert again(cell) == [1, 2, 3]
    assert cell.error == "ObjectLost", cell.describe()
    assert "FileNotFoundError" in cell.traceback
    assert "rebuilt: first; still lost: second, third" in cell.message
    assert page.value("first, beside") == "(1, 'new')"
    assert page.run("second").error == "ObjectLost"
    (page.folder / "there").write_text("1")
    assert again(recover(page)) == [2, 3, 4]
    assert page.value("third") == "(1, '1', 'old')"


def test_a_stop_ends_it(page: Page) -> None:
    page.good("wait = 0")
    page.good_remote("first = 1")
    page.good_remote(
        "import os, time\nprint('@go', flush=True)\n"
        "if os.path.exists('slow'): time.sleep(60)\nsecond = first + wait"
    )
    page.good("wait = 'new'")
    lose(page)
    (page.folder / "slow").touch()
    cell = page.begin("%cluster recover --yes")
    page.until_text(cell, "@go")
    time.sleep(0.2)
    page.interrupt()
    page.finish(cell)
    assert cell.error == "KeyboardInterrupt", cell.describe()
    assert "rebuilt: first; still lost: second" in cell.stderr
    assert page.value("first, wait") == "(1, 'new')"
    (page.folder / "slow").unlink()
    assert again(recover(page)) == [1, 3]
    assert page.value("second") == "1"


def test_ranks(page: Page) -> None:
    page.good("n = 10")
    page.good_remote("import os\nrank = int(os.environ['RANK'])\nshare = n + rank", "--ranks 2")
    page.good_remote("print(share)", "--ranks 2")
    lose(page, "--ranks 2")
    cell = recover(page)
    assert again(cell) == [2], cell.describe()
    assert "ranks=2" in cell.stdout
    assert page.value("share") == "Ranks([10, 11])"


def test_the_line_of_a_remote_cell_is_that_of_then(page: Page) -> None:
    page.good("ranks = 2")
    page.good_remote("import os\nrank = int(os.environ['RANK'])", "--ranks $ranks")
    page.good("ranks = 1")
    lose(page, "--ranks 2")
    assert again(recover(page)) == [2]
    assert page.value("rank") == "Ranks([0, 1])"


def test_two_gangs(page: Page) -> None:
    page.good_remote("a = [1]", "--on one")
    page.good_remote("b = [*a, 2]", "--on two")
    lose(page, "--on two")
    assert again(recover(page)) == [2]
    lose(page, "--on two")
    page.good("del a")
    assert again(recover(page)) == [1, 2]
    assert page.value("b") == "[1, 2]"
    assert page.run("a").error == "NameError"


def test_what_a_run_in_the_background_made(page: Page) -> None:
    page.good("n = 2")
    page.good_remote("import time\ntime.sleep(0.2)\nmade = [n]", "--background --name slow")
    page.good("import farcell\nfarcell.find_run('slow').wait(20)")
    lose(page)
    cell = recover(page)
    assert again(cell) == [2], cell.describe()
    assert page.value("made") == "[2]"


def test_the_error_of_a_lost_worker_says_so(page: Page) -> None:
    assert "recover" not in page.remote("import os\nos._exit(1)").message
    page.good_remote("made = 1")
    cell = page.remote("import os\nos._exit(1)")
    assert cell.error == "WorkerLost"
    assert "%cluster recover rebuilds what was lost" in cell.message
    assert page.remote("made").message.endswith("says which cells make it again, and runs them")


def test_for_programs(page: Page) -> None:
    page.good_remote("x = 1")
    lose(page)
    page.good("import farcell\nrecovery = farcell.plan_recovery('x')")
    assert page.value("[step.run.source for step in recovery.plan.steps]") == (
        "['%%remote\\nx = 1']"
    )
    assert page.value("recovery.run()") == "'rebuilt: x'"
    assert page.value("x") == "1"
    late = page.run("recovery.run()")
    assert late.error == "UsageError"
    assert "the notebook has gone on" in late.message


def test_a_kernel_that_was_restarted_knows_what_the_one_before_has_run(page: Page) -> None:
    page.good("n = 3")
    page.good_remote("xs = list(range(n))")
    page.good_remote("model = [sum(xs)]")
    page.good("del n")
    page.restart()
    page.load()
    assert page.value("model") == "[3]"
    page.good_remote("later = model + [4]")
    lose(page)
    cell = page.good("%cluster recover later --dry-run")
    assert "In[3] before the restart" not in cell.stdout  # its model was fetched
    assert again(recover(page, "later")) == [2]
    cell = page.good("%cluster recover xs --yes")
    assert "In[2] before the restart again: xs = list(range(n))" in cell.stdout, cell.describe()
    assert page.value("xs, later") == "([0, 1, 2], [3, 4])"
    assert page.run("n").error == "NameError"


def test_of_what_ran_when_the_kernel_died_nothing_is_known(page: Page, tmp_path: Path) -> None:
    page.good_remote("xs = [1]")
    cell = page.begin_remote(
        "import os, time\nprint('@go', flush=True)\n"
        "while not os.path.exists('go'): time.sleep(0.01)\nxs.append(2)"
    )
    page.until_text(cell, "@go")
    page.restart()
    (page.folder / "go").touch()
    page.load()
    page.good_remote("pass")  # waits for that run
    lose(page)
    told = page.good("%cluster recover --dry-run").stdout
    assert "xs: it was made by a kernel before this one" in told
