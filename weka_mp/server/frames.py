"""Framed messages between the processes of one node: 4 bytes of big-endian length, then one msgpack array.

A message is ``[1, id, verb, arguments...]``; its answer carries the same id. Pure: bytes in, messages out.
"""

from __future__ import annotations

import struct
from typing import Any, Final

import msgpack

__all__ = ["MAX_FRAME_BYTES", "VERSION", "FrameError", "FrameReader", "pack_frame"]

VERSION: Final = 1
MAX_FRAME_BYTES: Final = 16 * 1024 * 1024  # a peer that announces more is not one of ours
_LENGTH: Final = struct.Struct(">I")


class FrameError(Exception):
    """The peer sent something that is no frame of ours; the connection is of no further use."""


def pack_frame(identity: int, verb: str, *arguments: object) -> bytes:
    """One message as bytes to send."""
    body: bytes = msgpack.packb([VERSION, identity, verb, *arguments], use_bin_type=True)
    return _LENGTH.pack(len(body)) + body


class FrameReader:
    """Turns received bytes into messages, however the bytes were split."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[list[Any]]:
        """All messages that are complete now. Raises FrameError."""
        self._buffer += data
        messages = []
        while (message := self._next()) is not None:
            messages.append(message)
        return messages

    def _next(self) -> list[Any] | None:
        if len(self._buffer) < _LENGTH.size:
            return None
        (size,) = _LENGTH.unpack_from(self._buffer)
        if size > MAX_FRAME_BYTES:
            raise FrameError(f"a frame of {size} bytes")
        end = _LENGTH.size + size
        if len(self._buffer) < end:
            return None
        body = bytes(self._buffer[_LENGTH.size:end])
        del self._buffer[:end]
        return _decode(body)


def _decode(body: bytes) -> list[Any]:
    try:
        message = msgpack.unpackb(body, raw=False, strict_map_key=False)
    except (ValueError, msgpack.UnpackException) as error:
        raise FrameError("not msgpack") from error
    if not isinstance(message, list) or len(message) < 3 or message[0] != VERSION:
        raise FrameError("not a message of this version")
    return message
