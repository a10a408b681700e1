"""TLS at the endpoint: what clients get through it, and what those get who attack it."""

from __future__ import annotations

import os
import socket
import ssl
import struct
import subprocess
import threading
import time
from pathlib import Path

import pytest
from botocore.exceptions import SSLError

from tests.server.endpoint import Endpoint, running_endpoint
from tests.server.identities import allowing, running_office
from tests.server.raw_http import read_answer, signed
from tests.unit.tls.certificates import (
    bundle_of,
    connected,
    issue,
    self_signed_settings,
    shown,
    trusting,
)
from weka_mp.clock import SystemClock
from weka_mp.server.limits import Limits
from weka_mp.tls import KeptCertificate, PlainHttp, TlsSettings

pytestmark = pytest.mark.slow

MIB = 2**20
UNSIGNED = b"GET / HTTP/1.1\r\nHost: s3.example\r\n\r\n"


@pytest.fixture(scope="module")
def settings(tmp_path_factory):
    return self_signed_settings(tmp_path_factory.mktemp("tls") / "state")


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory, settings):
    limits = Limits(head_seconds=1.0, idle_seconds=3.0)
    with running_endpoint(tmp_path_factory.mktemp("store"), tls=settings, limits=limits) as running:
        client = running.client(verify=bundle_of(settings))
        client.create_bucket(Bucket="bucket")
        client.put_object(Bucket="bucket", Key="big", Body=b"big" * 7 * MIB)
        yield running


@pytest.fixture(scope="module")
def client(endpoint, settings):
    return endpoint.client(verify=bundle_of(settings))


def serves(endpoint: Endpoint) -> bool:
    with connected(endpoint.port) as secured:
        secured.sendall(UNSIGNED)
        return read_answer(secured).status == 403


def is_closed(sock: socket.socket) -> bool:
    """Whether the other side has ended it, within the time-out."""
    try:
        return sock.recv(65536) == b""
    except ConnectionError:
        return True


@pytest.mark.parametrize("size", [0, 1, 16 * 1024, 16 * 1024 + 1, 256 * 1024, 256 * 1024 + 1, 21 * MIB + 7])
def test_every_byte_comes_through(client, size):
    body = os.urandom(size)
    client.put_object(Bucket="bucket", Key="bytes", Body=body)
    assert client.get_object(Bucket="bucket", Key="bytes")["Body"].read() == body
    if size > 100:
        found = client.get_object(Bucket="bucket", Key="bytes", Range=f"bytes=99-{size - 2}")
        assert found["Body"].read() == body[99:-1]


def test_uploads_in_parts(client, tmp_path):
    body = os.urandom(MIB) * 18
    (tmp_path / "source").write_bytes(body)
    client.upload_file(str(tmp_path / "source"), "bucket", "parts")
    client.download_file("bucket", "parts", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == body


def test_a_reader_that_stops_and_goes_on_gets_every_byte(endpoint):
    """The socket is full in the middle of records: what OpenSSL could not send is handed over again."""
    with socket.socket() as plain:
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        plain.settimeout(20)
        plain.connect(("127.0.0.1", endpoint.port))
        with trusting().wrap_socket(plain, server_hostname="localhost") as secured:
            secured.sendall(signed("GET", "/bucket/big"))
            data = bytearray()
            while len(data) < 21 * MIB:
                piece = secured.recv(MIB)
                assert piece
                data += piece
                if len(data) % 97 == 0:
                    time.sleep(0.005)
            body = data.partition(b"\r\n\r\n")[2]
            while len(body) < 21 * MIB:
                body += secured.recv(MIB)
    assert bytes(body) == b"big" * 7 * MIB


def test_a_client_that_does_not_know_the_certificate_goes_no_further(endpoint):
    with pytest.raises(SSLError):
        endpoint.client(verify=True).list_buckets()


def test_requests_come_in_any_pieces(endpoint):
    with connected(endpoint.port) as secured:
        buffer = bytearray()
        request = signed("PUT", "/bucket/pieces", b"hello")
        for at in range(0, len(request), 7):
            secured.sendall(request[at:at + 7])  # a record of its own
        assert read_answer(secured, buffer).status == 200
        secured.sendall(signed("GET", "/bucket/pieces") * 30)  # pipelined, in one record
        assert [read_answer(secured, buffer).body for _ in range(30)] == [b"hello"] * 30


# ---- which TLS


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_versions(endpoint, version):
    only = ssl.TLSVersion[version]
    with connected(endpoint.port, trusting(minimum_version=only, maximum_version=only)) as secured:
        assert secured.version() == version.replace("_", ".")
        name, _, bits = secured.cipher()
        assert bits >= 128 and ("GCM" in name or "CHACHA20" in name)


def _s_client(endpoint: Endpoint, *words: str, said: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        ["openssl", "s_client", "-connect", f"127.0.0.1:{endpoint.port}", *words], input=said,
        capture_output=True, timeout=30, check=False,
    )


@pytest.mark.parametrize("words", [
    ["-tls1_1", "-cipher", "ALL:@SECLEVEL=0"],
    ["-tls1", "-cipher", "ALL:@SECLEVEL=0"],
    ["-tls1_2", "-cipher", "AES128-GCM-SHA256:AES256-SHA:@SECLEVEL=0"],  # no forward secrecy
    ["-tls1_2", "-cipher", "ECDHE-ECDSA-AES128-SHA:@SECLEVEL=0"],  # not authenticated as a whole
    ["-tls1_2", "-cipher", "aNULL:eNULL:@SECLEVEL=0"],
], ids=lambda words: " ".join(words))
def test_nothing_weaker_is_agreed_to(endpoint, words):
    done = _s_client(endpoint, *words)
    assert done.returncode != 0 and b"Cipher is (NONE)" in done.stdout, done.stdout
    assert serves(endpoint)


def test_a_downgrade_is_noticed(endpoint):
    """A client that fell back says so (RFC 7507): here nobody needs to."""
    done = _s_client(endpoint, "-tls1_2", "-fallback_scsv")
    assert b"inappropriate fallback" in done.stderr


def test_renegotiation_is_refused(endpoint):
    done = _s_client(endpoint, "-tls1_2", said=b"R\n")
    assert b"no renegotiation" in done.stderr or b"NO_RENEGOTIATION" in done.stderr.upper(), done.stderr
    assert serves(endpoint)


@pytest.mark.parametrize("command", [b"k\n", b"K\n"])
def test_key_updates_are_followed(endpoint, command):
    """A client may change its keys at any time (RFC 8446, 4.6.3), and ask (K) that we change ours."""
    process = subprocess.Popen(
        ["openssl", "s_client", "-tls1_3", "-connect", f"127.0.0.1:{endpoint.port}"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )
    with process:
        said = b""
        for line, awaited in ((command, b"KEYUPDATE"), (b"GET / HTTP/1.0\r\n\r\n", b"</Error>")):
            process.stdin.write(line)
            process.stdin.flush()
            while awaited not in said:
                data = process.stdout.read1(65536)
                assert data, said
                said += data
        assert b"HTTP/1.1 403" in said
        process.terminate()


# ---- those who do not finish, or do not mean it


@pytest.mark.parametrize("begin", [b"", b"\x16", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"])
def test_a_handshake_that_never_ends_is_cut_off_and_counts_meanwhile(endpoint, begin):
    before = endpoint.metrics.accepted
    with endpoint.connect() as sock:
        sock.sendall(begin)
        began = time.monotonic()
        while endpoint.metrics.accepted == before:
            assert time.monotonic() - began < 10
            time.sleep(0.01)
        assert endpoint.metrics.connections >= 1
        assert is_closed(sock)
        assert time.monotonic() - began < 8
    assert serves(endpoint)


def test_handshakes_that_never_end_take_no_more_room_than_others(tmp_path, settings):
    limits = Limits(connections_per_address=3, head_seconds=2.0, idle_seconds=2.0)
    with running_endpoint(tmp_path, tls=settings, limits=limits) as endpoint:
        held = [endpoint.connect() for _ in range(3)]
        try:
            for sock in held:
                sock.sendall(b"\x16\x03")
            deadline = time.monotonic() + 10
            while endpoint.metrics.accepted < 3 and time.monotonic() < deadline:
                time.sleep(0.01)
            with connected(endpoint.port) as secured:  # told so over TLS, as its client expects
                secured.sendall(UNSIGNED)
                assert read_answer(secured).code == "SlowDown"
        finally:
            for sock in held:
                sock.close()


GARBAGE = [
    b"\x16" + bytes(range(256)) * 70,
    b"\x16\x03\x01\xff\xff" + b"\0" * 70_000,
    b"\x16\x03\x03\x00\x04\x01\x00\x00\x00",
    b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10",  # SSLv2
    b"\x17\x03\x03\x00\x10" + bytes(16),  # data before a handshake
    b"\x15\x03\x03\x00\x02\x02\x28",  # an alert
    b"\0" * 1000,
]


@pytest.mark.parametrize("wire", GARBAGE, ids=range(len(GARBAGE)))
def test_garbage_ends_its_own_connection_alone(endpoint, wire, caplog):
    with endpoint.connect() as sock:
        try:
            sock.sendall(wire)
            while sock.recv(65536):
                pass
        except ConnectionError:
            pass  # it may be reset before all was sent
    assert serves(endpoint)
    assert not [record for record in caplog.records if record.levelname == "ERROR"]


def test_truncated_handshakes(endpoint, caplog):
    """A real ClientHello, cut at every place that matters, by an end and by a reset."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    hello = trusting().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        hello.do_handshake()
    wire = outgoing.read()
    for size in (1, 5, 9, 40, len(wire) // 2, len(wire) - 1, len(wire)):
        for reset in (False, True):
            with endpoint.connect() as sock:
                sock.sendall(wire[:size])
                if reset:
                    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    assert serves(endpoint)
    assert not [record for record in caplog.records if record.levelname in ("ERROR", "WARNING")]


def test_a_changed_record_ends_the_connection(endpoint):
    with endpoint.connect() as sock:
        context = trusting()
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = context.wrap_bio(incoming, outgoing, server_hostname="localhost")
        while True:
            try:
                client.do_handshake()
                break
            except ssl.SSLWantReadError:
                sock.sendall(outgoing.read())
                incoming.write(sock.recv(65536))
        sock.sendall(outgoing.read())
        client.write(UNSIGNED)
        record = bytearray(outgoing.read())
        record[-1] ^= 1
        sock.sendall(record)
        answer = b""
        while data := _rest(sock):
            answer += data
        incoming.write(answer)
        with pytest.raises(ssl.SSLError):
            while client.read(65536):
                raise AssertionError("it answered a forged request")
    assert serves(endpoint)


def _rest(sock: socket.socket) -> bytes:
    try:
        return sock.recv(65536)
    except ConnectionError:
        return b""


def test_an_upload_that_ends_without_close_notify_is_no_upload(endpoint, client):
    """Truncation by whoever sits between: the length says that something is missing."""
    for say_goodbye in (False, True):
        with connected(endpoint.port) as secured:
            secured.sendall(signed("PUT", "/bucket/cut", b"x" * 300_000)[:-1])
            if say_goodbye:
                secured.setblocking(False)
                with pytest.raises(ssl.SSLWantReadError):
                    secured.unwrap()
            else:
                socket.socket.shutdown(secured, socket.SHUT_WR)
            deadline = time.monotonic() + 10
            while endpoint.metrics.requests["PutObject", 400] < 1 + say_goodbye:
                assert time.monotonic() < deadline
                time.sleep(0.01)
    assert "Contents" not in client.list_objects_v2(Bucket="bucket", Prefix="cut")


def test_the_end_is_said(endpoint):
    """An answer that ends with its connection ends with close_notify: nobody can cut it unnoticed."""
    with connected(endpoint.port) as secured:
        secured.sendall(b"GET / HTTP/1.0\r\n\r\n")
        while secured.recv(65536):  # SSLEOFError if nothing was said
            pass


def test_a_refused_upload_is_told_why(endpoint):
    """Its body still comes while the answer goes: a reset would take the answer with it."""
    body = b"x" * (8 * MIB)
    head = signed("PUT", "/bucket/refused", body, secret="wrong")[:-len(body)]
    with connected(endpoint.port) as secured:
        secured.sendall(head)
        try:
            for at in range(0, len(body), MIB):
                secured.sendall(body[at:at + MIB])
        except (ConnectionError, ssl.SSLError):
            pass  # refused in the middle
        assert read_answer(secured).code == "SignatureDoesNotMatch"


# ---- plain HTTP on this port


def test_plain_http_is_told_so(endpoint):
    with endpoint.connect() as sock:
        sock.sendall(signed("PUT", "/bucket/plain", b"secret"))
        answer = read_answer(sock)
        assert (answer.status, answer.code) == (400, "BadRequest") and b"https" in answer.body
        assert answer.headers["connection"] == "close"
    assert not (endpoint.root / "bucket" / "plain").exists()


@pytest.mark.parametrize(("request_", "where"), [
    (b"GET /b/k%20a?x=1&y HTTP/1.1\r\nHost: s3.example:9000\r\n\r\n", "https://s3.example:9000/b/k%20a?x=1&y"),
    (b"PUT / HTTP/1.1\r\nHost: [::1]:9000\r\nContent-Length: 1\r\n\r\nx", "https://[::1]:9000/"),
    (b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n", None),
    (b"GET / HTTP/1.1\r\nHost: user@evil.example\r\n\r\n", None),
    (b"GET / HTTP/1.0\r\n\r\n", None),
])
def test_plain_http_is_sent_on(tmp_path, request_, where):
    settings = self_signed_settings(tmp_path / "state", plain=PlainHttp.REDIRECT)
    (tmp_path / "store").mkdir()
    with running_endpoint(tmp_path / "store", tls=settings) as endpoint, endpoint.connect() as sock:
        sock.sendall(request_)
        answer = read_answer(sock)
        assert (answer.status, answer.headers.get("location")) == (307 if where else 400, where)


def test_plain_http_is_refused_without_a_word(tmp_path):
    settings = self_signed_settings(tmp_path / "state", plain=PlainHttp.REFUSE)
    (tmp_path / "store").mkdir()
    with running_endpoint(tmp_path / "store", tls=settings) as endpoint:
        with endpoint.connect() as sock:
            sock.sendall(UNSIGNED)
            assert is_closed(sock)
        assert serves(endpoint)


# ---- certificates


def test_another_certificate_for_new_connections_and_none_is_dropped(tmp_path):
    settings = self_signed_settings(tmp_path / "state")
    (tmp_path / "store").mkdir()
    kept = KeptCertificate(settings.directory, SystemClock())
    with running_endpoint(tmp_path / "store", tls=settings) as endpoint, connected(endpoint.port) as before:
        own = shown(endpoint.port)
        given = issue("localhost", "127.0.0.1")
        kept.set(given.pem, Path(given.write(tmp_path, "given")[1]).read_text())
        assert shown(endpoint.port) == given.certificate
        before.sendall(UNSIGNED)
        assert read_answer(before).status == 403
        kept.unset()
        assert shown(endpoint.port) == own
        before.sendall(UNSIGNED)
        assert read_answer(before).status == 403


def test_files_that_are_replaced_are_taken_and_bad_ones_are_not(tmp_path, caplog):
    first, second = issue("localhost"), issue("localhost")
    certificate, key = first.write(tmp_path, "server")
    (tmp_path / "store").mkdir()
    settings = TlsSettings(str(tmp_path), ((certificate, key),))
    with running_endpoint(tmp_path / "store", tls=settings) as endpoint:
        Path(certificate).write_text("half a certifi")
        assert shown(endpoint.port) == first.certificate
        Path(certificate).write_text(second.pem)  # and still the first one's key
        assert shown(endpoint.port) == first.certificate
        second.write(tmp_path, "server")
        assert shown(endpoint.port) == second.certificate
        Path(key).unlink()
        assert shown(endpoint.port) == second.certificate
    told = [record.getMessage() for record in caplog.records if "keeps its former" in record.getMessage()]
    assert len(told) == 3 and not any("PRIVATE" in text for text in told)


def test_clients_get_the_certificate_they_ask_for(tmp_path):
    pairs = [
        issue("first.example", "localhost"), issue("second.example", "*.s3.example"),
    ]
    files = tuple(each.write(tmp_path, str(number)) for number, each in enumerate(pairs))
    (tmp_path / "store").mkdir()
    with running_endpoint(tmp_path / "store", tls=TlsSettings(str(tmp_path), files)) as endpoint:
        for name, wanted in (
            ("first.example", 0), ("second.example", 1), ("SECOND.example", 1), ("bucket.s3.example", 1),
            ("a.b.s3.example", 0), ("unknown.example", 0), ("s3.example", 0),
        ):
            assert shown(endpoint.port, name) == pairs[wanted].certificate, name


@pytest.mark.parametrize("version", ["TLSv1_2", "TLSv1_3"])
def test_clients_must_show_a_certificate(tmp_path, version):
    authority, stranger = issue("ours", authority=True), issue("theirs", authority=True)
    (tmp_path / "ca.pem").write_text(authority.pem)
    (tmp_path / "store").mkdir()
    settings = self_signed_settings(tmp_path / "state", client_ca=str(tmp_path / "ca.pem"))
    only = ssl.TLSVersion[version]

    def status(*pair: str) -> int:
        context = trusting(minimum_version=only, maximum_version=only)
        if pair:
            context.load_cert_chain(*pair)
        with connected(endpoint.port, context) as secured:
            secured.sendall(UNSIGNED)
            return read_answer(secured).status

    with running_endpoint(tmp_path / "store", tls=settings) as endpoint:
        assert status(*issue("client", by=authority).write(tmp_path, "client")) == 403
        for bad in (
            (), issue("client", by=stranger).write(tmp_path, "stranger"),
            issue("client").write(tmp_path, "own"),
            issue("client", by=authority, days=-1).write(tmp_path, "expired"),
        ):
            with pytest.raises((ssl.SSLError, ConnectionError)):
                status(*bad)
    assert endpoint.metrics.handshakes_failed == 4


# ---- what policies see


def test_conditions_on_transport(tmp_path, settings):
    (tmp_path / "store").mkdir()
    with running_office(tmp_path / "store", tls=settings) as office:
        root = office.endpoint.client(verify=bundle_of(settings))
        root.create_bucket(Bucket="bucket")
        root.put_object(Bucket="bucket", Key="k", Body=b"body")
        cases = {
            "secure": ({"Bool": {"aws:SecureTransport": "true"}}, True),
            "insecure": ({"Bool": {"aws:SecureTransport": "false"}}, False),
            "modern": ({"NumericGreaterThanEquals": {"s3:TlsVersion": "1.2"}}, True),
            "tomorrow": ({"NumericGreaterThan": {"s3:TlsVersion": "1.3"}}, False),
            "named": ({"Null": {"s3:TlsVersion": "false"}}, True),
        }
        for name, (condition, allowed) in cases.items():
            office.user(name, allowing("s3:GetObject", "bucket/*", **condition))
            mine = office.endpoint.client(
                access_key=name, secret_key="Correct-Horse-9", verify=bundle_of(settings)
            )
            if allowed:
                assert mine.get_object(Bucket="bucket", Key="k")["Body"].read() == b"body", name
            else:
                with pytest.raises(mine.exceptions.ClientError, match="AccessDenied"):
                    mine.get_object(Bucket="bucket", Key="k")


def test_many_at_once(endpoint, settings):
    """Threads encrypt large answers while the loop serves small ones."""
    failures: list[BaseException] = []
    bundle = bundle_of(settings)

    def work(number: int) -> None:
        try:
            client = endpoint.client(verify=bundle)
            for turn in range(4):
                key, body = f"many-{number}", os.urandom(500_000 if number % 2 else 500)
                client.put_object(Bucket="bucket", Key=key, Body=body)
                assert client.get_object(Bucket="bucket", Key=key)["Body"].read() == body, turn
            assert client.get_object(Bucket="bucket", Key="big")["Body"].read() == b"big" * 7 * MIB
        except BaseException as error:  # noqa: BLE001 - shown by the test
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not failures, failures


def test_a_stopping_server_does_not_wait_for_handshakes(tmp_path, settings):
    with running_endpoint(tmp_path, tls=settings) as endpoint, endpoint.connect() as sock:
        sock.sendall(b"\x16\x03\x01")
        deadline = time.monotonic() + 10
        while not endpoint.metrics.accepted and time.monotonic() < deadline:
            time.sleep(0.01)
        began = time.monotonic()
        endpoint.stop()
        assert is_closed(sock)
        assert time.monotonic() - began < 5
