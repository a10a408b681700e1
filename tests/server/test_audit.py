"""What calls leave in the audit: each of them one event, before its answer is there."""

from __future__ import annotations

import json
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import urllib3
from botocore.exceptions import ClientError

from tests.server.endpoint import ACCESS_KEY, SECRET_KEY, Endpoint, running_endpoint
from tests.server.raw_http import read_answer, signed
from tests.system.waiting import wait_until
from tests.unit.audit.kit import DEPLOYMENT
from weka_mp.audit import AuditFile, Trail
from weka_mp.clock import SystemClock, SystemRandom
from weka_mp.spool import SpoolWriter


@dataclass
class Audited:
    endpoint: Endpoint
    path: Path

    def events(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.path.read_text().splitlines()]

    def last(self) -> dict[str, Any]:
        """Of an answer that is here its event must be, too: no waiting."""
        return self.events()[-1]


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Audited]:
    folder = tmp_path_factory.mktemp("audited")
    root, path = folder / "store", folder / "audit"
    root.mkdir()
    spool = SpoolWriter(str(folder / "spool"), 2**20, SystemClock(), SystemRandom())
    trail = Trail(DEPLOYMENT, spool, lambda: False, AuditFile(str(path), max_size=0, keep=1))
    with running_endpoint(root, trail=trail) as endpoint:
        endpoint.client().create_bucket(Bucket="bucket")
        yield Audited(endpoint, path)
    trail.close()


@pytest.fixture
def client(audited: Audited) -> Any:
    return audited.endpoint.client()


def summary(event: dict[str, Any]) -> tuple[Any, ...]:
    api, about = event["api"], event["wekaInfo"]
    return api["name"], api["bucket"], api["object"], api["statusCode"], about["errorCode"]


def ask(audited: Audited, request: bytes, *, head_only: bool = False) -> Any:
    with audited.endpoint.connect() as sock:
        sock.sendall(request)
        return read_answer(sock, head_only=head_only)


def test_a_put_and_a_get(audited: Audited, client: Any) -> None:
    put = client.put_object(Bucket="bucket", Key="a/key", Body=b"12345", Metadata={"card": "4111"})
    event = audited.last()
    assert summary(event) == ("PutObject", "bucket", "a/key", 200, "")
    assert event["requestID"] == put["ResponseMetadata"]["RequestId"]
    assert event["remotehost"] == event["wekaInfo"]["serverIP"] == "127.0.0.1"
    assert event["requestHeader"]["X-Amz-Meta-Card"] == "*REDACTED*"
    assert event["requestHeader"]["Authorization"].endswith("Signature=*REDACTED*")
    assert event["responseHeader"]["ETag"] == put["ETag"]
    about = event["wekaInfo"]
    assert about["user"] == ACCESS_KEY, "there are no users here who have ARNs"
    assert (about["accessKey"], about["account"], about["bytesReceived"]) == (ACCESS_KEY, "root", 5)
    got = client.get_object(Bucket="bucket", Key="a/key", Range="bytes=1-3")
    event = audited.last()
    assert summary(event) == ("GetObject", "bucket", "a/key", 206, "")
    assert event["api"]["status"] == "Partial Content"
    assert (event["wekaInfo"]["bytesSent"], event["responseHeader"]["Content-Length"]) == (3, "3")
    got["Body"].close()
    assert SECRET_KEY not in audited.path.read_text()


def test_a_head_has_the_length_and_no_bytes(audited: Audited, client: Any) -> None:
    client.put_object(Bucket="bucket", Key="h", Body=b"12345")
    client.head_object(Bucket="bucket", Key="h")
    event = audited.last()
    assert (event["api"]["name"], event["responseHeader"]["Content-Length"]) == ("HeadObject", "5")
    assert event["wekaInfo"]["bytesSent"] == 0


def test_a_large_object_is_told_before_its_last_byte(audited: Audited, client: Any) -> None:
    body = bytes(700_000)
    client.put_object(Bucket="bucket", Key="large", Body=body)
    with client.get_object(Bucket="bucket", Key="large")["Body"] as stream:
        assert len(stream.read()) == len(body)
    event = audited.last()
    assert summary(event) == ("GetObject", "bucket", "large", 200, "")
    assert (event["wekaInfo"]["bytesSent"], event["wekaInfo"]["complete"]) == (700_000, True)


@pytest.mark.parametrize(
    ("request_", "expected"),
    [
        (signed("GET", "/bucket/missing"), ("GetObject", "bucket", "missing", 404, "NoSuchKey")),
        (signed("PUT", "/bucket/x", b"", secret="wrong"),
         ("PutObject", "bucket", "x", 403, "SignatureDoesNotMatch")),
        (signed("DELETE", "/bucket/x", access_key="NOBODY"),
         ("DeleteObject", "bucket", "x", 403, "InvalidAccessKeyId")),
        (b"GET /bucket/x HTTP/1.1\r\nHost: h\r\n\r\n", ("GetObject", "bucket", "x", 403, "AccessDenied")),
        (b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", ("ListBuckets", "", "", 403, "AccessDenied")),
        (signed("PUT", "/bucket?replication"), ("PutBucketReplication", "bucket", "", 501, "NotImplemented")),
        (b"BREW /bucket/x HTTP/1.1\r\nHost: h\r\n\r\n", ("-", "bucket", "x", 405, "MethodNotAllowed")),
        (b"GET /%zz HTTP/1.1\r\nHost: h\r\n\r\n", ("-", "", "", 400, "InvalidURI")),
        (b"nonsense\r\n\r\n", ("-", "", "", 400, "BadRequest")),
        (b"GET /b HTTP/1.1\r\nHost: h\r\n" + b"X: y\r\n" * 300 + b"\r\n",
         ("-", "", "", 400, "RequestHeaderSectionTooLarge")),
        (b"POST / HTTP/1.1\r\nHost: h\r\nContent-Type: application/x-www-form-urlencoded\r\n"
         b"Content-Length: 29\r\n\r\n"
         b"Action=AssumeRole&Password=PW", ("Query", "", "", 403, "MissingAuthenticationToken")),
    ],
)  # fmt: skip
def test_what_is_refused(audited: Audited, request_: bytes, expected: tuple[Any, ...]) -> None:
    before = len(audited.events())
    answer = ask(audited, request_)
    events = audited.events()
    assert len(events) == before + 1, "one event for each call"
    assert summary(events[-1]) == expected
    assert answer.status == events[-1]["api"]["statusCode"]
    assert answer.headers.get("x-amz-request-id") == events[-1]["requestID"]
    assert events[-1]["wekaInfo"]["complete"] is True


def test_sts_tells_no_secret(audited: Audited) -> None:
    sts = audited.endpoint.client(service="sts")
    with pytest.raises(ClientError):
        sts.assume_role(RoleArn="arn:xxx:xxx:xxx:xxxx", RoleSessionName="any", Policy="POLICY-TEXT")
    event = audited.last()
    assert event["api"]["name"] in ("sts:AssumeRole", "Query")
    assert event["wekaInfo"]["method"] == "POST"
    assert "POLICY-TEXT" not in audited.path.read_text()


@pytest.mark.parametrize(
    ("version", "who", "signature"),
    [("s3", "AWSAccessKeyId", "Signature"), ("s3v4", "X-Amz-Credential", "X-Amz-Signature")],
)
def test_a_presigned_url_shows_who_and_not_its_signature(
    audited: Audited, version: str, who: str, signature: str
) -> None:
    audited.endpoint.client().put_object(Bucket="bucket", Key="p", Body=b"1")
    client = audited.endpoint.client(signature_version=version)
    url = client.generate_presigned_url("get_object", Params={"Bucket": "bucket", "Key": "p"})
    assert urllib3.request("GET", url).status == 200
    event = audited.last()
    query = event["wekaInfo"]["query"]
    assert query[signature] == "*REDACTED*"
    assert query[who].startswith(ACCESS_KEY)
    secret = unquote(url.partition(f"{signature}=")[2].partition("&")[0])
    assert len(secret) > 20 and secret not in audited.path.read_text()


@pytest.mark.parametrize(("version", "signature"), [("s3", "signature"), ("s3v4", "x-amz-signature")])
def test_a_form_tells_neither_policy_nor_signature(audited: Audited, version: str, signature: str) -> None:
    client = audited.endpoint.client(signature_version=version)
    form = client.generate_presigned_post("bucket", "form")
    answer = urllib3.request("POST", form["url"], fields={**form["fields"], "file": ("f", b"123")})
    assert answer.status == 204
    event = audited.last()
    assert summary(event)[0] == "PostObject"
    assert event["wekaInfo"]["accessKey"] == ACCESS_KEY
    text = audited.path.read_text()
    assert form["fields"]["policy"] not in text
    assert form["fields"][signature] not in text


def test_a_client_that_forges_lines(audited: Audited) -> None:
    before = len(audited.events())
    evil = b"evil\x1b[31m\\x0a\xe2\x80\xae"
    request = signed("PUT", "/bucket/a%0D%0A%7B%22forged%22:1%7D%1B%5B2J", headers={"User-Agent": "AGENT"})
    assert ask(audited, request.replace(b"AGENT", b"agent\xe2\x80\xae\\x0a")).status == 200
    event = audited.last()
    assert event["api"]["object"] == 'a\\x0d\\x0a{"forged":1}\\x1b[2J'
    assert event["userAgent"] == "agent\u00e2\\x80\u00ae\\\\x0a"
    refused = ask(audited, b"GET /bucket/x HTTP/1.1\r\nHost: h\r\nUser-Agent: " + evil + b"\r\n\r\n")
    assert refused.status == 400
    raw = audited.path.read_bytes()
    assert raw.isascii() and raw.count(b"\n") == before + 2
    assert b"\x1b" not in raw


def reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def test_a_client_that_goes_away_within_its_body(audited: Audited) -> None:
    length = {"Content-Length": "1000"}
    request = signed("PUT", "/bucket/gone", b"x" * 1000, send_body=b"x" * 10, headers=length)
    before = len(audited.events())
    sock = audited.endpoint.connect()
    sock.sendall(request)
    sock.settimeout(0.1)
    with pytest.raises(TimeoutError):
        sock.recv(1)
    reset(sock)
    wait_until("its event", 10, lambda: len(audited.events()) == before + 1)
    event = audited.last()
    assert summary(event)[:3] == ("PutObject", "bucket", "gone")
    assert (event["api"]["statusCode"], event["wekaInfo"]["complete"]) == (499, False)


def test_a_client_that_goes_away_within_the_answer(audited: Audited, client: Any) -> None:
    client.put_object(Bucket="bucket", Key="huge", Body=bytes(30_000_000))
    before = len(audited.events())
    sock = audited.endpoint.connect()
    sock.sendall(signed("GET", "/bucket/huge"))
    assert sock.recv(1000).startswith(b"HTTP/1.1 200")
    reset(sock)
    wait_until("its event", 10, lambda: len(audited.events()) == before + 1)
    event = audited.last()
    assert (event["api"]["statusCode"], event["wekaInfo"]["complete"]) == (200, False)
    assert 0 < event["wekaInfo"]["bytesSent"] < 30_000_000  # what the socket took before it was gone


def test_nobody_who_wants_events_gets_none(tmp_path: Path) -> None:
    """Turned on and off while requests come: what came after is told, or not."""
    (tmp_path / "store").mkdir()
    wanted = [False]
    spool = tmp_path / "spool"
    writer = SpoolWriter(str(spool), 2**20, SystemClock(), SystemRandom())
    trail = Trail(DEPLOYMENT, writer, lambda: wanted[0])
    with running_endpoint(tmp_path / "store", trail=trail) as endpoint:
        client = endpoint.client()
        client.create_bucket(Bucket="bucket")
        assert not spool.exists()
        wanted[0] = True
        trail.look()
        client.put_object(Bucket="bucket", Key="k")
        (segment,) = spool.iterdir()
        assert [json.loads(line)["api"]["name"] for line in segment.read_text().splitlines()] == ["PutObject"]
        wanted[0] = False
        trail.look()
        client.delete_object(Bucket="bucket", Key="k")
        assert len(segment.read_text().splitlines()) == 1
        kept, dropped = trail.collect()
        assert [(one.labels, one.value) for one in kept.samples] == [({"target": "webhook"}, 1)]
        assert [one.value for one in dropped.samples] == [0]
    trail.close()
