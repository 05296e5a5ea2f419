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

WELCOME, REFUSED, OUTLIVED = b"farcell 1\n", b"refused 1\n", b"too late \n"
LONGEST_TOKEN_BYTES = 256
_SHAKE_S = 5.0
_UCRED = struct.Struct("3i")


class Door:
    """Listens on a unix socket; lets in processes of this user that know the token."""

    def __init__(self, path: str, token: str) -> None:
        self._token = token
        self.tenure = 0  # the latest that was let in
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.bind(path)
        os.chmod(path, 0o600)
        self._socket.listen(64)

    def fileno(self) -> int:
        return self._socket.fileno()

    def accept(self) -> Link[pb.ToWorker] | None:
        """Take the next connection; nothing if it is refused.

        Not a byte of it is read before its user is known to be this process's own, and none but
        its first line before the token in it is known to be right. Behind the token stands the
        driver's tenure: one that is older than another's that was let in comes too late.
        """
        connection, _ = self._socket.accept()
        late, tenure = True, ""
        try:
            connection.settimeout(_SHAKE_S)
            if _user_of(connection) not in (os.getuid(), 0):
                raise PermissionError("another user's process")
            token, _, tenure = _read_line(connection).partition(" ")
            if not same_token(token, self._token):
                raise PermissionError("a wrong token")
            late = not tenure.isdecimal() or int(tenure) < self.tenure
            connection.sendall(OUTLIVED if late else WELCOME)
        except OSError:
            late = True
            with contextlib.suppress(OSError):
                connection.sendall(REFUSED)
        if late:
            connection.close()
            return None
        self.tenure = int(tenure)
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
