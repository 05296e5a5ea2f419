"""The main job in a real kernel, in a few seconds: what must work on the lowest versions too."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from jupyter_client.blocking import BlockingKernelClient
from jupyter_client.manager import KernelManager, start_new_kernel

pytestmark = pytest.mark.smoke

PATIENCE_S = 120.0


class Kernel:
    """A notebook's kernel; ``run`` gives the messages that a cell's output consists of."""

    def __init__(self, manager: KernelManager, client: BlockingKernelClient) -> None:
        self.manager = manager
        self.client = client

    def run(self, code: str) -> list[dict[str, Any]]:
        outputs: list[dict[str, Any]] = []

        def keep(message: dict[str, Any]) -> None:
            if message["msg_type"] in {"stream", "execute_result", "display_data", "error"}:
                outputs.append(message["content"])

        self.client.execute_interactive(code, output_hook=keep, timeout=PATIENCE_S)
        return outputs

    def printed(self, code: str) -> str:
        return "".join(output.get("text", "") for output in self.run(code))


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    manager, client = start_new_kernel(kernel_name="python3", startup_timeout=PATIENCE_S)
    kernel = Kernel(manager, client)
    assert kernel.run("%load_ext farcell") == []
    yield kernel
    kernel.run("%cluster stop")
    client.stop_channels()
    manager.shutdown_kernel(now=True)


def test_a_cell_runs_elsewhere(kernel: Kernel) -> None:
    here = kernel.printed("import os; print(os.getpid())")
    there = kernel.printed("%%remote\nimport os\nprint(os.getpid())")
    assert int(here) != int(there)


def test_its_result_is_shown(kernel: Kernel) -> None:
    outputs = kernel.run("%%remote\nprint('first')\n6 * 7")
    assert outputs[0]["text"] == "first\n"
    assert outputs[-1]["data"]["text/plain"] == "42"


def test_names_go_out_and_come_back(kernel: Kernel) -> None:
    kernel.run("factor = 3\ndef tripled(x):\n    return factor * x")
    kernel.run("%%remote\nnine = tripled(3)")
    assert kernel.printed("print(nine)") == "9\n"


def test_an_error_is_its_own(kernel: Kernel) -> None:
    (error,) = [o for o in kernel.run("%%remote\nx = 1\nx / 0") if "ename" in o]
    assert error["ename"] == "ZeroDivisionError"
    assert kernel.printed("%%remote\nprint(x)") == "1\n"


def test_a_gang_has_ranks(kernel: Kernel) -> None:
    kernel.run("%%remote --ranks 2\nimport os\nrank = int(os.environ['RANK'])")
    assert kernel.printed("print(list(rank))") == "[0, 1]\n"


def test_the_terminal_command_answers() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "farcell.cli", "--help"], capture_output=True, text=True, check=True
    )
    assert "status" in done.stdout
