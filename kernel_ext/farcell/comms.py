"""The kernel's ends of comms that cells have made on workers: ipywidgets works through them."""

from __future__ import annotations

import base64
import contextlib
import functools
import itertools
import json
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from comm import create_comm, get_comm_manager
from comm.base_comm import BaseComm

from farcell.gang import Gang, Rank
from farcell.late_output import LateOutput
from farcell.mailbox import Mailbox, Stop, stops_into
from farcell_runtime.runlog import Event
from farcell_runtime.transport import farcell_pb2 as pb

_LOOK_S = 0.05
_TELL_AFTER_S = 1.0
_KEPT_MESSAGES = 256
# A page that was loaded anew opens a comm to this target and asks for the states of all widgets;
# if that is closed, it asks each comm that it finds.
_ALL_WIDGETS = "jupyter.widget.control"


@dataclass(frozen=True, slots=True)
class _End:
    """The kernel's end of one comm, and the rank that has the other."""

    comm: BaseComm
    gang: Gang
    rank: Rank


@dataclass(frozen=True, slots=True)
class _Question:
    """What handlers have changed on a rank: the worker tells it once, and so it is waited for."""

    gang: Gang
    mailbox: Mailbox
    listening: contextlib.ExitStack


class Comms:
    """Opens, in the kernel, a comm for each that a cell has made, and relays what they say.

    A message of the front end's is handled as in a kernel: the one that handles it waits until the
    worker has, so that front ends send the next one only then, and what a handler shows comes
    under the message it answers. Only while a cell runs on that gang nobody waits.
    """

    def __init__(
        self,
        shell: Any,
        late: LateOutput,
        *,
        busy: Callable[[Gang], bool],
        interrupt: Callable[[str, str], None],
    ) -> None:
        """``busy`` says whether a cell runs on a gang; ``interrupt`` ends a handling there."""
        self._shell = shell
        self._late = late
        self._busy = busy
        self._interrupt = interrupt
        self._ends: dict[str, _End] = {}
        self._own_control: Callable[[BaseComm, dict[str, Any]], None] | None = None
        self._asked: dict[str, dict[str, Any]] = {}  # the last messages, by what we call them
        self._told: dict[Rank, Gang] = {}  # ranks whose handlers may have changed names
        self._questions: dict[Rank, _Question] = {}  # that are not answered yet
        self._numbers = itertools.count(1)
        self._lock = threading.Lock()

    def of(self, gang: Gang) -> Callable[[Event], None]:
        """The function that takes the comm events of a gang's cells."""
        return functools.partial(self._take, gang)

    def settle(self) -> Iterator[tuple[Gang, pb.Done]]:
        """What handlers have changed since this was last asked, by gang.

        To be called with stops held. A stop ends the wait for a handler that goes on; what it
        changes is found the next time.

        Raises:
            KeyboardInterrupt: after a stop.
        """
        for rank, question in list(self._questions.items()):
            if not self._busy(question.gang):
                yield from self._answered(rank, question)
        with self._lock:
            told = list(self._told.items())
        for rank, gang in told:
            if self._busy(gang):
                continue
            with self._lock:  # first: what a handler changes from now on is asked for again
                self._told.pop(rank, None)
            yield from self._answered(rank, self._asked_of(rank, gang))

    def _asked_of(self, rank: Rank, gang: Gang) -> _Question:
        run = f"changes {next(self._numbers)}"
        question = _Question(gang, Mailbox([rank.client]), contextlib.ExitStack())
        question.listening.enter_context(rank.listening(run, question.mailbox))
        self._questions[rank] = question
        rank.send(pb.ToWorker(comm=pb.CommMessage(kind="changes", run=run)))
        return question

    def _answered(self, rank: Rank, question: _Question) -> Iterator[tuple[Gang, pb.Done]]:
        gang, mailbox = question.gang, question.mailbox
        with stops_into(mailbox), mailbox:
            found = mailbox.get(_TELL_AFTER_S)
            if found is None:
                print(
                    f"farcell: waiting for a widget's handler on gang {gang.name} to end …",
                    file=sys.stderr,
                )
                found = mailbox.get()
        assert found is not None
        word = found[1]
        if isinstance(word, Stop):
            raise KeyboardInterrupt
        del self._questions[rank]
        question.listening.close()
        if isinstance(word, pb.FromWorker):
            if word.done.HasField("failure"):
                print(
                    f"farcell: what a widget's handler on gang {gang.name} has changed can't be "
                    f"told: {word.done.failure.message}",
                    file=sys.stderr,
                )
            yield gang, word.done
        if (left := mailbox.get(0)) is not None and isinstance(left[1], Stop):
            raise KeyboardInterrupt

    def gang_gone(self, gang: Gang) -> None:
        """Close the comms of a gang: nobody answers them any more."""
        with self._lock:
            for rank in gang.ranks:
                self._told.pop(rank, None)
        for rank in gang.ranks:
            if (question := self._questions.pop(rank, None)) is not None:
                question.listening.close()
        for comm_id, end in list(self._ends.items()):
            if end.gang is gang:
                del self._ends[comm_id]
                end.comm.close()

    def take_control(self) -> None:
        """Have pages ask each comm: the notebook's own ipywidgets knows its own alone.

        To be called after each cell, which may have imported that.
        """
        targets = get_comm_manager().targets
        current = targets.get(_ALL_WIDGETS)
        if not self._ends or current == self._control:
            return
        self._own_control = current
        targets[_ALL_WIDGETS] = self._control

    def _control(self, made: BaseComm, message: dict[str, Any]) -> None:
        if self._ends or self._own_control is None:
            made.close()
        else:
            self._own_control(made, message)

    def _take(self, gang: Gang, event: Event) -> None:
        content = event.content
        comm_id, data, metadata = content["comm_id"], content["data"], content["metadata"]
        buffers = [base64.b64decode(each) for each in content["buffers"]]
        if event.kind == "comm_open":
            made = create_comm(
                comm_id=comm_id,
                target_name=content["target_name"],
                target_module=content["target_module"],
                data=data,
                metadata=metadata,
                buffers=buffers,
            )
            made.on_msg(functools.partial(self._relay, comm_id, "comm_msg"))
            made.on_close(functools.partial(self._relay, comm_id, "comm_close"))
            self._ends[comm_id] = _End(made, gang, gang.ranks[content["rank"]])
            self.take_control()
        else:
            # What was made for a kernel that is gone has no end here.
            end = self._ends.get(comm_id)
            if end is None:
                return
            made = end.comm
            if event.kind == "comm_msg":
                self._send(made, data, metadata, buffers, content.get("answers", ""))
            else:
                del self._ends[comm_id]
                made.close(data, metadata, buffers)
        # ipykernel 7.4 has the front end's messages wait for the shell that sent here last, and
        # that runs a cell now. They are to come the way that the front end chose.
        vars(made).pop("_reply_subshell_id", None)

    def _send(
        self, made: BaseComm, data: Any, metadata: Any, buffers: list[bytes], answers: str
    ) -> None:
        """Send a message to the front end, as the answer to one of its own if it is that.

        A page that was loaded anew finds the state of each widget in the answer to its question.
        """
        asked, kernel = self._asked.get(answers), getattr(self._shell, "kernel", None)
        if asked is None or kernel is None:
            made.send(data, metadata, buffers)
            return
        kernel.session.send(
            kernel.iopub_socket,
            "comm_msg",
            {"comm_id": made.comm_id, "data": data},
            metadata=metadata,
            parent=asked,
            ident=made.topic,
            buffers=buffers,
        )

    def _relay(self, comm_id: str, kind: str, message: dict[str, Any]) -> None:
        """Send a message of the front end's to the worker, on whichever thread it came to."""
        end = self._ends.get(comm_id)
        if end is None:
            return
        if kind == "comm_close":
            del self._ends[comm_id]
        header = message["header"]
        run = f"comm {header['msg_id']}"
        self._asked[run] = {"header": header}
        if len(self._asked) > _KEPT_MESSAGES:
            self._asked.pop(next(iter(self._asked)), None)
        waits = not self._busy(end.gang)
        parent = {"header": header, "metadata": message.get("metadata", {})} if waits else None
        relayed = pb.CommMessage(
            kind=kind,
            comm_id=comm_id,
            content=_json(message["content"]),
            metadata=_json(message.get("metadata", {})),
            buffers=[bytes(each) for each in message.get("buffers", ())],
            run=run,
            parent=_json(parent) if parent else b"",
        )
        self._late.hurry()
        if not waits:
            self._hand(end, relayed)
            return
        mailbox = Mailbox([end.rank.client])
        with stops_into(mailbox), end.rank.listening(run, mailbox):
            self._hand(end, relayed)
            with mailbox:
                self._wait(end, run, mailbox, message)

    def _hand(self, end: _End, message: pb.CommMessage) -> None:
        end.rank.send(pb.ToWorker(comm=message))
        with self._lock:  # then: who asks before finds nothing changed
            self._told[end.rank] = end.gang

    def _wait(self, end: _End, run: str, mailbox: Mailbox, message: dict[str, Any]) -> None:
        """Show what the handlers say until they have ended; the second stop goes away."""
        stopped = False
        with self._late.captures(message):
            while True:
                found = mailbox.get(_LOOK_S)
                if found is None:
                    self._late.look()
                    continue
                _, word = found
                if not isinstance(word, Stop) or stopped:
                    break
                stopped = True
                self._interrupt(end.gang.name, run)
            self._late.look()


def _json(value: Any) -> bytes:
    return json.dumps(value, default=str).encode()
