"""ipywidgets of a ``%%remote`` cell in the page: what a person does to them reaches the worker."""

from __future__ import annotations

import pytest
from playwright.sync_api import expect

from tests.browser.lab import Lab
from tests.conftest import require_package

pytestmark = [pytest.mark.browser, pytest.mark.slow]

LOAD = "%load_ext farcell"
SLIDER = """%%remote
import ipywidgets as w
slider, label = w.IntSlider(value=3), w.Label('nothing yet')
def moved(change):
    label.value = f'{change.new} on a worker'
    print('moved to', change.new)
slider.observe(moved, 'value')
w.VBox([slider, label])"""
INTERACT = """%%remote
import ipywidgets as w
def times(x):
    print('twice', x, 'is', 2 * x)
shown = w.interact(times, x=3)"""
WAITS = """%%remote
import asyncio, ipywidgets as w
from IPython.display import display
button, pressed = w.Button(description='Go on'), asyncio.Event()
button.on_click(lambda _: pressed.set())
display(button)
await pressed.wait()
print('went on')"""


@pytest.fixture(scope="module", autouse=True)
def _ipywidgets() -> None:
    require_package("ipywidgets")


def test_a_label_follows_a_slider(lab: Lab) -> None:
    notebook = lab.open(lab.server.write("slider.ipynb", [LOAD, SLIDER, "%%remote\nslider.value"]))
    notebook.run(0)
    notebook.run(1)
    cell = notebook.cell(1)
    expect(cell.locator(".widget-label").last).to_have_text("nothing yet")
    handle = cell.locator(".noUi-handle")
    handle.press("ArrowRight")
    expect(cell.locator(".widget-label").last).to_have_text("4 on a worker")
    handle.press("ArrowRight")
    expect(cell.locator(".widget-label").last).to_have_text("5 on a worker")
    expect(cell).to_contain_text("moved to 5")
    assert notebook.run(2) == "5"


def test_interact_shows_its_output_within_itself(lab: Lab) -> None:
    notebook = lab.open(lab.server.write("interact.ipynb", [LOAD, INTERACT]))
    notebook.run(0)
    notebook.run(1)
    output = notebook.cell(1).locator(".widget-interact .jp-OutputArea-output")
    expect(output).to_have_text("twice 3 is 6\n")
    for x in (4, 5, 6):
        notebook.cell(1).locator(".noUi-handle").press("ArrowRight")
        expect(output).to_have_text(f"twice {x} is {2 * x}\n")
    assert len(notebook.outputs(1)) == 1


def test_a_button_lets_a_cell_go_on(lab: Lab) -> None:
    notebook = lab.open(lab.server.write("button.ipynb", [LOAD, WAITS]))
    notebook.run(0)
    notebook.start(1)
    notebook.cell(1).get_by_role("button", name="Go on").click()
    notebook.wait(1)
    assert "went on" in notebook.text(1)
