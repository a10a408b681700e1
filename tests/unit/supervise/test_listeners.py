"""Listening sockets: taken ports are refused, free ones found."""

import socket

import pytest

from weka_mp.config import Address
from weka_mp.supervise.keeper import StartFailed
from weka_mp.supervise.listeners import AddressTaken, bound_address, listen, reachable


def test_a_free_port_is_found_and_then_taken() -> None:
    address = Address("127.0.0.1", 0)
    sockets = listen(address)
    bound = bound_address(address, sockets)
    assert bound.port > 0
    with pytest.raises(AddressTaken, match="taken"):
        listen(bound)
    for sock in sockets:
        assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT) == 0
        assert not sock.get_inheritable()
        sock.close()
    for sock in listen(bound):  # at once, although the port was just used
        sock.close()


def test_a_name_of_several_addresses_gets_one_port_on_all() -> None:
    sockets = listen(Address("localhost", 0))
    assert len({sock.getsockname()[1] for sock in sockets}) == 1
    for sock in sockets:
        sock.close()


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
def test_addresses_that_are_not_ours(host: str) -> None:
    with pytest.raises(StartFailed, match=host):
        listen(Address(host, 0))


def test_wildcards_are_reached_on_loopback() -> None:
    assert reachable(Address("0.0.0.0", 1)) == Address("127.0.0.1", 1)
    assert reachable(Address("::", 1)) == Address("::1", 1)
    assert reachable(Address("a", 1)) == Address("a", 1)
