"""Arrays and tables in a few words."""

from __future__ import annotations

from typing import Any

import pytest

from farcell_runtime.executor.form import form_of


class Odd:
    """Something whose attributes raise."""

    @property
    def shape(self) -> Any:
        raise RuntimeError


@pytest.mark.parametrize("value", [3, "x", [1], None, Odd(), Odd, print])
def test_what_has_no_shape(value: object) -> None:
    assert form_of(value) == ""


def test_arrays_and_tables() -> None:
    numpy: Any = pytest.importorskip("numpy")
    pandas: Any = pytest.importorskip("pandas")
    assert form_of(numpy.zeros((2, 500))) == "(2, 500) float64, 8.0 kB"
    assert form_of(pandas.DataFrame({"a": [1, 2, 3]})) == "(3, 1)"
    assert form_of(pandas.Series([1.5])) == "(1,) float64, 8 B"
