"""One kernel's cluster, followed through its restarts and the kernel's."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

from farcell_runtime.errors import FarcellError, SessionLost
from farcell_runtime.transport import farcell_pb2 as pb
from farcell_runtime.transport.client import HeadClient
from farcell_runtime.transport.session_file import SessionFile

_LOOK_AGAIN_S = 1.0


class Feed:
    """Follows the session that the kernel ``key`` drives on a thread of its own, until ``close``.

    ``snapshot`` is called on that thread with each snapshot of the head; ``absent`` whenever there
    turns out to be no session, with the reason where one is known, once in a row.
    """

    def __init__(
        self,
        key: str,
        runtime_folder: Path,
        *,
        snapshot: Callable[[pb.Snapshot], None],
        absent: Callable[[str], None],
    ) -> None:
        self._runtime_folder = runtime_folder
        self._key = key
        self._snapshot = snapshot
        self._absent = absent
        self._closed = threading.Event()
        self._lock = threading.Lock()
        self._head: HeadClient | None = None
        self._cancel: Callable[[], None] = lambda: None
        threading.Thread(target=self._follow, name="farcell-feed", daemon=True).start()

    def close(self) -> None:
        self._closed.set()
        with self._lock:
            self._cancel()

    @property
    def head(self) -> HeadClient:
        """The head of the session as of now.

        Raises:
            SessionLost: if there is none.
        """
        with self._lock:
            if self._head is None:
                raise SessionLost(
                    "this notebook has no cluster", hint="start one with %cluster start"
                )
            return self._head

    def _follow(self) -> None:
        said: str | None = None
        while not self._closed.is_set():
            reason = ""
            session = SessionFile.of_driver(self._runtime_folder, self._key)
            if session is not None:
                seen, reason = self._watch(session)
                if seen:
                    said = None
            # Why it ended stays said, while there is nothing new to say.
            if (said is None or reason not in ("", said)) and not self._closed.is_set():
                said = reason
                self._absent(reason)
            self._closed.wait(_LOOK_AGAIN_S)

    def _is_its(self, session: SessionFile) -> bool:
        """Whether the session is the one that the kernel drives, or drove when it died."""
        now = SessionFile.of_driver(self._runtime_folder, self._key)
        return now is not None and now.session == session.session

    def _watch(self, session: SessionFile) -> tuple[bool, str]:
        """Pass snapshots on while there are any: whether there were, and why they ended."""
        head = HeadClient(session.address, session.token)
        seen = False
        reason = ""
        try:
            events, cancel = head.watch("panel", snapshots=True)
            with self._lock:
                self._head, self._cancel = head, cancel
                if self._closed.is_set():
                    cancel()
            for event in events:
                if event.HasField("snapshot"):
                    seen = True
                    if event.snapshot.driver.name != self._key and not self._is_its(session):
                        break  # the kernel has let go of it
                    self._snapshot(event.snapshot)
                elif event.HasField("stopping"):
                    reason = f"The cluster stopped: {event.stopping.reason}."
        except SessionLost:
            pass  # it is absent, then; a new head writes a new session file
        except FarcellError as error:
            reason = reason or error.message
        finally:
            with self._lock:
                self._head, self._cancel = None, lambda: None
            head.close()
        return seen, reason
