"""Whose request it is: what may be believed of headers, and what a client could only invent."""

from __future__ import annotations

import socket

import pytest

from weka_mp.s3.request import Headers
from weka_mp.server.limits import Limits
from weka_mp.server.origin import Origin, TrustedProxies, plain_address
from weka_mp.server.wire import Wire

TRUSTED = TrustedProxies(["10.0.0.0/8", "2001:db8:1::/48"])
CLIENT = "203.0.113.9"


def origin(remote: str, *headers: tuple[str, str], secure: bool = False) -> Origin:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        wire = Wire(ours, remote, Limits())
        wire.secure, wire.tls_version = secure, "1.3" if secure else None
        return TRUSTED.origin(wire, Headers(headers))


def forwarded(*values: str) -> list[tuple[str, str]]:
    return [("X-Forwarded-For", value) for value in values]


@pytest.mark.parametrize(("remote", "values", "wanted"), [
    (CLIENT, ["198.51.100.1"], CLIENT),  # nobody asked it
    (CLIENT, ["10.0.0.1"], CLIENT),
    ("10.0.0.1", [], "10.0.0.1"),
    ("10.0.0.1", [CLIENT], CLIENT),
    ("10.0.0.1", ["198.51.100.1, " + CLIENT], CLIENT),  # the left one the client said itself
    ("10.0.0.1", ["198.51.100.1", CLIENT], CLIENT),  # the same in two headers
    ("10.0.0.1", [CLIENT, "198.51.100.1"], "198.51.100.1"),
    ("10.0.0.1", ["127.0.0.1, 10.0.0.5, " + CLIENT], CLIENT),
    ("10.0.0.1", [CLIENT + ", 10.0.0.7, 10.0.0.5"], CLIENT),  # three proxies in a row
    ("10.0.0.1", ["10.0.0.9, 10.0.0.7"], "10.0.0.9"),  # a client inside
    ("10.0.0.1", [CLIENT + ":4711"], CLIENT),
    ("10.0.0.1", ["[2001:db8::9]:4711"], "2001:db8::9"),
    ("10.0.0.1", ["2001:db8::9"], "2001:db8::9"),
    ("10.0.0.1", ["::ffff:203.0.113.9"], CLIENT),
    ("10.0.0.1", ["198.51.100.1, unknown"], "10.0.0.1"),
    ("10.0.0.1", ["198.51.100.1, 203.0.113.9.evil"], "10.0.0.1"),
    ("10.0.0.1", [CLIENT + "\t,\x0b"], "10.0.0.1"),
    ("10.0.0.1", [""], "10.0.0.1"),
    ("2001:db8:1::5", [CLIENT], CLIENT),
    ("2001:db8:2::5", [CLIENT], "2001:db8:2::5"),
    ("local", [CLIENT], "local"),
])
def test_the_address_is_the_first_that_nobody_trusted_wrote(
    remote: str, values: list[str], wanted: str
) -> None:
    assert origin(remote, *forwarded(*values)).remote == wanted


def test_other_headers_say_nothing() -> None:
    names = ("X-Real-IP", "Forwarded", "X-Client-IP", "X-Forwarded-Host")
    others = [(name, "198.51.100.1") for name in names]
    assert origin("10.0.0.1", *others).remote == "10.0.0.1"


@pytest.mark.parametrize(("remote", "own", "values", "wanted"), [
    (CLIENT, False, ["https"], False),
    (CLIENT, True, ["http"], True),
    ("10.0.0.1", False, ["https"], True),
    ("10.0.0.1", False, ["HTTPS"], True),
    ("10.0.0.1", True, ["http"], False),  # it came to the proxy in the clear
    ("10.0.0.1", False, ["https, http"], False),  # the last proxy's word counts
    ("10.0.0.1", False, ["https", "http"], False),
    ("10.0.0.1", False, ["on"], False),
    ("10.0.0.1", True, [], True),
])
def test_the_scheme(remote: str, own: bool, values: list[str], wanted: bool) -> None:
    found = origin(remote, *[("X-Forwarded-Proto", value) for value in values], secure=own)
    assert found.secure is wanted
    assert found.tls_version == ("1.3" if own and (remote == CLIENT or not values) else None)


def test_who_forwards_without_saying_how_vouches_for_nothing() -> None:
    assert origin("10.0.0.1", *forwarded(CLIENT), secure=True) == Origin(CLIENT, False, None)


def test_nobody_is_trusted_unless_said() -> None:
    assert not TrustedProxies([]).trusts("127.0.0.1")


def test_a_header_of_many_hops_is_read_so_far_only() -> None:
    many = ", ".join(["198.51.100.1", *["10.0.0.1"] * 3000])
    assert origin("10.0.0.1", *forwarded(many)).remote == "10.0.0.1"


@pytest.mark.parametrize(("text", "wanted"), [
    ("::ffff:192.0.2.1", "192.0.2.1"), ("::ffff:c000:201", "192.0.2.1"), ("192.0.2.1", "192.0.2.1"),
    ("2001:db8::1", "2001:db8::1"), ("::ffff:1:2:3:4:5", "::ffff:1:2:3:4:5"), ("local", "local"),
])
def test_plain_addresses(text: str, wanted: str) -> None:
    assert plain_address(text) == wanted
