"""ipywidgets made in remote cells work: their models are in the page, and both ways are open."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from jupyter_client.manager import AsyncKernelManager

from tests.conformance.front_end import FrontEnd
from tests.conformance.page import plain, remote
from tests.conftest import require_package
from tests.notebooks.patient_client import PatientClient

_ID = re.compile(r"[0-9a-f]{32}")


@pytest.fixture(scope="module", autouse=True)
def _ipywidgets() -> None:
    require_package("ipywidgets")


@pytest.fixture(scope="module")
def front(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FrontEnd]:
    front = FrontEnd(tmp_path_factory.mktemp("notebook"), {"FARCELL_ENGINE": engine})
    front.load()
    front.good_remote("import ipywidgets as w\nfrom IPython.display import display")
    yield front
    front.close()


@pytest.fixture(scope="module")
def at_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FrontEnd]:
    front = FrontEnd(tmp_path_factory.mktemp("home"))
    front.good("import ipywidgets as w\nfrom IPython.display import display")
    yield front
    front.close()


def _numbered(value: Any, comm_ids: list[str]) -> Any:
    """``value`` with comm ids as their places in ``comm_ids``."""
    known = {comm_id: f"<{place}>" for place, comm_id in enumerate(comm_ids)}
    if isinstance(value, dict):
        return {key: _numbered(part, comm_ids) for key, part in value.items()}
    if isinstance(value, list):
        return [_numbered(part, comm_ids) for part in value]
    return _ID.sub(lambda found: known[found[0]], value) if isinstance(value, str) else value


@pytest.mark.parametrize(
    "code",
    [
        "w.IntSlider(value=3, description='x')",
        "w.Button(description='Go')",
        "w.HBox([w.Text('a'), w.Dropdown(options=['p', 'q']), w.FloatLogSlider()])",
        "w.Image(value=bytes(range(256)))",
        "w.FloatText(value=float('inf'))",
        "a, b = w.IntText(), w.IntText()\nw.jslink((a, 'value'), (b, 'value'))",
        "from comm import create_comm\nc = create_comm(target_name='mine', data={'a': 1})\n"
        "c.send({'b': 2}, metadata={'c': 3}, buffers=[b'four'])",
    ],
    ids=["slider", "button", "box", "image", "infinity", "link", "comm"],
)
def test_models_are_opened_as_at_home(front: FrontEnd, at_home: FrontEnd, code: str) -> None:
    there, here = front.new_models(remote(code)), at_home.new_models(code)
    assert len(there) == len(here) > 0
    for mine, local in zip(there, here, strict=True):
        got, wanted = front.models[mine], at_home.models[local]
        assert got.target == wanted.target
        assert _numbered(got.state, there) == _numbered(wanted.state, here)
        assert got.metadata == wanted.metadata
        assert got.buffers == wanted.buffers
        assert got.said == wanted.said
    shown = [_numbered(each, there) for each in list(front.cells.values())[-1].bundles]
    assert shown == [_numbered(each, here) for each in list(at_home.cells.values())[-1].bundles]


def test_a_slider_moves(front: FrontEnd) -> None:
    cell = front.good_remote(
        "slider = w.IntSlider()\nmoves = []\n"
        "def moved(change):\n    global latest\n    latest = change.new\n"
        "    moves.append(change.new)\n    print('moved to', change.new)\n"
        "slider.observe(moved, 'value')\nslider"
    )
    slider = front.model("IntSliderModel")
    front.set(slider, value=7)
    front.set(slider, value=8)
    front.until_shown(cell, "moved to 8")
    assert cell.stdout == "moved to 7\nmoved to 8\n", "its handlers print into its cell"
    # What the handlers have changed is what both sides see.
    assert front.value("latest, moves") == "(8, [7, 8])"
    assert front.good_remote("slider.value, latest, moves").result == "(8, 8, [7, 8])"
    front.set(slider, value=9)
    assert front.value("latest, moves") == "(9, [7, 8, 9])"
    front.good_remote("slider.value = 20")
    front.until_said(slider, lambda model: model.state["value"] == 20)


def test_a_slider_moves_from_a_local_cell_on(front: FrontEnd) -> None:
    """Names that a handler and the notebook change in turn stay one."""
    front.good("tally = []")
    front.good_remote(
        "counting = w.IntSlider()\n"
        "counting.observe(lambda change: tally.append(change.new), 'value')\ncounting"
    )
    slider = front.model("IntSliderModel")
    front.set(slider, value=1)
    front.good("tally.append('here')")
    assert front.good_remote("tally").result == "[1, 'here']"
    front.set(slider, value=2)
    assert front.value("tally") == "[1, 'here', 2]"


def test_a_button_is_pressed(front: FrontEnd) -> None:
    cell = front.good_remote(
        "button = w.Button(description='Go')\npresses = []\n"
        "@button.on_click\ndef pressed(button):\n    presses.append(1)\n"
        "    button.description = f'pressed {len(presses)}'\n    display(len(presses))\nbutton"
    )
    button = front.model("ButtonModel")
    front.click(button)
    front.click(button)
    front.until_said(button, lambda model: model.state["description"] == "pressed 2")
    front.until(lambda: [each["text/plain"] for each in cell.bundles][1:] == ["1", "2"])


def test_bytes_go_both_ways(front: FrontEnd) -> None:
    image = front.new_models(remote("image = w.Image(value=b'first')\nimage"))[-1]
    sent = bytes(range(256)) * 100
    data = {"method": "update", "state": {}, "buffer_paths": [["value"]]}
    front.tell(image, data, [sent])
    assert front.good_remote("image.value == bytes(range(256)) * 100").result == "True"


def test_a_comm_of_ones_own(front: FrontEnd) -> None:
    (comm_id,) = front.new_models(
        remote(
            "from comm import create_comm\nown = create_comm(target_name='mine')\n"
            "own.on_msg(lambda message: own.send({'got': message['content']['data']},\n"
            "    buffers=[bytes(each)[::-1] for each in message['buffers']]))\n"
            "own.on_close(lambda message: print('closed:', message['content']['data']))"
        )
    )
    cell = list(front.cells.values())[-1]
    front.tell(comm_id, {"x": [1, None]}, [b"abc"])
    front.until_said(comm_id, lambda model: {"got": {"x": [1, None]}} in model.said)
    front.tell(comm_id, {"why": "done"}, kind="comm_close")
    front.until_shown(cell, "closed: {'why': 'done'}")
    front.tell(comm_id, {"x": 2})  # nobody is there any more, and nothing breaks
    assert front.good_remote("1 + 1").result == "2"


def test_a_closed_widget(front: FrontEnd) -> None:
    slider = front.new_models(remote("gone = w.IntSlider()\ngone"))[-1]
    front.good_remote("gone.close()")
    assert front.models[slider].closed
    front.set(slider, value=3)
    assert front.good_remote("gone.value").result == "0"


def test_what_a_handler_raises_is_shown(front: FrontEnd) -> None:
    cell = front.good_remote(
        "fails = w.IntSlider()\nfails.observe(lambda change: 1 / 0, 'value')\nfails"
    )
    front.set(front.model("IntSliderModel"), value=3)
    front.until(lambda: "ZeroDivisionError" in cell.traceback)
    assert "farcell" not in plain(cell.traceback)
    assert front.good_remote("fails.value").result == "3"


_IN_CELL = (
    "out = w.Output()\ndisplay(out)\nprint('before')\n"
    "with out:\n    print('inside')\n    display({'a': 1})\n    1 / 0\nprint('after')"
)


@pytest.mark.parametrize(
    "code",
    [
        _IN_CELL,
        "outer, inner = w.Output(), w.Output()\ndisplay(outer, inner)\n"
        "with outer:\n    print('1')\n    with inner:\n        print('2')\n    print('3')\n"
        "print('4')",
        "out = w.Output()\n@out.capture(clear_output=True)\ndef say(x):\n    print('says', x)\n"
        "display(out)\nsay(1)\nsay(2)",
        "def times(x):\n    print('x is', x)\n    return 2 * x\n_ = w.interact(times, x=3)",
        "def power(a, b):\n    print(a ** b)\na, b = w.IntText(2), w.IntText(5)\n"
        "display(a, b, w.interactive_output(power, {'a': a, 'b': b}))",
    ],
    ids=["output", "nested", "decorator", "interact", "interactive_output"],
)
def test_an_output_widget_captures(front: FrontEnd, at_home: FrontEnd, code: str) -> None:
    there, here = front.new_models(remote(code)), at_home.new_models(code)
    got = [front.models[each].captured for each in there]
    assert got == [at_home.models[each].captured for each in here]
    assert any(got)
    mine, local = list(front.cells.values())[-1], list(at_home.cells.values())[-1]
    assert mine.streams == local.streams
    assert len(mine.shown) == len(local.shown)


def test_both_streams_are_captured_in_their_order(front: FrontEnd) -> None:
    cell = front.good_remote(
        "import sys\nout = w.Output()\ndisplay(out)\n"
        "with out:\n    print('a')\n    print('b', file=sys.stderr)\n    print('c')\nprint('d')"
    )
    captured = front.models[front.model("OutputModel")].captured
    assert captured == [("stdout", "a\n"), ("stderr", "b\n"), ("stdout", "c\n")]
    assert cell.streams == [("stdout", "d\n")]


def test_interact_answers(front: FrontEnd, at_home: FrontEnd) -> None:
    code = "def times(x):\n    print('x is', x)\n    return 2 * x\nshown = w.interact(times, x=3)"
    front.loose.clear()
    for page, source in ((front, remote(code)), (at_home, code)):
        page.good(source)
        cell = list(page.cells.values())[-1]
        before = len(cell.shown)
        output = page.models[page.model("OutputModel")]
        for x in (5, 6):
            page.set(page.model("IntSliderModel"), value=x)
            page.until(lambda x=x, output=output: output.text == f"x is {x}\n{2 * x}")
            page.until(lambda output=output: output.state["msg_id"] == "")
        assert len(cell.shown) == before
    assert front.loose == []


def test_a_handler_reaches_its_output(front: FrontEnd) -> None:
    """What is captured comes under the message that the front end waits for an answer to."""
    front.good_remote(
        "said = w.Output()\npress = w.Button()\n"
        "@press.on_click\ndef pressed(_):\n    print('outside')\n"
        "    with said:\n        print('inside')\n    print('outside again')\n"
        "display(press, said)"
    )
    cell = list(front.cells.values())[-1]
    name = front.click(front.model("ButtonModel"))
    output = front.models[front.model("OutputModel")]
    assert {"method": "update", "state": {"msg_id": name}, "buffer_paths": []} in output.said
    front.until_shown(cell, "again")
    assert cell.stdout == "outside\noutside again\n"
    assert output.text == "inside\n"


def test_a_thread_goes_on_after_its_cell(front: FrontEnd) -> None:
    bar = front.new_models(
        remote(
            "import threading\nbar = w.IntProgress(max=5)\ngo = threading.Event()\n"
            "def fill():\n    go.wait()\n    for bar.value in range(6):\n        pass\n"
            "threading.Thread(target=fill).start()\nbar"
        )
    )[-1]
    front.good_remote("go.set()")
    front.until_said(bar, lambda model: model.state["value"] == 5)


def test_a_cell_that_awaits_is_told(front: FrontEnd) -> None:
    subshell = front.subshell()
    if not subshell:
        pytest.skip("this ipykernel has no subshells: comms wait for the cell's end, as at home")
    cell = front.begin_remote(
        "import asyncio\nwaits, pressed = w.Button(), asyncio.Event()\n"
        "waits.on_click(lambda _: (print('pressed'), pressed.set()))\ndisplay(waits)\n"
        "await asyncio.wait_for(pressed.wait(), 60)\nprint('went on')"
    )
    front.until(lambda: cell.bundles, cell)
    front.click(front.model("ButtonModel"), subshell=subshell, wait=False)
    front.finish(cell)
    assert cell.ok, cell.describe()
    assert cell.stdout == "pressed\nwent on\n"


def test_stop_ends_a_handler(front: FrontEnd) -> None:
    cell = front.good_remote(
        "import time\nslow = w.Button()\n"
        "def work(_):\n    print('@go')\n    time.sleep(600)\n"
        "slow.on_click(work)\nkept = 5\nslow"
    )
    front.click(front.model("ButtonModel"), wait=False)
    front.until_shown(cell, "@go")
    front.interrupt()
    assert front.good_remote("kept").result == "5"


def test_tqdm_has_its_bar(front: FrontEnd) -> None:
    require_package("tqdm")
    cell = front.good_remote("from tqdm.auto import tqdm\nfor _ in tqdm(range(5)): pass")
    bar = front.models[front.model("FloatProgressModel")]
    assert (bar.state["value"], bar.state["bar_style"]) == (5.0, "success")
    assert cell.text == ""


def test_ipykernel_may_be_imported(front: FrontEnd) -> None:
    front.good_remote("import ipykernel.ipkernel\nfrom ipykernel.zmqshell import KernelMagics")
    slider = front.new_models(remote("late = w.IntSlider()\nlate"))[-1]
    front.set(slider, value=4)
    assert front.good_remote("late.value").result == "4"


def test_the_kernels_stand_in(front: FrontEnd) -> None:
    cell = front.good_remote(
        "ip = get_ipython()\n"
        "data = {'data': {'text/plain': 'by hand'}, 'metadata': {}, 'transient': {}}\n"
        "ip.kernel.session.send(ip.kernel.iopub_socket, 'display_data', data,\n"
        "                       parent=ip.kernel.get_parent())\n"
        "print(ip.kernel.shell is ip, ip.get_parent() == ip.kernel.get_parent())\n"
        "print(ip.parent_header['header']['msg_id'])"
    )
    assert cell.bundles == [{"text/plain": "by hand"}]
    assert cell.stdout == f"True True\n{cell.request}\n"


def test_every_rank_has_its_widgets(front: FrontEnd) -> None:
    code = (
        "import os, ipywidgets as w\nfrom IPython.display import display\n"
        "rank = os.environ['RANK']\n"
        "own, said = w.IntSlider(description=f'rank {rank}'), w.Output()\n"
        "own.observe(lambda change: print('rank', rank, 'has', change.new), 'value')\n"
        "display(own)\nprint('alike')\nwith said:\n    print('rank', rank)\n    print('alike')\n"
        "display(said)"
    )
    cell = front.good_remote(code, "--ranks 2")
    opened = list(front.models.items())[-8:]
    sliders = {
        model.state["description"]: comm_id
        for comm_id, model in opened
        if model.state["_model_name"] == "IntSliderModel"
    }
    outputs = [m.text for _, m in opened if m.state["_model_name"] == "OutputModel"]
    assert sorted(sliders) == ["rank 0", "rank 1"]
    assert sorted(outputs) == ["rank 0\nalike\n", "rank 1\nalike\n"]
    assert cell.stdout.count("alike") == 1
    assert len(cell.bundles) == 4
    front.set(sliders["rank 1"], value=7)
    front.until_shown(cell, "rank 1 has 7")
    assert "[7]" not in cell.text
    values = front.good_remote("print(f'rank {rank}: {own.value}')", "--ranks 2").stdout
    assert "rank 0: 0" in values
    assert "rank 1: 7" in values


@pytest.mark.parametrize("widgets", ["w.IntSlider()", "w.HBox([w.Button(), w.Output()])"])
def test_a_restart_closes_them(front: FrontEnd, widgets: str) -> None:
    flags = "--on short-lived"
    made = front.new_models(remote(f"import ipywidgets as w\nlost = {widgets}", flags))
    assert not any(front.models[each].closed for each in made)
    front.good("%cluster restart --on short-lived")
    front.until(lambda: all(front.models[each].closed for each in made))
    front.set(made[0], value=1)
    assert front.good_remote("1 + 1", flags).result == "2"


def _executed(cells: list[str], folder: Path) -> Any:
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(each) for each in cells])
    # Sockets rather than ports, which kernels that start at once may take from each other.
    kernel = AsyncKernelManager(transport="ipc", ip=str(folder / "kernel"))
    resources = {"metadata": {"path": str(folder)}}
    PatientClient(notebook, km=kernel, timeout=20, resources=resources).execute()
    return notebook


@pytest.mark.parametrize("dress", [remote, str], ids=["remote", "home"])
def test_nbclient_keeps_what_is_captured(dress: Callable[[str], str], tmp_path: Path) -> None:
    cells = [
        dress("import ipywidgets as w\nfrom IPython.display import display"),
        dress(_IN_CELL),
        dress("def times(x):\n    print('x is', x)\n    return 2 * x\n_ = w.interact(times, x=3)"),
        dress("out.append_stdout('more')"),
    ]
    notebook = _executed(["%load_ext farcell", *cells], tmp_path)
    widgets = notebook.metadata.widgets["application/vnd.jupyter.widget-state+json"]["state"]
    captured = [
        [(each["output_type"], each.get("text", each.get("ename", ""))) for each in outputs]
        for widget in widgets.values()
        if (outputs := widget["state"].get("outputs")) is not None
    ]
    first = [("stream", "inside\n"), ("display_data", ""), ("error", "ZeroDivisionError")]
    assert captured == [
        [*first, ("stream", "more")],
        [("stream", "x is 3\n"), ("display_data", "")],
    ]
    streams = [each.text for each in notebook.cells[2].outputs if each.output_type == "stream"]
    assert "".join(streams) == "before\nafter\n"
