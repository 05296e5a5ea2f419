"""The notebooks of this suite, each with a kernel and a cluster of the engine under test.

``FARCELL_ENGINE`` names the engines to run the whole suite on, with commas between them. Without
it that is ``local``, and tests marked ``every_engine`` run on ``ray`` too.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.conformance.page import Page, remote

_CHOSEN = tuple(filter(None, os.environ.get("FARCELL_ENGINE", "").split(",")))
_EVERY = ("local", "ray")

Open = Callable[..., Page]


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "every_engine: runs on every engine, not just on local")
    config.addinivalue_line("markers", "on_engine(name): runs on that engine alone")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "engine" not in metafunc.fixturenames:
        return
    everywhere = metafunc.definition.get_closest_marker("every_engine") is not None
    names = _CHOSEN or (_EVERY if everywhere else ("local",))
    if only := metafunc.definition.get_closest_marker("on_engine"):
        names = tuple(name for name in _CHOSEN or _EVERY if name in only.args)
    params = [pytest.param(n, marks=pytest.mark.ray if n == "ray" else ()) for n in names]
    metafunc.parametrize("engine", params, indirect=True, scope="session")


@pytest.fixture(scope="session")
def engine(request: pytest.FixtureRequest) -> Iterator[str]:
    """The engine's name, with what it needs running."""
    name: str = request.param
    if name == "ray":
        yield from _ray_on_one_machine()
    else:
        yield name


def _ray_on_one_machine() -> Iterator[str]:
    """A Ray of the tests' own, on the loopback, with a token of its own."""
    command = [sys.executable, "-m", "ray.scripts.scripts"]
    folder = tempfile.mkdtemp(prefix="ray-", dir="/tmp")  # Ray's sockets need short paths
    before = dict(os.environ)
    os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=secrets.token_hex(32))
    options = ["--head", "--node-ip-address=127.0.0.1", "--port=0", "--num-cpus=2"]
    options += ["--include-dashboard=false", f"--temp-dir={folder}", "--disable-usage-stats"]
    try:
        started = subprocess.run(
            [*command, "start", *options], capture_output=True, text=True, check=False
        )
        assert started.returncode == 0, started.stdout + started.stderr
        os.environ["RAY_ADDRESS"] = (Path(folder) / "ray_current_cluster").read_text().strip()
        yield "ray"
    finally:
        _end_processes_of(folder)
        os.environ.clear()
        os.environ.update(before)
        shutil.rmtree(folder, ignore_errors=True)


def _end_processes_of(folder: str) -> None:
    """End the Ray whose folder this is; `ray stop` would end every Ray of this machine."""
    pause = threading.Event()
    for number in [signal.SIGTERM] * 100 + [signal.SIGKILL]:
        pids = [int(path.name) for path in Path("/proc").glob("[0-9]*") if _uses(path, folder)]
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        if not pids:
            return
        pause.wait(0.1)


def _uses(process: Path, folder: str) -> bool:
    """Whether a process was started for ``folder``, or has a file open in it, such as its log."""
    try:
        if folder.encode() in (process / "cmdline").read_bytes():
            return True
        return any(os.readlink(each).startswith(folder) for each in (process / "fd").iterdir())
    except OSError:
        return False  # it has ended, or is somebody else's


@pytest.fixture(scope="module")
def opened(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Open]:
    """Opens notebooks in folders of their own; all are closed with the module."""
    pages: list[Page] = []

    def open_(*, load: bool = True, **environment: str) -> Page:
        folder = tmp_path_factory.mktemp("notebook")
        page = Page(folder, {"FARCELL_ENGINE": engine} | environment)
        pages.append(page)
        if load:
            page.load()
        if load and engine == "ray":
            page.run(remote("pass"), store=False)  # to start takes so long that a cell says so
        return page

    yield open_
    for page in pages:
        page.close()


@pytest.fixture(scope="module")
def page(opened: Open) -> Page:
    """The module's notebook, with a cluster."""
    return opened()


@pytest.fixture(scope="module")
def home(opened: Open) -> Page:
    """A notebook without farcell, to compare with."""
    return opened(load=False)
