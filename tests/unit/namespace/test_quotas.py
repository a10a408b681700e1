"""Bucket quotas by own accounting: what is counted, in which door, and when it is refused."""

from __future__ import annotations

import os
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import Any

import pytest

from tests.unit.namespace.kit import BUCKET, in_threads, posix_write, put
from tests.unit.namespace.quota_truth import ME, Doors
from weka_mp.errors import (
    BucketNotEmpty,
    CrossDevice,
    IoFailure,
    NamespaceError,
    NoSpace,
    NotSupported,
    OutOfResources,
    QuotaExceeded,
    StoreUnusable,
)
from weka_mp.namespace import CopyRequest, Namespace, NewObject, RenameRequest
from weka_mp.namespace.objects import publishing
from weka_mp.namespace.quotas import ledger as ledger_file
from weka_mp.namespace.tree.facade import EXCHANGE
from weka_mp.namespace.upkeep import recounting
from weka_mp.namespace.uploads import area as area_file
from weka_mp.namespace.uploads import multipart as multipart_file
from weka_mp.namespace.uploads import upload as upload_file
from weka_mp.store.crashpoints import CrashPoint
from weka_mp.store.memory import MemoryStore
from weka_mp.values import BucketName

OTHER = BucketName("other")


@pytest.fixture
def doors(namespace: Namespace) -> Iterator[Doors]:
    namespace.create_bucket(OTHER)
    namespace.quotas.set(BUCKET, 100)
    made = Doors(namespace)
    yield made
    made.close()


def refused(call: object, *arguments: object) -> None:
    with pytest.raises(QuotaExceeded):
        call(*arguments)  # type: ignore[operator]


def recounted(doors: Doors) -> int:
    assert doors.namespace.quotas.maintain() >= 1
    return doors.used()


# ---- over S3
def test_a_put_that_does_not_fit_is_refused_before_its_body(doors: Doors) -> None:
    doors.put("a", 60)
    refused(lambda: doors.namespace.begin_put(BUCKET, b"b", size=41))
    doors.put("b", 40)
    assert doors.used() == 100 == doors.truth()


def test_a_body_of_unknown_length_is_cut_off_where_it_exceeds(doors: Doors) -> None:
    session = doors.namespace.begin_put(BUCKET, b"a")
    session.write(b"x" * 100)
    refused(session.write, b"y")
    session.abort()
    assert doors.used() == 0 == doors.truth()


def test_a_length_that_lied_is_no_way_around(doors: Doors) -> None:
    with doors.namespace.begin_put(BUCKET, b"a", size=1) as session:
        refused(session.write, b"x" * 101)
    assert doors.used() == 0


def test_overwriting_with_something_smaller_works_at_the_limit(doors: Doors) -> None:
    doors.put("a", 100)
    doors.put("a", 99)
    doors.put("a", 100)
    refused(doors.put, "a", 101)
    assert doors.used() == 100 == doors.truth()


def test_it_works_over_the_limit_too(doors: Doors) -> None:
    doors.put("a", 90)
    doors.namespace.quotas.set(BUCKET, 10)
    refused(doors.put, "b", 1)
    doors.put("a", 80)
    doors.delete("a")
    doors.put("b", 10)
    assert doors.used() == 10 == doors.truth()


def test_a_put_under_way_holds_its_share_and_an_aborted_one_gives_it_back(doors: Doors) -> None:
    session = doors.namespace.begin_put(BUCKET, b"a", size=70)
    assert doors.used() == 70
    refused(doors.put, "b", 31)
    session.abort()
    doors.put("b", 100)
    assert doors.used() == 100 == doors.truth()


def test_one_that_dies_under_way_gives_it_back(doors: Doors, memory: MemoryStore) -> None:
    with Namespace.open(memory) as dying:
        session = dying.begin_put(BUCKET, b"a", size=70)
        refused(doors.put, "b", 31)
    memory.close(session.fd)  # as the system does
    doors.put("b", 100)
    assert doors.used() == 100


def test_regression_many_that_replace_one_object_stage_no_more_than_is_used(doors: Doors) -> None:
    """Each would need no room: as many may be under way as all that is used has bytes, and not one more."""
    doors.put("a", 60)
    doors.put("b", 40)
    one = doors.namespace.begin_put(BUCKET, b"a", size=60)
    two = doors.namespace.begin_put(BUCKET, b"b", size=40)
    for key, size in ((b"a", 60), (b"a", 1), (b"b", 40)):
        with pytest.raises(OutOfResources):  # 503: it is worth trying again
            doors.namespace.begin_put(BUCKET, key, size=size)
    refused(lambda: doors.namespace.begin_put(BUCKET, b"a", size=61))
    one.abort()
    doors.put("a", 60)
    two.write(b"x" * 40)
    two.publish(NewObject())
    assert doors.used() == 100 == doors.truth()


def test_regression_what_is_replaced_and_deleted_again_and_again_stages_no_more(doors: Doors) -> None:
    sessions = []
    for number in range(10):
        try:
            doors.put(f"k{number}", 60)
            sessions.append(doors.namespace.begin_put(BUCKET, b"k%d" % number, size=60))
            doors.delete(f"k{number}")
        except OutOfResources:
            doors.delete(f"k{number}")
    assert len(sessions) == 1
    for session in sessions:
        session.abort()
    doors.put("a", 100)
    doors.put("a", 100)


def test_parts_that_replace_one_part_stage_no_more_than_is_used(doors: Doors) -> None:
    upload_id, _ = doors.upload("m", [60])
    with doors.namespace.begin_part(BUCKET, b"m", upload_id, 1, 60), pytest.raises(OutOfResources):
        doors.namespace.begin_part(BUCKET, b"m", upload_id, 1, 60)
    doors.part("m", upload_id, 1, 60)
    assert doors.used() == 60


def test_a_body_of_unknown_length_takes_credit_as_it_comes(doors: Doors) -> None:
    doors.put("a", 90)
    with doors.namespace.begin_put(BUCKET, b"a") as session:
        for _ in range(10):
            session.write(b"x" * 10)
        refused(session.write, b"x")
        session.publish(NewObject())
    assert doors.used() == 100 == doors.truth()


def test_regression_parts_that_did_not_come_take_no_room(doors: Doors) -> None:
    """Each in its slot of one file, which would grow to slots of all sizes that nobody counts."""
    upload_id, _ = doors.upload("m", [10])
    for number in range(2, 9):
        session = doors.namespace.begin_part(BUCKET, b"m", upload_id, number, 10)
        session.write(b"x" * 10)
        session.abort()
    path = f".weka/uploads/{upload_id}/data".encode()
    fd = doors.store.open_file(doors.store.root(), path, os.O_RDONLY)
    assert doors.store.read(fd, 100, 0) == b"u" * 10 + bytes(70)
    doors.store.close(fd)


def test_regression_a_part_whose_record_is_there_keeps_its_bytes(
    doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was answered with an error, and is a part all the same."""

    def fails(point: CrashPoint) -> None:
        if point is CrashPoint.PART_RECORDED:
            raise IoFailure

    upload_id, _ = doors.upload("m", [])
    with monkeypatch.context() as patch, pytest.raises(IoFailure):
        patch.setattr(upload_file, "reach", fails)
        doors.part("m", upload_id, 1, 10)
    doors.complete("m", (upload_id, [(1).to_bytes(16, "big").hex()]))
    with doors.namespace.open_object(BUCKET, b"m") as present:
        assert doors.store.read(present.fd, 100, 0) == b"u" * 10


def test_sixteen_puts_at_the_edge(doors: Doors) -> None:
    def one(number: int) -> None:
        put(doors.namespace, b"k%d" % number, b"x" * 30)

    results = in_threads(*[lambda number=n: one(number) for n in range(16)])  # type: ignore[misc]
    stored = sum(1 for result in results if result is None)
    assert {type(result) for result in results} == {type(None), QuotaExceeded}
    assert 1 <= stored <= 3
    assert doors.used() == 30 * stored == doors.truth()


def test_copies_count(doors: Doors) -> None:
    doors.put("a", 60)
    refused(doors.namespace.copy_object, CopyRequest(BUCKET, b"a", BUCKET, b"b"))
    doors.namespace.copy_object(CopyRequest(BUCKET, b"a", OTHER, b"b"))
    assert doors.used() == 60 == doors.truth()


def test_directory_objects_count_with_their_body(doors: Doors) -> None:
    doors.put("d/", 60)
    refused(doors.put, "e/", 41)
    doors.put("d/", 50)
    assert doors.used() == 50 == doors.truth()
    doors.delete("d/")
    assert doors.used() == 0 == doors.truth()


def test_renames_over_s3_give_back_what_they_replace(doors: Doors) -> None:
    doors.put("a", 60)
    doors.put("d/b", 40)
    doors.namespace.rename_object(RenameRequest(BUCKET, b"a", b"d/b"))
    assert doors.used() == 60 == doors.truth()
    doors.namespace.rename_object(RenameRequest(BUCKET, b"d/", b"e/"))
    assert doors.used() == 60 == doors.truth()


def test_parts_count_from_when_they_are_uploaded(doors: Doors) -> None:
    upload = doors.upload("m", [60])
    refused(doors.part, "m", upload[0], 2, 41)
    refused(doors.put, "a", 41)
    doors.part("m", upload[0], 1, 90)
    assert doors.used() == 90
    doors.namespace.abort_upload(BUCKET, b"m", upload[0])
    assert doors.used() == 0


def test_a_completion_needs_nothing_more(doors: Doors) -> None:
    doors.put("m", 10)
    upload = doors.upload("m", [50])
    unused = doors.part("m", upload[0], 7, 40)
    assert unused
    assert doors.used() == 100
    doors.namespace.quotas.set(BUCKET, 1)
    doors.complete("m", upload)
    assert doors.used() == 50 == doors.truth()


def test_uploads_that_expire_give_back(doors: Doors) -> None:
    doors.upload("m", [50])
    assert doors.namespace.expire_uploads(1 << 62) == 1
    assert doors.used() == 0


# ---- on the mount
def test_writes_count_what_they_add(doors: Doors) -> None:
    doors.write("bucket/a", 60)
    handle = doors.open("bucket/a")
    doors.write_at(handle, 0, 60)
    doors.write_at(handle, 50, 50)
    refused(doors.write_at, handle, 99, 2)
    doors.write_at(handle, 0, 100)  # over what is there
    doors.close_file(handle)
    assert doors.used() == 100 == doors.truth()


def test_a_hole_counts(doors: Doors) -> None:
    doors.write("bucket/a", 1)
    refused(doors.truncate, "bucket/a", 101)
    doors.truncate("bucket/a", 100)
    assert doors.used() == 100 == doors.truth()
    doors.truncate("bucket/a", 3)
    assert doors.used() == 3 == doors.truth()


def test_truncating_by_open_gives_back(doors: Doors) -> None:
    doors.write("bucket/a", 100)
    handle = doors.open("bucket/a", os.O_TRUNC)
    assert doors.used() == 0
    doors.close_file(handle)
    doors.write("bucket/a", 100)
    assert doors.used() == 100 == doors.truth()


def test_a_rename_over_a_file_gives_it_back(doors: Doors) -> None:
    doors.write("bucket/a", 60)
    doors.write("bucket/b", 40)
    doors.rename("bucket/a", "bucket/b")
    assert doors.used() == 60 == doors.truth()


def test_an_exchange_changes_nothing(doors: Doors) -> None:
    doors.write("bucket/a", 60)
    doors.write("bucket/b", 40)
    doors.rename("bucket/a", "bucket/b", EXCHANGE)
    assert doors.used() == 100 == doors.truth()


@pytest.mark.parametrize("first", ["a", "b"])
def test_a_hard_link_counts_once_and_to_the_last_name(doors: Doors, first: str) -> None:
    doors.write("bucket/a", 60)
    doors.link("bucket/a", "bucket/b")
    assert doors.used() == 60
    doors.unlink(f"bucket/{first}")
    assert doors.used() == 60 == doors.truth()
    doors.delete("ab".replace(first, ""))
    assert doors.used() == 0 == doors.truth()


@pytest.mark.parametrize("door", ["mount", "s3", "replaced"])
def test_a_file_without_a_name_counts_until_it_is_closed(doors: Doors, door: str) -> None:
    doors.write("bucket/a", 10)
    handle = doors.open("bucket/a")
    doors.write_at(handle, 0, 60)
    if door == "mount":
        doors.unlink("bucket/a")
    elif door == "s3":
        doors.delete("a")
    else:
        doors.put("a", 0)
    assert doors.used() == 60 == doors.truth()
    doors.write_at(handle, 60, 20)
    refused(doors.write_at, handle, 80, 21)
    refused(doors.put, "b", 21)
    doors.tree.resize(doors.tree.files.get(handle).number, 30, handle, ME, wait=True)
    assert doors.used() == 30 == doors.truth()
    doors.close_file(handle)
    assert doors.used() == 0 == doors.truth()


def test_regression_a_cut_before_the_mount_knows_that_the_name_is_gone(doors: Doors) -> None:
    """What was replaced over S3 is held as it was before the cut, and given back as it is after it."""
    for name in ("a", "other"):
        doors.write(f"bucket/{name}", 40)
    kept, handle = doors.open("bucket/other"), doors.open("bucket/a")
    doors.unlink("bucket/other")
    doors.namespace.delete_object(BUCKET, b"a")
    number = doors.tree.files.get(handle).number
    doors.tree.resize(number, 10, handle, ME, wait=True)
    assert doors.used() == 50 == doors.truth()
    doors.tree.removed_elsewhere(number)
    assert doors.used() == 50
    doors.close_file(handle)
    assert doors.used() == 40 == doors.truth()
    doors.close_file(kept)
    assert doors.used() == 0


def test_regression_two_that_learn_at_once_that_a_name_is_gone_count_it_once(
    doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread that writes, and the loop that hears it from S3."""
    doors.write("bucket/a", 40)
    handle = doors.open("bucket/a")
    number = doors.tree.files.get(handle).number
    doors.namespace.delete_object(BUCKET, b"a")
    both, book = threading.Barrier(2), ledger_file.Ledger.book

    def slow(ledger: ledger_file.Ledger, **change: Any) -> None:
        if change.get("held") == 40:
            with suppress(threading.BrokenBarrierError):
                both.wait(0.2)
        book(ledger, **change)

    monkeypatch.setattr(ledger_file.Ledger, "book", slow)
    in_threads(
        lambda: doors.tree.removed_elsewhere(number), lambda: doors.write_at(handle, 40, 5)
    )
    assert doors.used() == 45 == doors.truth()
    doors.close_file(handle)
    assert doors.used() == 0


@pytest.mark.parametrize("size", [10, 60])
def test_regression_a_file_that_nobody_has_open_holds_nothing_when_it_is_cut(doors: Doors, size: int) -> None:
    """One without a name that is reached by a descriptor of O_PATH."""
    for name in ("a", "other"):
        doors.write(f"bucket/{name}", 40)
    handle = doors.open("bucket/other")
    doors.unlink("bucket/other")
    number = doors.number("bucket/a")
    doors.unlink("bucket/a")
    doors.tree.resize(number, size, None, ME, wait=True)
    assert doors.used() == 40 == doors.truth()
    again, _ = doors.tree.files.open(number, os.O_RDWR, 0, truncate=True, wait=True)
    assert doors.used() == 40 == doors.truth()
    doors.close_file(again.handle)
    doors.close_file(handle)
    assert doors.used() == 0


def quota_set_during(
    doors: Doors, monkeypatch: pytest.MonkeyPatch, place: object, name: str, act: Callable[[], object]
) -> list[object]:
    """What came of OTHER's first quota, asked for when `act` first came to `place.name`, and went on from
    there when the quota was set or has waited for a while.
    """
    reached, go_on, original = threading.Event(), threading.Event(), getattr(place, name)

    def slow(*arguments: Any) -> Any:
        if threading.current_thread() is threading.main_thread() and not reached.is_set():
            reached.set()
            assert go_on.wait(30)
        return original(*arguments)

    monkeypatch.setattr(place, name, slow)
    outcomes: list[object] = []

    def set_it() -> None:
        assert reached.wait(30)
        try:
            outcomes.append(doors.namespace.quotas.set(OTHER, 100))
        except NamespaceError as error:
            outcomes.append(error)

    def release() -> None:
        setting.join(0.3)  # it ended by then where it waited for nobody
        go_on.set()

    setting, releasing = threading.Thread(target=set_it), threading.Thread(target=release)
    setting.start()
    releasing.start()
    act()
    setting.join()
    releasing.join()
    return outcomes


def test_regression_a_first_quota_waits_for_who_is_giving_a_name(
    doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It knew of no quota and counts nothing: so it has to be seen before the bucket is taken for empty."""
    act = partial(doors.put, "a", 60, OTHER)
    outcomes = quota_set_during(doors, monkeypatch, publishing, "create_entry", act)
    assert [type(outcome) for outcome in outcomes] == [BucketNotEmpty]
    assert doors.namespace.quotas.find(OTHER) is None


@pytest.mark.parametrize("verb", ["rename", "link"])
def test_regression_a_first_quota_waits_for_who_moves_or_links_into_the_bucket(
    doors: Doors, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    doors.namespace.create_bucket(BucketName("third"))
    doors.write("third/a", 60)
    act = partial(getattr(doors, verb), "third/a", "other/a")
    outcomes = quota_set_during(doors, monkeypatch, doors.store, verb, act)
    assert [type(outcome) for outcome in outcomes] == [BucketNotEmpty]
    assert doors.namespace.quotas.find(OTHER) is None
    assert doors.namespace.head_object(OTHER, b"a").size == 60


def test_regression_a_first_quota_waits_for_a_part_that_is_entered(
    doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload_id, _ = doors.upload("m", [10], OTHER)
    act = partial(doors.part, "m", upload_id, 2, 30, OTHER)
    outcomes = quota_set_during(doors, monkeypatch, upload_file.Upload, "present", act)
    assert outcomes == [None]
    assert doors.used(OTHER) == 40


def test_regression_a_first_quota_waits_for_an_upload_that_ends(
    doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload_id, _ = doors.upload("m", [10, 20], OTHER)
    act = partial(doors.namespace.abort_upload, OTHER, b"m", upload_id)
    outcomes = quota_set_during(doors, monkeypatch, area_file.UploadArea, "_move", act)
    assert outcomes == [None]
    assert doors.used(OTHER) == 0


def test_regression_a_completion_during_a_first_quota_counts_once(
    doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    upload = doors.upload("m", [60], OTHER)
    act = partial(doors.complete, "m", upload, OTHER)
    outcomes = quota_set_during(doors, monkeypatch, multipart_file, "publish_file", act)
    assert outcomes == [None]
    assert doors.used(OTHER) == 60 == doors.truth(OTHER)


@pytest.mark.parametrize("door", ["mount", "s3"])
def test_regression_a_full_disk_ends_a_recount_and_no_deletion(
    doors: Doors, monkeypatch: pytest.MonkeyPatch, door: str
) -> None:
    """Notes take room, and deleting is what makes some."""
    doors.write("bucket/a", 60)
    ledger = next(iter(doors.namespace.context.quotas.ledgers().values()))
    ledger.begin_recount(7)
    write = MemoryStore.write

    def full(store: MemoryStore, fd: Any, data: bytes, offset: int) -> None:
        if len(data) < ledger_file.PAGE_BYTES // 2:
            raise NoSpace("the disk is full")
        write(store, fd, data, offset)

    with monkeypatch.context() as patch:
        patch.setattr(MemoryStore, "write", full)
        (doors.unlink if door == "mount" else doors.delete)("bucket/a" if door == "mount" else "a")
    assert doors.used() == 0 == doors.truth()
    assert not ledger.is_recounting(7)
    assert doors.namespace.quotas.maintain(all_of_them=False) == 1
    assert doors.used() == 0


def test_another_open_of_it_keeps_it_counted(doors: Doors) -> None:
    doors.write("bucket/a", 60)
    first, second = doors.open("bucket/a"), doors.open("bucket/a")
    doors.unlink("bucket/a")
    doors.close_file(first)
    assert doors.used() == 60
    doors.close_file(second)
    assert doors.used() == 0


def test_a_mount_that_dies_gives_back_what_had_no_name(doors: Doors, memory: MemoryStore) -> None:
    with Namespace.open(memory) as dying:
        mount = Doors(dying)
        mount.write("bucket/a", 60)
        mount.open("bucket/a")
        mount.unlink("bucket/a")
        assert doors.used() == 60
    assert doors.used() == 0
    mount.close()


def test_nothing_leads_from_one_bucket_to_the_other(doors: Doors) -> None:
    doors.write("bucket/a", 10)
    doors.write("other/b", 10)
    doors.mkdir("bucket/d")
    for move in (
        lambda: doors.rename("bucket/a", "other/a"),
        lambda: doors.rename("other/b", "bucket/b"),
        lambda: doors.rename("bucket/d", "other/d"),
        lambda: doors.rename("bucket/d", "loose"),
        lambda: doors.rename("bucket/a", "loose"),
        lambda: doors.rename("bucket", "other/bucket"),
        lambda: doors.rename("bucket/a", "other/b", EXCHANGE),
        lambda: doors.rename("other/b", "bucket", EXCHANGE),
        lambda: doors.link("bucket/a", "other/a"),
        lambda: doors.link("other/b", "bucket/b"),
        lambda: doors.link("bucket/a", "loose"),
    ):
        with pytest.raises(CrossDevice):
            move()
    assert (doors.used(), doors.truth(), doors.truth(OTHER)) == (10, 10, 10)


def test_a_bucket_keeps_its_quota_under_another_name(doors: Doors) -> None:
    doors.write("bucket/a", 60)
    doors.rename("bucket", "renamed")
    refused(doors.put, "b", 41, BucketName("renamed"))
    refused(doors.write, "renamed/b", 41)
    doors.write("renamed/b", 40)
    assert doors.used(BucketName("renamed")) == 100


def test_a_bucket_of_the_old_name_has_none(doors: Doors) -> None:
    doors.rename("bucket", "renamed")
    doors.namespace.create_bucket(BUCKET)
    doors.put("a", 1000)
    assert doors.namespace.quotas.find(BUCKET) is None


def test_a_bucket_made_again_has_none(doors: Doors) -> None:
    doors.namespace.delete_bucket(BUCKET)
    doors.namespace.create_bucket(BUCKET)
    doors.put("a", 1000)
    assert not doors.namespace.context.quotas.ledgers()


def test_one_removed_over_the_mount_leaves_nothing_for_ever(doors: Doors) -> None:
    doors.tree.remove_directory(*doors.place("bucket"), wait=True)
    doors.namespace.quotas.maintain()
    assert not doors.namespace.context.quotas.ledgers()


def test_a_file_reached_by_its_handle_alone_counts_for_its_bucket(doors: Doors) -> None:
    doors.mkdir("bucket/d")
    doors.write("bucket/d/a", 60)
    number = doors.number("bucket/d/a")
    fresh = Doors(doors.namespace)
    try:
        file, _ = fresh.tree.files.open(number, os.O_RDWR, 0, truncate=False, wait=True)
        refused(fresh.write_at, file.handle, 60, 41)
        fresh.write_at(file.handle, 60, 40)
    finally:
        fresh.close()
    assert doors.used() == 100 == doors.truth()


# ---- setting them
def test_the_first_is_for_an_empty_bucket(doors: Doors) -> None:
    doors.put("a", 1, OTHER)
    with pytest.raises(BucketNotEmpty):
        doors.namespace.quotas.set(OTHER, 100)
    assert doors.namespace.bucket_settings(OTHER).quota is None
    doors.put("a", 1000, OTHER)
    doors.delete("a", OTHER)
    doors.namespace.quotas.set(OTHER, 100)
    refused(doors.put, "a", 101, OTHER)


def test_parts_of_uploads_count_when_it_is_set(doors: Doors) -> None:
    doors.upload("m", [60], OTHER)
    doors.namespace.quotas.set(OTHER, 100)
    assert doors.used(OTHER) == 60


def test_unset_while_writers_are_at_it(doors: Doors) -> None:
    session = doors.namespace.begin_put(BUCKET, b"a", size=60)
    handle = doors.open("bucket/b")
    doors.write_at(handle, 0, 10)
    assert doors.namespace.quotas.unset(BUCKET)
    assert not doors.namespace.quotas.unset(BUCKET)
    session.write(b"x" * 60)
    session.publish(NewObject())
    doors.write_at(handle, 0, 1000)
    doors.close_file(handle)
    assert doors.namespace.quotas.find(BUCKET) is None
    assert doors.namespace.bucket_settings(BUCKET).quota is None


def test_what_was_begun_before_counts_where_it_ends(doors: Doors) -> None:
    session = doors.namespace.begin_put(OTHER, b"a", size=60)
    session.write(b"x" * 60)
    handle = doors.open("other/b")
    doors.unlink("other/b")
    doors.namespace.quotas.set(OTHER, 50)
    refused(session.publish, NewObject())
    session.abort()
    refused(doors.write_at, handle, 0, 51)
    doors.close_file(handle)
    assert doors.used(OTHER) == 0


def test_without_file_handles_there_are_none(any_namespace: Namespace) -> None:
    if any_namespace.store.primitives.file_handles:
        any_namespace.quotas.set(BUCKET, 5)
        with pytest.raises(QuotaExceeded):
            put(any_namespace, b"a", b"123456")
        put(any_namespace, b"a", b"12345")
        put(any_namespace, b"a", b"1234")
        assert any_namespace.quotas.find(BUCKET) is not None
    else:
        with pytest.raises(NotSupported):
            any_namespace.quotas.set(BUCKET, 5)


# ---- recounts
def test_a_recount_finds_what_came_beside_the_doors(doors: Doors) -> None:
    posix_write(doors.store, b"d/a", b"x" * 60)
    assert doors.used() == 0
    doors.upload("m", [7])
    assert recounted(doors) == 67


def test_a_ledger_that_was_lost_is_made_again(doors: Doors) -> None:
    doors.put("a", 60)
    (identity,) = doors.namespace.context.quotas.ledgers()
    doors.namespace.context.quotas.remove(identity)
    assert doors.namespace.quotas.find(BUCKET) is None
    assert doors.namespace.quotas.maintain(all_of_them=False) == 1
    refused(doors.put, "b", 41)
    assert doors.used() == 60


def test_a_recount_is_right_while_everything_changes(doors: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each change falls before, between and behind what the walk has seen."""
    doors.namespace.quotas.set(BUCKET, 10_000)
    for number in range(9):
        doors.write(f"bucket/k{number}", 10 + number)
    doors.link("bucket/k0", "bucket/linked")
    upload = doors.upload("m", [100])
    def disturbed(*arguments: object) -> Iterator[object]:
        for turn, met in enumerate(original(*arguments)):  # type: ignore[arg-type]
            yield met
            if turn < 9:
                doors.write(f"bucket/k{turn}", 50 + turn)
                doors.write(f"bucket/new{turn}", 3)
                doors.unlink(f"bucket/k{8 - turn}") if turn > 5 else doors.put(f"k{8 - turn}", turn)
                doors.rename("bucket/linked" if turn % 2 == 0 else "bucket/moved",
                             "bucket/moved" if turn % 2 == 0 else "bucket/linked")
            if turn == 4:
                doors.complete("m", upload)

    original = recounting.walk
    monkeypatch.setattr(recounting, "walk", disturbed)
    assert recounted(doors) == doors.truth()


def test_a_directory_that_moves_ends_a_recount_that_is_begun_again(
    doors: Doors, monkeypatch: pytest.MonkeyPatch
) -> None:
    doors.mkdir("bucket/a")
    doors.mkdir("bucket/z")
    doors.write("bucket/z/k", 60)
    posix_write(doors.store, b"a/unknown", b"x" * 7)
    walks = 0

    def disturbed(*arguments: object) -> Iterator[object]:
        nonlocal walks
        walks += 1
        for turn, met in enumerate(original(*arguments)):  # type: ignore[arg-type]
            yield met
            if walks == 1 and turn == 1:
                doors.rename("bucket/z", "bucket/a/z" if b"/a" in met.path else "bucket/0")  # type: ignore[union-attr]

    original = recounting.walk
    monkeypatch.setattr(recounting, "walk", disturbed)
    assert recounted(doors) == 67 == doors.truth()
    assert walks == 3  # the second time to its end: of the bucket, and of its noncurrent versions


def test_who_dies_while_it_recounts_leaves_no_end_of_notes(doors: Doors) -> None:
    (ledger,) = doors.namespace.context.quotas.ledgers().values()
    ledger.begin_recount(7)
    doors.put("a", 60)
    assert ledger.look().notes > 0
    assert recounted(doors) == 60
    assert ledger.look().notes == 0


def test_a_put_that_fails_at_its_name_used_nothing(doors: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    doors.put("a", 60)

    def fails(*_: object) -> None:
        raise NamespaceError

    with monkeypatch.context() as patch:
        patch.setattr(doors.store, "rename", fails)
        patch.setattr(doors.store, "link", fails)
        for key in ("a", "b"):
            with pytest.raises(NamespaceError):
                doors.put(key, 30)
    assert doors.used() == 60 == doors.truth()


MARKS = struct.pack("<2q", 40, 1 + 40).ljust(2048, b"\0")
"""What is credited in all, and by the process of the first slot."""


def test_golden_ledger(doors: Doors) -> None:
    doors.namespace.quotas.set(BUCKET, 1000)
    doors.put("a", 600)
    session = doors.namespace.begin_put(BUCKET, b"b", size=70)
    over = doors.namespace.begin_put(BUCKET, b"a", size=40)
    (identity,) = doors.namespace.context.quotas.ledgers()
    path = b".weka/quotas/%d.ledger" % identity
    fd = doors.store.open_file(doors.store.root(), path, os.O_RDONLY)
    page = doors.store.read(fd, 4096, 0)
    doors.store.close(fd)
    session.abort()
    over.abort()
    assert page[:64].hex() == (
        "574b513100000000e803000000000000580200000000000046000000000000000000000000000000"
        "000000000000000000000000000000004600000000000000"
    )
    assert page[64:] == bytes(2048 - 64) + MARKS


def test_a_damaged_ledger_stops_writers_and_not_readers(doors: Doors) -> None:
    doors.put("a", 6)
    (identity,) = doors.namespace.context.quotas.ledgers()
    path = b".weka/quotas/%d.ledger" % identity
    fd = doors.store.open_file(doors.store.root(), path, os.O_RDWR)
    doors.store.truncate(fd, 7)
    doors.store.close(fd)
    with pytest.raises(StoreUnusable):
        doors.put("b", 1)
    assert doors.namespace.head_object(BUCKET, b"a").size == 6
    assert doors.namespace.quotas.maintain() == 1  # made anew
    doors.put("b", 1)
    assert doors.used() == 7 == doors.truth()


def test_more_processes_than_slots_are_told_so(doors: Doors, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_file, "_SLOTS", 1)
    doors.put("a", 6)
    with Namespace.open(doors.store) as second, pytest.raises(OutOfResources):
        second.begin_put(BUCKET, b"b", size=1)
    doors.put("b", 1)
