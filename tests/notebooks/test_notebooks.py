"""The repository's own notebooks run from top to bottom, and show what they say they show."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))


def executed(path: Path) -> dict[str, list[dict[str, Any]]]:
    """The outputs of each code cell, by the cell's id."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=120,
        coalesce_streams=True,
        resources={"metadata": {"path": str(path.parent)}},
    )
    client.execute()
    return {cell["id"]: cell["outputs"] for cell in notebook.cells if cell["cell_type"] == "code"}


def printed(outputs: list[dict[str, Any]]) -> str:
    return "".join(o["text"] for o in outputs if o["output_type"] == "stream")


def shows(outputs: list[dict[str, Any]], kind: str) -> list[str]:
    return [o["data"][kind] for o in outputs if kind in o.get("data", {})]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_is_stored_bare(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell["cell_type"] == "code"]
    assert not [cell["id"] for cell in code if cell["outputs"] or cell["execution_count"]]
    # Ids that say what a cell is for survive edits; generated ones would differ at each save.
    assert not [cell["id"] for cell in notebook.cells if not re.fullmatch(r"[a-z-]+", cell["id"])]


@pytest.mark.slow
def test_the_quickstart_does_what_it_says() -> None:
    cells = executed(FOLDER / "quickstart.ipynb")

    assert "farcell" in printed(cells["status"])
    assert shows(cells["load"], "image/png")

    worker = re.search(r"in process (\d+)", printed(cells["featurise"]))
    home = re.search(r"the notebook is process (\d+)", printed(cells["back"]))
    assert worker
    assert home
    assert worker[1] != home[1]
    assert "1797 of 1797 pictures" in printed(cells["featurise"])
    assert shows(cells["featurise"], "text/plain") == ["(1797, 72)"]
    assert shows(cells["back"], "text/plain")[0].startswith("array([[28.07")

    (table,) = shows(cells["train"], "text/html")
    assert "strokes" in table
    assert shows(cells["plot"], "image/png")
    assert re.search(r"\d+ of 1697 are read wrongly", printed(cells["names-local"]))
    assert shows(cells["names-remote"], "text/plain")[0].startswith("array([")

    assert "rank 0 tried [0.01, 0.1, 1.0, 10.0]" in printed(cells["ranks"])
    assert "rank 1 tried [0.03, 0.3, 3.0, 30.0]" in printed(cells["ranks"])
    assert "Ranks of 2" in printed(cells["ranks-back"])
    assert shows(cells["ranks-back"], "image/png")

    broken = cells["break"][-1]
    assert broken["ename"] == "ValueError"
    traceback = "\n".join(broken["traceback"])
    assert "strokes(flat)" in re.sub(r"\x1b\[[0-9;]*m", "", traceback)
    assert "farcell" not in traceback
    assert "(64,)" in printed(cells["after-break"])

    assert cells["stop"][-1]["ename"] == "RunTimeout"
    assert "it got through many rounds; features: (1797, 72)" in printed(cells["after-stop"])

    assert "The first five say" in shows(cells["more"], "text/markdown")[0]
    assert "from a shell on the worker" in printed(cells["more"])
    assert "gang ranks=2" in printed(cells["status-again"])
