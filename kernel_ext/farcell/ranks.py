"""One value of each rank, where ranks disagree."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Generic, TypeVar, overload

T = TypeVar("T")


class NoValue:
    """Stands in ``Ranks`` for the value of a rank that does not have the name."""

    def __init__(self, rank: int) -> None:
        self.rank = rank

    def __eq__(self, other: object) -> bool:
        return isinstance(other, NoValue) and self.rank == other.rank

    def __hash__(self) -> int:
        return hash((NoValue, self.rank))

    def __repr__(self) -> str:
        return f"<rank {self.rank} has none>"


class Ranks(Sequence[T], Generic[T]):
    """The values that a name has on the ranks of a gang, in the order of the ranks."""

    def __init__(self, values: Iterable[T]) -> None:
        self._values = tuple(values)

    @overload
    def __getitem__(self, rank: int) -> T: ...
    @overload
    def __getitem__(self, rank: slice) -> tuple[T, ...]: ...
    def __getitem__(self, rank: int | slice) -> T | tuple[T, ...]:
        return self._values[rank]

    def __len__(self) -> int:
        return len(self._values)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Ranks) and self._values == other._values

    def __hash__(self) -> int:
        return hash(self._values)

    def __repr__(self) -> str:
        return f"Ranks([{', '.join(repr(value) for value in self._values)}])"
