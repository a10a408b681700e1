"""Where a request comes from: the connection's other end, or what proxies that are trusted say of it.

A proxy is trusted by its address alone. What others say of addresses is theirs to invent and means nothing.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Final, NamedTuple

from weka_mp.s3.request import Headers
from weka_mp.server.wire import Wire

__all__ = ["Origin", "TrustedProxies", "plain_address"]

_MOST_HOPS: Final = 32
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_MAPPED: Final = "::ffff:"


class Origin(NamedTuple):
    """remote: the client's address. secure: it spoke TLS; tls_version: which, as in ``1.3``, where known."""

    remote: str
    secure: bool
    tls_version: str | None


class TrustedProxies:
    """Those whose word counts. Used by one event loop."""

    def __init__(self, networks: Sequence[str]) -> None:
        """networks: CIDR."""
        self._networks: list[_Network] = [ipaddress.ip_network(text) for text in networks]
        self.trusts = lru_cache(maxsize=4096)(self._trusts) if networks else _nobody

    def __bool__(self) -> bool:
        return bool(self._networks)

    def _trusts(self, address: str) -> bool:
        try:
            found = ipaddress.ip_address(address.partition("%")[0])
        except ValueError:
            return False  # a unix socket's
        return any(found in network for network in self._networks)

    def origin(self, wire: Wire, headers: Headers) -> Origin:
        """Of one request. Right to left through X-Forwarded-For: each trusted proxy wrote the address that
        is left of its own, so the first that is nobody trusted is the client's, and what is left of that
        is what the client said itself. X-Forwarded-Proto counts as the last proxy has it.
        """
        if not self._networks or not self.trusts(wire.remote):
            return Origin(wire.remote, wire.secure, wire.tls_version)
        remote, told = wire.remote, False
        for hop in _from_the_right(headers.get_all("x-forwarded-for")):
            address = _address(hop)
            if address is None:
                break
            remote, told = address, True
            if not self.trusts(address):
                break
        schemes = _from_the_right(headers.get_all("x-forwarded-proto"))
        if schemes:
            return Origin(remote, schemes[0].lower() == "https", None)
        if told:  # how the client speaks to the proxy, it did not say
            return Origin(remote, False, None)
        return Origin(remote, wire.secure, wire.tls_version)


def _nobody(address: str) -> bool:
    return False


def _from_the_right(values: Iterable[str]) -> list[str]:
    """The elements of all lists, the last first, at most as many as are looked at."""
    elements: list[str] = []
    for value in reversed(list(values)):
        parts = value.rsplit(",", _MOST_HOPS)
        elements += [part.strip(" \t") for part in reversed(parts)]
        if len(elements) >= _MOST_HOPS:
            break
    return [element for element in elements[:_MOST_HOPS] if element]


def _address(hop: str) -> str | None:
    """An address, maybe with a port; None for what is none (``unknown``)."""
    host = hop
    if hop.startswith("["):
        host = hop[1:].partition("]")[0]
    elif hop.count(":") == 1:
        host = hop.partition(":")[0]
    try:
        return plain_address(str(ipaddress.ip_address(host)))
    except ValueError:
        return None


def plain_address(text: str) -> str:
    """An IPv4 address in IPv6's clothes, as sockets of both kinds have it, is that IPv4 address."""
    if not text.startswith(_MAPPED):
        return text
    mapped = ipaddress.IPv6Address(text).ipv4_mapped
    return text if mapped is None else str(mapped)
