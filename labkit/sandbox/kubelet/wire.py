"""What the kubelet and its launcher say to each other: JSON frames on a stream socket, some with files."""

import json
import socket
import struct
from collections.abc import Sequence
from typing import Any

_LENGTH = struct.Struct(">I")
_FILE = struct.Struct("i")
"""A file descriptor as the kernel passes it."""

_FILES_AT_MOST = 16
_CHUNK = 65536


class Wire:
    """One end. Sending blocks (frames are small); receiving never does."""

    def __init__(self, end: socket.socket) -> None:
        self.socket = end
        self._bytes = bytearray()
        self._files: list[int] = []

    def send(self, frame: dict[str, Any], files: Sequence[int] = ()) -> None:
        """One frame; OSError when the other end is gone."""
        data = json.dumps(frame | {"files": len(files)}).encode()
        data = _LENGTH.pack(len(data)) + data
        sent = socket.send_fds(self.socket, [data], list(files)) if files else 0
        self.socket.sendall(data[sent:])

    def receive(self) -> tuple[list[tuple[dict[str, Any], list[int]]], bool]:
        """Frames that have come, each with its files, and whether the other end is still there."""
        try:
            # socket.recv_fds does the same but loses its flags (Python 3.11), and would block.
            room = socket.CMSG_SPACE(_FILES_AT_MOST * _FILE.size)
            data, extra, _, _ = self.socket.recvmsg(_CHUNK, room, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return [], True
        except OSError:
            return [], False
        self._bytes += data
        self._files += [number for _, _, raw in extra for (number,) in _FILE.iter_unpack(raw)]
        frames = []
        while (frame := self._next()) is not None:
            # Files arrive with or before the last byte of their frame, and in the order of the frames.
            count = frame.pop("files")
            frames.append((frame, self._files[:count]))
            del self._files[:count]
        return frames, bool(data)

    def _next(self) -> dict[str, Any] | None:
        if len(self._bytes) < _LENGTH.size:
            return None
        end = _LENGTH.size + _LENGTH.unpack_from(self._bytes)[0]
        if len(self._bytes) < end:
            return None
        frame: dict[str, Any] = json.loads(self._bytes[_LENGTH.size : end])
        del self._bytes[:end]
        return frame
