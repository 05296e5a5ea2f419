"""Other objects' references to a value, pointed at what takes its place."""

from __future__ import annotations

import gc
import types
from collections.abc import Collection
from typing import Any

from farcell_runtime.reload.journal import Journal


def redirect(old: Any, new: Any, journal: Journal, ours: Collection[int] = ()) -> None:
    """Have what holds ``old`` hold ``new``, but for dicts with ids ``ours``."""
    for holder in gc.get_referrers(old):
        kind = type(holder)
        if id(holder) in ours:
            continue
        if kind is dict:
            _redirect_dict(holder, old, new, journal)
        elif kind is list:
            for number, value in enumerate(holder):
                if value is old:
                    journal.add(
                        (list.__setitem__, holder, number, new),
                        (list.__setitem__, holder, number, old),
                    )
        elif kind is set:
            journal.add((set.discard, holder, old), (set.add, holder, old))
            journal.add((set.add, holder, new), (set.discard, holder, new))
        elif kind is types.CellType:
            journal.set_attribute(holder, "cell_contents", new)


def _redirect_dict(holder: dict[Any, Any], old: Any, new: Any, journal: Journal) -> None:
    for key, value in list(holder.items()):
        if value is old:
            journal.set_item(holder, key, new)
        if key is old:
            journal.delete_item(holder, key)
            journal.set_item(holder, new, new if value is old else value)


def instances(cls: type) -> list[Any]:
    """The living instances of exactly this class, as far as the garbage collector knows them."""
    return [each for each in gc.get_referrers(cls) if type(each) is cls]
