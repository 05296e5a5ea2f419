"""The provenance in the session's folder, for the kernel that takes this one's place."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

from farcell.provenance import PastRun, Provenance

_NAME = "provenance.jsonl"
_MOST_LINES = 4000
_ANEW = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC


class ProvenanceFile:
    """Appends, after each cell, a line with what is new."""

    def __init__(self, provenance: Provenance, folder: Callable[[], str]) -> None:
        """``folder`` gives the session's folder; empty while there is no session."""
        self._provenance = provenance
        self._folder = folder
        self._path: Path | None = None
        self._file: io.FileIO | None = None
        self._lines = 0
        self._written = 0  # number of the last run that was
        self._settled: dict[str, str] = {}
        self._unsaid = False  # whether that has changed since

    def settled(self, gang: str, run: str) -> None:
        """What that run on ``gang`` has changed is known."""
        self._settled[gang] = run
        self._unsaid = True

    def is_known(self, gang: str, latest: str) -> bool:
        """Whether all is known that was changed on ``gang``, whose latest run is that."""
        return self._settled.get(gang) == latest

    def close(self) -> None:
        """Write no more for now."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def read(self) -> None:
        """Remember what the kernel before has, if it has written anything."""
        self._settled = {}
        self.close()  # another kernel may have written there since
        if not (folder := self._folder()):
            return
        try:
            lines = (Path(folder) / _NAME).read_text().splitlines()
        except FileNotFoundError:
            return
        runs: list[PastRun] = []
        names: dict[str, tuple[int, dict[str, int]]] = {}
        makers: dict[int, str] = {}
        for line in lines:
            try:
                found = json.loads(line)
                runs += map(_loaded, found["runs"])
                names |= {name: (version, held) for name, (version, held) in found["names"].items()}
                makers |= {int(number): maker for number, maker in found["makers"].items()}
                self._settled = found["settled"]
            except (ValueError, TypeError, KeyError):
                # The kernel died while it wrote this, or was another version of farcell's.
                self._settled = {}
                break
        if not self._provenance.restore(runs, names, makers):
            self._settled = {}

    def write(self) -> None:
        """Write what is new; all of it, if there is another session or the file is long."""
        if not (folder := self._folder()):
            return
        path = Path(folder) / _NAME
        file = self._file
        anew = file is None or path != self._path or self._lines >= _MOST_LINES
        if anew:
            self._written, self._lines = 0, 0
        past = self._provenance
        runs, names = past.runs_after(self._written), past.take_unwritten(all_=anew)
        if not (anew or names or runs or self._unsaid):
            return
        numbers = {version for version, _ in names.values() if version}
        makers = {number: past.maker(number) for number in numbers if past.run(number) is None}
        entry = {
            "runs": [_dumped(run) for run in runs],
            "names": names,
            "makers": makers,
            "settled": self._settled,
        }
        try:
            if anew or file is None:
                self.close()
                file = self._file = io.FileIO(os.open(path, _ANEW, 0o600), "w")
            data = json.dumps(entry).encode() + b"\n"
            torn = file.write(data) != len(data)
        except OSError:
            torn = True
        if torn:  # no room on the disk
            self._path = None  # all of it, when there is a session
            return
        self._path, self._unsaid = path, False
        self._lines += 1
        self._written = max([self._written, *(run.number for run in runs)])


def _dumped(run: PastRun) -> dict[str, Any]:
    # What values are known by dies with them, and so with the kernel.
    found = {each.name: getattr(run, each.name) for each in fields(run) if each.name != "known_by"}
    return found | {"made": sorted(run.made), "deleted": sorted(run.deleted)}


def _loaded(found: dict[str, Any]) -> PastRun:
    run = PastRun(**found)
    run.made, run.deleted, run.earlier = set(found["made"]), set(found["deleted"]), True
    return run
