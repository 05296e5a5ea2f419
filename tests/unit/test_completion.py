"""Tab completion of the magics' options."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from IPython.core.interactiveshell import InteractiveShell

from farcell import completion
from farcell.options import CLUSTER, FARCELL, REMOTE

FLAGS = [option.flag for option in REMOTE.options]
LINES = {
    "%%remote ": FLAGS,
    "%remote ": FLAGS,
    "%%remote --r": ["--ranks"],
    "%%remote --ranks 2 --": [flag for flag in FLAGS if flag != "--ranks"],
    "%%remote --ranks 2 --r": [],
    "%%remote x": [],
    "%cluster ": [*CLUSTER, "--help"],
    "%cluster st": ["status", "start", "stop"],
    "%cluster start --": ["--engine", "--workers", "--idle-stop", "--help"],
    "%cluster start --engine ray --w": ["--workers"],
    "%cluster stop --": ["--help"],
    "%cluster p": ["put"],
    "%cluster get x --r": ["--rank"],
    "%cluster nothing --": [],
    "%farcell ": [*FARCELL, "--help"],
    "%farcell receipts ": ["on", "off", "--help"],
    "%farcell receipts of": ["off"],
    "%matplotlib ": [],
    "": [],
}


@pytest.mark.parametrize(("line", "expected"), LINES.items(), ids=LINES)
def test_matches(line: str, expected: list[str]) -> None:
    assert completion.matches(line) == expected


@pytest.fixture
def shell() -> Iterator[InteractiveShell]:
    yield InteractiveShell.instance()
    InteractiveShell.clear_instance()


def test_in_a_shell(shell: InteractiveShell) -> None:
    def remote(text: str) -> list[str]:
        return ["remote_name"] if text.startswith("remote_") else []

    completion.install(shell, remote)
    assert shell.complete("--ra", "%%remote --ra", 13)[1] == ["--ranks"]
    assert "start" in shell.complete("sta", "%cluster sta", 12)[1]
    assert "remote_name" in shell.complete("remote_", "remote_", 7)[1]
    completion.uninstall(shell, remote)
    assert "--ranks" not in shell.complete("--ra", "%%remote --ra", 13)[1]
    assert "remote_name" not in shell.complete("remote_", "remote_", 7)[1]
