"""What libraries keep for a whole process holds in the next cell, wherever that runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

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
    "filters that a process has from its start": [
        ("R", "warnings.simplefilter('always', FutureWarning)"),
        ("L", "import types; exec('import warnings; warnings.warn(\"old\", DeprecationWarning)',"
              "vars(types.ModuleType('library')))\nprint('quiet')"),
        ("R", "warnings.simplefilter('always', FutureWarning)"), ("L", "print(len(set("
              "each[2] for each in warnings.filters) & {DeprecationWarning, ResourceWarning}))"),
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


LIBRARY = """import warnings
class Slow(UserWarning): pass
warnings.simplefilter("always", Slow)
def grow(): warnings.warn("slow growth", Slow)
"""
IS_IMPORTED = "print('fake_' + 'trees' in __import__('sys').modules)"


def test_a_filter_for_a_library(opened: Callable[..., Page], tmp_path: Path) -> None:
    """It holds where the library is imported, and nobody imports the library for it."""
    (tmp_path / "fake_trees.py").write_text(LIBRARY)
    (tmp_path / "grow.py").write_text("from fake_trees import grow\ngrow()\n")
    page = opened()
    page.good(f"import sys; sys.path.insert(0, {str(tmp_path)!r})")
    page.good("import warnings, fake_trees\nwarnings.simplefilter('ignore', fake_trees.Slow)")
    assert page.good_remote(IS_IMPORTED).stdout == "False\n"
    page.good_remote("import warnings\nwarnings.simplefilter('error', FutureWarning)")
    assert page.good_remote(IS_IMPORTED).stdout == "False\n"
    assert page.good("fake_trees.grow()").stderr == ""
    assert page.good_remote("import grow").stderr == ""
    assert page.good_remote(IS_IMPORTED).stdout == "True\n"
    page.good("warnings.simplefilter('error', fake_trees.Slow)")
    assert page.remote("fake_trees.grow()").error == "Slow"


def test_a_filter_for_a_library_that_only_a_worker_has_imported(
    opened: Callable[..., Page], tmp_path: Path
) -> None:
    (tmp_path / "fake_trees.py").write_text(LIBRARY)
    page = opened()
    page.good(f"import sys; sys.path.insert(0, {str(tmp_path)!r})")
    page.good_remote(
        "import warnings\nimport fake_trees as there\n"
        "warnings.simplefilter('ignore', there.Slow)\ndel there"
    )
    assert page.good(IS_IMPORTED).stdout == "False\n"
    assert page.good("import fake_trees\nfake_trees.grow()").stderr == ""


def test_a_word_imports_nothing(page: Page) -> None:
    """A style waits for its library, which a cell that only names it does not import."""
    page.good("import matplotlib\nmatplotlib.rcParams['font.size'] = 7")
    told = page.good_remote("# matplotlib\nprint('matplot' + 'lib' in __import__('sys').modules)")
    assert told.stdout == "False\n"
    told = page.good_remote("import matplotlib.pyplot as plt\nprint(plt.rcParams['font.size'])")
    assert told.stdout == "7.0\n"
