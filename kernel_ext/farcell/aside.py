"""Names that are put aside while cells run that would change them, and put back afterwards."""

from __future__ import annotations

from collections.abc import Container, Iterable

from farcell.directory import KERNEL
from farcell.names import Names


class Aside:
    """Keeps what names are: the notebook's own objects here, others under names beside theirs."""

    def __init__(self, names: Names) -> None:
        self._names = names
        self._values: dict[str, object] = {}
        self._beside: dict[str, str] = {}
        self._versions: dict[str, int] = {}

    @property
    def names(self) -> set[str]:
        """The names that were put aside."""
        return {*self._versions}

    def take(self, names: Iterable[str]) -> None:
        """Put ``names`` aside, those that are not yet; they stay what they are for now."""
        for name in names:
            version = self._names.provenance.version(name)
            if name in self._versions or version is None:
                continue
            if self._names.directory.is_newest(KERNEL, name):
                self._values[name] = self._names.shell.user_ns[name]
            else:
                beside = f"_{name}_kept"
                with self._names.provenance.beside("by %cluster recover"):
                    self._names.alias(name, beside)
                self._beside[name] = beside
            self._versions[name] = version

    def put_back(self, names: Iterable[str]) -> None:
        """Have ``names`` be what they were."""
        for name in names:
            if name in self._values:
                self._names.bind(name, self._values[name])
            elif self._beside[name] in self._names.directory:
                self._names.alias(self._beside[name], name)
            else:
                continue  # it was lost meanwhile
            self._names.provenance.is_again(name, self._versions[name])

    def end(self, without: Container[str]) -> None:
        """Put all back but what is not wanted back, and keep nothing."""
        self.put_back([name for name in self._versions if name not in without])
        for beside in self._beside.values():
            self._names.delete(beside)
