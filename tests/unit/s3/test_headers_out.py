"""Reply headers from values."""

from __future__ import annotations

import pytest

from weka_mp.s3.headers_out import encode_text, metadata_headers, object_headers, override
from weka_mp.s3.operations import ObjectMetadata


@pytest.mark.parametrize(("text", "expected"), [
    ("plain text", "plain text"), ("", ""), ("ä", "=?UTF-8?B?w6Q=?="),
    ("a\r\nb: c", "=?UTF-8?B?YQ0KYjogYw==?="),
    ("\udcff", "=?UTF-8?B?/w==?="),
])
def test_text_that_no_header_can_hold_is_encoded(text: str, expected: str) -> None:
    assert encode_text(text) == expected


def test_metadata() -> None:
    assert metadata_headers(ObjectMetadata()) == [("Content-Type", "binary/octet-stream")]
    full = ObjectMetadata("t", "c", "d", "e", "l", "x", "/r", (("n", "v"), ("m", "ä")))
    assert metadata_headers(full) == [
        ("Content-Type", "t"), ("Cache-Control", "c"), ("Content-Disposition", "d"),
        ("Content-Encoding", "e"), ("Content-Language", "l"), ("Expires", "x"),
        ("x-amz-website-redirect-location", "/r"),
        ("x-amz-meta-n", "v"), ("x-amz-meta-m", "=?UTF-8?B?w6Q=?="),
    ]


def test_what_tells_states_apart() -> None:
    assert object_headers("e", 0) == [
        ("Last-Modified", "Thu, 01 Jan 1970 00:00:00 GMT"), ("ETag", '"e"'), ("Accept-Ranges", "bytes")]


def test_overrides_take_the_place_of_the_objects_own() -> None:
    fields = [("Content-Type", "t"), ("ETag", '"e"')]
    assert override(fields, ()) == fields
    assert override(fields, [("Content-Type", "x"), ("Expires", "y")]) == [
        ("ETag", '"e"'), ("Content-Type", "x"), ("Expires", "y")]
