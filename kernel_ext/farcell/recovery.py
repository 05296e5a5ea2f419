"""What a lost worker had, made again by the cells that it came from."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import Any

from IPython.core.error import StdinNotImplementedError

from farcell.aside import Aside
from farcell.cells import Cells
from farcell.directory import KERNEL
from farcell.failures import show
from farcell.names import Names
from farcell.options import REMOTE, runs_remotely, shape_asked, split
from farcell.parsing import first_line
from farcell.provenance import PastRun
from farcell.receipt import Receipts, time_text
from farcell.recovery_plan import plan_of
from farcell.stops import stops_held
from farcell.table import table
from farcell_runtime.errors import FarcellError, ObjectLost, UsageError
from farcell_runtime.values import Values


class _Failed(Exception):
    """A cell that ran again failed, and has shown that."""

    def __init__(self, error: BaseException) -> None:
        super().__init__(f"{type(error).__name__}: {first_line(str(error))}")
        self.error = error


class Recovery:
    """What must run again for lost names to be what they were: shown first, then run.

    Attributes:
        plan: the cells and the names, to be read by programs.
    """

    def __init__(
        self, shell: Any, names: Names, cells: Cells, receipts: Receipts, asked: Sequence[str]
    ) -> None:
        self._shell = shell
        self._names = names
        self._cells = cells
        self._receipts = receipts
        self._asked = tuple(asked)
        self._past = names.provenance
        self.plan = plan_of(self._past, asked, self._known)
        self._why_lost = {name: names.directory.why_lost(name) for name in self._past.names_lost()}

    def __repr__(self) -> str:
        plan = self.plan
        if not (self._asked or plan.names or plan.cannot):
            return "\n".join(["nothing is lost", *self._older()])
        lines: list[str] = []
        if plan.steps:
            count = f"{len(plan.steps)} cell{'s' if len(plan.steps) > 1 else ''}"
            lines.append(f"{count} to run again for {_listed(plan.names)}:")
            head = ("cell", "makes", "where", "took", "code")
            rows = [self._row(step.run) for step in plan.steps]
            lines += [f"  {line}" for line in table([head, *rows], right=("took",))]
        if plan.kept:
            lines.append(f"put back afterwards as they are now: {_listed(plan.kept)}")
        lines += [f"'{name}' only as before {why}" for name, why in sorted(plan.caveats.items())]
        if plan.cannot:
            lines += ["can't be rebuilt:", *(f"  {n}: {why}" for n, why in plan.cannot.items())]
        return "\n".join(lines + ([] if self._asked else self._older()))

    @property
    def command(self) -> str:
        """The line that runs it."""
        return " ".join(["%cluster recover", *self._asked, "--yes"])

    def agreed(self) -> bool | None:
        """Whether the person at the notebook agrees; none if nobody can be asked."""
        count = len(self.plan.steps)
        try:
            answer = input(f"run {'this cell' if count == 1 else f'these {count} cells'}? [y/N] ")
        except (StdinNotImplementedError, EOFError):
            return None
        return answer.strip().lower() in ("y", "yes")

    def run(self) -> str:
        """Run those cells again, in their order, as cells of the one that runs now.

        Returns:
            What is rebuilt and what is not.

        Raises:
            UsageError: if nothing can be rebuilt, or what must run again has changed since.
            ObjectLost: if a cell fails; those after it are not run.
            KeyboardInterrupt: if one was stopped.
        """
        if not self.plan.names:
            raise UsageError(f"nothing can be rebuilt\n{self!r}", hint="run the cells by hand")
        if plan_of(self._past, self._asked, self._known) != self.plan:
            raise UsageError("the notebook has gone on since this was planned", hint="plan it anew")
        aside = Aside(self._names)
        there = {n for n in self.plan.changed if self._past.version(n) is not None}
        current: PastRun | None = None
        failure: BaseException | None = None
        self._cells.cell_begins("")
        try:
            for step in self.plan.steps:
                current = step.run
                aside.put_back(step.puts_back)
                aside.take(sorted(current.changes & there))
                print(f"farcell: {current.label} again: {_code_line(current)}", flush=True)
                with self._past.again(current):
                    self._run(current)
            current = None
        except BaseException as error:
            failure = error
        with stops_held():
            told = self._settle(aside, current)
        if failure is None:
            return told
        if isinstance(failure, KeyboardInterrupt):
            print(f"farcell: stopped; {told}", file=sys.stderr)
            raise failure
        if not isinstance(failure, (_Failed, FarcellError)):
            raise failure
        assert current is not None
        raise ObjectLost(
            f"{current.label} failed when it ran again ({first_line(str(failure))}); {told}",
            hint="mend what failed, and %cluster recover again",
        )

    def _run(self, run: PastRun) -> None:
        if runs_remotely(run.source):
            code = run.source.lstrip().partition("\n")[2]
            options = _options(run)
            timeout_s = options["timeout"]
            try:
                self._cells.run(shape_asked(options), code, header=run.header, timeout_s=timeout_s)
            except Exception as error:
                self._receipts.show()
                show(self._shell, error)
                raise _Failed(error) from error
            self._receipts.show()
            return
        result = self._shell.run_cell(run.source, store_history=False)
        self._cells.cell_begins("")
        failure = result.error_before_exec or result.error_in_exec
        if isinstance(failure, KeyboardInterrupt):
            raise failure
        if failure is not None:
            raise _Failed(failure)

    def _settle(self, aside: Aside, failed: PastRun | None) -> str:
        """Take out what is not to be there, and say what came of it all."""
        half = set() if failed is None else failed.changes
        rebuilt = [
            name
            for name, version in self.plan.names.items()
            if self._past.version(name) == version and name not in half
        ]
        aside.end(rebuilt)
        for name in rebuilt:
            self._past.is_rebuilt(name)
        for name in self.plan.changed - aside.names - {*rebuilt, *self.plan.deleted}:
            if self._past.version(name) is not None:
                self._names.lose(name, self._why_lost.get(name, "the kernel that had it is gone"))
        for name in self.plan.deleted:
            self._names.delete(name)
        told = f"rebuilt: {_listed(rebuilt)}" if rebuilt else "nothing is rebuilt"
        if lost := self._past.names_lost():
            told += f"; still lost: {_listed(lost)}"
        return told

    def _known(self, name: str) -> object:
        """What the value that the notebook has of ``name`` is known by."""
        if not self._names.directory.is_newest(KERNEL, name):
            return None
        pieces = Values(lambda: self._names.shell.user_ns, lambda arrival: None).pieces([name])
        return pieces.digest(name) if name in pieces.sizes else None

    def _row(self, run: PastRun) -> tuple[str, ...]:
        where = shape_asked(_options(run)).gang if runs_remotely(run.source) else "here"
        made = _listed(run.made)
        if touched := _listed(run.touched.keys() & self.plan.names.keys()):
            made += f"{', ' if made else ''}changes {touched}"
        return run.label, made, where, time_text(run.took_s), _code_line(run)

    def _older(self) -> list[str]:
        if not (older := [n for n in self._past.names_older() if n not in self.plan.names]):
            return []
        return [
            f"as before the lost cells that may have changed them: {_listed(older)}; "
            "named, they are made again too"
        ]


def _options(run: PastRun) -> dict[str, Any]:
    return REMOTE.parse(split(run.header.removeprefix("%%remote")))


def _code_line(run: PastRun) -> str:
    source = run.source.lstrip()
    return first_line(source.partition("\n")[2] if runs_remotely(source) else source)


def _listed(names: Iterable[str]) -> str:
    return ", ".join(sorted(name for name in names if not name.startswith("_")))
