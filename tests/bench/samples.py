"""What a measuring program hands back: samples, one line of JSON each.

Only the standard library is imported here: this runs under the peers' interpreter too.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass

_KEY = "farcell_bench"


@dataclass(frozen=True)
class Sample:
    """Some measured values of one figure, all from one process."""

    figure: str  #: what was measured, such as ``trip.2`` (see ``figures.py``)
    who: str  #: what it was measured on, such as ``Ray``
    values: tuple[float, ...]  #: in the figure's unit

    def line(self) -> str:
        return json.dumps({_KEY: "sample", **asdict(self)})


@dataclass(frozen=True)
class Failure:
    """A figure that could not be measured, and why."""

    figure: str
    who: str
    why: str

    def line(self) -> str:
        return json.dumps({_KEY: "failure", **asdict(self)})


@dataclass(frozen=True)
class Versions:
    """The versions of the packages that a program measured."""

    packages: dict[str, str]

    def line(self) -> str:
        return json.dumps({_KEY: "versions", "packages": self.packages})


def read(text: str) -> Iterator[Sample | Failure | Versions]:
    """Pick the samples out of a program's standard output; whatever else is there is skipped."""
    for line in text.splitlines():
        start = line.find(f'{{"{_KEY}":')
        if start < 0:
            continue
        try:
            record = json.loads(line[start:])
        except json.JSONDecodeError:
            continue
        kind = record.pop(_KEY)
        if kind == "sample":
            yield Sample(record["figure"], record["who"], tuple(record["values"]))
        elif kind == "failure":
            yield Failure(**record)
        else:
            yield Versions(**record)


def emit(figure: str, who: str, values: Sequence[float]) -> None:
    """Hand back the values of one figure."""
    print(Sample(figure, who, tuple(round(value, 6) for value in values)).line(), flush=True)


@contextmanager
def reported(figure: str, who: str) -> Iterator[None]:
    """Turn an error inside the block into a ``Failure`` of that figure, and go on."""
    try:
        yield
    except Exception as error:
        why = (str(error).strip() or repr(error)).splitlines()
        print(Failure(figure, who, f"{type(error).__name__}: {why[0][:200]}").line(), flush=True)


def times_ms(call: Callable[[], object], repeats: int, *, warm: int = 30) -> list[float]:
    """Time ``call`` ``repeats`` times, in milliseconds each, after ``warm`` untimed calls."""
    for _ in range(warm):
        call()
    taken: list[float] = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        taken.append((time.perf_counter() - start) * 1e3)
    return taken


def quantile(values: Sequence[float], q: float) -> float:
    """The ``q`` quantile (0–1) of ``values``, between neighbours by linear interpolation."""
    ordered = sorted(values)
    place = q * (len(ordered) - 1)
    low = int(place)
    high = min(low + 1, len(ordered) - 1)
    return ordered[low] + (ordered[high] - ordered[low]) * (place - low)


def median(values: Sequence[float]) -> float:
    return statistics.median(values)
