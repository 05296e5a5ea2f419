"""``Out[n]`` and ``_n``: the results of local and remote cells, one record of them."""

from __future__ import annotations

import re
from collections.abc import ItemsView, Iterator, Mapping, ValuesView
from typing import Any, Protocol

from farcell.capture import reads_of
from farcell.directory import KERNEL, Directory
from farcell.remote_value import RemoteValue
from farcell_runtime.bindings import type_name
from farcell_runtime.errors import ObjectLost

_RESULT = re.compile(r"_(\d+)")
_MENTION = re.compile(r"\b(?:_|(?:Out|_oh)\s*\[\s*)\d")


class Names(Protocol):
    """What results need of the notebook's names."""

    directory: Directory

    def fetch(self, names: list[str], *, most_bytes: int | None = None) -> None: ...


class RemoteResult(RemoteValue):
    """Stands in ``Out`` for what a remote cell has shown, until somebody reads it."""

    _why_lost = ""


class Out(dict[int, Any]):
    """IPython's ``Out``, in which a result of a remote cell is fetched when it is read."""

    def __init__(self, results: Results, known: Mapping[int, Any]) -> None:
        super().__init__(known)
        self._results = results

    def __getitem__(self, number: int) -> Any:
        value = super().__getitem__(number)
        return self._results.value(number) if type(value) is RemoteResult else value

    def get(self, number: int, default: Any = None) -> Any:
        try:
            return self[number]
        except KeyError:
            return default

    def values(self) -> Any:
        return ValuesView(self)

    def items(self) -> Any:
        return ItemsView(self)

    def copy(self) -> dict[int, Any]:
        return dict(self)

    def __iter__(self) -> Iterator[int]:
        # With a method of its own, dict(...) does not pass by the others.
        return super().__iter__()


class Results:
    """Keeps the notebook's ``Out``, and knows which gang has made which result.

    A result is fetched once, when it is first read, and is then the notebook's own.
    """

    def __init__(self, shell: Any, names: Names) -> None:
        self._shell = shell
        self._names = names
        self._makers: dict[int, str] = {}

    def install(self) -> None:
        self._replace(Out(self, self._shell.history_manager.output_hist))

    def uninstall(self) -> None:
        known = dict.items(self._shell.history_manager.output_hist)
        self._replace({n: value for n, value in known if type(value) is not RemoteResult})

    def made(self, number: int, gang: str) -> None:
        """The cell of this number has shown a value that it made on ``gang``."""
        name = f"_{number}"
        self._makers[number] = gang
        self._shell.user_ns.pop(name, None)
        self._names.directory.dropped(name)
        why = "it is fetched when it is read from Out"
        self._out[number] = RemoteResult(name, gang, "result", f"Out[{number}]", why, self.named)

    def named(self, name: str) -> Any:
        """The value of ``_5``, read as a name.

        Raises:
            KeyError: if there is no such result.
            ObjectLost: if it was lost with its gang.
        """
        found = _RESULT.fullmatch(name)
        if found is None or int(found[1]) not in self._makers:
            raise KeyError(name)
        try:
            return self._out[int(found[1])]
        except KeyError:
            raise KeyError(name) from None

    def value(self, number: int, *, most_bytes: int | None = None) -> Any:
        """Fetch a result that a gang has, as the names fetch a value.

        Raises:
            KeyError: if it has it no more.
            ObjectLost: if the gang is gone.
        """
        name, stand_in = f"_{number}", dict.__getitem__(self._out, number)
        if stand_in._why_lost:
            raise ObjectLost(
                f"Out[{number}] is gone: {stand_in._why_lost}",
                hint="run the cell again that shows it",
            )
        directory, namespace = self._names.directory, self._shell.user_ns
        directory.changed(stand_in._gang, name)
        try:
            self._names.fetch([name], most_bytes=most_bytes)
        finally:
            directory.dropped(name)
        if name not in namespace:
            del self._out[number]
            raise KeyError(number)
        value = namespace[name]
        if isinstance(value, RemoteValue):
            del namespace[name]
            if value._fetch is not None:  # it can come, if somebody asks for it
                value._fetch = lambda _: self.value(number, most_bytes=0)
        else:
            self._out[number] = value
        return value

    def offer(self, gang: str, code: str) -> None:
        """Have the names know the results that ``code`` reads and ``gang`` has not made itself."""
        if not _MENTION.search(code):
            return
        for name in reads_of(code, self._shell.transform_cell).names:
            found = _RESULT.fullmatch(name)
            if found is None:
                continue
            if self._makers.get(int(found[1])) == gang:
                self._names.directory.dropped(name)
                continue
            value = self._out.get(int(found[1]))
            if value is not None and not isinstance(value, RemoteValue):
                self._shell.user_ns.setdefault(name, value)
                # It may have changed in place: nobody has looked.
                self._names.directory.changed(KERNEL, name, type_name=type_name(value))

    def gang_gone(self, gang: str, why: str) -> None:
        """``gang`` is gone, and with it the results that were not read."""
        for number, maker in list(self._makers.items()):
            if maker == gang:
                value = dict.get(self._out, number)
                if type(value) is RemoteResult:
                    value._why_lost = why
                else:
                    del self._makers[number]

    @property
    def _out(self) -> dict[int, Any]:
        out: dict[int, Any] = self._shell.history_manager.output_hist
        return out

    def _replace(self, out: dict[int, Any]) -> None:
        before = self._out
        self._shell.history_manager.output_hist = out
        for namespace in (self._shell.user_ns, self._shell.user_ns_hidden):
            for name in ("_oh", "Out"):
                if namespace.get(name) is before:
                    namespace[name] = out
