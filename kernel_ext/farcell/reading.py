"""What code reads and changes by way of the notebook's names, and what those read in turn."""

from __future__ import annotations

import types
from collections.abc import Collection, Iterable
from typing import Any, Protocol

from farcell.capture import Reads
from farcell.directory import Directory
from farcell.effects import changed_in_place
from farcell_runtime.bindings import Binding, Bindings, is_hidden, type_name
from farcell_runtime.reads import ANY_NAME, closure, mentioned, readers, value_reads
from farcell_runtime.transport import farcell_pb2 as pb


class Shell(Protocol):
    """What this needs of IPython's shell."""

    user_ns: dict[str, Any]
    user_ns_hidden: dict[str, Any]

    def transform_cell(self, raw_cell: str) -> str: ...


class Reading:
    """Follows names to those that the code of their values reads, wherever these are."""

    def __init__(self, shell: Shell, directory: Directory) -> None:
        self._shell = shell
        self._directory = directory

    def of_cell(self, reads: Reads) -> tuple[set[str], set[str]]:
        """The names that a cell reads for certain, and those that it reads perhaps."""
        certain = self.closure(reads.names)
        reads.everything |= ANY_NAME in certain
        texts = [self._shell.user_ns.get(name) for name in reads.texts]
        mentions = {word for text in texts if isinstance(text, str) for word in mentioned(text)}
        perhaps = self.closure(reads.maybe | mentions)
        if reads.everything:
            perhaps |= {name for name in self._directory if not name.startswith("_")}
        return certain, perhaps - certain

    def closure(self, names: Iterable[str]) -> set[str]:
        """``names`` and all that they read in turn."""
        return closure(names, self._reads_of, self._is_known)

    def reached(self, code: str) -> set[str]:
        """The names whose values ``code`` may have changed in place: all, if that can't be told."""
        if not code:
            return set()
        try:
            return self.closure(mentioned(code))
        except Exception:  # of the values' own code: following them may run some
            return set(self._shell.user_ns)

    def readers(self, names: Iterable[str]) -> dict[str, str]:
        """The same, each with what reads it."""
        return readers(names, self._reads_of, self._is_known)

    def left_alone(self, code: str, touched: Collection[str]) -> tuple[set[str], set[str]]:
        """Those of ``touched`` whose values ``code`` only looks at, and what it may change.

        What has a part in common with what it may change it may change too: that is not seen here.
        """
        if not touched:
            return set(), set()
        found = changed_in_place(code, self._shell.transform_cell, self._kind)
        try:
            reached = {ANY_NAME} if found is None else self.closure(found)
        except Exception:  # of the values' own code: following them may run some
            reached = {ANY_NAME}
        return (set() if ANY_NAME in reached else set(touched) - reached), reached

    def looked_at_here(self, code: str, changed: Iterable[Binding], here: Bindings) -> set[str]:
        """Of the names that count as changed in place here, those that ``code`` only looked at.

        Args:
            here: the notebook's names as they were before it.
        """
        touched = {binding.name for binding in changed if not binding.bound}
        alone, reached = self.left_alone(code, touched)
        if not alone:
            return alone
        changes, _ = here.changes(self._shell.user_ns, reached)
        return alone - {binding.name for binding in changes}

    def looked_at_there(self, code: str, done: pb.Done) -> set[str]:
        """The same, of those that count as changed in place on a gang."""
        touched = {report.name: report.alias_of for report in done.names if not report.bound}
        alone, _ = self.left_alone(code, touched.keys())
        shared = {touched.get(name, "") for name in touched.keys() - alone} - {""}
        return {n for n in alone if n not in shared and touched[n] not in shared}

    def _reads_of(self, name: str) -> Iterable[str]:
        """The names that the value of ``name`` reads in turn."""
        namespace = self._shell.user_ns
        if name in namespace:
            return value_reads(namespace[name], namespace)
        return self._directory.entry(name).reads if name in self._directory else ()

    def _is_known(self, name: str) -> bool:
        if name in self._directory or name == ANY_NAME:
            return True
        return name in self._shell.user_ns and not is_hidden(name, self._shell.user_ns_hidden)

    def _kind(self, name: str) -> str:
        """The type of the value of ``name``; of a module ``module:`` and its name."""
        if name in self._directory:
            entry = self._directory.entry(name)
            if entry.type_name == "module" and entry.module:
                return f"module:{entry.module}"
            if name not in self._shell.user_ns:
                return entry.type_name
        if name not in self._shell.user_ns:
            return ""
        value = self._shell.user_ns[name]
        if isinstance(value, types.ModuleType):
            return f"module:{value.__name__}"
        return type_name(value)
