"""Requests as data files (tests/wire_cases) against the operations or errors they must become."""

from __future__ import annotations

import json
from dataclasses import fields, is_dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

from weka_mp.s3.bodies import BODY_LIMITS, completed_parts, delete_entries
from weka_mp.s3.errors import S3Error
from weka_mp.s3.operations import Operation
from weka_mp.s3.parse import parse
from weka_mp.s3.request import Headers, S3Request, address
from weka_mp.s3.routing import route

FOLDER = Path(__file__).parents[2] / "wire_cases"
FILES = (
    "buckets", "configuration", "listings", "objects", "copies", "renames", "attributes", "delete_objects",
    "multipart", "tagging", "lifecycle", "object_lock",
)  # fmt: skip
CASES = [
    pytest.param(case, id=f"{name}: {case['name']}")
    for name in FILES
    for case in json.loads((FOLDER / f"{name}.json").read_text("utf-8"))
]


def operation_of(case: dict[str, Any]) -> Operation:
    """What a case's request is parsed into; header values go as UTF-8 bytes, as clients send them."""
    headers = [(name.encode(), value.encode()) for name, value in case.get("headers", {}).items()]
    request = S3Request.from_target(
        case["method"], case["target"].encode(), Headers([(b"Host", b"127.0.0.1:9000"), *headers]))
    where = address(request, ())
    body = case["body"].encode() if "body" in case else None
    return parse(request, where, route(request, where), body)


def plain(value: Any) -> Any:
    """A value in the terms of JSON."""
    if isinstance(value, bytes):
        return value.decode("utf-8")
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    if isinstance(value, Enum):
        return value.value
    if is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
    return value


@pytest.mark.parametrize("case", CASES)
def test_wire_case(case: dict[str, Any]) -> None:
    if "error" in case:
        with pytest.raises(S3Error) as caught:
            operation_of(case)
        assert caught.value.code == case["error"]
        assert {**caught.value.details, **case.get("details", {})} == caught.value.details
        return
    operation = operation_of(case)
    assert type(operation).__name__ == case["operation"]
    found = plain(operation)
    assert {name: found[name] for name in case["fields"]} == case["fields"]
    assert operation.permission.startswith("s3:")


def test_every_built_operation_has_a_case() -> None:
    from weka_mp.s3.operations import BUILT

    assert {case.values[0].get("operation") for case in CASES} >= BUILT  # type: ignore[union-attr]


def code_of(call: Any, body: bytes) -> str:
    with pytest.raises(S3Error) as caught:
        call(body)
    return caught.value.code


def test_a_thousand_entries_and_no_more() -> None:
    entry = b"<Object><Key>k</Key></Object>"
    entries, quiet = delete_entries(b"<Delete>" + entry * 1000 + b"</Delete>")
    assert (len(entries), quiet) == (1000, False)
    assert code_of(delete_entries, b"<Delete>" + entry * 1001 + b"</Delete>") == "MalformedXML"


def test_a_body_has_a_limit() -> None:
    padding = b" " * BODY_LIMITS["DeleteObjects"]
    body = b"<Delete><Object><Key>k</Key></Object>" + padding + b"</Delete>"
    assert code_of(delete_entries, body) == "MalformedXML"


@pytest.mark.parametrize("body", [
    b"<Delete>" * 5000, b"\x00", b"<?xml version='1.0' encoding='nonsense'?><Delete/>",
    b"<Delete>\xff</Delete>",
    b"<Delete>" + b"<Object>" * 5000 + b"</Object>" * 5000 + b"</Delete>",
    b'<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/hostname">]><Delete><Object><Key>&x;</Key></Object></Delete>',
])
def test_hostile_documents_are_malformed(body: bytes) -> None:
    assert code_of(delete_entries, body) == "MalformedXML"


def test_ten_thousand_parts_and_no_more() -> None:
    def listing(count: int) -> bytes:
        parts = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>e</ETag></Part>"
            for number in range(1, count + 1))
        return f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()

    assert len(completed_parts(listing(10_000))) == 10_000
    assert code_of(completed_parts, listing(10_001)) == "MalformedXML"


@pytest.mark.parametrize("header", [
    "x-amz-mfa", "x-amz-object-lock-event-hold",
])
@pytest.mark.parametrize(("method", "target"), [("PUT", "/bucket/key"), ("POST", "/bucket/key?uploads")])
def test_nothing_is_accepted_and_ignored(header: str, method: str, target: str) -> None:
    case = {"name": "", "method": method, "target": target, "headers": {header: "public-read"}}
    with pytest.raises(S3Error) as caught:
        operation_of(case)
    assert caught.value.details["Header"] == header


def test_text_that_a_pre_signed_query_decoded_is_read_too() -> None:
    fields = [("x-amz-copy-source", "src-bucket/\u6f22"), ("x-amz-meta-a", "\u6f22")]
    request = S3Request.from_target("PUT", b"/bucket/key", Headers(fields))
    where = address(request, ())
    operation = plain(parse(request, where, route(request, where), None))
    assert operation["source_key"] == "\u6f22"
    assert operation["metadata"]["user"] == [["a", "\u6f22"]]
