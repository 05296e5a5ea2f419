"""A process that has as many files open as it may: an error says so, and nobody waits."""

from __future__ import annotations

from tests.conformance.page import Page

_HOLD = """\
import os, resource
limits = resource.getrlimit(resource.RLIMIT_NOFILE)
held = [os.open(os.devnull, os.O_RDONLY)]
resource.setrlimit(resource.RLIMIT_NOFILE, (held[0] + 30, limits[1]))
try:
    while True: held.append(os.open(os.devnull, os.O_RDONLY))
except OSError: pass
"""
_LET_GO = """\
resource.setrlimit(resource.RLIMIT_NOFILE, limits)
while held: os.close(held.pop())
"""


def test_a_worker_that_has_none_left(page: Page) -> None:
    page.good_remote("large = bytearray(1_000_000)")
    page.good_remote(_HOLD)
    cell = page.run("large.hex()")
    assert "Too many open files" in cell.message, cell.describe()
    page.good_remote(_LET_GO)


def test_a_notebook_that_has_none_left(page: Page) -> None:
    page.good_remote("another, small = bytearray(1_000_000), [1]")
    page.good("gang = get_ipython()._farcell._gangs['default']")
    cell = page.run(
        f"{_HOLD}try: gang.fetch(['another'])\nexcept Exception as error: why = str(error)\n"
        + "finally:\n    "
        + "    ".join(_LET_GO.splitlines(keepends=True))
    )
    assert cell.ok, cell.describe()
    assert "no file descriptors left" in page.value("why")
    assert page.good_remote("len(another), small").result == "(1000000, [1])"


_FAIL_ONCE = """\
from farcell_runtime.worker.runs import Runs
def failing(*arguments, whole=Runs.{method}):
    Runs.{method} = whole
    raise OSError("none left")
Runs.{method} = failing
"""


def test_a_fault_in_a_worker_is_the_answer(page: Page) -> None:
    page.good_remote("fetched = [1]\n" + _FAIL_ONCE.format(method="fetch"))
    assert "OSError: none left" in page.run("fetched.append(2)").message
    page.good_remote(_FAIL_ONCE.format(method="inspect"))
    cell = page.run(
        "gang = get_ipython()._farcell._gangs['default']\ngang.inspect(gang.ranks[0], 'x')"
    )
    assert "OSError: none left" in cell.message, cell.describe()
    page.good_remote(_FAIL_ONCE.format(method="execute"))
    assert page.remote("1").error == "WorkerLost"
    assert page.good_remote("1 + 1").result == "2"
