"""Values that move between a notebook and two gangs thousands of times, while workers are killed.

`KernelMoves` run in the notebook's kernel, and make its cells themselves: a page would take longer
than the moves. What each name must hold is kept apart from the notebook's names.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import os
import random
import signal
import threading
import zlib
from abc import ABC, abstractmethod
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from IPython.core.getipython import get_ipython
from IPython.utils.capture import capture_output

NAMES = tuple(f"n{number}" for number in range(8))
HERE = "kernel"
PLACES = {HERE: "", "default": "%%remote\n", "other": "%%remote --on other\n"}
_MOST_BYTES = 20_000_000
_ONE_IN_KILLS, _ONE_IN_STOPS = 150, 15


@dataclass
class Held:
    """What a name must hold.

    Attributes:
        value: its newest value.
        at: the places that have it; where a value that can change is read, it counts as changed.
        before: what the notebook had before a gang had the name alone, if it had anything: it has
            that again when the gang dies (docs/limits.md).
    """

    value: Any
    at: set[str]
    before: Any = None


@dataclass(frozen=True)
class Error:
    """How a cell failed."""

    type: str
    message: str


class Moves(ABC):
    """A notebook's names, what they must hold, and cells that move them."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._held: dict[str, Held] = {}
        self._lost: set[str] = set()
        self._made: list[str] = []
        self.counts: Counter[str] = Counter()

    @abstractmethod
    def cell(self, code: str) -> Error | None:
        """Run a cell, whatever comes of it."""

    @abstractmethod
    def stopped_cell(self, code: str, after_s: float) -> Error | None:
        """Run a cell, and press stop so long after it was begun: it may be over by then."""

    @abstractmethod
    def pids(self) -> dict[str, int]:
        """The gangs' workers, as far as they have started."""

    # ---- moves ------------------------------------------------------------------------------

    def move(self) -> None:
        """Read, change, bind or delete a name somewhere."""
        name, place = self._random.choice(NAMES), self._random.choice(list(PLACES))
        does = self._random.choice(("read", "read", "read", "change", "change", "bind", "delete"))
        self.counts[does] += 1
        if name in self._lost and does != "bind":
            self._gone(name, place)
            return
        held = self._held.get(name)
        if held is None or does == "bind":
            self._bind(name, place)
            return
        if does == "delete" and self._random.random() < 0.3:
            self._run(f"del {name}", place)
            del self._held[name]
            return
        self._read_begins(held, place)
        if does == "read" and self._random.randrange(_ONE_IN_STOPS) == 0:
            self._stopped(check_of(name, held.value), place)
        self._run(check_of(name, held.value), place)
        if does == "change" and isinstance(held.value, np.ndarray):
            spot, number = self._random.randrange(len(held.value)), self._random.randrange(256)
            self._run(f"{name}[{spot}] = {number}", place)
            held.value = held.value.copy()  # the one before is kept
            held.value[spot] = number
        self._read_ends(held, place)

    def _read_begins(self, held: Held, place: str) -> None:
        if place != HERE and (HERE in held.at or place not in held.at):
            held.before = held.value  # it comes by way of the notebook, or from there

    def _read_ends(self, held: Held, place: str) -> None:
        if isinstance(held.value, bytes):
            held.at.add(place)
        else:
            held.at = {place}
        if HERE in held.at:
            held.before = None

    def _bind(self, name: str, place: str) -> None:
        size = int(_MOST_BYTES ** self._random.random())
        fill = self._random.randrange(256)
        if self._random.random() < 0.2:
            self._run(f"{name} = bytes([{fill}]) * {size}", place)
            value: Any = bytes([fill]) * size
        else:
            self._run(f"{name} = np.full({size}, {fill}, 'u1')", place)
            value = np.full(size, fill, "u1")
        self._held[name] = Held(value, {place})
        self._lost.discard(name)

    def _gone(self, name: str, place: str) -> None:
        error = self._try(name, place)
        assert error is not None, self._told(error, name)
        assert error.type == "ObjectLost", self._told(error, name)
        self.counts["lost"] += 1

    # ---- accidents --------------------------------------------------------------------------

    def _stopped(self, code: str, place: str) -> None:
        """Press stop at some moment while a name is read."""
        self._note(code, place)
        error = self.stopped_cell(PLACES[place] + code, self._random.random() ** 2 * 0.02)
        assert error is None or error.type == "KeyboardInterrupt", self._told(error, code)
        self.counts["stopped" if error is not None else "not stopped"] += 1

    def kill(self) -> None:
        """Have a gang's worker die, of itself or from outside."""
        gang = self._random.choice([name for name in PLACES if name != HERE])
        if self._random.random() < 0.5:
            error = self._try("os.kill(os.getpid(), 9)", gang)
            assert error is not None, self._told(error, "kill")
            assert error.type == "WorkerLost", error
        else:
            with contextlib.suppress(KeyError, ProcessLookupError):
                os.kill(self.pids()[gang], signal.SIGKILL)
            # The news may come with the next cell or before it.
            error = self._try("0  # killed", gang)
            assert error is None or error.type == "WorkerLost", error
        self.counts["killed"] += 1
        self._lose(gang)

    def _lose(self, gang: str) -> None:
        """The gang's namespace is gone."""
        for name, held in list(self._held.items()):
            held.at.discard(gang)
            if held.at:
                continue
            if held.before is None:
                self._lost.add(name)
                del self._held[name]
            else:
                held.value, held.at, held.before = held.before, {HERE}, None

    # ---- cells ------------------------------------------------------------------------------

    def _run(self, code: str, place: str = HERE) -> None:
        error = self._try(code, place)
        assert error is None, self._told(error, code)

    def _told(self, error: Error | None, code: str) -> str:
        """What has happened to the names in ``code``."""
        names = self._names_in(code)
        made = [each for each in self._made if "kill" in each or any(n in each for n in names)]
        return "\n".join([str(error), *made[-25:]])

    def _names_in(self, code: str) -> list[str]:
        return [name for name in NAMES if name in code]

    def _try(self, code: str, place: str) -> Error | None:
        self._note(code, place)
        return self.cell(PLACES[place] + code)

    def _note(self, code: str, place: str) -> None:
        self._made = [*self._made[-500:], f"{place}: {code}"]


class KernelMoves(Moves):
    """Moves whose cells are run by the kernel that this runs in."""

    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self._shell: Any = get_ipython()
        self._run("import zlib, os, numpy as np")

    def go(self, count: int) -> None:
        """Make so many moves."""
        # A stop that comes after the cell that it was meant for.
        before = signal.signal(signal.SIGINT, lambda *_: None)
        try:
            for _ in range(count):
                if self._random.randrange(_ONE_IN_KILLS) == 0:
                    self.kill()
                self.move()
        finally:
            signal.signal(signal.SIGINT, before)

    def clear(self) -> None:
        """Delete all names, wherever they are."""
        for name in list(self._held):
            self._run(f"del {name}")
        self._held.clear()
        for place in (*PLACES, *PLACES):  # what is free is told with the message after
            self._run("import gc; gc.collect();", place)
        gc.collect()
        ctypes.CDLL(None).malloc_trim(0)

    def pool_bytes(self) -> tuple[int, int]:
        """Of the kernel's shared memory: what others map, and what is kept free."""
        sizes: tuple[int, int] = self._shell._farcell._pool.sizes()
        return sizes

    def pids(self) -> dict[str, int]:
        gangs = self._shell._farcell.session().snapshot().gangs
        pids = {gang.name: gang.members[0].pid for gang in gangs}
        return {name: pid for name, pid in pids.items() if pid}

    def stopped_cell(self, code: str, after_s: float) -> Error | None:
        pressed = threading.Timer(after_s, os.kill, (os.getpid(), signal.SIGINT))
        pressed.start()
        error = self.cell(code)
        pressed.join()
        return error

    def cell(self, code: str) -> Error | None:
        before = signal.getsignal(signal.SIGINT)
        error: BaseException | None
        try:
            signal.signal(signal.SIGINT, signal.default_int_handler)
            with capture_output():
                result = self._shell.run_cell(code)
            error = result.error_before_exec or result.error_in_exec
            signal.signal(signal.SIGINT, before)
        except KeyboardInterrupt as stop:  # at most one: wherever it strikes, it is over
            signal.signal(signal.SIGINT, before)
            error = stop
        return None if error is None else Error(type(error).__name__, str(error))


def check_of(name: str, value: Any) -> str:
    """Code that fails unless ``name`` holds ``value``."""
    return f"assert (len({name}), zlib.crc32({name})) == {len(value), zlib.crc32(value)}, '{name}'"


@dataclass(frozen=True)
class Memory:
    """What a process has of shared memory.

    Attributes:
        owned_bytes: in segments that it keeps open.
        stray: mappings of segments of others, which values lie in.
    """

    owned_bytes: int
    stray: int

    @classmethod
    def of(cls, pid: int) -> Memory:
        owned: dict[int, int] = {}
        for descriptor in Path(f"/proc/{pid}/fd").iterdir():
            with contextlib.suppress(OSError):
                if "memfd:farcell" in os.readlink(descriptor):
                    found = descriptor.stat()
                    owned[found.st_ino] = found.st_size
        lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
        mapped = [int(line.split()[4]) for line in lines if "memfd:farcell" in line]
        return cls(sum(owned.values()), sum(inode not in owned for inode in mapped))


def anonymous_bytes(pid: int) -> int:
    """Memory of a process that is no file's and not shared."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    raise LookupError(pid)


moves: KernelMoves


def begin(seed: int) -> None:
    global moves
    moves = KernelMoves(seed)
