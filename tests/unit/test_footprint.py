"""How much memory values take up: exact for arrays, near enough for the rest."""

from __future__ import annotations

from typing import Any

import pytest

from farcell_runtime.footprint import footprints

np: Any = pytest.importorskip("numpy")


@pytest.fixture(autouse=True)
def _time_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("farcell_runtime.footprint._BUDGET_S", 60.0)


class Instance:
    def __init__(self, value: object) -> None:
        self.value = value


MB = 1_000_000
CASES: dict[str, tuple[object, int]] = {
    "array": (np.zeros(MB), 8 * MB),
    "view": (np.zeros((MB, 2))[:, 0], 16 * MB),
    "in a list": ([np.zeros(MB), [np.zeros(MB)]], 16 * MB),
    "in an instance": (Instance({"a": np.zeros(MB)}), 8 * MB),
    "twice": ([np.zeros(MB)] * 5, 8 * MB),
    "bytes": (b"x" * MB, MB),
    "text": ("x" * MB, MB),
    "many numbers": (list(range(1000, MB)), 36 * MB),
    "many lists": ([[number] for number in range(100_000)], 10 * MB),
    "many pairs": ({str(number): [number] for number in range(100_000)}, 20 * MB),
    "objects": (np.array([str(number) * 10 for number in range(100_000)]), 20 * MB),
    "objects in an array": (np.array([bytes(1000) for _ in range(10_000)], dtype=object), 10 * MB),
}


@pytest.mark.parametrize("name", CASES)
def test_it_is_near(name: str) -> None:
    value, expected = CASES[name]
    assert footprints({"x": value})["x"] == pytest.approx(expected, rel=0.15)


def test_a_table_counts_as_its_columns() -> None:
    pandas: Any = pytest.importorskip("pandas")
    frame = pandas.DataFrame({"a": np.zeros(MB), "b": np.arange(MB)})
    assert footprints({"frame": frame})["frame"] == pytest.approx(16 * MB, rel=0.05)


def test_what_two_share_counts_once() -> None:
    array = np.zeros(MB)
    sizes = footprints({"a": array, "b": array, "c": array[:10], "d": [array]})
    assert sum(sizes.values()) == pytest.approx(8 * MB, rel=0.01)
    assert sizes["a"] == array.nbytes


def test_modules_classes_and_functions_are_not_the_values_own() -> None:
    sizes = footprints({"np": np, "Instance": Instance, "f": footprints, "none": None})
    assert sum(sizes.values()) < 100


def test_a_graph_that_is_deep_or_endless_is_no_trouble() -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    deep.append(deep)
    assert footprints({"deep": deep})["deep"] > 5 * MB


def test_arrays_are_told_however_much_else_there_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("farcell_runtime.footprint._BUDGET_S", 0.0)
    many = [[[n] for n in range(500)] for _ in range(500)]
    assert footprints({"many": many, "array": np.zeros(MB)})["array"] == 8 * MB


def test_values_that_fight_back() -> None:
    class Angry:
        def __getattribute__(self, name: str) -> object:
            raise RuntimeError(name)

        def __sizeof__(self) -> int:
            raise RuntimeError

        def __eq__(self, other: object) -> bool:
            raise RuntimeError

        __hash__ = None  # type: ignore[assignment]

    assert footprints({"angry": Angry()})["angry"] >= 0
