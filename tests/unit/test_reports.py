"""What becomes of runs is told to the head, and known at once to whoever reads the journal."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from farcell import journal as journals
from farcell.journal import RunJournal
from farcell.reports import RunReports
from farcell_runtime.errors import RunTimeout
from farcell_runtime.transport import farcell_pb2 as pb


def report(run: str, state: str = "running") -> pb.RunReport:
    return pb.RunReport(run=run, gang="default", state=state, label="x = 1", logs=[1])


def states(journal: RunJournal) -> dict[str, str]:
    return {each.run: each.state for each in journal.reports()}


@pytest.fixture
def told() -> list[tuple[str, str]]:
    return []


@pytest.fixture
def journal(tmp_path: Path) -> RunJournal:
    return RunJournal(str(tmp_path))


@pytest.fixture
def reports(
    told: list[tuple[str, str]], journal: RunJournal, monkeypatch: pytest.MonkeyPatch
) -> RunReports:
    monkeypatch.setattr("farcell.reports._TELL_AFTER_S", 3600.0)
    found = RunReports(lambda each: told.append((each.run, each.state)))
    found.keep_in(journal)
    return found


def test_written_down_before_it_is_told(
    reports: RunReports, journal: RunJournal, told: list[tuple[str, str]]
) -> None:
    reports.started(report("long"))
    reports.started(report("short"))
    reports.ended("short", None)
    assert told == []
    assert states(journal) == {"long": "running", "short": "done"}
    reports.tell()
    assert told == [("long", "running"), ("short", "done")]
    reports.ended("long", ZeroDivisionError())
    assert states(journal)["long"] == "failed"
    reports.tell()
    assert told[-1] == ("long", "failed")
    assert states(journal) == {}


@pytest.mark.parametrize(
    ("error", "state"),
    [(None, "done"), (ValueError(), "failed"), (KeyboardInterrupt(), "interrupted"),
     (RunTimeout("too long"), "interrupted")],
)  # fmt: skip
def test_how_it_ended(
    reports: RunReports, journal: RunJournal, error: BaseException | None, state: str
) -> None:
    reports.started(report("run"))
    reports.ended("run", error)
    reports.ended("never begun", None)
    assert states(journal) == {"run": state}
    assert journal.reports()[0].ended_at_s > 0


def test_of_a_quick_loop_the_last_are_told(
    reports: RunReports, told: list[tuple[str, str]]
) -> None:
    running = [f"background {number}" for number in range(25)]
    for name in running:
        reports.started(report(name))
    for number in range(100):
        reports.started(report(str(number)))
        reports.ended(str(number), None)
    reports.tell()
    assert [name for name, state in told if state == "running"] == running
    assert told[-1] == ("99", "done")
    assert len(told) == 25 + 20


def test_it_does_not_grow(
    reports: RunReports, journal: RunJournal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journals, "_LONGEST_BYTES", 1000)
    reports.started(report("long"))
    for number in range(50):
        reports.started(report(str(number)))
        reports.ended(str(number), None)
        reports.tell()
    size = sum(path.stat().st_size for path in tmp_path.iterdir())
    assert size < 1500
    assert states(RunJournal(str(tmp_path)))["long"] == "running"
    reports.ended("long", None)
    assert states(journal)["long"] == "done"


def test_a_word_that_was_cut_off(journal: RunJournal, tmp_path: Path) -> None:
    journal.add(report("whole"))
    journal.add(report("cut off"))
    path = tmp_path / "runs.journal"
    path.write_bytes(path.read_bytes()[:-3])
    assert states(RunJournal(str(tmp_path))) == {"whole": "running"}


def test_a_process_that_is_killed(tmp_path: Path) -> None:
    program = (
        "import os, signal, sys\n"
        "from farcell.journal import RunJournal\n"
        "from farcell_runtime.transport import farcell_pb2 as pb\n"
        "RunJournal(sys.argv[1]).add(pb.RunReport(run='there', state='running'))\n"
        "os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ran = subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False)
    assert ran.returncode == -signal.SIGKILL
    assert states(RunJournal(str(tmp_path))) == {"there": "running"}
    assert os.stat(tmp_path / "runs.journal").st_mode & 0o077 == 0


def test_a_word_that_found_no_room_leaves_none_of_it(
    journal: RunJournal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write = os.write
    journal.add(report("before"))
    with monkeypatch.context() as full:
        full.setattr(journals.os, "write", lambda where, data: write(where, data[:9]))
        journal.add(report("torn"))
    journal.add(report("behind"))
    assert states(journal).keys() == {"before", "behind"}
    assert states(RunJournal(str(tmp_path))).keys() == {"before", "behind"}


def test_what_can_t_be_read_ends_the_journal(journal: RunJournal, tmp_path: Path) -> None:
    journal.add(report("before"))
    with (tmp_path / "runs.journal").open("ab") as file:
        file.write(b"\x04\0\0\0\xff\xff\xff\xff" + b"more")
    assert states(journal).keys() == {"before"}
    again = RunJournal(str(tmp_path))
    again.add(report("behind"))
    assert states(again).keys() == {"before", "behind"}
