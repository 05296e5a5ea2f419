"""What libraries keep for a process is set when they are imported, and imports nothing."""

from __future__ import annotations

import os
import pickle
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from farcell_runtime import import_hooks, settings
from farcell_runtime.settings import Setting


def _write(module: ModuleType, value: object) -> None:
    module.option = value  # type: ignore[attr-defined]


@pytest.fixture(autouse=True)
def _library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    (tmp_path / "fake_plots.py").write_text("option = 'default'")
    (tmp_path / "fake_sum.py").write_text("import fake_plots\nseen = fake_plots.option")
    (tmp_path / "fake_values.py").write_text("class Value: pass")
    monkeypatch.syspath_prepend(str(tmp_path))
    setting = Setting("fake_plots", lambda module: module.option, _write)
    monkeypatch.setitem(settings.SETTINGS, "fake_plots", setting)
    yield
    settings._waiting.clear()
    for name in ("fake_plots", "fake_sum", "fake_values"):
        sys.modules.pop(name, None)


def test_set_before_anybody_reads_it() -> None:
    settings.write({"fake_plots": pickle.dumps("mine")})
    assert "fake_plots" not in sys.modules
    assert __import__("fake_sum").seen == "mine"
    assert settings.read(generators=False)["fake_plots"] == "mine"


def test_a_value_that_would_import_a_library() -> None:
    pickled = pickle.dumps(__import__("fake_values").Value())
    del sys.modules["fake_values"]
    settings.write({"fake_plots": pickled})
    assert "fake_values" not in sys.modules
    assert type(__import__("fake_plots").option).__name__ == "Value"


def test_the_latest_is_set() -> None:
    settings.write({"fake_plots": pickle.dumps("first")})
    settings.write({"fake_plots": pickle.dumps("second")})
    assert __import__("fake_plots").option == "second"
    settings.write({"fake_plots": pickle.dumps("third")})
    assert sys.modules["fake_plots"].option == "third"  # type: ignore[attr-defined]


def test_what_can_not_be_rebuilt_here() -> None:
    settings.write({"fake_plots": b"cno_such_module\nThing\n."})
    assert __import__("fake_plots").option == "default"


def test_a_loader_that_can_not_be_observed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(import_hooks, "_observe", lambda name, loader: None)
    settings.write({"fake_plots": pickle.dumps("mine")})
    assert __import__("fake_plots").option == "default"
    assert settings.read(generators=False)["fake_plots"] == "mine"


def test_a_module_looks_as_ever() -> None:
    settings.write({"fake_plots": pickle.dumps("mine")})
    loaded = __import__("fake_plots")
    assert type(loaded.__loader__).__name__ == "SourceFileLoader"
    assert "exec_module" not in vars(loaded.__loader__)
    assert loaded.__spec__.origin == loaded.__file__
    assert os.path.basename(loaded.__file__) == "fake_plots.py"
