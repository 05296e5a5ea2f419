"""The sidebar panel, as a person meets it."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, expect

from tests.browser.lab import Lab, jupyterlab
from tests.conftest import require

pytestmark = [pytest.mark.browser, pytest.mark.slow]

LOAD = "%load_ext farcell"
PID = "%%remote\nimport os\nprint('worker', os.getpid())"


@pytest.fixture(scope="module", autouse=True)
def _panel_is_installed() -> None:
    installed = Path(sys.prefix, "share/jupyter/labextensions/farcell/package.json")
    require("farcell's panel", installed.exists(), "install Node 20, and then farcell again")


def gang(panel: Locator, name: str) -> Locator:
    return panel.get_by_role("group", name=f"Gang {name}", exact=True)


def answer(lab: Lab, button: str) -> None:
    """Press a button of the dialog that is open."""
    lab.page.locator(".jp-Dialog").get_by_role("button", name=button, exact=True).click()


def test_it_says_how_to_start(lab: Lab) -> None:
    lab.open(lab.server.write("bare.ipynb", ["1 + 1"]))
    panel = lab.show_panel()
    expect(panel).to_contain_text("bare.ipynb has no cluster")
    expect(panel).to_contain_text("%load_ext farcell")
    expect(lab.page.locator(".farcell-Status")).to_be_hidden()


def worker(text: str) -> str:
    """The process id in what the cell ``PID`` printed."""
    found = re.search(r"worker (\d+)", text)
    assert found, text
    return found[1]


def test_it_shows_the_cluster_and_its_runs(lab: Lab) -> None:
    notebook = lab.open(lab.server.write("shown.ipynb", [LOAD, PID, "%%remote\n1 / 0"]))
    panel = lab.show_panel()
    notebook.run(0)
    pid = worker(notebook.run(1))
    ranks = gang(panel, "default").get_by_role("row")
    expect(ranks).to_have_count(2)  # the heading is one
    expect(ranks.nth(1)).to_contain_text(pid)
    expect(panel.get_by_role("listitem").first).to_contain_text("import os")
    expect(panel.get_by_role("meter", name="Memory").first).to_be_visible()
    notebook.run(2)
    expect(panel.get_by_role("listitem").first).to_contain_text("failed")
    expect(lab.page.locator(".farcell-Status")).to_have_text("farcell: 1 worker · idle")


def test_it_follows_the_active_notebook(lab: Lab) -> None:
    first = lab.server.write("first.ipynb", [LOAD, PID])
    second = lab.server.write("second.ipynb", ["1 + 1"])
    notebook = lab.open(first)
    panel = lab.show_panel()
    notebook.run(0)
    notebook.run(1)
    expect(gang(panel, "default")).to_be_visible()
    lab.open(second)
    expect(panel).to_contain_text("second.ipynb has no cluster")
    lab.open(first)
    expect(gang(panel, "default")).to_be_visible()
    expect(panel.get_by_role("listitem").first).to_contain_text("import os")


def test_it_interrupts_a_run(lab: Lab) -> None:
    sleeping = "%%remote\nimport time\nprint('asleep')\ntime.sleep(600)"
    notebook = lab.open(lab.server.write("interrupted.ipynb", [LOAD, sleeping]))
    panel = lab.show_panel()
    notebook.run(0)
    notebook.start(1)
    expect(notebook.output(1).first).to_contain_text("asleep")
    expect(lab.page.locator(".farcell-Status")).to_contain_text("running")
    panel.get_by_role("button", name="Interrupt").click()
    notebook.wait(1)
    assert "KeyboardInterrupt" in notebook.text(1)
    expect(panel.get_by_role("listitem").first).to_contain_text("interrupted")


def test_it_restarts_a_gang_when_told_twice(lab: Lab) -> None:
    notebook = lab.open(lab.server.write("restarted.ipynb", [LOAD, PID, PID]))
    panel = lab.show_panel()
    notebook.run(0)
    before = worker(notebook.run(1))
    restart = panel.get_by_role("button", name="Restart gang default")
    restart.click()
    expect(lab.page.locator(".jp-Dialog")).to_contain_text("names that live only on 1 worker")
    answer(lab, "Cancel")
    assert worker(notebook.run(2)) == before
    restart.click()
    answer(lab, "Restart")
    row = gang(panel, "default").get_by_role("row").nth(1)
    expect(row).not_to_contain_text(before)
    assert worker(notebook.run(2)) != before


def test_it_stops_the_cluster_when_told_twice(lab: Lab) -> None:
    notebook = lab.open(lab.server.write("stopped.ipynb", [LOAD, PID]))
    panel = lab.show_panel()
    notebook.run(0)
    notebook.run(1)
    panel.get_by_role("button", name="Stop the cluster").click()
    answer(lab, "Stop")
    expect(panel).to_contain_text("%load_ext farcell")
    expect(lab.page.locator(".farcell-Status")).to_be_hidden()


def test_it_stays_through_a_restart_of_the_kernel(lab: Lab) -> None:
    notebook = lab.open(lab.server.write("kernel.ipynb", [LOAD, PID]))
    panel = lab.show_panel()
    notebook.run(0)
    before = worker(notebook.run(1))
    lab.page.evaluate(
        "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()"
    )
    lab.open("kernel.ipynb")
    expect(gang(panel, "default")).to_contain_text(before)
    notebook.run(0)
    assert worker(notebook.run(1)) == before, "the worker that the first kernel used"


def test_it_can_be_used_without_a_mouse(lab: Lab) -> None:
    notebook = lab.open(lab.server.write("keys.ipynb", [LOAD, PID]))
    panel = lab.show_panel()
    notebook.run(0)
    notebook.run(1)
    panel.get_by_role("button", name="Restart the cluster").focus()
    lab.page.keyboard.press("Tab")
    expect(panel.get_by_role("button", name="Stop the cluster")).to_be_focused()
    lab.page.keyboard.press("Enter")
    expect(lab.page.locator(".jp-Dialog")).to_contain_text("Stop the cluster?")
    lab.page.keyboard.press("Escape")
    expect(lab.page.locator(".jp-Dialog")).to_be_hidden()
    expect(gang(panel, "default")).to_be_visible()


def test_it_works_behind_a_base_url(browser: Browser, tmp_path: Path) -> None:
    with jupyterlab(tmp_path, base_url="/hub/x/") as server:
        assert server.url.endswith("/hub/x/")
        lab = Lab(server, browser.new_page())
        notebook = lab.open(server.write("behind.ipynb", [LOAD, PID]))
        panel = lab.show_panel()
        notebook.run(0)
        notebook.run(1)
        expect(gang(panel, "default")).to_be_visible()
        lab.close()
