"""What code that runs in a kernel finds in its place here: ``get_ipython().kernel``."""

from __future__ import annotations

import base64
import builtins
import contextvars
import getpass
import importlib
import json
import logging
import sys
import types
import uuid
from collections.abc import Iterable
from typing import Any

from farcell_runtime.executor.comms import Comms
from farcell_runtime.executor.mime import clean
from farcell_runtime.executor.shell import WorkerShell
from farcell_runtime.executor.streams import Router
from farcell_runtime.runlog import RunLog

_KEPT_PARENTS = 200
_ZMQ_SHELL = "ipykernel.zmqshell"
_ZMQ_SHELL_NAMES = ("ZMQInteractiveShell", "ZMQDisplayPublisher", "KernelMagics")

# The message that is being handled, where that is not the one that asked for the cell.
_handled: contextvars.ContextVar[bytes] = contextvars.ContextVar("farcell_parent")


class WorkerSession:
    """A kernel's ``session``, as far as cells use it: it publishes messages."""

    def __init__(self, shell: WorkerShell) -> None:
        self._shell = shell
        self.session = uuid.uuid4().hex
        self.username = getpass.getuser()

    def msg(
        self,
        msg_type: str,
        content: dict[str, Any] | None = None,
        parent: dict[str, Any] | None = None,
        header: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """A message that ``send`` takes."""
        parent_header = (parent or {}).get("header", parent or {})
        header = header or {"msg_id": uuid.uuid4().hex, "msg_type": msg_type}
        return {
            "header": header,
            "msg_id": header["msg_id"],
            "msg_type": msg_type,
            "parent_header": parent_header,
            "content": content or {},
            "metadata": metadata or {},
        }

    def send(
        self,
        stream: object,
        msg_or_type: dict[str, Any] | str,
        content: dict[str, Any] | None = None,
        parent: dict[str, Any] | None = None,
        ident: object = None,
        buffers: Iterable[Any] | None = None,
        track: bool = False,
        header: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> dict[str, Any]:
        """Publish a message in the cell; it goes where ``print`` would go now."""
        if isinstance(msg_or_type, str):
            message = self.msg(msg_or_type, content, parent, header, metadata)
        else:
            message = msg_or_type
        sys.stdout.flush()
        published = {
            "msg_type": message["msg_type"],
            "content": clean(message["content"]),
            "metadata": clean(message.get("metadata") or {}),
            "buffers": [base64.b64encode(each).decode("ascii") for each in buffers or ()],
        }
        self._shell.emit("message", published)
        return message


class WorkerKernel:
    """Stands in for the kernel that a notebook's shell has."""

    def __init__(self, shell: WorkerShell, router: Router, comms: Comms) -> None:
        self.shell = shell
        self.comm_manager = comms
        self.session = WorkerSession(shell)
        self.log = logging.getLogger("ipykernel")
        self.iopub_socket = self.iopub_thread = self.shell_stream = None
        self._router = router
        self._parents: dict[str, tuple[bytes, str]] = {}  # by the name of the run's log

    def install(self) -> None:
        """Have the shell show it, and those find a notebook who look for one."""
        self.shell.kernel = self
        # What tqdm and others look for before they use widgets.
        self.shell.config.IPKernelApp.parent_appname = "farcell"
        sys.modules.setdefault(_ZMQ_SHELL, _Unimported(_ZMQ_SHELL))

    def begin(self, log: RunLog, parent: bytes, code: str) -> None:
        """The run that writes to ``log`` was asked for by ``parent``, a message as JSON."""
        self._parents[log.name] = (parent, code)
        if len(self._parents) > _KEPT_PARENTS:
            del self._parents[next(iter(self._parents))]

    def handle(self, parent: bytes) -> None:
        """The calling task handles ``parent`` from now on; empty: what the run was asked by."""
        if parent:
            _handled.set(parent)

    def get_parent(self, channel: str | None = None) -> dict[str, Any]:
        """The message that the calling code runs for; with an empty header if nobody knows."""
        text, code = _handled.get(b""), ""
        if not text:
            text, code = self._parents.get(self._router.current().name, (b"", ""))
        parent: dict[str, Any] = {"header": {}, "metadata": {}, "parent_header": {}}
        if text:
            parent |= json.loads(text)
        header = parent["header"]
        return {
            **parent,
            "msg_id": header.get("msg_id", ""),
            "msg_type": header.get("msg_type", ""),
            "content": {"code": code} if code else {},
            "buffers": [],
        }

    @property
    def _parent_header(self) -> dict[str, Any]:
        return self.get_parent()

    @property
    def user_ns(self) -> dict[str, Any]:
        """The namespace of cells."""
        namespace: dict[str, Any] = self.shell.user_ns
        return namespace

    @property
    def execution_count(self) -> int:
        """The number of the cell."""
        return int(self.shell.execution_count)

    def send_response(
        self,
        stream: object,
        msg_or_type: dict[str, Any] | str,
        content: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """Publish a message in the cell."""
        return self.session.send(stream, msg_or_type, content, **kwargs)

    def raw_input(self, prompt: str = "") -> str:
        """Read a line from the person at the notebook."""
        return builtins.input(prompt)

    def getpass(self, prompt: str = "", stream: object = None) -> str:
        """Read a line from the person at the notebook without showing it."""
        return getpass.getpass(prompt)


class _Unimported(types.ModuleType):
    """Says by its presence that there is a kernel's shell, and is imported when it is used."""

    def __getattr__(self, name: str) -> Any:
        if name not in _ZMQ_SHELL_NAMES:  # whoever looks through all modules imports nothing
            raise AttributeError(name)
        if sys.modules.get(self.__name__) is self:
            del sys.modules[self.__name__]
        return getattr(importlib.import_module(self.__name__), name)
