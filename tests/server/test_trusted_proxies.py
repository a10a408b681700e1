"""Whose address counts behind proxies: what policies, limits and the log see, and what nobody can forge."""

from __future__ import annotations

import contextlib
import logging
import socket
import time

import pytest

from tests.server.endpoint import Endpoint, running_endpoint
from tests.server.identities import PASSWORD, allowing, running_office
from tests.server.proxies import running_proxy
from tests.server.raw_http import Answer, read_answer, signed
from tests.unit.server.proxy_headers import tls, v2
from tests.unit.tls.certificates import self_signed_settings, trusting
from weka_mp.server.limits import Limits

pytestmark = pytest.mark.slow

HERE = "127.0.0.1/32"
CLIENT = "203.0.113.9"
V1 = b"PROXY TCP4 203.0.113.9 127.0.0.1 4711 9000\r\n"
GET = b"GET / HTTP/1.1\r\nHost: s3.example\r\n\r\n"


@pytest.fixture(scope="module")
def trusting_endpoint(tmp_path_factory):
    limits = Limits(connections_per_address=3, head_seconds=1.0)
    top = tmp_path_factory.mktemp("trusting")
    with running_endpoint(top, trusted_proxies=(HERE,), limits=limits) as running:
        yield running


@pytest.fixture(scope="module")
def distrustful_endpoint(tmp_path_factory):
    with running_endpoint(tmp_path_factory.mktemp("distrustful"), trusted_proxies=("10.0.0.0/8",)) as running:
        yield running


@pytest.fixture
def seen(caplog, trusting_endpoint, distrustful_endpoint):
    """The addresses that the access log has, once it has so many: it is written behind the answer."""
    deadline = time.monotonic() + 10
    while trusting_endpoint.metrics.connections or distrustful_endpoint.metrics.connections:
        assert time.monotonic() < deadline  # those of the test before
        time.sleep(0.01)
    caplog.set_level(logging.INFO, "weka_mp.access")

    def addresses(count: int) -> list[str]:
        until = time.monotonic() + 10
        while True:
            found = [record.fields["remote"] for record in caplog.records if record.name == "weka_mp.access"]
            if len(found) >= count or time.monotonic() > until:
                return found
            time.sleep(0.01)

    return addresses


def ask(endpoint: Endpoint, wire: bytes) -> Answer:
    with endpoint.connect() as sock:
        sock.sendall(wire)
        return read_answer(sock)


def with_headers(**headers: str) -> bytes:
    """A good request with headers that its signature does not cover."""
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    start, end, rest = signed("GET", "/").partition(b"\r\n")
    return start + end + lines.encode() + rest


@pytest.mark.parametrize("header", [V1, v2(CLIENT), v2(CLIENT, (0x04, bytes(200)), tls(1))])
def test_the_client_is_whom_the_header_names(trusting_endpoint, seen, header):
    assert ask(trusting_endpoint, header + signed("GET", "/")).status == 200
    assert seen(1) == [CLIENT]


@pytest.mark.parametrize("header", [v2(CLIENT, command=0x20), b"PROXY UNKNOWN\r\n", b""])
def test_a_proxy_may_speak_for_itself(trusting_endpoint, seen, header):
    assert ask(trusting_endpoint, header + GET).status == 403
    assert seen(1) == ["127.0.0.1"]


@pytest.mark.parametrize("header", [V1, v2(CLIENT)])
def test_the_header_comes_in_any_pieces(trusting_endpoint, seen, header):
    with trusting_endpoint.connect() as sock:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for at in range(len(header)):
            sock.sendall(header[at:at + 1])
            time.sleep(0.002)
        sock.sendall(GET)
        assert read_answer(sock).status == 403
    assert seen(1) == [CLIENT]


@pytest.mark.parametrize("wire", [
    b"PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n" + GET, b"PROXY " + b"x" * 200,
    v2(CLIENT)[:12] + b"\x11" + v2(CLIENT)[13:],
    v2(CLIENT)[:14] + b"\xff\xff" + bytes(100), v2(CLIENT)[:20],
])
def test_malformed_headers_end_the_connection(trusting_endpoint, wire):
    with trusting_endpoint.connect() as sock:
        sock.sendall(wire)
        with contextlib.suppress(ConnectionResetError):  # what was left unread is thrown away
            assert sock.recv(65536) == b""


@pytest.mark.parametrize("begin", [b"PRO", b"\r\n\r\n", V1[:-1], v2(CLIENT)[:-1]])
def test_a_header_that_never_ends_is_cut_off(trusting_endpoint, begin):
    with trusting_endpoint.connect() as sock:
        sock.sendall(begin)
        began = time.monotonic()
        with contextlib.suppress(ConnectionResetError):  # what was looked at is still unread
            assert sock.recv(65536) == b""
        assert time.monotonic() - began < 8


@pytest.mark.parametrize("header", [V1, v2(CLIENT), v2("127.0.0.1", tls(1))])
def test_spoofing_a_header_is_an_error_for_all_others(distrustful_endpoint, seen, header):
    assert ask(distrustful_endpoint, header + signed("GET", "/")).status == 400
    assert seen(1) == ["127.0.0.1"]


def test_spoofing_forwarded_headers_changes_nothing(distrustful_endpoint, seen):
    wire = with_headers(X_Forwarded_For="10.0.0.1", X_Forwarded_Proto="https", X_Real_IP="10.0.0.1")
    assert ask(distrustful_endpoint, wire).status == 200
    assert seen(1) == ["127.0.0.1"]


def test_whom_a_proxy_speaks_for_is_no_proxy(trusting_endpoint, seen):
    """The client behind a PROXY header writes its own X-Forwarded-For: nobody asked it."""
    wire = v2(CLIENT) + with_headers(X_Forwarded_For="198.51.100.1", X_Forwarded_Proto="https")
    assert ask(trusting_endpoint, wire).status == 200
    assert seen(1) == [CLIENT]


def test_a_second_header_is_no_header(trusting_endpoint):
    assert ask(trusting_endpoint, v2(CLIENT) + v2("198.51.100.1") + GET).status == 400


def test_each_request_has_its_own_client(trusting_endpoint, seen):
    with trusting_endpoint.connect() as sock:
        buffer = bytearray()
        for address in (CLIENT, "198.51.100.1", "2001:db8::9"):
            sock.sendall(with_headers(X_Forwarded_For=f"6.6.6.6, {address}"))
            assert read_answer(sock, buffer).status == 200
    assert seen(3) == [CLIENT, "198.51.100.1", "2001:db8::9"]


def test_connections_count_for_the_client_not_for_the_proxy(trusting_endpoint):
    """Three from one address are allowed, and the proxy's own many are not looked at."""
    held = []
    try:
        for header in [v2(CLIENT)] * 3 + [v2("198.51.100.1")] + [b""] * 4:
            held.append(trusting_endpoint.connect())
            held[-1].sendall(header + GET)
            assert read_answer(held[-1]).status == 403
        assert ask(trusting_endpoint, v2(CLIENT) + GET).code == "SlowDown"
        held.pop(0).close()
        deadline = time.monotonic() + 10
        while ask(trusting_endpoint, v2(CLIENT) + GET).status == 503:  # it is released when its task ends
            assert time.monotonic() < deadline
    finally:
        for sock in held:
            sock.close()


def test_policies_ask_about_the_client(tmp_path):
    (tmp_path / "store").mkdir()
    with running_office(tmp_path / "store", trusted_proxies=(HERE,)) as office:
        office.endpoint.client().create_bucket(Bucket="bucket")
        office.user("ann", allowing("s3:ListBucket", "bucket", IpAddress={"aws:SourceIp": f"{CLIENT}/32"}))
        office.user("bob", allowing("s3:ListBucket", "bucket", Bool={"aws:SecureTransport": "true"}))
        modern = {"NumericGreaterThanEquals": {"s3:TlsVersion": "1.3"}}
        office.user("eve", allowing("s3:ListBucket", "bucket", **modern))

        def status(user: str, header: bytes = b"", **headers: str) -> int:
            wire = signed(
                "GET", "/bucket", access_key=user, secret=PASSWORD,
                headers={name.replace("_", "-"): value for name, value in headers.items()},
            )
            return ask(office.endpoint, header + wire).status

        assert status("ann") == 403
        assert status("ann", v2(CLIENT)) == status("ann", V1) == 200
        assert status("ann", v2("203.0.113.10")) == 403
        assert status("ann", X_Forwarded_For=CLIENT) == 200
        assert status("ann", X_Forwarded_For=f"{CLIENT}, 198.51.100.1") == 403
        assert status("ann", v2("198.51.100.1"), X_Forwarded_For=CLIENT) == 403
        assert status("bob") == status("bob", v2(CLIENT)) == status("bob", v2(CLIENT, tls(0))) == 403
        assert status("bob", v2(CLIENT, tls(1))) == status("bob", X_Forwarded_Proto="https") == 200
        assert status("bob", X_Forwarded_Proto="https, http") == 403
        assert status("eve", v2(CLIENT, tls(1, b"TLSv1.2"))) == 403
        assert status("eve", v2(CLIENT, tls(1))) == 200
        assert status("eve", X_Forwarded_Proto="https") == 403  # it did not say which


def test_a_header_before_the_handshake(tmp_path, seen):
    settings = self_signed_settings(tmp_path / "state")
    (tmp_path / "store").mkdir()
    with running_endpoint(tmp_path / "store", tls=settings, trusted_proxies=(HERE,)) as endpoint:
        for header in (V1, v2(CLIENT), b""):
            with endpoint.connect() as plain:
                plain.sendall(header)
                with trusting().wrap_socket(plain, server_hostname="localhost") as secured:
                    secured.sendall(signed("GET", "/"))
                    assert read_answer(secured).status == 200
        assert ask(endpoint, v2(CLIENT) + GET).code == "BadRequest"
    assert seen(4) == [CLIENT, CLIENT, "127.0.0.1", CLIENT]


@pytest.mark.clients
@pytest.mark.parametrize(("name", "told"), [
    ("nginx", "X-Forwarded-For"), ("haproxy", "X-Forwarded-For"), ("haproxy", "send-proxy"),
    ("haproxy", "send-proxy-v2"),
])
def test_real_proxies(trusting_endpoint, seen, name, told):
    """Their client is 127.0.0.2 here; what it says of itself does not come through."""
    with running_proxy(name, trusting_endpoint.port, told=told) as port:
        with socket.create_connection(("127.0.0.1", port), 20, source_address=("127.0.0.2", 0)) as sock:
            buffer = bytearray()
            for forged in ("6.6.6.6", "127.0.0.1"):
                sock.sendall(with_headers(X_Forwarded_For=forged, X_Forwarded_Proto="https"))
                assert read_answer(sock, buffer).status == 200
        for _ in range(2):
            with socket.create_connection(("127.0.0.1", port), 20, source_address=("127.0.0.3", 0)) as sock:
                sock.sendall(V1 + GET)
                assert read_answer(sock).status == 400
    found = seen(2)
    assert found[:2] == ["127.0.0.2"] * 2 and set(found[2:]) <= {"127.0.0.3"}


@pytest.mark.clients
def test_a_proxy_that_speaks_tls_to_us_and_to_its_client(tmp_path, seen):
    """HAProxy with send-proxy-v2 before its own handshake."""
    settings = self_signed_settings(tmp_path / "state")
    (tmp_path / "store").mkdir()
    with (
        running_endpoint(tmp_path / "store", tls=settings, trusted_proxies=(HERE,)) as endpoint,
        running_proxy("haproxy", endpoint.port, told="send-proxy-v2 ssl verify none") as port,
        socket.create_connection(("127.0.0.1", port), 20, source_address=("127.0.0.2", 0)) as sock,
    ):
        sock.sendall(signed("GET", "/"))
        assert read_answer(sock).status == 200
    assert seen(1) == ["127.0.0.2"]
