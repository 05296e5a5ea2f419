"""A remote error is the user's own: its type, its lines, and none of farcell's."""

from __future__ import annotations

import pytest

from tests.conformance.page import Page, plain

# Frames of farcell's own would be shown with one of these.
OURS = ("farcell_runtime", "kernel_ext", "farcell/run.py", "farcell/notebook.py", "magics.py")


def assert_clean(text: str) -> None:
    """Nothing of farcell's stands in ``text``."""
    assert [word for word in OURS if word in text] == [], text


@pytest.mark.every_engine
def test_the_type_can_be_caught_in_the_notebook(page: Page) -> None:
    cell = page.good(
        "try:\n    get_ipython().run_cell_magic('remote', '', '{}[\"k\"]')\n"
        "except KeyError as caught:\n    print(type(caught).__name__, caught.args)"
    )
    assert cell.stdout == "KeyError ('k',)\n"


def test_the_remote_error_is_its_cause(page: Page) -> None:
    cell = page.good(
        "import farcell\ntry:\n    get_ipython().run_cell_magic('remote', '', '1/0')\n"
        "except ZeroDivisionError as e:\n    cause = e.__cause__\n"
        "type(cause).__name__, 'ZeroDivisionError' in cause.traceback"
    )
    assert cell.result == "('RemoteError', True)"


def test_no_line_of_farcells(page: Page) -> None:
    page.run("%%writefile deep_module.py\ndef go(f):\n    return f()\n")
    for code in (
        "1/0",
        "import deep_module\ndeep_module.go(lambda: 1/0)",
        "await __import__('asyncio').wait_for(__import__('asyncio').sleep(5), 0.01)",
        "%run -i no_such_file.py",
        "%time 1/0",
        "raise ExceptionGroup('g', [ValueError(1), TypeError(2)])",
        "import threading\nt = threading.Thread(target=lambda: 1/0); t.start(); t.join()",
        "def f(): f()\nf()",
        "if",
    ):
        cell = page.remote(code)
        assert_clean(cell.traceback + cell.text)


@pytest.mark.every_engine
def test_lines_are_numbered_as_in_the_notebook(page: Page) -> None:
    cell = page.remote("a = 1\n\nraise ValueError('here')", "--ranks 1")
    assert cell.reply is not None
    number = cell.reply["execution_count"]
    assert f"Cell In[{number}], line 4" in cell.traceback
    assert "----> 4 raise ValueError('here')" in cell.traceback


def test_lines_behind_blank_lines_are_numbered_as_in_the_notebook(page: Page) -> None:
    assert "----> 5 1/0" in page.remote("\n\n\n1/0").traceback


def test_a_syntax_error_points_to_its_line(page: Page) -> None:
    cell = page.remote("fine = 1\nalso = 2\nx = = 3\n")
    assert cell.error == "SyntaxError"
    assert "line 4" in cell.traceback
    assert "x = = 3" in cell.traceback
    assert_clean(cell.traceback)


def test_a_module_is_shown_with_its_source(page: Page) -> None:
    page.run("%%writefile shown_module.py\ndef breaks():\n    value = None\n    return value.x\n")
    cell = page.remote("import shown_module\nshown_module.breaks()")
    assert "shown_module.py:3, in breaks()" in cell.traceback
    assert "----> 3     return value.x" in cell.traceback


def test_a_function_of_a_local_cell_is_shown_with_its_source(page: Page) -> None:
    made = page.good("def made_here():\n    x = 1\n    return x / 0")
    assert made.reply is not None
    cell = page.remote("made_here()")
    assert f"Cell In[{made.reply['execution_count']}], line 3, in made_here()" in cell.traceback
    assert "----> 3     return x / 0" in cell.traceback


def test_a_remote_function_that_fails_at_home_is_shown_with_its_source(page: Page) -> None:
    page.good_remote("def made_there():\n    y = []\n    return y[3]")
    cell = page.run("made_there()")
    assert cell.error == "IndexError"
    assert "return y[3]" in cell.traceback


def test_an_exception_of_the_notebooks_keeps_what_it_holds(page: Page) -> None:
    page.good(
        "class Held(Exception):\n    def __init__(self, code):\n"
        "        super().__init__(f'code {code}')\n        self.code = code"
    )
    cell = page.good(
        "try:\n    get_ipython().run_cell_magic('remote', '', 'raise Held(5)')\n"
        "except Held as e:\n    print(e.code, type(e) is Held)"
    )
    assert cell.stdout == "5 True\n"


@pytest.mark.every_engine
def test_an_exception_that_cant_travel_is_told_whole(page: Page) -> None:
    cell = page.remote(
        "import threading\nclass Stuck(Exception):\n    def __init__(self, what):\n"
        "        super().__init__(what)\n        self.lock = threading.Lock()\nraise Stuck('held')"
    )
    assert cell.error == "RemoteError"
    assert "Stuck: held" in cell.message
    assert "lock" in cell.message
    assert "----> 7 raise Stuck('held')" in cell.traceback


def test_an_exception_with_an_argument_that_cant_travel(page: Page) -> None:
    cell = page.remote("raise ValueError((i for i in range(3)))")
    assert cell.error == "RemoteError"
    assert "ValueError" in cell.message
    assert "generator" in cell.message


def test_a_chain_arrives_as_a_chain(page: Page) -> None:
    page.run(
        "%%remote\ndef chained():\n    try: 1/0\n    except ZeroDivisionError as e: "
        "raise KeyError('outer') from e"
    )
    cell = page.good(
        "try:\n    get_ipython().run_cell_magic('remote', '', 'chained()')\n"
        "except KeyError as e:\n    print(type(e.__cause__).__name__, e.__suppress_context__)"
    )
    assert cell.stdout == "ZeroDivisionError True\n"
    shown = page.remote("chained()").traceback
    first, _, second = shown.partition("direct cause")
    assert "ZeroDivisionError: division by zero" in first
    assert "KeyError: 'outer'" in second


def test_a_group_arrives_as_a_group(page: Page) -> None:
    page.good("code = 'raise ExceptionGroup(\"several\", [ValueError(1), KeyError(2)])'")
    cell = page.good(
        "seen = []\ntry:\n    get_ipython().run_cell_magic('remote', '', code)\n"
        "except* ValueError as g:\n    seen.append(g.exceptions[0].args)\n"
        "except* KeyError as g:\n    seen.append(g.exceptions[0].args)\nseen"
    )
    assert cell.result == "[(1,), (2,)]"
    shown = page.run("%%remote\nraise ExceptionGroup('several', [ValueError(1), KeyError(2)])")
    assert shown.error == "ExceptionGroup"
    for word in ("several", "ValueError: 1", "KeyError: 2"):
        assert word in shown.traceback
    assert_clean(shown.traceback)


def test_system_exit_ends_the_cell_and_nothing_else(page: Page) -> None:
    page.good_remote("stays = 1")
    cell = page.remote("import sys\nprint('leaving')\nsys.exit(3)")
    assert cell.error == "SystemExit"
    assert cell.stdout == "leaving\n"
    assert page.good_remote("stays").result == "1"


def test_exit_and_quit_end_the_cell(page: Page) -> None:
    page.good_remote("stays_too = 2")
    page.remote("exit()")
    page.remote("quit")
    assert page.alive()
    assert page.good_remote("stays_too").result == "2"


def test_cells_behind_a_failing_one_are_not_run(page: Page) -> None:
    page.good("ran = []")
    failing = page._channels.execute("%%remote\n1/0", stop_on_error=True)
    following = page.begin("ran.append('ran')")
    page.until(lambda: following.ended, following)
    assert failing
    assert following.reply is not None
    assert following.reply["status"] == "aborted"
    assert page.value("ran") == "[]"


def test_debug_opens_where_the_error_was(page: Page) -> None:
    page.remote("def divide(a, b):\n    return a / b\ndivide(84, 0)")
    cell = page.run("%debug", answers=["p a", "up", "q"])
    assert cell.ok, cell.describe()
    said = plain(cell.stdout)
    assert "return a / b" in said
    assert "divide(84, 0)" in said
    assert "\n84\n" in said


def test_debug_in_a_remote_cell(page: Page) -> None:
    page.remote("def halve(n):\n    half = n / 'two'\nhalve(66)")
    cell = page.run("%%remote\n%debug", answers=["p n", "q"])
    assert "66" in cell.stdout, cell.describe()


def test_debug_of_a_local_error_stays_local(page: Page) -> None:
    page.run("here_only = 51\ndef at_home(v): return v / 0\nat_home(here_only)")
    cell = page.run("%debug", answers=["p v", "q"])
    assert "51" in cell.stdout


def test_breakpoint_in_a_remote_cell(page: Page) -> None:
    cell = page.run(
        "%%remote\ninside = 72\nbreakpoint()\nprint('went on')", answers=["p inside", "c"]
    )
    assert "72" in cell.stdout, cell.describe()
    assert "went on" in cell.stdout


def test_a_repr_that_raises_is_shown(page: Page) -> None:
    cell = page.remote(
        "class Broken:\n    def __repr__(self): raise ValueError('no repr')\nBroken()"
    )
    assert "no repr" in cell.text + cell.traceback, cell.describe()


def test_tb_shows_the_last_remote_error_again(page: Page) -> None:
    page.remote("1/0")
    cell = page.remote("%tb")
    assert "ZeroDivisionError" in cell.text + cell.traceback, cell.describe()


def test_a_cell_whose_changes_cant_be_looked_at_runs_once(page: Page) -> None:
    page.good("import numpy as np\nseen, part = [1], np.ones(1 << 20)")
    page.good_remote("part.sum()", "--on odd")
    page.good("part[0] = 5")  # of which only a part is sent
    cell = page.remote(
        "print('ran', part[0])\nseen.append(2)\nclass Meta(type):\n"
        "    def __getattribute__(cls, name): raise RuntimeError(name)\n"
        "class Odd(metaclass=Meta): pass\nodd = Odd()",
        "--on odd",
    )
    assert cell.error == "InternalError", cell.describe()
    assert cell.stdout == "ran 5.0\n"
    assert page.value("seen") == "[1, 2]"
