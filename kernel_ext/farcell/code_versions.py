"""The versions of the project's code, and which worker has which text of which module.

Pure: what happens goes in, what is to be sent comes out. All that are asked prepare a version; when
all have, the notebook and they commit it; when one refuses, all drop it. A gang that can't take
part (it is in a run of several ranks, it is silent) is brought there later: before its next cell at
the latest, or in its run at a call of ``farcell.step()`` that all its ranks have promised to wait
at.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from farcell.code_commands import (
    Abort,
    Command,
    Commit,
    Drop,
    Fault,
    Prepare,
    Promise,
    Take,
    Text,
)

_KEPT = 200  # versions
_AHEAD = 2  # calls of step() from the furthest rank to the one at which all commit


@dataclass(slots=True)
class Version:
    """A version of the code, and what made it.

    Attributes:
        before: the texts that ``texts`` have replaced.
        changed: what was changed, ``model.Net.forward``.
        workers: how many have it.
        later: the gangs that get it later.
        runs: the runs that were sent at this version.
    """

    number: int
    texts: tuple[Text, ...] = ()
    before: tuple[Text, ...] = ()
    changed: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    at_s: float = 0.0
    took_s: float = 0.0
    workers: int = 0
    later: list[str] = field(default_factory=list)
    runs: list[str] = field(default_factory=list)


# ---- state --------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Rank:
    """What a worker has loaded.

    Attributes:
        held: the digests of its modules.
        owed: the modules that have another text in the notebook.
        prepared: the digests that it will hold when it commits, in round ``round``.
    """

    held: dict[str, bytes] = field(default_factory=dict)
    owed: set[str] = field(default_factory=set)
    prepared: dict[str, bytes] = field(default_factory=dict)
    round: int = 0


@dataclass(slots=True)
class _Gang:
    ranks: list[_Rank]
    running: bool = False
    stepping: set[int] = field(default_factory=set)  # the ranks that have called step() in this run
    fault: Fault | None = None
    at_step: int = 0  # at which a commit is on its way
    unheard: set[int] = field(default_factory=set)  # the ranks that have not said what they hold


@dataclass(slots=True)
class _Round:
    """One decision: of a new version, or of what a single gang lacks (``texts`` is empty)."""

    number: int
    version: Version
    waiting: set[tuple[str, int]] = field(default_factory=set)
    gangs: set[str] = field(default_factory=set)
    step: int = 0  # what the ranks are asked to promise
    ahead: int = _AHEAD
    phase: str = "prepare"  # promise, commit


class CodeVersions:
    """One round at a time; ``deciding`` says whether there is one."""

    def __init__(self) -> None:
        self.mode = "auto"  # see ``may_take``
        self.versions = [Version(1)]
        self.texts: dict[str, Text] = {}
        self._gangs: dict[str, _Gang] = {}
        self._round: _Round | None = None
        self._rounds = 0

    @property
    def current(self) -> Version:
        """The notebook's version."""
        return self.versions[-1]

    @property
    def deciding(self) -> bool:
        return self._round is not None

    def track(self, text: Text) -> None:
        """A module that nobody had loaded before: its text is the current version's."""
        if text.module in self.texts:
            return
        self.texts[text.module] = text
        for gang in self._gangs.values():
            for rank in gang.ranks:
                self._owe(rank, text)

    def joined(self, name: str, ranks: int) -> None:
        """A gang's workers are there; what they have loaded, they tell next."""
        self._gangs[name] = _Gang([_Rank() for _ in range(ranks)], unheard=set(range(ranks)))

    def gone(self, name: str) -> list[Command]:
        self._gangs.pop(name, None)
        if self._round is None:
            return []
        self._round.gangs.discard(name)
        self._round.waiting = {each for each in self._round.waiting if each[0] != name}
        return self._go_on()

    def began(self, name: str, run: str) -> None:
        """A run is sent to a gang."""
        if (gang := self._gangs.get(name)) is not None:
            gang.running = True
            gang.stepping.clear()
        self.current.runs.append(run)

    def ended(self, name: str) -> None:
        """The run is over; what was to be committed at one of its steps has been."""
        if (gang := self._gangs.get(name)) is not None:
            gang.running = False
            gang.stepping.clear()

    def stepping(self, name: str, rank: int) -> None:
        """A rank has called ``step()`` in its run."""
        if (gang := self._gangs.get(name)) is not None:
            gang.stepping.add(rank)

    def loaded(self, name: str, rank: int, digests: Iterable[tuple[str, bytes]]) -> None:
        """A worker has imported modules, made from texts with these digests."""
        if (known := self._rank(name, rank)) is None:
            return
        for module, digest in digests:
            known.held[module] = digest
            known.owed.discard(module)
            if module in self.texts:
                self._owe(known, self.texts[module])

    def opened(self, name: str, rank: int, digests: Iterable[tuple[str, bytes]]) -> None:
        """A worker says what it holds."""
        self.loaded(name, rank, digests)
        if (gang := self._gangs.get(name)) is not None:
            gang.unheard.discard(rank)

    def is_heard(self, name: str) -> bool:
        """Whether all of the gang's workers have said what they hold."""
        gang = self._gangs.get(name)
        return gang is None or not gang.unheard

    def lacks(self, name: str) -> bool:
        """Whether a worker of the gang has another text of some module than the notebook."""
        gang = self._gangs.get(name)
        return gang is not None and any(rank.owed for rank in gang.ranks)

    def lacking(self) -> list[str]:
        """The gangs that do."""
        return [name for name in self._gangs if self.lacks(name)]

    def fault(self, name: str) -> Fault | None:
        """Why the gang could not take what it lacks, if that was tried."""
        gang = self._gangs.get(name)
        return None if gang is None else gang.fault

    def may_take(self, name: str) -> bool:
        """Whether a gang can commit now, or at a step of its run.

        In a run of one rank it can, in one of several if all of them call ``step()``; with the mode
        ``now`` in any, with ``cell`` in none.
        """
        gang = self._gangs[name]
        if gang.at_step:
            return False
        if not gang.running or self.mode == "now":
            return True
        if self.mode == "cell":
            return False
        return len(gang.ranks) == 1 or len(gang.stepping) == len(gang.ranks)

    def propose(self, texts: Collection[Text]) -> list[Command]:
        """Begin to decide a new version, which the notebook has prepared."""
        assert self._round is None
        before = tuple(self.texts[text.module] for text in texts if text.module in self.texts)
        version = Version(self.current.number + 1, tuple(texts), before)
        self._round = self._new_round(version)
        commands: list[Command] = []
        for name, gang in self._gangs.items():
            asked = self._asks(gang, texts)
            if not any(asked):
                continue
            # One that lags has failed alone, and doesn't decide for the others.
            if gang.fault is None and self._commits_now(name):
                commands += self._ask(name, asked)
        return commands + self._go_on()

    def bring(self, name: str) -> list[Command]:
        """Begin to bring a gang to the current version."""
        assert self._round is None
        if not self.lacks(name) or not self.may_take(name):
            return []
        self._round = self._new_round(Version(self.current.number))
        return self._ask(name, self._asks(self._gangs[name], ()))

    def prepared(
        self,
        name: str,
        rank: int,
        round_: int,
        *,
        changed: Iterable[str] = (),
        notes: Iterable[str] = (),
        step: int = 0,
    ) -> list[Command]:
        """A worker can commit. ``step``: how often its run has called ``step()``."""
        if not self._awaited(name, rank, round_, "prepare"):
            return []
        assert self._round is not None
        told = self._round.version
        told.changed += [each for each in changed if each not in told.changed]
        told.notes += [each for each in notes if each not in told.notes]
        self._round.step = max(self._round.step, step)
        return self._go_on()

    def refused(self, name: str, rank: int, round_: int, fault: Fault) -> list[Command]:
        """A worker can't run the new code."""
        if not self._awaited(name, rank, round_, "prepare"):
            return []
        assert self._round is not None
        decided, self._round = self._round, None
        aborts: list[Command] = [
            Abort(gang, number, round_)
            for gang in sorted(decided.gangs)
            for number, known in enumerate(self._gangs[gang].ranks)
            if self._forget(known) and (gang, number) != (name, rank)
        ]
        if decided.version.texts:
            return [*aborts, Drop(fault)]
        self._gangs[name].fault = fault
        return aborts

    def promised(self, name: str, rank: int, round_: int, step: int) -> list[Command]:
        """A rank will wait at the step that it was asked for."""
        if self._round is None or self._round.step != step:
            return []
        return self._go_on() if self._awaited(name, rank, round_, "promise") else []

    def passed(self, name: str, rank: int, round_: int, step: int) -> list[Command]:
        """A rank was past that step already; all are asked for a later one."""
        if not self._awaited(name, rank, round_, "promise"):
            return []
        assert self._round is not None
        self._round.ahead *= 2
        self._round.step = max(self._round.step, step) + self._round.ahead
        return self._ask_promises()

    def committed(
        self, name: str, rank: int, round_: int, notes: Iterable[str] = ()
    ) -> list[Command]:
        """A worker runs the version, and says what there is to know of that."""
        known = self._rank(name, rank)
        if known is None or known.round != round_:
            return []
        known.held |= known.prepared
        self.current.notes += [each for each in notes if each not in self.current.notes]
        known.prepared = {}
        known.owed = {module for module in known.owed if self._differs(known, module)}
        gang = self._gangs[name]
        if gang.at_step and not any(each.prepared for each in gang.ranks):
            gang.at_step = 0
        self._catch_up(name)
        return self._go_on() if self._awaited(name, rank, round_, "commit") else []

    def silent(self) -> list[Command]:
        """Who has not answered by now holds nobody up: its gang gets the version later."""
        if self._round is None:
            return []
        late = {name for name, _ in self._round.waiting}
        commands: list[Command] = []
        if self._round.phase != "commit":
            for name in sorted(late & self._gangs.keys()):
                self._round.gangs.discard(name)
                commands += [
                    Abort(name, number, self._round.number)
                    for number, known in enumerate(self._gangs[name].ranks)
                    if self._forget(known)
                ]
        elif self._round.version.texts:
            for name in sorted(late & self._gangs.keys()):
                self.current.later.append(name)
                self.current.workers -= len(self._gangs[name].ranks)
        self._round.waiting.clear()
        return commands + self._go_on()

    # ---- a round ------------------------------------------------------------------------------

    def _new_round(self, version: Version) -> _Round:
        self._rounds += 1
        return _Round(self._rounds, version)

    def _asks(self, gang: _Gang, new: Collection[Text]) -> list[tuple[Text, ...]]:
        """By rank, the texts that it needs to be at the current version with ``new``."""
        changed = {text.module: text for text in new}
        found = []
        for rank in gang.ranks:
            owed = {module: self.texts[module] for module in rank.owed}
            owed |= {
                module: text
                for module, text in changed.items()
                if rank.held.get(module, text.digest) != text.digest
            }
            for module in changed.keys() & owed.keys():
                if rank.held.get(module) == owed[module].digest:
                    del owed[module]
            found.append(tuple(owed.values()))
        return found

    def _ask(self, name: str, asked: list[tuple[Text, ...]]) -> list[Command]:
        assert self._round is not None
        commands: list[Command] = []
        self._round.gangs.add(name)
        for number, texts in enumerate(asked):
            rank = self._gangs[name].ranks[number]
            rank.prepared = {text.module: text.digest for text in texts}
            rank.round = self._round.number
            if texts:
                self._round.waiting.add((name, number))
                commands.append(Prepare(name, number, self._round.number, texts))
        return commands

    def _go_on(self) -> list[Command]:
        """The next phase, if this one's last answer has come."""
        if self._round is None or self._round.waiting:
            return []
        if self._round.phase == "prepare" and any(map(self._steps, self._round.gangs)):
            self._round.step += self._round.ahead
            return self._ask_promises()
        if self._round.phase != "commit":
            return self._decide()
        self._round = None
        return []

    def _ask_promises(self) -> list[Command]:
        assert self._round is not None
        self._round.phase = "promise"
        commands: list[Command] = []
        for name in self._round.gangs:
            for number, rank in enumerate(self._gangs[name].ranks):
                if rank.prepared:
                    self._round.waiting.add((name, number))
                    commands.append(Promise(name, number, self._round.number, self._round.step))
        return commands

    def _decide(self) -> list[Command]:
        assert self._round is not None
        decided = self._round
        version = decided.version
        decided.phase = "commit"
        commands: list[Command] = []
        if version.texts:
            self._take(version)
            commands.append(Take(version.number))
        for name in sorted(decided.gangs):
            gang = self._gangs[name]
            gang.fault = None
            step = decided.step if self._steps(name) else 0
            gang.at_step = step
            for number, rank in enumerate(gang.ranks):
                if rank.prepared:
                    commands.append(Commit(name, number, decided.number, step))
                    if not step:  # else it says so when it gets there
                        decided.waiting.add((name, number))
        if version.texts:
            later = [name for name in self.lacking() if name not in decided.gangs]
            version.later = [*later, *(n for n in decided.gangs if self._gangs[n].at_step)]
            version.workers = sum(
                len(gang.ranks) for name, gang in self._gangs.items() if name not in version.later
            )
        return commands + self._go_on()

    def _take(self, version: Version) -> None:
        self.versions.append(version)
        del self.versions[:-_KEPT]
        for text in version.texts:
            self.texts[text.module] = text
            for gang in self._gangs.values():
                for rank in gang.ranks:
                    self._owe(rank, text)

    def _awaited(self, name: str, rank: int, round_: int, phase: str) -> bool:
        """Whether that answer is one that the round waits for; then it waits no more for it."""
        now = self._round
        if now is None or now.number != round_ or now.phase != phase:
            return False
        if (name, rank) not in now.waiting:
            return False
        now.waiting.discard((name, rank))
        return True

    def _commits_now(self, name: str) -> bool:
        """Whether it takes part in deciding: one that commits at a step is brought there alone."""
        return self.may_take(name) and not self._steps(name)

    def _steps(self, name: str) -> bool:
        """Whether the gang's ranks must commit at one step: they are several, and in a run."""
        gang = self._gangs[name]
        several = len(gang.ranks) > 1 and len(gang.stepping) == len(gang.ranks)
        return gang.running and several and self.mode != "now"

    def _catch_up(self, name: str) -> None:
        """If the gang has come to the current version later, say so of that."""
        if name in self.current.later and not self.lacks(name):
            self.current.later = [each for each in self.current.later if each != name]
            self.current.workers += len(self._gangs[name].ranks)

    def _rank(self, name: str, rank: int) -> _Rank | None:
        gang = self._gangs.get(name)
        return None if gang is None or rank >= len(gang.ranks) else gang.ranks[rank]

    def _owe(self, rank: _Rank, text: Text) -> None:
        if rank.held.get(text.module, text.digest) != text.digest:
            rank.owed.add(text.module)

    def _differs(self, rank: _Rank, module: str) -> bool:
        return rank.held.get(module) != self.texts[module].digest

    def _forget(self, rank: _Rank) -> bool:
        """Have it be prepared for nothing; whether it was for something."""
        prepared, rank.prepared = rank.prepared, {}
        return bool(prepared)
