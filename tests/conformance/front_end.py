"""A page that keeps the models of widgets too, as the widget manager of a front end does."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.conformance.page import Cell, Page

_OUTPUTS = ("stream", "display_data", "execute_result", "error", "clear_output")


@dataclass
class Model:
    """The front end's end of a comm."""

    target: str
    state: dict[str, Any]
    metadata: dict[str, Any]
    buffers: list[bytes]
    said: list[dict[str, Any]] = field(default_factory=list)
    closed: bool = False
    # What an Output widget has captured: kinds, and the text of streams and bundles.
    captured: list[tuple[str, str]] = field(default_factory=list)
    clear_waits: bool = False

    @property
    def text(self) -> str:
        """What it shows, if it is an Output widget."""
        return "".join(text for _, text in self.captured)

    def capture(self, kind: str, content: dict[str, Any]) -> None:
        if kind == "clear_output":
            self.clear_waits = content["wait"]
            if not content["wait"]:
                self.captured.clear()
            return
        if self.clear_waits:
            self.clear_waits = False
            self.captured.clear()
        if kind == "stream":
            self.captured.append((content["name"], content["text"]))
        elif kind == "error":
            self.captured.append((kind, content["ename"]))
        else:
            self.captured.append((kind, content["data"]["text/plain"]))


class FrontEnd(Page):
    """A kernel of its own, and the models of all widgets that it has opened.

    Attributes:
        models: by comm id, in the order in which they were opened.
        loose: what came under another message than a cell's and was not captured.
    """

    def __init__(self, folder: Path, environment: dict[str, str] | None = None) -> None:
        self.models: dict[str, Model] = {}
        self.loose: list[tuple[str, dict[str, Any]]] = []
        self._idle: set[str] = set()
        super().__init__(folder, environment)
        channel = self._channels.iopub_channel
        receive = channel.get_msg

        def seen(timeout: float | None = None) -> dict[str, Any]:
            message: dict[str, Any] = receive(timeout=timeout)
            return message if self._see(message) else {**message, "parent_header": {}}

        channel.get_msg = seen

    def new_models(self, source: str) -> list[str]:
        """Run a cell that must not fail: the comm ids that it opens."""
        known = set(self.models)
        self.good(source)
        return [each for each in self.models if each not in known]

    def tell(
        self,
        comm_id: str,
        data: dict[str, Any],
        buffers: Iterable[bytes] = (),
        *,
        kind: str = "comm_msg",
        subshell: str = "",
        wait: bool = True,
    ) -> str:
        """Send a message of a model's, and wait until the kernel has handled it; its id."""
        session = self._channels.session
        content = {"comm_id": comm_id, "data": data}
        message = session.msg(kind, content)
        if subshell:
            message["header"]["subshell_id"] = subshell
        session.send(self._channels.shell_channel.socket, message, buffers=list(buffers))
        name: str = message["header"]["msg_id"]
        if wait:
            self.until(lambda: name in self._idle)
        return name

    def set(self, comm_id: str, **state: Any) -> str:
        """Change a model's state, as a person does who uses its widget."""
        data = {"method": "update", "state": state, "buffer_paths": []}
        return self.tell(comm_id, data)

    def click(self, comm_id: str, *, subshell: str = "", wait: bool = True) -> str:
        """Press a Button."""
        data = {"method": "custom", "content": {"event": "click"}}
        return self.tell(comm_id, data, subshell=subshell, wait=wait)

    def model(self, name: str) -> str:
        """The comm id of the newest open model of that name, such as ``IntSliderModel``."""
        for comm_id, model in reversed(self.models.items()):
            if model.state.get("_model_name") == name and not model.closed:
                return comm_id
        raise LookupError(f"no {name} is open")

    def subshell(self) -> str:
        """A new subshell's id; empty where the kernel has none."""
        channel = self._channels.control_channel
        message = self._channels.session.msg("create_subshell_request", {})
        channel.send(message)
        while True:
            reply = channel.get_msg(timeout=30)
            if reply["parent_header"].get("msg_id") == message["header"]["msg_id"]:
                return str(reply["content"].get("subshell_id", ""))

    def until_shown(self, cell: Cell, text: str) -> None:
        """Take messages until a cell, which may have ended, shows ``text``."""
        self.until(lambda: text in cell.text, cell)

    def until_said(self, comm_id: str, reached: Callable[[Model], object]) -> None:
        """Take messages until a model's state is ``reached``."""
        self.until(lambda: reached(self.models[comm_id]))

    def _see(self, message: dict[str, Any]) -> bool:
        """Take a message in; says whether cells are to see it as well."""
        kind, content = message["msg_type"], message["content"]
        parent = message["parent_header"].get("msg_id", "")
        if kind == "comm_open":
            self.models[content["comm_id"]] = Model(
                content["target_name"],
                dict(content["data"].get("state", content["data"])),
                message["metadata"],
                [bytes(each) for each in message["buffers"]],
            )
        elif kind == "comm_msg" and content["comm_id"] in self.models:
            model = self.models[content["comm_id"]]
            model.said.append(content["data"])
            if content["data"].get("method") in ("update", "echo_update"):
                model.state |= content["data"]["state"]
        elif kind == "comm_close" and content["comm_id"] in self.models:
            self.models[content["comm_id"]].closed = True
        elif kind == "status" and content["execution_state"] == "idle":
            self._idle.add(parent)
        elif kind in _OUTPUTS:
            for model in reversed(self.models.values()):
                if parent and model.state.get("msg_id") == parent:
                    model.capture(kind, content)
                    return False
            if parent not in self.cells:
                self.loose.append((kind, content))
        return True
