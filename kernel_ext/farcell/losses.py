"""What is said of names that a gang held which is gone."""

from __future__ import annotations

from collections.abc import Callable, Iterable

_MOST_TOLD = 8


def losses(
    gang: str,
    gone: Iterable[str],
    back: Iterable[str],
    *,
    lost: bool,
    can_be_tried: Callable[[str], bool],
) -> list[str]:
    """What the person at the notebook must be told.

    Args:
        gone: names that are not here any more.
        back: names that have the values from before the gang's cells.
        lost: whether what is gone is nowhere.
        can_be_tried: whether the cells that made a name may run again.
    """
    told = []
    if gone := [name for name in gone if not name.startswith("_")]:
        line = f"lost with gang {gang}" if lost else "not here any more"
        line = f"{line}: {', '.join(gone)}"
        if lost and any(map(can_be_tried, gone)):
            line += "; %cluster recover rebuilds what it can"
        told.append(line)
    if back := [name for name in back if not name.startswith("_")]:
        names = ", ".join(back[:_MOST_TOLD])
        more = f" and {len(back) - _MOST_TOLD} more" if len(back) > _MOST_TOLD else ""
        told.append(f"as before the cells on gang {gang} that may have changed them: {names}{more}")
    return told
