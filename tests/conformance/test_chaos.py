"""Hundreds of rounds of cells, kills, stops and restarts: no name is wrong, and nothing is left."""

from __future__ import annotations

import os
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conformance.chaos import Chaos, descriptors_of
from tests.conformance.moves import Memory
from tests.conformance.page import Page

_ROUNDS = int(os.environ.get("FARCELL_ROUNDS") or 500)


@pytest.mark.slow
@pytest.mark.timeout(60 + 2 * _ROUNDS)
@pytest.mark.on_engine("local")
def test_chaos(opened: Callable[..., Page], tmp_path: Path) -> None:
    seed = int(os.environ.get("FARCELL_SEED") or random.randrange(1 << 32))
    if os.environ.get("CI"):
        seed = 1  # what is red there must be so here
    print(f"FARCELL_SEED={seed} plays these rounds again")
    shared = set(os.listdir("/dev/shm"))
    runtime = tmp_path / "runtime"
    runtime.mkdir(mode=0o700)
    folder = tmp_path / "tmp"
    folder.mkdir()
    page = opened(
        load=False,
        TMPDIR=str(folder),
        JUPYTER_RUNTIME_DIR=str(runtime),
        FARCELL_LEASE_S="0.3",
        FARCELL_KEEP_LOGS_S="0",
    )
    chaos = Chaos(seed, page)
    for number in range(_ROUNDS):
        try:
            chaos.round()
        except AssertionError as error:
            raise AssertionError(f"round {number} of FARCELL_SEED={seed}: {error}") from error
    print(dict(chaos.counts))
    assert len(chaos.counts) > 8, "too little has happened"

    page.good("%cluster stop")
    page.until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in chaos.processes))
    kernel = page.pid
    assert Memory.of(kernel).stray == 0
    assert descriptors_of(kernel) < chaos.descriptors + 10
    assert {name for name in set(os.listdir("/dev/shm")) - shared if "farcell" in name} == set()
    page.until(lambda: not list(folder.glob("farcell*")))  # of heads that were killed
    left = [each.name for each in folder.iterdir() if not each.name.startswith("ipykernel_")]
    assert left == []
    assert list(runtime.glob("farcell*")) == []
