"""Names that are given up on gangs, for the sake of their memory."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterable, Sequence

from farcell.gang import Gang
from farcell.names import Names
from farcell.options import nearest
from farcell.stops import stops_held
from farcell_runtime.errors import UsageError
from farcell_runtime.sizes import size_text
from farcell_runtime.transport import farcell_pb2 as pb


def free(
    names: Names,
    wanted: Sequence[str],
    *,
    gangs: Collection[str],
    gang_named: Callable[[str], Gang],
    busy: Callable[[str], bool],
    snapshot: Callable[[], pb.Snapshot],
) -> str:
    """Delete the names ``wanted`` on the gangs that hold them; what the notebook has too it keeps.

    Args:
        gangs: those that are to give them up.
        busy: whether the gang of a name is in a run.
        snapshot: what each gang uses now.

    Raises:
        UsageError: if no gang holds one of them, or one that does is in a run. Nothing was freed.
    """
    places = _places(names, wanted, gangs)
    for gang, held in places.items():
        if busy(gang):
            raise UsageError(
                f"gang {gang} is in a run, and can't free {', '.join(held)} before that ends",
                hint=f"wait for it, or stop it: %cluster interrupt --on {gang}",
            )
    before = _memory(snapshot())
    told = []
    for gang, held in places.items():
        kept = _partners(names, gang, held)
        # Of what it only may have changed, the notebook has its own if it has not.
        own = [name for name in held if names.is_in_doubt(name)]
        names.fetch(name for name in own if not gang_named(gang).differs(name))
        with stops_held():
            for rank in gang_named(gang).ranks:
                gang_named(gang).inspect(rank, "release", json.dumps(held))
            names.freed(gang, held)
        here = [name for name in held if name in names.directory]
        told.append(f"freed {', '.join(held)} on gang {gang}")
        if here:
            told.append(f"  still elsewhere: {', '.join(here)}")
        if kept:
            told.append(f"  the same value, and so its memory, is held by {', '.join(kept)}")
    after = _memory(snapshot())
    told += [
        f"gang {gang} uses {size_text(after[gang])} of memory, {size_text(before[gang])} before"
        for gang in places
        if gang in before and gang in after
    ]
    return "\n".join(told)


def freeable(names: Names, gangs: Iterable[str]) -> list[str]:
    """The names that gangs hold, to be completed."""
    held = (name for name in names.directory if not name.startswith("_"))
    return sorted(name for name in held if any(names.directory.has(gang, name) for gang in gangs))


def _memory(snapshot: pb.Snapshot) -> dict[str, int]:
    """What each gang uses, in bytes."""
    return {gang.name: sum(each.memory_bytes for each in gang.members) for gang in snapshot.gangs}


def _places(names: Names, wanted: Sequence[str], gangs: Iterable[str]) -> dict[str, list[str]]:
    """The names to free on each gang."""
    directory = names.directory
    places: dict[str, list[str]] = {}
    for name in dict.fromkeys(wanted):
        holders = [gang for gang in gangs if directory.has(gang, name)]
        for gang in holders:
            places.setdefault(gang, []).append(name)
        if holders:
            continue
        if name in names.shell.user_ns:
            raise UsageError(
                f"'{name}' is in the notebook, and on no gang", hint=f"del {name} frees it here"
            )
        known = freeable(names, gangs)
        hint = nearest(name, known) if known else "no gang holds a name"
        raise UsageError(f"no gang holds a name '{name}'", hint=hint)
    return places


def _partners(names: Names, gang: str, freed: list[str]) -> list[str]:
    """Other names of the values of ``freed``."""
    groups = {other for name in freed for other in names.directory.group(name)}
    others = (name for name in groups if name not in freed and not name.startswith("_"))
    return sorted(name for name in others if names.directory.has(gang, name))
