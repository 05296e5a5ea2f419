"""What a kernel has remembered, read by the one in its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from farcell import provenance_file
from farcell.provenance import Provenance
from farcell.provenance_file import ProvenanceFile
from farcell.recovery_plan import plan_of


def ran(past: Provenance, source: str, reads: str, makes: str, *, here: bool = True) -> None:
    run = past.begins(source, 1)
    assert run is not None
    past.read(reads.split())
    for name in makes.split():
        past.changed(name, bound=True, here=here)
    past.ended(run, took_s=0.5)


def restarted(folder: Path, *found: str) -> Provenance:
    """The provenance of a new kernel, to whose gang these names belong."""
    past = Provenance()
    with past.beside("before farcell was loaded"):
        past.changed("own", bound=True, here=True)
    file = ProvenanceFile(past, lambda: str(folder))
    file.read()
    for name in found:
        past.found("gang", name, known=file.is_known("gang", "run-9"))
    return past


def sources(past: Provenance, *names: str) -> list[str]:
    return [step.run.source for step in plan_of(past, names).steps]


@pytest.fixture
def past(tmp_path: Path) -> Provenance:
    past = Provenance()
    file = ProvenanceFile(past, lambda: str(tmp_path))
    file.settled("gang", "run-9")
    ran(past, "n", "", "n")
    file.write()
    past.holds("gang", ["n"])
    ran(past, "x", "n", "x", here=False)
    past.holds("gang", ["x"])
    ran(past, "gone", "", "gone")
    file.write()
    past.deleted("gone")
    with past.beside("by a thread"):
        past.changed("odd", bound=True, here=True)
    file.write()
    file.close()
    return past


def test_another_kernel_knows_it(past: Provenance, tmp_path: Path) -> None:
    after = restarted(tmp_path, "x")
    assert after.version("x") == past.version("x")
    assert after.names_lost() == []
    after.lost(["x"])
    assert sources(after) == ["n", "x"]
    assert sources(after, "n") == ["n"]
    assert plan_of(after).steps[0].run.label == "In[1] before the restart"
    assert "by a thread" in plan_of(after, ["odd"]).cannot["odd"]
    assert after.was_deleted("gone")
    assert plan_of(after, ["own"]).cannot == {"own": "it is not lost"}
    ran(after, "n again", "", "n")
    assert sources(after) == ["n", "x"]


def test_of_a_gang_that_has_changed_since_nothing_is_known(
    past: Provenance, tmp_path: Path
) -> None:
    file = ProvenanceFile(past, lambda: str(tmp_path))
    file.read()
    assert not file.is_known("gang", "run-10")
    after = restarted(tmp_path)
    after.found("gang", "x", known=False)
    after.lost(["x"])
    assert list(plan_of(after).cannot) == ["x"]


def test_what_a_gang_has_from_before_it_changed_is_not_what_it_was(
    past: Provenance, tmp_path: Path
) -> None:
    file = ProvenanceFile(past, lambda: str(tmp_path))
    ran(past, "n = 5", "", "n")
    file.settled("gang", "run-9")
    file.write()
    file.close()
    after = restarted(tmp_path, "n", "x")
    after.lost(["n", "x"])
    assert "by no cell that farcell has seen" in plan_of(after, ["n"]).cannot["n"]
    assert sources(after, "x") == ["n", "x"]


@pytest.mark.parametrize("line", ['{"runs": [', '{"runs": [], "other": 1}', "3"])
def test_after_a_line_that_can_not_be_read_nothing_is_trusted(
    past: Provenance, tmp_path: Path, line: str
) -> None:
    path = tmp_path / "provenance.jsonl"
    path.write_text(path.read_text() + line)
    after = restarted(tmp_path, "x")
    after.lost(["x"])
    assert list(plan_of(after).cannot) == ["x"]
    assert sources(after, "n") == ["n"]


def test_nobody_else_can_read_it(past: Provenance, tmp_path: Path) -> None:
    assert (tmp_path / "provenance.jsonl").stat().st_mode & 0o777 == 0o600


def test_another_session_gets_all_of_it(past: Provenance, tmp_path: Path) -> None:
    other = tmp_path / "other"
    folders = [str(tmp_path)]
    file = ProvenanceFile(past, lambda: folders[-1])
    file.write()
    folders.append("")
    file.write()
    folders.append(str(other))
    file.write()  # it is not there yet
    other.mkdir()
    file.write()
    file.close()
    assert (other / "provenance.jsonl").read_text() == (tmp_path / "provenance.jsonl").read_text()


def test_it_does_not_grow_for_ever(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance_file, "_MOST_LINES", 10)
    past = Provenance()
    file = ProvenanceFile(past, lambda: str(tmp_path))
    for number in range(25):
        ran(past, f"x{number}", "", "x")
        file.write()
    lines = (tmp_path / "provenance.jsonl").read_text().splitlines()
    assert len(lines) == 5
    after = restarted(tmp_path)
    assert sources(after, "x") == ["x24"]
    file.write()  # nothing is new
    file.close()
    assert len((tmp_path / "provenance.jsonl").read_text().splitlines()) == 5
