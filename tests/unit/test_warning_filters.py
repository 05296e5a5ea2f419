"""Filters of warnings travel without the libraries whose categories they name."""

from __future__ import annotations

import pickle
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from farcell_runtime import warning_filters
from farcell_runtime.warning_filters import Filter

IGNORED: Filter = ("ignore", None, "fake_trees.errors:Slow", None, 0)
QUIET: Filter = ("ignore", None, "builtins:UserWarning", None, 0)
LOUD: Filter = ("error", None, "builtins:FutureWarning", None, 0)
# What the library below sets when it is imported.
ITS_OWN: Filter = ("default", None, "fake_trees.errors:Slow", None, 0)


class OfTheTests(Warning):
    """A category that only this process has."""


OfTheTests.__module__ = "__main__"


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.resetwarnings()
        warning_filters.keep_own()
        yield
    warning_filters.keep_own()
    for name in [name for name in sys.modules if name.startswith("fake_trees")]:
        del sys.modules[name]


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    package = tmp_path / "fake_trees"
    package.mkdir()
    (package / "errors.py").write_text("class Slow(UserWarning): pass\nclass Other(Warning): pass")
    (package / "__init__.py").write_text(
        "import warnings\nfrom fake_trees.errors import Slow\n"
        "warnings.simplefilter('default', Slow)\n"
        "def grow():\n    warnings.warn('slow', Slow, stacklevel=2)\n"
    )
    (package / "later.py").write_text("class Late(Warning): pass")
    monkeypatch.syspath_prepend(str(tmp_path))
    return lambda: __import__("fake_trees").grow()


def test_there_and_back_in_order() -> None:
    told = [QUIET, IGNORED, LOUD]
    warning_filters.write(pickle.loads(pickle.dumps(told)))
    assert warning_filters.read() == told
    assert [each[0] for each in warnings.filters] == ["ignore", "ignore", "error"]
    assert warnings.filters[0][2] is UserWarning


def test_nothing_is_imported(library: Callable[[], None]) -> None:
    warning_filters.write([IGNORED])
    with pytest.warns(UserWarning, match="else"):
        warnings.warn("else", UserWarning, stacklevel=1)
    assert not [name for name in sys.modules if name.startswith("fake_trees")]


def test_it_holds_once_the_library_is_imported(library: Callable[[], None]) -> None:
    warning_filters.write([("error", None, "fake_trees.errors:Slow", None, 0)])
    with pytest.raises(UserWarning, match="slow"):
        library()
    assert warnings.filters[0][2] is sys.modules["fake_trees.errors"].Slow


def test_a_base_class_that_comes_later(library: Callable[[], None]) -> None:
    """A stand-in holds for subclasses too, and before the library's code has run to its end."""
    warning_filters.write([("error", None, "fake_trees:Unknown", None, 0)])
    late = type("Unknown", (Warning,), {"__module__": "fake_trees"})
    with pytest.raises(late):
        warnings.warn("of the base", type("Sub", (late,), {}), stacklevel=1)


@pytest.mark.parametrize("told", [[IGNORED, QUIET, ITS_OWN, LOUD], [QUIET, IGNORED]])
def test_its_import_changes_none(library: Callable[[], None], told: list[Filter]) -> None:
    """What it sets was set where the filters come from, before these or in vain."""
    warning_filters.write(told)
    library()
    assert warning_filters.read() == told
    assert all(isinstance(each[2], type) for each in warnings.filters)


def test_a_part_that_is_imported_later(library: Callable[[], None]) -> None:
    warning_filters.write([("error", None, "fake_trees.later:Late", None, 0), IGNORED])
    library()
    assert "fake_trees.later" not in sys.modules
    __import__("fake_trees.later")
    assert warnings.filters[0][2] is sys.modules["fake_trees.later"].Late


def test_an_import_that_fails_at_first(
    library: Callable[[], None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    warning_filters.write([IGNORED, ITS_OWN])
    monkeypatch.setitem(sys.modules, "fake_trees.errors", None)
    with pytest.raises(ImportError):
        library()
    monkeypatch.delitem(sys.modules, "fake_trees.errors")
    library()
    assert warning_filters.read() == [IGNORED, ITS_OWN]


def test_what_code_sets_meanwhile_is_told() -> None:
    warning_filters.write([IGNORED, QUIET])
    warnings.simplefilter("error", FutureWarning)
    assert warning_filters.read() == [LOUD, IGNORED, QUIET]
    with warnings.catch_warnings():
        warnings.resetwarnings()
        assert warning_filters.read() == []
    assert warning_filters.read() == [LOUD, IGNORED, QUIET]


def test_what_only_this_process_had() -> None:
    warnings.simplefilter("ignore", BytesWarning)
    warnings.simplefilter("ignore", UserWarning)
    warning_filters.keep_own()
    assert warning_filters.read() == []
    warning_filters.write([LOUD, QUIET])
    assert warning_filters.read() == [LOUD, QUIET]  # one of them was its own before
    assert len(warnings.filters) == 3
    warning_filters.write([LOUD])
    assert [each[2] for each in warnings.filters] == [FutureWarning, BytesWarning]


def test_a_category_of_the_notebook_stays() -> None:
    warnings.simplefilter("ignore", UserWarning)
    warnings.simplefilter("ignore", OfTheTests)
    warnings.simplefilter("error", FutureWarning)
    warning_filters.keep_own()
    warning_filters._own.clear()
    assert warning_filters.read() == [LOUD, QUIET]
    warning_filters.write([QUIET, LOUD])
    assert [each[2] for each in warnings.filters] == [OfTheTests, UserWarning, FutureWarning]
    warning_filters.write([])
    assert [each[2] for each in warnings.filters] == [OfTheTests]
