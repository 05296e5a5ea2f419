"""Ten thousand moves of values, with kills and stops in between: all is right, nothing is left."""

from __future__ import annotations

import ast
import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conformance.moves import Memory, anonymous_bytes
from tests.conformance.page import Page

_MOVES = 10_000
_AT_ONCE = 500  # a page's patience with one cell is a minute
_ROOT = Path(__file__).parents[2]
_MOVING = "__import__('tests.conformance.moves', fromlist=['moves'])"


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.on_engine("local")
def test_ten_thousand_moves(opened: Callable[..., Page], tmp_path: Path) -> None:
    seed = int(os.environ.get("FARCELL_SEED") or random.randrange(1 << 32))
    if os.environ.get("CI"):
        seed = 1  # what is red there must be so here
    print(f"FARCELL_SEED={seed} makes these moves again")
    path = os.pathsep.join([str(_ROOT), *filter(None, [os.environ.get("PYTHONPATH")])])
    shared = set(os.listdir("/dev/shm"))
    page = opened(PYTHONPATH=path, TMPDIR=str(tmp_path))
    kernel = page.pid
    page.good(f"{_MOVING}.begin({seed})")
    grown: list[int] = []
    for _ in range(_MOVES // _AT_ONCE):
        page.good(f"{_MOVING}.moves.go({_AT_ONCE})")
        if len(grown) in (0, _MOVES // _AT_ONCE - 1):
            page.good(f"{_MOVING}.moves.clear()")
        grown.append(anonymous_bytes(kernel))
    counts = ast.literal_eval(page.value(f"dict({_MOVING}.moves.counts)"))
    print(counts, grown)
    assert counts["killed"] > 20
    assert counts["lost"] > 20
    assert counts["stopped"] > 2

    assert grown[-1] - grown[0] < 50e6, grown
    held, free = ast.literal_eval(page.value(f"{_MOVING}.moves.pool_bytes()"))
    assert held == 0, "segments that nobody maps count as mapped"
    workers = ast.literal_eval(page.value(f"{_MOVING}.moves.pids()"))
    memory = {who: Memory.of(pid) for who, pid in {"kernel": kernel, **workers}.items()}
    assert {who: each.stray for who, each in memory.items()} == dict.fromkeys(memory, 0)
    assert memory["kernel"].owned_bytes == free
    assert all(memory[who].owned_bytes <= 256 << 20 for who in workers)

    page.good("%cluster stop")
    page.until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in workers.values()))
    assert Memory.of(kernel).stray == 0
    assert set(os.listdir("/dev/shm")) <= shared
    left = [each.name for each in tmp_path.iterdir() if not each.name.startswith("ipykernel_")]
    assert left == []
