"""Documents that are not what their heads say, sent to every operation that reads one: refused, none done."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.endpoint import Endpoint, running_endpoint
from tests.server.raw_http import Answer, send, signed
from tests.server.test_bad_input import tree
from tests.unit.s3.test_documents import JSON, NAMES, ROOTS, addressed
from weka_mp.s3.bodies import BODY_LIMITS

WRONG_MD5 = base64.b64encode(bytes(16)).decode()
MAKING = "CreateBucket"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    root: Path = tmp_path_factory.mktemp("documents") / "store"
    root.mkdir()
    with running_endpoint(root) as running:
        client = running.client()
        client.create_bucket(Bucket="bucket")
        client.put_object(Bucket="bucket", Key="key", Body=b"old")
        client.close()
        before = tree(root / "bucket"), (root / "bucket").stat().st_mtime_ns
        yield running
        assert (tree(root / "bucket"), (root / "bucket").stat().st_mtime_ns) == before


def document_of(name: str) -> bytes:
    return b"{}" if name == JSON else f"<{ROOTS[name]}></{ROOTS[name]}>".encode()


def ask(place: Endpoint, name: str, **changed: object) -> Answer:
    method, target = addressed(name)
    where = target.replace("/bucket", "/unmade") if name == MAKING else target
    return send(place, signed(method, where, document_of(name), **changed))  # type: ignore[arg-type]


@pytest.mark.parametrize("name", NAMES)
def test_one_that_is_too_long_is_refused_before_it_comes(place: Endpoint, name: str) -> None:
    length = {"Content-Length": str(BODY_LIMITS[name] + 1), "Expect": "100-continue"}
    answer = ask(place, name, headers=length, payload="UNSIGNED-PAYLOAD", send_body=b"")
    assert (answer.status, answer.code) == (400, "EntityTooLarge")


@pytest.mark.parametrize("name", NAMES)
def test_one_that_is_another_than_its_digest_says_is_refused(place: Endpoint, name: str) -> None:
    other = document_of(name).replace(b">", b" >", 1) if name != JSON else b"[}"
    same_length = document_of(name)[:-1] + b" "
    answer = ask(place, name, headers={"Content-MD5": WRONG_MD5})
    assert (answer.status, answer.code) == (400, "BadDigest")
    answer = ask(place, name, headers={"Content-MD5": "none"})
    assert (answer.status, answer.code) == (400, "InvalidDigest")
    answer = ask(place, name, send_body=same_length)
    assert (answer.status, answer.code) == (400, "XAmzContentSHA256Mismatch")
    answer = ask(place, name, send_body=other)
    assert (answer.status, answer.code) == (400, "XAmzContentSHA256Mismatch")
    if name == "CompleteMultipartUpload":
        return  # there a checksum is the object's
    answer = ask(place, name, headers={"x-amz-checksum-crc32": "AAAAAA=="})
    assert (answer.status, answer.code) == (400, "BadDigest")
    two = {"x-amz-checksum-crc32": "AAAAAA==", "x-amz-checksum-crc32c": "AAAAAA=="}
    answer = ask(place, name, headers=two)
    assert (answer.status, answer.code) == (400, "InvalidRequest")
