"""The terminal command, on real sessions."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from farcell.cli import main
from farcell_runtime.config import Config
from farcell_runtime.launch import living_sessions
from farcell_runtime.messages import Shape
from farcell_runtime.process import ProcessId
from farcell_runtime.security import new_folder
from farcell_runtime.session import Session
from farcell_runtime.transport.session_file import SessionFile

KEY = f"kernel-terminal-{os.getpid()}"


@pytest.fixture
def session() -> Iterator[Session]:
    session = Session.start(KEY, Config(lease_s=0.1), notebook="work/analysis.ipynb")
    session.gang(Shape())
    yield session
    session.stop("the test is over")


@pytest.mark.parametrize("name", [KEY, KEY[:-1], "work/analysis.ipynb", "analysis.ipynb"])
def test_status_shows_a_session_by_any_of_its_names(
    session: Session, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    assert main(["status", "--session", name]) == 0
    said = capsys.readouterr().out
    assert KEY in said
    assert "work/analysis.ipynb" in said
    assert str(session.gangs["default"].members[0].pid) in said
    assert f"driver {os.getpid()}," in said


def test_status_as_json_is_for_programs_and_holds_no_secret(
    session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["status", "--json"]) == 0
    text = capsys.readouterr().out
    (seen,) = [each for each in json.loads(text) if each["key"] == KEY]
    assert seen["gangs"][0]["members"][0]["state"] == "ready"
    assert seen["head_pid"] == session.file.head_pid
    assert session.file.token not in text


def test_stop_ends_the_session(session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["stop", "--session", KEY]) == 0
    assert capsys.readouterr().out == f"stopped {KEY}\n"
    assert KEY not in [file.key for file in living_sessions()]
    assert not Path(session.file.folder).exists()
    assert main(["stop", "--session", KEY]) == 1


def test_a_name_that_is_nearly_right_is_told(
    session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["stop", "--session", KEY.replace("terminal", "terminla")]) == 1
    assert f"did you mean {KEY}?" in capsys.readouterr().err


def test_logs_of_the_head_and_of_workers(
    session: Session, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["logs", "--session", KEY, "--head", "--lines", "1"]) == 0
    assert "default, epoch 1: ready" in capsys.readouterr().out
    (folder,) = Path(session.file.folder).glob("logs/w1")
    for run, text in (("7", "earlier\n"), ("8", "one\ntwo\nthree\n")):
        (folder / f"{run}.out").write_text(text)
    os.utime(folder / "7.out", (0, 0))
    assert main(["logs", "--session", KEY, "--lines", "2"]) == 0
    assert capsys.readouterr().out == "two\nthree\n"
    assert main(["logs", "--session", KEY, "--worker", "w1", "--run", "7"]) == 0
    assert capsys.readouterr().out == "earlier\n"
    assert main(["logs", "--session", KEY, "--run", "99"]) == 1
    assert "--list" in capsys.readouterr().err
    assert main(["logs", "--session", KEY, "--list"]) == 0
    assert "w1      8" in capsys.readouterr().out
    assert main(["logs", "--session", KEY, "--worker", "w11"]) == 1
    assert "did you mean 'w1'?" in capsys.readouterr().err


def test_doctor_finds_and_removes_what_a_dead_head_left(
    capsys: pytest.CaptureFixture[str],
) -> None:
    session = Session.start(KEY, Config(lease_s=0.1))
    (member,) = session.gang(Shape()).members
    parent = os.pidfd_open(os.getsid(member.pid))
    folder = session.file.folder
    reaper = psutil.Process(session.file.head_pid).parent()
    reaper.kill()  # which would have cleaned up
    os.kill(session.file.head_pid, signal.SIGKILL)
    session.stop("it is dead already")
    assert select.select([parent], [], [], 30)[0]
    os.close(parent)
    assert main(["doctor"]) == 1
    said = capsys.readouterr().out
    assert f"left behind by {KEY}: {folder}" in said
    assert "--clean" in said
    assert main(["logs", "--session", KEY, "--head", "--lines", "1"]) == 0
    main(["doctor", "--clean"])
    assert f"removed by {KEY}: {folder}" in capsys.readouterr().out
    assert not Path(folder).exists()
    main(["doctor"])
    assert KEY not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["stauts"], "did you mean 'status'?"),
        (["status", "--jsn"], "did you mean '--json'?"),
        (["doctor", "--claen"], "did you mean '--clean'?"),
        ([], "farcell --help"),
        (["logs", "--run", "x"], "invalid int"),
    ],
)
def test_a_typo_is_answered_with_the_nearest_word(
    capsys: pytest.CaptureFixture[str], words: list[str], hint: str
) -> None:
    with pytest.raises(SystemExit) as caught:
        main(words)
    assert caught.value.code == 2
    assert hint in capsys.readouterr().err


@pytest.mark.parametrize("command", ["", "status", "stop", "logs", "doctor"])
def test_help_reads_well(capsys: pytest.CaptureFixture[str], command: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main([*command.split(), "--help"])
    assert caught.value.code == 0
    said = capsys.readouterr().out
    assert "usage: farcell" in said
    assert max(len(line) for line in said.splitlines()) <= 100


def test_a_misspelt_setting_is_found(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FARCELL_IDEL_STOP_S", "1")
    assert main(["doctor"]) == 1
    assert "FARCELL_IDEL_STOP_S" in capsys.readouterr().out


def test_doctor_ends_processes_by_their_number_and_start_time(
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = new_folder()
    own = ProcessId.own()
    strangers, ours = [subprocess.Popen(["sleep", "1000"]) for _ in range(2)]
    dead = SessionFile(
        session="5e551017",
        key=f"{KEY}-dead",
        engine="local",
        folder=str(folder),
        address=f"unix:{folder}/head.sock",
        token="",
        head_pid=own.pid,
        head_started=own.started - 1,  # an earlier process of this number
        farcell="0.1.0",
        python="3.11.2",
    )
    dead.write(folder)
    stranger, left = ProcessId.of(strangers.pid), ProcessId.of(ours.pid)
    (folder / "processes").write_text(
        f"{own.pid} {own.started - 1} head\n"
        f"{stranger.pid} {stranger.started - 1} worker w1\n"
        f"{left.pid} {left.started} worker w2\n"
    )
    try:
        assert main(["doctor"]) == 1
        said = capsys.readouterr().out
        assert f"still running, of {KEY}-dead: worker w2, process {left.pid}" in said
        assert "worker w1" not in said
        assert left.alive()
        main(["doctor", "--clean"])
        assert f"ended, of {KEY}-dead: worker w2" in capsys.readouterr().out
        assert ours.wait(30) == -signal.SIGKILL
        assert stranger.alive()
        assert own.alive()
        assert not folder.exists()
        main(["doctor"])
        assert f"{KEY}-dead" not in capsys.readouterr().out
    finally:
        for process in (strangers, ours):
            process.kill()
            process.wait()
