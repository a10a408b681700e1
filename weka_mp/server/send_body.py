"""An object's bytes on the wire: small ones read and sent with the head, large ones copied in threads.

No answer mixes two contents (docs/SEMANTICS.md, 10). The file is asked again after its bytes
were read. Changed and nothing sent yet: `ChangedEarly`, and the caller starts again. Else the last byte
is held back until the file was found unchanged; if it was not, the connection is reset, so that the
client knows that it has not got the object.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from weka_mp.errors import NamespaceError
from weka_mp.gateway.reply import ObjectReply
from weka_mp.offload import run_blocking
from weka_mp.server.secure_wire import SecureWire
from weka_mp.server.wire import PeerGone, Wire
from weka_mp.store.transmit import can_transmit, transmit

if TYPE_CHECKING:
    from weka_mp.store.interface import Store
    from weka_mp.values import Fd

__all__ = ["INLINE_BYTES", "ChangedEarly", "Truncated", "read_small", "send_large"]

INLINE_BYTES: Final = 256 * 1024  # read in the loop's own thread: cheaper than a hop to another
_PIECE_BYTES: Final = 8 * 1024 * 1024  # most that one stay in a thread sends: cancellation waits for it
_COPY_BYTES: Final = 1024 * 1024  # one read of a store whose descriptors the kernel does not know
_RECORDS_BYTES: Final = 256 * 1024  # one read of what is encrypted then
Step = Callable[[int, int], int]
"""Sends some bytes from an offset, as many as given at most: how many; 0 where the file has ended."""


class ChangedEarly(Exception):
    """The object changed before anything was sent."""


class Truncated(Exception):
    """The object changed, its storage failed or its reader holds too much, after the head was sent: the
    connection must be reset.
    """


def read_small(store: Store, reply: ObjectReply) -> bytes:
    """The whole body, of one content. Raises ChangedEarly and NamespaceError."""
    opened, length = reply.opened, reply.length
    body = store.read(opened.fd, length, reply.start) if length else b""
    while len(body) < length:
        more = store.read(opened.fd, length - len(body), reply.start + len(body))
        if not more:
            raise ChangedEarly
        body += more
    if not opened.still_same():
        raise ChangedEarly
    return body


async def send_large(
    wire: Wire, store: Store, reply: ObjectReply, before_last: Callable[[], None],
    count: Callable[[int], None],
) -> None:
    """Send the body behind a head that was sent; `before_last` is called before its last byte leaves, `count`
    with the bytes that the socket took, maybe in a thread.

    Raises Truncated and PeerGone.
    """
    end = reply.start + reply.length - 1
    fd = reply.opened.fd
    try:
        if isinstance(wire, SecureWire):
            await _send_until(_counted(partial(_encrypt, wire, store, fd), count), wire, reply.start, end)
        elif can_transmit(store):
            step = _counted(partial(transmit, fd, wire.socket.fileno()), count)
            await _send_until(step, wire, reply.start, end)
        else:
            await _copy_until(wire, store, fd, reply.start, end, count)
        last = store.read(fd, 1, end)  # beside what has just been sent, so no disk is waited for
        unchanged = reply.opened.still_same()
    except NamespaceError as error:
        raise Truncated("the storage failed while an object was sent") from error
    if not last or not unchanged:
        raise Truncated("the object changed while it was sent")
    before_last()
    await wire.send(last)
    count(1)


def _counted(step: Step, count: Callable[[int], None]) -> Step:
    def counted(offset: int, most: int) -> int:
        sent = step(offset, most)
        count(sent)
        return sent

    return counted


async def _send_until(step: Step, wire: Wire, offset: int, end: int) -> None:
    while offset < end:
        try:
            offset, full = await run_blocking(_send_piece, step, offset, end)
        except OSError as error:
            raise PeerGone from error
        if full:
            await wire.writable()
    wire.our_turn()


def _send_piece(step: Step, offset: int, end: int) -> tuple[int, bool]:
    """Send until the socket is full, a piece is sent or the end is reached: (new offset, was it full)."""
    stop = min(end, offset + _PIECE_BYTES)
    while offset < stop:
        try:
            sent = step(offset, stop - offset)
        except BlockingIOError:
            return offset, True
        if sent == 0:
            raise Truncated("the object became shorter while it was sent")
        offset += sent
    return offset, False


def _encrypt(wire: SecureWire, store: Store, fd: Fd, offset: int, size: int) -> int:
    """As `transmit`, through OpenSSL: what the socket did not take is read and handed over again."""
    data = store.read(fd, min(_RECORDS_BYTES, size), offset)
    rest = memoryview(data)
    while rest:
        try:
            rest = rest[wire.push(rest):]
        except BlockingIOError:
            if len(rest) == len(data):
                raise
            break
    return len(data) - len(rest)


async def _copy_until(
    wire: Wire, store: Store, fd: Fd, offset: int, end: int, count: Callable[[int], None]
) -> None:
    while offset < end:
        piece = await run_blocking(store.read, fd, min(_COPY_BYTES, end - offset), offset)
        if not piece:
            raise Truncated("the object became shorter while it was sent")
        await wire.send(piece)
        count(len(piece))
        offset += len(piece)
