"""PROXY headers of version 2 as HAProxy writes them."""

from __future__ import annotations

import socket
import struct

from weka_mp.server.proxy_header import SIGNATURE

__all__ = ["tls", "v2"]


def v2(
    address: str = "192.0.2.7", *extensions: tuple[int, bytes], command: int = 0x21, family: int | None = None
) -> bytes:
    """A header of version 2, as haproxy writes it."""
    kind = socket.AF_INET6 if ":" in address else socket.AF_INET
    packed = socket.inet_pton(kind, address)
    rest = packed + packed + struct.pack(">HH", 1234, 9000)
    rest += b"".join(struct.pack(">BH", number, len(value)) + value for number, value in extensions)
    known = 0x21 if ":" in address else 0x11
    return SIGNATURE + struct.pack(">BBH", command, known if family is None else family, len(rest)) + rest


def tls(client: int, version: bytes | None = b"TLSv1.3") -> tuple[int, bytes]:
    sub = b"" if version is None else struct.pack(">BH", 0x21, len(version)) + version
    return 0x20, struct.pack(">BI", client, 0) + sub
