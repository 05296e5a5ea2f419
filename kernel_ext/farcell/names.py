"""The notebook's names, kept as one namespace with those of the gangs.

A remote cell is sent what it reads and its gang lacks. What it binds, or may have changed in
place, is newest there; in the notebook such a name is absent, never old, until somebody reads it:
before a cell by what its syntax shows, else at the moment of the read.
"""

from __future__ import annotations

import builtins
import importlib
import threading
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from farcell.capture import Reads, reads_of
from farcell.directory import KERNEL, Directory
from farcell.fetching_builtins import FetchingBuiltins
from farcell.gang import Gang
from farcell.parsing import looked_up
from farcell.ranks import Ranks
from farcell.remote_value import RemoteValue
from farcell.shipment import Shipment, submodules
from farcell_runtime import codec
from farcell_runtime.bindings import Bindings, is_hidden, is_immutable, type_name
from farcell_runtime.errors import CaptureError, ObjectLost
from farcell_runtime.fingerprints import Fingerprints
from farcell_runtime.reads import closure, mentioned, value_reads
from farcell_runtime.segments import Pool
from farcell_runtime.sharing import sharing
from farcell_runtime.transport import farcell_pb2 as pb
from farcell_runtime.transport.payload import pack
from farcell_runtime.values import Differs, Patch, Pieces, Values

_RESULTS = ("_", "__", "___")  # which any cell binds
_SMALL_BYTES = 64 << 10  # what a string only mentions is sent along up to this size


class Shell(Protocol):
    """What names need of IPython's shell."""

    user_ns: dict[str, Any]
    user_ns_hidden: dict[str, Any]
    displayhook: Any

    def transform_cell(self, raw_cell: str) -> str: ...


class Names:
    """The notebook's side of the one namespace."""

    def __init__(
        self,
        shell: Shell,
        gang_named: Callable[[str], Gang],
        pool: Pool,
        fetch_limit_bytes: int,
    ) -> None:
        """``gang_named`` gives the gang that the directory knows by this name."""
        self.stopped = False  # whether the cell that runs was stopped while it fetched
        self._fetch_limit_bytes = fetch_limit_bytes
        self._pool = pool
        self.directory = Directory()
        self._shell = shell
        self._gang_named = gang_named
        self._values: dict[str, Values] = {}
        # What names held here before a gang changed them: what turns out unchanged is put back.
        self._shadows: dict[str, object] = {}
        self._lock = threading.RLock()
        self._here = self._snapshot()
        self._builtins = FetchingBuiltins(self._fetch_missing)

    def install(self) -> None:
        """Have reads of absent names fetch them."""
        self._shell.user_ns["__builtins__"] = self._builtins
        self.observe("")

    def uninstall(self) -> None:
        self._shell.user_ns["__builtins__"] = builtins

    def observe(self, code: str) -> None:
        """Take in what ``code``, which ran in the notebook, has changed."""
        with self._lock:
            namespace = self._shell.user_ns
            reached = self._closure(mentioned(code)) if code else set()
            changed, deleted = self._here.changes(namespace, reached)
            for binding in changed:
                value = namespace[binding.name]
                if isinstance(value, RemoteValue | Ranks) and not binding.bound:
                    continue  # what stands for values elsewhere is not them
                self._shadows.pop(binding.name, None)
                self.directory.changed(KERNEL, binding.name, type_name=binding.type_name)
            for name in deleted:
                self.directory.deleted(KERNEL, name)
                self._shadows.pop(name, None)
            if changed or deleted:
                self._here = self._snapshot()

    def capture(self, gang: Gang, code: str) -> Shipment:
        """What must go to ``gang`` before it can run ``code``.

        Raises:
            CaptureError: naming a name that the cell reads and that can't travel.
            ObjectLost: naming one whose only holder is gone.
            UsageError: if there is no room to send it.
        """
        with self._lock:
            shipment, pieces, groups = self._plan(gang.name, code)
            values = self._values_for(gang.name)
            shipment.forget = self.directory.take_forgotten(gang.name)
            values.forget(shipment.forget)
            if not shipment.sizes:
                return shipment
            parcel, same = values.join(pieces, shipment.sizes, together=groups)
            self.directory.received(gang.name, same)
            shipment.unchanged += same
            for name in same:
                del shipment.sizes[name]
            if parcel is not None:
                shipment.patches = any(isinstance(item, Patch) for item in parcel.items)
                shipment.packed = pack(parcel, self._pool, gang.ranks)
                values.sent(pieces, shipment.sizes)
                self.directory.moved(shipment.sizes)
        return shipment

    def preview(self, gang: str, code: str) -> Shipment:
        """What ``capture`` would send, without the pickle."""
        with self._lock:
            return self._plan(gang, code)[0]

    def arrived(self, gang: str, shipment: Shipment) -> None:
        """``gang`` has got ``shipment``."""
        self.directory.received(gang, (name for name in shipment.sizes if name in self.directory))

    def refused(self, gang: str, shipment: Shipment) -> None:
        """``gang`` could not take ``shipment``."""
        with self._lock:
            self.directory.refused(gang, shipment.sizes)
            self._values_for(gang).forget(shipment.sizes)

    def gang_changed(self, gang: str, done: pb.Done, code: str = "") -> None:
        """Take in what has changed on ``gang``, where ``code`` ran."""
        if not (done.names or done.deleted):
            return
        with self._lock:
            namespace = self._shell.user_ns
            values = self._values_for(gang)
            values.doubt(report.name for report in done.names)
            values.forget(done.deleted)
            mentions = mentioned(code)
            for report in done.names:
                if self._is_outdated(gang, report, mentions):
                    values.forget([report.name])
                    continue
                held_here = self.directory.is_newest(KERNEL, report.name)
                self.directory.changed(
                    gang,
                    report.name,
                    type_name=report.type,
                    reads=report.reads,
                    module=report.module,
                    alias_of=report.alias_of,
                )
                if report.name in namespace:
                    old = namespace.pop(report.name)
                    if not report.bound and held_here:
                        self._shadows[report.name] = old
                    elif report.bound:
                        self._shadows.pop(report.name, None)
            for name in done.deleted:
                self.directory.deleted(gang, name)
                namespace.pop(name, None)
                self._shadows.pop(name, None)
            self._here.record(namespace, [*(each.name for each in done.names), *done.deleted])

    def _is_outdated(self, gang: str, report: pb.NameReport, mentions: set[str]) -> bool:
        """Whether ``report`` is of an older value than the newest, which is elsewhere."""
        name = report.name
        if name not in self.directory or self.directory.is_newest(gang, name):
            return False
        if not report.bound:
            # The cell was to bind it, and so was not sent it, and failed before it did.
            return True
        # A thread or task there bound it between cells, and the notebook did later.
        unasked = name not in mentions and name not in _RESULTS
        return unasked and self.directory.is_newest(KERNEL, name)

    def gang_gone(self, gang: str, why: str) -> list[str]:
        """Take in that ``gang`` is gone; the answer is the names that are lost with it."""
        with self._lock:
            self._values.pop(gang, None)
            handled = list(self._shadows)
            for name, shadow in list(self._shadows.items()):
                # Nobody can tell any more whether it changed, so what was here is what there is.
                if self.directory.holders(name) == [gang]:
                    self._shell.user_ns[name] = shadow
                    self.directory.changed(KERNEL, name, type_name=type_name(shadow))
                    del self._shadows[name]
            for name in self.directory.only_at(gang):
                handled.append(name)
                self._import_again(name)
            lost = self.directory.gone(gang, why)
            for name in lost:
                if isinstance(self._shell.user_ns.get(name), RemoteValue):
                    del self._shell.user_ns[name]
            self._here.record(self._shell.user_ns, handled + lost)
            return lost

    def found(self, gang: str, names: Iterable[str]) -> None:
        """``gang`` holds ``names`` from before this kernel."""
        with self._lock:
            for name in names:
                self.directory.changed(gang, name)
                self._shell.user_ns.pop(name, None)
                self._here.record(self._shell.user_ns, [name])

    def fetch_for(self, code: str) -> None:
        """Fetch what a cell that is about to run in the notebook reads and the notebook lacks."""
        with self._lock:
            if not self._stale():
                return
            reads = reads_of(code, self._shell.transform_cell)
            certain, perhaps = self._what_is_read(reads)
            wanted = certain | (perhaps if reads.dynamic or reads.everything else set())
            self.fetch(wanted)

    def fetch(self, names: Iterable[str], *, most_bytes: int | None = None) -> None:
        """Bring the newest values of ``names`` into the notebook.

        Of one that is larger than ``most_bytes`` (by default, as configured; 0: none is) comes what
        stands for it.
        """
        most_bytes = self._fetch_limit_bytes if most_bytes is None else most_bytes
        with self._lock:
            by_gang: dict[str, list[str]] = {}
            asked = [name for name in names if name in self.directory]
            grouped = {other for name in asked for other in self.directory.group(name)}
            for name in sorted(self.directory.lacking(KERNEL, grouped)):
                holder = self.directory.holders(name)[0]
                by_gang.setdefault(holder, []).append(name)
            for gang, wanted in by_gang.items():
                self._fetch_from(self._gang_named(gang), wanted, most_bytes)

    def absent(self) -> list[str]:
        """The names that are newest elsewhere, and so not here until somebody reads them."""
        return [name for name in self.directory if not self.directory.is_newest(KERNEL, name)]

    def holder(self, name: str) -> str:
        """The gang that holds the newest version of ``name``; empty if it is here or nowhere."""
        holders = self.directory.holders(name)
        return holders[0] if holders and holders[0] != KERNEL else ""

    def _import_again(self, name: str) -> None:
        """What was imported on a gang that is gone can be imported here."""
        path = self.directory.entry(name).module
        if not path:
            return
        module, _, attribute = path.partition(":")
        try:
            value: object = importlib.import_module(module)
            if attribute:
                value = getattr(value, attribute)
        except Exception:  # whatever that module raises: then its name is lost like any other
            return
        self._shell.user_ns[name] = value
        self.directory.changed(KERNEL, name, type_name=type_name(value), module=path)

    def _stale(self) -> bool:
        return any(not self.directory.is_newest(KERNEL, name) for name in self.directory)

    def _what_is_read(self, reads: Reads) -> tuple[set[str], set[str]]:
        certain = self._closure(reads.names)
        texts = [self._shell.user_ns.get(name) for name in reads.texts]
        mentions = {word for text in texts if isinstance(text, str) for word in mentioned(text)}
        perhaps = self._closure(reads.maybe | mentions)
        if reads.everything:
            perhaps |= {name for name in self.directory if not name.startswith("_")}
        return certain, perhaps - certain

    def _closure(self, names: Iterable[str]) -> set[str]:
        namespace = self._shell.user_ns

        def reads(name: str) -> Iterable[str]:
            if name in namespace:
                return value_reads(namespace[name], namespace)
            return self.directory.entry(name).reads if name in self.directory else ()

        hidden = self._shell.user_ns_hidden
        return closure(
            names,
            reads,
            lambda name: (
                (name in namespace or name in self.directory) and not is_hidden(name, hidden)
            ),
        )

    def _check_not_lost(self, code: str, names: Iterable[str]) -> None:
        lost = [
            name
            for name in names
            if name not in self._shell.user_ns and self.directory.why_lost(name)
        ]
        if not lost:
            return
        # A string that mentions a lost name (`"x" in globals()`) asks for nothing.
        certain = looked_up(code, self._shell.transform_cell)
        for name in lost:
            if name in certain:
                why = self.directory.why_lost(name)
                raise ObjectLost(
                    f"'{name}' is gone: {why}", hint=f"run the cell again that makes '{name}'"
                )

    def _bring_home(self, gang: str, certain: set[str], perhaps: set[str]) -> None:
        """Fetch what only another gang holds, so that it can be sent from here."""
        wanted = [
            name
            for name in self.directory.lacking(gang, certain | perhaps)
            if not self.directory.is_newest(KERNEL, name)
        ]
        self.fetch(wanted, most_bytes=0)

    def _plan(self, gang: str, code: str) -> tuple[Shipment, Pieces, list[set[str]]]:
        """What would go, what its values are, and which names go together or not at all."""
        reads = reads_of(code, self._shell.transform_cell)
        certain, perhaps = self._what_is_read(reads)
        self._check_not_lost(code, reads.names)
        if not (certain or perhaps):
            return Shipment(), Pieces(), []
        self._bring_home(gang, certain, perhaps)
        namespace = self._shell.user_ns
        values = self._values_for(gang)
        wanted = set(self.directory.lacking(gang, certain | perhaps))
        while True:
            groups = self._groups(certain | wanted)
            for group in groups:
                if self.directory.lacking(gang, group):
                    wanted |= group
            pieces = values.pieces(wanted)
            for name, refused in pieces.missing.items():
                if name in certain:
                    raise CaptureError(name, type_name(namespace[name]), refused)
                wanted.discard(name)
            reached = self._closure(pieces.reads)
            more = set(self.directory.lacking(gang, reached)) - wanted - pieces.missing.keys()
            if not more:
                break
            certain |= more
            wanted |= more
            self.fetch(more, most_bytes=0)
        # With a name go those that share a part of its value, whatever their size.
        needed = certain.union(*(group for group in groups if group & certain))
        sizes = {
            name: size
            for name, size in pieces.sizes.items()
            if name in wanted and (name in needed or reads.dynamic or size <= _SMALL_BYTES)
        }
        shipment = Shipment(sizes=sizes)
        for name in sizes:
            if name in certain:
                shipment.why[name] = "" if name in reads.names else "read by a function"
            elif name in needed:
                shipment.why[name] = "shares data with what is read"
            else:
                shipment.why[name] = "mentioned in a string"
        shipment.modules = submodules(code, certain, namespace)
        shipment.unchanged = sorted(name for name in certain - wanted if name in self.directory)
        return shipment, pieces, groups

    def _values_for(self, gang: str) -> Values:
        return self._values.setdefault(gang, Values(lambda: self._shell.user_ns))

    def _groups(self, names: Iterable[str]) -> list[set[str]]:
        """The sets of names whose values share a mutable part here, for those among ``names``.

        They go together, so that they share it there too.
        """
        namespace = self._shell.user_ns
        waiting = {
            name
            for name in names
            if name in namespace
            and not is_immutable(namespace[name])
            and not self._here.is_alone(namespace, name)
        }
        if not waiting:
            return []
        values = {name: namespace[name] for name in self.directory if name in namespace}
        groups: list[set[str]] = []
        looked: dict[str, tuple[set[int], bool]] = {}
        while waiting:
            group = sharing(values, [waiting.pop()], looked)
            waiting -= group
            if len(group) > 1:
                groups.append(group)
        return groups

    def _fetch_from(self, gang: Gang, names: list[str], most_bytes: int) -> None:
        if len(gang.ranks) > 1:
            self._fetch_from_ranks(gang, names, most_bytes)
            return
        without = {name for name in names if name not in self._shadows}
        # Names of one object come together, or they would be several afterwards.
        without |= {other for name in without for other in self.directory.group(name)}
        others = [name for name in names if name in without]
        shadowed = [name for name in names if name not in without]
        if shadowed:
            self._fetch_changes(gang, shadowed, most_bytes)
        if others:
            [fetched] = gang.fetch(others, anew=True, most_bytes=most_bytes)
            self._values_for(gang.name).receive(gang.ranks[0].arrivals.unpack(fetched.values))
            self._settle(gang.name, others, fetched)

    def _fetch_changes(self, gang: Gang, names: list[str], most_bytes: int) -> None:
        """Fetch what has changed in values that are still here as they were."""
        [fetched] = gang.fetch(names, most_bytes=most_bytes)
        values = self._values_for(gang.name)
        parcel = gang.ranks[0].arrivals.unpack(fetched.values)
        namespace = self._shell.user_ns
        # Whatever comes between, they are not taken for what is there any more.
        namespace.update({name: self._shadows.pop(name) for name in names})
        try:
            try:
                values.receive(parcel)
            except Differs:
                [fetched] = gang.fetch(names, anew=True, most_bytes=most_bytes)
                values.receive(gang.ranks[0].arrivals.unpack(fetched.values))
        except BaseException:
            for name in names:
                namespace.pop(name, None)
            raise
        values.confirm(fetched.unchanged)
        self._settle(gang.name, names, fetched)

    def _fetch_from_ranks(self, gang: Gang, names: list[str], most_bytes: int) -> None:
        for name in names:
            answers = gang.fetch([name], anew=True, most_bytes=most_bytes)
            loaded = [
                rank.arrivals.unpack(answer.values).load()
                for rank, answer in zip(gang.ranks, answers, strict=True)
            ]
            if all(name in part for part in loaded):
                alike = len({Fingerprints().digest(codec.dump(part)) for part in loaded}) == 1
                value = loaded[0][name] if alike else Ranks(part[name] for part in loaded)
                self._shell.user_ns[name] = value
            self._settle(gang.name, [name], answers[0])

    def _settle(self, gang: str, names: list[str], fetched: pb.Fetched) -> None:
        """Record what was fetched, and stand something in for what could not be."""
        for name in names:
            self._shadows.pop(name, None)
            if name in fetched.unknown:
                self.directory.deleted(gang, name)
                self._shell.user_ns.pop(name, None)
            elif name in fetched.missing:
                why = fetched.missing[name]
                self.directory.set_stuck(name, why)
                self._shell.user_ns[name] = RemoteValue(
                    name,
                    gang,
                    fetched.types[name],
                    fetched.reprs[name],
                    why,
                    fetch=self._fetch_whole if name in fetched.too_large else None,
                )
            else:
                self.directory.received(KERNEL, [name])
                if name in _RESULTS:
                    # IPython keeps up only the results that it knows.
                    value = self._shell.user_ns[name]
                    setattr(self._shell.displayhook, name, value)
                    self._shell.user_ns_hidden[name] = value
        self.directory.moved(fetched.sizes)
        self._here.record(self._shell.user_ns, names)

    def _fetch_whole(self, name: str) -> Any:
        """The value of a name, whatever its size."""
        with self._lock:
            if name in self.directory and not self.directory.is_newest(KERNEL, name):
                self.fetch([name], most_bytes=0)
            return self._shell.user_ns[name]

    def _fetch_missing(self, name: str) -> Any:
        """The value of a name that was looked up and is not here."""
        if self.stopped:
            raise KeyboardInterrupt
        with self._lock:
            if name in self.directory and not self.directory.is_newest(KERNEL, name):
                self.fetch([name])
                if name in self._shell.user_ns:
                    return self._shell.user_ns[name]
            if why := self.directory.why_lost(name):
                raise ObjectLost(
                    f"'{name}' is gone: {why}", hint=f"run the cell again that makes '{name}'"
                )
        raise KeyError(name)

    def _snapshot(self) -> Bindings:
        return Bindings(self._shell.user_ns, self._shell.user_ns_hidden)
