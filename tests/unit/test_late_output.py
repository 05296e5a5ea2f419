"""What a cell says after it has ended."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from farcell.late_output import LateOutput
from farcell_runtime.runlog import OUT, LogReader, RunLog


class Torn(LogReader):
    """A log whose records can't be read."""

    def has_more(self) -> bool:
        return True

    def read(self, **_: int) -> Iterator[object]:  # type: ignore[override]
        raise ValueError("torn")


def test_a_log_that_can_t_be_read_holds_up_no_other(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    late = LateOutput(SimpleNamespace())
    RunLog(str(tmp_path), "2").write(OUT, b"whole\n")
    logs = [Torn(str(tmp_path), "1"), LogReader(str(tmp_path), "2")]
    for log in logs:
        late.follow([log], lambda event: None, widgets=False, parent={"header": {}})
    late.look()
    late.look()
    late.end()
    shown = capsys.readouterr()
    assert shown.out == "whole\n"
    assert shown.err.count("ValueError: torn") == 1
