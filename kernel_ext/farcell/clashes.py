"""A gang and a notebook that meet with names of their own, of which both may have some."""

from __future__ import annotations

import json
import re

from farcell.directory import KERNEL
from farcell.freeing import freeable
from farcell.gang import Gang
from farcell.names import Names


def meet(names: Names, gang: Gang, *, known: bool) -> list[str]:
    """Have the names that ``gang`` holds be the notebook's too.

    Of a name that the notebook has bound otherwise, it keeps its own value, and the gang's gets
    another name: nothing is lost that only one of them has.

    Args:
        known: whether all is known that was changed there.

    Returns:
        What the person at the notebook must be told.
    """
    directory, namespace = names.directory, names.shell.user_ns
    for name in freeable(names, [gang.name]):
        if name in gang.names:
            continue
        if directory.holders(name) == [gang.name]:
            names.delete(name)  # as the run did that it was in
        else:
            directory.freed(gang.name, name)
    both = [n for n in gang.names if n in namespace and directory.is_newest(KERNEL, n)]
    names.found(gang.name, [name for name in gang.names if name not in both], known=known)
    if not both:
        return []
    ours = names.values_for(gang.name).digests(both)
    theirs = [json.loads(gang.inspect(rank, "digests", json.dumps(both))) for rank in gang.ranks]
    told = []
    for name in both:
        if name in ours and all(each.get(name) == ours[name] for each in theirs):
            directory.received(gang.name, [name])
            continue
        aside = _free_name(f"{name}_{re.sub(r'[^0-9a-zA-Z]', '_', gang.name)}", names, gang)
        gang.alias(name, aside)
        names.found(gang.name, [aside], known=False)
        names.discard(gang.name, [name])
        told.append(
            f"the notebook has '{name}' too, and keeps it: the one of gang {gang.name} is {aside}"
        )
    return told


def _free_name(name: str, names: Names, gang: Gang) -> str:
    taken = names.shell.user_ns.keys() | set(names.directory) | set(gang.names)
    while name in taken:
        name += "_"
    return name
