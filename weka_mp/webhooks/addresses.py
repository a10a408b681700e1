"""Which addresses a webhook may reach.

Refused is what no receiver of an administrator can be, and what gives out credentials to whoever asks from
this machine: link-local addresses (RFC 3927, RFC 4291, 2.5.6), where clouds serve instance metadata, and the
metadata services that lie elsewhere; unspecified, multicast, broadcast and reserved ones. Loopback and
private networks are allowed: administrators name targets, and a forwarder on the same machine is usual. An
IPv6 address that carries an IPv4 address is judged by both.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from typing import Final

__all__ = ["refusal"]

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_METADATA: Final = frozenset(
    ipaddress.ip_address(address)
    for address in (
        "169.254.169.254", "169.254.170.2", "169.254.170.23",  # most clouds; AWS's containers
        "fd00:ec2::254", "fd00:ec2::23",  # AWS
        "fd20:ce::254",  # Google
        "100.100.100.200",  # Alibaba
        "192.0.0.192",  # Oracle
        "168.63.129.16",  # Azure
    )
)  # fmt: skip

_REFUSED: Final = tuple(
    (ipaddress.ip_network(network), why)
    for network, why in (
        ("0.0.0.0/8", "unspecified"),
        ("169.254.0.0/16", "link-local"),
        ("224.0.0.0/4", "multicast"),
        ("255.255.255.255/32", "broadcast"),
        ("240.0.0.0/4", "reserved"),
        ("::/128", "unspecified"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "site-local, which is withdrawn"),
        ("ff00::/8", "multicast"),
        ("100::/64", "for discarding only"),
    )
)

_NAT64: Final = (ipaddress.ip_network("64:ff9b::/96"), ipaddress.ip_network("64:ff9b:1::/48"))
_COMPATIBLE: Final = ipaddress.ip_network("::/96")  # RFC 4291, 2.5.5.1; also :: and ::1
_TRANSLATED: Final = ipaddress.ip_network("::ffff:0:0:0/96")  # RFC 2765, 2.1
_ISATAP: Final = 0x5EFE  # RFC 5214, 6.1: …:0:5efe:a.b.c.d, or 200:5efe
_LOW: Final = 0xFFFFFFFF


def refusal(address: str) -> str | None:
    """Why a webhook must not connect to it; None: it may. `address` as getaddrinfo gives it, maybe with a
    zone, which makes it one of a link. Raises ValueError: it is no address.
    """
    literal, zone, _ = address.partition("%")
    outer = ipaddress.ip_address(literal)
    if zone:
        return "link-local"
    for judged in (outer, *_within(outer)):
        if judged in _METADATA:
            return "a cloud's metadata service"
        for network, why in _REFUSED:
            if judged.version == network.version and judged in network:
                return why
    return None


def _within(address: _Address) -> Iterator[_Address]:
    """The IPv4 addresses that packets to an IPv6 address may end at."""
    if isinstance(address, ipaddress.IPv4Address):
        return
    if address.ipv4_mapped is not None:
        yield address.ipv4_mapped
    if address.sixtofour is not None:
        yield address.sixtofour
    if address.teredo is not None:
        yield from address.teredo
    value = int(address)
    embeds = any(address in network for network in (*_NAT64, _TRANSLATED)) or (
        address in _COMPATIBLE and value > 1
    )
    if embeds or (value >> 32) & 0xFDFFFFFF == _ISATAP:
        yield ipaddress.IPv4Address(value & _LOW)
