"""What a cell says after it has ended: from its threads, tasks, widgets and subprocesses."""

from __future__ import annotations

import contextlib
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from farcell.front_end import in_cell, parent_of
from farcell.output import CellOutput
from farcell_runtime.runlog import Event, LogReader, Text

_LOOK_S = 0.25
_QUICK_LOOK_S, _QUICK_FOR_S = 0.02, 1.0
_FOLLOWED_RUNS = 32
_FOLLOWED_WITH_WIDGETS = 200  # of older ones, those whose widgets may still be used


@dataclass(frozen=True, slots=True)
class _Followed:
    log: LogReader
    output: CellOutput
    parent: Any
    has_widgets: bool


class LateOutput:
    """Looks at the logs of the last runs, and shows what is new in the cell of each."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self._followed: list[_Followed] = []
        self._captors: dict[str, Any] = {}
        self._quick_until_s = 0.0
        self._lock = threading.RLock()
        self._woken = threading.Event()
        self._ended = False
        self._thread: threading.Thread | None = None

    def follow(
        self,
        logs: list[LogReader],
        comms: Callable[[Event], None],
        *,
        widgets: bool,
        parent: Any = None,
    ) -> None:
        """Follow ``logs``, read up to now, of a run.

        Args:
            comms: takes its comm events.
            widgets: whether it has made comms.
            parent: the message that asked for its cell; by default for the one that runs now.
        """
        if not logs:
            return
        parent = parent or parent_of(self._shell)
        with self._lock:
            for log in logs:
                log.close()
                output = CellOutput(self._shell, comms)
                self._followed.append(_Followed(log, output, parent, widgets))
            older, recent = self._followed[:-_FOLLOWED_RUNS], self._followed[-_FOLLOWED_RUNS:]
            kept = [each for each in older if each.has_widgets][-_FOLLOWED_WITH_WIDGETS:]
            self._followed = kept + recent
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._watch, name="farcell-late-output", daemon=True
            )
            self._thread.start()

    def hurry(self) -> None:
        """Look often for a while: somebody waits for what a widget says."""
        self._quick_until_s = time.monotonic() + _QUICK_FOR_S
        self._woken.set()

    def look(self) -> None:
        """Show what there is to show now; from any thread."""
        with self._lock:
            for followed in list(self._followed):
                try:
                    if followed.log.has_more():
                        self._show(followed)
                except Exception as error:  # a record torn by a full disk, or a front end's fault
                    self._followed.remove(followed)
                    with in_cell(self._shell, followed.parent):
                        told = f"{type(error).__name__}: {error}"
                        print(
                            f"farcell: what this cell says from now on can't be shown ({told}): "
                            "see farcell logs",
                            file=sys.stderr,
                        )

    @contextlib.contextmanager
    def captures(self, message: Any) -> Iterator[None]:
        """Within it, what an ``Output`` widget captures comes under ``message``.

        The front end finds it by that, as long as it waits for the answer to that message.
        """
        name = message["header"]["msg_id"]
        self._captors[name] = message
        try:
            yield
        finally:
            del self._captors[name]

    def forget(self) -> None:
        """Follow nothing any more; what is not shown by now is for others to show."""
        with self._lock:
            self._followed.clear()

    def end(self) -> None:
        self._ended = True
        self._woken.set()

    def _watch(self) -> None:
        while not self._ended:
            quick = time.monotonic() < self._quick_until_s
            if not self._ended:
                self._woken.wait(_QUICK_LOOK_S if quick else _LOOK_S)
            self._woken.clear()
            self.look()

    def _show(self, followed: _Followed) -> None:
        output = followed.output
        for item in output.read(followed.log):
            parent = self._captors.get(output.captured_by, followed.parent)
            with in_cell(self._shell, parent if _belongs(item) else None):
                output.show(item)
                if isinstance(item, Text):
                    output.flush()
        followed.log.note_shown()
        followed.log.close()
        fault, output.fault = output.fault, None
        if fault is not None:
            raise fault


def _belongs(item: Text | Event) -> bool:
    """Whether it must come under the message that asked for it.

    What is found by an id of its own needs not, and front ends like nbclient overlook it when the
    cell that it comes under has ended.
    """
    if isinstance(item, Text):
        return True
    kind = item.content["msg_type"] if item.kind == "message" else item.kind
    return not kind.startswith("comm_") and kind != "update_display_data"
