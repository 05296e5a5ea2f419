"""What is told about names that live on gangs without fetching them: ``x?``, tooltips, Tab."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterable
from html import escape
from typing import Any

from IPython.core import page

from farcell.gang import Gang
from farcell.names import Names
from farcell.remote_value import RemoteValue
from farcell_runtime.errors import FarcellError
from farcell_runtime.sizes import size_text

_TOOLTIP_S = 0.5  # for so long a page waits for a tooltip, or a list of completions
_MAGIC_S = 10.0
_NOTHING = object()
_HOOKED = ("_inspect", "object_inspect_mime")


class Inspection:
    """Stands in front of the shell's own inspection, for names that are newest on a gang.

    The worker inspects the value. While it runs a cell, the directory tells what it knows.
    """

    def __init__(
        self,
        shell: Any,
        names: Names,
        gang_named: Callable[[str], Gang],
        busy: Callable[[Gang], bool],
    ) -> None:
        """``gang_named`` raises ``TimeoutError`` for one that can't be asked, as ``busy`` says."""
        self._shell = shell
        self._names = names
        self._gang_named = gang_named
        self._busy = busy

    def install(self) -> None:
        self._own_inspect = self._shell._inspect
        self._own_tooltip = self._shell.object_inspect_mime
        self._shell._inspect = self._inspect
        self._shell.object_inspect_mime = self._tooltip

    def uninstall(self) -> None:
        for hooked in _HOOKED:
            vars(self._shell).pop(hooked, None)

    def complete(self, text: str) -> list[str]:
        """What ``text`` may go on as, of the names that live on gangs and their attributes."""
        name, dot, _ = text.partition(".")
        if not dot:
            return [each for each in self._names.absent() if each.startswith(text)]
        if not self._names.holder(name):
            return []
        try:
            found = self._ask(name, "complete", text, len(text), timeout_s=_TOOLTIP_S)
        except (FarcellError, TimeoutError):
            return []  # the worker is busy with a cell, or gone
        return [match for match in found["matches"] if match.startswith(name)]

    def elsewhere(self) -> list[str]:
        """The names that live on gangs, and that the running cell has not bound by now."""
        return [name for name in self._names.absent() if self._is_elsewhere(name)]

    def forms(self) -> dict[str, str]:
        """Shape, type and size of the arrays among the names that live on idle gangs."""
        found: dict[str, str] = {}
        by_gang: dict[str, list[str]] = {}
        for name in self.elsewhere():
            by_gang.setdefault(self._names.holder(name), []).append(name)
        for names in by_gang.values():
            with contextlib.suppress(FarcellError, TimeoutError):
                found |= self._ask(names[0], "forms", json.dumps(names), timeout_s=_TOOLTIP_S)
        return found

    def _tooltip(
        self, oname: str, detail_level: int = 0, omit_sections: Iterable[str] = ()
    ) -> dict[str, Any]:
        """In the place of the shell's ``object_inspect_mime``."""
        name = self._remote_part(oname)
        if not name:
            bundle: dict[str, Any] = self._own_tooltip(oname, detail_level, omit_sections)
            return bundle
        asked = json.dumps([oname.strip(), detail_level, sorted(omit_sections)])
        try:
            found: dict[str, Any] | None = self._ask(name, "tooltip", asked, timeout_s=_TOOLTIP_S)
        except (FarcellError, TimeoutError) as error:
            found = self._known(name, error)
        if found is None:
            raise KeyError(oname)
        return found

    def _inspect(self, meth: str, oname: str, namespaces: Any = None, **options: Any) -> Any:
        """In the place of what ``%pinfo``, ``%pdoc`` and their like call."""
        name = "" if namespaces else self._remote_part(oname)
        if not name:
            return self._own_inspect(meth, oname, namespaces, **options)
        asked = json.dumps([meth, oname.strip(), options])
        try:
            found = self._ask(name, "inspection", asked, timeout_s=_MAGIC_S)
        except (FarcellError, TimeoutError) as error:
            found = {"printed": "", "pages": [self._known(name, error)]}
        print(found["printed"], end="")
        for shown in found["pages"]:
            if not self._shell.enable_html_pager:
                shown.pop("text/html", None)
            page.page(shown)
        return None

    def _remote_part(self, text: str) -> str:
        """The name that ``text``, perhaps with attributes, begins with, if it is on a gang."""
        name = text.strip().partition(".")[0].partition("[")[0]
        return name if self._is_elsewhere(name) else ""

    def _is_elsewhere(self, name: str) -> bool:
        here = self._shell.user_ns.get(name, _NOTHING)
        if here is not _NOTHING and not (type(here) is RemoteValue and here._name == name):
            return False  # and be it bound by this very cell
        return bool(self._names.holder(name))

    def _ask(self, name: str, kind: str, text: str, cursor: int = 0, *, timeout_s: float) -> Any:
        """Ask the gang that has ``name``.

        Raises:
            TimeoutError: if it is busy, or does not answer in ``timeout_s``.
            FarcellError: if it is gone.
        """
        gang = self._gang_named(self._names.holder(name))
        if self._busy(gang):
            raise TimeoutError
        return json.loads(gang.inspect(gang.ranks[0], kind, text, cursor, timeout_s))

    def _known(self, name: str, error: Exception) -> dict[str, Any]:
        """What the directory knows of ``name``, as the shell's inspection would put it."""
        why = "is busy" if isinstance(error, TimeoutError) else "does not answer"
        entry = self._names.directory.entry(name)
        lines = [("Type", entry.type_name)] if entry.type_name else []
        if entry.size_bytes:
            lines.append(("Size", size_text(entry.size_bytes)))
        lines.append(("Where", f"gang {self._names.holder(name)}, which {why}"))
        text = "\n".join(f"{title + ':':<13}{value}" for title, value in lines)
        return {"text/plain": text, "text/html": f"<pre>{escape(text)}</pre>"}
