"""How much one run of a measuring program does: which subjects, and how many repeats.

Only the standard library is imported here: this runs under the peers' interpreter too.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass

SUBJECTS = {
    "floor": "what the machine itself can do",
    "trip": "the round trip of a trivial cell or call",
    "start": "from nothing to the first result",
    "restart": "a worker replaced by a fresh one",
    "stop": "from the stop button to the end of the cell",
    "accident": "a worker or a kernel that dies",
    "values": "values on their way",
    "flood": "200,000 printed lines",
    "memory": "what an idle worker adds",
}


@dataclass(frozen=True)
class Plan:
    """What one run of a program measures.

    ``ranks`` are the gang sizes beyond one and two; 64 is among them with ``--full`` only, because
    one peer needs over a minute to start that many.
    """

    subjects: frozenset[str]
    trips: int
    restarts: int
    stops: int
    kills: int
    lines: int
    ranks: tuple[int, ...]

    def wants(self, subject: str) -> bool:
        return subject in self.subjects

    def arguments(self) -> list[str]:
        """The command line from which ``from_arguments`` makes this plan again."""
        return [
            f"--subjects={','.join(sorted(self.subjects))}",
            f"--trips={self.trips}",
            f"--restarts={self.restarts}",
            f"--stops={self.stops}",
            f"--kills={self.kills}",
            f"--lines={self.lines}",
            f"--ranks={','.join(map(str, self.ranks))}",
        ]

    @staticmethod
    def from_arguments(arguments: Sequence[str] | None = None) -> Plan:
        parser = argparse.ArgumentParser(description="one measuring program of the benchmark")
        parser.add_argument("--subjects", default=",".join(SUBJECTS))
        parser.add_argument("--trips", type=int, default=300)
        parser.add_argument("--restarts", type=int, default=5)
        parser.add_argument("--stops", type=int, default=5)
        parser.add_argument("--kills", type=int, default=25)
        parser.add_argument("--lines", type=int, default=200_000)
        parser.add_argument("--ranks", default="8")
        given = parser.parse_args(arguments)
        return Plan(
            subjects=frozenset(given.subjects.split(",")),
            trips=given.trips,
            restarts=given.restarts,
            stops=given.stops,
            kills=given.kills,
            lines=given.lines,
            ranks=tuple(int(count) for count in given.ranks.split(",") if count),
        )


def plan_for(*, subjects: frozenset[str], quick: bool, full: bool) -> Plan:
    """The plan of one round."""
    if quick:
        return Plan(subjects, trips=200, restarts=3, stops=4, kills=10, lines=200_000, ranks=(8,))
    ranks = (8, 64) if full else (8,)
    return Plan(subjects, trips=500, restarts=5, stops=8, kills=25, lines=200_000, ranks=ranks)
