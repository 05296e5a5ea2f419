"""The difference of two texts of a module, by statement."""

from __future__ import annotations

import collections
import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from farcell_runtime.reload.statements import Chunk, Placed, Statement, is_silent


class Kind(enum.Enum):
    """What became of a statement."""

    SAME = "same"  # though it may have moved
    BODIES = "bodies"  # nothing but the bodies of functions changed
    CHANGED = "changed"  # or new


@dataclass(slots=True)
class Pair:
    """A statement of the new text, and what it was in the old one."""

    kind: Kind
    old: Placed | None
    new: Placed


@dataclass(slots=True)
class Difference:
    """What changed from one text to another."""

    pairs: list[Pair] = field(default_factory=list)  # of what isn't equal text
    removed: list[Placed] = field(default_factory=list)
    moved: list[tuple[int, int, int]] = field(default_factory=list)  # first line, last line, by
    chunks: list[Chunk | None] = field(default_factory=list)  # for each new one, the equal old one
    reordered: bool = False

    @property
    def runs(self) -> bool:
        """Whether any statement has to run."""
        return bool(
            self.reordered or self.removed or any(pair.kind is Kind.CHANGED for pair in self.pairs)
        )


def difference(old: Sequence[Chunk], new: Sequence[Chunk]) -> Difference:
    """What changed between the chunks of two texts."""
    result = Difference(chunks=[None] * len(new))
    matched = _equal_chunks(old, new)
    used = set(matched.values())
    last = -1
    for number, other in sorted(matched.items()):
        before, after = old[other], new[number]
        after.adopt(before)
        result.chunks[number] = before
        if after.line != before.line:
            result.moved.append(
                (before.line, before.line + before.lines - 1, after.line - before.line)
            )
        if other < last and not is_silent(after):
            result.reordered = True
        last = max(last, other)
    before_ = [s for n, chunk in enumerate(old) if n not in used for s in chunk.placed]
    after_ = [s for n, chunk in enumerate(new) if n not in matched for s in chunk.placed]
    result.pairs, result.removed = match(before_, after_)
    return result


def _equal_chunks(old: Sequence[Chunk], new: Sequence[Chunk]) -> dict[int, int]:
    """Chunks of equal text: number in ``new`` → number in ``old``."""
    matched: dict[int, int] = {}
    start, most = 0, min(len(old), len(new))
    while start < most and old[start].text == new[start].text:
        matched[start] = start
        start += 1
    end = 0
    while end < most - start and old[-1 - end].text == new[-1 - end].text:
        end += 1
        matched[len(new) - end] = len(old) - end
    places: dict[str, collections.deque[int]] = collections.defaultdict(collections.deque)
    for number in range(start, len(old) - end):
        places[old[number].text].append(number)
    for number in range(start, len(new) - end):
        if waiting := places.get(new[number].text):
            matched[number] = waiting.popleft()
    return matched


def match(old: Iterable[Placed], new: Iterable[Placed]) -> tuple[list[Pair], list[Placed]]:
    """Which statement became which, in the order of ``new``; and those that are gone."""
    left, found = list(old), dict[int, Pair]()
    waiting = list(enumerate(new))

    def take(kind: Kind, key_of: object) -> None:
        nonlocal waiting
        places: dict[object, collections.deque[Placed]] = collections.defaultdict(collections.deque)
        for each in left:
            if (key := key_of(each.statement)) is not None:  # type: ignore[operator]
                places[key].append(each)
        rest = []
        for number, each in waiting:
            key = key_of(each.statement)  # type: ignore[operator]
            if key is not None and places.get(key):
                other = places[key].popleft()
                left.remove(other)
                found[number] = Pair(kind, other, each)
            else:
                rest.append((number, each))
        waiting = rest

    take(Kind.SAME, _outline)
    if waiting:
        take(Kind.BODIES, _skeleton)
    if waiting:
        take(Kind.CHANGED, _key)
    for number, each in waiting:
        found[number] = Pair(Kind.CHANGED, None, each)
    return [found[number] for number in sorted(found)], left


def _outline(statement: Statement) -> object:
    return statement.outline


def _skeleton(statement: Statement) -> object:
    return statement.skeleton


def _key(statement: Statement) -> object:
    return statement.key
