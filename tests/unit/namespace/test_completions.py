"""Completions that are asked for again, and those that race with an abort."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.unit.namespace.kit import BUCKET, FixedClock, get, in_threads, keys, memory_store, put
from tests.unit.namespace.test_multipart import KEY, A, B, C, Upload, answers_left, tag_of, uploads_left
from weka_mp.errors import BucketMissing, IoFailure, NotFound, PreconditionFailed, UploadMissing
from weka_mp.namespace import CompletedPart, CompletionRequest, Namespace, WriteConditions
from weka_mp.namespace.uploads import multipart
from weka_mp.namespace.uploads.area import UploadArea
from weka_mp.store.faulty import Fault, FaultyStore, Interference


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multipart, "MIN_PART_BYTES", 100)


def completed(namespace: Namespace, key: bytes = KEY) -> tuple[Upload, list[CompletedPart]]:
    upload = Upload(namespace, key)
    parts = [upload.part(1, A), upload.part(2, B)]
    assert not upload.complete(*parts).repeated
    return upload, parts


def test_the_same_list_gets_the_same_answer(any_namespace: Namespace) -> None:
    upload, parts = completed(any_namespace)
    again = upload.complete(*parts)
    assert (again.repeated, again.etag, again.size) == (True, tag_of(A, B), 200)
    assert again.changes, "the mounts may not know yet"
    assert answers_left(any_namespace) == [b"result"]


def test_a_repetition_publishes_nothing(any_namespace: Namespace) -> None:
    upload, parts = completed(any_namespace)
    put(any_namespace, KEY, b"meanwhile")
    assert upload.complete(*parts).repeated
    assert get(any_namespace, KEY) == b"meanwhile"
    any_namespace.delete_object(BUCKET, KEY)
    assert upload.complete(*parts, conditions=WriteConditions(if_match="gone")).repeated
    assert keys(any_namespace) == []


def test_another_list_finds_no_upload(any_namespace: Namespace) -> None:
    upload, (first, second) = completed(any_namespace)
    for parts in (
        [first],
        [first, replace(second, number=3)],
        [first, replace(second, etag=first.etag)],
        [first, replace(second, checksums={"CRC32": "x"})],
        [],
    ):
        with pytest.raises(UploadMissing):
            upload.complete(*parts)
    assert upload.complete(first, replace(second, etag=second.etag.upper())).repeated


def test_another_process_after_a_restart_knows_it_too() -> None:
    store = memory_store()
    with Namespace.open(store) as first:
        first.create_bucket(BUCKET)
        upload, parts = completed(first)
    with Namespace.open(store, sweep=True) as second:
        upload.namespace = second
        assert upload.complete(*parts).repeated
        second.create_bucket("other")  # type: ignore[arg-type]
        with pytest.raises(UploadMissing):
            second.complete_upload(CompletionRequest("other", KEY, upload.id, parts))  # type: ignore[arg-type]
        with pytest.raises(UploadMissing):
            second.complete_upload(CompletionRequest(BUCKET, b"else", upload.id, parts))
        second.delete_object(BUCKET, KEY)
        second.delete_bucket(BUCKET)
        with pytest.raises(BucketMissing):
            upload.complete(*parts)


def test_an_answer_is_kept_for_its_time() -> None:
    clock = FixedClock()
    with Namespace.open(memory_store(clock), clock=clock) as namespace:
        namespace.create_bucket(BUCKET)
        upload, parts = completed(namespace)
        at = clock.now_ns()
        clock.advance(10**15)
        namespace.expire_uploads(clock.now_ns())
        assert namespace.forget_completed(at) == 0
        assert upload.complete(*parts).repeated
        assert namespace.forget_completed(clock.now_ns()) == 1
        with pytest.raises(UploadMissing):
            upload.complete(*parts)
        assert answers_left(namespace) == []


@pytest.mark.parametrize("key", [KEY, b"up/dir/"])
def test_a_repetition_while_the_first_is_at_work_waits_for_it(namespace: Namespace, key: bytes) -> None:
    upload = Upload(namespace, key)
    parts = [upload.part(1, A), upload.part(7, B)]
    waited: list[str] = []
    outcomes = in_threads(*[
        lambda name=name: upload.complete(*parts, begun=lambda: waited.append(name)) for name in "abcd"
    ])
    assert sorted(outcome.repeated for outcome in outcomes) == [False, True, True, True]
    assert get(namespace, key) == A + B


def test_what_is_wrong_is_said_before_the_long_work(any_namespace: Namespace) -> None:
    upload = Upload(any_namespace)
    first, last = upload.part(1, A), upload.part(7, C)
    put(any_namespace, KEY, b"there")
    begun: list[int] = []
    store = FaultyStore(any_namespace.store)
    with Namespace.open(store) as watched:  # type: ignore[arg-type]
        upload.namespace = watched
        for error, parts, conditions in (
            (multipart.InvalidPart, [first, replace(last, number=8)], WriteConditions()),
            (PreconditionFailed, [first, last], WriteConditions(if_none_match=True)),
            (PreconditionFailed, [first, last], WriteConditions(if_match="other")),
        ):
            with pytest.raises(error):
                upload.complete(*parts, conditions=conditions, begun=lambda: begun.append(1))
        any_namespace.delete_object(BUCKET, KEY)
        with pytest.raises(NotFound):
            upload.complete(
                first, last, conditions=WriteConditions(if_match="*"), begun=lambda: begun.append(1)
            )
        assert (begun, "copy" in {call.verb for call in store.calls}) == ([], False)
        upload.complete(first, last, begun=lambda: begun.append(1))
        assert begun == [1]
    assert get(any_namespace, KEY) == A + C


@pytest.mark.parametrize("verb", ["copy", "sync_file", "truncate"])
def test_an_abort_wins_until_the_object_is_named(namespace: Namespace, verb: str) -> None:
    upload = Upload(namespace)
    parts = [upload.part(1, A), upload.part(2 if verb == "truncate" else 7, C)]
    store = FaultyStore(namespace.store, Interference(verb, 1, upload.abort))
    with Namespace.open(store) as other, pytest.raises(UploadMissing):  # type: ignore[arg-type]
        other.complete_upload(CompletionRequest(BUCKET, KEY, upload.id, parts))
    assert (keys(namespace), uploads_left(namespace), answers_left(namespace)) == ([], [], [])


def test_an_abort_wins_although_its_files_are_still_there(namespace: Namespace) -> None:
    """It was answered, or died, before it had removed them all: the parts can be read, and must not count."""
    upload = Upload(namespace)
    parts = [upload.part(1, A), upload.part(7, C)]

    def abort() -> None:
        failing = FaultyStore(namespace.store, Fault(IoFailure, 1, "unlink"))
        with Namespace.open(failing) as aborting, pytest.raises(IoFailure):  # type: ignore[arg-type]
            aborting.abort_upload(BUCKET, KEY, upload.id)

    store = FaultyStore(namespace.store, Interference("sync_file", 1, abort))
    with Namespace.open(store) as other, pytest.raises(UploadMissing):  # type: ignore[arg-type]
        other.complete_upload(CompletionRequest(BUCKET, KEY, upload.id, parts))
    assert keys(namespace) == []


def test_regression_an_abort_and_a_completion_at_once_have_one_winner(any_namespace: Namespace) -> None:
    """Files that could not be made in the removed directory were answered as a missing object."""
    for _ in range(10):
        upload = Upload(any_namespace)
        parts = [upload.part(1, A), upload.part(7, C)]
        works: list[Callable[[], object]] = [lambda: upload.complete(*parts), upload.abort]  # noqa: B023
        done, aborted = in_threads(*works)
        assert isinstance(done, UploadMissing) != isinstance(aborted, UploadMissing)
        assert keys(any_namespace) == ([] if aborted is None else [KEY])
        any_namespace.delete_object(BUCKET, KEY)


def test_a_failed_publication_leaves_an_upload(namespace: Namespace) -> None:
    """A record of a completion that came to nothing must not make the upload look completed."""
    for key in (KEY, b"up/dir/"):
        upload = Upload(namespace, key)
        parts = [upload.part(1, A), upload.part(7, C)]
        # The condition holds before the long work and not after it.
        late = Interference("copy", 1, lambda key=key: put(namespace, key, b"x"))  # type: ignore[misc]
        store = FaultyStore(namespace.store, late)
        with Namespace.open(store) as other, pytest.raises(PreconditionFailed):  # type: ignore[arg-type]
            other.complete_upload(
                CompletionRequest(BUCKET, key, upload.id, parts, WriteConditions(if_none_match=True))
            )
        assert get(namespace, key) == b"x"
        parts[1] = upload.part(7, B)
        assert not upload.complete(*parts).repeated
        assert get(namespace, key) == A + B


def test_a_damaged_answer_counts_as_none(namespace: Namespace) -> None:
    upload, parts = completed(namespace)
    store = namespace.store
    control = store.open_dir(store.root(), b".weka/completed/" + upload.id.encode())
    fd = store.open_file(control, b"result", 0o2)
    store.write(fd, b"\xc1garbage", 0)
    store.close(fd)
    store.close(control)
    with pytest.raises(UploadMissing):
        upload.complete(*parts)
    assert get(namespace, KEY) == A + B


def test_an_abort_that_waited_for_a_completion_finds_it_although_its_worker_died(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It died between naming the object and putting the upload aside: the completion has won."""
    memory = memory_store()
    store = FaultyStore(memory)
    namespace = Namespace.open(store)  # type: ignore[arg-type]
    namespace.create_bucket(BUCKET)
    upload = Upload(namespace)
    part = upload.part(1, A)

    def complete() -> None:
        with monkeypatch.context() as dying, Namespace.open(memory) as other:
            dying.setattr(UploadArea, "retire", lambda area, upload: None)
            other.complete_upload(CompletionRequest(BUCKET, KEY, upload.id, [part]))

    store.begin(Interference("lock", 1, complete))
    with pytest.raises(UploadMissing):
        namespace.abort_upload(BUCKET, KEY, upload.id)
    assert get(namespace, KEY) == A
    assert upload.complete(part).repeated
