"""Canonical forms: the short cuts for what is already canonical agree with the definition."""

from __future__ import annotations

from urllib.parse import quote_from_bytes, unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weka_mp.s3.canonical import (
    canonical_header_value,
    canonical_headers,
    canonical_path,
    canonical_query,
    split_signed_headers,
)
from weka_mp.s3.request import Headers

PIECES = st.sampled_from(
    [b"a", b"Z", b"9", b"-", b".", b"_", b"~", b"/", b"+", b"*", b" ", b"=", b"&", b"%", b"%4", b"%zz"]
    + [b"\xc3\xa9"]
    + [b"%%%02X" % byte for byte in range(256)]
    + [b"%%%02x" % byte for byte in range(160, 256)]
)
TEXTS = st.lists(PIECES, max_size=8).map(b"".join)


def defined_query(raw: bytes, without: str | None) -> str:
    pairs = []
    for piece in raw.split(b"&"):
        if piece:
            name, _, value = piece.replace(b"+", b" ").partition(b"=")
            pairs.append(tuple(quote_from_bytes(unquote_to_bytes(part), safe="~") for part in (name, value)))
    return "&".join(f"{name}={value}" for name, value in sorted(pairs) if name != without)


@given(TEXTS)
def test_path_is_decoded_and_encoded_once(raw):
    assert canonical_path(b"/" + raw) == quote_from_bytes(unquote_to_bytes(b"/" + raw), safe="/~")


@given(TEXTS, st.sampled_from([None, "a", "9"]))
def test_query_is_sorted_by_encoded_name_then_value(raw, without):
    assert canonical_query(raw, without) == defined_query(raw, without)


@pytest.mark.parametrize("byte", range(256))
def test_every_escaped_byte(byte):
    raw = b"%%%02X" % byte
    assert canonical_path(b"/" + raw) == "/" + quote_from_bytes(bytes([byte]), safe="/~")
    assert canonical_query(raw) == quote_from_bytes(bytes([byte]), safe="~") + "="


@pytest.mark.parametrize(("raw", "canonical"), [
    (b"", ""), (b"acl", "acl="), (b"b=2&a=1&a=0", "a=0&a=1&b=2"), (b"a-b=1&a=2", "a=2&a-b=1"), (b"&&a", "a="),
    (b"p=a+b", "p=a%20b"), (b"a=b=c", "a=b%3Dc"),
])
def test_queries(raw, canonical):
    assert canonical_query(raw) == canonical


def test_long_odd_targets_take_linear_time():
    raw = b"/" + b"a" * 60_000 + b"%2f"
    assert canonical_path(raw).endswith("a/")
    assert canonical_query(b"a=" * 30_000).startswith("a=a%3D")


def test_empty_path():
    assert canonical_path(b"") == "/"


def test_headers():
    headers = Headers([("Host", "h"), ("X-A", "  1  2\t3 "), ("x-a", "4"), ("other", "o")])
    assert canonical_headers(headers, ("host", "missing", "x-a"), None) == "host:h\nmissing:\nx-a:1 2 3,4\n"
    assert canonical_headers(headers, ("host",), "i") == "host:i\n"
    assert canonical_headers(headers, ("expect",), None) == "expect:100-continue\n"
    assert canonical_header_value("\xa0a\xa0") == "\xa0a\xa0"
    assert split_signed_headers("X-B;host;;host") == ("host", "x-b")
