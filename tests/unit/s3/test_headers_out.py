"""Reply headers from values."""

from __future__ import annotations

import pytest

from weka_mp.s3.headers_out import encode_text, override


@pytest.mark.parametrize(("text", "expected"), [
    ("plain text", "plain text"), ("", ""), ("ä", "=?UTF-8?B?w6Q=?="),
    ("a\r\nb: c", "=?UTF-8?B?YQ0KYjogYw==?="),
    ("\udcff", "=?UTF-8?B?/w==?="),
])
def test_text_that_no_header_can_hold_is_encoded(text: str, expected: str) -> None:
    assert encode_text(text) == expected


def test_overrides_take_the_place_of_the_objects_own() -> None:
    fields = [("Content-Type", "t"), ("ETag", '"e"')]
    assert override(fields, ()) == fields
    assert override(fields, [("Content-Type", "x"), ("Expires", "y")]) == [
        ("ETag", '"e"'), ("Content-Type", "x"), ("Expires", "y")]
