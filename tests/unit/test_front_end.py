"""What the front end has told of a cell."""

from __future__ import annotations

from types import SimpleNamespace

from ipykernel.compiler import XCachingCompiler

from farcell.front_end import code_name

SHELL = SimpleNamespace(compile=XCachingCompiler())


def test_a_short_cell_is_called_what_the_notebook_calls_it() -> None:
    assert code_name(SHELL, "x = 1", 3) == SHELL.compile.get_code_name("x = 1", "x = 1", 3)


def test_long_cells_have_names_of_their_own() -> None:
    codes = ["x = 1\n" * 1000, "x = 1\n" * 1001, "ü" * 999 + "\n" * 99]
    names = {code_name(SHELL, code, 3) for code in codes}
    assert len(names) == 3
    assert names == {code_name(SHELL, code, 4) for code in codes}
    assert all(name.endswith(".py") for name in names)
