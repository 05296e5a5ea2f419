"""A real ipykernel in a process of its own, driven the way a front end drives it."""

from __future__ import annotations

import json
import os
import signal
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import zmq
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import KernelManager

SETUP = '''
import json as _json, time as _time

def _times_ms(cell, repeats, warm=20, history=False):
    """Run ``cell`` through the shell and time each run."""
    shell = get_ipython()
    taken = []
    for number in range(warm + repeats):
        start = _time.perf_counter()
        result = shell.run_cell(cell, store_history=history)
        if number >= warm:
            taken.append((_time.perf_counter() - start) * 1e3)
        result.raise_error()
    return taken

def _each_ms(before, cell, repeats, warm):
    """Run ``before`` and then ``cell`` through the shell, several times; time ``cell``."""
    shell = get_ipython()
    taken = []
    for number in range(warm + repeats):
        shell.run_cell(before).raise_error()
        start = _time.perf_counter()
        shell.run_cell(cell).raise_error()
        if number >= warm:
            taken.append((_time.perf_counter() - start) * 1e3)
    return taken

def _seconds(*cells):
    """Run ``cells`` through the shell and say how many seconds they took together."""
    shell = get_ipython()
    start = _time.perf_counter()
    for cell in cells:
        shell.run_cell(cell, store_history=True).raise_error()
    return _time.perf_counter() - start
'''


@dataclass
class CellEnd:
    """How a cell ended, and what the page was sent for it."""

    elapsed_s: float  #: from the request to the reply
    ended_at_s: float  #: ``time.perf_counter`` when the reply came
    error: str  #: the exception's type and message; empty if there was none
    text: str  #: what it printed, where that was kept
    messages: int  #: messages sent to the page
    characters: int  #: of text in them
    shown_at_s: float = 0.0  #: ``time.perf_counter`` when the text that was waited for came


def _text_of(message: dict[str, Any]) -> str:
    """The text that a message puts on the page."""
    content = message["content"]
    if message["msg_type"] == "stream":
        return str(content["text"])
    return str(content.get("data", {}).get("text/plain", ""))


class NotebookKernel:
    """One kernel under ``python``, with folders of its own, ended with the ``with`` block."""

    def __init__(self, python: str) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="bench-kernel-")
        root = Path(self._folder.name)
        spec = root / "kernels" / "measured"
        spec.mkdir(parents=True)
        argv = [python, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        (spec / "kernel.json").write_text(
            json.dumps({"argv": argv, "display_name": "measured", "language": "python"})
        )
        environment = {
            **os.environ,
            "IPYTHONDIR": str(root / "ipython"),
            "JUPYTER_RUNTIME_DIR": str(root / "runtime"),
        }
        (root / "runtime").mkdir(mode=0o700)
        self._manager = KernelManager(
            kernel_name="measured",
            kernel_spec_manager=KernelSpecManager(kernel_dirs=[str(root / "kernels")]),
            connection_file=str(root / "runtime" / f"kernel-{root.name}.json"),
        )
        self._manager.start_kernel(env=environment, cwd=str(root))
        self._connect()

    def _connect(self) -> None:
        self._page: BlockingKernelClient = self._manager.blocking_client()
        self._page.start_channels()
        self._page.wait_for_ready(timeout=60)
        self.run(SETUP)

    def __enter__(self) -> NotebookKernel:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._page.stop_channels()
        self._manager.shutdown_kernel(now=False)
        self._folder.cleanup()

    @property
    def pid(self) -> int:
        return int(self.ask("__import__('os').getpid()"))

    def interrupt(self) -> None:
        """What the stop button does."""
        self._manager.interrupt_kernel()

    def kill(self) -> None:
        """Kill the kernel, as by an accident."""
        self._manager.signal_kernel(signal.SIGKILL)

    def replace(self) -> None:
        """Kill the kernel, and start another in its place."""
        self.kill()
        self._page.stop_channels()
        self._manager.restart_kernel(now=True)
        self._connect()

    def run(
        self,
        code: str,
        *,
        timeout_s: float = 120.0,
        keep_text: bool = True,
        on_text: Callable[[str], None] | None = None,
        on_question: Callable[[], None] | None = None,
        check: bool = True,
        until_text: str = "",
    ) -> CellEnd:
        """Run a cell to its end, reading its output as a page would.

        ``on_text`` and ``on_question`` are called when it prints and when it asks for input. With
        ``check``, a cell that fails raises RuntimeError here. ``until_text`` may come later than
        the cell's end.
        """
        page = self._page
        sockets = {page.iopub_channel: "page", page.stdin_channel: "question"}
        sockets[page.shell_channel] = "reply"
        poller = zmq.Poller()
        channels = {}
        for channel, kind in sockets.items():
            socket: Any = channel.socket
            poller.register(socket, zmq.POLLIN)
            channels[socket] = (channel, kind)
        end = CellEnd(0.0, 0.0, "", "", 0, 0)
        texts: list[str] = []
        replied = idle = False
        start = time.perf_counter()
        request = page.execute(code, allow_stdin=True)
        while not (replied and idle and (end.shown_at_s or not until_text)):
            left_s = start + timeout_s - time.perf_counter()
            ready = poller.poll(int(max(left_s, 0) * 1000))
            if not ready:
                raise TimeoutError(f"a cell did not end within {timeout_s} s: {code[:80]!r}")
            for socket, _ in ready:
                channel, kind = channels[socket]
                message = channel.get_msg(timeout=1)
                if message["parent_header"].get("msg_id") != request:
                    continue
                content = message["content"]
                if kind == "reply":
                    replied = True
                    end.ended_at_s = time.perf_counter()
                    end.elapsed_s = end.ended_at_s - start
                    if content["status"] != "ok":
                        end.error = f"{content.get('ename')}: {content.get('evalue')}"
                elif kind == "question":
                    if on_question is not None:
                        on_question()
                elif message["msg_type"] == "status":
                    idle = content["execution_state"] == "idle"
                else:
                    end.messages += 1
                    text = _text_of(message)
                    if until_text and until_text in text:
                        end.shown_at_s = time.perf_counter()
                    end.characters += len(text)
                    if keep_text:
                        texts.append(text)
                    if on_text is not None:
                        on_text(text)
        end.text = "".join(texts)
        if check and end.error:
            raise RuntimeError(f"{end.error} in the cell {code.strip()[:80]!r}")
        return end

    def ask(self, expression: str, *, timeout_s: float = 300.0) -> Any:
        """The value, through JSON, of an expression evaluated in the kernel."""
        self.run(f"_answer = {expression}", timeout_s=timeout_s)
        text = self.run("print('@answer', _json.dumps(_answer))").text
        return json.loads(text.partition("@answer ")[2])
