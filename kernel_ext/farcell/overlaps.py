"""Runs that overlap, and change one name: the one that ends later does not overwrite."""

from __future__ import annotations

from collections.abc import Mapping

from farcell.directory import KERNEL
from farcell.gang import Gang
from farcell.names import Names
from farcell_runtime.bindings import RESULTS
from farcell_runtime.errors import UsageError
from farcell_runtime.transport import farcell_pb2 as pb


class Overlaps:
    """Sets aside, under a name of its own, what a run made of a name that has changed meanwhile."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._aside: dict[tuple[int, str], str] = {}

    def take_in(
        self, gang: Gang, done: pb.Done, code: str, versions: Mapping[str, int], number: int
    ) -> list[str]:
        """Take in what a run has changed.

        Args:
            versions: those of all names when it began.
            number: its own.

        Returns:
            What the person at the notebook must be told.
        """
        directory = self._names.directory

        def is_newer_elsewhere(name: str) -> bool:
            return (
                name in directory
                and not directory.is_newest(gang.name, name)
                and directory.entry(name).version != versions.get(name)
            )

        # A name that a cell has only read counts as changed, until one looks.
        twice = [report for report in done.names if is_newer_elsewhere(report.name)]
        unchanged, clashing = [], []
        for report in twice:
            name = report.name
            if not report.bound and not gang.differs(name):
                unchanged.append(report)
            elif self._newest_differs(name, gang):
                clashing.append(report)
            else:
                directory.received(gang.name, [name])
        rest = pb.Done(deleted=[name for name in done.deleted if not is_newer_elsewhere(name)])
        told = [
            f"run {number} deleted '{name}', which has changed meanwhile: it stays"
            for name in done.deleted
            if name not in rest.deleted
        ]
        apart = [*unchanged, *clashing]
        rest.names.extend(report for report in done.names if report not in apart)
        for report in clashing:
            name = report.name
            if name not in RESULTS:
                aside = pb.NameReport()
                aside.CopyFrom(report)
                aside.name, aside.bound, aside.alias_of = self._free_name(name, number), True, ""
                gang.alias(name, aside.name)
                rest.names.append(aside)
                self._aside[number, name] = aside.name
                told.append(
                    f"run {number} changed '{name}', which has changed meanwhile: the run's is "
                    f"{aside.name}. %cluster keep {number} {name} makes it {name}"
                )
        self._names.gang_changed(gang.name, rest, code)
        self._names.discard(gang.name, [report.name for report in apart])
        return told

    def _newest_differs(self, name: str, since: Gang) -> bool:
        """Whether the newest value of ``name`` is not what gang ``since`` was sent."""
        newest = self._names.directory.holders(name)[0]
        if newest == KERNEL:
            return bool(self._names.values_for(since.name).differing([name]))
        return self._names.gang_named(newest).differs(name)

    def _free_name(self, name: str, number: int) -> str:
        taken = self._names.shell.user_ns.keys() | set(self._names.directory)
        aside = f"{name}_run{number}"
        while aside in taken:
            aside += "_"
        return aside

    def keep(self, number: int, name: str) -> None:
        """Have ``name`` be what that run has made of it.

        Raises:
            UsageError: if nothing of it was set aside, or that is gone.
        """
        names, aside = self._names, self._aside.get((number, name), "")
        if aside not in names.directory:
            known = ", ".join(f"{run} {each}" for run, each in self._aside)
            raise UsageError(
                f"nothing that run {number} has made of '{name}' was set aside, or it is gone",
                hint=f"set aside: {known or 'nothing'}",
            )
        with names.provenance.beside("by %cluster keep"):
            names.alias(aside, name)
            names.delete(aside)
        del self._aside[number, name]
