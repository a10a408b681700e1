"""Behind nginx and HAProxy: what clients do works as without them, and no request comes through that they
did not mean."""

from __future__ import annotations

import hashlib
import os
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from functools import partial
from itertools import islice

import pytest

from tests.server.ambiguous_bodies import MALFORMED, WELL_FORMED
from tests.server.ambiguous_heads import REFUSED
from tests.server.endpoint import ACCESS_KEY, SECRET_KEY, running_endpoint
from tests.server.proxies import PROXIES, running_proxy
from tests.server.raw_http import answers, presigned, read_answer, signed, upload_in_chunks

pytestmark = pytest.mark.clients

MIB = 2**20
KEYS = [
    "plain", "a b+c%d", "ü/ß", "a//b", "/slash first", "a%2Fb", "dots/../up", "a?b#c&d=e", "x:y@z;w",
    "~'()*!$",
]


@pytest.fixture(scope="module")
def endpoint(tmp_path_factory):
    with running_endpoint(tmp_path_factory.mktemp("store"), domains=("s3.localhost",)) as running:
        client = running.client()
        for bucket in ("bucket", "dotted.bucket.v1"):
            client.create_bucket(Bucket=bucket)
        yield running


@pytest.fixture(scope="module", params=PROXIES)
def port(request, endpoint):
    with running_proxy(request.param, endpoint.port) as listening:
        yield listening


@pytest.fixture(scope="module")
def client(endpoint, port):
    return endpoint.client(endpoint_url=f"http://127.0.0.1:{port}")


@pytest.mark.parametrize("bucket", ["bucket", "dotted.bucket.v1"])
@pytest.mark.parametrize("key", KEYS)
def test_a_key_is_the_same_on_both_sides(endpoint, client, bucket, key):
    body = os.urandom(1000)
    client.put_object(Bucket=bucket, Key=key, Body=body, Metadata={"a": "b"})
    direct = endpoint.client()
    assert direct.get_object(Bucket=bucket, Key=key)["Body"].read() == body
    found = client.get_object(Bucket=bucket, Key=key, Range="bytes=10-19")
    assert (found["Body"].read(), found["Metadata"]) == (body[10:20], {"a": "b"})
    assert [item["Key"] for item in client.list_objects_v2(Bucket=bucket, Prefix=key)["Contents"]] == [key]
    client.delete_object(Bucket=bucket, Key=key)
    assert "Contents" not in direct.list_objects_v2(Bucket=bucket, Prefix=key)


def test_parts_and_large_bodies(client, tmp_path):
    body = os.urandom(MIB) * 20
    (tmp_path / "source").write_bytes(body)
    client.upload_file(str(tmp_path / "source"), "bucket", "parts")
    digests = b"".join(hashlib.md5(body[at:at + 8 * MIB]).digest() for at in range(0, len(body), 8 * MIB))
    tag = f'"{hashlib.md5(digests).hexdigest()}-3"'
    assert client.head_object(Bucket="bucket", Key="parts")["ETag"] == tag
    client.download_file("bucket", "parts", str(tmp_path / "back"))
    assert (tmp_path / "back").read_bytes() == body
    client.put_object(Bucket="bucket", Key="whole", Body=body)
    assert client.get_object(Bucket="bucket", Key="whole")["Body"].read() == body


@pytest.mark.parametrize("version", ["s3v4", "s3"])
def test_presigned_addresses(endpoint, port, client, version):
    client.put_object(Bucket="dotted.bucket.v1", Key="a b//%2F", Body=b"found")
    url = presigned(
        endpoint, "get_object", {"Bucket": "dotted.bucket.v1", "Key": "a b//%2F"},
        endpoint_url=f"http://127.0.0.1:{port}", signature_version=version,
    )
    with urllib.request.urlopen(url, timeout=30) as answer:
        assert answer.read() == b"found"


def test_virtual_hosts(port):
    with socket.create_connection(("127.0.0.1", port), 30) as sock:
        buffer = bytearray()
        for host in ("bucket.s3.localhost", "dotted.bucket.v1.s3.localhost", f"bucket.s3.localhost:{port}"):
            sock.sendall(signed("PUT", "/virtual%2Fkey", b"virtual", host=host))
            assert read_answer(sock, buffer).status == 200
            sock.sendall(signed("GET", "/virtual/key", host=host))
            assert read_answer(sock, buffer).body == b"virtual"


def test_continue_is_asked_for_and_refused(port):
    """Whoever of the two sends the 100; after a final answer in its place nothing is taken for a body."""
    start = signed("PUT", "/bucket/expected", b"hello", headers={"Expect": "100-continue"})[:-5]
    with socket.create_connection(("127.0.0.1", port), 30) as sock:
        buffer = bytearray()
        sock.sendall(start)
        assert read_answer(sock, buffer).status == 100
        sock.sendall(b"hello")
        while (answer := read_answer(sock, buffer)).status == 100:
            pass
        assert answer.status == 200
        sock.sendall(signed("GET", "/bucket/expected"))
        assert read_answer(sock, buffer).body == b"hello"
    refused = signed("PUT", "/bucket/k", b"hello", headers={"Expect": "100-continue"}, secret="wrong")
    found = answers(port, refused + signed("GET", "/bucket/expected"))
    assert next(answer.status for answer in found if answer.status != 100) == 403


def test_the_command_line(port, tmp_path):
    source, back = tmp_path / "source", tmp_path / "back"
    for name, size in (("a.txt", 10), ("d/b.bin", 100_000), ("d/empty", 0), ("big.bin", 9_000_000)):
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_bytes(os.urandom(size))
    environment = {
        **os.environ, "AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_DEFAULT_REGION": "us-east-1", "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
    }
    for words in ([str(source), "s3://bucket/tree"], ["s3://bucket/tree", str(back)]):
        subprocess.run(
            [sys.executable, "-m", "awscli", "s3", "sync", *words], env=environment, check=True,
            stdout=subprocess.DEVNULL, timeout=110)
    assert subprocess.run(["diff", "-r", source, back], check=False).returncode == 0


def test_a_stream_of_unknown_length(port):
    """aws-chunked in chunks; the proxy may frame it anew."""
    for body in islice(WELL_FORMED.values(), 3):
        found = answers(port, upload_in_chunks("/bucket/stream", body))
        found += answers(port, signed("GET", "/bucket/stream"))
        assert [(answer.status, answer.body) for answer in found] == [(200, b""), (200, b"hello")]


def ambiguous() -> Iterator[tuple[str, Callable[[], bytes]]]:
    """What is before a hidden request; signed when it is sent, since a signature is good for 15 minutes."""
    for name, wire in REFUSED.items():
        for between in (b"", b"0\r\n\r\n", b"hello"):
            yield f"{name}, {between!r}", partial(bytes, wire + between)
    for name, body in MALFORMED.items():
        yield name, partial(upload_in_chunks, "/bucket/stream", body)


@pytest.mark.parametrize("every", [4, pytest.param(1, marks=pytest.mark.soak)])
def test_what_we_see_is_what_the_proxy_meant(endpoint, port, every):
    """A proxy that made out the hidden request answers for it; else nobody may have executed it."""
    smuggled = endpoint.root / "bucket" / "smuggled"
    for name, before in islice(ambiguous(), 0, None, every):
        found = answers(port, before() + signed("PUT", "/bucket/smuggled", b"evil"))
        assert all(answer.status < 500 or answer.status in (501, 505) for answer in found), name
        assert [answer.status for answer in answers(port, signed("GET", "/bucket/none"))] == [404], name
        if smuggled.exists():
            assert len(found) > 1, name
            smuggled.unlink()
