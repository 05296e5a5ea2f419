"""A real kernel, and what its page would show: each cell's outputs, as a front end keeps them."""

from __future__ import annotations

import os
import re
import signal
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import zmq
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.kernelspec import KernelSpec
from jupyter_client.manager import KernelManager

# A guard against hangs, far above what any cell takes.
LONGEST_S = 60.0

_ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")


def plain(text: str) -> str:
    """``text`` without colours."""
    return _ANSI.sub("", text)


def rendered(text: str) -> str:
    """``text`` as a page shows it: what stands behind a ``\\r`` overwrites its line."""
    return "\n".join(line.rstrip("\r").split("\r")[-1] for line in text.split("\n"))


@dataclass
class Shown:
    """One output of a cell: a stream's text, a MIME bundle or an error."""

    kind: str  # stream, display_data, execute_result, error
    stream: str = ""
    text: str = ""
    data: dict[str, Any] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    display_id: str = ""
    traceback: str = ""


@dataclass
class Cell:
    """A cell that was sent to the kernel, and all that has come back for it by now."""

    source: str
    request: str
    shown: list[Shown] = field(default_factory=list)
    messages: int = 0
    reply: dict[str, Any] | None = None
    idle: bool = False
    asked: list[tuple[str, bool]] = field(default_factory=list)  # prompt, password
    answered: int = 0
    order: list[str] = field(default_factory=list)  # the kinds of the messages, as they came
    ended_at_s: float = 0.0
    _clear_waits: bool = False

    @property
    def ended(self) -> bool:
        return self.reply is not None and self.idle

    @property
    def ok(self) -> bool:
        return self.reply is not None and self.reply["status"] == "ok"

    @property
    def error(self) -> str:
        """The exception's type; empty if there was none."""
        return "" if self.reply is None else self.reply.get("ename", "")

    @property
    def message(self) -> str:
        """The exception's message."""
        return "" if self.reply is None else plain(self.reply.get("evalue", ""))

    @property
    def traceback(self) -> str:
        return "".join(each.traceback for each in self.shown if each.kind == "error")

    @property
    def stdout(self) -> str:
        return self._stream("stdout")

    @property
    def stderr(self) -> str:
        return self._stream("stderr")

    @property
    def text(self) -> str:
        """Both streams, as they were shown."""
        return "".join(each.text for each in self.shown if each.kind == "stream")

    @property
    def streams(self) -> list[tuple[str, str]]:
        return [(each.stream, each.text) for each in self.shown if each.kind == "stream"]

    @property
    def result(self) -> str | None:
        """The plain text of the last expression's value."""
        found = [each.data["text/plain"] for each in self.shown if each.kind == "execute_result"]
        return found[-1] if found else None

    @property
    def bundles(self) -> list[dict[str, Any]]:
        """The MIME bundles that are shown, in order."""
        return [each.data for each in self.shown if each.data]

    @property
    def kinds(self) -> list[str]:
        return [each.kind for each in self.shown]

    def describe(self) -> str:
        """For the message of a failed assertion."""
        lines = [f"cell: {self.source!r}", f"reply: {self.error or 'ok'} {self.message}"]
        lines += [f"  {each}"[:2000] for each in self.shown]
        return "\n".join(lines)

    def _stream(self, name: str) -> str:
        return "".join(each.text for each in self.shown if each.stream == name)

    def take(self, message: dict[str, Any]) -> None:
        """Show a message of the kernel's, as JupyterLab does."""
        kind, content = message["msg_type"], message["content"]
        if kind == "status":
            self.idle = self.idle or content["execution_state"] == "idle"
            return
        if kind in ("execute_input", "comm_open", "comm_msg", "comm_close"):
            return
        self.messages += 1
        self.order.append(kind)
        if kind == "clear_output":
            self._clear_waits = content["wait"]
            if not content["wait"]:
                self.shown.clear()
            return
        if kind == "update_display_data":
            return
        if self._clear_waits:
            self._clear_waits = False
            self.shown.clear()
        if kind == "stream":
            self._write(content["name"], content["text"])
        elif kind == "error":
            lines = "\n".join(content["traceback"])
            self.shown.append(Shown("error", text=content["evalue"], traceback=plain(lines)))
        else:
            shown = Shown(kind, data=content["data"], metadata=content["metadata"])
            shown.display_id = content.get("transient", {}).get("display_id", "")
            self.shown.append(shown)

    def _write(self, stream: str, text: str) -> None:
        last = self.shown[-1] if self.shown else None
        if last is not None and last.stream == stream:
            last.text += text
        else:
            self.shown.append(Shown("stream", stream=stream, text=text))


class _Spec(KernelSpec):  # type: ignore[misc]
    """Runs this interpreter's ipykernel, wherever kernels are installed."""

    @classmethod
    def here(cls) -> _Spec:
        argv = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return cls(argv=argv, display_name="farcell conformance", language="python")


class Page:
    """A kernel of its own, driven as a front end drives one.

    Args:
        folder: where the kernel runs; made by the caller.
        environment: variables over those of this process.
    """

    def __init__(self, folder: Path, environment: dict[str, str] | None = None) -> None:
        self.folder = folder
        self._closed = False
        self.cells: dict[str, Cell] = {}
        self._manager = KernelManager()
        self._manager._kernel_spec = _Spec.here()
        self._manager.start_kernel(
            cwd=str(folder), env={**os.environ, **(environment or {})}, independent=False
        )
        self._connect()

    def _connect(self) -> None:
        channels: BlockingKernelClient = self._manager.blocking_client()
        channels.start_channels()
        channels.wait_for_ready(timeout=60)
        self._channels = channels
        self._poller = zmq.Poller()
        self._sockets: dict[Any, Any] = {}
        for channel in (channels.iopub_channel, channels.shell_channel, channels.stdin_channel):
            self._sockets[channel.socket] = channel
            self._poller.register(channel.socket, zmq.POLLIN)

    # ---- cells ------------------------------------------------------------------------------

    def begin(self, source: str, *, stdin: bool = True, store: bool = True) -> Cell:
        """Send a cell, and wait for nothing."""
        request = self._channels.execute(
            source, allow_stdin=stdin, store_history=store, stop_on_error=False
        )
        cell = self.cells[request] = Cell(source, request)
        return cell

    def finish(self, cell: Cell, answers: Sequence[str] = ()) -> Cell:
        """Wait for the end of ``cell``, answering what it asks with ``answers`` in turn."""
        waiting = list(answers)
        while not cell.ended:
            self.until(lambda: cell.ended or len(cell.asked) > cell.answered, cell)
            if len(cell.asked) > cell.answered:
                assert waiting, f"asked for input: {cell.asked[-1]}\n{cell.describe()}"
                self.answer(cell, waiting.pop(0))
        return cell

    def run(
        self, source: str, *, stdin: bool = True, answers: Sequence[str] = (), store: bool = True
    ) -> Cell:
        """Run a cell to its end, whatever that is."""
        return self.finish(self.begin(source, stdin=stdin, store=store), answers)

    def good(self, source: str, *, answers: Sequence[str] = ()) -> Cell:
        """Run a cell that must not fail."""
        cell = self.run(source, answers=answers)
        assert cell.ok, cell.describe()
        return cell

    def value(self, expression: str) -> str:
        """The text of an expression that is evaluated in the kernel."""
        result = self.good(expression).result
        assert result is not None, f"{expression} shows nothing"
        return result

    def answer(self, cell: Cell, text: str) -> None:
        """Reply to what ``cell`` asks."""
        cell.answered += 1
        self._channels.input(text)

    def until(
        self, reached: Callable[[], object], cell: Cell | None = None, longest_s: float = LONGEST_S
    ) -> None:
        """Take messages until ``reached``."""
        end_s = time.monotonic() + longest_s
        while not reached():
            left_s = end_s - time.monotonic()
            if left_s <= 0 or (not self._take(min(left_s, 1.0)) and not self.alive()):
                told = "" if cell is None else f"\n{cell.describe()}"
                living = "lives" if self.alive() else "has died"
                raise TimeoutError(f"what was waited for did not come; the kernel {living}{told}")

    def until_text(self, cell: Cell, text: str) -> None:
        """Take messages until ``text`` stands in an output of ``cell``."""
        self.until(lambda: text in cell.text or cell.ended, cell)
        assert text in cell.text, cell.describe()

    def _take(self, timeout_s: float) -> bool:
        ready = self._poller.poll(int(timeout_s * 1000))
        for socket, _ in ready:
            channel = self._sockets[socket]
            message = channel.get_msg(timeout=5)
            cell = self.cells.get(message["parent_header"].get("msg_id", ""))
            if message["msg_type"] == "update_display_data":
                self._update(message["content"])
            if cell is None:
                continue
            if channel is self._channels.iopub_channel:
                cell.take(message)
            elif channel is self._channels.stdin_channel:
                content = message["content"]
                cell.asked.append((content["prompt"], content["password"]))
            elif message["msg_type"] == "execute_reply":
                cell.reply = message["content"]
                cell.ended_at_s = time.monotonic()
        return bool(ready)

    def _update(self, content: dict[str, Any]) -> None:
        name = content["transient"]["display_id"]
        for cell in self.cells.values():
            for shown in cell.shown:
                if shown.display_id == name:
                    shown.data, shown.metadata = content["data"], content["metadata"]

    # ---- the kernel -------------------------------------------------------------------------

    @property
    def pid(self) -> int:
        return int(self.value("__import__('os').getpid()"))

    def interrupt(self) -> None:
        """What the stop button does."""
        self._manager.interrupt_kernel()

    def stop_when(self, cell: Cell, text: str = "@go") -> Cell:
        """Press stop when ``cell`` has shown ``text``, and wait for its end."""
        self.until_text(cell, text)
        self.interrupt()
        return self.finish(cell)

    def alive(self) -> bool:
        return bool(self._manager.is_alive())

    def kill(self) -> None:
        """The kernel dies, as of an accident."""
        self._manager.signal_kernel(signal.SIGKILL)
        while self.alive():
            time.sleep(0.01)

    def restart(self) -> None:
        """The kernel dies at once, and another takes its place, as after an accident."""
        self.kill()
        while self._take(0.3):  # what it has said yet
            pass
        self._manager.restart_kernel(now=True)
        self._channels.stop_channels()
        self._connect()

    def close(self) -> None:
        """End the kernel, if that was not done before."""
        if self._closed:
            return
        self._closed = True
        self._channels.stop_channels()
        self._manager.shutdown_kernel(now=False)

    # ---- remote cells -----------------------------------------------------------------------

    def load(self) -> None:
        """``%load_ext farcell``, outside the numbering of cells."""
        cell = self.run("%load_ext farcell", store=False)
        assert cell.ok, cell.describe()

    def remote(
        self, code: str, flags: str = "", *, stdin: bool = True, answers: Sequence[str] = ()
    ) -> Cell:
        """Run a cell under ``%%remote``, to whatever end."""
        return self.run(remote(code, flags), stdin=stdin, answers=answers)

    def good_remote(self, code: str, flags: str = "", *, answers: Sequence[str] = ()) -> Cell:
        """Run a remote cell that must not fail."""
        return self.good(remote(code, flags), answers=answers)

    def begin_remote(self, code: str, flags: str = "") -> Cell:
        return self.begin(remote(code, flags))

    def all_of(self, sources: Iterable[str]) -> list[Cell]:
        return [self.run(source) for source in sources]


def remote(code: str, flags: str = "") -> str:
    """``code`` as a remote cell."""
    return f"%%remote {flags}".rstrip() + f"\n{code}"
