"""Takes the README's screenshots: ``python -m tests.browser.images``, or ``make images``.

The quickstart notebook is run in a real JupyterLab, with the panel beside it.
"""

from __future__ import annotations

import io
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import nbformat
from PIL import Image
from playwright.sync_api import Locator

from tests.browser.lab import Lab, Notebook, chromium, jupyterlab
from tests.conftest import CHROMIUM_PATHS

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOK = ROOT / "notebooks" / "quickstart.ipynb"
IMAGES = ROOT / "docs" / "images"
LIGHT, DARK = "JupyterLab Light", "JupyterLab Dark"
COLOURS = 256


@dataclass(frozen=True)
class Shot:
    """A picture of the page.

    ``top`` is what the first code line of the cell at its upper edge contains. ``panel`` says that
    only the panel is taken.
    """

    name: str
    top: str
    size: tuple[int, int] = (1280, 800)
    theme: str = LIGHT
    panel: bool = False


SHOTS = [
    Shot("notebook", top="features = []"),
    Shot("notebook-dark", top="features = []", theme=DARK),
    Shot("figures", top="ConfusionMatrixDisplay", size=(1280, 900)),
    Shot("error", top="flat = images[0]", size=(1100, 560)),
    Shot("panel", top="features = []", panel=True),
    Shot("panel-dark", top="features = []", theme=DARK, panel=True),
    Shot("narrow", top="features = []", size=(760, 800)),
]


def main(names: Sequence[str]) -> None:
    """Take the shots of these names, or all."""
    shots = [shot for shot in SHOTS if not names or shot.name in names]
    chromium_path = next(path for path in CHROMIUM_PATHS if Path(path).exists())
    with (
        tempfile.TemporaryDirectory() as home,
        jupyterlab(Path(home)) as server,
        chromium(chromium_path) as browser,
    ):
        shutil.copy(NOTEBOOK, server.folder)
        code = [cell for cell in nbformat.read(NOTEBOOK, 4).cells if cell.cell_type == "code"]
        meant_to_fail = {
            index
            for index, cell in enumerate(code)
            if "raises-exception" in cell.metadata.get("tags", [])
        }
        lab = Lab(server, browser.new_page(viewport={"width": 1280, "height": 800}))
        notebook = lab.open(NOTEBOOK.name)
        panel = lab.show_panel()
        cells = [cell.source for cell in code]
        for index, source in enumerate(cells):
            if not source.startswith("%cluster stop"):
                text = notebook.run(index)
                failed = any(out["output_type"] == "error" for out in notebook.outputs(index))
                assert failed == (index in meant_to_fail), f"cell {index}:\n{source}\n\n{text}"
        IMAGES.mkdir(parents=True, exist_ok=True)
        for shot in shots:
            take(shot, lab, notebook, panel, cells)
        notebook.run(len(cells) - 1)
        lab.close()


def take(shot: Shot, lab: Lab, notebook: Notebook, panel: Locator, cells: Sequence[str]) -> None:
    width, height = shot.size
    lab.page.set_viewport_size({"width": width, "height": height})
    notebook.execute("apputils:change-theme", {"theme": shot.theme})
    lab.page.wait_for_function(
        "theme => document.body.dataset.jpThemeName === theme", arg=shot.theme
    )
    index = next(i for i, source in enumerate(cells) if shot.top in source)
    notebook.cell(index).evaluate("cell => cell.scrollIntoView({ block: 'start' })")
    lab.page.wait_for_timeout(700)  # fonts, themes and scroll bars settle without an event
    data = panel_picture(lab, panel) if shot.panel else lab.page.screenshot()
    image = Image.open(io.BytesIO(data)).convert("RGB")
    path = IMAGES / f"{shot.name}.png"
    image.quantize(COLOURS, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"{path.relative_to(ROOT)}: {path.stat().st_size // 1000} kB")


def panel_picture(lab: Lab, panel: Locator) -> bytes:
    """The panel as far down as it holds something."""
    box = panel.bounding_box()
    last = panel.locator("section").last.bounding_box()
    assert box, "the panel is shown"
    assert last, "the cluster runs"
    height = last["y"] + last["height"] - box["y"]
    return lab.page.screenshot(clip={**box, "height": min(height, box["height"])})


if __name__ == "__main__":
    main(sys.argv[1:])
