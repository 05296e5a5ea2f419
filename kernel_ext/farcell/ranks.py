"""One value of each rank, where ranks disagree."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Generic, TypeVar, overload

T = TypeVar("T")


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
