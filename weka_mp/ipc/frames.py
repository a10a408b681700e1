"""Frames between the processes of one service; sans-IO, bytes in and messages out.

A frame is a 4-byte big-endian length and that many bytes of msgpack: ``[1, id, verb, args]``. `id` 0 asks for
no answer. An answer repeats the id with the verb ``ok`` (args: the result) or ``error`` (args: ``[kind,
text]``). Anything else is malformed: the reader raises and the connection must be closed.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import Final

import msgpack

__all__ = ["ERROR", "MAX_FRAME", "OK", "VERSION", "Frame", "FrameError", "FrameReader", "encode"]

VERSION: Final = 1
MAX_FRAME: Final = 8 * 1024 * 1024  # bytes; a metrics snapshot or a group of changes is far below
OK: Final = "ok"
ERROR: Final = "error"

_HEADER: Final = struct.Struct(">I")
_MAX_ID: Final = 2**63 - 1
_MAX_VERB: Final = 64  # characters


class FrameError(ValueError):
    """The bytes are no frame: the connection cannot be trusted any more."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One message. `args` is whatever msgpack carries: None, bool, int, float, str, bytes, lists and maps."""

    id: int
    verb: str
    args: object

    @property
    def is_answer(self) -> bool:
        return self.verb in (OK, ERROR)


def encode(frame: Frame, *, limit: int = MAX_FRAME) -> bytes:
    """The bytes of one frame; FrameError when it is larger than `limit` or cannot be carried by msgpack."""
    try:
        body: bytes = msgpack.packb([VERSION, frame.id, frame.verb, frame.args], use_bin_type=True)
    except (TypeError, ValueError, OverflowError) as error:
        raise FrameError(f"cannot be encoded: {error}") from error
    if len(body) > limit:
        raise FrameError(f"a frame of {len(body)} bytes exceeds {limit}")
    return _HEADER.pack(len(body)) + body


class FrameReader:
    """Collects received bytes and gives out whole frames, however the bytes were split."""

    def __init__(self, *, limit: int = MAX_FRAME) -> None:
        self._limit = limit
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Frame]:
        """All frames that are complete now; FrameError on anything malformed or too large."""
        self._buffer += data
        frames: list[Frame] = []
        start = 0
        while len(self._buffer) - start >= _HEADER.size:
            (length,) = _HEADER.unpack_from(self._buffer, start)
            if length > self._limit:
                raise FrameError(f"a frame of {length} bytes exceeds {self._limit}")
            end = start + _HEADER.size + length
            if len(self._buffer) < end:
                break
            frames.append(_decode(bytes(self._buffer[start + _HEADER.size : end])))
            start = end
        del self._buffer[:start]
        return frames

    def finish(self) -> None:
        """Say that the stream ended; FrameError when it ended inside a frame."""
        if self._buffer:
            raise FrameError("the stream ended inside a frame")


def _decode(body: bytes) -> Frame:
    try:
        value = msgpack.unpackb(body, raw=False, strict_map_key=False)
    except (ValueError, TypeError, msgpack.UnpackException) as error:
        raise FrameError(f"not msgpack: {error}") from error
    if not isinstance(value, list) or len(value) != 4:
        raise FrameError("not a list of four")
    version, number, verb, args = value
    if version != VERSION or isinstance(version, bool):
        raise FrameError(f"version {version!r}")
    if not isinstance(number, int) or isinstance(number, bool) or not 0 <= number <= _MAX_ID:
        raise FrameError("an id that is none")
    if not isinstance(verb, str) or not 0 < len(verb) <= _MAX_VERB:
        raise FrameError("a verb that is none")
    return Frame(number, verb, args)
