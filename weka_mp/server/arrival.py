"""What comes on a connection before its first request: the word of a proxy, and the handshake of TLS.

From their first byte on both must come within the time for a head: a client that never finishes holds a
connection no longer than one with a slow head.
"""

from __future__ import annotations

import logging
import socket
from typing import Final

import trio

from weka_mp.server.proxy_header import (
    LONGEST_V1,
    SIGNATURE,
    V1_BEGIN,
    MalformedHeader,
    Told,
    read_v1,
    read_v2,
    v2_length,
)
from weka_mp.server.refusal import answer_plain
from weka_mp.server.secure_wire import HandshakeFailed, SecureWire
from weka_mp.server.service import Service
from weka_mp.server.wire import PeerGone, Wire

__all__ = ["arrive", "must_arrive", "secure"]

_log = logging.getLogger("weka_mp.server")
_HANDSHAKE: Final = b"\x16"  # the kind of TLS's first record (RFC 8446, 5.1)
_FIXED: Final = 16  # bytes of version 2 that are always there
_CR_LF: Final = b"\r\n"
_PAUSE_SECONDS: Final = 0.05  # between two looks at a header of which less than six bytes have come


def must_arrive(service: Service, wire: Wire) -> bool:
    """Whether anything may come before a request there."""
    return service.certificates is not None or service.proxies.trusts(wire.remote)


async def arrive(service: Service, wire: Wire) -> bool:
    """Whether requests may follow; else the client was told what it can be told. Raises PeerGone."""
    wire.within(wire.limits.idle_seconds)
    await trio.lowlevel.wait_readable(wire.socket)
    wire.within(wire.limits.head_seconds)
    told = Told()
    if service.proxies.trusts(wire.remote):
        try:
            told = await _proxys_word(wire)
        except MalformedHeader as error:
            _log.warning("%s: %s", wire.remote, error)
            return False
    if told.address is not None:
        wire.remote = told.address
    if service.certificates is not None and not await secure(service, wire):
        return False
    if told.secure is not None:
        wire.secure, wire.tls_version = told.secure, told.tls_version
    return True


async def secure(service: Service, wire: Wire) -> bool:
    """The handshake; False when there is none to be had. Raises PeerGone."""
    assert service.certificates is not None and isinstance(wire, SecureWire)
    first = await _look(wire, 1)
    if not first:
        return False
    if first != _HANDSHAKE:
        await answer_plain(service, wire)
        return False
    try:
        await wire.handshake(service.certificates.context())
    except HandshakeFailed as error:
        service.metrics.handshakes_failed += 1
        _log.debug("%s: no TLS: %s", wire.remote, error)
        return False
    return True


async def _proxys_word(wire: Wire) -> Told:
    """What stands before everything else, if anything does. Raises MalformedHeader, PeerGone."""
    begin = await _look(wire, len(V1_BEGIN))
    while _may_begin(begin) and 0 < len(begin) < len(V1_BEGIN):
        # The kernel calls a socket readable as long as these bytes lie there: look again in a while.
        await trio.sleep(_PAUSE_SECONDS)
        begin = await _look(wire, len(V1_BEGIN))
    if begin.startswith(SIGNATURE[:len(V1_BEGIN)]):
        fixed = await _exactly(wire, _FIXED)
        rest = await _exactly(wire, v2_length(fixed))
        return read_v2(fixed, rest)
    if begin == V1_BEGIN:
        return read_v1(await _line(wire))
    return Told()


async def _look(wire: Wire, most: int) -> bytes:
    """The next bytes, which stay where they are; b"" at the end. Raises PeerGone."""
    while True:
        await trio.lowlevel.wait_readable(wire.socket)
        try:
            return wire.socket.recv(most, socket.MSG_PEEK)
        except BlockingIOError:
            continue
        except OSError as error:
            raise PeerGone from error


def _may_begin(seen: bytes) -> bool:
    return SIGNATURE.startswith(seen) or V1_BEGIN.startswith(seen)


async def _exactly(wire: Wire, size: int) -> bytes:
    """Raises MalformedHeader, PeerGone."""
    found = b""
    while len(found) < size:
        data = await Wire.receive(wire, size - len(found))
        if not data:
            raise MalformedHeader("a PROXY header that ends in the middle")
        found += data
    return found


async def _line(wire: Wire) -> bytes:
    """Without its CR LF, of which nothing behind is taken. Raises MalformedHeader, PeerGone."""
    line = b""
    while not line.endswith(_CR_LF):
        if len(line) >= LONGEST_V1:
            raise MalformedHeader("a PROXY line without end")
        seen = line + await _look(wire, LONGEST_V1 - len(line))
        end = seen.find(_CR_LF)
        wanted = len(seen) if end < 0 else end + len(_CR_LF)
        line += await _exactly(wire, max(wanted - len(line), 1))
    return line[:-len(_CR_LF)]
