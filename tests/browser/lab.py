"""A real JupyterLab of its own, and a real Chromium that looks at it."""

from __future__ import annotations

import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import nbformat
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

START_S = 60.0
PATIENCE_MS = 60_000
CHROMIUM_FLAGS = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
WIDE = (1280, 800)

expect.set_options(timeout=PATIENCE_MS)

SETTINGS: Mapping[str, Mapping[str, object]] = {
    "@jupyterlab/apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    # Every cell is in the page, also those out of sight.
    "@jupyterlab/notebook-extension/tracker": {"windowingMode": "none"},
}


@dataclass(frozen=True)
class Server:
    """A running JupyterLab: ``url`` ends with its base URL, and a slash."""

    url: str
    token: str
    folder: Path
    runtime_folder: Path

    def write(self, name: str, cells: Sequence[str]) -> str:
        """Put a notebook with these cells into the server's folder; its name is given back."""
        notebook = nbformat.v4.new_notebook(
            cells=[nbformat.v4.new_code_cell(source) for source in cells],
            metadata={
                "kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}
            },
        )
        nbformat.write(notebook, self.folder / name)
        return name


@contextmanager
def jupyterlab(
    home: Path, *, base_url: str = "/", settings: Mapping[str, Mapping[str, object]] | None = None
) -> Iterator[Server]:
    """JupyterLab on a free port, with all the folders it uses of its own, below ``home``."""
    folder, runtime = home / "work", home / "runtime"
    environment = {
        **os.environ,
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(runtime),
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "IPYTHONDIR": str(home / "ipython"),
        # Clusters end soon after their kernels do.
        "FARCELL_IDLE_STOP_S": "10",
    }
    folder.mkdir(parents=True)
    runtime.mkdir(mode=0o700)
    for plugin, values in {**SETTINGS, **(settings or {})}.items():
        path = home / "settings" / f"{plugin}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values))
    token = secrets.token_hex(16)
    log = (home / "server.log").open("w")
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
            f"--ServerApp.port={free_port()}",
            f"--ServerApp.root_dir={folder}",
            f"--ServerApp.base_url={base_url}",
            f"--IdentityProvider.token={token}",
            "--LabApp.expose_app_in_browser=True",
            "--LabApp.extension_manager=readonly",
        ],
        env=environment,
        stdout=log,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    try:
        url = _address(process, runtime, home / "server.log")
        yield Server(url, token, folder, runtime)
    finally:
        process.terminate()
        process.wait(timeout=30)
        log.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _address(process: subprocess.Popen[bytes], runtime: Path, log: Path) -> str:
    """The URL that the server says it answers at, once it does."""
    path = runtime / f"jpserver-{process.pid}.json"
    end_s = time.monotonic() + START_S
    while time.monotonic() < end_s:
        assert process.poll() is None, f"JupyterLab did not start:\n{log.read_text()}"
        try:
            url = str(json.loads(path.read_text())["url"])
            with urlopen(f"{url}api"):
                return url
        except (OSError, ValueError):
            time.sleep(0.05)
    raise AssertionError(f"JupyterLab did not answer in {START_S} s:\n{log.read_text()}")


@contextmanager
def chromium(path: str) -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=CHROMIUM_FLAGS)
        yield browser
        browser.close()


class Notebook:
    """One open notebook in a page; ``Lab`` makes it."""

    def __init__(self, page: Page, name: str) -> None:
        self.page = page
        self.name = name

    @property
    def root(self) -> Locator:
        return self.page.locator(".jp-NotebookPanel:has(.jp-Notebook):visible").first

    def cell(self, index: int) -> Locator:
        return self.root.locator(".jp-CodeCell").nth(index)

    def output(self, index: int) -> Locator:
        """What the cell shows below itself."""
        return self.cell(index).locator(".jp-OutputArea-output")

    def start(self, index: int) -> None:
        """Run the code cell of that number, and don't wait for its end."""
        self.page.evaluate(
            """index => {
                const content = window.jupyterapp.shell.currentWidget.content;
                const codes = content.widgets.filter(cell => cell.model.type === 'code');
                content.activeCellIndex = content.widgets.indexOf(codes[index]);
                content.deselectAll();
                window.farcellTest ??= new Map();
                const run = window.jupyterapp.commands.execute('notebook:run-cell');
                window.farcellTest.set(codes[index], run);
            }""",
            index,
        )

    def wait(self, index: int) -> None:
        """Wait for the end of the cell that was started, and until all of its output is drawn."""
        self.page.evaluate(
            """async index => {
                const content = window.jupyterapp.shell.currentWidget.content;
                const cell = content.widgets.filter(cell => cell.model.type === 'code')[index];
                await window.farcellTest.get(cell);
                for (let frame = 0; frame < 2; frame++) {
                    await new Promise(resolve => requestAnimationFrame(resolve));
                }
            }""",
            index,
        )

    def run(self, index: int) -> str:
        """Run the cell to its end: the text of its output."""
        self.start(index)
        self.wait(index)
        return self.text(index)

    def text(self, index: int) -> str:
        return "\n".join(self.output(index).all_inner_texts()).strip()

    def outputs(self, index: int) -> list[dict[str, Any]]:
        """The cell's outputs, as they would be saved."""
        found: list[dict[str, Any]] = self.page.evaluate(
            """index => window.jupyterapp.shell.currentWidget.content.widgets
                .filter(cell => cell.model.type === 'code')[index].model.outputs.toJSON()""",
            index,
        )
        return found

    def execute(self, command: str, args: Mapping[str, object] | None = None) -> None:
        """Start one of JupyterLab's commands, and don't wait for its end."""
        self.page.evaluate(
            "([id, args]) => void window.jupyterapp.commands.execute(id, args)",
            [command, args or {}],
        )


class Lab:
    """A page on a server. ``errors`` are those that its scripts raised."""

    def __init__(self, server: Server, page: Page) -> None:
        self.server = server
        self.page = page
        self.errors: list[str] = []
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def open(self, name: str) -> Notebook:
        """Open the notebook, and wait until its kernel can be used."""
        if self.page.url == "about:blank":
            workspace = secrets.token_hex(4)
            self.page.goto(
                f"{self.server.url}lab/workspaces/{workspace}/tree/{name}?token={self.server.token}"
            )
            self.page.wait_for_function("window.jupyterapp?.shell?.currentWidget?.context")
        else:
            self.page.evaluate(
                "path => void window.jupyterapp.commands.execute('docmanager:open', { path })", name
            )
        self.page.wait_for_function(
            """path => window.jupyterapp.shell.currentWidget?.context?.path === path""", arg=name
        )
        self.page.evaluate(
            """async () => {
                const { context } = window.jupyterapp.shell.currentWidget;
                await context.ready;
                await context.sessionContext.ready;
                await context.sessionContext.session.kernel.info;
            }"""
        )
        return Notebook(self.page, name)

    def show_panel(self) -> Locator:
        """Open the sidebar's farcell panel."""
        self.page.evaluate("() => void window.jupyterapp.commands.execute('farcell:show')")
        panel = self.page.locator("#farcell-panel")
        expect(panel).to_be_visible()
        return panel

    def clear(self) -> None:
        """Close all notebooks, and end their kernels."""
        self.page.evaluate(
            """async () => {
                const { shell, serviceManager } = window.jupyterapp;
                for (const widget of [...shell.widgets('main')]) {
                    await widget.context?.save();
                    widget.dispose();
                }
                await serviceManager.sessions.shutdownAll();
            }"""
        )

    def close(self) -> None:
        self.clear()
        self.page.context.close()
