"""What the head's engine and the warm parent say to each other: JSON, one frame a message."""

from __future__ import annotations

import json
import socket
import struct
from typing import Any

Message = dict[str, Any]
_HEAD = struct.Struct("!I")


class ControlChannel:
    """One end of a connected stream socket that carries messages.

    One thread may send while another receives.
    """

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._unread = bytearray()

    def fileno(self) -> int:
        return self._socket.fileno()

    def send(self, **message: Any) -> None:
        """Send one message.

        Raises:
            OSError: if the other end is gone.
        """
        body = json.dumps(message).encode()
        self._socket.sendall(_HEAD.pack(len(body)) + body)

    def receive(self) -> list[Message] | None:
        """Wait for bytes; the messages that they complete, or None if the other end is gone."""
        try:
            data = self._socket.recv(1 << 16)
        except ConnectionError:
            return None
        if not data:
            return None
        self._unread += data
        messages: list[Message] = []
        while len(self._unread) >= _HEAD.size:
            (size,) = _HEAD.unpack_from(self._unread)
            if len(self._unread) < _HEAD.size + size:
                break
            messages.append(json.loads(self._unread[_HEAD.size : _HEAD.size + size]))
            del self._unread[: _HEAD.size + size]
        return messages

    def shutdown(self) -> None:
        """Wake a thread that receives, here or at the other end, with the end of the stream."""
        try:
            self._socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            return  # the other end was first

    def close(self) -> None:
        self._socket.close()
