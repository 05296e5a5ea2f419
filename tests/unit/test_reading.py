"""What code may have changed by way of the notebook's names, and what those read in turn."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from farcell.directory import Directory
from farcell.reading import Reading


class Unreadable(list[int]):
    """Raises when its items are looked at, as a wrapper does whose file is closed."""

    def __iter__(self) -> Any:
        raise RuntimeError("closed")


def test_if_names_can_t_be_followed_all_may_have_changed() -> None:
    namespace = {"x": Unreadable([1]), "y": [1]}
    shell = SimpleNamespace(user_ns=namespace, user_ns_hidden={}, transform_cell=str)
    reading = Reading(shell, Directory())
    assert reading.reached("x, y.append(2)") == {"x", "y"}
    assert reading.reached("y.append(2)") == {"y"}
    assert reading.reached("") == set()
    assert reading.left_alone("len(y); x.sort()", ["y"])[0] == set()
