"""One edit's way through the modules: what changed, what follows from it elsewhere."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import sys
import traceback
import types
from collections.abc import Sequence
from typing import Any

from farcell_runtime.errors import ReloadError
from farcell_runtime.reads import in_order
from farcell_runtime.reload import classes
from farcell_runtime.reload.bodies import ModuleBody
from farcell_runtime.reload.codes import future_flags
from farcell_runtime.reload.difference import Difference, Kind, difference
from farcell_runtime.reload.edit import Edit, File
from farcell_runtime.reload.functions import Functions
from farcell_runtime.reload.imports import Import, follow
from farcell_runtime.reload.journal import Journal
from farcell_runtime.reload.merging import Merging
from farcell_runtime.reload.statements import Chunk, Placed, split
from farcell_runtime.reload.swaps import Swaps
from farcell_runtime.reload.tracked import Tracked, imports_in
from farcell_runtime.reload.update import Entry, Tools, Update

_MOST_ROUNDS = 100


class Transaction:
    """Prepares an edit; all is as it was when ``play`` returns or raises."""

    def __init__(
        self,
        modules: dict[str, Tracked],
        followers: Sequence[tuple[dict[str, Any], list[Import]]],
    ) -> None:
        self._modules = modules
        self._followers = followers
        self._journal = Journal()
        self._texts: dict[str, list[Chunk]] = {}
        self._sources: dict[str, bytes] = {}
        self._swaps: list[Swaps] = []
        # What was bound anew elsewhere, for modules whose turn is still to come.
        self._fresh: dict[str, set[str]] = {}
        self.changed: list[str] = []
        self.notes: list[str] = []
        self.migrating: list[type] = []
        self.imported: set[str] = set()
        self._reshaped: set[type] = set()
        self._at = ("", "")  # the file that is being taken, and its text

    def play(self, edit: Edit) -> None:
        """Find out all that the edit does, as steps of the journal."""
        loaded = set(sys.modules)
        # Only these: others may be imported by somebody else just now, and are as good as ever.
        names = {file.module for file in edit.files}
        try:
            self._play(edit)
        except BaseException as error:
            self._journal.rollback()
            self._unload(names & (set(sys.modules) - loaded))
            if isinstance(error, ReloadError) or not isinstance(error, Exception | SystemExit):
                raise
            raise self._refusal(error) from error
        self.imported = names & (set(sys.modules) - loaded)
        self._journal.rollback()

    def _play(self, edit: Edit) -> None:
        files = {file.module: file for file in edit.files}
        if any(name not in self._modules for name in files):
            importlib.invalidate_caches()
        for file in edit.files:
            self._read(file)
        waiting = in_order(self._texts, self._needs)
        for name in files:
            if files[name].source is None and name in self._modules:
                self._delete(files[name])
        done: set[str] = set()
        for _ in range(len(waiting) + _MOST_ROUNDS):
            if not waiting and not self._fresh:
                break
            name = waiting.pop(0) if waiting else next(iter(self._fresh))
            known = self._modules[name]
            now = self._texts.get(name, known.chunks)
            if name in done:
                self._journal.flush()
            self._take(known, now if name in done else known.chunks, now)
            done.add(name)

    def _read(self, file: File) -> None:
        known = self._modules.get(file.module)
        if known is None or file.source is None or file.source == known.source:
            return
        if sys.modules.get(file.module) is not known.module:
            return
        self._at = (file.path, "")
        text = importlib.util.decode_source(file.source)
        self._at = (file.path, text)
        self._texts[file.module] = split(text)
        self._sources[file.module] = file.source

    def _needs(self, name: str) -> list[str]:
        """The modules of the edit that one of them imports."""
        if len(self._texts) < 2:
            return []
        self._at = (self._modules[name].path, _text(self._texts[name]))
        found = set()
        for each in imports_in(self._texts[name], self._modules[name].module):
            found |= {each.module, f"{each.module}.{each.name}"}
        return [other for other in self._texts if other in found and other != name]

    def _take(self, known: Tracked, old: list[Chunk], new: list[Chunk]) -> None:
        """Bring one module up to date."""
        fresh = self._fresh.pop(known.name, set())
        self._at = (known.path, _text(new))
        module = known.module
        changes = difference(old, new)
        if not changes.pairs and not changes.moved and not changes.runs and not fresh:
            return
        flags = future_flags([each for chunk in new if _is_future(chunk) for each in chunk.placed])
        functions = Functions(module, known.known)
        swaps = Swaps(module, functions, self._journal, known.lineage, self.notes)
        body = ModuleBody(module, known.path, flags, self._journal, functions)
        titles: list[str] = []
        tools = Tools(
            module, known.path, flags, self._journal, functions, swaps,
            Merging(module, self._journal), self.notes, titles, self.migrating,
            list(changes.moved), self._reshaped, set(), classes.remake, classes.pour,
        )  # fmt: skip
        self._swaps.append(swaps)
        reshaped = set(self._reshaped)
        for pair in changes.pairs:
            if pair.old is not None and pair.kind is not Kind.CHANGED:
                classes.swap(tools, body, pair)
                if isinstance(pair.new.statement.node, ast.ClassDef):
                    self._note_migration(module, pair.new.statement.node.name)
        if changes.runs or fresh:
            before, entries = _entries(old, new, changes)
            Update(tools, body, before, entries, changes.removed).play(fresh)
        for sub in [each for cls in self._reshaped - reshaped for each in _derived(cls)]:
            if sub.__module__ != known.name and sub.__module__ in self._modules:
                self._fresh.setdefault(sub.__module__, set()).add(sub.__qualname__)
        swaps.move(tools.moved)
        self.changed += [f"{module.__name__}.{title}" for title in titles]
        self._spread_attributes(known, tools.attributes)
        if body.has_run:
            self._spread(known, {name: (was, now) for name, was, now in body.changed_names()})

    def _note_migration(self, module: types.ModuleType, name: str) -> None:
        cls = vars(module).get(name)
        if isinstance(cls, type):
            self.migrating.append(cls)

    def _spread(self, known: Tracked, changes: dict[str, tuple[Any, Any]]) -> None:
        """Bind what others have imported from a module, and mark it there as fresh."""
        if not changes:
            return
        for namespace, imports in self._followers:
            list(follow(namespace, imports, known.module, changes, self._journal))
        for other in self._modules.values():
            if other is known or not other.may_know(known.name):
                continue
            namespace = vars(other.module)
            followed = set(follow(namespace, other.imports, known.module, changes, self._journal))
            for alias, value in namespace.items():
                if value is known.module:
                    followed |= {f"{alias}.{name}" for name in changes}
            if followed:
                self._fresh.setdefault(other.name, set()).update(followed)
        self._journal.flush()

    def _spread_attributes(self, known: Tracked, attributes: set[str]) -> None:
        """Mark what others read of the classes that they have imported as fresh."""
        for other in self._modules.values() if attributes else ():
            if other is known or not other.may_know(known.name):
                continue
            for each in other.imports:
                if each.module == known.module.__name__:
                    start = f"{each.name}."
                    found = {a for a in attributes if a.startswith(start)}
                    if found:
                        self._fresh.setdefault(other.name, set()).update(
                            f"{each.alias}.{a.removeprefix(start)}" for a in found
                        )

    def _delete(self, file: File) -> None:
        """Take a module whose file is gone out of the import system."""
        module = self._modules[file.module].module
        self._journal.delete_item(sys.modules, file.module)
        package, _, name = file.module.rpartition(".")
        parent = sys.modules.get(package)
        if parent is not None and vars(parent).get(name) is module:
            self._journal.delete_item(vars(parent), name)
        self.changed.append(file.module)
        self.notes.append(
            f"{file.module} is gone: what was imported from it stays where it is in use"
        )
        self._journal.flush()

    def commit(self) -> list[str]:
        """Take all steps; what failed of what can't be undone, such as compiling anew."""
        failed = self._journal.commit()
        for swaps in self._swaps:
            swaps.settle()
        for name, chunks in self._texts.items():
            self._modules[name].adopt(self._sources[name], chunks)
        return failed

    @property
    def functions(self) -> tuple[Any, ...]:
        """The living functions that run other code now."""
        return tuple([each for swaps in self._swaps for each in swaps.changed])

    def abort(self) -> None:
        """Forget the modules that were imported on the way."""
        self._unload(self.imported)

    def _unload(self, names: set[str]) -> None:
        for name in names:
            module = sys.modules.pop(name, None)
            package, _, last = name.rpartition(".")
            parent = sys.modules.get(package)
            if parent is not None and vars(parent).get(last) is module:
                delattr(parent, last)

    def _refusal(self, error: BaseException) -> ReloadError:
        """The error that says where and why an edit can't be taken."""
        path, text = self._at
        line = 0
        if isinstance(error, SyntaxError) and error.filename in (None, "<unknown>", path):
            line = error.lineno or 0
            why = f"{type(error).__name__}: {error.msg}"
        else:
            for frame in traceback.extract_tb(error.__traceback__):
                if frame.filename == path:
                    line = frame.lineno or line
            why = f"{type(error).__name__}: {error}".rstrip(": ")
        lines = text.splitlines()
        source_line = lines[line - 1].strip() if 0 < line <= len(lines) else ""
        place = f"{path}:{line}" if line else path
        shown = f"\n    {source_line}" if source_line else ""
        return ReloadError(
            f"{place}: {why}{shown}",
            file=path,
            line=line,
            source_line=source_line,
            hint="mend it and save again; until then the code from before the edit runs, and what "
            "its lines had done outside their module stays done",
        )


def _entries(
    old: list[Chunk], new: list[Chunk], changes: Difference
) -> tuple[list[Placed], list[Entry]]:
    """All statements of the old text, and those of the new one with what they were."""
    for chunk, other in zip(new, changes.chunks, strict=True):
        if other is not None:
            chunk.share(other)
    before = [each for chunk in old for each in chunk.placed]
    numbers = {id(each.statement): number for number, each in enumerate(before)}
    pairs = {id(pair.new.statement): pair for pair in changes.pairs}
    entries: list[Entry] = []
    for chunk, other in zip(new, changes.chunks, strict=True):
        if other is not None:
            entries += [
                Entry(Kind.SAME, was, now, numbers[id(was.statement)])
                for was, now in zip(other.placed, chunk.placed, strict=True)
            ]
            continue
        for now in chunk.placed:
            pair = pairs[id(now.statement)]
            origin = None
            if pair.old is not None:
                origin = numbers[id(pair.old.statement)]
            entries.append(Entry(pair.kind, pair.old, now, origin))
    return before, entries


def _derived(cls: type) -> list[type]:
    found: list[type] = type.__subclasses__(cls)
    return [*found, *(each for one in found for each in _derived(one))]


def _is_future(chunk: Chunk) -> bool:
    return "__future__" in chunk.text


def _text(chunks: list[Chunk]) -> str:
    return "".join(chunk.text for chunk in chunks)
