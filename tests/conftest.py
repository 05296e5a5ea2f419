"""What all tests share: how a missing component is treated, and a place of their own on disk."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

CHROMIUM_PATHS = ("/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome")


def require(what: str, found: object, remedy: str) -> None:
    """Skip the test unless ``what`` was found; where CI is set, fail it."""
    if found:
        return
    message = f"{what} is missing: {remedy}"
    if os.environ.get("CI"):
        pytest.fail(message, pytrace=False)
    pytest.skip(message)


def require_package(name: str) -> None:
    """Require an importable package."""
    require(name, find_spec(name), f"pip install {name}, or `make setup`")


def chromium_path() -> str:
    """Where Chromium is; the test is skipped, or failed in CI, where it isn't."""
    found = next((path for path in CHROMIUM_PATHS if Path(path).exists()), None)
    found = found or shutil.which("chromium")
    require("chromium", found, "apt-get install chromium")
    return found or ""


@pytest.fixture(autouse=True)
def _ray_where_asked(request: pytest.FixtureRequest) -> None:
    if request.node.get_closest_marker("ray"):
        require_package("ray")


@pytest.fixture(scope="session", autouse=True)
def _own_folders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Session files and settings of the tests lie apart from those of whoever runs them."""
    home = tmp_path_factory.mktemp("jupyter")
    folders = {
        "JUPYTER_RUNTIME_DIR": home / "runtime",
        "JUPYTER_CONFIG_DIR": home / "config",
        "JUPYTER_DATA_DIR": home / "data",
        "IPYTHONDIR": home / "ipython",
    }
    before = dict(os.environ)
    for name, folder in folders.items():
        folder.mkdir(mode=0o700)
        os.environ[name] = str(folder)
    # Remote cells are compared with local ones, which move nothing.
    os.environ["FARCELL_RECEIPTS"] = "off"
    # Children find the interpreter's own tools first, such as `jupyter` and `farcell`.
    os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    yield
    os.environ.clear()
    os.environ.update(before)
