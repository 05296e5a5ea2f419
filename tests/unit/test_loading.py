"""Imports of the project's modules, and which files are the project's."""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy
import pytest

from farcell_runtime import project
from farcell_runtime.loading import ProjectFinder, is_outdated

OLD_S = 1_000_000_000


@pytest.fixture
def loaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[str, bytes]]]:
    """What is told while the folder of the test is on the path."""
    found: list[tuple[str, bytes]] = []
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    finder = ProjectFinder(lambda module, path, source: found.append((module, source)))
    finder.install()
    before = set(sys.modules)
    yield found
    finder.uninstall()
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_it_tells_what_a_module_was_made_from(
    loaded: list[tuple[str, bytes]], tmp_path: Path
) -> None:
    (tmp_path / "pkg_l").mkdir()
    (tmp_path / "pkg_l/__init__.py").write_text("from . import part")
    (tmp_path / "pkg_l/part.py").write_text("import json, colorsys")
    importlib.import_module("pkg_l")
    assert loaded == [
        ("pkg_l", b"from . import part"),
        ("pkg_l.part", b"import json, colorsys"),
    ]


def test_two_saves_within_a_second_are_not_mixed_up(
    loaded: list[tuple[str, bytes]], tmp_path: Path
) -> None:
    path = tmp_path / "twice_l.py"
    path.write_text("A = 1")
    os.utime(path, (OLD_S, OLD_S))
    assert importlib.import_module("twice_l").A == 1
    assert list(tmp_path.glob("__pycache__/twice_l*"))
    path.write_text("A = 2")
    os.utime(path, (OLD_S, OLD_S))
    del sys.modules["twice_l"]
    cached = next(tmp_path.glob("__pycache__/twice_l*"))
    os.utime(cached, (OLD_S + 1, OLD_S + 1))
    assert importlib.import_module("twice_l").A == 2


def test_an_old_module_is_loaded_from_its_cache(
    loaded: list[tuple[str, bytes]], tmp_path: Path
) -> None:
    path = tmp_path / "old_l.py"
    path.write_text("A = 1")
    os.utime(path, (OLD_S, OLD_S))
    importlib.import_module("old_l")
    del sys.modules["old_l"]
    importlib.import_module("old_l")
    assert loaded == [("old_l", b"A = 1")] * 2


def test_what_is_installed_is_not_the_projects() -> None:
    assert not project.is_source("json", json.__file__)
    assert not project.is_source("numpy", numpy.__file__)
    assert not project.is_source("farcell_runtime.project", project.__file__)
    assert not project.is_source("built_in", None)


def test_roots_are_what_a_person_edits(tmp_path: Path) -> None:
    folders = ["", str(tmp_path / "lib"), str(tmp_path / "none"), "/", *sys.path]
    (tmp_path / "lib").mkdir()
    roots = project.roots(folders, str(tmp_path))
    assert roots[:2] == (str(tmp_path), str(tmp_path / "lib"))
    assert not any("site-packages" in root or root == "/" for root in roots)


def test_a_link_out_of_a_root_is_not_within_it(tmp_path: Path) -> None:
    root, other = tmp_path / "root", tmp_path / "root2"
    root.mkdir()
    other.mkdir()
    (other / "secret").touch()
    (root / "link").symlink_to(other / "secret")
    (root / "own").touch()
    roots = (str(root),)
    assert project.is_within(str(root / "own"), roots)
    for path in ("link", "../root2/secret", "../root2", "."):
        assert not project.is_within(str(root / path), roots)


def test_a_module_that_was_edited_since_it_was_made(
    loaded: list[tuple[str, bytes]], tmp_path: Path
) -> None:
    path = tmp_path / "edited_l.py"
    path.write_text("A = 1")
    os.utime(path, (OLD_S, OLD_S))
    importlib.import_module("edited_l")
    assert not is_outdated("edited_l")
    path.write_text("A = 2")
    assert is_outdated("edited_l")
    assert not is_outdated("json")
    assert not is_outdated("no_such_module")
