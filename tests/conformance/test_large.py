"""Values that are large: moved through shared memory, patched, or left where they are."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.conformance.page import Page

MAKE = "import numpy as np\nbig = np.arange(3_000_000)\nsmall = [1]"


@pytest.fixture(scope="module")
def guarded(opened: Callable[..., Page]) -> Page:
    """A notebook in which a megabyte is large."""
    return opened(FARCELL_FETCH_LIMIT_BYTES="1000000")


def test_it_stays_until_asked_for(guarded: Page) -> None:
    guarded.good_remote(MAKE)
    shown = guarded.value("big")
    assert shown.startswith("<numpy.ndarray on gang default: (3000000,) int64"), shown
    assert guarded.value("small") == "[1]"
    used = guarded.run("big.sum()")
    assert used.error == "UsageError"
    assert "24.0 MB" in used.message
    assert "big.get()" in used.message
    assert guarded.good_remote("int(big[2])").result == "2", "there it is the value"
    assert guarded.value("int(big.get().sum())") == str(sum(range(3_000_000)))
    assert guarded.value("type(big).__name__") == "'ndarray'"


def test_another_gang_gets_it_all_the_same(guarded: Page) -> None:
    guarded.good_remote(MAKE)
    assert guarded.good_remote("int(big[-1])", "--on second").result == "2999999"


def test_the_names_are_told(guarded: Page) -> None:
    guarded.good_remote(MAKE.replace("3_000_000", "3_000_001"))
    guarded.good("big.get()\nhere = 'text'")
    rows = guarded.good("%cluster names").stdout.splitlines()
    assert rows[0].split() == ["name", "type", "size", "version", "newest", "on", "also", "on"]
    found = {row.split()[0]: row for row in rows[1:]}
    assert found["big"].split()[1:4] == ["numpy.ndarray", "24.0", "MB"]
    version = int(found["big"].split()[4])
    assert f"kernel     default (version {version - 1})" in found["big"]
    assert found["here"].split()[-1] == "kernel"
    assert "here" not in guarded.good("%cluster names --on default").stdout


def test_changes_in_place_go_both_ways(page: Page) -> None:
    page.good("import numpy as np\na = np.zeros(4_000_000)\nalias = a")
    assert page.good_remote("a[5] = 1.0\nalias[-1] = 2.0\nfloat(a.sum())").result == "3.0"
    assert page.value("float(a.sum()), a is alias") == "(3.0, True)"
    page.good("a[7] = 4.0")
    assert page.good_remote("float(alias.sum()), a is alias").result == "(7.0, True)"
    page.good_remote("a += 1")
    assert page.value("float(a[0]), float(alias[7])") == "(1.0, 5.0)"
    page.good("lone = np.zeros(4_000_000)\nheld = {'lone': lone}")
    page.good_remote("lone[0] = 1")
    page.good_remote("held['lone'][1] = 2")
    assert page.value("float(lone.sum()), held['lone'] is lone") == "(3.0, True)"


def test_ranks_read_one_copy(page: Page) -> None:
    page.good("import numpy as np\nshared = np.ones(4_000_000)")
    cell = "shared[rank] = 5.0\nprint(float(shared.sum()))"
    ranks = page.good_remote(f"import os; rank = int(os.environ['RANK'])\n{cell}", "--ranks 3")
    assert ranks.stdout == "4000004.0\n", "each writes to its own"


def test_tensors(page: Page) -> None:
    pytest.importorskip("torch")
    page.good("import torch")
    page.good("t = torch.zeros(1_000_000)\nview = t[:10]")
    page.good_remote("view += 1")
    assert page.value("float(t.sum())") == "10.0"
    page.good("t[0] = 5")
    assert page.good_remote("float(view[0])").result == "5.0"
