"""The socket at which a worker's drivers connect, and the check of each before it is heard."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import sys

from farcell_runtime.security import same_token
from farcell_runtime.transport import farcell_pb2 as pb
from farcell_runtime.transport.link import Link

WELCOME, REFUSED = b"farcell 1\n", b"refused 1\n"
LONGEST_TOKEN_BYTES = 256
_SHAKE_S = 5.0
_UCRED = struct.Struct("3i")


class Door:
    """Listens on a unix socket; lets in processes of this user that know the token."""

    def __init__(self, path: str, token: str) -> None:
        self._token = token
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(path)
        os.chmod(path, 0o600)
        self._socket.listen(64)

    def fileno(self) -> int:
        return self._socket.fileno()

    def accept(self) -> Link[pb.ToWorker] | None:
        """Take the next connection; nothing if it is refused.

        Not a byte of it is read before its user is known to be this process's own, and none but
        the token before that is known to be right.
        """
        connection, _ = self._socket.accept()
        try:
            connection.settimeout(_SHAKE_S)
            if _user_of(connection) not in (os.getuid(), 0):
                raise PermissionError("another user's process")
            token = _read_line(connection)
            if not same_token(token, self._token):
                raise PermissionError("a wrong token")
            connection.sendall(WELCOME)
        except OSError:
            with contextlib.suppress(OSError):
                connection.sendall(REFUSED)
            connection.close()
            return None
        connection.settimeout(None)
        return Link(connection, pb.ToWorker.FromString)

    def close(self) -> None:
        self._socket.close()


def _read_line(connection: socket.socket) -> str:
    line = b""
    while not line.endswith(b"\n"):
        # One byte at a time: what follows the line is not the door's to read.
        byte = connection.recv(1)
        if not byte or len(line) > LONGEST_TOKEN_BYTES:
            raise PermissionError("no token")
        line += byte
    return line[:-1].decode(errors="replace")


def _user_of(connection: socket.socket) -> int:
    """The uid of the process at the other end, as the system knows it."""
    if sys.platform != "linux":
        return os.getuid()  # there the folder's mode and the token are the locks
    found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size)
    _, uid, _ = _UCRED.unpack(found)
    return int(uid)
