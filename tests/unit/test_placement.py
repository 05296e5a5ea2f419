"""Placement: all ranks or none, GPUs to one rank only, and errors that say who holds what."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from farcell_runtime.errors import PlacementError, UsageError
from farcell_runtime.messages import Shape
from farcell_runtime.placement import Host, Placement, place

A = Host("a", cpus=8, slots=4, gpu_uuids=("A0", "A1", "A2", "A3"))
B = Host("b", cpus=8, slots=8, gpu_uuids=("B0", "B1"))


def uuids(placement: Placement) -> list[tuple[str, ...]]:
    return [seat.gpu_uuids for seat in placement.seats]


def test_a_plain_gang_takes_a_slot_and_nothing_else() -> None:
    (seat,) = place(Shape(), [A, B], []).seats
    assert (seat.host, seat.gpu_uuids, seat.cpus) == ("a", (), 0.0)


def test_gpus_are_divided_over_the_ranks() -> None:
    assert uuids(place(Shape(ranks=2, gpus=4), [A], [])) == [("A0", "A1"), ("A2", "A3")]
    assert uuids(place(Shape(gpus=4), [A], [])) == [("A0", "A1", "A2", "A3")]


def test_gpus_belong_to_one_gang() -> None:
    first = place(Shape(gpus=1, name="x"), [A], [])
    assert uuids(place(Shape(ranks=3, gpus=3), [A], [first])) == [("A1",), ("A2",), ("A3",)]


def test_one_host_is_preferred_to_many() -> None:
    placement = place(Shape(ranks=6), [A, B], [])
    assert {seat.host for seat in placement.seats} == {"b"}


def test_a_gang_spreads_where_no_host_has_room_for_all() -> None:
    placement = place(Shape(ranks=6, gpus=6), [A, B], [])
    assert [(seat.host, seat.local_rank) for seat in placement.seats] == [
        ("a", 0), ("a", 1), ("a", 2), ("a", 3), ("b", 0), ("b", 1),
    ]  # fmt: skip
    assert placement.ranks_on("a") == 4


def test_cores_count_only_if_asked_for() -> None:
    held = [place(Shape(cpus=8, name="x"), [B], [])]
    assert place(Shape(ranks=4), [B], held).ranks_on("b") == 4
    with pytest.raises(PlacementError):
        place(Shape(cpus=0.5), [B], held)


def test_a_refusal_says_what_was_asked_what_there_is_and_who_holds_it() -> None:
    held = [place(Shape(gpus=3, name="train"), [A], []), place(Shape(name="idle"), [A], [])]
    with pytest.raises(PlacementError) as caught:
        place(Shape(gpus=2), [A], held)
    error = caught.value
    assert error.requested == {"workers": 1, "GPUs": 2}
    assert error.available == {"workers": 2, "GPUs": 1}
    assert error.holders == ("train",)
    assert "1 of 4 GPUs" in error.message
    assert "'train' (1 rank, 3 GPUs)" in error.message
    assert "train" in error.hint


def test_what_can_never_be_placed_is_told_as_such() -> None:
    with pytest.raises(PlacementError) as caught:
        place(Shape(gpus=8), [A, B], [])
    assert "no more than 6 GPUs" in caught.value.hint
    with pytest.raises(PlacementError) as caught:
        place(Shape(gpus=6), [A, B], [])
    assert "no single host" in caught.value.hint


@pytest.mark.parametrize(
    ("shape", "why"),
    [
        (Shape(ranks=0), "at least 1 rank"),
        (Shape(gpus=-1), "less than 0"),
        (Shape(cpus=-0.5), "less than 0"),
        (Shape(ranks=3, gpus=4), "divided evenly"),
    ],
)
def test_a_senseless_shape_is_refused(shape: Shape, why: str) -> None:
    with pytest.raises(UsageError, match=why):
        place(shape, [A, B], [])


shapes = st.builds(
    lambda ranks, each, cpus, name: Shape(ranks, ranks * each, cpus, name),
    st.integers(1, 6),
    st.integers(0, 3),
    st.sampled_from([0.0, 1.0, 3.0]),
    st.uuids().map(str),
)
hosts = st.lists(
    st.builds(
        lambda slots, gpus, cpus: (slots, gpus, cpus),
        st.integers(0, 6),
        st.integers(0, 5),
        st.integers(1, 8),
    ),
    max_size=4,
).map(
    lambda rows: [
        Host(f"h{i}", cpus, slots, tuple(f"h{i}g{j}" for j in range(gpus)))
        for i, (slots, gpus, cpus) in enumerate(rows)
    ]
)


@given(hosts, st.lists(shapes, max_size=6))
def test_nothing_is_ever_given_twice(there: list[Host], wanted: list[Shape]) -> None:
    held: list[Placement] = []
    for shape in wanted:
        try:
            placement = place(shape, there, held)
        except PlacementError:
            continue
        assert [seat.rank for seat in placement.seats] == list(range(shape.ranks))
        assert all(len(seat.gpu_uuids) == shape.gpus // shape.ranks for seat in placement.seats)
        held.append(placement)
    for host in there:
        seats = [seat for each in held for seat in each.seats if seat.host == host.name]
        given_uuids = [uuid for seat in seats for uuid in seat.gpu_uuids]
        assert len(seats) <= host.slots
        assert len(set(given_uuids)) == len(given_uuids)
        assert set(given_uuids) <= set(host.gpu_uuids)
        assert sum(seat.cpus for seat in seats) <= host.cpus + 1e-6
