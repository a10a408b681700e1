"""Names of log objects, and what one line looks like."""

from __future__ import annotations

from pathlib import Path

import pytest

from weka_mp.bucket_log_rules import LogRule, decode, encode, log_key
from weka_mp.bucket_logs import Origin
from weka_mp.bucket_logs.line import Entry, safe_query, safe_url
from weka_mp.bucket_logs.line import encode as line_of
from weka_mp.bucket_logs.operations import logged_name
from weka_mp.bucket_logs.origin import note_origin, origin_in

AT_NS = 1_549_411_238 * 10**9  # of the first line in AWS's documentation


@pytest.mark.parametrize(("form", "wanted"), [
    ("", b"p/2019-02-06-00-00-38-U"),
    ("SimplePrefix", b"p/2019-02-06-00-00-38-U"),
    ("DeliveryTime", b"p/123456789012/eu/src/2019/02/06/2019-02-06-00-00-38-U"),
    ("EventTime", b"p/123456789012/eu/src/2019/02/06/2019-02-06-00-00-00-U"),
])  # fmt: skip
def test_what_log_objects_are_called(form: str, wanted: bytes) -> None:
    rule = LogRule("logs", "p/", form)
    assert log_key(rule, "src", "123456789012", "eu", AT_NS, "U") == wanted
    assert decode(encode(rule)) == rule


def test_the_line_of_the_documentation() -> None:
    entry = Entry(
        "79a5", "bucket1", AT_NS, "REST.GET.VERSIONING", None, "192.0.2.3", "79a5", "3E57427F3EXAMPLE",
        "GET /bucket1?versioning", 200, "", 113, None, 7_000_000, None, "", "S3Console/0.4", "", "s9lz=",
        "SigV4", "ECDHE-RSA-AES128-GCM-SHA256", "AuthHeader", "bucket1.s3.example.com", "TLSv1.2",
        acl_required=True,
    )
    assert line_of(entry) == (
        b'79a5 bucket1 [06/Feb/2019:00:00:38 +0000] 192.0.2.3 79a5 3E57427F3EXAMPLE REST.GET.VERSIONING - '
        b'"GET /bucket1?versioning HTTP/1.1" 200 - 113 - 7 - "-" "S3Console/0.4" - s9lz= SigV4 '
        b"ECDHE-RSA-AES128-GCM-SHA256 AuthHeader bucket1.s3.example.com TLSv1.2 - Yes\n"
    )


def test_what_is_not_known_is_a_dash() -> None:
    line = line_of(Entry("o", "b", AT_NS, "S3.EXPIRE.OBJECT", b"a b\n\xff"))
    rest = line.partition(b"] ")[2].split()
    assert rest[:4] == [b"-", b"-", b"-", b"S3.EXPIRE.OBJECT"] and rest[4] == b"a%20b%0A%FF"
    assert set(rest[5:]) == {b"-", b'"-"'} and len(rest) == 23


@pytest.mark.parametrize(("operation", "method", "wanted"), [
    ("GetObject", "GET", "REST.GET.OBJECT"), ("CopyObject", "PUT", "REST.COPY.OBJECT"),
    ("ListParts", "GET", "REST.GET.UPLOAD"), ("GetBucketLogging", "GET", "REST.GET.LOGGING_STATUS"),
    ("PutPublicAccessBlock", "PUT", "REST.PUT.PUBLIC_ACCESS_BLOCK"),
    ("GetBucketRequestPayment", "GET", "REST.GET.REQUEST_PAYMENT"),
    ("PutBucketLifecycleConfiguration", "PUT", "REST.PUT.LIFECYCLE"),
    ("VisitWebsite", "HEAD", "WEBSITE.HEAD.OBJECT"), ("-", "PATCH", "REST.PATCH.UNKNOWN"),
    ("-", "A B", "REST.UNKNOWN.UNKNOWN"),
])  # fmt: skip
def test_what_operations_are_called(operation: str, method: str, wanted: str) -> None:
    assert logged_name(operation, method) == wanted


def test_secrets_in_queries() -> None:
    query = b"X-Amz-Date=d&X-Amz-Security-Token=t%2F&Signature=s&x-amz-signature=u&partNumber=1"
    hidden = b"X-Amz-Security-Token=*REDACTED*&Signature=*REDACTED*&x-amz-signature=*REDACTED*"
    assert safe_query(query) == b"X-Amz-Date=d&" + hidden + b"&partNumber=1"


@pytest.mark.parametrize("name", [b"X-Amz-Signatur%65", b"%53ignature", b"x-amz-security%2dtoken"])
def test_regression_names_that_are_percent_encoded_hide_no_secret(name: bytes) -> None:
    assert safe_query(b"a=1&" + name + b"=se=cret&b") == b"a=1&" + name + b"=*REDACTED*&b"


def test_regression_a_referer_tells_no_signature() -> None:
    url = "https://s3.example.com/b/page.html?X-Amz-Date=1&X-Amz-Signature=secret&x=\udcff"
    assert safe_url(url) == url.replace("secret", "*REDACTED*")
    assert safe_url("https://example.com/X-Amz-Signature=a") == "https://example.com/X-Amz-Signature=a"


def test_regression_a_power_cut_that_took_whose_lines_they_are_takes_no_more(tmp_path: Path) -> None:
    origin = Origin("src", "0" * 64, LogRule("logs", "p/"))
    (tmp_path / "origin").write_bytes(b"")
    note_origin(str(tmp_path), origin)
    assert origin_in(str(tmp_path)) == origin
