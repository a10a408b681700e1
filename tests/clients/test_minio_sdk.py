"""MinIO's Python SDK, which signs, streams and multiplexes in its own ways."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from datetime import timedelta
from urllib.parse import urlsplit

import pytest
import urllib3
from minio import Minio
from minio.commonconfig import REPLACE, ComposeSource, CopySource
from minio.deleteobjects import DeleteObject
from minio.error import S3Error

from tests.system.service import ACCESS_KEY, REGION, SECRET_KEY, Bucket

pytestmark = [pytest.mark.mount, pytest.mark.clients]

MIB = 1 << 20


@pytest.fixture
def client(bucket: Bucket) -> Iterator[Minio]:
    assert bucket.service.url is not None
    address = urlsplit(bucket.service.url)
    with urllib3.PoolManager(retries=False) as pool:
        yield Minio(
            address.netloc, ACCESS_KEY, SECRET_KEY, secure=False, region=REGION, http_client=pool
        )


def _names(client: Minio, bucket: Bucket, *, recursive: bool) -> list[str | None]:
    return [item.object_name for item in client.list_objects(bucket.name, recursive=recursive)]


def test_objects(client: Minio, bucket: Bucket) -> None:
    client.put_object(
        bucket.name, "dir/a b+ü", io.BytesIO(b"hello"), 5, "text/plain", {"colour": "blue"}
    )
    assert (bucket.path / "dir" / "a b+ü").read_bytes() == b"hello"
    found = client.stat_object(bucket.name, "dir/a b+ü")
    assert (found.size, found.content_type) == (5, "text/plain")
    assert found.etag == hashlib.md5(b"hello").hexdigest()
    assert found.metadata is not None
    assert found.metadata["x-amz-meta-colour"] == "blue"
    with client.get_object(bucket.name, "dir/a b+ü", offset=1, length=3) as response:
        assert response.read() == b"ell"
    source = CopySource(bucket.name, "dir/a b+ü")
    client.copy_object(bucket.name, "copy", source, metadata={"x": "y"}, metadata_directive=REPLACE)
    assert (bucket.path / "copy").read_bytes() == b"hello"
    assert _names(client, bucket, recursive=True) == ["copy", "dir/a b+ü"]
    assert _names(client, bucket, recursive=False) == ["copy", "dir/"]
    errors = client.remove_objects(bucket.name, [DeleteObject("copy"), DeleteObject("dir/a b+ü")])
    assert list(errors) == []
    with pytest.raises(S3Error, match="NoSuchKey"):
        client.stat_object(bucket.name, "copy")


def test_streams_of_unknown_length_and_parallel_parts(client: Minio, bucket: Bucket) -> None:
    content = bytes(range(256)) * 4096 * 13
    client.put_object(
        bucket.name, "stream", io.BytesIO(content), -1, part_size=5 * MIB, num_parallel_uploads=3
    )
    assert (bucket.path / "stream").read_bytes() == content
    etag = client.stat_object(bucket.name, "stream").etag
    assert etag is not None
    assert etag.endswith("-3")


def test_compose_puts_objects_together(client: Minio, bucket: Bucket) -> None:
    first, second = b"a" * (5 * MIB), b"b" * 1000
    (bucket.path / "first").write_bytes(first)
    (bucket.path / "second").write_bytes(second)
    client.compose_object(
        bucket.name, "both", [ComposeSource(bucket.name, "first"), ComposeSource(bucket.name, "second")]
    )
    assert (bucket.path / "both").read_bytes() == first + second


def test_presigned_addresses(client: Minio, bucket: Bucket) -> None:
    address = client.presigned_put_object(bucket.name, "signed", timedelta(minutes=5))
    with urllib3.PoolManager() as pool:
        assert pool.request("PUT", address, body=b"by address").status == 200
        assert (bucket.path / "signed").read_bytes() == b"by address"
        fetched = pool.request("GET", client.presigned_get_object(bucket.name, "signed"))
        assert fetched.data == b"by address"


def test_buckets(client: Minio, bucket: Bucket) -> None:
    assert client.bucket_exists(bucket.name)
    assert not client.bucket_exists("nobody-made-this")
    assert bucket.name in [one.name for one in client.list_buckets()]
