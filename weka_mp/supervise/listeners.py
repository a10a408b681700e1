"""Listening sockets, made by the supervisor and inherited by the workers.

One socket is shared by all workers, without SO_REUSEPORT: a second service on a taken port is refused by
the kernel instead of silently sharing it, and no connection is lost in the queue of a worker that dies.
"""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence

from weka_mp.config import Address
from weka_mp.supervise.keeper import StartFailed

__all__ = ["AddressTaken", "bound_address", "listen", "numeric", "reachable"]

_BACKLOG = 1024  # connections; the kernel caps it at net.core.somaxconn
_FREE_PORT_TRIES = 5


class AddressTaken(StartFailed):
    """Another program listens there."""


def listen(address: Address) -> list[socket.socket]:
    """A socket for every address that the host resolves to, all on one port.

    Raises StartFailed, AddressTaken.
    """
    try:
        found = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except OSError as error:
        raise StartFailed(f"{address}: {error.strerror}") from error
    for attempt in range(_FREE_PORT_TRIES):
        try:
            return _listen_on_all(found, address)
        except AddressTaken:  # a free port of one family may be taken in the other
            if address.port != 0 or attempt == _FREE_PORT_TRIES - 1:
                raise
    raise AssertionError("the loop returns or raises")


def _listen_on_all(found: Sequence[tuple[object, ...]], address: Address) -> list[socket.socket]:
    sockets: list[socket.socket] = []
    port = address.port
    try:
        for family, _, _, _, where in found:
            sock = _listen_on(family, where, port, only_v6=len(found) > 1)  # type: ignore[arg-type]
            if sock is not None:
                sockets.append(sock)
                port = sock.getsockname()[1]
        if not sockets:
            raise StartFailed(f"{address}: the address is not of this machine")
    except OSError as error:
        for sock in sockets:
            sock.close()
        if error.errno == errno.EADDRINUSE:
            raise AddressTaken(f"{address}: the port is taken by another program") from error
        raise StartFailed(f"{address}: {error.strerror}") from error
    return sockets


def _listen_on(family: int, where: tuple[str, int], port: int, *, only_v6: bool) -> socket.socket | None:
    """None where this machine lacks the address (say, IPv6 is off and ``localhost`` names ::1 too)."""
    try:
        sock = socket.socket(family, socket.SOCK_STREAM)
    except OSError as error:
        if error.errno == errno.EAFNOSUPPORT:
            return None
        raise
    try:
        sock.setsockopt(
            socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
        )  # past connections in TIME_WAIT do not count
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, int(only_v6))
        sock.bind((where[0], port, *where[2:]))
        sock.listen(_BACKLOG)
    except OSError as error:
        sock.close()
        if error.errno == errno.EADDRNOTAVAIL:
            return None
        raise
    return sock


def bound_address(address: Address, sockets: Sequence[socket.socket]) -> Address:
    """`address` with the port that was taken in fact."""
    return Address(address.host, sockets[0].getsockname()[1])


def numeric(address: Address) -> Address:
    """`address` with the first number of its host, for programs that take no names. Raises StartFailed."""
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise StartFailed(f"{address}: {error.strerror}") from error
    return Address(str(found[0][4][0]), address.port)


def reachable(address: Address) -> Address:
    """Where a client of this machine reaches a listener at `address`."""
    return Address({"0.0.0.0": "127.0.0.1", "::": "::1"}.get(address.host, address.host), address.port)
