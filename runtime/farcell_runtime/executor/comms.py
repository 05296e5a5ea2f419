"""The comms that cells make, those of ipywidgets above all: relayed to the notebook and back."""

from __future__ import annotations

import base64
import contextvars
import functools
from collections.abc import Iterable
from typing import Any

import comm
from comm.base_comm import BaseComm, CommManager

from farcell_runtime.executor.mime import clean
from farcell_runtime.executor.shell import WorkerShell
from farcell_runtime.executor.streams import Router
from farcell_runtime.runlog import RunLog

# The handling that the calling task answers, if it is one.
_answered: contextvars.ContextVar[str] = contextvars.ContextVar("farcell_answered", default="")


class WorkerComm(BaseComm):
    """A comm whose messages become events of the log of the run that sends them."""

    def __init__(self, comms: Comms, *args: Any, **kwargs: Any) -> None:
        self._comms = comms
        super().__init__(*args, **kwargs)

    def publish_msg(
        self,
        msg_type: str,
        data: dict[str, Any] | None = None,
        metadata: dict[str, Any] | None = None,
        buffers: Iterable[Any] | None = None,
        **keys: Any,
    ) -> None:
        """Send ``comm_open``, ``comm_msg`` or ``comm_close`` to the front end."""
        content = {"comm_id": self.comm_id, "data": clean(data or {}), **keys}
        self._comms.publish(msg_type, content, clean(metadata or {}), buffers or ())


class Comms(CommManager):
    """All comms of this worker.

    Each belongs to the run that made it: what its handlers print and display goes to that run's
    log, and so to the cell where it is seen.
    """

    def __init__(self, shell: WorkerShell, router: Router, rank: int) -> None:
        super().__init__()
        self._shell = shell
        self._router = router
        self._rank = rank
        self._homes: dict[str, RunLog] = {}
        self._create = functools.partial(WorkerComm, self)

    def install(self) -> None:
        """Have the ``comm`` package make our comms.

        To be called before each cell: ipykernel, should a cell import it, puts its own there.
        """
        comm.create_comm = self._create
        comm.get_comm_manager = self._itself

    def home(self, comm_id: str) -> RunLog | None:
        """The log of the run that made a comm; None if there is no such comm."""
        return self._homes.get(comm_id)

    def handler(self, comm_id: str) -> object:
        """What is called with the messages of a comm."""
        found = self.comms.get(comm_id)
        return None if found is None else found._msg_callback

    def publish(
        self, kind: str, content: dict[str, Any], metadata: Any, buffers: Iterable[Any]
    ) -> None:
        """Put a message into the log of the run that sends it."""
        comm_id = content["comm_id"]
        if kind == "comm_open":
            self._homes[comm_id] = self._router.current()
            content["rank"] = self._rank
        elif kind == "comm_close":
            self._homes.pop(comm_id, None)
        elif answers := _answered.get():
            content["answers"] = answers
        encoded = [base64.b64encode(buffer).decode("ascii") for buffer in buffers]
        self._shell.emit(kind, {**content, "metadata": metadata, "buffers": encoded})

    def received(self, kind: str, message: dict[str, Any], handling: str) -> None:
        """Hand a message of the front end's to the comm it is for.

        ``handling`` is what the driver calls it, and told with each answer. What a handler raises
        is reported as ipykernel does: logged, and with that printed.
        """
        comm_id = message["content"]["comm_id"]
        if comm_id not in self.comms:
            return
        _answered.set(handling)
        if kind == "comm_close":
            self._homes.pop(comm_id, None)
            self.comm_close(None, "", message)  # type: ignore[arg-type]
        else:
            self.comm_msg(None, "", message)  # type: ignore[arg-type]

    def _itself(self) -> Comms:
        return self
