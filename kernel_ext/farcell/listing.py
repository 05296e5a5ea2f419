"""``%who``, ``%whos`` and ``%who_ls``, with the names that live on gangs, which stay there."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from IPython.core.magics.namespace import NamespaceMagics

from farcell.inspection import Inspection
from farcell.names import Names
from farcell_runtime.sizes import size_text

_LISTING = ("who", "whos", "who_ls")


class Listing(NamespaceMagics):
    """Stands in front of the shell's own magics that list its names."""

    def __init__(self, shell: Any, names: Names, inspection: Inspection) -> None:
        super().__init__(shell)
        self._shell = shell
        self._names = names
        self._inspection = inspection

    def install(self) -> None:
        magics = self._shell.magics_manager.magics["line"]
        self._own = {name: magics[name] for name in _LISTING}
        magics.update({name: getattr(self, name) for name in _LISTING})

    def uninstall(self) -> None:
        self._shell.magics_manager.magics["line"].update(self._own)

    def who_ls(self, parameter_s: str = "") -> list[str]:
        namespace = {**self._shell.user_ns, **self._elsewhere()}
        shown: Any = SimpleNamespace(user_ns=namespace, user_ns_hidden=self._shell.user_ns_hidden)
        self.shell = shown
        types = parameter_s.split()
        return [
            name
            for name in super().who_ls()
            if not types or type(namespace[name]).__name__.strip() in types
        ]

    def _elsewhere(self) -> dict[str, object]:
        """For each name that is newest on a gang, what its row shows."""
        found: dict[str, object] = {}
        forms = self._inspection.forms()
        for name in self._inspection.elsewhere():
            entry = self._names.directory.entry(name)
            where = f"on gang {self._names.holder(name)}"
            if name in forms:
                where += f", {forms[name]}"
            elif entry.size_bytes:
                where += f", {size_text(entry.size_bytes)}"
            # With the space IPython doesn't take it for one of the types whose values it looks at.
            kind = f"{entry.type_name.rpartition('.')[2] or '?'} "
            found[name] = type(kind, (_Elsewhere,), {"where": where})()
        return found


class _Elsewhere:
    """What a row shows in the place of a value: its type is called as the value's is."""

    where: str

    def __str__(self) -> str:
        return self.where
