"""The conformance set of hot reload, played in one process."""

from __future__ import annotations

from pathlib import Path

import pytest

from .scenario import Player, Scenario, scenarios

SCENARIOS = list(scenarios())


@pytest.mark.parametrize(
    "scenario", SCENARIOS, ids=[f"{each.path.stem}: {each.title}" for each in SCENARIOS]
)
def test_scenario(scenario: Scenario, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    monkeypatch.syspath_prepend(tmp_path)
    player = Player(tmp_path)
    try:
        player.play(scenario)
    finally:
        player.close()


def test_there_are_enough() -> None:
    assert len(SCENARIOS) >= 150
    assert len({(each.path, each.title) for each in SCENARIOS}) == len(SCENARIOS)
