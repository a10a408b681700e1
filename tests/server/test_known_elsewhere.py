"""What users of other servers met, each a test whose docstring names the thread.

Other rooms have tests of further ones: who may what by uid and modes (test_posix_permissions), keys that mean
harm and links (test_bad_input), expectations refused before a body (test_wire), proxies
(test_reverse_proxies), what the mount sees at once (tests/system/test_invalidation), pages of deep trees
(tests/unit/namespace/test_listing), renames of prefixes (test_renames), full disks (tests/faults).
"""

from __future__ import annotations

import base64
import hashlib
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from botocore import auth
from botocore.exceptions import ClientError

from tests.server.endpoint import Endpoint, running_endpoint
from tests.server.raw_http import send, signed
from tests.server.test_objects import failure
from weka_mp.namespace.records.attribute import RECORD_XATTR
from weka_mp.s3.checksums import Algorithm, encode_digest, new_hasher

LEAST_PART = 5 * 1024 * 1024
AT_ONCE = 8


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    root: Path = tmp_path_factory.mktemp("elsewhere") / "store"
    root.mkdir()
    with running_endpoint(root) as running:
        yield running


@pytest.fixture
def s3(place: Endpoint) -> Iterator[Any]:
    client = place.client(max_pool_connections=AT_ONCE)
    yield client
    client.close()


@pytest.fixture
def bucket(s3: Any, request: pytest.FixtureRequest) -> str:
    name = hashlib.sha256(request.node.name.encode()).hexdigest()[:40]
    s3.create_bucket(Bucket=name)
    return name


def md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def at_once(call: Callable[[int], object]) -> list[object]:
    """What each of several calls that begin together gave back, or the code of its refusal."""
    ready = threading.Barrier(AT_ONCE)

    def one(number: int) -> object:
        ready.wait()
        try:
            return call(number)
        except ClientError as refused:
            return refused.response["Error"]["Code"]

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(one, range(AT_ONCE)))


def keys(s3: Any, bucket: str, **more: Any) -> list[str]:
    return [row["Key"] for row in s3.list_objects_v2(Bucket=bucket, **more).get("Contents", [])]


# -- files that others made
def test_files_that_nobody_uploaded_are_objects_with_tags_of_their_own(
    place: Endpoint, s3: Any, bucket: str
) -> None:
    """minio/minio#15478, #15352 (not listed), #12042, versity/versitygw#694, #2218 (no or one constant ETag),
    mojatter/s2#209 (the ETag of nothing for all), PelicanPlatform/pelican#3476 (size and time make an ETag).
    """
    for name in ("a", "b"):
        path = place.root / bucket / "there" / "already" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode() * 100)
        os.utime(path, ns=(10**18, 10**18))
    rows = s3.list_objects_v2(Bucket=bucket)["Contents"]
    assert [row["Key"] for row in rows] == ["there/already/a", "there/already/b"]
    tags = [row["ETag"].strip('"') for row in rows]
    assert len({*tags, md5(b""), ""}) == 4
    for row, tag in zip(rows, tags, strict=True):
        # Programs take what has no dash for an MD5.
        body = s3.get_object(Bucket=bucket, Key=row["Key"])["Body"].read()
        assert "-" in tag or tag == md5(body)


def test_a_tag_does_not_outlive_its_bytes(place: Endpoint, s3: Any, bucket: str) -> None:
    """juicedata/juicefs#6485, chimera-nas/chimera#469: a stored tag was served for other bytes. Of writers on
    the mount, who may set the times as they like, see tests/system/test_etag_truth.py.
    """
    tag = s3.put_object(Bucket=bucket, Key="k", Body=b"first!")["ETag"]
    path = place.root / bucket / "k"
    before = path.stat()
    with path.open("ab") as file:
        file.write(b"second")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert s3.head_object(Bucket=bucket, Key="k")["ETag"] != tag
    assert s3.list_objects_v2(Bucket=bucket)["Contents"][0]["ETag"] != tag
    stale = failure(s3.get_object, Bucket=bucket, Key="k", IfMatch=tag)
    assert stale == ("PreconditionFailed", 412)
    path.write_bytes(b"")
    assert s3.head_object(Bucket=bucket, Key="k")["ContentLength"] == 0


def test_an_upload_has_its_md5_wherever_it_is_shown(s3: Any, bucket: str) -> None:
    """seaweedfs/seaweedfs#7768 (a dash in the tag of a PutObject ends the Java SDK), #9768."""
    tag = f'"{md5(b"data")}"'
    assert s3.put_object(Bucket=bucket, Key="k", Body=b"data")["ETag"] == tag
    assert s3.put_object(Bucket=bucket, Key="k", Body=b"data", IfMatch=tag)["ETag"] == tag  # written alike
    assert s3.copy_object(Bucket=bucket, Key="c", CopySource=f"{bucket}/k")["CopyObjectResult"]["ETag"] == tag
    for key in ("k", "c"):
        assert s3.head_object(Bucket=bucket, Key=key)["ETag"] == tag
        got = s3.get_object(Bucket=bucket, Key=key)
        got["Body"].close()
        assert got["ETag"] == tag
    assert {row["ETag"] for row in s3.list_objects_v2(Bucket=bucket)["Contents"]} == {tag}


def test_a_damaged_record_does_not_hide_its_neighbours(place: Endpoint, s3: Any, bucket: str) -> None:
    """minio/minio#6256: a metadata file of no bytes ended the listing of the whole directory."""
    for key in ("d/a", "d/b", "d/c"):
        s3.put_object(Bucket=bucket, Key=key, Body=b"x")
    for damage in (b"", b"\0", b"\xff" * 100):
        os.setxattr(place.root / bucket / "d" / "b", RECORD_XATTR, damage)
        assert keys(s3, bucket) == ["d/a", "d/b", "d/c"]
        assert s3.get_object(Bucket=bucket, Key="d/b")["Body"].read() == b"x"


def test_metadata_of_programs_comes_back_as_it_was(s3: Any, bucket: str) -> None:
    """s3fs-fuse/s3fs-fuse#519, #2266, rclone: owner, mode and times of files ride in user metadata."""
    sent = {"uid": "1000", "gid": "100", "mode": "33188", "mtime": "1700000000.123456789", "ctime": "17"}
    s3.put_object(Bucket=bucket, Key="k", Body=b"", Metadata=sent)
    s3.copy_object(Bucket=bucket, Key="c", CopySource=f"{bucket}/k")
    for key in ("k", "c"):
        assert s3.head_object(Bucket=bucket, Key=key)["Metadata"] == sent


# -- keys and directories
def test_listings_and_heads_agree_on_directories(s3: Any, bucket: str) -> None:
    """versity/versitygw#2130, #943, juicedata/juicefs#5163, #6006: one showed what the other did not know."""
    s3.put_object(Bucket=bucket, Key="d/e/f", Body=b"")
    for implicit in ("d/", "d/e/", "d", "d/e"):
        assert failure(s3.head_object, Bucket=bucket, Key=implicit) == ("404", 404)
        assert failure(s3.get_object, Bucket=bucket, Key=implicit) == ("NoSuchKey", 404)
    assert keys(s3, bucket) == keys(s3, bucket, Prefix="d/") == ["d/e/f"]
    page = s3.list_objects_v2(Bucket=bucket, Delimiter="/")
    assert [row["Prefix"] for row in page["CommonPrefixes"]] == ["d/"]
    s3.delete_object(Bucket=bucket, Key="d/e/f")
    assert "CommonPrefixes" not in s3.list_objects_v2(Bucket=bucket, Delimiter="/")
    s3.delete_bucket(Bucket=bucket)


def test_a_directory_that_a_program_made_stays(s3: Any, bucket: str) -> None:
    """juicedata/juicefs#3373, #6004, #7064 (mkdir of s3fs; leaf directories went with their last file)."""
    s3.put_object(Bucket=bucket, Key="made/", Body=b"", ContentType="application/x-directory")
    s3.put_object(Bucket=bucket, Key="made/file", Body=b"")
    assert keys(s3, bucket) == ["made/", "made/file"]
    s3.delete_object(Bucket=bucket, Key="made/file")
    assert keys(s3, bucket) == ["made/"]
    assert s3.head_object(Bucket=bucket, Key="made/")["ContentType"] == "application/x-directory"
    s3.delete_object(Bucket=bucket, Key="made/")
    assert keys(s3, bucket) == []


def test_uploads_and_deletions_beside_each_other_do_not_conflict(s3: Any, bucket: str) -> None:
    """versity/versitygw#1988: the parent was removed under an upload that had just made it."""

    def come_and_go(number: int) -> str:
        for _ in range(8):
            s3.put_object(Bucket=bucket, Key=f"a/b/c/{number}", Body=b"x")
            s3.delete_object(Bucket=bucket, Key=f"a/b/c/{number}")
        return "done"

    assert at_once(come_and_go) == ["done"] * AT_ONCE
    assert keys(s3, bucket) == []


def test_an_object_and_one_below_it_leave_listings_whole(s3: Any, bucket: str) -> None:
    """minio/minio#6799, versity/versitygw#137, noobaa/noobaa-core#8320: `a` and `a/b`."""
    s3.put_object(Bucket=bucket, Key="a", Body=b"a")
    s3.put_object(Bucket=bucket, Key="b/c", Body=b"c")
    assert failure(s3.put_object, Bucket=bucket, Key="a/b", Body=b"") == ("InvalidRequest", 409)
    assert failure(s3.put_object, Bucket=bucket, Key="b", Body=b"") == ("InvalidRequest", 409)
    assert failure(s3.get_object, Bucket=bucket, Key="a/b") == ("NoSuchKey", 404)
    assert keys(s3, bucket) == ["a", "b/c"]
    assert s3.get_object(Bucket=bucket, Key="a")["Body"].read() == b"a"


@pytest.mark.parametrize("key", ["a+b", "a b", "a%2Bb", "ä ö", "@home", "a=b&c", "x;y", "~t", "100%", "日本"])
def test_however_a_source_is_encoded_it_is_that_key(place: Endpoint, s3: Any, bucket: str, key: str) -> None:
    """versity/versitygw#2225 and its e702a486, d2df00a4; akka/alpakka#838, durch/rust-s3#148,
    soto-project/soto#601 (`+` and `@` encoded twice or not at all).
    """
    s3.put_object(Bucket=bucket, Key=key, Body=key.encode())
    s3.put_object(Bucket=bucket, Key="other", Body=b"other")
    whole, slashes_too = quote(f"{bucket}/{key}", safe="/~"), quote(f"{bucket}/{key}", safe="")
    for source in (whole, f"/{whole}", slashes_too):
        answer = send(place, signed("PUT", f"/{bucket}/copy", headers={"x-amz-copy-source": source}))
        assert (answer.status, answer.code) == (200, "")
        assert s3.get_object(Bucket=bucket, Key="copy")["Body"].read() == key.encode()
    assert s3.get_object(Bucket=bucket, Key=key)["Body"].read() == key.encode()


# -- bodies
@pytest.mark.parametrize("algorithm", Algorithm, ids=lambda algorithm: algorithm.value)
def test_trailing_checksums_are_verified_kept_and_shown(
    place: Endpoint, s3: Any, bucket: str, algorithm: Algorithm
) -> None:
    """chimera-nas/chimera#1385 (not verified), versity/versitygw#1664, #1695, fleetdm/fleet#47850,
    cloud37/s3-encryption-gateway#283 (CRC64NVME refused), boto/boto3#4392, #4409.
    """
    hasher = new_hasher(algorithm)
    hasher.update(b"some data")
    right = encode_digest(hasher.digest())
    wrong = encode_digest(bytes(algorithm.digest_size))
    for trailer, status, code in ((wrong, 400, "BadDigest"), (right, 200, "")):
        answer = send(place, signed(
            "PUT", f"/{bucket}/k", payload="STREAMING-UNSIGNED-PAYLOAD-TRAILER",
            headers={
                "Content-Encoding": "aws-chunked", "x-amz-decoded-content-length": "9",
                "x-amz-trailer": algorithm.header,
            },
            send_body=b"9\r\nsome data\r\n0\r\n" + f"{algorithm.header}:{trailer}\r\n\r\n".encode(),
        ))
        assert (answer.status, answer.code) == (status, code)
    shown = s3.head_object(Bucket=bucket, Key="k", ChecksumMode="ENABLED")
    assert shown[f"Checksum{algorithm.value}"] == right
    assert shown.get("ContentEncoding") in (None, "")


def test_an_expectation_may_be_signed_and_is_met(
    place: Endpoint, s3: Any, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """versity/versitygw 9f6bf183 (Expect in the signature), rustfs/rustfs#336, boto/boto3#743."""
    monkeypatch.setattr(auth, "SIGNED_HEADERS_BLACKLIST", [])  # botocore leaves it out, others do not
    request = signed("PUT", f"/{bucket}/k", b"body", headers={"Expect": "100-continue"})
    assert b"expect" in request.lower().partition(b"signedheaders=")[2].partition(b",")[0]
    head, _, body = request.partition(b"\r\n\r\n")
    with place.connect() as sock:
        sock.sendall(head + b"\r\n\r\n")
        assert sock.recv(100).startswith(b"HTTP/1.1 100 ")
        sock.sendall(body)
        assert sock.recv(1000).startswith(b"HTTP/1.1 200 ")
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"body"


def test_a_failed_upload_leaves_what_was_there(place: Endpoint, s3: Any, bucket: str) -> None:
    """rclone/rclone#9718: an upload that failed destroyed the old object."""
    s3.put_object(Bucket=bucket, Key="k", Body=b"old", Metadata={"a": "b"})
    wrong = base64.b64encode(bytes(16)).decode()
    answer = send(place, signed("PUT", f"/{bucket}/k", b"new", headers={"Content-MD5": wrong}))
    assert (answer.status, answer.code) == (400, "BadDigest")
    found = s3.get_object(Bucket=bucket, Key="k")
    assert (found["Body"].read(), found["Metadata"]) == (b"old", {"a": "b"})


# -- at once
def test_of_uploads_that_nothing_may_be_there_for_one_wins(s3: Any, bucket: str) -> None:
    """Commits of tables: ovh/public-cloud-roadmap#671, apache/opendal#7889, apache/arrow-rs-object-store#427.
    """

    def commit(number: int) -> int:
        s3.put_object(Bucket=bucket, Key="log/1.json", Body=b"%d" % number, IfNoneMatch="*")
        return number

    found = at_once(commit)
    [winner] = [number for number in found if isinstance(number, int)]
    refused = {code for code in found if isinstance(code, str)}
    assert refused <= {"PreconditionFailed", "ConditionalRequestConflict"}
    assert s3.get_object(Bucket=bucket, Key="log/1.json")["Body"].read() == b"%d" % winner


def test_of_replacements_of_one_content_one_wins(s3: Any, bucket: str) -> None:
    """The same threads: If-Match, by which the pointer of a table is moved on."""
    tag = s3.put_object(Bucket=bucket, Key="current", Body=b"start")["ETag"]

    def replace(number: int) -> int:
        s3.put_object(Bucket=bucket, Key="current", Body=b"%d" % number, IfMatch=tag)
        return number

    found = at_once(replace)
    [winner] = [number for number in found if isinstance(number, int)]
    assert s3.get_object(Bucket=bucket, Key="current")["Body"].read() == b"%d" % winner


def test_a_completion_asked_for_several_times_at_once_happens_once(s3: Any, bucket: str) -> None:
    """versity/versitygw 13b3dc52: two completions at once made a mixture, or a 500."""
    known = {"Bucket": bucket, "Key": "k"}
    known["UploadId"] = s3.create_multipart_upload(**known)["UploadId"]
    bodies = (os.urandom(LEAST_PART), b"the end")
    parts = [
        {"PartNumber": number, "ETag": s3.upload_part(**known, PartNumber=number, Body=body)["ETag"]}
        for number, body in enumerate(bodies, 1)
    ]
    found = at_once(lambda _: s3.complete_multipart_upload(**known, MultipartUpload={"Parts": parts})["ETag"])
    assert len(set(found)) == 1
    assert s3.get_object(Bucket=bucket, Key="k")["Body"].read() == b"".join(bodies)
    assert "Uploads" not in s3.list_multipart_uploads(Bucket=bucket)
