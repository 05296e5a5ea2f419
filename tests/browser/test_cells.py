"""A ``%%remote`` cell in the page is a cell."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import expect

from tests.browser.lab import Lab

pytestmark = [pytest.mark.browser, pytest.mark.slow]

LOAD = "%load_ext farcell"


def test_streams_and_the_result_are_in_the_page(lab: Lab) -> None:
    cell = "%%remote\nimport sys\nprint('to out')\nprint('to err', file=sys.stderr)\n6 * 7"
    notebook = lab.open(lab.server.write("streams.ipynb", [LOAD, cell]))
    notebook.run(0)
    assert "to out" in notebook.run(1)
    result = notebook.cell(1).locator(".jp-OutputArea-executeResult .jp-OutputArea-output")
    expect(result).to_have_text("42")
    kinds = [(output["output_type"], output.get("name")) for output in notebook.outputs(1)]
    assert kinds == [("stream", "stdout"), ("stream", "stderr"), ("execute_result", None)]


def test_output_comes_while_the_cell_runs(lab: Lab) -> None:
    cell = "%%remote\nprint('first')\nanswer = input('more? ')\nprint('then', answer)"
    notebook = lab.open(lab.server.write("live.ipynb", [LOAD, cell]))
    notebook.run(0)
    notebook.start(1)
    expect(notebook.output(1).first).to_contain_text("first")
    prompt = notebook.cell(1).locator(".jp-Stdin-input")
    expect(prompt).to_be_visible()
    expect(notebook.cell(1).locator(".jp-Stdin-prompt")).to_have_text("more? ")
    prompt.fill("yes")
    prompt.press("Enter")
    notebook.wait(1)
    assert "then yes" in notebook.text(1)


def test_a_progress_bar_is_one_line(lab: Lab) -> None:
    cell = "%%remote\nfor i in range(11):\n    print(f'\\r{10 * i:3d} %', end='', flush=True)"
    notebook = lab.open(lab.server.write("progress.ipynb", [LOAD, cell]))
    notebook.run(0)
    notebook.run(1)
    expect(notebook.output(1)).to_have_count(1)
    assert notebook.text(1).strip() == "100 %"


def test_an_error_shows_the_line_of_the_cell(lab: Lab) -> None:
    cell = "%%remote\ndef half(x):\n    return x / 0\n\nhalf(4)"
    notebook = lab.open(lab.server.write("error.ipynb", [LOAD, cell, "print('not reached')"]))
    notebook.run(0)
    text = notebook.run(1)
    assert "ZeroDivisionError" in text
    assert re.search(r"-+>\s*3\s+return x / 0", text)
    assert "farcell" not in text
    assert notebook.outputs(1)[-1]["output_type"] == "error"


def test_a_picture_is_in_the_page(lab: Lab) -> None:
    cell = "%%remote\nimport matplotlib.pyplot as plt\n_ = plt.plot([1, 3, 2])"
    notebook = lab.open(lab.server.write("picture.ipynb", [LOAD, cell]))
    notebook.run(0)
    notebook.run(1)
    expect(notebook.output(1).locator("img")).to_be_visible()


@pytest.mark.parametrize(
    "work",
    [
        "import time\ntime.sleep(600)",
        "while True:\n    pass",
        "import asyncio\nawait asyncio.sleep(600)",
    ],
    ids=["sleep", "loop", "await"],
)
def test_the_stop_button_ends_a_cell(lab: Lab, work: str) -> None:
    cells = [LOAD, f"%%remote\nkept = 5\nprint('started')\n{work}", "%%remote\nprint(kept)"]
    notebook = lab.open(lab.server.write("stop.ipynb", cells))
    notebook.run(0)
    notebook.start(1)
    expect(notebook.output(1).first).to_contain_text("started")
    notebook.root.locator("[data-jp-item-name='interrupt']").get_by_role("button").click()
    notebook.wait(1)
    assert "KeyboardInterrupt" in notebook.text(1)
    assert notebook.run(2) == "5", "the names are kept"
