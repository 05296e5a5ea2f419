"""What a run prints and displays, into the notebook's cell, in order and bounded."""

from __future__ import annotations

import base64
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

from farcell_runtime.runlog import Event, LogReader, Text

# jupyter_server drops a kernel's output above 1 MB/s, and pages choke on more than a few
# megabytes in a cell. So the first text of a run is shown whole, and what comes after is read once
# a second, and at most so much of it; the log has it all.
_WHOLE_BYTES = 1 << 20
_PER_READING_BYTES = 64 << 10
_READINGS_APART_S = 1.0


class Front(Protocol):
    """What output needs of IPython's shell."""

    displayhook: Any
    display_pub: Any
    execution_count: int

    def _showtraceback(self, etype: Any, evalue: Any, stb: list[str]) -> None: ...


class Shows(Protocol):
    """Takes what a run says, in order."""

    def show(self, item: Text | Event) -> None: ...


class CellOutput:
    """Writes one run's output into the cell that runs now."""

    def __init__(
        self, shell: Front, comms: Callable[[Event], None], *, beside: bool = False
    ) -> None:
        """``comms`` takes the events of comms; ``beside``: whether other cells run meanwhile."""
        # What a cell captures that runs meanwhile is its own.
        self._own = (sys.stdout, sys.stderr, shell.display_pub) if beside else None
        self._shell = shell
        self._comms = comms
        self._captors: dict[str, str] = {}
        self.made_comms = self.showed_result = False
        # The first thing that showing has raised, in the front end or a hook of the user's: what
        # is shown goes on, and so does its run.
        self.fault: Exception | None = None
        self._stream = ""
        self._shown_bytes = 0
        self._read_s = 0.0

    @property
    def _display_pub(self) -> Any:
        return self._own[2] if self._own else self._shell.display_pub

    def show(self, item: Text | Event) -> None:
        try:
            match item:
                case Text():
                    self._text(item)
                case Event():
                    self._event(item)
        except Exception as fault:
            self.fault = self.fault or fault

    def read(self, log: LogReader) -> list[Text | Event]:
        """What the log has to show now: all, or, of a flood, its two ends."""
        self._read_s = time.monotonic()
        allowance_bytes = max(_WHOLE_BYTES - self._shown_bytes, _PER_READING_BYTES)
        return list(log.read(skip_over_bytes=allowance_bytes))

    def may_read(self) -> bool:
        """Whether it is time for another reading."""
        flooded = self._shown_bytes > _WHOLE_BYTES
        return not flooded or time.monotonic() - self._read_s > _READINGS_APART_S

    def flush(self) -> None:
        """Send what waits to be sent."""
        stream, self._stream = self._stream, ""
        try:
            if stream:
                self._of(stream).flush()
        except Exception as fault:
            self.fault = self.fault or fault

    def _text(self, item: Text) -> None:
        if self._stream and item.stream != self._stream:
            self._of(self._stream).flush()  # the streams are sent apart, each when flushed
        self._stream = item.stream
        self._shown_bytes += len(item.text)
        self._of(item.stream).write(item.text)

    def _of(self, stream: str) -> Any:
        out, err, _ = self._own or (sys.stdout, sys.stderr, None)
        return out if stream == "stdout" else err

    def _event(self, item: Event) -> None:
        content = item.content
        self.flush()
        match item.kind:
            case "execute_result" if self._own:  # the hook is the running cell's
                self.showed_result = True
                self._display_pub.publish(content["data"], content["metadata"])
            case "execute_result":
                self.showed_result = True
                hook = self._shell.displayhook
                hook.start_displayhook()
                hook.write_output_prompt()
                hook.write_format_data(content["data"], content["metadata"])
                hook.finish_displayhook()
            case "display_data" | "update_display_data":
                self._display_pub.publish(
                    content["data"],
                    content["metadata"],
                    transient=content["transient"],
                    update=item.kind == "update_display_data",
                )
            case "error":
                kind = type(content["ename"], (Exception,), {})
                self._shell._showtraceback(kind, content["evalue"], content["traceback"])
            case "comm_open" | "comm_msg" | "comm_close":
                self.made_comms = self.made_comms or item.kind == "comm_open"
                self._comms(item)
                self._note_capture(item)
            case "message":
                self._publish(content)
            case "clear_output":
                self._display_pub.clear_output(wait=content["wait"])

    @property
    def captured_by(self) -> str:
        """The message under which an ``Output`` widget captures now; empty if none does."""
        return next(reversed(self._captors.values()), "")

    def _note_capture(self, item: Event) -> None:
        comm_id = item.content["comm_id"]
        name = "" if item.kind == "comm_close" else captor(item)
        if name is not None:
            self._captors.pop(comm_id, None)
        if name:
            self._captors[comm_id] = name

    def _publish(self, message: dict[str, Any]) -> None:
        kernel = getattr(self._shell, "kernel", None)
        if kernel is None:
            return  # a terminal, which has no messages
        kernel.session.send(
            kernel.iopub_socket,
            message["msg_type"],
            message["content"],
            metadata=message["metadata"],
            buffers=[base64.b64decode(each) for each in message["buffers"]],
            parent=self._display_pub.parent_header,
        )


def captor(item: Text | Event) -> str | None:
    """The message under which an ``Output`` widget captures from now on.

    Empty if it captures no more, None if ``item`` says nothing about it.
    """
    if not isinstance(item, Event) or item.kind != "comm_msg":
        return None
    data = item.content["data"]
    state = data.get("state") if isinstance(data, dict) else None
    name = state.get("msg_id") if isinstance(state, dict) else None
    return name if isinstance(name, str) else None


@dataclass(slots=True)
class _Captured:
    """What an ``Output`` widget of one rank captures: shown in one piece, as its own."""

    items: list[Text | Event] = field(default_factory=list)
    complete: bool = False


class RanksOutput:
    """Shows what all ranks say alike once, and the rest with its rank in front.

    Lines are compared by their place: the third line of one rank with the third of the others. A
    line waits for the other ranks for a while, and is then shown with its rank.
    """

    def __init__(self, output: Shows, ranks: int) -> None:
        self._output = output
        self._items: list[list[Text | Event | _Captured]] = [[] for _ in range(ranks)]
        self._capturing: list[_Captured | None] = [None] * ranks
        self._partial: list[dict[str, str]] = [{"stdout": "", "stderr": ""} for _ in range(ranks)]

    def add(self, rank: int, items: list[Text | Event]) -> None:
        for item in items:
            name = captor(item)
            if name and self._capturing[rank] is None:
                self._end_line(rank)
                self._capturing[rank] = captured = _Captured()
                self._items[rank].append(captured)
            if (capturing := self._capturing[rank]) is not None:
                capturing.items.append(item)
                if name == "":
                    capturing.complete = True
                    self._capturing[rank] = None
                continue
            match item:
                case Text():
                    *lines, rest = (self._partial[rank][item.stream] + item.text).split("\n")
                    self._partial[rank][item.stream] = rest
                    self._items[rank] += [Text(item.stream, line + "\n") for line in lines]
                case Event():
                    self._items[rank].append(item)

    def ended(self, rank: int) -> None:
        """``rank`` says nothing more: what has no line end is a line."""
        self._end_line(rank)
        if (capturing := self._capturing[rank]) is not None:
            capturing.complete = True

    def _end_line(self, rank: int) -> None:
        for stream, rest in self._partial[rank].items():
            if rest:
                self._items[rank].append(Text(stream, rest))
                self._partial[rank][stream] = ""

    def flush(self, *, wait: bool) -> None:
        """Show what is complete; without ``wait``, also what some ranks have not said yet."""
        while True:
            self._show_own()
            ready = [bool(items) and not isinstance(items[0], _Captured) for items in self._items]
            if not all(ready) and (wait or not any(ready)):
                return
            heads = [self._next(rank) for rank in range(len(ready))]
            first = heads[0]
            if first is not None and all(_alike(first, other) for other in heads):
                self._output.show(first)
                continue
            for rank, item in enumerate(heads):
                if item is not None:
                    self._labelled(rank, item)

    def _next(self, rank: int) -> Text | Event | None:
        """Take the next item of a rank, unless that is being captured yet."""
        items = self._items[rank]
        if not items or isinstance(items[0], _Captured):
            return None
        first = items[0]
        del items[0]
        return first

    def _show_own(self) -> None:
        """Show what comes next that only one rank can say: what its widgets say and capture."""
        for items in self._items:
            while items:
                match items[0]:
                    case _Captured(parts, complete=True):
                        items.pop(0)
                        for part in parts:
                            self._output.show(part)
                    case Event(kind="comm_open" | "comm_msg" | "comm_close") as event:
                        items.pop(0)
                        self._output.show(event)
                    case _:
                        break

    def waiting(self) -> bool:
        """Whether something waits for the other ranks."""
        return any(self._items)

    def _labelled(self, rank: int, item: Text | Event) -> None:
        match item:
            case Text():
                end = "" if item.text.endswith("\n") else "\n"
                self._output.show(Text(item.stream, f"[{rank}] {item.text}{end}"))
            case Event():
                if item.kind != "clear_output":
                    self._output.show(Text("stdout", f"[{rank}]\n"))
                self._output.show(item)


def _alike(one: Text | Event, other: Text | Event | None) -> bool:
    match one, other:
        case Text(), Text():
            return one == other
        case Event(), Event():
            if "data" in one.content:  # and not its display_id, which differs
                return one.kind == other.kind and one.content["data"] == other.content.get("data")
            return one == other
    return False
