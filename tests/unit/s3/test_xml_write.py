"""Every reply document, byte by byte."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weka_mp.s3.xml_versions import (
    VersionRow,
    VersionsPage,
    list_versions_result,
    versioning_configuration,
)
from weka_mp.s3.xml_write import (
    BucketRow,
    CopyResult,
    DeletedRow,
    DeleteFailure,
    ListingV1,
    ListingV2,
    ObjectRow,
    Owner,
    copy_object_result,
    delete_result,
    list_all_my_buckets_result,
    list_bucket_result,
    list_bucket_result_v2,
    location_constraint,
    post_response,
)

DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>\n'
NS = b' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
TIME = 1_255_369_830
ISO = b"2009-10-12T17:50:30.000Z"
MD5 = "d41d8cd98f00b204e9800998ecf8427e"
QUOTED = b"&quot;d41d8cd98f00b204e9800998ecf8427e&quot;"


def document(root: bytes, content: bytes) -> bytes:
    return DECLARATION + b"<" + root + NS + b">" + content + b"</" + root + b">"


def test_list_buckets() -> None:
    rows = [BucketRow("a", TIME), BucketRow("b", TIME, "eu-1")]
    content = (
        b"<Owner><ID>id</ID><DisplayName>n&amp;m</DisplayName></Owner><Buckets>"
        b"<Bucket><Name>a</Name><CreationDate>" + ISO + b"</CreationDate></Bucket>"
        b"<Bucket><Name>b</Name><CreationDate>" + ISO + b"</CreationDate>"
        b"<BucketRegion>eu-1</BucketRegion></Bucket>"
        b"</Buckets>"
    )
    owner = Owner("id", "n&m")
    assert list_all_my_buckets_result(owner, rows) == document(b"ListAllMyBucketsResult", content)
    content += b"<ContinuationToken>t</ContinuationToken><Prefix>p</Prefix>"
    assert list_all_my_buckets_result(owner, rows, "p", "t") == document(b"ListAllMyBucketsResult", content)


def test_location() -> None:
    assert location_constraint("us-east-1") == DECLARATION + b"<LocationConstraint" + NS + b"/>"
    assert location_constraint("eu-1") == document(b"LocationConstraint", b"eu-1")


ROW = ObjectRow(b"a b/<\xc3\xa4>\x01+", TIME, MD5, 5)


def test_list_objects() -> None:
    page = ListingV1("b", b"a ", b"/", b"a", 2, None, True, b"c/", [ROW], [b"c/"])
    assert list_bucket_result(page) == document(
        b"ListBucketResult",
        b"<Name>b</Name><Prefix>a </Prefix><Marker>a</Marker><NextMarker>c/</NextMarker><MaxKeys>2</MaxKeys>"
        b"<Delimiter>/</Delimiter><IsTruncated>true</IsTruncated>"
        b"<Contents><Key>a b/&lt;\xc3\xa4&gt;&#x1;+</Key><LastModified>" + ISO + b"</LastModified>"
        b"<ETag>" + QUOTED + b"</ETag><Size>5</Size><StorageClass>STANDARD</StorageClass></Contents>"
        b"<CommonPrefixes><Prefix>c/</Prefix></CommonPrefixes>",
    )


def test_list_objects_encoded_and_empty() -> None:
    page = ListingV1("b", b"a ", b" ", b"\xc3\xa4", 1000, "url", False, None, [], [])
    assert list_bucket_result(page) == document(
        b"ListBucketResult",
        b"<Name>b</Name><Prefix>a%20</Prefix><Marker>%C3%A4</Marker><MaxKeys>1000</MaxKeys>"
        b"<Delimiter>%20</Delimiter><EncodingType>url</EncodingType><IsTruncated>false</IsTruncated>",
    )


def test_list_objects_v2() -> None:
    row = ObjectRow(
        ROW.key, TIME, MD5, 5, owner=Owner("id"), checksum_algorithms=("CRC32",), checksum_type="FULL_OBJECT")
    page = ListingV2("b", b"", b"/", 1000, "url", True, "c&", "n", b"s t", [row], [b"p /"])
    assert list_bucket_result_v2(page) == document(
        b"ListBucketResult",
        b"<Name>b</Name><Prefix></Prefix><ContinuationToken>c&amp;</ContinuationToken>"
        b"<NextContinuationToken>n</NextContinuationToken><StartAfter>s%20t</StartAfter><KeyCount>2</KeyCount>"
        b"<MaxKeys>1000</MaxKeys><Delimiter>/</Delimiter><EncodingType>url</EncodingType>"
        b"<IsTruncated>true</IsTruncated>"
        b"<Contents><Key>a%20b/%3C%C3%A4%3E%01%2B</Key><LastModified>" + ISO + b"</LastModified>"
        b"<ETag>" + QUOTED + b"</ETag><ChecksumAlgorithm>CRC32</ChecksumAlgorithm>"
        b"<ChecksumType>FULL_OBJECT</ChecksumType><Size>5</Size><Owner><ID>id</ID></Owner>"
        b"<StorageClass>STANDARD</StorageClass></Contents>"
        b"<CommonPrefixes><Prefix>p%20/</Prefix></CommonPrefixes>",
    )


def test_copies() -> None:
    plain = b"<LastModified>" + ISO + b"</LastModified><ETag>" + QUOTED + b"</ETag>"
    assert copy_object_result(CopyResult(MD5, TIME)) == document(b"CopyObjectResult", plain)
    summed = CopyResult(MD5, TIME, (("CRC64NVME", "AAAAAAAAAAA="),), "FULL_OBJECT")
    assert copy_object_result(summed) == document(
        b"CopyObjectResult",
        plain + b"<ChecksumCRC64NVME>AAAAAAAAAAA=</ChecksumCRC64NVME>"
        b"<ChecksumType>FULL_OBJECT</ChecksumType>")


def test_deletes() -> None:
    failures = [
        DeleteFailure(b"x", "AccessDenied", "Access Denied"), DeleteFailure(b"y", "NoSuchVersion", "m", "v&"),
    ]
    assert delete_result([DeletedRow(b"a&b"), DeletedRow(b"n", "null")], failures) == document(
        b"DeleteResult",
        b"<Deleted><Key>a&amp;b</Key></Deleted><Deleted><Key>n</Key><VersionId>null</VersionId></Deleted>"
        b"<Error><Key>x</Key><Code>AccessDenied</Code><Message>Access Denied</Message></Error>"
        b"<Error><Key>y</Key><VersionId>v&amp;</VersionId><Code>NoSuchVersion</Code><Message>m</Message></Error>")
    assert delete_result([], []) == document(b"DeleteResult", b"")


def test_deletes_of_versions() -> None:
    made, gone = DeletedRow(b"k", None, "m1"), DeletedRow(b"k", "m1", "m1")
    marker = b"<DeleteMarker>true</DeleteMarker><DeleteMarkerVersionId>m1</DeleteMarkerVersionId>"
    assert delete_result([made, gone], []) == document(
        b"DeleteResult",
        b"<Deleted><Key>k</Key>" + marker + b"</Deleted>"
        b"<Deleted><Key>k</Key><VersionId>m1</VersionId>" + marker + b"</Deleted>")


def test_versions() -> None:
    row = ObjectRow(
        b"a b", TIME, MD5, 5, owner=Owner("id"), checksum_algorithms=("CRC32",), checksum_type="COMPOSITE"
    )
    rows = [
        VersionRow(ObjectRow(b"a b", TIME, "", 0, owner=Owner("id")), "v2", latest=True, marker=True),
        VersionRow(row, "v1", latest=False),
    ]
    page = VersionsPage("b", b"", b"/", b"a", "v0", 2, "url", (b"a b", "v1"), rows, [b"c/"])
    common = b"<LastModified>" + ISO + b"</LastModified>"
    assert list_versions_result(page) == document(
        b"ListVersionsResult",
        b"<Name>b</Name><Prefix></Prefix><KeyMarker>a</KeyMarker><VersionIdMarker>v0</VersionIdMarker>"
        b"<NextKeyMarker>a%20b</NextKeyMarker><NextVersionIdMarker>v1</NextVersionIdMarker>"
        b"<MaxKeys>2</MaxKeys><Delimiter>/</Delimiter><EncodingType>url</EncodingType>"
        b"<IsTruncated>true</IsTruncated>"
        b"<DeleteMarker><Owner><ID>id</ID></Owner><Key>a%20b</Key><VersionId>v2</VersionId>"
        b"<IsLatest>true</IsLatest>" + common + b"</DeleteMarker>"
        b"<Version><ETag>" + QUOTED + b"</ETag><Size>5</Size><StorageClass>STANDARD</StorageClass>"
        b"<Key>a%20b</Key><VersionId>v1</VersionId><IsLatest>false</IsLatest>" + common +
        b"<Owner><ID>id</ID></Owner><ChecksumAlgorithm>CRC32</ChecksumAlgorithm>"
        b"<ChecksumType>COMPOSITE</ChecksumType></Version>"
        b"<CommonPrefixes><Prefix>c/</Prefix></CommonPrefixes>")
    assert b"NextVersionIdMarker" not in list_versions_result(replace(page, resume=(b"c/", None)))
    last = list_versions_result(replace(page, resume=None))
    assert b"<IsTruncated>false" in last and b"NextKeyMarker" not in last


def test_versioning() -> None:
    empty = document(b"VersioningConfiguration", b"")
    assert versioning_configuration(None) == empty
    assert versioning_configuration("Suspended") == document(
        b"VersioningConfiguration", b"<Status>Suspended</Status>")


def test_post() -> None:
    assert post_response("http://h/b/k", "b", b"k", MD5) == (
        DECLARATION + b"<PostResponse><Location>http://h/b/k</Location><Bucket>b</Bucket><Key>k</Key>"
        b"<ETag>" + QUOTED + b"</ETag></PostResponse>")


@given(st.binary(min_size=1, max_size=60))
def test_an_encoded_key_survives(key: bytes) -> None:
    page = ListingV1("b", key, b"", b"", 1, "url", False, None, [], [])
    written = list_bucket_result(page).split(b"<Prefix>")[1].split(b"</Prefix>")[0]
    assert unquote_to_bytes(written) == key


@pytest.mark.parametrize("key", [b"\xff", b"a\xed\xa0\x80"])
def test_a_name_that_is_no_utf_8_breaks_no_document(key: bytes) -> None:
    assert "\ufffd" in delete_result([DeletedRow(key)], []).decode("utf-8")
