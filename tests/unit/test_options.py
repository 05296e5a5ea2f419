"""The magics' options: parsed, refused with the nearest valid one, helped with."""

from __future__ import annotations

from typing import Any

import pytest

from farcell.options import (
    CLUSTER,
    FARCELL,
    REMOTE,
    Command,
    Option,
    count,
    leading_options,
    nearest,
    runs_remotely,
    split,
)
from farcell_runtime.errors import UsageError

DEFAULTS: dict[str, Any] = {
    "ranks": 1, "gpus": 0, "cpus": 0.0, "on": "", "timeout": None, "dry_run": None,
    "background": None, "name": "",
    "local": None, "help": None, "words": [],
}  # fmt: skip

REMOTE_LINES: dict[str, dict[str, Any]] = {
    "": {},
    "--ranks 2": {"ranks": 2},
    "--ranks=2": {"ranks": 2},
    "--ranks 2 --ranks 3": {"ranks": 3},
    "--gpus 8 --ranks 8 --cpus 0.5": {"gpus": 8, "ranks": 8, "cpus": 0.5},
    "--on train --timeout 1e2": {"on": "train", "timeout": 100.0},
    "--on 'train'": {"on": "train"},
    "--dry-run": {"dry_run": True},
    "--local --help": {"local": True, "help": True},
}


@pytest.mark.parametrize(("line", "values"), REMOTE_LINES.items(), ids=REMOTE_LINES)
def test_parsed(line: str, values: dict[str, Any]) -> None:
    assert REMOTE.parse(split(line)) == DEFAULTS | values


REFUSED = {
    "--rank 2": ("%%remote has no option --rank", "did you mean --ranks?"),
    "-ranks 2": ("%%remote has no option -ranks", "did you mean --ranks?"),
    "--dryrun": ("%%remote has no option --dryrun", "did you mean --dry-run?"),
    "--gpu=1": ("%%remote has no option --gpu", "did you mean --gpus?"),
    "--qqq": ("%%remote has no option --qqq", "one of: --ranks"),
    "--ranks": ("--ranks needs a value: N", "usage: %%remote"),
    "--ranks --local": ("--ranks needs a value: N", "usage: %%remote"),
    "--ranks two": ("--ranks two: it must be a whole number", "usage"),
    "--ranks 0": ("--ranks 0: it must be at least 1", "usage"),
    "--ranks -1": ("--ranks -1: it must be at least 1", "usage"),
    "--ranks=": ("--ranks : it must be a whole number", "usage"),
    "--gpus -1": ("--gpus -1: it must be at least 0", "usage"),
    "--cpus 0": ("--cpus 0: it must be above 0", "usage"),
    "--cpus nan": ("--cpus nan: it must be above 0", "usage"),
    "--timeout inf": ("--timeout inf: it must be above 0", "usage"),
    "--timeout soon": ("--timeout soon: it must be a number", "usage"),
    "--on a/b": ("--on a/b: a gang's name is one word", "usage"),
    "--on 'a b'": ("--on a b: a gang's name is one word", "usage"),
    "--on gpus=8": ("--on gpus=8: a gang's name is one word", "usage"),
    "--local=1": ("--local takes no value", "usage"),
    "x = 1": ("%%remote does not take 'x'", "usage"),
}


@pytest.mark.parametrize("line", REFUSED, ids=REFUSED)
def test_refused(line: str) -> None:
    said, hint = REFUSED[line]
    with pytest.raises(UsageError) as refused:
        REMOTE.parse(split(line))
    assert refused.value.message.startswith(said)
    assert hint in refused.value.hint


CLUSTER_LINES: dict[str, Any] = {
    "status": {"words": []},
    "start --engine ray --workers 4 --idle-stop 0": {
        "engine": "ray", "workers": 4, "idle_stop": 0.0, "words": [],
    },
    "start --idle-stop 1.5": {"engine": None, "workers": None, "idle_stop": 1.5, "words": []},
    "start --idle-stop nan": "must be above 0",
    "start --idle-stop -1": "must be above 0",
    "stop": {"words": []},
    "stop train": {"words": ["train"]},
    "stop a b": "%cluster stop takes one [GANG]",
    "recover": {"yes": None, "dry_run": None, "words": []},
    "recover a b --yes": {"yes": True, "dry_run": None, "words": ["a", "b"]},
    "scale 4": {"words": ["4"]},
    "scale -1": {"words": ["-1"]},
    "scale": "%cluster scale takes one N",
    "put": "%cluster put takes PATH [DEST]",
    "put a": {"on": None, "words": ["a"]},
    "put 'a b' c --on x": {"on": "x", "words": ["a b", "c"]},
    "put a b c": "%cluster put takes PATH [DEST]",
    "get --rank 2 a": {"on": None, "rank": 2, "words": ["a"]},
    "restart --on x": {"on": "x", "words": []},
    "restart x": "%cluster restart does not take 'x'",
    "logs --lines 3 --head": {"on": None, "lines": 3, "head": True, "words": []},
}  # fmt: skip


@pytest.mark.parametrize("line", CLUSTER_LINES, ids=CLUSTER_LINES)
def test_the_commands_of_cluster(line: str) -> None:
    expected = CLUSTER_LINES[line]
    verb, *words = split(line)
    if isinstance(expected, dict):
        assert CLUSTER[verb].parse(words) == expected
    else:
        with pytest.raises(UsageError) as refused:
            CLUSTER[verb].parse(words)
        assert expected in refused.value.message


def test_the_commands_of_farcell() -> None:
    receipts = FARCELL["receipts"]
    assert [receipts.parse(words)["words"] for words in ([], ["on"], ["off"])] == [
        *([], ["on"], ["off"]),
    ]
    with pytest.raises(UsageError, match="can't be 'of'") as refused:
        receipts.parse(["of"])
    assert refused.value.hint == "did you mean off?"
    with pytest.raises(UsageError, match=r"takes one \[on\|off\]"):
        receipts.parse(["on", "off"])


def test_a_quote_that_is_not_closed() -> None:
    with pytest.raises(UsageError) as refused:
        split("--on 'train")
    assert "--on 'train" in refused.value.message
    assert "quote" in refused.value.hint


LEADING = {
    "f(x)": ([], "f(x)"),
    "--ranks 2 f(x, '--y')": (["--ranks", "2"], "f(x, '--y')"),
    "--ranks=2  f(x)": (["--ranks=2"], "f(x)"),
    "--local f(x)": (["--local"], "f(x)"),
    "--help": (["--help"], ""),
    "--on": (["--on"], ""),
    "x - --y": ([], "x - --y"),
}


@pytest.mark.parametrize("line", LEADING, ids=LEADING)
def test_options_before_an_expression(line: str) -> None:
    assert leading_options(line, REMOTE) == LEADING[line]


COMMANDS = [REMOTE, *CLUSTER.values(), *FARCELL.values()]


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command.name)
def test_help_says_all(command: Command) -> None:
    text = command.text()
    assert text.startswith(f"usage: {command.name}")
    assert command.help in text
    for option in command.options:
        assert option.flag in command.usage()
        assert option.help in text
        assert option.help[0].islower() or option.help[0].isupper()
    assert max(map(len, text.splitlines()[2:])) <= 100


def test_flags_are_declared_once() -> None:
    for command in COMMANDS:
        flags = [option.flag for option in command.options]
        assert len(flags) == len(set(flags))
        assert all(flag.startswith("--") for flag in flags)
    assert Option("--dry-run", "").key == "dry_run"


def test_the_nearest_word() -> None:
    assert nearest("stpo", ["start", "stop"]) == "did you mean stop?"
    assert nearest("xyz", ["start", "stop"]) == "one of: start, stop"


def test_counts() -> None:
    assert count("3") == 3
    with pytest.raises(ValueError, match="whole number"):
        count("3.5")


REMOTELY = {
    "%%remote\nx": True,
    "%%remote --ranks 2\nx": True,
    "\n\n  %%remote\nx": True,
    "%%remote": True,
    "%%remote --local\nx": False,
    "%%remote --on a --local\nx": False,
    "x": False,
    "": False,
    "%remote x": False,
    "%%remotely\nx": False,
    "%%time\n%%remote\nx": False,
    "# a comment\n%%remote\nx": False,
    "%%remote\nprint('--local')": True,
}


@pytest.mark.parametrize(("cell", "remotely"), REMOTELY.items(), ids=REMOTELY)
def test_which_cells_run_elsewhere(cell: str, remotely: bool) -> None:
    assert runs_remotely(cell) is remotely
