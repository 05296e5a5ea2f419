"""Who may talk to a process of the cluster.

Unpickling runs code, so nobody unauthenticated may reach a socket. There are three locks, each
enough by itself: sockets lie in a fresh folder that only their owner can enter; the uid of every
connected peer is asked of the operating system; and every call carries the session's token.
"""

from __future__ import annotations

import contextlib
import hmac
import os
import secrets
import socket
import stat
import struct
import sys
import tempfile
from pathlib import Path

from farcell_runtime.errors import UsageError

# gRPC refuses unix paths over 107 bytes; the names of the sockets take up to 27 of them.
_LONGEST_FOLDER_BYTES = 80
_UCRED = struct.Struct("3i")


def new_token() -> str:
    """A fresh secret of 256 bits, as text."""
    return secrets.token_urlsafe(32)


def same_token(given: str, expected: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(given.encode(), expected.encode())


def new_folder(prefix: str = "farcell-") -> Path:
    """Make a fresh 0700 folder for a session's sockets, under the system's temporary folder.

    Raises:
        UsageError: if its path is too long for a unix socket.
    """
    folder = Path(tempfile.mkdtemp(prefix=prefix))
    if len(os.fsencode(folder)) > _LONGEST_FOLDER_BYTES:
        folder.rmdir()
        raise UsageError(
            f"the temporary folder's path is too long for a unix socket: {folder}",
            hint="set TMPDIR to a folder with a shorter path, such as /tmp",
        )
    return folder


def check_folder(folder: Path) -> None:
    """Refuse a folder that another user could have made or could enter.

    Raises:
        PermissionError: if its owner is somebody else, or its mode lets others in.
    """
    status = os.lstat(folder)
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        raise PermissionError(f"{folder} is not a folder of this user's")
    if status.st_mode & 0o077:
        raise PermissionError(f"{folder} can be entered by other users")


def foreign_peers(path: str) -> list[int]:
    """The uids that are connected to the socket at ``path``, but for this process's and root's.

    gRPC does not tell the credentials of a connection, but every connection it has accepted is a
    descriptor of this process, and the operating system tells the peer of each. A foreign
    connection is shut down on the way.
    """
    if sys.platform != "linux":
        return []  # there the folder's mode and the token are the locks
    foreign = []
    for name in os.listdir("/proc/self/fd"):
        try:
            if not os.readlink(f"/proc/self/fd/{name}").startswith("socket:"):
                continue
            connection = socket.socket(fileno=os.dup(int(name)))
        except OSError:
            continue  # closed meanwhile
        with connection:
            if connection.family != socket.AF_UNIX:
                continue
            with contextlib.suppress(OSError):
                if connection.getsockname() != path:
                    continue
                credentials = connection.getsockopt(
                    socket.SOL_SOCKET, socket.SO_PEERCRED, _UCRED.size
                )
                if connection.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
                    continue
                _, uid, _ = _UCRED.unpack(credentials)
                if uid not in (os.getuid(), 0):
                    foreign.append(uid)
                    connection.shutdown(socket.SHUT_RDWR)
    return foreign
