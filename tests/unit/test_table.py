"""Tables in a fixed-width font, also of names in other scripts."""

from __future__ import annotations

import pytest

from farcell.table import shortened, table, width


def test_columns_are_aligned() -> None:
    rows = [("name", "size", "on"), ("a", "12", "x"), ("温度", "3", ""), ("größe", "4", "y" * 90)]
    assert table(rows, right=("size",)) == [
        "name   size  on",
        "a        12  x",
        "温度      3",
        "größe     4  " + "y" * 90,
    ]


@pytest.mark.parametrize(
    ("text", "columns"), [("", 0), ("abc", 3), ("größe", 5), ("gro\u0308ße", 5), ("データ", 6)]
)
def test_width(text: str, columns: int) -> None:
    assert width(text) == columns


@pytest.mark.parametrize("text", ["a" * 33, "温" * 17, "a" * 30 + "温温", "größe" * 40])
def test_what_is_long_is_cut_in_the_middle(text: str) -> None:
    cut = shortened(text)
    assert 30 <= width(cut) <= 32
    head, tail = cut.split("…")
    assert text.startswith(head)
    assert text.endswith(tail)
    assert shortened(cut) == cut
