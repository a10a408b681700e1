"""What is in a bucket, over the administration API: what S3 lists, in the words of AWS's inventory."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.control.test_bucket_verbs import PHOTOS, namespace, office, refused
from tests.unit.control.test_desk import Office
from weka_mp.namespace import Namespace, NewObject
from weka_mp.object_lock import GOVERNANCE, NO_DEFAULT, Retention, encode

__all__ = ["namespace", "office"]  # fixtures

PATH = "/s3/buckets/photos/inventory"


@pytest.fixture
def photos(office: Office) -> Office:
    office.root("POST", "/s3/buckets", {"bucket_name": "photos"})
    return office


PLAIN = NewObject(md5=b"\0" * 16)


def put(namespace: Namespace, key: bytes, new: NewObject = PLAIN) -> None:
    with namespace.begin_put(PHOTOS, key) as session:
        session.write(key)
        session.publish(new)


def pages(office: Office, **asked: object) -> Iterator[dict[str, Any]]:
    behind: dict[str, Any] | None = {}
    while behind is not None:
        page = office.root("GET", PATH, {**asked, **behind})
        assert len(page["rows"]) <= 2
        yield from page["rows"]
        behind = page["next"]


def test_every_key_once_in_order_page_by_page(photos: Office, namespace: Namespace) -> None:
    keys = [b"a b", b"c/\xc3\xa4", b"c/d", b"c/e", b"f"]
    for key in keys:
        put(namespace, key)
    rows = list(pages(photos, limit=2))
    assert [row["Key"] for row in rows] == ["a%20b", "c/d", "c/e", "c/%C3%A4", "f"]
    assert rows[0] | {"LastModifiedDate": ""} == {
        "Bucket": "photos", "Key": "a%20b", "Size": 3, "LastModifiedDate": "", "ETag": "0" * 32,
        "StorageClass": "STANDARD", "EncryptionStatus": "NOT-SSE", "IsMultipartUploaded": False,
        "ChecksumAlgorithm": "", "ObjectOwner": "0" * 63 + "1",
    }
    assert [row["Key"] for row in pages(photos, limit=2, prefix="c%2F")] == ["c/d", "c/e", "c/%C3%A4"]


def test_all_versions_and_markers(photos: Office, namespace: Namespace) -> None:
    namespace.change_bucket_settings(PHOTOS, lambda before: replace(before, versioning="Enabled"))
    for _ in range(3):
        put(namespace, b"k")
    put(namespace, b"parts", NewObject(etag="0" * 32 + "-3", checksums={"SHA256": "x", "CRC32": "y"}))
    namespace.delete_object(PHOTOS, b"k")
    rows = list(pages(photos, limit=2, versions="true"))
    shown = [(row["Key"], row["IsLatest"], row["IsDeleteMarker"], row.get("Size")) for row in rows]
    assert shown == [
        ("k", True, True, None), ("k", False, False, 1), ("k", False, False, 1), ("k", False, False, 1),
        ("parts", True, False, 5),
    ]
    assert len({row["VersionId"] for row in rows}) == 5
    assert rows[-1]["IsMultipartUploaded"] is True
    assert rows[-1]["ChecksumAlgorithm"] in ("CRC32,SHA256", "SHA256,CRC32")
    assert [row["Key"] for row in pages(photos, limit=2)] == ["parts"]


def test_locks_where_they_are_asked_for(photos: Office, namespace: Namespace) -> None:
    namespace.change_bucket_settings(
        PHOTOS, lambda before: replace(before, versioning="Enabled", object_lock=encode(NO_DEFAULT))
    )
    held = NewObject(md5=b"\0" * 16, retention=Retention(GOVERNANCE, 4_102_444_800 * 10**9), legal_hold=True)
    put(namespace, b"held", held)
    put(namespace, b"plain")
    locks = [
        [row.get(f"ObjectLock{name}") for name in ("Mode", "RetainUntilDate", "LegalHoldStatus")]
        for row in pages(photos, limit=2, locks="true")
    ]
    assert locks == [["GOVERNANCE", "2100-01-01T00:00:00.000Z", "On"], [None, None, "Off"]]
    assert "ObjectLockMode" not in next(pages(photos, limit=2))


def test_what_cannot_be_asked(photos: Office) -> None:
    for wrong in ({"limit": 0}, {"limit": 1001}, {"versions": "yes"}, {"colour": "blue"}):
        assert refused(photos, "GET", PATH, wrong)[0] == 400
    assert refused(photos, "GET", "/s3/buckets/nowhere/inventory") == (404, "NoSuchEntity")
