"""The stop button: where Python or an interruptible call runs, at once; and never the next cell."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conformance.page import Page

# Cells that run far longer than a test may take.
_LONG = {
    "time.sleep": "import time\nprint('@go')\ntime.sleep(600)",
    "a tight loop": "print('@go')\nwhile True: pass",
    "a loop of NumPy calls": "import numpy as np\na = np.ones((300, 300))\nprint('@go')\n"
    "while True: b = a @ a",
    "subprocess.run": "import subprocess\nprint('@go')\nsubprocess.run(['sleep', '600'])",
    "asyncio.sleep": "import asyncio\nprint('@go')\nawait asyncio.sleep(600)",
    "asyncio.gather": "import asyncio\nprint('@go')\n"
    "await asyncio.gather(*(asyncio.sleep(600) for _ in range(3)))",
    "a lock": "import threading\nprint('@go')\nthreading.Event().wait()",
    "a thread's join": "import threading, time\n"
    "t = threading.Thread(target=time.sleep, args=(60,), daemon=True)\n"
    "t.start()\nprint('@go')\nt.join()",
    "select": "import select, os\nr, w = os.pipe()\nprint('@go')\nselect.select([r], [], [])",
    "a loop that prints": "import itertools\nprint('@go')\n"
    "for i in itertools.count(): print('line', i)",
    "a function of the notebook": "print('@go')\nforever()",
    "an import": "print('@go')\nimport sleeps_on_import",
    "a comprehension": "print('@go')\nsum(1 for _ in iter(int, 1))",
    "a loop in a finally": "print('@go')\ntry:\n    while True: pass\nfinally:\n    cleaned = True",
}
_EVERY = ("time.sleep", "a tight loop")


@pytest.fixture(scope="module")
def stopped(page: Page) -> Page:
    """The module's notebook, with what the cells of `_LONG` read."""
    page.good("def forever():\n    import time\n    while True: time.sleep(0.01)")
    page.run("%%writefile sleeps_on_import.py\nimport time\ntime.sleep(600)\n")
    page.good_remote("kept = ['kept']")
    return page


@pytest.mark.every_engine
@pytest.mark.parametrize("name", _EVERY)
def test_stop_on_every_engine(stopped: Page, name: str) -> None:
    check_stop(stopped, _LONG[name])


@pytest.mark.parametrize("name", [name for name in _LONG if name not in _EVERY])
def test_stop(stopped: Page, name: str) -> None:
    check_stop(stopped, _LONG[name])


def check_stop(stopped: Page, code: str) -> None:
    """Stop ``code``, and see that nothing else changed."""
    cell = stopped.stop_when(stopped.begin_remote(code))
    assert cell.error == "KeyboardInterrupt", cell.describe()
    assert "killing" not in cell.stderr
    assert stopped.good_remote("kept").result == "['kept']"
    assert stopped.value("kept") == "['kept']"


def test_stop_shows_the_line(stopped: Page) -> None:
    cell = stopped.stop_when(stopped.begin_remote("import time\nprint('@go')\ntime.sleep(600)"))
    assert "----> 4 time.sleep(600)" in cell.traceback
    assert "farcell_runtime" not in cell.traceback


def test_stop_shows_the_line_of_an_await(stopped: Page) -> None:
    cell = stopped.stop_when(
        stopped.begin_remote("import asyncio\nprint('@go')\nawait asyncio.sleep(600)")
    )
    assert "----> 4 await asyncio.sleep(600)" in cell.traceback
    assert "farcell_runtime" not in cell.traceback


@pytest.mark.every_engine
def test_stop_of_input(stopped: Page) -> None:
    cell = stopped.begin_remote("answer = input('waits')")
    stopped.until(lambda: cell.asked, cell)
    stopped.interrupt()
    cell.answered = 1
    assert stopped.finish(cell).error == "KeyboardInterrupt", cell.describe()
    assert stopped.good_remote("kept").result == "['kept']"


def test_a_question_after_a_stopped_one_gets_its_own_answer(stopped: Page) -> None:
    cell = stopped.begin_remote("input('first')")
    stopped.until(lambda: cell.asked, cell)
    stopped.interrupt()
    cell.answered = 1
    stopped.finish(cell)
    assert stopped.good_remote("input('second')", answers=["right"]).result == "'right'"


def test_a_stop_can_be_caught(stopped: Page) -> None:
    cell = stopped.begin_remote(
        "import time\nprint('@go')\ntry: time.sleep(600)\n"
        "except KeyboardInterrupt: print('caught')\nprint('went on')"
    )
    stopped.stop_when(cell)
    assert cell.ok, cell.describe()
    assert cell.stdout.endswith("caught\nwent on\n")


def test_what_was_bound_before_the_stop_is_kept(stopped: Page) -> None:
    stopped.stop_when(stopped.begin_remote("early = 5\nprint('@go')\nwhile True: pass"))
    assert stopped.value("early") == "5"


def test_finally_and_with_are_run(stopped: Page) -> None:
    stopped.stop_when(
        stopped.begin_remote(
            "import contextlib, time\nlog = []\n@contextlib.contextmanager\ndef managed():\n"
            "    try: yield\n    finally: log.append('closed')\n"
            "with managed():\n    print('@go')\n    time.sleep(600)"
        )
    )
    assert stopped.value("log") == "['closed']"


def test_stop_of_a_shell_line_ends_it_as_at_home(stopped: Page) -> None:
    # The shell itself says that it has begun: before that, the stop hits what starts it.
    cell = stopped.stop_when(stopped.begin_remote("!echo @go; sleep 600"))
    assert "^C" in cell.stdout, cell.describe()
    assert stopped.good_remote("kept").result == "['kept']"


# In the kernel itself, since a kernel that is stopped between two cells may lose a message.
_LATE_STOPS = """
import os, signal, threading, time
def run(code): get_ipython().run_cell_magic('remote', '', code)
outcomes, hit = [], []
for round in range(60):
    timer = threading.Timer(round / 10_000, os.kill, (os.getpid(), signal.SIGINT))
    try:
        timer.start()
        run('for i in range(2000): pass')
        outcomes.append('ended')
        while timer.is_alive(): timer.join()
        time.sleep(0.001)
    except KeyboardInterrupt:
        outcomes.append('stopped')
    try: timer.join(); time.sleep(0.001)
    except KeyboardInterrupt: timer.join()
    try: run('total = sum(range(20_000))')
    except KeyboardInterrupt: hit.append(round)
hit
"""


@pytest.mark.every_engine
def test_a_late_stop_never_hits_the_next_cell(stopped: Page) -> None:
    assert stopped.good(_LATE_STOPS).result == "[]"
    assert stopped.good_remote("kept").result == "['kept']"


def test_a_stop_without_a_cell_does_nothing(stopped: Page) -> None:
    stopped.interrupt()
    assert stopped.good_remote("kept").result == "['kept']"


def test_a_stopped_cell_holds_up_the_cells_behind_it(stopped: Page) -> None:
    stopped.good("after = []")
    cell = stopped.begin_remote("import time\nprint('@go')\ntime.sleep(600)")
    cell_behind = stopped._channels.execute("after.append(1)", stop_on_error=True)
    stopped.until_text(cell, "@go")
    stopped.interrupt()
    stopped.finish(cell)
    assert cell.error == "KeyboardInterrupt"
    assert cell_behind
    assert stopped.value("len(after) < 2") == "True"


def test_a_subprocess_is_stopped_too(stopped: Page, tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    cell = stopped.begin_remote(
        f"import subprocess\nprint('@go')\nsubprocess.run(['sh', '-c', 'echo $$ > {pid_file}; "
        "exec sleep 600'])"
    )
    stopped.until(pid_file.exists, cell)
    stopped.stop_when(cell)
    pid = int(pid_file.read_text())
    stopped.until(lambda: not Path(f"/proc/{pid}").exists(), cell)


def test_tasks_of_other_cells_survive_a_stop(stopped: Page) -> None:
    stopped.good_remote(
        "import asyncio\nticks = []\nasync def tick():\n"
        "    while True: ticks.append(1); await asyncio.sleep(0.01)\n"
        "ticker = asyncio.create_task(tick())"
    )
    stopped.stop_when(
        stopped.begin_remote("import asyncio\nprint('@go')\nawait asyncio.sleep(600)")
    )
    cell = stopped.good_remote("n = len(ticks)\nawait asyncio.sleep(0.1)\nlen(ticks) > n")
    assert cell.result == "True"
    stopped.good_remote("ticker.cancel();")


# ---- inside a call that can't be interrupted -------------------------------------------------

# One call of C's that no signal ends: sleep in a loop, in C, with signals blocked.
_STUCK = (
    "import ctypes, signal, time\nprint('@go')\n"
    "signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGINT])\n{call}\n"
    "signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])"
)


@pytest.fixture
def stuck(opened: Callable[..., Page]) -> Page:
    """A notebook of its own that says soon that it can't stop a cell."""
    page = opened(FARCELL_INTERRUPT_GRACE_S="0.2")
    page.good_remote("mine_alone = 1")
    return page


def test_one_long_call_says_so_and_waits(stuck: Page) -> None:
    call = "ctypes.CDLL(None).usleep(1_500_000)"
    cell = stuck.begin_remote(_STUCK.format(call=call))
    stuck.until_text(cell, "@go")
    stuck.interrupt()
    stuck.until(lambda: "can't be interrupted" in cell.stderr or cell.ended, cell)
    assert "can't be interrupted" in cell.stderr, cell.describe()
    stuck.finish(cell)
    assert cell.error == "KeyboardInterrupt", cell.describe()
    assert stuck.good_remote("mine_alone").result == "1"


def test_a_second_stop_kills_and_says_what_that_costs(stuck: Page) -> None:
    cell = stuck.begin_remote(_STUCK.format(call="ctypes.CDLL(None).sleep(600)"))
    stuck.until_text(cell, "@go")
    stuck.interrupt()
    stuck.until(lambda: "Stop again" in cell.stderr or cell.ended, cell)
    stuck.interrupt()
    stuck.finish(cell)
    assert cell.error == "KeyboardInterrupt", cell.describe()
    assert "mine_alone" in cell.stderr.partition("Stop again")[2]
    assert "killing" in cell.stderr
    assert stuck.good_remote("'fresh'").result == "'fresh'"
    gone = stuck.run("mine_alone")
    assert gone.error == "ObjectLost", gone.describe()


def test_the_timeout_option_stops_a_cell(stopped: Page) -> None:
    cell = stopped.remote("import time\nat_start = 1\ntime.sleep(600)", "--timeout 0.3")
    assert cell.error == "RunTimeout", cell.describe()
    assert "0.3" in cell.message
    assert stopped.value("at_start") == "1"


def test_a_timeout_does_not_hide_a_death(stopped: Page) -> None:
    cell = stopped.remote(
        "import os, signal, time\nsignal.signal(signal.SIGINT, lambda *_: os._exit(3))\n"
        "time.sleep(600)",
        "--timeout 0.3 --on dies",
    )
    assert cell.error == "WorkerLost", cell.describe()


def test_a_cell_that_ends_well_after_its_timeout(stopped: Page) -> None:
    cell = stopped.remote(
        "import time\ntry: time.sleep(600)\nexcept KeyboardInterrupt: print('tidied up')",
        "--timeout 0.3",
    )
    assert cell.ok, cell.describe()
    assert cell.stdout == "tidied up\n"


def test_a_stop_while_values_arrive(stopped: Page) -> None:
    stopped.good(
        "import numpy as np\nclass Slow:\n    v = 0\n    def __setstate__(self, state):\n"
        "        import time\n        self.__dict__.update(state)\n        if self.v:\n"
        "            print('@go', flush=True)\n            time.sleep(5)\n"
        "part, slow = np.ones(1 << 20), Slow()"
    )
    stopped.good_remote("part.sum(), slow.v")
    stopped.good("part[0] = 2\nslow.v = 1")
    cell = stopped.stop_when(stopped.begin_remote("print('ran'); part.sum(), slow.v"))
    assert cell.error == "KeyboardInterrupt", cell.describe()
    assert "ran" not in cell.stdout
    assert stopped.good_remote("float(part[0])").result == "2.0"
