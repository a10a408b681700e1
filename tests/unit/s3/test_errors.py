"""The error catalogue and the bytes of an error document."""

from __future__ import annotations

import pytest

from weka_mp.s3.errors import CATALOGUE, S3Error, render_error, reply_has_body


def test_an_error_document_byte_by_byte() -> None:
    error = S3Error("NoSuchKey", details={"Key": "a<&\x01\r\n>"})
    assert render_error(error, "/b/a", "REQ", "HOST") == (
        b'<?xml version="1.0" encoding="UTF-8"?>\n'
        b"<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message>"
        b"<Key>a&lt;&amp;&#x1;&#xd;\n&gt;</Key><Resource>/b/a</Resource>"
        b"<RequestId>REQ</RequestId><HostId>HOST</HostId></Error>"
    )


def test_an_empty_resource_is_left_out() -> None:
    assert b"Resource" not in render_error(S3Error("AccessDenied"), "", "R", "H")


def test_text_that_is_no_unicode_still_gives_a_document() -> None:
    assert b"udcff" in render_error(S3Error("NoSuchKey"), "/\udcff", "R", "H")


def test_a_code_outside_the_catalogue_is_our_own_mistake() -> None:
    with pytest.raises(KeyError):
        S3Error("NoSuchThing")


def test_defaults_come_from_the_catalogue_and_can_be_overruled() -> None:
    assert (S3Error("SlowDown").status, S3Error("SlowDown").message) == CATALOGUE["SlowDown"]
    special = S3Error("SlowDown", "wait", status=429, headers={"Retry-After": "1"})
    assert (special.status, special.message, special.headers) == (429, "wait", {"Retry-After": "1"})


def test_the_catalogue_is_large_and_sane() -> None:
    assert len(CATALOGUE) > 120
    assert all(300 <= status < 600 and message for status, message in CATALOGUE.values())
    assert [*CATALOGUE] == sorted(CATALOGUE, key=str.lower)


@pytest.mark.parametrize(("method", "status", "expected"), [
    ("GET", 200, True), ("HEAD", 404, False), ("GET", 304, False), ("DELETE", 204, False),
    ("GET", 100, False),
])
def test_which_replies_have_a_body(method: str, status: int, expected: bool) -> None:
    assert reply_has_body(method, status) is expected
