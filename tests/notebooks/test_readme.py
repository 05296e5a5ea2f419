"""The README is run: its cells in a kernel, its commands in a shell; and its tables are compared.

A ``python`` block is a cell, and the ``text`` block behind it is all that the cell shows. A
``console`` block holds commands behind ``$ ``, with their output below. ``…`` stands for anything;
in what tells of processes, so does any number.
``python -m tests.notebooks.test_readme`` writes the tables that come from the program.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from queue import Empty
from typing import Any

import pytest
from jupyter_client.manager import KernelManager

import farcell
from farcell.options import CLUSTER, FARCELL, REMOTE, Command
from farcell_runtime.config import Config

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
DOCUMENTS = [README, ROOT / "ARCHITECTURE.md", *sorted((ROOT / "docs").rglob("*.md"))]
FENCED = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TERMINAL_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
SOME_NUMBER = re.compile(r"\d+(\.\d+)*( (s|min|h|B|kB|MB|GB))?\b")
# What only a stranger without a checkout types; checked apart from the others.
INSTALLING = ("git clone ", "make ", "pip install ", "jupyter lab")


def blocks() -> list[tuple[str, str]]:
    return FENCED.findall(README.read_text())


# ---- tables -----------------------------------------------------------------------------------


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def flags_table() -> str:
    rows = [[code(f"{each.flag} {each.value}"), each.help] for each in REMOTE.options]
    return table(["flag", "what it does"], rows)


def cluster_table() -> str:
    commands = (*CLUSTER.values(), *FARCELL.values())
    rows = [[code(usage(each)), each.help.replace("\n", " ")] for each in commands]
    return table(["command", "what it does"], rows)


def usage(command: Command) -> str:
    return command.usage().removeprefix("usage: ")


def code(text: str) -> str:
    return f"`{text.strip()}`".replace("|", "\\|")


TABLES = {"flags": flags_table, "cluster": cluster_table}


def with_tables(text: str) -> str:
    for name, made in TABLES.items():
        written = re.compile(rf"(<!-- {name} -->\n).*?(<!-- end -->)", re.DOTALL)
        text, count = written.subn(lambda m, made=made: m[1] + made() + "\n" + m[2], text)
        assert count == 1, f"README.md has {count} places for the table '{name}'"
    return text


def test_tables_are_those_of_the_program() -> None:
    text = README.read_text()
    assert text == with_tables(text), "run `python -m tests.notebooks.test_readme`"


def test_every_error_is_in_the_table() -> None:
    errors = {
        name
        for name in farcell.__all__
        if isinstance(kind := getattr(farcell, name), type) and issubclass(kind, Exception)
    }
    listed = set(re.findall(r"^\| `(\w+)` \|", README.read_text(), re.MULTILINE))
    assert listed == errors - {"FarcellError"}


def test_every_setting_it_names_exists() -> None:
    named = set(re.findall(r"FARCELL_[A-Z_]+", README.read_text()))
    assert named
    assert Config.unknown_variables(dict.fromkeys(named, "1")) == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_lead_somewhere(document: Path) -> None:
    text = document.read_text()
    found = re.findall(r"\]\(([^)\s]+)\)", text)
    headings = {anchor(title) for title in re.findall(r"^#+ (.+)$", text, re.MULTILINE)}
    broken = []
    for link in found:
        path, _, fragment = link.partition("#")
        if "://" in link:
            continue
        if (path and not (document.parent / path).exists()) or (
            not path and fragment not in headings
        ):
            broken.append(link)
    assert broken == []


def anchor(title: str) -> str:
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


# ---- cells and commands -----------------------------------------------------------------------


class Notebook:
    """A kernel, and what each cell shows, in order."""

    def __init__(self) -> None:
        # The connection file is called as Jupyter's server calls it.
        name = Path(os.environ["JUPYTER_RUNTIME_DIR"]) / f"kernel-{uuid.uuid4()}.json"
        self.manager = KernelManager(kernel_name="python3", connection_file=str(name))
        self.manager.start_kernel()
        self.client = self.manager.client()
        self.client.start_channels()
        self.client.wait_for_ready(timeout=60)

    def run(self, cell: str) -> tuple[str, str]:
        """What the cell shows as text, and the name of what it raised, if it did."""
        shown, error = "", ""
        request = self.client.execute(cell)
        for kind, content in self._messages(request):
            if kind == "stream":
                shown += content["text"]
            elif kind in ("execute_result", "display_data"):
                shown += content["data"]["text/plain"] + "\n"
            elif kind == "error":
                error = content["ename"]
                shown += "\n".join(content["traceback"]) + "\n"
        return TERMINAL_COLOURS.sub("", shown), error

    def _messages(self, request: str) -> Iterator[tuple[str, dict[str, Any]]]:
        while True:
            try:
                message = self.client.get_iopub_msg(timeout=120)
            except Empty:
                pytest.fail("the cell showed nothing, and did not end", pytrace=False)
            if message["parent_header"].get("msg_id") != request:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "status" and content["execution_state"] == "idle":
                return
            yield kind, content

    def close(self) -> None:
        self.client.stop_channels()
        self.manager.shutdown_kernel()


@pytest.fixture
def notebook(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Notebook]:
    """In a folder of its own, with no other sessions of farcell's to be seen."""
    runtime = tmp_path / "runtime"
    runtime.mkdir(mode=0o700)
    monkeypatch.setenv("JUPYTER_RUNTIME_DIR", str(runtime))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path)
    notebook = Notebook()
    yield notebook
    notebook.close()


def matches(shown: str, expected: str, *, numbers: bool = True) -> bool:
    """Whether ``expected`` describes ``shown``; lines of several ranks may come in any order.

    Args:
        numbers: whether numbers, and the widths of columns, must be the same too.
    """
    one, other = tidy(shown, numbers), tidy(expected, numbers)
    return _describes(other, one) or _describes(sorted(other), sorted(one))


def _describes(expected: list[str], shown: list[str]) -> bool:
    pattern = ".*".join(map(re.escape, "\n".join(expected).split("…")))
    return re.fullmatch(pattern, "\n".join(shown), re.DOTALL) is not None


def tidy(text: str, numbers: bool) -> list[str]:
    """The lines that hold something, without rules and spaces at their ends."""
    lines = [line.rstrip() for line in text.splitlines()]
    if not numbers:
        lines = [re.sub(r" +", " ", SOME_NUMBER.sub("0", line)) for line in lines]
    return [line for line in lines if line and set(line) != {"-"}]


def commands_of(block: str) -> list[tuple[str, str]]:
    """The commands of a ``console`` block with what they print."""
    parts = re.split(r"^\$ (.+)$", block, flags=re.MULTILINE)[1:]
    return [(command, output) for command, output in zip(parts[::2], parts[1::2], strict=True)]


@pytest.mark.slow
def test_what_it_shows_is_what_happens(notebook: Notebook) -> None:
    pytest.importorskip("sklearn")
    found = blocks()
    ran = 0
    for (kind, body), (next_kind, expected) in zip(found, [*found[1:], ("", "")], strict=True):
        if kind == "python":
            shown, error = notebook.run(body)
            expected = expected if next_kind == "text" else ""
            numbers = not body.startswith("%cluster")
            assert matches(shown, expected, numbers=numbers), (
                f"{body}\nshows\n{shown}\nand not\n{expected}"
            )
            assert error in expected
            ran += 1
        elif kind == "console":
            for command, output in commands_of(body):
                if command.startswith(INSTALLING):
                    continue
                done = subprocess.run(
                    shlex.split(command), capture_output=True, text=True, timeout=60
                )
                said = done.stdout + done.stderr
                assert matches(done.stdout, output, numbers=False), f"$ {command}\nprints\n{said}"
                assert done.returncode == 0, said
                ran += 1
    assert ran >= 12


def test_how_it_is_installed() -> None:
    installing = [
        command
        for kind, body in blocks()
        if kind == "console"
        for command, _ in commands_of(body)
        if command.startswith(INSTALLING)
    ]
    assert [command.split()[0] for command in installing] == ["git", "make", "pip", "jupyter"]
    targets = set(re.findall(r"^\.PHONY: (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert installing[1].split()[-1] in targets
    extra = re.search(r"\[(\w+)\]", installing[2])
    assert extra is not None
    assert re.search(rf"^{extra[1]} = \[", (ROOT / "pyproject.toml").read_text(), re.MULTILINE)


def test_every_make_target_it_names_exists() -> None:
    targets = set(re.findall(r"^\.PHONY: (\S+)$", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for document in DOCUMENTS:
        assert set(re.findall(r"`make (\w+)`", document.read_text())) <= targets


@pytest.mark.slow
def test_every_command_of_cluster_runs(notebook: Notebook) -> None:
    shown, error = notebook.run("%load_ext farcell")
    assert (shown, error) == ("", "")
    notebook.run("open('copied', 'w').close()")
    words = {"N": " 4", "PATH [DEST]": " copied", "RUN": " over", "RUN NAME": " over both"}
    words["NAME..."] = " spare"
    verbs = [*(verb for verb in CLUSTER if verb != "stop"), "stop"]
    for verb in verbs:
        if verb == "free":
            notebook.run("%%remote\nspare = 1")
        if verb == "cancel":  # from here on there is a run that has changed what has changed here
            notebook.run("both = [1]")
            notebook.run("%%remote --name over\nimport time\ntime.sleep(0.5)\nboth.append(2)")
            notebook.run("both.append(3)\nimport farcell\nfarcell.find_run('over').wait()")
        shown, error = notebook.run(f"%cluster {verb}{words.get(CLUSTER[verb].words, '')}")
        assert error == "", shown
        shown, error = notebook.run(f"%cluster {verb} --help")
        assert (shown.splitlines()[0], error) == (CLUSTER[verb].usage(), "")
    assert notebook.run("%farcell receipts") == ("receipts are off\n", "")
    assert notebook.run("%farcell")[0].startswith(FARCELL["receipts"].usage()[7:])


if __name__ == "__main__":
    README.write_text(with_tables(README.read_text()))
