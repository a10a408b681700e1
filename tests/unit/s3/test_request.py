"""Headers, targets, bucket and key of a request."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weka_mp.s3.errors import S3Error
from weka_mp.s3.request import (
    Address,
    Headers,
    S3Request,
    address,
    check_bucket_name,
    decode_key,
    require_bucket_name,
    require_header,
)

DOMAINS = ("s3.example.com", "example.com", "localhost")


def request(target: bytes, host: str = "127.0.0.1:9000") -> S3Request:
    return S3Request.from_target("GET", target, Headers([("Host", host)]))


def code_of(call: object, *args: object) -> str:
    with pytest.raises(S3Error) as caught:
        call(*args)  # type: ignore[operator]
    return caught.value.code


class TestHeaders:
    def test_names_compare_without_case_and_order_is_kept(self) -> None:
        headers = Headers([(b"X-A", b"1"), ("b", "2"), (b"x-a", b"3")])
        assert headers.get("x-A") == "1"
        assert headers.get_all("X-a") == ["1", "3"]
        assert headers.items() == (("x-a", "1"), ("b", "2"), ("x-a", "3"))
        assert "B" in headers
        assert "c" not in headers
        assert headers.get("c") is None

    def test_every_byte_of_a_value_survives(self) -> None:
        value = bytes(range(0x20, 0x100))
        found = Headers([(b"n", value)]).get("n")
        assert found is not None
        assert found.encode("latin-1") == value

    def test_an_empty_value_is_not_a_missing_header(self) -> None:
        assert Headers([("a", "")]).get("A") == ""

    def test_its_repr_holds_no_value(self) -> None:
        assert "secret" not in repr(Headers([("authorization", "secret")]))

    def test_lines_and_pairs_make_the_same_headers(self) -> None:
        assert Headers.of_lines(["A:1", "b: x:y \t"]) == Headers([("a", "1"), ("b", "x:y")])


class TestTarget:
    def test_the_raw_parts_are_kept_and_the_query_decoded(self) -> None:
        got = request(b"/b/a%2fb?prefix=a+b%2B&x&y=%C3%A4&x-id=G")
        assert got.raw_path == b"/b/a%2fb"
        assert got.raw_query == b"prefix=a+b%2B&x&y=%C3%A4&x-id=G"
        assert got.query == (("prefix", "a b+"), ("x", ""), ("y", "ä"), ("x-id", "G"))
        assert got.query_value("x") == ""
        assert got.query_value("z") is None
        assert got.has_query("x")
        assert not got.has_query("z")

    def test_a_second_question_mark_belongs_to_the_query(self) -> None:
        assert request(b"/b?a=?").query == (("a", "?"),)

    def test_absolute_form_gives_path_and_authority(self) -> None:
        got = request(b"http://b.example.com:80/k?x=1")
        assert (got.raw_path, got.raw_query, got.authority) == (b"/k", b"x=1", "b.example.com:80")
        assert address(got, DOMAINS) == Address("b", b"k", True)
        assert request(b"HTTP://h").raw_path == b"/"

    @pytest.mark.parametrize("target", [b"/b?a=%zz", b"/b?a=%", b"/b?%ff=1"])
    def test_a_malformed_query_is_an_invalid_uri(self, target: bytes) -> None:
        assert code_of(request, target) == "InvalidURI"


class TestAddress:
    @pytest.mark.parametrize(("target", "expected"), [
        (b"/", Address(None, None, False)),
        (b"/bucket", Address("bucket", None, False)),
        (b"/bucket/", Address("bucket", None, False)),
        (b"/bucket/key", Address("bucket", b"key", False)),
        (b"/bucket//", Address("bucket", b"/", False)),
        (b"/bucket//a//b/", Address("bucket", b"/a//b/", False)),
        (b"/bucket/../etc/./x", Address("bucket", b"../etc/./x", False)),
        (b"/bucket/a%2Fb%00%20+", Address("bucket", b"a/b\x00 +", False)),
        (b"/bucket/%C3%A4", Address("bucket", "ä".encode(), False)),
        (b"/bu%63ket/k", Address("bucket", b"k", False)),
    ])
    def test_path_style(self, target: bytes, expected: Address) -> None:
        assert address(request(target), ()) == expected

    @pytest.mark.parametrize(("host", "target", "expected"), [
        ("bucket.example.com", b"/k", Address("bucket", b"k", True)),
        ("BUCKET.Example.COM:9000", b"/", Address("bucket", None, True)),
        ("a.b.c.s3.example.com", b"//k", Address("a.b.c", b"/k", True)),
        ("s3.example.com", b"/bucket/k", Address("bucket", b"k", False)),
        ("example.com.", b"/bucket/k", Address("bucket", b"k", False)),
        ("10.0.0.1", b"/bucket/k", Address("bucket", b"k", False)),
        ("[::1]:9000", b"/bucket/k", Address("bucket", b"k", False)),
        ("notexample.com", b"/bucket/k", Address("bucket", b"k", False)),
        (".example.com", b"/bucket/k", Address("bucket", b"k", False)),
    ])
    def test_virtual_hosted_style(self, host: str, target: bytes, expected: Address) -> None:
        assert address(request(target, host), DOMAINS) == expected

    @pytest.mark.parametrize(("target", "code"), [
        (b"/b/%", "InvalidURI"),
        (b"/b/%f", "InvalidURI"),
        (b"/b/%ff", "InvalidURI"),
        (b"/%ff/k", "InvalidURI"),
        (b"*", "InvalidURI"),
        (b"host:80", "InvalidURI"),
        (b"k", "InvalidURI"),
        (b"ftp://h/k", "InvalidURI"),
        (b"http:/h/k", "InvalidURI"),
        (b"/b/k#f", "InvalidURI"),
        (b"http://h#@other/k", "InvalidURI"),
        (b"//k", "InvalidBucketName"),
        (b"/b/" + b"k" * 1025, "KeyTooLongError"),
    ])
    def test_refusals(self, target: bytes, code: str) -> None:
        assert code_of(lambda: address(request(target), ())) == code

    def test_the_limit_counts_decoded_bytes(self) -> None:
        assert len(decode_key(b"%41" * 1024)) == 1024

    @given(st.text(st.characters(codec="utf-8"), max_size=200))
    def test_any_key_survives_its_encoding(self, key: str) -> None:
        raw = key.encode("utf-8")
        assert decode_key(b"".join(b"%%%02x" % byte for byte in raw)) == raw


class TestBucketNames:
    @pytest.mark.parametrize("name", ["abc", "a.b-c", "0a9", "a" * 63, "1.2.3", "my-bucket.v1"])
    def test_accepted(self, name: str) -> None:
        check_bucket_name(name)
        require_bucket_name(name)

    @pytest.mark.parametrize("name", [
        "", "ab", "a" * 64, "Abc", "a_b", "-abc", "abc-", ".abc", "abc.", "a..b", "192.168.5.4", "xn--abc",
        "sthree-abc", "abc-s3alias", "abc--ol-s3", "a b", "äbc", "ab\n", "../etc", ".weka", "abc\0", "a/b",
    ])
    def test_refused(self, name: str) -> None:
        assert code_of(check_bucket_name, name) == "InvalidBucketName"
        assert code_of(require_bucket_name, name) in ("InvalidBucketName", "NoSuchBucket")

    @pytest.mark.parametrize("name", ["foo.-bar", "foo-.bar"])
    def test_regression_every_label_of_a_new_bucket_is_one_of_a_host(self, name: str) -> None:
        assert code_of(check_bucket_name, name) == "InvalidBucketName"
        require_bucket_name(name)

    def test_a_once_legal_name_is_only_missing(self) -> None:
        assert code_of(require_bucket_name, "My_Bucket") == "NoSuchBucket"
        assert code_of(require_bucket_name, "a$b") == "InvalidBucketName"


@pytest.mark.parametrize(("name", "value"), [
    ("x-amz-meta-a\r\nb", "v"), ("x-amz-meta-a b", "v"), ("x-amz-meta-a:", "v"), ("x-amz-meta-\xe4", "v"),
    ("x-amz-meta-a", "v\r\nX: y"), ("x-amz-meta-a", "v\0"), ("", "v"),
])
def test_regression_what_no_header_could_say_is_no_header(name: str, value: str) -> None:
    # A pre-signed query stored such a name, and every GET of the object was an internal error.
    with pytest.raises(S3Error) as caught:
        require_header(name, value)
    assert caught.value.code == "InvalidArgument"
