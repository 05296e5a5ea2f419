"""All orders of six events that a kernel, a head and three workers can meet, without a process."""

from __future__ import annotations

import os

import pytest

from tests.faults.world import EVENTS, World, beginnings

_EVENTS = int(os.environ.get("FARCELL_ORDERS", "6"))


@pytest.mark.slow
def test_every_order_of_six_events() -> None:
    """Worlds that are equal go on alike, so each is left only once, whatever led to it.

    The invariants are checked after each event, and from each world that six events can lead to
    but for the last ones, everything that was begun comes to its end.
    """
    way: dict[object, tuple[object, str]] = {}
    layer: dict[object, World] = {world.key(): world for world in beginnings()}
    seen = set(layer)
    steps = 0
    for _ in range(_EVENTS):
        following: dict[object, World] = {}
        for key, world in layer.items():
            for name, event in EVENTS.items():
                twin = world.copy()
                steps += 1
                try:
                    event(twin)
                except AssertionError as error:
                    raise AssertionError(f"{error}\nafter: {_told(way, key, name)}") from error
                reached = twin.key()
                if reached not in seen:
                    seen.add(reached)
                    way[reached] = key, name
                    following[reached] = twin
            try:
                world.settle()
            except AssertionError as error:
                raise AssertionError(f"{error}\nin the end, {_told(way, key, '')}") from error
        layer = following
    orders = 2 * len(EVENTS) ** _EVENTS
    print(f"{orders:,} orders of {_EVENTS} events: {steps:,} steps, {len(seen):,} worlds")


def _told(way: dict[object, tuple[object, str]], key: object, last: str) -> str:
    """The events that led there, from the beginning."""
    events = [last]
    while key in way:
        key, event = way[key]
        events.insert(0, event)
    return ", ".join(events)
