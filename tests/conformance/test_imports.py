"""Modules that only the notebook has: workers import them from there."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conformance.conftest import Open
from tests.conformance.page import Page

# Finds what lies in a folder that only the notebook knows, as editable installs do.
FINDER = """
import sys
from importlib.machinery import PathFinder
class Elsewhere:
    @staticmethod
    def find_spec(name, path=None, target=None):
        return PathFinder.find_spec(name, path or [{folder!r}], target)
sys.meta_path.append(Elsewhere)
"""

FILES = {
    "toolbox/__init__.py": "from .inner import double\nfrom . import sub\nNAME = __name__\n",
    "toolbox/inner.py": "def double(x):\n    return 2 * x\n\ndef fail():\n    raise OSError(1)\n",
    "toolbox/sub/__init__.py": "from ..inner import double as twice\n",
    "toolbox/data/words.txt": "one\ntwo\n",
    "spaces/part.py": "HERE = 'in a namespace'\n",
    "single.py": "class Thing:\n    def word(self):\n        return 'one'\n",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("elsewhere")
    for name, text in FILES.items():
        path = found / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return found


@pytest.fixture(scope="module")
def page(opened: Open, folder: Path) -> Page:
    page = opened()
    page.good(FINDER.format(folder=str(folder)))
    page.good("import toolbox, single, spaces.part\ndel toolbox, single, spaces")
    return page


@pytest.mark.every_engine
def test_a_package_comes_with_its_parts(page: Page) -> None:
    cell = page.good_remote("import toolbox\nprint(toolbox.double(2), toolbox.sub.twice(3))")
    assert cell.stdout == "4 6\n"


def test_only_what_is_imported_comes(page: Page) -> None:
    page.good_remote("import toolbox.inner, sys\nloaded = 'spaces' in sys.modules")
    assert page.value("loaded") == "False"


def test_a_namespace_package(page: Page) -> None:
    assert page.good_remote("import spaces.part\nprint(spaces.part.HERE)").stdout == (
        "in a namespace\n"
    )


def test_its_source_is_known(page: Page) -> None:
    cell = page.good_remote(
        "import inspect, toolbox.inner\nprint(inspect.getsource(toolbox.inner.double))"
    )
    assert "return 2 * x" in cell.stdout
    failed = page.remote("toolbox.inner.fail()")
    assert failed.error == "OSError"
    assert "raise OSError(1)" in failed.traceback


def test_the_files_of_a_package(page: Page) -> None:
    cell = page.good_remote(
        "from importlib.resources import as_file, files\nimport toolbox\n"
        "data = files('toolbox') / 'data'\n"
        "print((data / 'words.txt').read_text().split(), [each.name for each in data.iterdir()])\n"
        "print(data.is_dir(), (data / 'words.txt').is_file(), (data / 'none').is_file())\n"
        "with as_file(data / 'words.txt') as path: print(path.read_text().split())\n"
        "import pkgutil\nprint(pkgutil.get_data('toolbox', 'data/words.txt'))"
    )
    assert cell.stdout.splitlines() == [
        "['one', 'two'] ['words.txt']",
        "True True False",
        "['one', 'two']",
        r"b'one\ntwo\n'",
    ]


@pytest.mark.parametrize("path", ["../single.py", "/etc/hostname", "link"])
def test_nothing_outside_of_a_package_is_read(page: Page, folder: Path, path: str) -> None:
    link = folder / "toolbox/link"
    if not link.is_symlink():
        link.symlink_to("/etc/hostname")
    cell = page.remote(
        f"import importlib.resources as r\n(r.files('toolbox') / {path!r}).read_text()"
    )
    assert cell.error == "FileNotFoundError"
    assert "outside" in cell.message


def test_what_is_not_the_projects_is_not_sent(page: Page, tmp_path: Path) -> None:
    (tmp_path / "stranger.py").write_text("A = 1")
    page.good(FINDER.format(folder=str(tmp_path)))
    cell = page.remote("import stranger")
    assert cell.error == "ModuleNotFoundError"
    assert "outside of the project" in cell.traceback


def test_an_import_error_says_where_was_looked(page: Page) -> None:
    cell = page.remote("import no_such_module_anywhere")
    assert cell.error == "ModuleNotFoundError"
    assert cell.message == "No module named 'no_such_module_anywhere'"
    for side in ("on the worker: looked for in ", "in the notebook: looked for in "):
        told = next(line for line in cell.traceback.splitlines() if line.startswith(side))
        assert str(page.folder) in told


def test_asking_whether_there_is_one_raises_nothing(page: Page) -> None:
    code = "import importlib.util\nprint(importlib.util.find_spec('no_such_module'))"
    assert page.good_remote(code).stdout == "None\n"


def test_it_is_reloaded_like_any_other(page: Page, folder: Path) -> None:
    page.good_remote("import single\nthing = single.Thing()\nassert thing.word() == 'one'")
    (folder / "single.py").write_text(FILES["single.py"].replace("one", "two"))
    assert page.good_remote("print(thing.word())").stdout == "two\n"
    fresh = "import inspect, single\nprint(single.Thing().word(), inspect.getsource(single.Thing))"
    cell = page.good_remote(fresh, "--on later")
    assert cell.stdout.startswith("two")
    assert "return 'two'" in cell.stdout


def test_what_the_notebook_imports_later_is_found_then(page: Page, folder: Path) -> None:
    assert page.remote("import afterwards").error == "ModuleNotFoundError"
    (folder / "afterwards.py").write_text("A = 5")
    assert page.good_remote("import afterwards\nprint(afterwards.A)").stdout == "5\n"


def test_a_traceback_of_a_failing_import_shows_no_line_of_farcells(
    page: Page, folder: Path
) -> None:
    (folder / "failing.py").write_text("def f():\n    return 1 / 0\n\nf()\n")
    (page.folder / "failing_too.py").write_text("import failing\n")
    cell = page.remote("import failing_too")
    assert cell.error == "ZeroDivisionError"
    assert "return 1 / 0" in cell.traceback
    assert "farcell_runtime" not in cell.traceback
    assert "importlib" not in cell.traceback


def test_an_edit_may_import_what_only_the_notebook_has(page: Page, folder: Path) -> None:
    (folder / "growing.py").write_text("def word():\n    return 'one'\n")
    page.good_remote("import growing\nassert growing.word() == 'one'")
    (folder / "grown.py").write_text("WORD = 'two'\n")
    (folder / "growing.py").write_text("import grown\n\ndef word():\n    return grown.WORD\n")
    cell = page.good_remote("print(growing.word())")
    assert cell.stdout == "two\n", cell.describe()
    (folder / "grown.py").write_text("WORD = 'three'\n")
    assert page.good_remote("print(growing.word())").stdout == "three\n"
