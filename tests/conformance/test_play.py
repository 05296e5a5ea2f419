"""Random notebooks, whose cells run here and there at random, do what they do at home."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from tests.conformance.graph import graph
from tests.conformance.page import Cell, Page
from tests.conformance.play import DEFINED, NAMES, PLACES, PLAYS, Reference, Step

_ADDRESS = re.compile("0x[0-9a-f]+")
_SLOW = re.compile("farcell: fetching .* from gang .* …\n")  # said where a machine is busy
_PLAYS = int(os.environ.get("FARCELL_PLAYS", "150"))
_ROOT = Path(__file__).parents[2]
_MADE = (*NAMES, *DEFINED, "show", "K", "change", "i")


@pytest.fixture(scope="module")
def stage(opened: Callable[..., Page]) -> Page:
    """A notebook that the plays have in turn."""
    path = os.pathsep.join([str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    return opened(PYTHONPATH=path)


def _clear(page: Page) -> None:
    """Delete what the play before this one has left, everywhere."""
    page.good("\n".join(f"globals().pop({name!r}, None)" for name in _MADE) + "\nNone")
    there = f"print([name for name in {_MADE!r} if name in globals()])"
    for place in PLACES:
        left = page.run(place + there).stdout
        assert left == "[]\n", f"not deleted under {place!r}: {left}"


def _compare(ran: Cell, wanted_text: str, wanted_error: str) -> None:
    found = _ADDRESS.sub("0x", _SLOW.sub("", ran.text)), ran.error
    if found != (_ADDRESS.sub("0x", wanted_text), wanted_error):
        wanted = f"{wanted_error or 'ok'}\n{wanted_text}"
        raise AssertionError(f"{ran.describe()[:3000]}\nbut at home: {wanted}")


@pytest.mark.slow
@pytest.mark.timeout(900)
@settings(
    max_examples=_PLAYS,
    deadline=None,
    derandomize=bool(os.environ.get("CI")),
    suppress_health_check=list(HealthCheck),
    print_blob=True,
    phases=[phase for phase in Phase if phase is not Phase.explain],
)
@given(prelude=st.sampled_from(PLACES), play=PLAYS, last=st.permutations(PLACES))
def test_a_play(
    stage: Page, prelude: str, play: list[tuple[str, list[Step]]], last: list[str]
) -> None:
    _clear(stage)
    reference = Reference()
    cells = [prelude + reference.prelude()]
    try:
        stage.good(cells[0])
        for place, steps in play:
            wanted = reference.run(place, steps)
            cells.append(wanted.source)
            _compare(stage.run(wanted.source), wanted.text, wanted.error)
        bound = reference.bound()
        held = ", ".join(f"{name!r}: {name}" for name in bound)
        code = f"print(__import__('tests.conformance.graph', fromlist=['graph']).graph({{{held}}}))"
        for place in last:
            cells.append(place + code)
            _compare(stage.run(cells[-1]), graph(bound) + "\n", "")
    except BaseException:
        note("\n###\n".join(cells))
        raise
