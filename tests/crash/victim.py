"""Processes that die: each runs one scenario on one store and writes a line for everything it acknowledged.

``python -m tests.crash.victim STORE SCENARIO`` runs one, with WEKA_MP_CRASH_AT set. With ``--many`` it reads
lines ``STORE SCENARIO POINT``, forks a victim for each (the modules are loaded once) and answers each line
with its wait status. What a victim acknowledges is appended to ``STORE.said``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import replace

from tests.unit.namespace.kit import BUCKET, md5_of, put
from weka_mp.namespace import (
    CompletedPart,
    CompletionRequest,
    Namespace,
    NewUpload,
    PartCopyRequest,
    RenameRequest,
)
from weka_mp.namespace.uploads import multipart
from weka_mp.store import crashpoints
from weka_mp.store.posix import PosixStore
from weka_mp.values import BucketName

OLD, NEW = b"the old content", b"the new and longer content"
PART = bytes(1000)  # the tests lower the minimum size of parts to this


class Herald:
    """Where this victim writes what it acknowledges."""

    said = -1


def acknowledge(what: str) -> None:
    os.write(Herald.said, what.encode() + b"\n")


def put_new(namespace: Namespace) -> None:
    put(namespace, b"k", NEW)


def put_deep(namespace: Namespace) -> None:
    put(namespace, b"x/y/z/k", NEW)


def overwrite(namespace: Namespace) -> None:
    put(namespace, b"old/a/k", NEW)


def delete(namespace: Namespace) -> None:
    namespace.delete_object(BUCKET, b"old/a/k")


def directory(namespace: Namespace) -> None:
    put(namespace, b"dir/", NEW)


def directory_over(namespace: Namespace) -> None:
    put(namespace, b"olddir/", NEW)


def directory_delete(namespace: Namespace) -> None:
    namespace.delete_object(BUCKET, b"olddir/")


def upload(namespace: Namespace, *numbers: int) -> None:
    upload_id = namespace.create_upload(BUCKET, b"up/k", NewUpload())
    acknowledge(f"upload {upload_id}")
    parts = []
    for number in numbers:
        body = PART if number == 1 else NEW
        with namespace.begin_part(BUCKET, b"up/k", upload_id, number, len(body)) as part:
            part.write(body)
            parts.append(CompletedPart(number, part.commit(bytes.fromhex(md5_of(body)), {}).etag))
            acknowledge(f"part {number}")
    parts.sort(key=lambda part: part.number)
    namespace.complete_upload(CompletionRequest(BUCKET, b"up/k", upload_id, parts))


def upload_in_order(namespace: Namespace) -> None:
    upload(namespace, 1, 2)


def upload_backwards(namespace: Namespace) -> None:
    upload(namespace, 2, 1)


def upload_with_gaps(namespace: Namespace) -> None:
    """Parts that no file of slots holds in order: the first comes twice, the second has a high number."""
    upload_id = namespace.create_upload(BUCKET, b"up/k", NewUpload())
    acknowledge(f"upload {upload_id}")
    parts = {}
    for number, body in ((1, NEW), (1, PART), (7, NEW)):
        with namespace.begin_part(BUCKET, b"up/k", upload_id, number, len(body)) as part:
            part.write(body)
            parts[number] = CompletedPart(number, part.commit(bytes.fromhex(md5_of(body)), {}).etag)
    acknowledge("part 1")
    acknowledge("part 7")
    namespace.complete_upload(CompletionRequest(BUCKET, b"up/k", upload_id, list(parts.values())))


def upload_by_copy(namespace: Namespace) -> None:
    """The first part is a copy of an object that was there before."""
    upload_id = namespace.create_upload(BUCKET, b"up/k", NewUpload())
    acknowledge(f"upload {upload_id}")
    part = namespace.copy_part(PartCopyRequest(
        BUCKET, b"source", BUCKET, b"up/k", upload_id, 1, lambda info: (0, info.size), None, lambda: None,
    ))
    acknowledge("part 1")
    with namespace.begin_part(BUCKET, b"up/k", upload_id, 2, len(NEW)) as session:
        session.write(NEW)
        second = session.commit(bytes.fromhex(md5_of(NEW)), {})
    acknowledge("part 2")
    parts = [CompletedPart(1, part.etag), CompletedPart(2, second.etag)]
    namespace.complete_upload(CompletionRequest(BUCKET, b"up/k", upload_id, parts))


def rename_file(namespace: Namespace) -> None:
    namespace.rename_object(RenameRequest(BUCKET, b"old/a/k", b"x/y/k", token="token", parameters=b"file"))


def rename_over(namespace: Namespace) -> None:
    namespace.rename_object(RenameRequest(BUCKET, b"old/a/k", b"other", token="token", parameters=b"over"))


def rename_prefix(namespace: Namespace) -> None:
    namespace.rename_object(RenameRequest(BUCKET, b"old/", b"x/moved/", token="token", parameters=b"prefix"))


def create_bucket(namespace: Namespace) -> None:
    namespace.create_bucket(BucketName("second"))


def versioned(namespace: Namespace) -> None:
    namespace.change_bucket_settings(BUCKET, lambda before: replace(before, versioning="Enabled"))


def versioned_over(namespace: Namespace) -> None:
    versioned(namespace)
    overwrite(namespace)


def versioned_delete(namespace: Namespace) -> None:
    versioned(namespace)
    delete(namespace)


def versioned_back(namespace: Namespace) -> None:
    """The delete marker is deleted: what it hid is there again."""
    versioned(namespace)
    marker = namespace.delete_object(BUCKET, b"old/a/k").version
    namespace.delete_object(BUCKET, b"old/a/k", version=marker)


ACTIONS: dict[str, Callable[[Namespace], None]] = {
    action.__name__: action
    for action in (
        put_new,
        put_deep,
        overwrite,
        delete,
        directory,
        directory_over,
        directory_delete,
        upload_in_order,
        upload_backwards,
        upload_with_gaps,
        upload_by_copy,
        rename_file,
        rename_over,
        rename_prefix,
        create_bucket,
        versioned_over,
        versioned_delete,
        versioned_back,
    )
}


def run(path: str, name: str) -> None:
    Herald.said = os.open(f"{path}.said", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with Namespace.open(PosixStore(path)) as namespace:
        ACTIONS[name](namespace)
        acknowledge("done")


def run_many() -> None:
    for line in sys.stdin:
        path, name, point = line.split()
        child = os.fork()
        if child == 0:
            crashpoints._AT = point  # what the environment gives to a process of its own
            run(path, name)
            os._exit(0)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        sys.stdout.write(f"{status}\n")


if __name__ == "__main__":
    multipart.MIN_PART_BYTES = len(PART)
    if sys.argv[1] == "--many":
        run_many()
    else:
        run(*sys.argv[1:])
