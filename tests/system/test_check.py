"""`weka-mp check`, and stores whose records the usual backup tools copied."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from tests.unit.namespace.kit import BUCKET, FixedClock, keys, md5_of, put
from weka_mp.cli.check_cmd import command
from weka_mp.errors import NotFound
from weka_mp.namespace import CompletedPart, CompletionRequest, Namespace, NewUpload
from weka_mp.namespace.records.values import ContentHeaders
from weka_mp.namespace.upkeep.checking import Kind, Repairs
from weka_mp.store.posix import PosixStore

PART = b"p" * (5 << 20)
MULTIPART = PART + b"the end"
USER = {"colour": "blue", "large": "x" * 1900}
RECORD = "user.weka.object"
CRC32 = "/sUwqQ=="  # of b"content"


def fill(store: Path) -> None:
    """An object of every kind whose record speaks of its content."""
    store.mkdir(exist_ok=True)
    posix = PosixStore(str(store))
    with Namespace.open(posix) as namespace:
        namespace.create_bucket(BUCKET)
        put(namespace, b"a/plain", b"content", user=USER, owner="me", checksums={"CRC32": CRC32},
            checksum_type="FULL_OBJECT")  # fmt: skip
        put(namespace, b"dir/", b"", user={"d": "1"}, owner="me")
        put(namespace, b"full/", b"body", user={"d": "2"}, owner="me")
        upload = namespace.create_upload(BUCKET, b"multi", NewUpload(user=USER, owner="me"))
        parts = []
        for number, data in enumerate((PART, b"the end"), 1):
            with namespace.begin_part(BUCKET, b"multi", upload, number, len(data)) as part:
                part.write(data)
                stored = part.commit(hashlib.md5(data).digest(), {})
                parts.append(CompletedPart(number, stored.etag))
        namespace.complete_upload(CompletionRequest(BUCKET, b"multi", upload, parts))
    posix.shutdown()


KEYS = (b"a/plain", b"dir/", b"full/", b"multi")


def seen(store: Path) -> dict[bytes, tuple[str, dict[str, str], bool] | None]:
    """ETag, user metadata and whether the ETag is a true one, of each key; None: no such object."""
    posix, found = PosixStore(str(store)), {}
    with Namespace.open(posix) as namespace:
        for key in KEYS:
            try:
                info = namespace.head_object(BUCKET, key)
                found[key] = (info.etag, dict(info.user), info.etag_is_true)
            except Exception as error:  # noqa: BLE001 - any failure shows as one in the comparison
                assert type(error).__name__ == "NotFound", error
                found[key] = None
    posix.shutdown()
    return found


def check(store: Path, *flags: str) -> tuple[int, dict[str, Any]]:
    done = CliRunner().invoke(command, [str(store), "-J", *flags])
    assert done.exit_code in (0, 1), done.output
    report: dict[str, Any] = json.loads(done.output)
    assert done.exit_code == (1 if report["left"] else 0)
    return done.exit_code, report


def found(report: dict[str, Any]) -> dict[str, tuple[str, str]]:
    return {row["path"]: (row["kind"], row["done"]) for row in report["findings"]}


@pytest.fixture
def store(tmp_path: Path) -> Path:
    fill(tmp_path / "store")
    return tmp_path / "store"


def test_a_whole_store_has_no_findings(store: Path) -> None:
    status, report = check(store, "--verify")
    assert (status, report["findings"]) == (0, [])
    # dir, full, full's body, a/plain and multi speak of content; bodies of directories count as files
    assert (report["counts"]["valid"], report["counts"]["verified"]) == (5, 3)


COPIES = {
    "cp -a": ["cp", "-a", "store", "copy"],
    "rsync -aX": ["rsync", "-aX", "store/", "copy"],
    "tar": ["bash", "-c", "mkdir copy && tar -C store --xattrs --xattrs-include='*' -cf - . "
            "| tar -C copy --xattrs --xattrs-include='*' -xf -"],
}  # fmt: skip


@pytest.mark.parametrize("tool", sorted(COPIES))
def test_copied_records_are_void_until_they_are_restamped(store: Path, tool: str) -> None:
    original = seen(store)
    subprocess.run(COPIES[tool], cwd=store.parent, check=True)
    copy = store.parent / "copy"
    before = seen(copy)
    for key in (b"a/plain", b"multi"):
        row, first = before[key], original[key]
        assert row is not None and first is not None
        assert row[1] == first[1] and not row[2] and row[0] != first[0]  # the metadata counts, the ETag not
    assert before[b"dir/"] is None and before[b"full/"] is None
    status, report = check(copy)
    assert status == 1
    assert {kind for kind, _ in found(report).values()} == {"foreign"}
    assert {path.removeprefix("bucket/") for path in found(report)} == {
        "a/plain", "multi", "dir", "full", "full/.weka~body"}  # fmt: skip
    assert seen(copy) == before  # looking changes nothing
    status, report = check(copy, "--restamp")
    assert status == 0 and {done for _, done in found(report).values()} == {"restamped"}
    assert seen(copy) == original
    assert check(copy, "--verify") == (0, check(store, "--verify")[1])


def test_a_copy_whose_content_changed_stays_void(store: Path) -> None:
    copy = store.parent / "copy"
    subprocess.run(["cp", "-a", store, copy], check=True)
    for name in ("a/plain", "multi"):
        path = copy / "bucket" / name
        times = path.stat()
        with path.open("r+b") as file:
            file.write(b"X")
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    status, report = check(copy, "--restamp")
    rows = found(report)
    assert status == 1
    assert rows["bucket/a/plain"] == rows["bucket/multi"] == ("foreign", "")
    after = seen(copy)
    for key in (b"a/plain", b"multi"):
        row = after[key]
        assert row is not None and not row[2] and row[1] == USER


def test_what_is_being_written_is_not_judged(store: Path) -> None:
    copy = store.parent / "copy"
    subprocess.run(["cp", "-a", store, copy], check=True)
    with (copy / "bucket/multi").open("r+b"):
        status, report = check(copy, "--restamp")
        assert status == 1 and found(report)["bucket/multi"] == ("foreign", "")
        assert {done for path, (_, done) in found(report).items() if path != "bucket/multi"} == {"restamped"}
    assert check(copy, "--restamp")[0] == 0
    assert seen(copy) == seen(store)


def test_one_file_copied_inside_the_store_is_an_object_of_its_own(store: Path) -> None:
    bucket = store / "bucket"
    subprocess.run(["cp", "--preserve=all", "a/plain", "copied"], cwd=bucket, check=True)
    posix = PosixStore(str(store))
    with Namespace.open(posix) as namespace:
        info = namespace.head_object(BUCKET, b"copied")
        assert dict(info.user) == USER and not info.etag_is_true and not info.checksums
        assert namespace.fill(BUCKET).filled == 1
        info = namespace.head_object(BUCKET, b"copied")
        assert info.etag == md5_of(b"content") and dict(info.user) == USER
    posix.shutdown()


def test_a_directory_object_copied_beside_both_doors_is_a_directory_again(store: Path) -> None:
    """Its record came along and names another inode: what it says of a body is not true of the copy."""
    posix = PosixStore(str(store))
    with Namespace.open(posix) as namespace:
        put(namespace, b"folder/", b"body", user={"x": "y"})
        put(namespace, b"folder/inner", b"content")
        subprocess.run(["cp", "-a", "folder", "copied"], cwd=store / "bucket", check=True)
        assert namespace.head_object(BUCKET, b"folder/").user == {"x": "y"}
        with pytest.raises(NotFound):
            namespace.head_object(BUCKET, b"copied/")
        assert [key for key in keys(namespace) if key.startswith((b"copied", b"folder"))] == [
            b"copied/inner", b"folder/", b"folder/inner",
        ]
        namespace.delete_object(BUCKET, b"copied/inner")
        put(namespace, b"copied/", b"other")
        assert namespace.head_object(BUCKET, b"copied/").etag == md5_of(b"other")
    posix.shutdown()


def test_wrong_content_is_found_and_voided(store: Path) -> None:
    """A writer beside both doors that restores size, mtime and inode."""
    for name in ("a/plain", "multi"):
        path = store / "bucket" / name
        times = path.stat()
        with path.open("r+b") as file:
            file.write(b"X")
        os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert check(store)[0] == 0
    status, report = check(store, "--verify")
    assert status == 1
    assert found(report) == {"bucket/a/plain": ("wrong", ""), "bucket/multi": ("wrong", "")}
    status, report = check(store, "--verify", "--repair")
    assert status == 0 and {done for _, done in found(report).values()} == {"voided"}
    after = seen(store)
    for key in (b"a/plain", b"multi"):
        row = after[key]
        assert row is not None and not row[2] and row[1] == USER


def test_a_wrong_checksum_under_a_right_etag_is_found(store: Path) -> None:
    posix = PosixStore(str(store))
    with Namespace.open(posix) as namespace:
        put(namespace, b"lied", b"content", checksums={"CRC32": "AAAAAA=="}, checksum_type="FULL_OBJECT")
    posix.shutdown()
    assert found(check(store, "--verify")[1]) == {"bucket/lied": ("wrong", "")}


def test_broken_records_are_found_and_set_aside(store: Path) -> None:
    bucket = store / "bucket"
    os.setxattr(bucket / "a/plain", RECORD, b"WKO1 nonsense")
    (bucket / "bad").write_bytes(b"x")
    os.setxattr(bucket / "bad", RECORD, b"")
    status, report = check(store)
    assert status == 1
    assert found(report) == {"bucket/a/plain": ("broken", ""), "bucket/bad": ("broken", "")}
    status, report = check(store, "--repair")
    assert status == 0 and {done for _, done in found(report).values()} == {"set aside"}
    assert RECORD not in os.listxattr(bucket / "bad")
    kept = {path.read_bytes() for path in (store / ".weka/broken").iterdir()}
    assert kept == {b"WKO1 nonsense", b""}
    assert check(store)[1]["findings"] == []


def test_missing_overflow_names_leftovers_and_strangers_are_found(store: Path) -> None:
    bucket, old = store / "bucket", time.time() - 3 * 24 * 3600
    user = {f"n{number}": "x" * 450 for number in range(4)}
    posix = PosixStore(str(store))
    with Namespace.open(posix) as namespace:
        headers = ContentHeaders(cache_control="c" * 3000)
        put(namespace, b"spilled", b"x", user=user, headers=headers, owner="me")
    posix.shutdown()
    overflow = list((store / ".weka/overflow").iterdir())
    if overflow:
        stray = store / ".weka/overflow" / ("0" * 64)
        stray.write_bytes(b"stray")
        os.utime(stray, (old, old))
        assert found(check(store)[1]) == {f".weka/overflow/{'0' * 64}": ("unreferenced", "")}
        stray.unlink()
        moved = store.parent / "moved"
        shutil.move(overflow[0], moved)
        assert found(check(store)[1]) == {"bucket/spilled": ("broken", "")}
        shutil.move(moved, overflow[0])
    (bucket / ".weka~other").mkdir()
    for leftover in (".weka/spool/put-1", ".weka/buckets/.new-1", ".weka/renames/.new-1"):
        (store / leftover).write_bytes(b"")
        os.utime(store / leftover, (old, old))
    (store / ".weka/spool/put-young").write_bytes(b"")
    rows = found(check(store)[1])
    assert rows == {
        "bucket/.weka~other": ("unknown", ""),
        ".weka/spool/put-1": ("leftover", ""),
        ".weka/buckets/.new-1": ("leftover", ""),
        ".weka/renames/.new-1": ("leftover", ""),
    }
    status, report = check(store, "--repair")
    assert status == 1 and found(report)["bucket/.weka~other"] == ("unknown", "")
    assert [path.name for path in (store / ".weka/spool").iterdir()] == ["put-young"]


def test_links_to_the_control_area_are_found(store: Path) -> None:
    os.link(store / ".weka/format", store / "bucket/link")
    status, report = check(store, "--repair")
    assert status == 1 and found(report)[".weka/format"] == ("linked", "")
    assert found(report)["bucket/link"] == ("linked", "")
    os.unlink(store / "bucket/link")
    os.link(store / ".weka/format", store / ".weka/.new-1")  # as a file that is just being named
    assert ".weka/format" not in found(check(store)[1])


def test_people_read_lines_and_programs_the_status(store: Path) -> None:
    os.setxattr(store / "bucket/multi", RECORD, b"x")
    done = run_command(store)
    assert (done.returncode, done.stderr) == (1, "")
    first, counts = done.stdout.splitlines()
    assert first == "broken       no object record: bucket/multi"
    assert counts.startswith("broken 1, valid 4")


def run_command(store: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "weka_mp", "check", str(store)],
        capture_output=True, text=True, check=False, cwd="/",
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
    )  # fmt: skip


def test_what_is_no_store_is_refused(tmp_path: Path) -> None:
    done = run_command(tmp_path)
    assert done.returncode == 1 and "not a store" in done.stderr
    assert list(tmp_path.iterdir()) == []


def test_regression_a_copy_that_became_no_version_is_a_leftover(tmp_path: Path) -> None:
    clock = FixedClock(time.time_ns())
    posix = PosixStore(str(tmp_path))
    with Namespace.open(posix, clock=clock) as namespace:
        namespace.create_bucket(BUCKET)
        namespace.change_bucket_settings(BUCKET, lambda before: replace(before, versioning="Enabled"))
        put(namespace, b"k", b"one")
        put(namespace, b"k", b"two")
        (history,) = tmp_path.glob(".weka/versions/*/k")
        staged = history / ".new-0123456789abcdef"
        staged.write_bytes(b"half")
        os.utime(staged, (0, 0))  # that of the original
        assert list(namespace.check(Repairs()).run()) == []
        clock.advance(25 * 3600 * 10**9)
        (found,) = namespace.check(Repairs(repair=True)).run()
        assert (found.kind, found.path) == (Kind.LEFTOVER, bytes(staged.relative_to(tmp_path)))
        assert not staged.exists() and list(namespace.check(Repairs()).run()) == []
    posix.shutdown()
