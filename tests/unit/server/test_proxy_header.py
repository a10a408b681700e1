"""What a proxy says of its client, byte by byte."""

from __future__ import annotations

import socket
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.server.proxy_headers import tls, v2
from weka_mp.server.proxy_header import SIGNATURE, MalformedHeader, Told, read_v1, read_v2, v2_length


def told(header: bytes) -> Told:
    assert v2_length(header[:16]) == len(header) - 16
    return read_v2(header[:16], header[16:])


@pytest.mark.parametrize(("header", "wanted"), [
    (v2(), Told("192.0.2.7")),
    (v2("2001:db8::7"), Told("2001:db8::7")),
    (v2("::ffff:192.0.2.7"), Told("192.0.2.7")),
    (v2("192.0.2.7", tls(1)), Told("192.0.2.7", True, "1.3")),
    (v2("192.0.2.7", (0x04, b"noop"), tls(7, b"TLSv1.2")), Told("192.0.2.7", True, "1.2")),
    (v2("192.0.2.7", tls(1, None)), Told("192.0.2.7", True)),
    (v2("192.0.2.7", tls(1, b"quic")), Told("192.0.2.7", True)),
    (v2("192.0.2.7", tls(0)), Told("192.0.2.7", False)),
    (v2(command=0x20), Told()),  # a health check of the proxy's own
    (v2(family=0x00), Told()),
    (v2(family=0x31), Told()),  # a unix socket
])
def test_version_2(header: bytes, wanted: Told) -> None:
    assert told(header) == wanted


@pytest.mark.parametrize("header", [
    v2(command=0x11), v2(command=0x22), v2("2001:db8::7", family=0x21)[:15] + b"\x08" + bytes(8),
    SIGNATURE + struct.pack(">BBH", 0x21, 0x11, 4097), v2("192.0.2.7", (0x20, b"\x01")),
    v2()[:14] + b"\0\x0d" + v2()[16:] + b"\x20", v2()[:14] + b"\0\x0f" + v2()[16:] + b"\x20\0\x09",
    b"x" + v2()[1:],
])
def test_malformed_version_2(header: bytes) -> None:
    with pytest.raises(MalformedHeader):
        read_v2(header[:16], header[16:16 + v2_length(header[:16])])


@pytest.mark.parametrize(("line", "wanted"), [
    (b"PROXY TCP4 192.0.2.7 192.0.2.1 56324 443", Told("192.0.2.7")),
    (b"PROXY TCP6 2001:db8::7 2001:db8::1 56324 443", Told("2001:db8::7")),
    (b"PROXY UNKNOWN", Told()),
    (b"PROXY UNKNOWN ffff:f...f:ffff ffff:f...f:ffff 65535 65535", Told()),
])
def test_version_1(line: bytes, wanted: Told) -> None:
    assert read_v1(line) == wanted


@pytest.mark.parametrize("line", [
    b"PROXY TCP4 192.0.2.7 192.0.2.1 56324", b"PROXY TCP4 192.0.2.7 192.0.2.1 56324 443 x",
    b"PROXY TCP4 2001:db8::7 2001:db8::1 1 2", b"PROXY TCP6 192.0.2.7 192.0.2.1 1 2",
    b"PROXY TCP4 192.0.2.777 192.0.2.1 1 2", b"PROXY TCP4 192.0.2.7 192.0.2.1 1 65536",
    b"PROXY TCP4  192.0.2.7 192.0.2.1 1 2", b"PROXY UDP4 192.0.2.7 192.0.2.1 1 2", b"PROXY ", b"PROXY",
    b"PROXY TCP4 192.0.2.7\x00 192.0.2.1 1 2",
])
def test_malformed_version_1(line: bytes) -> None:
    with pytest.raises(MalformedHeader):
        read_v1(line)


@given(st.binary(max_size=16), st.binary(max_size=60))
def test_any_bytes_are_told_or_refused(fixed: bytes, rest: bytes) -> None:
    header = (SIGNATURE + b"\x21\x11" + fixed)[:14] + struct.pack(">H", len(rest)) + rest
    try:
        found = read_v2(header[:16], header[16:16 + v2_length(header[:16])])
    except MalformedHeader:
        return
    assert found.address is None or socket.inet_pton(socket.AF_INET, found.address) == rest[:4]
