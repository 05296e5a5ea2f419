"""The harness sees what a reader would see, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from .compare import differences, settled, shown
from .corpus import notebook_cells, script_cells
from .dialect import REMOTE


def stream(text: str, name: str = "stdout") -> dict[str, Any]:
    return {"output_type": "stream", "name": name, "text": text}


def rich(kind: str = "display_data", **data: str) -> dict[str, Any]:
    return {
        "output_type": kind,
        "data": {key.replace("_", "/"): value for key, value in data.items()},
    }


def error(name: str, value: str) -> dict[str, Any]:
    return {"output_type": "error", "ename": name, "evalue": value, "traceback": []}


@pytest.mark.parametrize(
    ("expected", "got"),
    [
        ([stream("a\n"), stream("b\n")], [stream("a\nb\n")]),
        ([stream("10 %\r100 %\n")], [stream("100 %\n")]),
        ([stream("<f at 0x7f0011223344>")], [stream("<f at 0x7f9911223344>")]),
        ([stream("CPU times: user 3 ms")], [stream("CPU times: user 4 ms")]),
        (
            [stream("/tmp/ipykernel_12/345.py:3: UserWarning: mind\n", "stderr")],
            [stream("/tmp/ipykernel_99/712.py:4: UserWarning: mind\n", "stderr")],
        ),
        ([rich(image_png="AAAA")], [rich(image_png="BBBB")]),
        ([rich(text_html="<i id='a1'>x</i>")], [rich(text_html="<i id='b2'>x</i>")]),
        (
            [stream("a"), stream("w", "stderr"), rich(text_plain="1")],
            [stream("w", "stderr"), stream("a"), rich(text_plain="1")],
        ),
        (
            [error("SyntaxError", "bad (1.py, line 2)")],
            [error("SyntaxError", "bad (9.py, line 3)")],
        ),
    ],
)
def test_looks_alike(expected: list[dict[str, Any]], got: list[dict[str, Any]]) -> None:
    assert differences(expected, got) == []


@pytest.mark.parametrize(
    ("expected", "got", "reason"),
    [
        ([stream("a")], [], "stdout: missing"),
        ([], [stream("a", "stderr")], "stderr: extra"),
        ([stream("a")], [stream("b")], "stdout: text"),
        ([rich(text_plain="1")], [], "rich: missing"),
        ([rich("execute_result", text_plain="1")], [rich(text_plain="1")], "rich: execute_result"),
        ([rich(text_plain="1", image_png="A")], [rich(text_plain="1")], "rich: kinds -image/png"),
        ([rich(text_plain="1")], [rich(text_plain="2")], "rich: text/plain"),
        ([error("ValueError", "a")], [], "error: missing"),
        ([], [error("ValueError", "a")], "error: extra ValueError"),
        ([error("ValueError", "a")], [error("KeyError", "a")], "error: ValueError became KeyError"),
        ([error("ValueError", "a")], [error("ValueError", "b")], "error: value"),
        ([stream("a"), rich(text_plain="1")], [rich(text_plain="1"), stream("a")], "order"),
    ],
)
def test_sees_a_difference(
    expected: list[dict[str, Any]], got: list[dict[str, Any]], reason: str
) -> None:
    (found,) = differences(expected, got)
    assert found.startswith(reason)


def test_shown_is_what_a_terminal_leaves() -> None:
    assert shown("abc\rx\n\x1b[31mred\x1b[0m  \n") == "xbc\nred\n"


def test_settled_keeps_results() -> None:
    assert (
        settled("R2 = 0.875, n = 100, shape (1797, 64)") == "R2 = 0.875, n = 100, shape (1797, 64)"
    )


def test_a_script_is_cut_as_sphinx_gallery_cuts_it() -> None:
    script = (
        '"""Title\n\n# %%\nstill the title"""\n'
        "# a comment of the first cell\n"
        "a = 1\n"
        "# %% Words\n# more words\n\n"
        "b = 2\n"
        "####################\n# words without code\n#\n"
        "####################\n"
        "c = '''\n# %%\n'''\n"
    )
    cells = script_cells(script)
    assert cells == ["# a comment of the first cell\na = 1", "b = 2", "c = '''\n# %%\n'''"]


def test_only_python_notebooks_are_read() -> None:
    cell = '{"cell_type": "code", "source": ["a\\n", "b"]}'
    assert notebook_cells(f'{{"cells": [{cell}]}}') == ["a\nb"]
    assert (
        notebook_cells(f'{{"cells": [{cell}], "metadata": {{"kernelspec": {{"language": "R"}}}}}}')
        == []
    )


def test_the_magic_goes_over_every_cell_or_every_second() -> None:
    assert REMOTE.spoken("%%time\nx", 0) == "%%remote\n%%time\nx"
    every_second = REMOTE.with_every(2)
    assert [every_second.spoken("x", n) for n in range(3)] == ["%%remote\nx", "x", "%%remote\nx"]
