"""A driver's end of the conversation with one worker."""

from __future__ import annotations

import collections
import contextlib
import selectors
import socket
import threading
from collections.abc import Callable, Sequence

from farcell_runtime.errors import (
    NO_DESCRIPTORS,
    AuthError,
    ConnectError,
    FarcellError,
    SessionTaken,
    UsageError,
)
from farcell_runtime.transport import farcell_pb2 as pb
from farcell_runtime.transport.door import OUTLIVED, REFUSED, WELCOME
from farcell_runtime.transport.link import Link

_SHAKE_S = 10.0
_SCHEME = "unix:"


class WorkerClient:
    """The one long conversation with a worker.

    Messages are read on a background thread, or by a thread that waits for them anyway and has
    taken over the reading: a message that has to wake two threads takes twice as long.

    ``receive`` is called with each message, ``ended`` once, with the error that ended the
    conversation, or nothing if it was ended from here; both on the thread that reads.

    Raises:
        AuthError: if the worker refuses the token or the user.
        ConnectError: if it can't be reached.
        SessionTaken: if a driver of a later tenure has spoken to it.
    """

    def __init__(
        self,
        address: str,
        token: str,
        *,
        tenure: int,
        receive: Callable[[pb.FromWorker], None],
        ended: Callable[[FarcellError | None], None],
    ) -> None:
        self._link = Link(connect(address, token, tenure), pb.FromWorker.FromString)
        self._receive = receive
        self._ended = ended
        self._closed = False
        self._reading = threading.Lock()
        self._takers = 0
        # Other threads may take a socket out of it, and put it back, while one waits on it: both
        # epoll and kqueue allow that.
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._link, selectors.EVENT_READ)
        self._reader = threading.Thread(
            target=self._read_forever, name="farcell-worker", daemon=True
        )
        self._reader.start()

    def fileno(self) -> int:
        return self._link.fileno()

    @property
    def open(self) -> bool:
        """Whether there may be more to read."""
        return self._link.open

    @property
    def descriptors(self) -> collections.deque[int]:
        """Those that came with the messages, in their order."""
        return self._link.descriptors

    def send(self, message: pb.ToWorker, descriptors: Sequence[int] = ()) -> None:
        """Send ``message``; messages arrive in the order in which they were sent."""
        self._link.send(message, descriptors)

    def take_over(self) -> int | None:
        """Have the background thread leave the reading to the caller, who calls ``read``.

        Several threads may; each gets what it finds.

        Returns:
            The descriptor to wait on; ``give_back`` must follow. None if there is nothing left to
            read.
        """
        with self._reading:
            if not self._link.open:
                return None
            # Elsewhere it may be closed by now, by the thread that has read the end.
            descriptor = self._link.fileno()
            if not self._takers:
                self._selector.unregister(self._link)
            self._takers += 1
            return descriptor

    def give_back(self) -> None:
        """Have the background thread read again, and be it the end."""
        with self._reading:
            self._takers -= 1
            # If that thread has seen the end already, it has closed these.
            with contextlib.suppress(ValueError, KeyError, OSError):
                if not self._takers:
                    self._selector.register(self._link, selectors.EVENT_READ)

    def read(self) -> bool:
        """Hand over what has come by now; false if there will be no more."""
        with self._reading:
            if not self._link.open:
                return False
            for message in self._link.read():
                self._receive(message)
            if self._link.open:
                return True
        self._ended(self._why_ended())
        return False

    def _why_ended(self) -> FarcellError | None:
        if self._closed:
            return None
        if self._link.fault:
            return UsageError(self._link.fault, hint=NO_DESCRIPTORS)
        return ConnectError("the connection to the worker broke")

    def close(self) -> None:
        self._closed = True
        self._link.hang_up()

    def _read_forever(self) -> None:
        while self._link.open:
            self._selector.select()
            self.read()
        self._selector.close()
        self._link.close()


def connect(address: str, token: str, tenure: int) -> socket.socket:
    """A socket to a worker that has let this process in.

    Raises:
        AuthError: if the worker refuses the token or the user.
        ConnectError: if it can't be reached.
    """
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(_SHAKE_S)
    try:
        connection.connect(address.removeprefix(_SCHEME))
        connection.sendall(f"{token} {tenure}\n".encode())
        answer = b""
        while len(answer) < len(WELCOME) and (data := connection.recv(len(WELCOME) - len(answer))):
            answer += data
    except OSError as error:
        connection.close()
        raise ConnectError(
            f"the worker at {address} can't be reached: {error}", hint="run the cell again"
        ) from error
    if answer == OUTLIVED:
        connection.close()
        raise SessionTaken("another process has taken the session over")
    if answer != WELCOME:
        connection.close()
        why = "it does not accept this token or user" if answer == REFUSED else "it hung up"
        raise AuthError(
            f"the worker at {address} refused this process: {why}",
            hint="the session file may be another session's: restart the kernel",
        )
    connection.settimeout(None)
    return connection
