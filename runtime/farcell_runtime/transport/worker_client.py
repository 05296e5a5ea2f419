"""A driver's end of the conversation with one worker."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable

from farcell_runtime.errors import AuthError, ConnectError, FarcellError
from farcell_runtime.transport import farcell_pb2 as pb
from farcell_runtime.transport.door import REFUSED, WELCOME
from farcell_runtime.transport.link import Link

_SHAKE_S = 10.0
_SCHEME = "unix:"


class WorkerClient:
    """The one long conversation with a worker.

    ``receive`` is called on a background thread with each message; ``ended`` once, with the error
    that ended the conversation, or nothing if it was ended from here.

    Raises:
        AuthError: if the worker refuses the token or the user.
        ConnectError: if it can't be reached.
    """

    def __init__(
        self,
        address: str,
        token: str,
        *,
        receive: Callable[[pb.FromWorker], None],
        ended: Callable[[FarcellError | None], None],
    ) -> None:
        self._link = Link(_connect(address, token), pb.FromWorker.FromString)
        self._receive = receive
        self._ended = ended
        self._closed = False
        self._reader = threading.Thread(target=self._read, name="farcell-worker", daemon=True)
        self._reader.start()

    def send(self, message: pb.ToWorker) -> None:
        """Send ``message``; messages arrive in the order in which they were sent."""
        self._link.send(message)

    def close(self) -> None:
        self._closed = True
        self._link.close()

    def _read(self) -> None:
        while self._link.open:
            for message in self._link.read():
                self._receive(message)
        lost = None if self._closed else ConnectError("the connection to the worker broke")
        self._ended(lost)


def _connect(address: str, token: str) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(_SHAKE_S)
    try:
        connection.connect(address.removeprefix(_SCHEME))
        connection.sendall(token.encode() + b"\n")
        answer = b""
        while len(answer) < len(WELCOME) and (data := connection.recv(len(WELCOME) - len(answer))):
            answer += data
    except OSError as error:
        connection.close()
        raise ConnectError(
            f"the worker at {address} can't be reached: {error}", hint="run the cell again"
        ) from error
    if answer != WELCOME:
        connection.close()
        why = "it does not accept this token or user" if answer == REFUSED else "it hung up"
        raise AuthError(
            f"the worker at {address} refused this process: {why}",
            hint="the session file may be another session's: restart the kernel",
        )
    connection.settimeout(None)
    return connection
