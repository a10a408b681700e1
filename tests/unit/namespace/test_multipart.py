"""Multipart uploads: slots and files, order, repetition, completion under conditions, races with parts."""

from __future__ import annotations

import hashlib
import os
import stat
import struct
from pathlib import Path

import pytest

from tests.unit.namespace.kit import BUCKET, get, in_threads, keys, md5_of, memory_store, put, tree
from weka_mp.errors import (
    BucketMissing,
    InvalidPart,
    InvalidPartOrder,
    KeyConflict,
    PartTooSmall,
    PreconditionFailed,
    UploadMissing,
)
from weka_mp.namespace import (
    CompletedPart,
    CompletionRequest,
    ContentHeaders,
    Namespace,
    NewUpload,
    WriteConditions,
)
from weka_mp.namespace.uploads import multipart
from weka_mp.store.faulty import FaultyStore, Interference
from weka_mp.store.memory import MemoryStore
from weka_mp.values import BucketName

KEY = b"up/k"
A, B, C = b"a" * 100, b"b" * 100, b"c" * 30


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multipart, "MIN_PART_BYTES", 100)


class Upload:
    """One upload as a client drives it."""

    def __init__(self, namespace: Namespace, key: bytes = KEY, new: NewUpload | None = None) -> None:
        self.namespace = namespace
        self.key = key
        self.id = namespace.create_upload(BUCKET, key, new or NewUpload())

    def part(self, number: int, body: bytes) -> CompletedPart:
        with self.namespace.begin_part(BUCKET, self.key, self.id, number, len(body)) as session:
            session.write(body[:7])
            session.write(body[7:])
            return CompletedPart(number, session.commit(bytes.fromhex(md5_of(body)), {}).etag)

    def complete(self, *parts: CompletedPart, **more: object) -> object:
        return self.namespace.complete_upload(CompletionRequest(BUCKET, self.key, self.id, parts, **more))  # type: ignore[arg-type]

    def abort(self) -> None:
        self.namespace.abort_upload(BUCKET, self.key, self.id)


def tag_of(*bodies: bytes) -> str:
    digests = b"".join(hashlib.md5(body).digest() for body in bodies)
    return f"{hashlib.md5(digests).hexdigest()}-{len(bodies)}"


def uploads_left(namespace: Namespace) -> list[bytes]:
    return [path for path in tree(namespace.store) if path.startswith(b".weka/uploads/")][1:]


def answers_left(namespace: Namespace) -> list[bytes]:
    """What completed uploads left behind, below ``.weka/completed/<id>/``."""
    paths = (path.split(b"/", 3) for path in tree(namespace.store))
    return [path[3] for path in paths if path[:2] == [b".weka", b"completed"] and len(path) > 3 and path[3]]


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 2, 1), (2, 1, 3), (2, 3, 1)])
def test_parts_in_any_order(any_namespace: Namespace, order: tuple[int, ...]) -> None:
    new = NewUpload(ContentHeaders("text/x"), {"a": "b"}, "me", 5, 6)
    upload = Upload(any_namespace, new=new)
    bodies = {1: A, 2: B, 3: C}
    parts = {number: upload.part(number, bodies[number]) for number in order}
    assert keys(any_namespace) == []
    upload.complete(parts[1], parts[2], parts[3])
    info = any_namespace.head_object(BUCKET, KEY)
    assert get(any_namespace, KEY) == A + B + C
    assert (info.etag, info.owner, info.user) == (tag_of(A, B, C), "me", {"a": "b"})
    assert info.part_sizes is not None and info.part_sizes.locate(3) == (200, 30)
    assert uploads_left(any_namespace) == []
    with pytest.raises(UploadMissing):
        upload.part(1, A)


def test_regression_a_default_acl_decides_over_uploads_too(
    posix_namespace: Namespace, tmp_path: Path
) -> None:
    """The file of the slots was made in the control area, and everybody could read what came of it."""
    entries = [(1, 7, -1), (2, 4, 4321), (4, 0, -1), (0x10, 4, -1), (0x20, 0, -1)]  # acl(5): tag, rights, id
    acl = struct.pack("<I", 2) + b"".join(struct.pack("<HHi", *entry) for entry in entries)
    os.setxattr(tmp_path / BUCKET, "system.posix_acl_default", acl)
    os.chown(tmp_path / BUCKET, -1, 4321)
    (tmp_path / BUCKET).chmod(0o2770)
    put(posix_namespace, b"put", A)
    for key, numbers in ((b"in place", (1, 2)), (b"below/assembled", (2, 7))):
        upload = Upload(posix_namespace, key)
        upload.complete(*[upload.part(number, A) for number in numbers])
        made, model = tmp_path / BUCKET / key.decode(), tmp_path / BUCKET / "put"
        assert stat.S_IMODE(made.stat().st_mode) == stat.S_IMODE(model.stat().st_mode) == 0o640
        assert made.stat().st_gid == 4321
        name = "system.posix_acl_access"
        assert os.getxattr(made, name) == os.getxattr(model, name)


def test_completion_in_place_moves_no_bytes(namespace: Namespace) -> None:
    upload = Upload(namespace)
    parts = [upload.part(1, A), upload.part(2, B), upload.part(3, C)]
    store = FaultyStore(namespace.store)
    with Namespace.open(store) as watched:  # type: ignore[arg-type]
        watched.complete_upload(CompletionRequest(BUCKET, KEY, upload.id, parts))
    assert not [call for call in store.calls if call.verb in {"copy", "read"} and call.arguments[-1] > 1000]
    assert "copy" not in {call.verb for call in store.calls}
    assert get(namespace, KEY) == A + B + C


def test_gaps_and_subsets(any_namespace: Namespace) -> None:
    upload = Upload(any_namespace)
    upload.part(2, C)
    first, last = upload.part(1, A), upload.part(9000, C)
    upload.complete(first, last)
    assert get(any_namespace, KEY) == A + C


def test_a_part_may_be_sent_again_in_another_size(any_namespace: Namespace) -> None:
    upload = Upload(any_namespace)
    first = upload.part(1, A)
    again = [upload.part(2, C), upload.part(2, B), upload.part(2, A + C)][-1]
    upload.complete(first, again)
    assert get(any_namespace, KEY) == A + A + C


def test_regression_one_part_sent_twice_at_once(any_namespace: Namespace) -> None:
    """The slower one found the former file gone, failed, and took its own away, which was on record."""
    upload = Upload(any_namespace)
    first = upload.part(1, A)
    upload.part(2, B)
    upload.part(2, A)
    outcomes = in_threads(*[lambda n=n: upload.part(2, b"%03d" % n) for n in range(8)])
    assert all(isinstance(outcome, CompletedPart) for outcome in outcomes)
    for outcome in outcomes:
        try:
            upload.complete(first, outcome)
        except InvalidPart:
            continue  # another one was the last
        assert md5_of(get(any_namespace, KEY)[100:]) == outcome.etag
        return
    pytest.fail("no repetition is on record")


def test_an_aborted_part_keeps_the_former_one(any_namespace: Namespace) -> None:
    upload = Upload(any_namespace)
    first, second = upload.part(1, A), upload.part(2, B)
    for number in (2, 3):
        with any_namespace.begin_part(BUCKET, KEY, upload.id, number, 100) as session:
            session.write(b"garbage" * 20)
    upload.complete(first, second)
    assert get(any_namespace, KEY) == A + B


def test_regression_a_refused_completion_keeps_all_parts(any_namespace: Namespace) -> None:
    """Completing fewer parts cut the file of the slots, and the parts behind them were zeros afterwards."""
    upload = Upload(any_namespace)
    parts = [upload.part(1, A), upload.part(2, B), upload.part(3, C)]
    put(any_namespace, KEY, b"there")
    with pytest.raises(PreconditionFailed):
        upload.complete(*parts[:2], conditions=WriteConditions(if_none_match=True))
    assert get(any_namespace, KEY) == b"there"
    upload.complete(*parts)
    assert get(any_namespace, KEY) == A + B + C


def test_regression_a_straggler_never_writes_into_the_object(any_namespace: Namespace) -> None:
    """A part that was still being received held the very file that became the object."""
    upload = Upload(any_namespace)
    parts = [upload.part(1, A), upload.part(2, B)]
    late = any_namespace.begin_part(BUCKET, KEY, upload.id, 3, 100)
    upload.complete(*parts)
    late.write(b"!" * 100)
    with pytest.raises(UploadMissing):
        late.commit(bytes(16), {})
    late.abort()
    assert get(any_namespace, KEY) == A + B
    assert any_namespace.head_object(BUCKET, KEY).etag == tag_of(A, B)


def test_regression_a_part_that_begins_during_completion_gets_no_slot(namespace: Namespace) -> None:
    upload = Upload(namespace)
    parts = [upload.part(1, A), upload.part(2, B)]
    late = []

    def begin() -> None:
        late.append(namespace.begin_part(BUCKET, KEY, upload.id, 3, 100))
        late[0].write(b"!" * 100)

    for verb, nth in (("entries", 1), ("truncate", 1), ("rename", 1)):
        late.clear()
        store = FaultyStore(namespace.store, Interference(verb, nth, begin))
        upload = Upload(namespace)
        parts = [upload.part(1, A), upload.part(2, B)]
        with Namespace.open(store) as other:  # type: ignore[arg-type]
            other.complete_upload(CompletionRequest(BUCKET, KEY, upload.id, parts))
        late[0].write(b"!" * 100)
        late[0].abort()
        assert get(namespace, KEY) == A + B


def test_what_completion_refuses(any_namespace: Namespace) -> None:
    upload = Upload(any_namespace)
    first, second, small = upload.part(1, A), upload.part(2, B), upload.part(3, C)
    refusals = [
        (InvalidPart, ()),
        (InvalidPart, (CompletedPart(7, first.etag),)),
        (InvalidPart, (CompletedPart(1, second.etag),)),
        (InvalidPart, (CompletedPart(1, first.etag, {"CRC32": "x"}),)),
        (InvalidPartOrder, (second, first)),
        (InvalidPartOrder, (first, first)),
        (PartTooSmall, (small, upload.part(4, A))),
    ]
    for error, parts in refusals:
        with pytest.raises(error):
            upload.complete(*parts)
    upload.complete(first)
    assert get(any_namespace, KEY) == A


def test_completion_is_a_put(any_namespace: Namespace) -> None:
    put(any_namespace, b"file", b"x")
    upload = Upload(any_namespace, b"file/below")
    part = upload.part(1, A)
    with pytest.raises(KeyConflict):
        upload.complete(part)
    any_namespace.delete_object(BUCKET, b"file")
    upload.complete(part)
    assert get(any_namespace, b"file/below") == A
    directory = Upload(any_namespace, b"dir/")
    directory.complete(directory.part(1, A))
    assert get(any_namespace, b"dir/") == A


def test_an_upload_belongs_to_its_bucket_and_key(any_namespace: Namespace) -> None:
    upload = Upload(any_namespace)
    any_namespace.create_bucket(BucketName("other"))
    for bucket, key, upload_id in (
        (BUCKET, b"else", upload.id),
        (BucketName("other"), KEY, upload.id),
        (BUCKET, KEY, "0" * 48),
        (BUCKET, KEY, "../buckets"),
        (BUCKET, KEY, ""),
    ):
        with pytest.raises(UploadMissing):
            any_namespace.upload_info(bucket, key, upload_id)
    with pytest.raises(BucketMissing):
        any_namespace.upload_info(BucketName("none"), KEY, upload.id)
    assert any_namespace.upload_info(BUCKET, KEY, upload.id).key == KEY


def test_abort_and_expiry_leave_nothing(any_namespace: Namespace) -> None:
    upload = Upload(any_namespace)
    upload.part(1, A)
    session = any_namespace.begin_part(BUCKET, KEY, upload.id, 2, 100)
    upload.abort()
    session.write(A)
    with session, pytest.raises(UploadMissing):
        session.commit(bytes(16), {})
    with pytest.raises(UploadMissing):
        upload.abort()
    Upload(any_namespace).part(1, A)
    assert any_namespace.expire_uploads(0) == 0
    assert any_namespace.expire_uploads(1 << 62) == 1
    assert uploads_left(any_namespace) == []


def test_uploads_go_with_their_bucket(any_namespace: Namespace) -> None:
    upload = Upload(any_namespace)
    upload.part(1, A)
    any_namespace.delete_bucket(BUCKET)
    assert uploads_left(any_namespace) == []
    any_namespace.create_bucket(BUCKET)
    with pytest.raises(UploadMissing):
        upload.part(2, B)


@pytest.mark.parametrize("moved", [False, True], ids=["removed", "moved-away"])
def test_regression_a_completion_puts_nothing_into_the_next_bucket_of_the_name(
    namespace: Namespace, moved: bool
) -> None:
    upload = Upload(namespace)
    part = upload.part(1, A)

    def change_hands() -> None:
        if moved:  # over POSIX; its uploads stay
            root = namespace.store.root()
            namespace.store.rename(root, BUCKET.encode(), root, b"moved")
        else:
            namespace.delete_bucket(BUCKET)
        namespace.create_bucket(BUCKET, owner="somebody else")

    with pytest.raises((BucketMissing, UploadMissing)):
        upload.complete(part, begun=change_hands)
    assert keys(namespace) == []


def test_regression_a_bucket_made_again_with_the_same_number_finds_no_former_uploads() -> None:
    store = MemoryStore(reuse_inode_numbers=True)
    with Namespace.open(store) as namespace:
        former, _ = namespace.create_bucket(BUCKET)
        upload = Upload(namespace)
        upload.part(1, A)
        store.rmdir(store.root(), BUCKET.encode())
        for attempt in range(100):
            name = b"next%d" % attempt
            store.mkdir(store.root(), name, 0o755)
            if store.attr_at(store.root(), name).ino == former.ino:
                break
        store.rename(store.root(), name, store.root(), BUCKET.encode())
        assert namespace.head_bucket(BUCKET).ino == former.ino
        with pytest.raises(UploadMissing):
            upload.part(2, B)
        with pytest.raises(UploadMissing):
            upload.complete()


def test_two_completions_at_once_publish_once(any_namespace: Namespace) -> None:
    upload = Upload(any_namespace)
    parts = [upload.part(1, A), upload.part(2, B)]
    outcomes = in_threads(*[lambda: upload.complete(*parts)] * 4)
    assert sorted(outcome.repeated for outcome in outcomes) == [False, True, True, True]
    assert {outcome.etag for outcome in outcomes} == {tag_of(A, B)}
    assert get(any_namespace, KEY) == A + B


def test_reaffirming_a_name_syncs_and_announces_every_entry_on_its_way() -> None:
    """For a completion that is repeated since its first answer was lost, perhaps with its worker."""
    store = FaultyStore(memory_store())
    with Namespace.open(store) as namespace:  # type: ignore[arg-type]
        info, _ = namespace.create_bucket(BUCKET)
        put(namespace, b"a/b/k", b"1")
        store.begin()
        changes = namespace.reaffirm(BUCKET, b"a/b/k")
        assert [change.name for change in changes] == [b"a", b"b", b"k"]
        assert changes[0].parent == info.ino
        assert [call.verb for call in store.calls].count("sync_dir") == 3
        assert [change.name for change in namespace.reaffirm(BUCKET, b"a/gone/k")] == [b"a", b"gone"]
