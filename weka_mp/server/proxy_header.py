"""The header by which a proxy says for whom it opened a connection: PROXY protocol, versions 1 and 2, without
I/O (haproxy.org, proxy-protocol.txt, 2020/03/05).

The bytes behind the header belong to the client, to TLS perhaps: so a reader says how many bytes it needs
next, or (version 1 ends with its line) looks at what has come and says how many of it are its own.
"""

from __future__ import annotations

import ipaddress
import re
import struct
from dataclasses import dataclass
from typing import Final

__all__ = [
    "LONGEST_V1", "SIGNATURE", "V1_BEGIN", "MalformedHeader", "Told", "read_v1", "read_v2", "v2_length",
]  # fmt: skip

SIGNATURE: Final = b"\r\n\r\n\0\r\nQUIT\n"
V1_BEGIN: Final = b"PROXY "
LONGEST_V1: Final = 107  # bytes with CR LF (2.1)
MOST_V2: Final = 4096  # bytes behind the fixed part: two addresses take 36, the rest are extensions

_FIXED: Final = struct.Struct(">12sBBH")  # signature, version and command, family and protocol, length
_LOCAL, _PROXY = 0x20, 0x21
_TCP4, _TCP6 = 0x11, 0x21
_ADDRESSES: Final = {_TCP4: 4, _TCP6: 16}
_TLS: Final = 0x20  # PP2_TYPE_SSL
_TLS_VERSION: Final = 0x21  # PP2_SUBTYPE_SSL_VERSION
_CLIENT_TLS: Final = 0x01  # PP2_CLIENT_SSL
_V1: Final = re.compile(
    rb"PROXY (?:UNKNOWN(?: [ -~]*)?|(TCP[46]) ([0-9a-fA-F.:]+) ([0-9a-fA-F.:]+) (\d{1,5}) (\d{1,5}))"
)
_VERSION: Final = re.compile(r"TLSv1\.[0-9]")


class MalformedHeader(Exception):
    """Not what the protocol allows: the connection is to be given up."""


@dataclass(frozen=True, slots=True)
class Told:
    """What the proxy said. address: the client's; None: the proxy speaks for itself (health checks).

    secure: whether the client spoke TLS to it; None: it did not say. tls_version: as in ``1.3``, if said.
    """

    address: str | None = None
    secure: bool | None = None
    tls_version: str | None = None


def read_v1(line: bytes) -> Told:
    """line: without CR LF. Raises MalformedHeader."""
    found = _V1.fullmatch(line)
    if found is None:
        raise MalformedHeader("a malformed PROXY line")
    if found[1] is None:
        return Told()
    try:
        source, _ = (ipaddress.ip_address(part.decode("ascii")) for part in found.group(2, 3))
    except ValueError:
        raise MalformedHeader("a PROXY line without addresses") from None
    if source.version != int(found[1][3:]) or max(int(found[4]), int(found[5])) > 65535:
        raise MalformedHeader("a PROXY line whose addresses are of another kind")
    return Told(_plain(source))


def v2_length(fixed: bytes) -> int:
    """fixed: the first 16 bytes. How many follow. Raises MalformedHeader."""
    signature, command, _, length = _FIXED.unpack(fixed)
    if signature != SIGNATURE or command not in (_LOCAL, _PROXY):
        raise MalformedHeader("a PROXY header of an unknown version or command")
    if length > MOST_V2:
        raise MalformedHeader("a PROXY header without end")
    return int(length)


def read_v2(fixed: bytes, rest: bytes) -> Told:
    """rest: as many bytes as `v2_length` said. Raises MalformedHeader."""
    _, command, family, _ = _FIXED.unpack(fixed)
    if command == _LOCAL:
        return Told()
    size = _ADDRESSES.get(family)
    if size is None:
        return Told()  # of another kind: the receiver must use the connection's own (2.2)
    addresses = 2 * size + 4
    if len(rest) < addresses:
        raise MalformedHeader("a PROXY header too short for its addresses")
    secure, version = _read_tls(rest[addresses:])
    return Told(_plain(ipaddress.ip_address(rest[:size])), secure, version)


def _read_tls(extensions: bytes) -> tuple[bool | None, str | None]:
    for kind, value in _each(extensions):
        if kind == _TLS:
            if len(value) < 5:
                raise MalformedHeader("a PROXY header with a malformed extension")
            named = [text for sub, text in _each(value[5:]) if sub == _TLS_VERSION]
            spelt = named[0].decode("latin-1") if named else ""
            version = spelt.removeprefix("TLSv") if _VERSION.fullmatch(spelt) else None
            secure = bool(value[0] & _CLIENT_TLS)
            return secure, version if secure else None
    return None, None


def _each(extensions: bytes) -> list[tuple[int, bytes]]:
    """(kind, value) of each of type, length, value (2.2.)."""
    found, at = [], 0
    while at < len(extensions):
        if at + 3 > len(extensions):
            raise MalformedHeader("a PROXY header with a truncated extension")
        kind, length = extensions[at], int.from_bytes(extensions[at + 1:at + 3], "big")
        value = extensions[at + 3:at + 3 + length]
        if len(value) < length:
            raise MalformedHeader("a PROXY header with a truncated extension")
        found.append((kind, value))
        at += 3 + length
    return found


def _plain(address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> str:
    """An IPv4 address in IPv6's clothes is that IPv4 address."""
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return str(mapped or address)
