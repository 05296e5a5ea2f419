"""The names of a worker, read while it is busy."""

from __future__ import annotations

import os
from pathlib import Path

from farcell_runtime import roster
from farcell_runtime.roster import Roster


def test_what_was_written_last_is_read(tmp_path: Path) -> None:
    assert roster.read(str(tmp_path)) == []
    written = Roster(str(tmp_path))
    assert roster.read(str(tmp_path)) == []
    for names in (["a", "größe", "long_" * 100], ["b"], []):
        written.write(names)
        assert roster.read(str(tmp_path)) == names


def test_one_that_is_half_written_is_not_believed(tmp_path: Path) -> None:
    Roster(str(tmp_path)).write(["abc", "def"])
    path = tmp_path / "names"
    content = path.read_bytes()
    path.write_bytes(content[:-1] + b"x")
    assert roster.read(str(tmp_path)) == []
    path.write_bytes(content[:5])
    assert roster.read(str(tmp_path)) == []


def test_it_is_nobody_elses_to_read(tmp_path: Path) -> None:
    Roster(str(tmp_path)).write(["a"])
    assert os.stat(tmp_path / "names").st_mode & 0o077 == 0
