"""A page that is loaded again while a cell runs: the cell goes on, and its output is kept."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.browser.lab import Lab

pytestmark = [pytest.mark.browser, pytest.mark.slow]

LOAD = "%load_ext farcell"
COUNTING = """%%remote
import os, time
for number in range(100_000):
    print('@' + str(number), flush=True)
    time.sleep(0.01)
    if os.path.exists({go!r}):
        break
print('last is', number)"""


def test_a_page_that_is_loaded_again_in_mid_run(lab: Lab, tmp_path: Path) -> None:
    go = tmp_path / "go"
    cells = [LOAD, COUNTING.format(go=str(go)), "%cluster logs last", "print('number', number)"]
    name = lab.server.write("reload.ipynb", cells)
    notebook = lab.open(name)
    notebook.run(0)
    notebook.start(1)
    expect(notebook.output(1).first).to_contain_text("@50")
    lab.page.reload()
    lab.page.wait_for_function("window.jupyterapp?.shell?.currentWidget?.context?.isReady")
    go.touch()
    notebook = lab.open(name)
    lines = notebook.run(2).split()
    numbers = [int(word[1:]) for word in lines if word.startswith("@")]
    assert numbers == list(range(len(numbers)))
    assert numbers[-1] >= 50
    assert notebook.text(2).endswith(f"last is {numbers[-1]}")
    assert notebook.run(3) == f"number {numbers[-1]}"
