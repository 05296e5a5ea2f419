"""What a process knows of the modules that it has loaded, and how it takes an edit of them."""

from __future__ import annotations

import ast
import linecache
import sys
import threading
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

from farcell_runtime.errors import InternalError
from farcell_runtime.reload import migration
from farcell_runtime.reload.edit import Edit, File
from farcell_runtime.reload.imports import Import, imports_of
from farcell_runtime.reload.tracked import Tracked
from farcell_runtime.reload.transaction import Transaction


class Code:
    """The code of one process. Edits are prepared, then committed or aborted, one at a time."""

    def __init__(self) -> None:
        self._modules: dict[str, Tracked] = {}
        # Namespaces that are no module's, such as the notebook's, by id.
        self._followers: dict[int, tuple[dict[str, Any], list[Import]]] = {}
        self._hooks: list[Callable[[tuple[Any, ...]], None]] = []
        self._lock = threading.RLock()
        self._open: Prepared | None = None

    def track(self, module: types.ModuleType, source: bytes | None = None) -> None:
        """Take a module's source as what it was loaded from; read from its file if not given.

        A module that is tracked already is left as it is.
        """
        with self._lock:
            known = self._modules.get(module.__name__)
            if known is not None and known.module is module:
                return
            if source is None:
                file = getattr(module, "__file__", None)
                if not file:
                    return
                source = Path(file).read_bytes()
            self._modules[module.__name__] = Tracked(module, source)

    def follow(self, namespace: dict[str, Any], source: str) -> None:
        """Keep up what ``source``, run in ``namespace``, imports by ``from m import x``."""
        try:
            found = imports_of(ast.parse(source).body, "")
        except SyntaxError:
            return
        with self._lock:
            _, imports = self._followers.setdefault(id(namespace), (namespace, []))
            imports += [each for each in found if each.name and each not in imports]

    def renew(self, hook: Callable[[tuple[Any, ...]], None]) -> None:
        """Have ``hook`` called after each edit with the functions that run other code now.

        For what is compiled of functions and kept: it can be thrown away, or made anew.
        """
        self._hooks.append(hook)

    def source_of(self, module: str) -> bytes | None:
        """The source that a module runs now; None if it isn't tracked."""
        known = self._modules.get(module)
        return known.source if known else None

    def prepare(self, edit: Edit) -> Prepared:
        """Work out what an edit means here, and leave all as it was.

        New modules are imported, changed statements run: what fails there fails now, as
        ``ReloadError``. An edit that was prepared and not committed is aborted.
        """
        with self._lock:
            if self._open is not None:
                self._open.abort()
            transaction = Transaction(self._modules, list(self._followers.values()))
            transaction.play(edit)
            self._open = Prepared(self, edit, transaction)
            return self._open

    def _close(self, prepared: Prepared, *, keep: bool) -> None:
        with self._lock:
            if self._open is not prepared:
                if keep:
                    raise InternalError("an edit was committed that is aborted, or committed")
                return
            self._open = None
            transaction = prepared._transaction
            if not keep:
                transaction.abort()
                return
            failed = transaction.commit()
            for file in prepared._edit.files:
                self._settle(file, transaction)
            failed += migration.migrate(transaction.migrating)
            failed += migration.renew(self._hooks, transaction.functions)
            prepared.notes += tuple(dict.fromkeys(failed))

    def _settle(self, file: File, transaction: Transaction) -> None:
        if file.source is None:
            self._modules.pop(file.module, None)
            linecache.cache.pop(file.path, None)
            return
        known = self._modules.get(file.module)
        if known is None:
            module = sys.modules.get(file.module)
            if module is not None and file.module in transaction.imported:
                self._modules[file.module] = Tracked(module, file.source)
            return
        lines = "".join(chunk.text for chunk in known.chunks).splitlines(keepends=True)
        entry: Any = (len(file.source), None, lines, known.path)
        linecache.cache[known.path] = entry


class Prepared:
    """An edit that can be taken: ``changed`` says what it changes, ``notes`` what to know."""

    def __init__(self, code: Code, edit: Edit, transaction: Transaction) -> None:
        self._code = code
        self._edit = edit
        self._transaction = transaction
        self.changed: tuple[str, ...] = tuple(dict.fromkeys(transaction.changed))
        self.notes: tuple[str, ...] = tuple(dict.fromkeys(transaction.notes))

    def commit(self) -> None:
        """Take the edit; what migrates instances runs, and may add to ``notes``.

        Raises ``InternalError``, and takes nothing, after ``abort`` or a later ``prepare``.
        """
        self._code._close(self, keep=True)

    def abort(self) -> None:
        """Forget it; nothing has changed."""
        self._code._close(self, keep=False)
