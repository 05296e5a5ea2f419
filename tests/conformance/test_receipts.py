"""Receipts: what cells say that they moved is what went through sockets and segments."""

from __future__ import annotations

import html
import random
import re
from collections.abc import Callable

import pytest

from tests.conformance.page import Cell, Page, remote
from tests.unit.test_names import EMPTY, array_script, script

# In the kernel: what is told is compared with the bytes of values in the messages that go out and
# come in, and with those copied into segments; what a dry run tells with what is told then.
WATCH = """
import copy
from IPython import get_ipython
from farcell.names import Names
from farcell.receipt import Receipt, Receipts
from farcell_runtime.segments import Segment
from farcell_runtime.transport.link import Link
from farcell_runtime.transport.payload import Arrivals

class Watch:
    inline = copied = told = came = told_came = messages = 0

def watched_send(self, message, descriptors=(), original=Link.send):
    Watch.messages += 1
    if message.WhichOneof("kind") == "execute":
        execute, names = message.execute, message.execute.names
        parts = sum(map(len, names.parts))
        Watch.inline += parts
        known = parts + len(names.hashes) + len(execute.ambient) + len(execute.code)
        rest = len(message.SerializeToString()) - known
        assert rest < 2000 + 30 * len(names.pickles), f"{rest} bytes more were sent"
    return original(self, message, descriptors)

def watched_write(self, start, part, fingerprints, original=Segment.write):
    Watch.copied += part.nbytes
    return original(self, start, part, fingerprints)

def watched_note(self, payload, descriptors, original=Arrivals.note):
    Watch.came += sum(map(len, payload.parts)) + sum(payload.sizes)
    return original(self, payload, descriptors)

def watched_sent(self, shipment, ranks, original=Receipts.sent):
    sizes = [piece.size_bytes for piece in shipment.moved]
    inline = shipment.packed is not None and shipment.packed.segment is None
    Watch.told += sum(sizes) * (ranks if inline else 1)  # ranks map one segment
    return original(self, shipment, ranks)

def watched_is_worth_telling(self, original=Receipt.is_worth_telling):
    for pieces in self.came.values():
        Watch.told_came += sum(piece.size_bytes for piece in pieces)
    return original(self)

def watched_capture(self, gang, code, original=Names.capture, **options):
    def state():
        values = self.values_for(gang.name)
        mine = (self.directory._entries, self.directory._to_forget, values._synced, values._doubted)
        return copy.deepcopy(mine), set(get_ipython().user_ns)
    before, messages = state(), Watch.messages
    first, again = self.preview(gang.name, code), self.preview(gang.name, code)
    assert state() == before and messages == Watch.messages, "a dry run has effects"
    assert first == again
    shipment = original(self, gang, code, **options)
    told = (first.moved, first.unchanged, first.modules)
    done = (shipment.moved, shipment.unchanged, shipment.modules)
    assert first.first or told == done, (told, done)
    going = {name for sizes in first.first.values() for name in sizes}
    known = {name for piece in first.moved for name in piece.names} | first.unchanged.keys()
    assert known | going >= set(shipment.names), (known, going, shipment.names)
    return shipment

for kind, function in [
    (Link, watched_send), (Segment, watched_write), (Arrivals, watched_note),
    (Receipts, watched_sent), (Receipt, watched_is_worth_telling), (Names, watched_capture),
]:
    name = function.__name__.removeprefix("watched")
    setattr(kind, name[1:], function)

def agrees():
    return Watch.inline + Watch.copied - Watch.told, Watch.came - Watch.told_came
"""
AGREES = "__import__('watching').agrees()"

SCRIPTS = {
    "small values and functions": [
        ("", "cfg = {'lr': 0.1}\ndef f(x): return x * cfg['lr']\na = [1]; b = [a, 'x' * 2000]"),
        ("R", "f(2), a, b"),
        ("R", "f(3)"),
        ("", "a.append(2)"),
        ("2", "b, a, 'cfg'"),
        ("", "a, b"),
        ("R", "eval('cfg')"),
        ("3", "f(2), a, b"),
        ("", "del a"),
        ("R", "b"),
    ],
    "arrays in segments, and their patches": [
        ("", "import numpy as np\nbig, other = np.zeros(4_000_000), np.zeros(2_000_000)"),
        ("R", "big[0], other[0]"),
        ("R", "big[0], other[0]"),
        ("", "big[5] = 1.0"),
        ("R", "float(big.sum()), other[1]"),
        ("R", "big[7] = 2.0"),
        ("", "float(big.sum()), float(other.sum())"),
        ("", "big[:] = 3.0"),
        ("3", "float(big.sum())"),
        ("", "float(big.sum())"),
        ("2", "view = big[10:]\nview[0] = 5"),
        ("R", "view[0], big[10]"),
    ],
    "from one gang to another": [
        ("R", "import numpy as np\nmade = np.ones(1_000_000)\ndef g(): return made[0], helper()"),
        ("R", "def helper(): return 5"),
        ("2", "g()"),
        ("2", "made *= 2"),
        ("R", "g()"),
        ("", "g()"),
    ],
}  # fmt: skip


@pytest.fixture(scope="module")
def told(opened: Callable[..., Page]) -> Page:
    """A notebook with receipts that are watched."""
    page = opened(FARCELL_RECEIPTS="on")
    (page.folder / "watching.py").write_text(WATCH)
    assert page.run("__import__('watching')", store=False).ok
    return page


FLAGS = {"R": "", "2": "--on two", "3": "--ranks 3"}


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_what_is_told_is_what_moved(told: Page, script: list[tuple[str, str]]) -> None:
    for where, code in script:
        told.good(remote(code, FLAGS[where]) if where else code)
        assert told.value(AGREES) == "(0, 0)", code
    assert told.value("__import__('watching').Watch.told > 0") == "True"


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(6))
def test_random_scripts(told: Page, seed: int) -> None:
    pytest.importorskip("numpy")
    chance = random.Random(seed)
    for make in (script, array_script, script, array_script):
        told.run(EMPTY)
        ran: list[str] = []
        for where, code in make(chance):
            ran.append(f"{where}: {code}")
            cell = told.run(code if where == "L" else remote(code, FLAGS[where]))
            assert cell.error != "AssertionError", f"{cell.message}\n" + "\n".join(ran)
            assert told.value(AGREES) == "(0, 0)", "\n".join(ran)


def line(cell: Cell) -> str:
    """The receipt of a cell; empty if it shows none."""
    found = [each.data for each in cell.shown if "title=" in each.data.get("text/html", "")]
    assert len(found) <= 1, cell.describe()
    if not found:
        return ""
    shown = re.sub(r"<[^>]*>", "", found[0]["text/html"])
    plain = html.unescape(shown).replace("\u2003", "   ").replace("\xa0", " ")
    assert plain == found[0]["text/plain"]
    text: str = found[0]["text/plain"]
    return re.sub(r"\d+(\.\d)? (ms|s)\b", "0 s", text)


def test_a_line_says_what_moved_and_why(told: Page) -> None:
    told.good("settings = {'text': 'x' * 1500}\ndef featurise(): return settings['text']")
    cell = told.good_remote("print('said')\nlen(featurise())")
    assert cell.kinds == ["stream", "execute_result", "display_data"]
    assert re.fullmatch(
        r"→ settings 1\.5 kB \(read by featurise\) · featurise \d+ B   0 s", line(cell)
    )
    assert line(told.good_remote("len(featurise())")) == "", "nothing moved, and it was short"
    slow = told.good_remote("import time; time.sleep(1.05); len(featurise())")
    assert line(slow) == "→ settings 1.5 kB (unchanged)   0 s"


def test_a_trivial_cell_shows_nothing(told: Page) -> None:
    assert told.good_remote("pass").messages == 0
    assert told.good("pass").messages == 0


def test_a_patch_says_how_much_of_it_changed(told: Page) -> None:
    told.good("import numpy as np\nlarge = np.zeros(12_500_000)")
    assert line(told.good_remote("large[0]")).startswith("→ large 100.0 MB")
    told.good("large[3] = 1")
    assert line(told.good_remote("large[0]")) == "→ large 1.0 MB of 100.0 MB changed   0 s"


def test_a_patch_that_did_not_fit_is_told_too(told: Page) -> None:
    told.good("import numpy as np\nodd = np.zeros(4_000_000)")
    told.good_remote(
        "import os, threading, time\n"
        "def late():\n"
        "    while not os.path.exists('go'): time.sleep(0.01)\n"
        "    odd[5] = 7.0\n"
        "    open('went', 'w').close()\n"
        "threading.Thread(target=late).start()"
    )
    told.good(
        "import os, time\nodd[3] = 1.0\nopen('go', 'w').close()\n"
        "while not os.path.exists('went'): time.sleep(0.01)"
    )
    cell = told.good_remote("float(odd[3])")
    assert (cell.result, line(cell)) == (
        "1.0",
        "→ odd 32.0 MB · odd 1.0 MB of 32.0 MB changed   0 s",
    )
    assert told.value(AGREES) == "(0, 0)"


def test_a_local_cell_says_what_came_if_that_is_much(told: Page) -> None:
    told.good_remote("import numpy as np\nfar = np.ones(1_000_000); near = [1]")
    assert line(told.good("near")) == ""
    assert line(told.good("far[0]")) == "← far 8.0 MB from gang default, 0 s"
    assert line(told.good("far[0]")) == ""


def test_what_comes_while_it_runs_is_in_the_line(told: Page) -> None:
    told.good_remote("import numpy as np\nlate = np.ones(1_000_000)")
    hidden = "getattr(__import__('builtins'), 'ev' + 'al')('la' + 'te')"
    cell = told.good(f"print('x')\nprint({hidden}[0])")
    assert line(cell) == "← late 8.0 MB from gang default, 0 s"
    assert cell.kinds == ["stream", "display_data"]


def test_the_traceback_comes_last(told: Page) -> None:
    told.good("divisor = 'x' * 3000")
    cell = told.remote("print('said')\nlen(divisor) / 0")
    assert (cell.error, cell.kinds) == ("ZeroDivisionError", ["stream", "display_data", "error"])
    assert line(cell) == "→ divisor 3.0 kB   0 s"
    told.good_remote("import numpy as np\nwide = np.ones(1_000_000)")
    local = told.run("wide[0] / 0\nraise ValueError")
    assert (local.error, local.kinds[-2:]) == ("ValueError", ["display_data", "error"])
    assert line(local) == "← wide 8.0 MB from gang default, 0 s"


def test_what_was_refused_says_nothing(told: Page) -> None:
    told.good("import threading\nlock_of_it = threading.Lock(); beside_it = 'x' * 3000")
    cell = told.remote("lock_of_it, beside_it")
    assert (cell.error, line(cell)) == ("CaptureError", "")


def test_many_names_are_a_few(told: Page) -> None:
    told.good("\n".join(f"many_{i} = 'x' * {1000 * i}" for i in range(1, 15)))
    names = ", ".join(f"many_{i}" for i in range(1, 15))
    largest = r"many_14 14\.0 kB · many_13 13\.0 kB · many_12 12\.0 kB"
    assert re.fullmatch(
        rf"→ {largest} · … and 11 more, 66\.\d kB   0 s",
        line(told.good_remote(f"({names})[0][:1]")),
    )


def test_lines_of_ranks(told: Page) -> None:
    told.good("for_ranks = 'x' * 3000")
    cell = told.good_remote("each = for_ranks * 1000", "--ranks 2")
    assert line(cell) == "→ for_ranks 3.0 kB to each of 2 ranks   0 s"
    assert line(told.good("len(each)")) == "← each 6.0 MB from gang ranks=2, 0 s"


def test_several_runs_of_a_cell_share_a_line(told: Page) -> None:
    told.good("one_of = 'x' * 2000; two_of = 'x' * 3000")
    cell = told.good("for _ in '12':\n    %remote len(one_of)\n    %remote len(two_of)")
    assert line(cell) == "→ two_of 3.0 kB · one_of 2.0 kB"


def test_a_dry_run_says_what_would_come_first(told: Page) -> None:
    told.good_remote("import numpy as np\nthere_first = np.ones(1_000_000)")
    dry = "%%remote --on two --dry-run\nthere_first[0]"
    for _ in "12":
        assert told.good(dry).stdout == (
            "to gang two:\n"
            "  from gang default first, and then on: there_first (its size is known there)\n"
        )
    assert told.value("get_ipython()._farcell.names.absent().count('there' + '_first')") == "1"
    told.good("there_first[0]")
    assert told.good(dry).stdout == "to gang two:\n  → there_first 8.0 MB\n"
    told.good_remote("there_first[0] = 5")
    assert "there_first (8.0 MB when it last moved)" in told.good(dry).stdout


def test_they_can_be_switched_off(told: Page) -> None:
    assert told.good("%farcell receipts off").stdout == "receipts are off\n"
    told.good("quiet = 'x' * 3000")
    assert told.good_remote("len(quiet)").kinds == ["execute_result"]
    assert told.good("%farcell receipts").stdout == "receipts are off\n"
    told.good("%farcell receipts on\nloud = 'x' * 3000")
    assert line(told.good_remote("len(loud)")) == "→ loud 3.0 kB   0 s"
    refused = told.run("%farcell receipts of")
    assert refused.error == "UsageError"
    assert "did you mean off?" in refused.message


def test_the_environment_switches_them_off(page: Page) -> None:
    assert page.good("%farcell receipts").stdout == "receipts are off\n"
