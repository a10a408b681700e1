"""BUCKET.DOMAIN:PORT beside path style: several domains, dotted buckets, literals, hosts that mean harm."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.server.endpoint import Endpoint, running_endpoint
from tests.server.raw_http import Answer, send, signed

DOMAINS = ("example.com", "s3.example.com", "s3.internal")


@pytest.fixture
def endpoint(tmp_path: Path) -> Iterator[Endpoint]:
    root = tmp_path / "store"
    root.mkdir()
    with running_endpoint(root, domains=DOMAINS) as running:
        client = running.client()
        for name in ("bucket", "dotted.bucket.v1", "s3-like"):
            client.create_bucket(Bucket=name)
            client.put_object(Bucket=name, Key="k/bucket", Body=name.encode())
        yield running


def get(endpoint: Endpoint, host: str, target: str) -> Answer:
    return send(endpoint, signed("GET", target, host=host))


@pytest.mark.parametrize(("host", "bucket"), [
    ("bucket.example.com", "bucket"), ("bucket.s3.internal", "bucket"), ("bucket.s3.example.com", "bucket"),
    ("bucket.example.com:80", "bucket"), ("BUCKET.Example.Com:9000", "bucket"),
    ("bucket.example.com.", "bucket"), ("s3-like.example.com", "s3-like"),
    ("dotted.bucket.v1.s3.internal:1", "dotted.bucket.v1"),
    ("dotted.bucket.v1.example.com", "dotted.bucket.v1"),
])
def test_the_host_names_the_bucket(endpoint: Endpoint, host: str, bucket: str) -> None:
    answer = get(endpoint, host, "/k/bucket")
    assert (answer.status, answer.body) == (200, bucket.encode())
    listing = get(endpoint, host, "/?list-type=2&prefix=k")
    assert f"<Name>{bucket}</Name>".encode() in listing.body


@pytest.mark.parametrize("host", [
    "s3.example.com", "example.com:9000", "s3.internal", "127.0.0.1:9000", "[::1]:9000", "[::ffff:10.0.0.1]",
    "elsewhere.org", "bucket.elsewhere.org", "notexample.com", "example.com.elsewhere.org", ".example.com",
])
def test_every_other_host_is_path_style(endpoint: Endpoint, host: str) -> None:
    assert get(endpoint, host, "/dotted.bucket.v1/k/bucket").body == b"dotted.bucket.v1"
    assert b"<ListAllMyBucketsResult" in get(endpoint, host, "/").body


@pytest.mark.parametrize(("host", "code"), [
    ("nowhere.example.com", "NoSuchBucket"), ("under_score.example.com", "NoSuchBucket"),
    ("bucket..example.com", "NoSuchBucket"), ("..example.com", "InvalidBucketName"),
    (".weka.example.com", "NoSuchBucket"), ("%62ucket.example.com", "BadRequest"),
    ("s3.example.com.example.com", "NoSuchBucket"), ("a/b.example.com", "BadRequest"),
])
def test_hosts_that_name_no_bucket(endpoint: Endpoint, host: str, code: str) -> None:
    answer = get(endpoint, host, "/k/bucket")
    assert (answer.status // 100, answer.code) == (4, code)


def test_a_signature_for_one_bucket_opens_no_other(endpoint: Endpoint) -> None:
    request = signed("GET", "/k/bucket", host="bucket.example.com")
    moved = request.replace(b"Host: bucket.example.com", b"Host: s3-like.example.com")
    assert send(endpoint, moved).code == "SignatureDoesNotMatch"
    absolute = request.replace(b"GET /k", b"GET http://s3-like.example.com/k", 1)
    assert send(endpoint, absolute).status in (400, 403)


def test_boto3_with_virtual_hosts(endpoint: Endpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names below localhost lead here without a resolver: the connection is made to the port alone."""
    real = socket.getaddrinfo

    def here(host: str, *rest: Any, **more: Any) -> Any:
        return real("127.0.0.1" if host.endswith("s3.internal") else host, *rest, **more)

    monkeypatch.setattr(socket, "getaddrinfo", here)
    client = endpoint.client(
        endpoint_url=f"http://s3.internal:{endpoint.port}", s3={"addressing_style": "virtual"}
    )
    assert client.get_object(Bucket="bucket", Key="k/bucket")["Body"].read() == b"bucket"
    client.put_object(Bucket="bucket", Key="new", Body=b"1")
    client.rename_object(Bucket="bucket", Key="renamed", RenameSource="new")
    client.copy_object(Bucket="s3-like", Key="copied", CopySource={"Bucket": "bucket", "Key": "renamed"})
    assert client.get_object(Bucket="s3-like", Key="copied")["Body"].read() == b"1"
