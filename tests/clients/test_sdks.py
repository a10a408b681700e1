"""SDKs for JavaScript, Go and Java with their defaults: checksums in trailers, transfers in parts."""

from __future__ import annotations

import base64
import hashlib
import os
import zlib
from pathlib import Path

import pytest
from botocore.session import Session
from s3transfer.crt import (
    BotocoreCRTCredentialsWrapper,
    BotocoreCRTRequestSerializer,
    CRTTransferManager,
    create_s3_crt_client,
)

from tests.clients.driver import Driver, RefusedError
from tests.clients.programs import run
from tests.system.service import ACCESS_KEY, REGION, SECRET_KEY, Bucket

pytestmark = [pytest.mark.mount, pytest.mark.clients]

MIB = 1 << 20


@pytest.fixture(params=["node", "go", "java"])
def client(request: pytest.FixtureRequest) -> Driver:
    driver: Driver = request.getfixturevalue(request.param)
    return driver


@pytest.fixture
def bucket(secure_bucket: Bucket) -> Bucket:
    return secure_bucket


def crc32(body: bytes) -> str:
    return base64.b64encode(zlib.crc32(body).to_bytes(4, "big")).decode()


@pytest.mark.parametrize("size", [0, 1, 100_000])
def test_an_object_with_the_checksum_of_the_default(
    client: Driver, bucket: Bucket, tmp_path: Path, size: int
) -> None:
    body = os.urandom(size)
    (tmp_path / "body").write_bytes(body)
    assert client("put", bucket.name, "dir/object", tmp_path / "body") == [crc32(body)]
    assert (bucket.path / "dir" / "object").read_bytes() == body
    assert bucket.head("dir/object", ChecksumMode="ENABLED")["ChecksumCRC32"] == crc32(body)
    assert client("head", bucket.name, "dir/object") == [str(size), f'"{hashlib.md5(body).hexdigest()}"']
    client("get", bucket.name, "dir/object", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == body
    client("delete", bucket.name, "dir/object")
    assert list(bucket.path.iterdir()) == []


def test_a_file_of_the_mount_is_read_copied_and_deleted(
    client: Driver, bucket: Bucket, tmp_path: Path
) -> None:
    (bucket.path / "dir").mkdir()
    (bucket.path / "dir" / "by posix").write_bytes(b"one")
    client("get", bucket.name, "dir/by posix", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == b"one"
    client("copy", bucket.name, "dir/by posix", "copy")
    (bucket.path / "dir" / "by posix").write_bytes(b"other")
    client("get", bucket.name, "dir/by posix", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == b"other", "the one before it has no checksum any more"
    assert (bucket.path / "copy").read_bytes() == b"one"
    assert client("deletemany", bucket.name, "copy", "dir/by posix", "absent") == []
    assert bucket.keys() == []
    with pytest.raises(RefusedError) as refused:
        client("get", bucket.name, "copy", tmp_path / "back")
    assert refused.value.code == "NoSuchKey"


def test_pages_of_a_listing(client: Driver, bucket: Bucket) -> None:
    for number in range(7):
        (bucket.path / f"f{number} +").write_bytes(b"")
    assert client("list", bucket.name, "f", "3") == [f"f{number} +" for number in range(7)]
    assert client("list", bucket.name, "absent", "3") == []


def test_a_transfer_in_parts(client: Driver, bucket: Bucket, tmp_path: Path) -> None:
    body = os.urandom(MIB) * 20 + b"end"
    (tmp_path / "body").write_bytes(body)
    [etag] = client("upload", bucket.name, "large", tmp_path / "body")
    assert (bucket.path / "large").read_bytes() == body
    # Parts of 8 MiB in Go and Java, of 5 in JavaScript.
    assert etag.strip('"').endswith(("-3", "-5")), etag
    assert bucket.etag("large") == etag.strip('"')
    client("get", bucket.name, "large", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == body


@pytest.mark.parametrize("name", ["go", "java"])  # lib-storage of JavaScript has none
def test_a_download_in_parts_of_what_posix_wrote(
    name: str, request: pytest.FixtureRequest, bucket: Bucket, tmp_path: Path
) -> None:
    body = os.urandom(MIB) * 20 + b"end"
    (bucket.path / "large").write_bytes(body)
    request.getfixturevalue(name)("download", bucket.name, "large", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == body


def test_addresses_that_it_signs(client: Driver, bucket: Bucket, tmp_path: Path) -> None:
    (tmp_path / "body").write_bytes(b"by curl")
    curl = ["curl", "-sf", "--cacert", bucket.service.certificate or ""]
    [put] = client("presign", bucket.name, "a b+ü.txt", "PUT")
    run(*curl, "-T", tmp_path / "body", put)
    assert (bucket.path / "a b+ü.txt").read_bytes() == b"by curl"
    [get] = client("presign", bucket.name, "a b+ü.txt", "GET")
    assert run(*curl, get) == "by curl"


def test_transfers_by_the_crt(bucket: Bucket, tmp_path: Path) -> None:
    """As awscli 2 and `boto3[crt]` make them; boto3 itself knows no endpoint for them but AWS's."""
    session = Session()
    session.set_credentials(ACCESS_KEY, SECRET_KEY)
    provider = BotocoreCRTCredentialsWrapper(session.get_credentials()).to_crt_credentials_provider()
    crt = create_s3_crt_client(REGION, provider, verify=str(bucket.service.certificate))
    serializer = BotocoreCRTRequestSerializer(
        session, {"region_name": REGION, "endpoint_url": bucket.service.url}
    )
    body = os.urandom(MIB) * 20 + b"end"
    (tmp_path / "body").write_bytes(body)
    with CRTTransferManager(crt, serializer) as transfers:
        transfers.upload(str(tmp_path / "body"), bucket.name, "large").result()
        assert (bucket.path / "large").read_bytes() == body
        assert bucket.etag("large").endswith("-3")
        (bucket.path / "by posix").write_bytes(body)
        transfers.download(bucket.name, "by posix", str(tmp_path / "back")).result()
        transfers.delete(bucket.name, "large").result()
    # The file has its name only when the transfers are over.
    assert (tmp_path / "back").read_bytes() == body
    assert [path.name for path in bucket.path.iterdir()] == ["by posix"]
