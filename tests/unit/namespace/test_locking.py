"""Object Lock in the namespace: what a locked version withstands, and who sets locks in which order."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.unit.namespace.kit import (
    BUCKET,
    FEWER,
    FixedClock,
    get,
    in_threads,
    md5_of,
    memory_store,
    posix_write,
    put,
)
from weka_mp.errors import (
    BucketNotEmpty,
    BucketStateRefused,
    DeleteMarkerMet,
    ObjectLocked,
    ObjectLockMissing,
    StoreUnusable,
    VersionMissing,
)
from weka_mp.lifecycle import Rule
from weka_mp.namespace import CopyRequest, Deletion, Namespace, NewUpload, RenameRequest
from weka_mp.namespace.concealment import RECORD_XATTR
from weka_mp.namespace.objects import versions
from weka_mp.namespace.records.attribute import amend_record
from weka_mp.namespace.upkeep.expiring import Age
from weka_mp.namespace.upkeep.expiring_versions import expire_versions
from weka_mp.namespace.uploads.multipart import CompletionRequest
from weka_mp.namespace.values import CompletedPart
from weka_mp.object_lock import (
    COMPLIANCE,
    GOVERNANCE,
    LEGAL_HOLD,
    NO_DEFAULT,
    DefaultRetention,
    ObjectLock,
    Retention,
    encode,
)
from weka_mp.values import BucketName

DAY = 86_400_000_000_000
KEYS = [b"k", b"a/b/k", b"dir/"]


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock(1_700_000_000_000_000_000)


@pytest.fixture(params=["all", "no-leases"])
def namespace(request: pytest.FixtureRequest, clock: FixedClock) -> Iterator[Namespace]:
    with Namespace.open(memory_store(clock, **FEWER[request.param]), clock=clock) as opened:
        opened.create_bucket(BUCKET)
        lock_bucket(opened)
        yield opened


def lock_bucket(namespace: Namespace, lock: ObjectLock = NO_DEFAULT) -> None:
    namespace.change_bucket_settings(
        BUCKET, lambda before: replace(before, versioning="Enabled", object_lock=encode(lock))
    )


def until(clock: FixedClock, days: int = 1, mode: str = COMPLIANCE) -> Retention:
    return Retention(mode, clock.at_ns + days * DAY)


def version_of(namespace: Namespace, key: bytes, data: bytes, retention: Retention | None = None) -> str:
    return put(namespace, key, data, retention=retention).info.version or "null"


def locks_of(
    namespace: Namespace, key: bytes, version: str | None = None
) -> tuple[Retention | None, bool | None]:
    info = namespace.head_object(BUCKET, key, version)
    return info.retention, info.legal_hold


# ---- what a lock withstands
@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("noncurrent", [False, True])
def test_a_locked_version_stays_until_its_time_is_over(
    namespace: Namespace, clock: FixedClock, key: bytes, noncurrent: bool
) -> None:
    version = version_of(namespace, key, b"one", until(clock))
    if noncurrent:
        version_of(namespace, key, b"two")
    for bypass in (False, True):
        deletion = Deletion(key, version=version, bypass=bypass)
        with pytest.raises(ObjectLocked) as refused:
            raise namespace.delete_objects(BUCKET, [deletion])[0][0]  # type: ignore[misc]
        assert refused.value.protection.kind == COMPLIANCE
    assert namespace.head_object(BUCKET, key, version).size == 3
    clock.advance(DAY)
    assert namespace.delete_object(BUCKET, key, version=version).existed
    with pytest.raises(VersionMissing):
        namespace.head_object(BUCKET, key, version)


@pytest.mark.parametrize("key", KEYS)
def test_governance_yields_to_who_may_bypass_it_and_a_hold_to_nobody(
    namespace: Namespace, clock: FixedClock, key: bytes
) -> None:
    version = version_of(namespace, key, b"one", until(clock, mode=GOVERNANCE))
    with pytest.raises(ObjectLocked):
        namespace.delete_object(BUCKET, key, version=version)
    namespace.locking.hold(BUCKET, key, version, True)
    outcomes, _ = namespace.delete_objects(BUCKET, [Deletion(key, version=version, bypass=True)])
    assert isinstance(outcomes[0], ObjectLocked) and outcomes[0].protection.kind == LEGAL_HOLD
    namespace.locking.hold(BUCKET, key, version, False)
    assert locks_of(namespace, key, version)[1] is False
    (done,), _ = namespace.delete_objects(BUCKET, [Deletion(key, version=version, bypass=True)])
    assert not isinstance(done, Exception) and done.existed


@pytest.mark.parametrize("key", KEYS)
def test_what_hides_a_locked_version_is_free(namespace: Namespace, clock: FixedClock, key: bytes) -> None:
    version = version_of(namespace, key, b"one", until(clock))
    marker = namespace.delete_object(BUCKET, key)
    assert marker.marker
    with pytest.raises(ObjectLocked):
        namespace.delete_object(BUCKET, key, version=version)
    assert namespace.delete_object(BUCKET, key, version=marker.version).marker
    assert namespace.head_object(BUCKET, key).version == version  # on top again, and as locked as before
    over = version_of(namespace, key, b"two")
    assert locks_of(namespace, key) == (None, None)
    assert namespace.delete_object(BUCKET, key, version=over).existed
    assert get(namespace, key) == b"one"
    with pytest.raises(ObjectLocked):
        namespace.delete_object(BUCKET, key, version=version)
    with pytest.raises(BucketNotEmpty):
        namespace.delete_bucket(BUCKET)


def test_copies_and_uploads_over_a_locked_version_leave_it(namespace: Namespace, clock: FixedClock) -> None:
    version = version_of(namespace, b"k", b"one", until(clock))
    put(namespace, b"other", b"two")
    copied = namespace.copy_object(CopyRequest(BUCKET, b"other", BUCKET, b"k"))
    assert (copied.info.retention, copied.info.legal_hold) == (None, None)
    new = NewUpload(retention=until(clock, 2), legal_hold=True)
    upload = namespace.create_upload(BUCKET, b"k", new)
    with namespace.begin_part(BUCKET, b"k", upload, 1, 4) as part:
        part.write(b"part")
        etag = part.commit(bytes.fromhex(md5_of(b"part")), {}).etag
    done = namespace.complete_upload(CompletionRequest(BUCKET, b"k", upload, [CompletedPart(1, etag)]))
    assert locks_of(namespace, b"k", done.version) == (new.retention, True)
    onto = namespace.copy_object(CopyRequest(BUCKET, b"k", BUCKET, b"k", source_version=version))
    assert onto.info.version not in (version, done.version) and onto.info.retention is None
    for each in (version, done.version):
        with pytest.raises(ObjectLocked):
            namespace.delete_object(BUCKET, b"k", version=each)


@pytest.mark.parametrize(
    ("source", "target", "locked"),
    [(b"k", b"l", b"k"), (b"p/", b"q/", b"p/x/k"), (b"p/", b"q/", b"p/"), (b"p/", b"q/", b"p/d/")],
)
def test_a_locked_version_is_not_renamed_away_from_its_key(
    namespace: Namespace, clock: FixedClock, source: bytes, target: bytes, locked: bytes
) -> None:
    put(namespace, b"p/z", b"free")
    version = version_of(namespace, locked, b"one", until(clock))
    with pytest.raises(ObjectLocked):
        namespace.rename_object(RenameRequest(BUCKET, source, target))
    assert namespace.head_object(BUCKET, locked).version == version
    clock.advance(DAY)
    namespace.rename_object(RenameRequest(BUCKET, source, target))


def test_a_rename_onto_a_locked_version_keeps_it(namespace: Namespace, clock: FixedClock) -> None:
    version = version_of(namespace, b"k", b"one", until(clock))
    put(namespace, b"l", b"two")
    namespace.rename_object(RenameRequest(BUCKET, b"l", b"k"))
    assert get(namespace, b"k") == b"two"
    with pytest.raises(ObjectLocked):
        namespace.delete_object(BUCKET, b"k", version=version)


def test_rules_pass_over_what_is_locked(namespace: Namespace, clock: FixedClock) -> None:
    locked = version_of(namespace, b"k", b"one", until(clock, 10))
    free = version_of(namespace, b"k", b"two")
    last = version_of(namespace, b"k", b"three")
    clock.advance(5 * DAY)
    rules = [Rule("r", True, noncurrent_days=1)]
    done = expire_versions(namespace.context, BUCKET, b"", lambda: rules, Age(clock.at_ns, DAY))
    assert [row[1] for row in done.expired] == [free] and not done.failed
    assert namespace.head_object(BUCKET, b"k", locked).size == 3
    assert namespace.head_object(BUCKET, b"k").version == last
    clock.advance(6 * DAY)
    done = expire_versions(namespace.context, BUCKET, b"", lambda: rules, Age(clock.at_ns, DAY))
    assert [row[1] for row in done.expired] == [locked]


def test_a_locked_version_may_get_tags(namespace: Namespace, clock: FixedClock) -> None:
    for key in KEYS:
        version = version_of(namespace, key, b"one", until(clock))
        namespace.tag_object(BUCKET, key, {"a": "b"}, version)
        info = namespace.head_object(BUCKET, key, version)
        assert (info.tags, info.retention) == ({"a": "b"}, until(clock))


# ---- setting locks
@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("noncurrent", [False, True])
def test_a_retention_is_loosened_as_its_mode_allows(
    namespace: Namespace, clock: FixedClock, key: bytes, noncurrent: bool
) -> None:
    version = version_of(namespace, key, b"one")
    if noncurrent:
        version_of(namespace, key, b"two")
    retain = namespace.locking.retain
    retain(BUCKET, key, version, until(clock, 2, GOVERNANCE), bypass=False)
    retain(BUCKET, key, version, until(clock, 3, GOVERNANCE), bypass=False)
    for new in (until(clock, 1, GOVERNANCE), until(clock, 9, COMPLIANCE), None):
        with pytest.raises(ObjectLocked):
            retain(BUCKET, key, version, new, bypass=False)
    assert locks_of(namespace, key, version)[0] == until(clock, 3, GOVERNANCE)
    retain(BUCKET, key, version, None, bypass=True)
    assert locks_of(namespace, key, version)[0] is None
    retain(BUCKET, key, version, until(clock, 2), bypass=False)
    for new in (until(clock, 1), until(clock, 9, GOVERNANCE), None):
        with pytest.raises(ObjectLocked):
            retain(BUCKET, key, version, new, bypass=True)
    retain(BUCKET, key, version, until(clock, 4), bypass=False)
    assert locks_of(namespace, key, version)[0] == until(clock, 4)


def test_locks_need_a_bucket_that_has_them(namespace: Namespace, clock: FixedClock) -> None:
    other = BucketName("plain")
    namespace.create_bucket(other)
    put(namespace, b"k", b"one", bucket=other)
    with pytest.raises(ObjectLockMissing):
        namespace.locking.retain(other, b"k", None, until(clock), bypass=True)
    with pytest.raises(ObjectLockMissing):
        namespace.locking.hold(other, b"k", None, True)
    with pytest.raises(ObjectLockMissing):
        put(namespace, b"l", b"two", bucket=other, retention=until(clock))
    with pytest.raises(ObjectLockMissing):
        put(namespace, b"l", b"two", bucket=other, legal_hold=False)
    assert [row.summary.key for row in namespace.list_versions(other).items] == [b"k"]  # type: ignore[union-attr]


def test_delete_markers_have_no_locks(namespace: Namespace, clock: FixedClock) -> None:
    version_of(namespace, b"k", b"one")
    marker = namespace.delete_object(BUCKET, b"k").version
    with pytest.raises(DeleteMarkerMet):
        namespace.locking.retain(BUCKET, b"k", marker, until(clock), bypass=False)


def test_versions_made_without_a_word_get_the_default(namespace: Namespace, clock: FixedClock) -> None:
    lock_bucket(namespace, ObjectLock(DefaultRetention(GOVERNANCE, days=3)))
    put(namespace, b"k", b"one")
    assert locks_of(namespace, b"k") == (until(clock, 3, GOVERNANCE), None)
    put(namespace, b"k", b"two", retention=until(clock, 1), legal_hold=True)
    assert locks_of(namespace, b"k") == (until(clock, 1), True)
    upload = namespace.create_upload(BUCKET, b"m", NewUpload())
    with namespace.begin_part(BUCKET, b"m", upload, 1, 4) as part:
        part.write(b"part")
        etag = part.commit(bytes.fromhex(md5_of(b"part")), {}).etag
    clock.advance(DAY)
    namespace.complete_upload(CompletionRequest(BUCKET, b"m", upload, [CompletedPart(1, etag)]))
    assert locks_of(namespace, b"m")[0] == until(clock, 3, GOVERNANCE)  # from the completion on


def test_object_lock_is_forever_and_needs_versions(namespace: Namespace) -> None:
    for step in (
        lambda before: replace(before, versioning="Suspended"),
        lambda before: replace(before, object_lock=None),
    ):
        with pytest.raises(BucketStateRefused):
            namespace.change_bucket_settings(BUCKET, step)
    other = BucketName("plain")
    namespace.create_bucket(other)
    with pytest.raises(BucketStateRefused):
        namespace.change_bucket_settings(other, lambda before: replace(before, object_lock="{}"))
    namespace.change_bucket_settings(other, lambda before: replace(before, versioning="Suspended"))
    with pytest.raises(BucketStateRefused):
        namespace.change_bucket_settings(other, lambda before: replace(before, object_lock="{}"))


def test_a_bucket_with_object_lock_is_not_unlinked(namespace: Namespace) -> None:
    """Whoever made a bucket of its directory again would have versions that nothing protects."""
    with pytest.raises(BucketStateRefused):
        namespace.unlink_bucket(BUCKET)
    assert namespace.locking.of(BUCKET) == NO_DEFAULT


@pytest.mark.parametrize("current", [True, False])
def test_the_version_null_is_locked_like_any_other(
    namespace: Namespace, clock: FixedClock, current: bool
) -> None:
    posix_write(namespace.store, b"k", b"made beside both doors")
    namespace.locking.retain(BUCKET, b"k", "null", until(clock), bypass=False)
    if not current:
        put(namespace, b"k", b"newer")
    with pytest.raises(ObjectLocked):
        namespace.delete_object(BUCKET, b"k", version="null")
    with namespace.context.bucket(BUCKET) as bucket:
        fd = namespace.store.open_path(bucket, b"k")
        namespace.store.set_immutable(fd, False)  # who works in the store's directory can do that, too
        namespace.store.close(fd)
        namespace.store.unlink(bucket, b"k")
    posix_write(namespace.store, b"k", b"once more")
    if not current:  # the one that is current now may go, but not the one below, which is called so, too
        with pytest.raises(ObjectLocked):
            namespace.delete_object(BUCKET, b"k", version="null")
        put(namespace, b"k", b"newest")
        assert locks_of(namespace, b"k", "null")[0] == until(clock)


# ---- damage
def test_a_damaged_record_is_no_freedom(namespace: Namespace) -> None:
    version_of(namespace, b"k", b"one")
    with namespace.context.bucket(BUCKET) as bucket:
        fd = namespace.store.open_file(bucket, b"k", 0)
        namespace.store.set_xattr(fd, RECORD_XATTR, b"WKO1\xff")
        namespace.store.close(fd)
    with pytest.raises(StoreUnusable):
        namespace.delete_object(BUCKET, b"k", version="null")


def test_damaged_settings_are_no_freedom(namespace: Namespace, clock: FixedClock) -> None:
    version = version_of(namespace, b"k", b"one", until(clock))
    registry = namespace._buckets._registry
    (name,) = [e.name for e in namespace.store.entries(registry.directory) if e.name.endswith(b".settings")]
    registry.write(name, b"WKS1" + b"\0" * 40)
    with pytest.raises(StoreUnusable):
        namespace.delete_object(BUCKET, b"k", version=version)


def test_locks_stay_where_an_overflow_file_is_lost(namespace: Namespace, clock: FixedClock) -> None:
    """The record counts as absent then; what is set of the object next keeps its locks all the same."""
    version = version_of(namespace, b"k", b"one")
    with namespace.context.bucket(BUCKET) as bucket:
        fd = namespace.store.open_file(bucket, b"k", 0)
    context = namespace.context
    amend_record(context.store, context.locks, fd, lambda record: replace(record, user={"a": "x" * 5000}))
    namespace.locking.retain(BUCKET, b"k", version, until(clock), bypass=False)
    directory = context.store.open_dir(context.store.root(), b".weka/overflow")
    for entry in list(context.store.entries(directory)):
        context.store.unlink(directory, entry.name)
    namespace.tag_object(BUCKET, b"k", {"a": "b"})
    assert locks_of(namespace, b"k", version) == (until(clock), None)
    with pytest.raises(ObjectLocked):
        namespace.delete_object(BUCKET, b"k", version=version)


# ---- races
@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("noncurrent", [False, True])
def test_of_a_lock_and_a_deletion_at_once_exactly_one_comes_through(
    namespace: Namespace, clock: FixedClock, key: bytes, noncurrent: bool
) -> None:
    for _ in range(8):
        version = version_of(namespace, key, b"one")
        if noncurrent:
            version_of(namespace, key, b"two")
        locked, gone = in_threads(
            lambda version=version: namespace.locking.retain(  # type: ignore[misc]
                BUCKET, key, version, until(clock), bypass=False
            ),
            lambda version=version: namespace.delete_object(BUCKET, key, version=version),  # type: ignore[misc]
        )
        assert isinstance(locked, VersionMissing) != isinstance(gone, ObjectLocked), (locked, gone)
        if isinstance(gone, ObjectLocked):
            assert locks_of(namespace, key, version)[0] == until(clock)


def test_regression_a_lock_comes_before_a_deletion_that_looked_before(
    namespace: Namespace, clock: FixedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between a look at a noncurrent version and its lock nobody may delete it: both hold the key."""
    version = version_of(namespace, b"k", b"one")
    version_of(namespace, b"k", b"two")
    looked, deleted = threading.Event(), threading.Event()
    opening = versions.open_version

    def slowly(*asked: object) -> object:
        found = opening(*asked)  # type: ignore[arg-type]
        looked.set()
        deleted.wait(0.2)  # it must not come meanwhile, so this time passes
        return found

    monkeypatch.setattr("weka_mp.namespace.objects.amending.open_version", slowly)
    outcome: list[object] = []

    def delete() -> None:
        looked.wait()
        try:
            outcome.append(namespace.delete_object(BUCKET, b"k", version=version))
        except ObjectLocked as error:
            outcome.append(error)
        deleted.set()

    thread = threading.Thread(target=delete)
    thread.start()
    namespace.locking.retain(BUCKET, b"k", version, until(clock), bypass=False)
    thread.join()
    assert isinstance(outcome[0], ObjectLocked)
