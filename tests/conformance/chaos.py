"""Rounds of moves and accidents, played from outside: kernels, heads and warm parents die too."""

from __future__ import annotations

import ast
import contextlib
import os
import signal
import time
from pathlib import Path

from tests.conformance.moves import HERE, PLACES, Error, Held, Moves, check_of
from tests.conformance.page import Page, remote

_GANGS = tuple(place for place in PLACES if place != HERE)
# What a round may begin with, and how often in a hundred.
_ACCIDENTS = {
    "kill": 6,
    "restart_gang": 3,
    "kill_parent": 2,
    "kill_head": 1,
    "restart_kernel": 2,
    "stop": 8,
}
_MOST_MOVES = 3
_REPLY_S, _ANSWER_S, _TRIES = 2.0, 20.0, 4
_FARCELL = "get_ipython()._farcell"
# What a cell may say while the news of a death are on their way.
_ON_THE_WAY = ("WorkerLost", "SessionLost", "ConnectError")


def descriptors_of(pid: int) -> int:
    """How many a process has, but for memory that it keeps for the next values."""
    count = 0
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(OSError):
            count += "memfd:farcell" not in os.readlink(path)
    return count


class Chaos(Moves):
    """A page, and what its names must hold whatever dies.

    Attributes:
        processes: of the cluster, all that there have been.
        descriptors: that the kernel had when it had just loaded farcell.
    """

    def __init__(self, seed: int, page: Page) -> None:
        super().__init__(seed)
        self._page = page
        self.processes: set[int] = set()
        self.descriptors = 0
        # The gangs that have some version of a name, be it an old one.
        self._copies: dict[str, set[str]] = {}
        self._load()

    def round(self) -> None:
        """Perhaps an accident, then some moves; in the end every name is what it must be."""
        names, weights = list(_ACCIDENTS), list(_ACCIDENTS.values())
        (accident,) = self._random.choices([*names, ""], [*weights, 100 - sum(weights)])
        if accident:
            getattr(self, accident)()
        for _ in range(self._random.randint(1, _MOST_MOVES)):
            self.move()
        place = self._random.choice(list(PLACES))
        for held in self._held.values():
            self._read_begins(held, place)
        self._run("\n".join(check_of(n, held.value) for n, held in self._held.items()), place)
        for held in self._held.values():
            self._read_ends(held, place)
        if self._lost:
            self._gone(self._random.choice(sorted(self._lost)), place)
        for name in self._copies:
            if name not in self._held:
                self._copies[name].clear()

    # ---- accidents --------------------------------------------------------------------------

    def stop(self) -> None:
        """Press stop at some moment of a cell that reads a name."""
        if self._held:
            name = self._random.choice(sorted(self._held))
            place = self._random.choice(list(PLACES))
            self._read_begins(self._held[name], place)
            self._stopped(check_of(name, self._held[name].value), place)
            self._run(check_of(name, self._held[name].value), place)
            self._read_ends(self._held[name], place)

    def restart_gang(self) -> None:
        gangs = sorted(self.pids())
        if gangs:
            gang = self._random.choice(gangs)
            self._run(f"%cluster restart --on {gang}")
            self.counts["gangs restarted"] += 1
            self._lose(gang)

    def kill_parent(self) -> None:
        """The warm parent dies, and takes all workers along."""
        (parent, *_) = {self._parent_of(pid) for pid in self.pids().values()} or {0}
        if parent:
            os.kill(parent, signal.SIGKILL)
            self._expect_losses("parent killed")
            self.counts["parents killed"] += 1

    def kill_head(self) -> None:
        head = self._head()
        os.kill(head, signal.SIGKILL)
        end_s = time.monotonic() + 30
        while self._try("0  # head killed", "default") is not None or self._head() == head:
            assert time.monotonic() < end_s, "no new head"
        self._expect_losses("head killed")
        self.counts["heads killed"] += 1

    def _expect_losses(self, why: str) -> None:
        for gang in _GANGS:
            error = self._try(f"0  # {why}", gang)
            assert error is None or error.type in _ON_THE_WAY, error
            self._lose(gang)

    def restart_kernel(self) -> None:
        """What only the kernel had is gone; what gangs have is there again.

        A gang does not know whether what it has was the newest, or what another has too
        (docs/limits.md): such names are bound anew.
        """
        self._page.restart()
        self._load()
        self.counts["kernels restarted"] += 1
        for name, held in list(self._held.items()):
            copies = self._copies.get(name, set())
            held.at.discard(HERE)
            held.before = None
            if held.at == copies and len(copies) == 1:
                continue
            del self._held[name]
            if copies:
                self._unsure(name, held)
            else:
                error = self._try(name, HERE)
                assert error is not None, self._told(error, name)
                assert error.type == "NameError", self._told(error, name)
        for name in sorted(self._lost):
            self._bind(name, HERE)

    def _unsure(self, name: str, held: Held) -> None:
        error = self._try(check_of(name, held.value), HERE)
        self.counts["newest after a restart" if error is None else "old after a restart"] += 1
        self._bind(name, HERE)

    def _lose(self, gang: str) -> None:
        super()._lose(gang)
        for copies in self._copies.values():
            copies.discard(gang)

    def _try(self, code: str, place: str) -> Error | None:
        if place != HERE:
            for name in self._names_in(code):
                self._copies.setdefault(name, set()).add(place)
        return super()._try(code, place)

    def _stopped(self, code: str, place: str) -> None:
        super()._stopped(code, place)
        if place != HERE:
            for name in self._names_in(code):
                self._copies.setdefault(name, set()).add(place)
        # A stop that came after its cell must not hit the next one; ipykernel itself may lose a
        # cell to it, with and without farcell.
        assert any(self._answers() for _ in range(_TRIES)), "the kernel hangs after a stop"

    def _answers(self) -> bool:
        cell = self._page.begin("0")
        with contextlib.suppress(TimeoutError):
            self._page.until(lambda: cell.ended, cell, longest_s=_ANSWER_S)
        return cell.ok

    # ---- the page ---------------------------------------------------------------------------

    def _load(self) -> None:
        self._page.good("%load_ext farcell")
        self._page.good("import zlib, os, numpy as np")
        self.descriptors = descriptors_of(self._page.pid)
        self._page.good(remote("import zlib, os, numpy as np"))
        self.pids()

    def pids(self) -> dict[str, int]:
        gangs = f"{_FARCELL}.session().snapshot().gangs"
        told = self._page.value(f"{{g.name: g.members[0].pid for g in {gangs} if g.members}}")
        pids = {name: pid for name, pid in ast.literal_eval(told).items() if pid}
        self.processes |= {*pids.values(), self._head()}
        self.processes |= {self._parent_of(pid) for pid in self.processes} - {0, 1, self._page.pid}
        return pids

    def _head(self) -> int:
        return int(self._page.value(f"{_FARCELL}.session().snapshot().head_pid"))

    def _parent_of(self, pid: int) -> int:
        with contextlib.suppress(OSError):
            return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        return 0

    def stopped_cell(self, code: str, after_s: float) -> Error | None:
        cell = self._page.begin(code)
        time.sleep(after_s)
        self._page.interrupt()
        self._page.until(lambda: cell.idle, cell)
        with contextlib.suppress(TimeoutError):
            self._page.until(lambda: cell.ended, cell, longest_s=_REPLY_S)
        if cell.reply is None:  # it hit ipykernel itself, just before the cell or just after it
            return Error("KeyboardInterrupt", "")
        return None if cell.ok else Error(cell.error, cell.message)

    def cell(self, code: str) -> Error | None:
        cell = self._page.run(code)
        del self._page.cells[cell.request]
        return None if cell.ok else Error(cell.error, cell.message)
