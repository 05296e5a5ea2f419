"""Which statements have to run after an edit, and in which order.

What a statement reads was bound by others: those *reach* it. It runs if it changed, if other
statements reach it than before, or if one that reaches it has bound another value. What it reads
may be gone since (a name deleted or bound anew further down); then what made it runs first.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from farcell_runtime.reads import ATOMS
from farcell_runtime.reload.names import Names

Chain = tuple[int, ...]
_ABSENT = object()


class Flow:
    """Which statements reach which, for one list of statements."""

    def __init__(self, statements: Sequence[Names]) -> None:
        self.statements = statements
        self._deferred: dict[str, set[str]] = {}
        made: set[str] = set()
        mutated: set[str] = set()
        for names in statements:
            made |= names.makes
            mutated |= names.mutates
            for name, reads in names.deferred.items():
                self._deferred.setdefault(name, set()).update(reads)
        # A container that only items are set of is never made anew for one of them. One that other
        # statements fill too is, and then it needs all of its items.
        self.mutates = [
            (names.mutates & made) | (names.stores & made & mutated) for names in statements
        ]
        self.reads = [self._all_reads(names) for names in statements]
        self.reaching: list[dict[str, Chain]] = []
        self.final: dict[str, Chain] = {}
        for number, names in enumerate(statements):
            self.reaching.append({name: self.final.get(name, ()) for name in self.reads[number]})
            for name in names.binds:
                earlier = () if name in names.certain else self.final.get(name, ())
                self.final[name] = (*earlier, number)
            for name in self.mutates[number]:
                self.final[name] = (*self.final.get(name, ()), number)
        self.binds = [
            names.binds | mutates for names, mutates in zip(statements, self.mutates, strict=True)
        ]

    def _all_reads(self, names: Names) -> set[str]:
        """What a statement reads, be it by way of functions that it calls."""
        found = names.reads | (names.binds - names.certain)
        seen: set[str] = set()
        waiting = [name for name in names.called if name in self._deferred]
        while waiting:
            name = waiting.pop()
            if name in seen:
                continue
            seen.add(name)
            reads = self._deferred[name]
            found = found | reads
            waiting += [each for each in reads if each in self._deferred]
        return found


class Schedule:
    """The order in which statements run, decided while they do."""

    def __init__(
        self,
        old: Flow,
        new: Flow,
        origin: Sequence[int | None],
        changed: Collection[int],
        value_of: Callable[[str], Any],
        follows: Callable[[int], bool],
    ) -> None:
        self._old = old
        self._new = new
        self._origin = origin
        self._changed = changed
        self._value_of = value_of
        self._follows = follows
        self._ran: set[int] = set()
        # Which statement has bound a name last, as things are now: in the old text's terms where
        # none has run.
        self._holder: dict[str, int] = {}
        self.fresh: set[str] = set()

    def _mapped(self, chain: Chain) -> tuple[int | None, ...]:
        return tuple([self._origin[number] for number in chain])

    def _must(self) -> set[int]:
        """What runs, whatever values there are."""
        new, old = self._new, self._old
        must = set(self._changed)
        for number, origin in enumerate(self._origin):
            if origin is None or number in must:
                continue
            before = old.reaching[origin]
            for name, chain in new.reaching[number].items():
                if self._mapped(chain) != before.get(name, ()):
                    must.add(number)
                    break
        for name, chain in new.final.items():
            if self._mapped(chain) != old.final.get(name, ()):
                must.add(chain[-1])
        return must

    def play(self, run: Callable[[int], None], fresh: Collection[str] = ()) -> None:
        """Have ``run`` run what has to, where ``fresh`` names were bound anew from elsewhere."""
        self.fresh = set(fresh)
        before = {name: self._value_of(name) for name in self._new.final}
        must = self._must()
        for number, names in enumerate(self._new.statements):
            is_read = not self.fresh.isdisjoint(self._new.reads[number])
            if number in must or is_read or self._follows(number):
                if number not in self._ran:
                    self._prepare(number, run)
                    self._take(number, run)
                self._compare(number, before, is_cause=True)
            elif number in self._ran:
                self._compare(number, before, is_cause=False)
            else:
                self.fresh -= names.certain - names.imported

    def _take(self, number: int, run: Callable[[int], None]) -> None:
        self._ran.add(number)
        run(number)
        for name in self._new.binds[number]:
            self._holder[name] = number

    def _prepare(self, number: int, run: Callable[[int], None]) -> None:
        """See that each name that a statement reads has the value that it had there."""
        for name, chain in self._new.reaching[number].items():
            if not chain or self._is_held(name, chain[-1]):
                continue
            for each in chain:
                self._prepare(each, run)
                self._take(each, run)

    def _is_held(self, name: str, number: int) -> bool:
        if name in self._holder:
            return self._holder[name] == number
        final = self._old.final.get(name, ())
        return bool(final) and self._origin[number] == final[-1]

    def _compare(self, number: int, before: Mapping[str, Any], *, is_cause: bool) -> None:
        names = self._new.statements[number]
        for name in self._new.binds[number]:
            is_final = self._new.final[name][-1] == number
            is_new = is_cause
            if is_final:
                is_new = not is_same(before[name], self._value_of(name))
            mutated = name in (names.mutates | self._new.mutates[number]) and is_cause
            if is_new or mutated:
                self.fresh.add(name)
            elif name in names.certain:
                self.fresh.discard(name)

    def leftovers(self) -> list[str]:
        """Names that hold what a statement in the middle has bound, not the last one."""
        return [
            name for name, number in self._holder.items() if self._new.final[name][-1] != number
        ]

    def deleted(self) -> set[str]:
        """Names that no statement binds any more."""
        return {
            name
            for name in self._old.final
            if name not in self._new.final
            and any(name in names.binds for names in self._old.statements)
        }


def is_same(old: Any, new: Any) -> bool:
    """Whether two values are one, or atoms that can't be told apart."""
    if old is new:
        return True
    kind = type(old)
    if kind is not type(new) or kind not in ATOMS:
        return False
    return bool(old == new) and repr(old) == repr(new)
