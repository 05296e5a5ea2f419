"""A remote cell looks like a cell: what it shows is what the same cell shows at home."""

from __future__ import annotations

import re
from importlib.util import find_spec
from typing import Any

import pytest

from tests.conformance.cells import GROUPS, Case
from tests.conformance.page import Cell, Page, plain, remote, rendered

_HERE = "#here\n"
# What differs from run to run, or from process to process, and what it is compared as.
_VARYING = [
    (re.compile(r"0x[0-9a-f]{6,}"), "<address>"),
    (re.compile(r"/tmp/ipykernel_\d+/\d+\.py|<(farcell-cell|ipython-input)-\d+-\w+>"), "<cell>"),
    (re.compile(r"Thread-\d+"), "Thread-N"),
    # IPython compiles a local cell beforehand to see whether it awaits, and that warns too.
    (re.compile(r"<>:\d+: SyntaxWarning: .*\n"), ""),
    (re.compile(r"\(\d+\.py, line"), "(<cell>, line"),
    (re.compile(r"[\d.]+(e\+\d+)? (ns|µs|μs|us|ms|s)\b"), "<time>"),
]
_NUMBER = re.compile(r"Cell In\[(\d+)\]")


def _cases(*, every_engine: bool) -> list[Any]:
    return [
        pytest.param(each, id=f"{group}: {each.name}")
        for group, cases in GROUPS.items()
        for each in cases
        if each.every_engine == every_engine
    ]


def _run(page: Page, case: Case, *, remotely: bool) -> list[Cell]:
    cells = []
    for code in case.cells:
        if code.startswith(_HERE):
            source = code.removeprefix(_HERE)
        elif remotely:
            source = remote(code)
        elif code.startswith("%%"):
            source = code  # a cell's magic must stand first
        else:
            source = f"# %%remote\n{code}"  # so that the numbers of lines are the same
        cells.append(page.run(source))
    return cells


def _comparable(text: str, page: Page, cell: Cell) -> str:
    text = rendered(plain(text)).replace(str(page.folder), "<folder>")
    for pattern, stand_in in _VARYING:
        text = pattern.sub(stand_in, text)
    assert cell.reply is not None
    # Cells are told by how far back they are: the two notebooks have not run the same number.
    own = cell.reply["execution_count"]
    return _NUMBER.sub(lambda found: f"Cell In[{int(found[1]) - own}]", text)


def _bundle(data: dict[str, Any], page: Page, cell: Cell) -> dict[str, str]:
    # A figure's bytes depend on the machine; that there is one does not.
    return {
        mime: "" if mime.startswith("image/") else _comparable(str(value), page, cell)
        for mime, value in data.items()
    }


def _looks(cell: Cell, page: Page) -> dict[str, Any]:
    """What a person sees of ``cell``, without what varies."""
    assert cell.reply is not None
    return {
        "stdout": _comparable(cell.stdout, page, cell),
        "stderr": _comparable(cell.stderr, page, cell),
        "bundles": [_bundle(data, page, cell) for data in cell.bundles],
        "metadata": [each.metadata for each in cell.shown if each.data],
        "status": cell.reply["status"],
        "error": (cell.error, _comparable(cell.message, page, cell)),
        "traceback": _comparable(cell.traceback, page, cell).splitlines(),
        "payload": [
            (each["source"], _bundle(each.get("data", {}), page, cell))
            for each in cell.reply.get("payload", [])
        ],
    }


@pytest.mark.every_engine
@pytest.mark.parametrize("case", _cases(every_engine=True))
def test_cell_on_every_engine(case: Case, page: Page, home: Page) -> None:
    check(case, page, home)


@pytest.mark.parametrize("case", _cases(every_engine=False))
def test_cell(case: Case, page: Page, home: Page) -> None:
    check(case, page, home)


def check(case: Case, page: Page, home: Page) -> None:
    """Run ``case`` in both places, and compare what is shown."""
    if case.needs and not find_spec(case.needs):
        pytest.skip(f"{case.needs} is missing")
    there = _run(page, case, remotely=True)
    if case.prints:
        assert plain(there[-1].text) == case.prints, there[-1].describe()
        return
    here = _run(home, case, remotely=False)
    for mine, local in zip(there, here, strict=True):
        looks, wanted = _looks(mine, page), _looks(local, home)
        if local.source.startswith("%%"):
            del looks["traceback"], wanted["traceback"]  # its lines stand one higher at home
        assert looks == wanted, mine.describe()
    last = _looks(there[-1], page)
    everything = f"{last}" + "".join(f"{each.data}" for each in there[-1].shown)
    assert case.shows.replace("\\", "\\\\") in everything or case.shows == "<result>"
    assert case.fails == (last["status"] == "error"), there[-1].describe()
