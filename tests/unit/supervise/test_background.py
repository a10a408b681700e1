"""The filler: what it fills, when it looks again, who goes first. The sweep: how long things are kept."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path

import pytest
import trio

from tests.unit.namespace.kit import BUCKET, FixedClock, memory_store
from tests.unit.namespace.test_multipart import Upload
from weka_mp.errors import BucketMissing, UploadMissing
from weka_mp.gateway.identities import open_identities
from weka_mp.identity import Administration, CredentialIssuer, KeyFile, Role, users
from weka_mp.namespace import FillReport, Namespace
from weka_mp.store.interface import DirEntry
from weka_mp.supervise.background import Filler, fill_until_done, next_pause, sweep
from weka_mp.supervise.identities import sweep_identities
from weka_mp.supervise.opening import open_namespace
from weka_mp.values import BucketName


@pytest.fixture
def store(tmp_path: Path) -> Path:
    (tmp_path / "bucket").mkdir()
    return tmp_path


@pytest.fixture
def namespace(store: Path) -> Iterator[Namespace]:
    with open_namespace(str(store), "relaxed") as opened:
        yield opened


def test_an_idle_store_is_scanned_a_tenth_of_the_time_at_most() -> None:
    assert next_pause(0.1, FillReport(already=9)) == 5
    assert next_pause(3, FillReport(already=9)) == 30
    assert next_pause(3, FillReport(filled=1, already=9)) == 6
    assert next_pause(3, FillReport(busy=1, already=9)) == 6
    assert next_pause(3, FillReport(filled=5, already=9)) == 5
    assert next_pause(300, FillReport()) == 3000


def test_fill_until_done_waits_for_what_is_busy_and_counts_each_file_once() -> None:
    reports = [
        FillReport(filled=2, already=1, busy=2),
        FillReport(filled=1, already=3, busy=1),
        FillReport(0, 5, 0, 0),
    ]
    slept: list[float] = []

    class Fake:
        def fill(self, bucket: str, prefix: bytes, stop: object) -> FillReport:
            return reports.pop(0)

    report = fill_until_done(Fake(), BucketName("b"), b"", lambda: False, sleep=slept.append)  # type: ignore[arg-type]
    assert report == FillReport(filled=3, already=2, busy=0, failed=0)
    assert len(slept) == 2


def test_fill_until_done_loses_patience_with_a_writer(namespace: Namespace, store: Path) -> None:
    with open(store / "bucket" / "a", "wb") as file:
        file.write(b"x")
        file.flush()
        report = fill_until_done(namespace, BucketName("bucket"), b"", lambda: False, patience=0.2)
    assert (report.busy, report.filled) == (1, 0)
    with pytest.raises(BucketMissing):
        fill_until_done(namespace, BucketName("none"), b"", lambda: False)


async def _etag_becomes(namespace: Namespace, key: bytes, content: bytes) -> None:
    expected = hashlib.md5(content).hexdigest()
    with trio.fail_after(20):
        while namespace.head_object(BucketName("bucket"), key).etag != expected:
            await trio.sleep(0.02)


async def test_scans_hints_and_wanted_fills(namespace: Namespace, store: Path) -> None:
    (store / "bucket" / "early").write_bytes(b"early")
    filler = Filler(namespace, lambda: False)
    async with trio.open_nursery() as nursery:
        nursery.start_soon(filler.run)
        nursery.start_soon(filler.follow_hints)
        await trio.sleep(0.1)
        (store / "bucket" / "wanted").write_bytes(b"wanted")
        report = await filler.fill(["bucket", b"wanted"])
        assert (report.filled, report.busy) == (1, 0)
        (store / "bucket" / "hinted").write_bytes(b"hinted")
        filler.hint([b"bucket/hinted", "not bytes"])
        filler.hint("nonsense")
        await _etag_becomes(namespace, b"hinted", b"hinted")
        await _etag_becomes(namespace, b"early", b"early")
        with pytest.raises(ValueError, match="wanted"):
            await filler.fill("bucket")
        nursery.cancel_scope.cancel()


HOUR = 3600 * 10**9


def test_a_completion_is_answered_again_for_24_hours() -> None:
    clock = FixedClock()
    with Namespace.open(memory_store(clock), clock=clock) as namespace:
        namespace.create_bucket(BUCKET)
        upload = Upload(namespace, b"k")
        part = upload.part(1, b"all")
        upload.complete(part)
        clock.advance(24 * HOUR - 10**9)
        sweep(namespace, lambda: False)
        assert upload.complete(part).repeated
        clock.advance(2 * 10**9)
        sweep(namespace, lambda: False)
        with pytest.raises(UploadMissing):
            upload.complete(part)


def test_an_upload_in_which_nothing_happens_is_kept_for_7_days() -> None:
    clock = FixedClock()
    with Namespace.open(memory_store(clock), clock=clock) as namespace:
        namespace.create_bucket(BUCKET)
        upload = Upload(namespace, b"k")
        clock.advance(5 * 24 * HOUR)
        first = upload.part(1, b"all")
        clock.advance(7 * 24 * HOUR - 10**9)
        sweep(namespace, lambda: False)
        upload.complete(first)
        idle = Upload(namespace, b"idle")
        clock.advance(7 * 24 * HOUR + 10**9)
        sweep(namespace, lambda: False)
        with pytest.raises(UploadMissing):
            idle.part(1, b"late")


def test_dead_access_keys_are_swept(tmp_path: Path) -> None:
    """Expired an hour ago, or of a parent that is gone; and a store without a key file is left as it is."""
    clock = FixedClock()
    with Namespace.open(memory_store(clock), clock=clock) as namespace:
        key_file = str(tmp_path / "state" / "keys")
        sweep(namespace, lambda: False)
        assert sweep_identities(namespace, key_file) == (0, 0)
        assert b"identity" not in [entry.name for entry in _control_entries(namespace)]
        keys = KeyFile(key_file, namespace.context.random)
        identities = open_identities(namespace, keys, None, make_keys=True)
        admin, issuer = Administration(identities), CredentialIssuer(identities)
        for name in ("ann", "bob"):
            admin.add_user(name, Role.S3, "Correct-Horse-9")
        short, service = issuer.assume_role("ann", 900), issuer.add_service_account("bob")
        longer = issuer.assume_role("ann", 7200)
        identities.change(lambda registry: users.remove(registry, "bob"))
        assert sweep_identities(namespace, key_file) == (0, 1)
        assert not identities.children.exists(service.access_key)
        clock.advance(900 * 10**9 + HOUR - 10**9)
        assert sweep_identities(namespace, key_file) == (0, 0)
        clock.advance(10**9)
        assert sweep_identities(namespace, key_file) == (0, 1)
        assert not identities.children.exists(short.access_key)
        assert identities.secret(longer.access_key) is not None
        identities.close()


def _control_entries(namespace: Namespace) -> list[DirEntry]:
    store = namespace.store
    control = store.open_dir(store.root(), b".weka")
    try:
        return list(store.entries(control))
    finally:
        store.close(control)
