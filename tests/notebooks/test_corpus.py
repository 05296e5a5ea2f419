"""Notebooks that nobody wrote for farcell look, cell by cell, as they do at home."""

from __future__ import annotations

import asyncio
import faulthandler
import os

import pytest

from .corpus import load_subset
from .dialect import REMOTE
from .fetching import CACHE
from .judging import judge
from .report import judged_cells, line, share_alike, summary, write_json
from .runner import Limits, Runner


@pytest.mark.corpus
@pytest.mark.slow
@pytest.mark.timeout(1200)
def test_cells_under_remote_look_as_they_do_at_home(capsys: pytest.CaptureFixture[str]) -> None:
    # It runs longer than pytest waits before it shows what a stuck test does.
    faulthandler.cancel_dump_traceback_later()
    try:
        notebooks = load_subset()
    except RuntimeError as error:
        if os.environ.get("CI"):
            raise
        pytest.skip(f"the corpus needs the package registry: {error}")
    runner = Runner(limits=Limits(cell_s=60, notebook_s=120), at_once=os.cpu_count() or 2)
    reports = asyncio.run(judge(notebooks, REMOTE, runner))
    write_json(reports, CACHE / "report.json")
    told = "\n".join([*map(line, reports), "", summary(reports)])
    with capsys.disabled():
        print(f"\n{summary(reports)}")
    assert not [report.problem for report in reports if report.problem], told
    assert judged_cells(reports) >= 400, told
    assert share_alike(reports) >= 0.98, told
    assert not [report.name for report in reports if report.left_behind], told
