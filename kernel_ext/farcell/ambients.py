"""What a process keeps, such as its working directory, in the notebook and on its gangs."""

from __future__ import annotations

import sys

from farcell.gang import Gang
from farcell_runtime import ambient
from farcell_runtime.ambient import Ambient


class Ambients:
    """Has cells find the notebook's ambient state where they run, and the notebook theirs."""

    def __init__(self) -> None:
        self._there: dict[str, Ambient] = {}  # by gang, as it was last told
        self._latest: Ambient | None = None  # of the notebook; none once its code has run

    def here(self, gang: Gang) -> Ambient:
        """The notebook's, as far as ``gang`` is to have it."""
        alone = len(gang.ranks) == 1
        before = self._latest
        if before is not None and alone != ("random" in before.settings):
            before = None
        self._latest = Ambient.here(before, generators=alone)
        return self._latest

    def change_for(self, gang: Gang, here: Ambient) -> bytes:
        """What ``gang`` must be told, so that it has ``here``."""
        return here.change_from(self._there.get(gang.name, Ambient()))

    def told(self, gang: Gang, here: Ambient) -> None:
        """``gang`` has been told of ``here``."""
        self._there[gang.name] = here

    def take(self, gang: Gang, change: bytes) -> None:
        """A cell on ``gang`` has changed it there: so it is changed here."""
        trouble = ambient.apply(change)
        if change:
            self._latest = None
            self._there[gang.name] = self.here(gang)
        if trouble:
            print(trouble, file=sys.stderr)

    def has_directory(self, gang: Gang) -> bool:
        """Whether ``gang`` has the notebook's working directory."""
        there = self._there.get(gang.name)
        return there is not None and there.cwd == Ambient.here(there).cwd

    def code_ran(self) -> None:
        """What ran in the notebook may have changed what its process keeps."""
        self._latest = None

    def forget(self, gang: str) -> None:
        """Nobody knows what that gang has."""
        self._there.pop(gang, None)
