"""Values on their way home: fetched from gangs into the notebook's namespace."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator
from typing import Any

from farcell.directory import KERNEL, Directory
from farcell.gang import Fetched, Gang
from farcell.ranks import NoValue, Ranks
from farcell.remote_value import RemoteValue
from farcell.shipment import Moved, moved
from farcell_runtime import codec
from farcell_runtime.bindings import RESULTS
from farcell_runtime.errors import FarcellError, LostError
from farcell_runtime.fingerprints import Fingerprints
from farcell_runtime.transport import farcell_pb2 as pb
from farcell_runtime.values import Differs, Values


class Incoming:
    """Brings values of names into the notebook, or what stands for them.

    Args:
        shadows: what names held here before a gang changed them: what turns out unchanged is put
            back, and what was changed in place is poured into it.
        rebound: is told which names have other objects now, and which gang they came from.
        record: is told which names have been bound here that way.
        fetch_whole: gives the value of a name, whatever its size.
    """

    def __init__(
        self,
        shell: Any,
        directory: Directory,
        shadows: dict[str, object],
        values_for: Callable[[str], Values],
        *,
        rebound: Callable[[Collection[str], str], None],
        record: Callable[[Collection[str]], None],
        fetch_whole: Callable[[str], Any],
    ) -> None:
        self._shell = shell
        self._directory = directory
        self._shadows = shadows
        self._values_for = values_for
        self._rebound = rebound
        self._record = record
        self._fetch_whole = fetch_whole

    def fetch(self, gang: Gang, names: list[str], most_bytes: int, came: list[Moved]) -> None:
        """Bring the values of ``names``, which are newest on ``gang``; ``came`` takes what came.

        One that can't travel, can't be rebuilt here, or is larger than ``most_bytes`` (0: none is)
        holds up no other: a ``RemoteValue`` stands for it.
        """
        try:
            self._fetch(gang, names, most_bytes, came)
        except FarcellError:
            raise
        except Exception as error:  # of the values' own code, or a module that is missing here
            first = self._directory.group(names[0])
            rest = [name for name in names if name not in first]
            if rest:
                self.fetch(gang, [name for name in names if name in first], most_bytes, came)
                self.fetch(gang, rest, most_bytes, came)
                return
            why = f"it can't be rebuilt here: {type(error).__name__}: {error}"
            for name in names:
                self._shadows.pop(name, None)
                self._stand_in(gang.name, name, self._directory.entry(name).type_name, "…", why)
            self._record(names)

    def _fetch(self, gang: Gang, names: list[str], most_bytes: int, came: list[Moved]) -> None:
        if len(gang.ranks) > 1:
            self._fetch_from_ranks(gang, names, most_bytes, came)
            return
        without = {name for name in names if name not in self._shadows}
        # Names of one object come together, or they would be several afterwards.
        without |= {other for name in without for other in self._directory.group(name)}
        others = [name for name in names if name in without]
        shadowed = [name for name in names if name not in without]
        if shadowed:
            self._fetch_changes(gang, shadowed, most_bytes, came)
        if others:
            [fetched] = gang.fetch(others, anew=True, most_bytes=most_bytes)
            with self._into(self._take_shadows(others), gang.name, others):
                self._receive(gang, fetched, came)
            self._settle(gang.name, others, fetched.told)

    def _receive(self, gang: Gang, fetched: Fetched, came: list[Moved]) -> None:
        sizes = fetched.told.sizes
        try:
            self._values_for(gang.name).receive(fetched.values)
        finally:
            came += moved(fetched.values, sizes, asked=sizes)

    def _fetch_changes(
        self, gang: Gang, names: list[str], most_bytes: int, came: list[Moved]
    ) -> None:
        """Fetch what has changed in values that are still here as they were."""
        # Whatever comes between, they are not taken for what is there any more.
        shadows = self._take_shadows(names)
        try:
            [fetched] = gang.fetch(names, most_bytes=most_bytes)
        except LostError:
            self._shadows.update(shadows)
            raise
        with self._into(shadows, gang.name, names):
            try:
                self._receive(gang, fetched, came)
            except Differs:
                [fetched] = gang.fetch(names, anew=True, most_bytes=most_bytes)
                self._receive(gang, fetched, came)
        told = fetched.told
        self._values_for(gang.name).confirm(told.unchanged)
        came += [Moved((name,), 0, told.sizes[name]) for name in told.unchanged]
        self._settle(gang.name, names, told)

    def _take_shadows(self, names: list[str]) -> dict[str, object]:
        return {name: self._shadows.pop(name) for name in names if name in self._shadows}

    @contextlib.contextmanager
    def _into(self, shadows: dict[str, object], gang: str, names: list[str]) -> Iterator[None]:
        """Have the values of ``names`` that arrive from ``gang`` find those that were here."""
        namespace = self._shell.user_ns
        before = {name: id(value) for name, value in shadows.items()}
        try:
            namespace.update(shadows)
            shadows.clear()  # what else refers to an array decides whether it is copied
            yield
        except BaseException:
            for name in names:
                namespace.pop(name, None)
            raise
        rebound = [name for name in names if before.get(name) != id(namespace.get(name))]
        self._rebound(rebound, gang)

    def _fetch_from_ranks(
        self, gang: Gang, names: list[str], most_bytes: int, came: list[Moved]
    ) -> None:
        for name in names:
            answers = gang.fetch([name], anew=True, most_bytes=most_bytes)
            parcels = [answer.values for answer in answers]
            if size_bytes := sum(parcel.size_bytes for parcel in parcels):
                came.append(Moved((name,), size_bytes, size_bytes))
            loaded = [parcel.load() for parcel in parcels]
            have = [name not in answer.told.unknown for answer in answers]
            told = _told(name, [answer.told for answer in answers])
            if any(have) and name not in told.missing:
                parts = [part for part in loaded if name in part]
                alike = len({Fingerprints().digest(codec.dump(part)) for part in parts}) == 1
                values = self._values_for(gang.name)
                with self._into(self._take_shadows([name]), gang.name, [name]):
                    if alike and all(have):
                        values.receive(parcels[0])
                    else:
                        # No rank's value is all that the gang has.
                        values.forget([name])
                        self._shell.user_ns[name] = (
                            parts[0][name]
                            if alike
                            else Ranks(
                                part.get(name, NoValue(rank)) for rank, part in enumerate(loaded)
                            )
                        )
            self._settle(gang.name, [name], told)

    def _settle(self, gang: str, names: list[str], fetched: pb.Fetched) -> None:
        """Record what was fetched, and stand something in for what could not be."""
        for name in names:
            self._shadows.pop(name, None)
            if name in fetched.unknown:
                self._directory.deleted(gang, name)
                self._shell.user_ns.pop(name, None)
            elif name in fetched.missing:
                self._stand_in(
                    gang,
                    name,
                    fetched.types[name],
                    fetched.reprs[name],
                    fetched.missing[name],
                    fetch=self._fetch_whole if name in fetched.too_large else None,
                )
            else:
                self._directory.received(KERNEL, [name])
                if name in RESULTS:
                    # IPython keeps up only the results that it knows.
                    value = self._shell.user_ns[name]
                    setattr(self._shell.displayhook, name, value)
                    self._shell.user_ns_hidden[name] = value
        self._directory.moved(fetched.sizes)
        self._record(names)

    def _stand_in(
        self,
        gang: str,
        name: str,
        type_name: str,
        shown: str,
        why: str,
        *,
        fetch: Callable[[str], Any] | None = None,
    ) -> None:
        self._directory.set_stuck(name, why)
        self._shell.user_ns[name] = RemoteValue(name, gang, type_name, shown, why, fetch=fetch)


def _told(name: str, by_rank: list[pb.Fetched]) -> pb.Fetched:
    """What the ranks say of ``name``: why it can't come, if a rank says so; else that it came."""
    having = [told for told in by_rank if name not in told.unknown]
    return next((told for told in having if name in told.missing), [*having, *by_rank][0])
