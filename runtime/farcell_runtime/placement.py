"""Where the ranks of a gang go: all of them, or none.

Pure: it is told what hosts there are and what is held on them, and answers with seats. GPUs are
exclusive; cores are counted only for gangs that ask for cores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from farcell_runtime.errors import PlacementError, UsageError
from farcell_runtime.messages import Shape


@dataclass(frozen=True, slots=True)
class Host:
    """A machine that can hold workers.

    Attributes:
        cpus: its cores.
        slots: how many workers it can hold at once.
        gpu_uuids: its devices.
        address: where its processes reach each other.
    """

    name: str
    cpus: float
    slots: int
    gpu_uuids: tuple[str, ...] = ()
    address: str = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Seat:
    """What one rank gets, and where. ``local_rank`` counts the gang's ranks on that host."""

    rank: int
    local_rank: int
    host: str
    gpu_uuids: tuple[str, ...] = ()
    cpus: float = 0.0


@dataclass(frozen=True, slots=True)
class Placement:
    """The seats of a gang, by rank."""

    gang: str
    seats: tuple[Seat, ...]

    def ranks_on(self, host: str) -> int:
        return sum(seat.host == host for seat in self.seats)


@dataclass(slots=True)
class _Room:
    """What is left on a host."""

    host: Host
    slots: int
    cpus: float
    gpu_uuids: list[str]

    def seats_for(self, gpus: int, cpus: float) -> int:
        """How many ranks of ``gpus`` devices and ``cpus`` cores fit here."""
        fit = self.slots
        if gpus:
            fit = min(fit, len(self.gpu_uuids) // gpus)
        if cpus:
            fit = min(fit, int((self.cpus + 1e-9) // cpus))
        return max(fit, 0)


def check_shape(shape: Shape) -> None:
    """Refuse a shape that no cluster could place.

    Raises:
        UsageError: and it says which number is wrong.
    """
    if shape.ranks < 1:
        raise UsageError(f"a gang has at least 1 rank, not {shape.ranks}")
    if shape.gpus < 0 or shape.cpus < 0:
        raise UsageError("a gang can't ask for less than 0 GPUs or cores")
    if shape.gpus % shape.ranks:
        raise UsageError(
            f"{shape.gpus} GPUs can't be divided evenly over {shape.ranks} ranks",
            hint=f"ask for a multiple of {shape.ranks}: --gpus counts the GPUs of all ranks",
        )


def place(shape: Shape, hosts: Sequence[Host], held: Sequence[Placement]) -> Placement:
    """Seats for every rank of ``shape``, packed onto as few hosts as can be.

    Args:
        shape: what is asked for.
        hosts: what there is, in the order of preference.
        held: the placements that use some of it already.

    Raises:
        UsageError: if the shape makes no sense.
        PlacementError: if there is no room for all of it.
    """
    check_shape(shape)
    gpus, cpus = shape.gpus // shape.ranks, shape.cpus / shape.ranks
    rooms = [_room(host, held) for host in hosts]
    rooms = [room for room in rooms if room.seats_for(gpus, cpus)]
    whole = [room for room in rooms if room.seats_for(gpus, cpus) >= shape.ranks]
    # A stable sort: hosts with equal room keep their order of preference.
    rooms = whole[:1] or sorted(rooms, key=lambda room: -room.seats_for(gpus, cpus))
    seats: list[Seat] = []
    for room in rooms:
        for local_rank in range(min(room.seats_for(gpus, cpus), shape.ranks - len(seats))):
            mine = tuple(room.gpu_uuids[local_rank * gpus : (local_rank + 1) * gpus])
            seats.append(Seat(len(seats), local_rank, room.host.name, mine, cpus))
    if len(seats) < shape.ranks:
        raise _no_room(shape, hosts, held)
    return Placement(shape.gang, tuple(seats))


def _room(host: Host, held: Sequence[Placement]) -> _Room:
    seats = [seat for each in held for seat in each.seats if seat.host == host.name]
    taken = {uuid for seat in seats for uuid in seat.gpu_uuids}
    return _Room(
        host,
        host.slots - len(seats),
        host.cpus - sum(seat.cpus for seat in seats),
        [uuid for uuid in host.gpu_uuids if uuid not in taken],
    )


def _no_room(shape: Shape, hosts: Sequence[Host], held: Sequence[Placement]) -> PlacementError:
    rooms = [_room(host, held) for host in hosts]
    requested: dict[str, float] = {"workers": shape.ranks}
    available: dict[str, float] = {"workers": sum(max(room.slots, 0) for room in rooms)}
    total: dict[str, float] = {"workers": sum(host.slots for host in hosts)}
    if shape.gpus:
        requested["GPUs"] = shape.gpus
        available["GPUs"] = sum(len(room.gpu_uuids) for room in rooms)
        total["GPUs"] = sum(len(host.gpu_uuids) for host in hosts)
    if shape.cpus:
        requested["CPUs"] = shape.cpus
        available["CPUs"] = sum(max(room.cpus, 0.0) for room in rooms)
        total["CPUs"] = sum(host.cpus for host in hosts)
    return refusal(shape, requested, available, total, held)


def refusal(
    shape: Shape,
    requested: dict[str, float],
    available: dict[str, float],
    total: dict[str, float],
    held: Sequence[Placement],
) -> PlacementError:
    """The error that says what was asked, what there is, and who holds the rest."""
    asked = ", ".join(_count(requested[what], what) for what in requested)
    scarce = [what for what in requested if requested[what] > available[what]] or [*requested]
    there = ", ".join(f"{available[what]:g} of {total[what]:g} {what}" for what in scarce)
    holders = [each for each in held if _holds_any(each, requested)]
    message = f"there is no room for '{shape.gang}': it asks for {asked}; free are {there}"
    if holders:
        message += "; held by " + ", ".join(f"'{each.gang}' ({_amount(each)})" for each in holders)
    impossible = [what for what in requested if requested[what] > total[what]]
    if impossible:
        what = impossible[0]
        hint = f"the cluster has no more than {total[what]:g} {what} in all"
        if what == "workers":
            hint += f": %cluster scale {requested[what]:g} allows it more"
        elif not total[what]:
            hint = f"no host of the cluster has any {what}"
    elif holders:
        hint = f"free some first: %cluster stop {holders[0].gang}"
    else:
        hint = "ask for fewer ranks, or for less on each: no single host has room for one"
    return PlacementError(
        message,
        requested=requested,
        available=available,
        holders=[each.gang for each in holders],
        hint=hint,
    )


def _holds_any(placement: Placement, requested: dict[str, float]) -> bool:
    """Whether it holds something of the scarce kinds that were asked for."""
    if "GPUs" in requested:
        return any(seat.gpu_uuids for seat in placement.seats)
    if "CPUs" in requested:
        return any(seat.cpus for seat in placement.seats)
    return True


def _count(amount: float, what: str) -> str:
    return f"{amount:g} {what}" if amount != 1 else f"1 {what.removesuffix('s')}"


def _amount(placement: Placement) -> str:
    amounts = {
        "ranks": len(placement.seats),
        "GPUs": sum(len(seat.gpu_uuids) for seat in placement.seats),
        "CPUs": sum(seat.cpus for seat in placement.seats),
    }
    words = [f"{amount:g} {what}" for what, amount in amounts.items() if amount]
    return ", ".join(words).replace("1 ranks", "1 rank") if words else "nothing"
