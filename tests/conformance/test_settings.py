"""What libraries keep for a whole process holds in the next cell, wherever that runs."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.conformance.page import Page

IMPORTS = "import random, warnings\nimport numpy as np"
DRAW = "print(random.random(), np.random.rand(), np.random.randn(), random.gauss(0, 1))"
STYLE = "matplotlib.rcParams['axes.grid'], matplotlib.rcParams['font.size']"
PLOT = f"import matplotlib\nprint({STYLE})"


def shown(page: Page, cells: list[tuple[str, str]]) -> list[str]:
    found = []
    for where, code in cells:
        cell = page.good_remote(code) if where == "R" else page.good(code)
        found.append(cell.stdout + cell.stderr.partition("\n")[0].rpartition(":")[2])
    return found


SCRIPTS = {
    "a seed set at home": [("L", "random.seed(3); np.random.seed(5)"), ("R", DRAW), ("L", DRAW)],
    "a seed set there": [("R", "random.seed(3); np.random.seed(5)"), ("L", DRAW), ("R", DRAW)],
    "numbers drawn in turn": [
        ("L", "random.seed(1); np.random.seed(1)"), ("R", DRAW), ("R", DRAW), ("L", DRAW),
        ("R", DRAW),
    ],
    "filters of warnings": [
        ("L", "warnings.filterwarnings('ignore', message='hush')"),
        ("R", "warnings.warn('hush'); warnings.warn('say')"),
        ("R", "warnings.simplefilter('ignore')"), ("L", "warnings.warn('nothing')"),
        ("R", "warnings.resetwarnings()"), ("L", "warnings.warn('again')"),
    ],
    "print options": [
        ("L", "np.set_printoptions(precision=2)"), ("R", "print(np.array([1 / 3]))"),
        ("R", "np.set_printoptions(precision=5)"), ("L", "print(np.array([1 / 3]))"),
    ],
    "a style": [
        ("L", "import matplotlib\nmatplotlib.rcParams['axes.grid'] = True"), ("R", PLOT),
        ("R", "import matplotlib\nmatplotlib.rcParams['font.size'] = 7"), ("L", PLOT),
        ("L", "matplotlib.rcdefaults()"), ("R", PLOT),
    ],
    "options of pandas, imported there first": [
        ("R", "import pandas as pd\npd.set_option('display.max_rows', 7)"),
        ("L", "import pandas as pd\nprint(pd.get_option('display.max_rows'))"),
        ("L", "pd.reset_option('display.max_rows')"),
        ("R", "print(pd.get_option('display.max_rows'))"),
    ],
}  # fmt: skip


@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS.keys())
def test_settings(script: list[tuple[str, str]], opened: Callable[..., Page]) -> None:
    cells = [("L", IMPORTS), *script]
    away, home = opened(), opened(load=False)
    assert shown(away, cells) == shown(home, [("L", code) for _, code in cells])
    away.close()
    home.close()


def test_ranks_draw_their_own_numbers(page: Page) -> None:
    page.good("import random; random.seed(1)")
    page.good_remote("import random; drawn = random.random()", "--ranks 2")
    assert page.value("len(set(drawn))") == "2"
    page.good("here = random.random()")
    assert page.value("here == random.Random(1).random()") == "True"
