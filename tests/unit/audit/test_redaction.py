"""Nothing that could be a secret, and nothing that could forge a line, stands in an event."""

from __future__ import annotations

import pytest

from weka_mp.audit.redaction import REDACTED, headers_shown, query_shown, readable, text_of_key

SIGV4 = (
    "AWS4-HMAC-SHA256 Credential=AKIA1/20260101/us-east-1/s3/aws4_request, SignedHeaders=host;x-amz-date,"
    " Signature=SECRET"
)
SECRET_HEADERS = [
    ("authorization", SIGV4), ("authorization", "AWS AKIA1:SECRET"), ("authorization", "Bearer SECRET"),
    ("authorization", "Basic SECRET"), ("authorization", "AWS4-HMAC-SHA256 Credential=SECRET"),
    ("authorization", "SECRET"), ("authorization", SIGV4.replace("AKIA1", "AKIA1 SECRET\r\nX: ")),
    ("x-amz-security-token", "SECRET"), ("x-amz-server-side-encryption-customer-key", "SECRET"),
    ("x-amz-server-side-encryption-customer-key-md5", "SECRET"), ("cookie", "SECRET"),
    ("x-amz-mfa", "SECRET"),
    ("x-amz-copy-source-server-side-encryption-customer-key", "SECRET"), ("proxy-authorization", "SECRET"),
    ("x-amz-server-side-encryption-context", "SECRET"), ("x-api-key", "SECRET"),
    ("x-amz-meta-card", "SECRET"),
    ("referer", "https://h/b/k?X-Amz-Signature=SECRET"), ("x-amz-client-token", "SECRET"),
    ("x-amz-copy-source", "/b/k?X-Amz-Signature=SECRET"), ("set-cookie", "SECRET"),
    ("x-amz-tagging", "SECRET"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), SECRET_HEADERS)
def test_secrets_in_headers(name: str, value: str) -> None:
    shown = headers_shown([(name, value)])
    assert "SECRET" not in repr(shown)
    assert [key.lower() for key in shown] == [name]


def test_who_signed_is_shown() -> None:
    assert headers_shown([("authorization", SIGV4)]) == {
        "Authorization": "AWS4-HMAC-SHA256 Credential=AKIA1/20260101/us-east-1/s3/aws4_request,"
        f" Signature={REDACTED}"
    }
    older = headers_shown([("Authorization", "AWS AKIA1:SECRET")])
    assert older == {"Authorization": f"AWS AKIA1:{REDACTED}"}


@pytest.mark.parametrize(
    "name",
    ["X-Amz-Signature", "Signature", "X-Amz-Security-Token", "Policy", "SecretAccessKey", "Password", "token",
     "x-amz-server-side-encryption-customer-key", "NewPassword", "x-amz-meta-a", "response-content-type"],
)  # fmt: skip
def test_secrets_in_queries(name: str) -> None:
    assert query_shown([(name, "SECRET")]) == {name: REDACTED}


def test_parameters_that_are_shown() -> None:
    pairs = [("versionId", "1"), ("prefix", "a\nb"), ("uploads", ""), ("prefix", "again"), ("x-unknown", "")]
    assert query_shown(pairs) == {"versionId": "1", "prefix": "a\\x0ab", "uploads": "", "x-unknown": ""}


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain", "plain"), ("ä€", "ä€"), ("a\\b", "a\\\\b"), ("a\r\nb", "a\\x0d\\x0ab"),
        ("\x1b[31m", "\\x1b[31m"), ("\x7f\x9b", "\\x7f\\x9b"), ("\u202eevil", "\\u202eevil"),
        ("\u2028", "\\u2028"), ("\ufeff", "\\ufeff"), ("\x00", "\\x00"),
    ],
)  # fmt: skip
def test_control_characters(text: str, shown: str) -> None:
    assert readable(text) == shown
    assert text_of_key(text.encode()) == shown


def test_keys_that_are_no_text() -> None:
    assert text_of_key(b"a\xff\n\xc3\xa4") == "a\\xff\\x0aä"
    assert text_of_key(b"a\\xff") == "a\\\\xff", "what was escaped cannot be taken for what was there"


def test_long_values_are_cut_and_marked() -> None:
    shown = readable("x" * 10_000)
    assert shown == "x" * 512 + "…(cut)"
    assert text_of_key(b"x" * 1024) == "x" * 1024, "a key says what was done to what: it is never cut"


def test_many_headers_are_cut_and_counted() -> None:
    shown = headers_shown([(f"x-{number}", "v") for number in range(256)])
    assert len(shown) == 65
    assert shown["…"] == "192 more"
    assert len(query_shown([(f"x{number}", "v") for number in range(256)])) == 65


def test_repeated_headers_are_joined_to_a_bound() -> None:
    assert headers_shown([("range", "a"), ("Range", "b")]) == {"Range": "a, b"}
    assert len(headers_shown([("range", "x" * 500)] * 200)["Range"]) < 1600
