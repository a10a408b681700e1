"""Uploads into buckets on other file systems. Run in a mount namespace of its own:

``unshare -m python -m tests.crash.far_bucket STORE`` mounts a tmpfs as the bucket ``far`` and binds a
directory of the store's own file system as ``bound``, does its checks, and says ``ok``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from tests.unit.namespace.kit import get, keys, md5_of, put, tree
from weka_mp.namespace import CompletedPart, CompletionRequest, Namespace, NewUpload, PartCopyRequest
from weka_mp.namespace.uploads import multipart
from weka_mp.store import crashpoints
from weka_mp.store.crashpoints import CrashPoint
from weka_mp.store.posix import PosixStore
from weka_mp.values import BucketName

PART, LAST, OTHER = b"p" * 1000, b"the last part", b"other"
FAR, BOUND, NEAR = BucketName("far"), BucketName("bound"), BucketName("near")


def begin(
    namespace: Namespace, bucket: BucketName, key: bytes, *numbers: int
) -> tuple[str, list[CompletedPart]]:
    upload_id = namespace.create_upload(bucket, key, NewUpload())
    parts = []
    for number in numbers:
        body = LAST if number == numbers[-1] else PART
        with namespace.begin_part(bucket, key, upload_id, number, len(body)) as part:
            part.write(body)
            parts.append(CompletedPart(number, part.commit(bytes.fromhex(md5_of(body)), {}).etag))
    return upload_id, parts


def check_completions(namespace: Namespace, bucket: BucketName) -> None:
    for key in (b"k", b"deep/er/k", b"dir/"):
        for numbers in ((1, 2), (2, 7)):  # the slots in order, and not; a new object, and over an old one
            upload_id, parts = begin(namespace, bucket, key, *numbers)
            done = namespace.complete_upload(CompletionRequest(bucket, key, upload_id, parts))
            assert (done.repeated, get(namespace, key, bucket)) == (False, PART + LAST)
            put(namespace, key, OTHER, bucket=bucket)
            assert namespace.complete_upload(CompletionRequest(bucket, key, upload_id, parts)).repeated
            assert get(namespace, key, bucket) == OTHER


def check_copies(namespace: Namespace) -> None:
    put(namespace, b"source", PART, bucket=NEAR)
    put(namespace, b"source", PART, bucket=FAR)
    for source, target in ((NEAR, FAR), (FAR, NEAR), (FAR, BOUND), (FAR, FAR)):
        upload_id = namespace.create_upload(target, b"copied", NewUpload())
        part = namespace.copy_part(PartCopyRequest(
            source, b"source", target, b"copied", upload_id, 1, lambda info: (1, info.size - 1), None,
            lambda: None,
        ))
        namespace.complete_upload(
            CompletionRequest(target, b"copied", upload_id, [CompletedPart(1, part.etag)])
        )
        assert get(namespace, b"copied", target) == PART[1:]


def die(path: str, point: CrashPoint, act: Callable[[Namespace], object]) -> None:
    """Do it in a process that is killed at that point."""
    child = os.fork()
    if child == 0:
        crashpoints._AT = str(int(point))
        with Namespace.open(PosixStore(path)) as namespace:
            act(namespace)
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -9, point


def check_deaths(path: str, namespace: Namespace, bucket: BucketName) -> None:
    for point in (
        CrashPoint.ASSEMBLED, CrashPoint.RESULT_RECORDED, CrashPoint.FILE_SYNCED, CrashPoint.SPOOLED,
        CrashPoint.PUBLISHED, CrashPoint.DIRECTORY_SYNCED, CrashPoint.UPLOAD_REMOVED,
        CrashPoint.UPLOAD_RETIRED,
    ):
        key = b"dies/" + point.name.encode()
        put(namespace, key, OTHER, bucket=bucket)
        upload_id, parts = begin(namespace, bucket, key, 1, 2)
        request = CompletionRequest(bucket, key, upload_id, parts)
        die(path, point, lambda other: other.complete_upload(request))  # noqa: B023
        seen = get(namespace, key, bucket)
        done = namespace.complete_upload(request)
        assert (seen in (OTHER, PART + LAST), done.repeated) == (True, seen != OTHER), (point, seen)
        assert get(namespace, key, bucket) == PART + LAST


def staged(namespace: Namespace) -> set[bytes]:
    hidden = (path for path in tree(namespace.store) if b"/.weka~" in path)
    return {path for path in hidden if not path.endswith(b"/.weka~body")}


def check_sweep(path: str, namespace: Namespace) -> None:
    put(namespace, b"swept/k", OTHER, bucket=FAR)
    before = staged(namespace)
    die(path, CrashPoint.SPOOLED, lambda other: put(other, b"swept/k", PART, bucket=FAR))
    (left,) = staged(namespace) - before
    assert left.startswith(b"far/swept/.weka~")
    assert b"swept/k" in keys(namespace, FAR)
    assert not [key for key in keys(namespace, FAR) if b".weka" in key]
    assert namespace.sweep_far_buckets(0) == 0, "it may be in use"
    assert namespace.sweep_far_buckets(1 << 62) == len(before) + 1 > 1
    assert staged(namespace) == set()
    assert get(namespace, b"swept/k", FAR) == OTHER
    assert get(namespace, b"dir/", FAR) == OTHER


def main(path: str) -> None:
    store = Path(path)
    (store / FAR).mkdir(parents=True)
    (store / BOUND).mkdir()
    (store.parent / "origin").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", store / FAR], check=True)
    subprocess.run(["mount", "--bind", store.parent / "origin", store / BOUND], check=True)
    with Namespace.open(PosixStore(path)) as namespace:
        namespace.create_bucket(NEAR)
        for bucket in (FAR, BOUND):
            check_completions(namespace, bucket)
            check_deaths(path, namespace, bucket)
        check_copies(namespace)
        check_sweep(path, namespace)
    sys.stdout.write("ok\n")


if __name__ == "__main__":
    multipart.MIN_PART_BYTES = len(PART)
    main(sys.argv[1])
