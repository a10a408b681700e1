"""The shape of an event, byte for byte."""

from __future__ import annotations

import json
import re

import pytest

import weka_mp
from tests.unit.audit.kit import DEPLOYMENT, SCOPE, call
from weka_mp.audit.event import dropped_event, encode, probe_event

GUID = "00010203-0405-0607-0809-0a0b0c0d0e0f"
ABOUT_US = {
    "clusterGUID": GUID, "clusterName": "data", "release": weka_mp.__version__, "serverName": "node-1",
    "version": weka_mp.__version__,
}  # fmt: skip

GOLDEN = {
    "api": {
        "bucket": "phg-sandman", "name": "PutObject", "object": "cat-and-dog.jpg", "status": "OK",
        "statusCode": 200, "timeToResponse": "10531825ns",
    },
    "auditVersion": "1.weka",
    "deploymentid": GUID,
    "remotehost": "216.58.114.14",
    "requestHeader": {
        "Host": "s3", "User-Agent": "aws-sdk-go/1.44.235", "Content-Type": "image/jpeg",
        "Authorization": f"AWS4-HMAC-SHA256 Credential={SCOPE}, Signature=*REDACTED*",
    },
    "requestID": "0000000000000001",
    "responseHeader": {"ETag": '"5d64dcd326aa93f6542e27f757ec8146"', "Server": "weka_mp"},
    "time": "2025-03-21T06:37:27.915055686Z",
    "userAgent": "aws-sdk-go/1.44.235",
    "wekaInfo": {
        **ABOUT_US, "serverIP": "10.26.211.72", "accessKey": "AKIAIOSFODNN7EXAMPLE",
        "user": "arn:aws:iam::000000000001:user/ann", "account": "root", "method": "PUT",
        "query": {"x-id": "PutObject"}, "errorCode": "", "bytesReceived": 5, "bytesSent": 0, "complete": True,
        "tlsVersion": "1.3",
    },
}  # fmt: skip


def test_the_shape() -> None:
    line = encode(call(), DEPLOYMENT)
    assert json.loads(line) == GOLDEN
    assert list(json.loads(line)) == list(GOLDEN)
    assert line.count(b"\n") == 1 and line.endswith(b"}\n") and line.isascii()


@pytest.mark.parametrize(
    ("status", "phrase"),
    [(204, "No Content"), (403, "Forbidden"), (404, "Not Found"), (499, "Client Closed Request"),
     (503, "Service Unavailable"), (599, "")],
)  # fmt: skip
def test_the_status_in_words(status: int, phrase: str) -> None:
    assert json.loads(encode(call(status=status), DEPLOYMENT))["api"]["status"] == phrase


def test_a_client_that_forges() -> None:
    evil = 'x"},\r\n{"forged":1}\x1b[2J\u2028\udcff'
    line = encode(
        call(
            key=evil.encode("utf-8", "surrogateescape"), bucket=evil, user_agent=evil, method=evil,
            request_headers=(("user-agent", evil), (evil, evil)), query=((evil, evil), ("prefix", evil)),
            access_key=evil, user=evil, remote="192.0.2.1",
        ),
        DEPLOYMENT,
    )
    assert line.count(b"\n") == 1

    def texts(value: object) -> list[str]:
        if isinstance(value, dict):
            return [text for pair in value.items() for part in pair for text in texts(part)]
        return [value] if isinstance(value, str) else []

    found = texts(json.loads(line))
    assert len(found) > 20
    assert not any(re.search("[\\x00-\\x1f\\x7f\\u2028\\ud800-\\udfff]", text) for text in found)


def test_the_longest_event_is_shorter_than_what_is_read_at_once() -> None:
    wide = "\xff" * 16384
    line = encode(
        call(
            key=b"\x01" * 1024, bucket=wide, user_agent=wide,
            query=[(f"{n}{wide}", wide) for n in range(256)],
            request_headers=[("range", wide)] * 100 + [(f"{n}{wide}", wide) for n in range(256)],
        ),
        DEPLOYMENT,
    )
    assert len(line) < 256 * 1024


def test_what_we_tell_ourselves() -> None:
    told = json.loads(dropped_event(7, DEPLOYMENT, 0))
    assert (told["api"]["name"], told["time"]) == ("AuditEventsDropped", "1970-01-01T00:00:00.000000000Z")
    assert told["wekaInfo"] == {**ABOUT_US, "serverIP": "", "dropped": 7}
    probe = json.loads(probe_event(DEPLOYMENT, 0, "ann\n"))
    assert (probe["api"]["name"], probe["wekaInfo"]["user"]) == ("AuditWebhookVerified", "ann\\x0a")
    assert list(told) == list(probe) == list(GOLDEN)
