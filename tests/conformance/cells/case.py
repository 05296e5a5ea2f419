"""A case: cells that are run at home and remotely, and must look the same in both places."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Case:
    """Cells to run one after the other.

    Attributes:
        shows: what the last of them must show somewhere, so that two empty outputs are no success.
        fails: whether the last one is to fail.
        needs: a package that it uses.
        every_engine: whether it is one of those that any engine must pass at least.
        prints: the text that the last cell prints, where a local run is no measure: a kernel shows
            what is written to its descriptors whenever its own reader comes to it.
    """

    name: str
    cells: tuple[str, ...]
    shows: str = ""
    fails: bool = False
    needs: str = ""
    every_engine: bool = False
    prints: str = ""


def case(
    name: str,
    *cells: str,
    shows: str = "",
    fails: bool = False,
    needs: str = "",
    every_engine: bool = False,
    prints: str = "",
) -> Case:
    return Case(name, cells, shows, fails, needs, every_engine, prints)
