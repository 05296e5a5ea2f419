"""The notebook's names, kept as one namespace with those of the gangs.

A remote cell is sent what it reads and its gang lacks. What it binds, or may have changed in
place, is newest there; in the notebook such a name is absent, never old, until somebody reads it:
before a cell by what its syntax shows, else at the moment of the read.
"""

from __future__ import annotations

import builtins
import threading
from collections.abc import Callable, Collection, Iterable
from typing import Any, Protocol

from farcell.capture import reads_of
from farcell.directory import KERNEL, Directory
from farcell.fetching_builtins import FetchingBuiltins
from farcell.gang import Gang
from farcell.incoming import Incoming
from farcell.parsing import looked_up
from farcell.provenance import Provenance
from farcell.ranks import Ranks
from farcell.reading import Reading
from farcell.receipt import Receipts
from farcell.remote_value import RemoteValue, lives_elsewhere
from farcell.results import Results
from farcell.shipment import Shipment, groups_of, moved, reasons, submodules
from farcell.stops import stops_allowed, stops_held
from farcell_runtime.bindings import RESULTS, Bindings, imported, type_name
from farcell_runtime.errors import CaptureError, ObjectLost
from farcell_runtime.pieces import Pieces
from farcell_runtime.pouring import Arrival
from farcell_runtime.reads import mentioned
from farcell_runtime.segments import Pool
from farcell_runtime.transport import farcell_pb2 as pb
from farcell_runtime.transport.payload import pack
from farcell_runtime.values import Parcel, Values

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
        receipts: Receipts,
    ) -> None:
        """``gang_named`` gives the gang that the directory knows by this name."""
        self._receipts = receipts
        self.stopped = False  # whether the cell that runs was stopped while it fetched
        self._fetch_limit_bytes = fetch_limit_bytes
        self._pool = pool
        self.directory = Directory()
        self.provenance = Provenance()
        self.shell = shell
        self.gang_named = gang_named
        self.results = Results(shell, self)
        self._values: dict[str, Values] = {}
        # What names held here before a gang changed them: what turns out unchanged is put back.
        self._shadows: dict[str, object] = {}
        self._lock = threading.RLock()
        self._here = Bindings({}, shell.user_ns_hidden)
        self._incoming = Incoming(
            shell,
            self.directory,
            self._shadows,
            self.values_for,
            rebound=self._rebound,
            record=lambda names: self._here.record(shell.user_ns, names),
            fetch_whole=self._fetch_whole,
        )
        self._builtins = FetchingBuiltins(self._fetch_missing)
        self._reading = Reading(shell, self.directory)

    def install(self) -> None:
        """Have reads of absent names fetch them."""
        self.shell.user_ns["__builtins__"] = self._builtins
        with self.provenance.beside("before farcell was loaded"):
            self.observe("")

    def uninstall(self) -> None:
        self.shell.user_ns["__builtins__"] = builtins

    def observe(self, code: str) -> None:
        """Take in what ``code``, which ran in the notebook, has changed."""
        beside = "" if code else "beside the cells, by a thread or a task"
        with self._lock, self.provenance.beside(beside):
            namespace = self.shell.user_ns
            reached = self._reading.reached(code)
            changed, deleted = self._here.changes(namespace, reached)
            looked_at = self._reading.looked_at_here(code, changed, self._here)
            for binding in changed:
                value = namespace[binding.name]
                if isinstance(value, RemoteValue | Ranks) and not binding.bound:
                    continue  # what stands for values elsewhere is not them
                self._shadows.pop(binding.name, None)
                if binding.bound:
                    self._rebound([binding.name])
                self.directory.changed(KERNEL, binding.name, type_name=binding.type_name)
                if binding.name not in looked_at:
                    self.provenance.changed(binding.name, bound=binding.bound, here=True)
            for name in deleted:
                self.directory.deleted(KERNEL, name)
                self.provenance.deleted(name)
                self._shadows.pop(name, None)
            if changed or deleted:
                self._here = self._snapshot()

    def capture(self, gang: Gang, code: str, *, whole: bool = False) -> Shipment:
        """What must go to ``gang`` before it can run ``code``.

        Args:
            whole: send whole values, even where little has changed in them.

        Raises:
            CaptureError: naming a name that the cell reads and that can't travel.
            ObjectLost: naming one whose only holder is gone.
            UsageError: if there is no room to send it.
        """
        with self._lock:
            with stops_allowed():
                shipment, pieces, parcel = self._plan(gang.name, code, fetch=True, whole=whole)
                if parcel is not None:
                    shipment.packed = pack(parcel, self._pool)
            values = self.values_for(gang.name)
            shipment.forget = self.directory.take_forgotten(gang.name)
            values.forget(shipment.forget)
            try:
                self.directory.received(gang.name, shipment.unchanged)
                if parcel is not None:
                    values.sent(pieces, shipment.names)
                    sizes = pieces.sizes
                    self.directory.moved({name: sizes[name] for name in shipment.names})
            except BaseException:
                self.refused(gang.name, shipment)
                raise
            self.provenance.read(shipment.reads, values.known_by(shipment.reads))
        return shipment

    def preview(self, gang: str, code: str) -> Shipment:
        """What ``capture`` would send, and what it would fetch first; nothing moves."""
        with self._lock:
            return self._plan(gang, code, fetch=False)[0]

    def arrived(self, gang: str, shipment: Shipment) -> None:
        """``gang`` has got ``shipment``."""
        self.directory.received(gang, (name for name in shipment.names if name in self.directory))
        self.provenance.holds(gang, shipment.names)

    def refused(self, gang: str, shipment: Shipment) -> None:
        """``gang`` could not take ``shipment``, or was not sent it."""
        with self._lock:
            if shipment.packed is not None and shipment.packed.segment is not None:
                self._pool.discard(shipment.packed.segment)
            self.discard(gang, shipment.names)
            self.directory.not_told(gang, shipment.forget)

    def discard(self, gang: str, names: Collection[str]) -> None:
        """What ``gang`` has under ``names`` does not count."""
        with self._lock:
            self.directory.refused(gang, names)
            self.values_for(gang).forget(names)

    def gang_changed(self, gang: str, done: pb.Done, code: str = "") -> None:
        """Take in what has changed on ``gang``, where ``code`` ran."""
        if not (done.names or done.deleted):
            return
        with self._lock, self.provenance.beside("" if code else "by a widget's handler"):
            namespace = self.shell.user_ns
            values, asked = self.values_for(gang), mentioned(code) | set(RESULTS)
            values.doubt(report.name for report in done.names)
            values.forget(done.deleted)
            looked_at = self._reading.looked_at_there(code, done)
            for report in done.names:
                if self.directory.is_outdated(
                    gang, report.name, bound=report.bound, asked=report.name in asked
                ):
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
                if report.name not in looked_at:
                    self.provenance.changed(
                        report.name, bound=report.bound, here=False, was_here=held_here
                    )
                if report.bound:
                    self._shadows.pop(report.name, None)
                elif held_here and report.name in namespace:
                    self._shadows[report.name] = namespace[report.name]
                namespace.pop(report.name, None)
            self.provenance.holds(gang, (report.name for report in done.names))
            for name in done.deleted:
                self.directory.deleted(gang, name)
                self.provenance.deleted(name)
                namespace.pop(name, None)
                self._shadows.pop(name, None)
            self._here.record(namespace, [*(each.name for each in done.names), *done.deleted])

    def delete(self, name: str) -> None:
        """Delete ``name`` wherever it is."""
        with self._lock:
            self.shell.user_ns.pop(name, None)
            self.directory.deleted(KERNEL, name)
            self.provenance.deleted(name)
            self._here.record(self.shell.user_ns, [name])

    def alias(self, name: str, other: str) -> None:
        """Bind ``other`` to what ``name`` is, where that is."""
        with self._lock:
            entry, holder = self.directory.entry(name), self.holder(name)
            if holder and self.gang_named(holder).alias(name, other):
                report = pb.NameReport(name=other, type=entry.type_name, bound=True)
                report.MergeFrom(pb.NameReport(reads=entry.reads, module=entry.module))
                self.gang_changed(holder, pb.Done(names=[report]), other)
            else:
                self.fetch([name], most_bytes=0)
                self.bind(other, self.shell.user_ns[name])

    def bind(self, name: str, value: object) -> None:
        """Have the notebook's own ``name`` be ``value``, as if a cell had bound it."""
        with self._lock:
            self.shell.user_ns[name] = value
            self._shadows.pop(name, None)
            self._rebound([name])
            self.directory.changed(KERNEL, name, type_name=type_name(value))
            self.provenance.changed(name, bound=True, here=True)
            self._here.record(self.shell.user_ns, [name])

    def lose(self, name: str, why: str) -> None:
        """Have ``name`` be gone: what there is of it is older than what was lost."""
        with self._lock:
            self.shell.user_ns.pop(name, None)
            self._shadows.pop(name, None)
            self.directory.lose(name, why)
            self.provenance.taken_out(name)
            self._here.record(self.shell.user_ns, [name])

    def gang_gone(self, gang: str, why: str) -> tuple[list[str], list[str]]:
        """Take in that ``gang`` is gone.

        Returns:
            The names that are lost with it, and those that are as they were before its cells, which
            may have changed them in place.
        """
        with self._lock:
            self._values.pop(gang, None)
            handled, back = list(self._shadows), []
            for name, shadow in list(self._shadows.items()):
                # Nobody can tell any more whether it changed, so what was here is what there is.
                if self.directory.holders(name) == [gang]:
                    self.shell.user_ns[name] = shadow
                    self.directory.changed(KERNEL, name, type_name=type_name(shadow))
                    del self._shadows[name]
                    back.append(name)
            for name in self.directory.only_at(gang):
                handled.append(name)
                self._import_again(name)
            lost = self.directory.gone(gang, why)
            for name in lost:
                if isinstance(self.shell.user_ns.get(name), RemoteValue):
                    del self.shell.user_ns[name]
            self._here.record(self.shell.user_ns, handled + lost)
            self.provenance.gang_gone(gang)
            self.provenance.lost(lost, back)
            return lost, back

    def is_in_doubt(self, name: str) -> bool:
        """Whether the notebook has a value of ``name`` that a gang may have changed since."""
        return name in self._shadows

    def freed(self, gang: str, freed: Iterable[str]) -> None:
        """``gang`` was made to give up these names."""
        with self._lock:
            namespace = self.shell.user_ns
            for name in freed:
                self.values_for(gang).forget([name])
                if self.directory.freed(gang, name):
                    self.provenance.deleted(name)
                    self._shadows.pop(name, None)
                    namespace.pop(name, None)
                    self._here.record(namespace, [name])

    def found(self, gang: str, names: Iterable[str], *, known: bool) -> None:
        """``gang`` holds ``names`` from before this kernel.

        Args:
            known: whether all is known that was changed there.
        """
        with self._lock, self.provenance.beside("by a kernel before this one"):
            for name in names:
                if known and self.provenance.was_deleted(name):
                    self.directory.not_told(gang, [name])
                    continue
                self.directory.changed(gang, name)
                self.provenance.found(gang, name, known=known)
                self.shell.user_ns.pop(name, None)
                self._here.record(self.shell.user_ns, [name])

    def fetch_for(self, code: str) -> None:
        """Fetch what a cell that is about to run in the notebook reads and the notebook lacks."""
        with self._lock:
            reads = reads_of(code, self.shell.transform_cell, here=True)
            certain, perhaps = self._reading.of_cell(reads)
            wanted = certain | (perhaps if reads.dynamic or reads.everything else set())
            self.provenance.read(wanted)
            if self.absent():
                self.fetch(wanted)

    def fetch(self, names: Iterable[str], *, most_bytes: int | None = None) -> None:
        """Bring the newest values of ``names`` into the notebook.

        Of one that is larger than ``most_bytes`` (by default, as configured; 0: none is) comes what
        stands for it.
        """
        most_bytes = self._fetch_limit_bytes if most_bytes is None else most_bytes
        names = list(names)
        with self._lock:
            for gang in self._elsewhere(names):
                self.gang_named(gang)  # which may be waited for, and hold other names then
            for gang, wanted in self._elsewhere(names).items():
                with self._receipts.fetching(gang) as came:
                    self._incoming.fetch(self.gang_named(gang), wanted, most_bytes, came)

    def _elsewhere(self, names: Iterable[str]) -> dict[str, list[str]]:
        """Those of ``names`` that are not here, with what must come with them, by their gang."""
        by_gang: dict[str, list[str]] = {}
        asked = [name for name in names if name in self.directory]
        grouped = {other for name in asked for other in self.directory.group(name)}
        for name in sorted(self.directory.lacking(KERNEL, grouped)):
            by_gang.setdefault(self.directory.holders(name)[0], []).append(name)
        return by_gang

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
        try:
            value = imported(path)
        except Exception:  # whatever that module raises: then its name is lost like any other
            return
        self.shell.user_ns[name] = value
        self.directory.changed(KERNEL, name, type_name=type_name(value), module=path)

    def _check_not_lost(self, code: str, names: Iterable[str]) -> None:
        namespace = self.shell.user_ns
        lost = [n for n in names if n not in namespace and self.directory.why_lost(n)]
        # A string that mentions a lost name (`"x" in globals()`) asks for nothing.
        certain = looked_up(code, self.shell.transform_cell) if lost else ()
        for name in lost:
            if name in certain:
                raise self._lost(name)

    def _bring_home(
        self, gang: str, names: Iterable[str], shipment: Shipment, *, fetch: bool
    ) -> None:
        """Fetch what only another gang holds, so that it can be sent from here; or only say so."""
        away = [
            name
            for name in self.directory.lacking(gang, names)
            if not self.directory.is_newest(KERNEL, name)
        ]
        if fetch:
            self.fetch(away, most_bytes=0)
            return
        for holder, wanted in self._elsewhere(away).items():
            sizes = {name: self.directory.entry(name).size_bytes for name in wanted}
            shipment.first.setdefault(holder, {}).update(sizes)

    def _plan(
        self, gang: str, code: str, *, fetch: bool, whole: bool = False
    ) -> tuple[Shipment, Pieces, Parcel | None]:
        """What is to go, with the pickles of the values and the parcel of those that do go.

        Without ``fetch`` nothing that is elsewhere is brought here first, and so nothing of it is
        in the parcel.
        """
        shipment = Shipment()
        reads = reads_of(code, self.shell.transform_cell)
        certain, perhaps = self._reading.of_cell(reads)
        self._check_not_lost(code, reads.names)
        if not (certain or perhaps):
            return shipment, Pieces(), None
        self._bring_home(gang, certain | perhaps, shipment, fetch=fetch)
        namespace = self.shell.user_ns
        perhaps = {name for name in perhaps if not lives_elsewhere(namespace.get(name), gang)}
        values = self.values_for(gang)
        wanted = set(self.directory.lacking(gang, certain | perhaps))
        while True:
            groups = groups_of(certain | wanted, namespace, self.directory, self._here.is_alone)
            for group in groups:
                if self.directory.lacking(gang, group):
                    wanted |= group
            pieces = values.pieces(wanted)
            for name, refused in pieces.missing.items():
                if name in certain:
                    raise CaptureError(name, type_name(namespace[name]), refused)
                wanted.discard(name)
            reached = self._reading.closure(pieces.reads)
            more = set(self.directory.lacking(gang, reached)) - wanted - pieces.missing.keys()
            if not more:
                break
            certain |= more
            wanted |= more
            self._bring_home(gang, more, shipment, fetch=fetch)
        # With a name go those that share a part of its value, whatever their size.
        needed = certain.union(*(group for group in groups if group & certain))
        sizes = pieces.sizes
        going = {
            name
            for name, size in sizes.items()
            if name in wanted and (name in needed or reads.dynamic or size <= _SMALL_BYTES)
        }
        shipment.reads = certain | (perhaps if reads.dynamic else set())
        parcel, same = values.join(pieces, going, whole=whole, together=groups)
        if parcel is not None:
            going.difference_update(same)
            why = reasons(going, reads, certain, groups, self._reading.readers)
            shipment.moved = moved(parcel, sizes, why)
        shipment.modules = submodules(code, certain, namespace)
        there = [name for name in certain - wanted if name in self.directory] + same
        shipment.unchanged = {name: self.directory.entry(name).size_bytes for name in there}
        return shipment, pieces, parcel

    def values_for(self, gang: str) -> Values:
        """What is known of the values that notebook and gang have in common."""
        return self._values.setdefault(gang, Values(lambda: self.shell.user_ns, self._bind))

    def _bind(self, arrival: Arrival) -> None:
        with stops_held():
            arrival.pour(self.shell.user_ns)
            self.shell.user_ns.update(arrival.values)

    def _rebound(self, names: Collection[str], by: str = "") -> None:
        """``names`` have other objects now than those whose values gangs other than ``by`` have."""
        for gang, values in self._values.items():
            if gang != by:
                values.rebound(names)

    def _fetch_whole(self, name: str) -> Any:
        with self._lock:
            if name in self.directory and not self.directory.is_newest(KERNEL, name):
                self.fetch([name], most_bytes=0)
            return self.shell.user_ns[name]

    def _fetch_missing(self, name: str) -> Any:
        """The value of a name that was looked up and is not here."""
        if self.stopped:
            raise KeyboardInterrupt
        if holder := self.holder(name):
            self.gang_named(holder)  # to wait for it must hold up no other thread
        with self._lock:
            if name in self.directory and not self.directory.is_newest(KERNEL, name):
                self.fetch([name])
                if name in self.shell.user_ns:
                    return self.shell.user_ns[name]
            if self.directory.why_lost(name):
                raise self._lost(name)
        return self.results.named(name)

    def _lost(self, name: str) -> ObjectLost:
        hint = f"run the cell again that makes '{name}'"
        if self.provenance.can_be_tried(name):
            hint = f"%cluster recover {name} says which cells make it again, and runs them"
        return ObjectLost(f"'{name}' is gone: {self.directory.why_lost(name)}", hint=hint)

    def _snapshot(self) -> Bindings:
        return Bindings(self.shell.user_ns, self.shell.user_ns_hidden)
