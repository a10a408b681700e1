"""Locked versions of the whole service, attacked as root: over the mount, by what was opened before the lock,
and in the store's directory itself.
"""

from __future__ import annotations

import ctypes
import errno
import fcntl
import mmap
import os
from collections.abc import Callable
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.immutables import loosen
from tests.system.service import Bucket
from tests.system.waiting import wait_until
from weka_mp.store.posix import PosixStore

pytestmark = pytest.mark.mount

FICLONE = 0x40049409
EXCHANGE = 2
DATA = b"locked bytes " * 1000


@pytest.fixture
def locked(bucket: Bucket) -> Any:
    bucket.s3.put_bucket_versioning(Bucket=bucket.name, VersioningConfiguration={"Status": "Enabled"})
    bucket.s3.put_object_lock_configuration(
        Bucket=bucket.name, ObjectLockConfiguration={"ObjectLockEnabled": "Enabled"}
    )
    yield bucket
    loosen(bucket.service.store)


def in_store(bucket: Bucket, key: str) -> Path:
    return Path(bucket.service.store) / bucket.name / key


def retain(bucket: Bucket, key: str) -> None:
    until = datetime.now(UTC) + timedelta(days=1)
    bucket.s3.put_object_retention(
        Bucket=bucket.name, Key=key, Retention={"Mode": "COMPLIANCE", "RetainUntilDate": until}
    )


def stops_writers(bucket: Bucket) -> bool:
    store = PosixStore(bucket.service.store)
    try:
        assert store.primitives.immutable
        return store.primitives.immutable_stops
    finally:
        store.shutdown()


def refusals(attacks: dict[str, Callable[[], object]]) -> dict[str, str]:
    """What each ended with that was not refused as it should be."""
    wrong = {}
    for name, attack in attacks.items():
        try:
            attack()
        except OSError as error:
            if error.errno not in (errno.EPERM, errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL, errno.ENOTTY):
                wrong[name] = errno.errorcode[error.errno or 0]
        else:
            wrong[name] = "done"
    return wrong


def exchange(one: Path, other: Path) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(-100, bytes(one), -100, bytes(other), EXCHANGE) != 0:
        raise OSError(ctypes.get_errno(), "renameat2")


def attacks_on(path: Path, source: Path) -> dict[str, Callable[[], object]]:
    """By names. `source`: a file beside it that may be had."""

    def cloned() -> None:
        with path.open("r+b") as target, source.open("rb") as found:
            fcntl.ioctl(target, FICLONE, found.fileno())

    return {
        "open": lambda: os.close(os.open(path, os.O_WRONLY)),
        "open for both": lambda: os.close(os.open(path, os.O_RDWR)),
        "O_TRUNC": lambda: os.close(os.open(path, os.O_WRONLY | os.O_TRUNC)),
        "append": lambda: os.close(os.open(path, os.O_WRONLY | os.O_APPEND)),
        "truncate": lambda: os.truncate(path, 3),
        "write": lambda: path.write_bytes(b"other"),
        "chmod": lambda: os.chmod(path, 0o600),
        "chown": lambda: os.chown(path, 7, 7),
        "utime": lambda: os.utime(path, (1, 1)),
        "link": lambda: os.link(path, path.with_name("linked")),
        "rename": lambda: os.rename(path, path.with_name("renamed")),
        "exchange": lambda: exchange(path, source),
        "FICLONE": cloned,
        "set an attribute": lambda: os.setxattr(path, "user.mine", b"1"),
        "rename its directory": lambda: os.rename(path.parent, path.parent.with_name("elsewhere")),
    }


def test_a_locked_version_withstands_root_on_the_mount(locked: Bucket) -> None:
    version = locked.put("d/k", DATA)["VersionId"]
    locked.put("d/free", b"free")
    retain(locked, "d/k")
    path = locked.path / "d" / "k"
    assert refusals(attacks_on(path, locked.path / "d" / "free")) == {}
    assert path.read_bytes() == DATA == locked.get("d/k", VersionId=version)
    with pytest.raises(PermissionError):
        os.rename(locked.path, locked.path.with_name("another-name"))
    # What S3 may do to its key a caller of the mount may do, too: the version stays behind it.
    path.unlink()
    assert not path.exists()
    assert locked.get("d/k", VersionId=version) == DATA
    (locked.path / "d" / "new").write_bytes(b"new")
    os.rename(locked.path / "d" / "new", path)
    assert (path.read_bytes(), locked.get("d/k", VersionId=version)) == (b"new", DATA)
    with pytest.raises(ClientError, match="AccessDenied"):
        locked.delete("d/k", VersionId=version)


def test_what_was_open_before_the_lock_is_stopped_or_in_its_way(locked: Bucket) -> None:
    locked.put("k", DATA)
    path = locked.path / "k"
    with ExitStack() as stack:
        opened = os.open(path, os.O_RDWR)
        stack.callback(os.close, opened)
        mapped = stack.enter_context(mmap.mmap(opened, len(DATA)))
        if not stops_writers(locked):
            os.pwrite(opened, b"L", 0)
            with pytest.raises(ClientError, match="Conflict"):
                retain(locked, "k")
            return
        retain(locked, "k")
        attacks: dict[str, Callable[[], object]] = {
            "pwrite": lambda: os.pwrite(opened, b"other", 0),
            "append": lambda: os.pwrite(opened, b"other", len(DATA)),
            "ftruncate": lambda: os.ftruncate(opened, 1),
            "fchmod": lambda: os.fchmod(opened, 0o600),
            "fsetxattr": lambda: os.setxattr(opened, "user.mine", b"1"),
        }
        assert refusals(attacks) == {}
        mapped[0:5] = b"other"
        with pytest.raises(OSError):
            mapped.flush()
    assert locked.get("k") == DATA
    assert in_store(locked, "k").read_bytes() == DATA


def test_a_link_from_before_the_lock_leads_to_nothing_that_can_be_changed(locked: Bucket) -> None:
    locked.put("k", DATA)
    os.link(locked.path / "k", locked.path / "second")
    retain(locked, "k")
    version = locked.head("k")["VersionId"]
    for path in (locked.path / "second", in_store(locked, "second")):
        with pytest.raises(PermissionError):
            path.write_bytes(b"other")
    locked.put("k", b"new")
    assert locked.get("k", VersionId=version) == DATA
    assert (locked.path / "second").read_bytes() == DATA


def test_the_flag_stops_root_in_the_stores_directory(locked: Bucket) -> None:
    """Until who is root takes it away: then the record still locks at every door."""
    version = locked.put("d/k", DATA)["VersionId"]
    locked.put("d/free", b"free")
    retain(locked, "d/k")
    path = in_store(locked, "d/k")
    attacks = attacks_on(path, path.with_name("free"))
    del attacks["rename its directory"]  # nothing of the file changes by that
    attacks["unlink"] = path.unlink
    attacks["remove the record"] = lambda: os.removexattr(path, "user.weka.object")
    attacks["rename over"] = lambda: os.rename(path.with_name("free"), path)
    assert refusals(attacks) == {}
    assert locked.get("d/k", VersionId=version) == DATA
    locked.put("d/k", b"new")
    kept = [
        found for found in (Path(locked.service.store) / ".weka" / "versions").rglob(f"*{version}")
        if found.is_file()
    ]  # fmt: skip
    assert len(kept) == 1
    assert refusals({"unlink": kept[0].unlink, "write": lambda: kept[0].write_bytes(b"x")}) == {}
    assert locked.get("d/k", VersionId=version) == DATA


def test_regression_the_mount_shows_nothing_that_a_mapping_failed_to_write(locked: Bucket) -> None:
    """The kernel kept the page that could not be written, and showed it to every reader of the mount."""
    if not stops_writers(locked):
        pytest.skip("a lock waits for who has it mapped")
    locked.put("mapped", DATA)
    path = locked.path / "mapped"
    with path.open("r+b") as opened, mmap.mmap(opened.fileno(), 0) as mapping:
        retain(locked, "mapped")
        with suppress(OSError):
            mapping[:5] = b"other"
            mapping.flush()
        wait_until("what the file holds is shown", 30, lambda: path.read_bytes() == DATA)
    assert locked.get("mapped") == DATA
