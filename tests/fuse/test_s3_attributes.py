"""S3 metadata as attributes of files: what one door stores the other shows, and the usual tools carry it."""

from __future__ import annotations

import errno
import hashlib
import os
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fuse.conftest import Mount
from tests.unit.namespace.kit import md5_of, put
from weka_mp.namespace import (
    CompletedPart,
    CompletionRequest,
    CopyRequest,
    NewMetadata,
    NewUpload,
    ObjectInfo,
)
from weka_mp.namespace.records.values import ContentHeaders
from weka_mp.values import BucketName

pytestmark = pytest.mark.mount

BUCKET = BucketName("attributes")
HEADERS = ContentHeaders(
    content_type="text/x-test",
    cache_control="no-cache",
    content_disposition="attachment",
    content_encoding="identity",
    content_language="de",
    expires="Thu, 01 Jan 1970 00:00:00 GMT",
    website_redirect="/elsewhere",
)
USER = {"colour": "blün", "empty": ""}
TAGS = {"kind of": "test/1"}
SHOWN = {
    "user.s3.content-type": b"text/x-test",
    "user.s3.cache-control": b"no-cache",
    "user.s3.content-disposition": b"attachment",
    "user.s3.content-encoding": b"identity",
    "user.s3.content-language": b"de",
    "user.s3.expires": b"Thu, 01 Jan 1970 00:00:00 GMT",
    "user.s3.website-redirect-location": b"/elsewhere",
    "user.s3.meta.colour": "blün".encode(),
    "user.s3.meta.empty": b"",
    "user.s3.tag.kind of": b"test/1",
}


@pytest.fixture
def bucket(mount: Mount) -> Path:
    folder = mount.path / BUCKET
    folder.mkdir(exist_ok=True)
    return folder


def attributes(path: Path) -> dict[str, bytes]:
    return {name: os.getxattr(path, name) for name in os.listxattr(path)}


def head(mount: Mount, key: str) -> ObjectInfo:
    return mount.namespace.head_object(BUCKET, key.encode())


def refused(call: object, *arguments: object) -> int | None:
    try:
        call(*arguments)  # type: ignore[operator]
    except OSError as error:
        return error.errno
    return None


def run(*words: str | Path, cwd: Path) -> None:
    done = subprocess.run([str(word) for word in words], cwd=cwd, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, ""), (words, done.stdout, done.stderr)


def put_full(mount: Mount, key: str) -> None:
    published = put(
        mount.namespace,
        key.encode(),
        b"content",
        bucket=BUCKET,
        headers=HEADERS,
        user=USER,
        tags=TAGS,
        owner="me",
        checksums={"CRC32": "NhCmhg=="},
        checksum_type="FULL_OBJECT",
    )
    mount.invalidate(published.changes)


def test_what_s3_stored_is_listed_and_read(mount: Mount, bucket: Path) -> None:
    put_full(mount, "stored")
    assert attributes(bucket / "stored") == SHOWN


def test_answers_are_read_but_not_listed_and_not_set(mount: Mount, bucket: Path) -> None:
    put_full(mount, "answers")
    path = bucket / "answers"
    tag = md5_of(b"content").encode()
    assert os.getxattr(path, "user.s3.etag") == tag
    assert os.getxattr(path, "user.s3.checksum.CRC32") == b"NhCmhg=="
    os.setxattr(path, "user.s3.etag", tag)
    os.setxattr(path, "user.s3.checksum.CRC32", b"NhCmhg==")
    assert refused(os.setxattr, path, "user.s3.etag", b"0" * 32) == errno.EPERM
    assert refused(os.setxattr, path, "user.s3.checksum.CRC32", b"other") == errno.EPERM
    assert refused(os.setxattr, path, "user.s3.version-id", b"1") == errno.EPERM
    assert refused(os.removexattr, path, "user.s3.etag") == errno.EPERM
    for name in ("user.s3.checksum.SHA1", "user.s3.checksum.MD4", "user.s3.version-id", "user.s3.other"):
        assert refused(os.getxattr, path, name) == errno.ENODATA
        assert refused(os.removexattr, path, name) == errno.ENODATA
    assert refused(os.setxattr, path, "user.s3.other", b"x") == errno.EOPNOTSUPP


def test_the_etag_attribute_is_never_stale(mount: Mount, bucket: Path) -> None:
    path = bucket / "written"
    path.write_bytes(b"one")
    assert os.getxattr(path, "user.s3.etag") == md5_of(b"one").encode()
    with path.open("r+b") as file:
        file.write(b"two")
        file.flush()
        while_open = {os.getxattr(path, "user.s3.etag") for _ in range(3)}
        assert len(while_open) == 3 and md5_of(b"one").encode() not in while_open
    closed = os.getxattr(path, "user.s3.etag").decode()
    assert closed == head(mount, "written").etag


def test_what_is_set_is_what_s3_shows_at_once(mount: Mount, bucket: Path) -> None:
    path = bucket / "set"
    path.write_bytes(b"content")
    before, tag = path.stat(), head(mount, "set").etag
    for name, value in SHOWN.items():
        os.setxattr(path, name, value)
        assert os.getxattr(path, name) == value
    info = head(mount, "set")
    assert (info.headers, info.user, info.tags, info.etag) == (HEADERS, USER, TAGS, tag)
    for name in SHOWN:
        os.removexattr(path, name)
        assert refused(os.removexattr, path, name) == errno.ENODATA
    info = head(mount, "set")
    assert (info.user, info.tags, info.etag) == ({}, {}, tag) and info.etag_is_true
    after = path.stat()
    assert (after.st_mtime_ns, after.st_size) == (before.st_mtime_ns, before.st_size)


def test_the_kernel_does_not_cache_attributes(mount: Mount, bucket: Path) -> None:
    """No invalidation is sent here: what S3 stores is read through the mount at once."""
    put_full(mount, "fresh")
    path = bucket / "fresh"
    for number in range(20):
        user = {"n": str(number)}
        mount.namespace.copy_object(
            CopyRequest(BUCKET, b"fresh", BUCKET, b"fresh", replace=NewMetadata(user=user))
        )
        assert attributes(path) == {"user.s3.meta.n": str(number).encode(), "user.s3.tag.kind of": b"test/1"}


def test_a_derived_type_is_not_stored_and_metadata_does_not_change_it(mount: Mount, bucket: Path) -> None:
    path = bucket / "page.html"
    path.write_bytes(b"<p>")
    assert os.listxattr(path) == []
    os.setxattr(path, "user.s3.meta.a", b"b")
    assert head(mount, "page.html").headers.content_type == "text/html"


@pytest.mark.parametrize(
    ("name", "value", "number"),
    [
        ("content-type", b"", errno.EINVAL),
        ("content-type", b"a\nb", errno.EINVAL),
        ("content-type", b" a", errno.EINVAL),
        ("content-type", b"\xff", errno.EINVAL),
        ("website-redirect-location", b"elsewhere", errno.EINVAL),
        ("cache-control", b"x" * 9000, errno.ENOSPC),
        ("meta.UPPER", b"x", errno.EINVAL),
        ("meta.a b", b"x", errno.EINVAL),
        ("meta.", b"x", errno.EINVAL),
        ("meta.a", b"x\0", errno.EINVAL),
        ("meta.a", b"x" * 2048, errno.ENOSPC),
        ("meta.a", b"x" * 65537, errno.E2BIG),
        ("meta." + "n" * 300, b"x", errno.ERANGE),
        ("tag.", b"x", errno.EINVAL),
        ("tag.aws:x", b"x", errno.EINVAL),
        ("tag.a", b"x" * 257, errno.EINVAL),
        ("tag.a", b"?", errno.EINVAL),
        ("tag." + "n" * 129, b"x", errno.EINVAL),
        ("nonsense", b"x", errno.EOPNOTSUPP),
    ],
)
def test_what_s3_would_not_take_is_refused(
    mount: Mount, bucket: Path, name: str, value: bytes, number: int
) -> None:
    put_full(mount, "kept")
    assert refused(os.setxattr, bucket / "kept", f"user.s3.{name}", value) == number
    assert attributes(bucket / "kept") == SHOWN


def test_limits_hold_over_all_attributes_together(mount: Mount, bucket: Path) -> None:
    path = bucket / "limits"
    path.write_bytes(b"")
    for number in range(10):
        os.setxattr(path, f"user.s3.tag.{number}", b"x")
    assert refused(os.setxattr, path, "user.s3.tag.more", b"x") == errno.ENOSPC
    os.setxattr(path, "user.s3.tag.9", b"y")
    os.setxattr(path, "user.s3.meta.a", b"x" * 1023)
    os.setxattr(path, "user.s3.meta.b", b"x" * 1023)
    assert refused(os.setxattr, path, "user.s3.meta.c", b"") == errno.ENOSPC
    os.setxattr(path, "user.s3.cache-control", b"c" * 4096)
    os.setxattr(path, "user.s3.content-language", b"l" * 4096)
    assert refused(os.setxattr, path, "user.s3.expires", b"e") == errno.ENOSPC
    assert head(mount, "limits").user == {"a": "x" * 1023, "b": "x" * 1023}


def test_create_and_replace_flags_mean_what_they_say(mount: Mount, bucket: Path) -> None:
    path = bucket / "flags"
    path.write_bytes(b"")
    assert refused(os.setxattr, path, "user.s3.meta.a", b"1", os.XATTR_REPLACE) == errno.ENODATA
    os.setxattr(path, "user.s3.meta.a", b"1", os.XATTR_CREATE)
    assert refused(os.setxattr, path, "user.s3.meta.a", b"2", os.XATTR_CREATE) == errno.EEXIST


def test_directories_have_none(bucket: Path) -> None:
    assert refused(os.setxattr, bucket, "user.s3.content-type", b"x") == errno.EOPNOTSUPP
    assert refused(os.getxattr, bucket, "user.s3.etag") == errno.ENODATA
    assert os.listxattr(bucket) == []


def test_large_metadata_and_attributes_of_others_share_the_room(mount: Mount, bucket: Path) -> None:
    """ext4 has 4 KiB for all of them; larger file systems take it all."""
    path = bucket / "room"
    user = {f"n{number}": "v" * 500 for number in range(4)}
    put(mount.namespace, b"room", b"content", bucket=BUCKET, user=user, owner="me")
    number = 0
    while number < 8 and refused(os.setxattr, path, f"user.mine{number}", b"m" * 480) is None:
        number += 1
    assert number >= 6  # the record made room
    os.setxattr(path, "user.s3.content-type", b"text/plain")
    with path.open("r+b") as file:
        file.write(b"CON")  # a writer's mark finds room, too
    info = head(mount, "room")
    assert (info.user, info.headers.content_type) == (user, "text/plain")
    assert info.etag != md5_of(b"content")
    assert all(os.getxattr(path, f"user.mine{at}") == b"m" * 480 for at in range(number))


def test_regression_a_file_full_of_attributes_can_be_overwritten(mount: Mount, bucket: Path) -> None:
    """A mark without room failed the write."""
    path = bucket / "full"
    path.write_bytes(b"content")
    os.setxattr(path, "user.s3.meta.a", b"b")
    for size in (1000, 300, 100, 30, 10, 1):
        number = 0
        while number < 40 and refused(os.setxattr, path, f"user.m{size}-{number}", b"x" * size) is None:
            number += 1
    with path.open("r+b") as file:
        file.write(b"CON")
    assert path.read_bytes() == b"CONtent"
    assert head(mount, "full").user == {"a": "b"}


COPIES = {
    "cp-xattr": [("cp", "--preserve=xattr", "source", "copy")],
    "cp-a": [("cp", "-a", "source", "copy")],
    "rsync": [("rsync", "-aX", "source", "other/"), ("mv", "other/source", "copy")],
    "tar": [
        ("tar", "--xattrs", "--xattrs-include=user.*", "-cf", "archive", "source"),
        ("mkdir", "out"),
        ("tar", "--xattrs", "--xattrs-include=user.*", "-xf", "archive", "-C", "out"),
        ("mv", "out/source", "copy"),
    ],
    "mv-beyond": [("cp", "-a", "source", "third"), ("mv", "third", "copy")],
    "setfattr": [
        ("cp", "source", "copy"),
        ("bash", "-c", "getfattr -d source | sed 's/# file: source/# file: copy/' | setfattr --restore=-"),
    ],
}


@pytest.mark.parametrize("tool", sorted(COPIES))
def test_tools_carry_s3_metadata(mount: Mount, bucket: Path, tool: str) -> None:
    folder = bucket / tool
    folder.mkdir()
    put_full(mount, f"{tool}/source")
    for words in COPIES[tool]:
        run(*words, cwd=folder)
    assert attributes(folder / "copy") == SHOWN
    info = head(mount, f"{tool}/copy")
    assert (info.headers, info.user, info.tags) == (HEADERS, USER, TAGS)
    if info.etag_is_true:
        assert info.etag == md5_of(b"content")
    assert hashlib.md5((folder / "copy").read_bytes()).hexdigest() == md5_of(b"content")


@pytest.mark.parametrize("tool", ["cp -a", "rsync -aX"])
def test_a_tree_with_directory_objects_is_copied_without_complaint(
    mount: Mount, bucket: Path, tmp_path: Path, tool: str
) -> None:
    """To the mount, and out of it into a file system that stores the attributes as they are, and back."""
    name = tool.split()[0]
    put(mount.namespace, f"{name}-tree/".encode(), b"body", bucket=BUCKET, headers=HEADERS)
    put_full(mount, f"{name}-tree/sub/file")
    run(*tool.split(), bucket / f"{name}-tree", tmp_path, cwd=bucket)
    assert attributes(tmp_path / f"{name}-tree/sub/file") == SHOWN
    (tmp_path / f"{name}-tree").rename(tmp_path / f"{name}-back")
    run(*tool.split(), tmp_path / f"{name}-back", bucket, cwd=bucket)
    assert attributes(bucket / f"{name}-back/sub/file") == SHOWN
    assert head(mount, f"{name}-back/sub/file").user == USER


def test_metadata_of_both_doors_at_once_is_never_lost(mount: Mount, bucket: Path) -> None:
    """Each changes its own; a writer, the filler and utimens rewrite the record meanwhile."""
    path = bucket / "raced"
    path.write_bytes(b"0")
    rounds = 40

    def set_meta(name: str) -> None:
        for number in range(rounds):
            os.setxattr(path, f"user.s3.meta.{name}", str(number).encode())
            assert os.getxattr(path, f"user.s3.meta.{name}") == str(number).encode()

    def rewrite() -> None:
        for number in range(rounds):
            with path.open("r+b") as file:
                file.write(b"%d" % number)
            os.utime(path, ns=(number, number + 10**18))

    def fill() -> None:
        for _ in range(rounds):
            mount.namespace.fill(BUCKET, b"raced")
            head(mount, "raced")

    works = [lambda: set_meta("a"), lambda: set_meta("b"), rewrite, fill]
    failures: list[BaseException] = []

    def guarded(work: object) -> None:
        try:
            work()  # type: ignore[operator]
        except BaseException as error:  # noqa: BLE001 - handed to the test below
            failures.append(error)

    threads = [threading.Thread(target=guarded, args=(work,)) for work in works]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert head(mount, "raced").user == {"a": str(rounds - 1), "b": str(rounds - 1)}


# ---- hard links


@pytest.fixture
def linked(mount: Mount, bucket: Path) -> tuple[Path, Path]:
    """Two names of one object that S3 put."""
    put_full(mount, "link-a")
    (bucket / "link-b").unlink(missing_ok=True)
    os.link(bucket / "link-a", bucket / "link-b")
    return bucket / "link-a", bucket / "link-b"


def test_links_share_bytes_etag_and_metadata(mount: Mount, linked: tuple[Path, Path]) -> None:
    a, b = linked
    assert attributes(b) == SHOWN and head(mount, "link-b").etag == head(mount, "link-a").etag
    os.setxattr(b, "user.s3.meta.colour", b"red")
    assert head(mount, "link-a").user["colour"] == "red" == os.getxattr(a, "user.s3.meta.colour").decode()
    mount.namespace.copy_object(
        CopyRequest(BUCKET, b"link-a", BUCKET, b"link-a", replace=NewMetadata(user={"n": "1"}))
    )
    assert head(mount, "link-b").user == {"n": "1"}
    with b.open("r+b") as file:
        file.write(b"CONTENT")
    for key in ("link-a", "link-b"):
        with mount.namespace.open_object(BUCKET, key.encode()) as found:
            assert mount.namespace.store.read(found.fd, found.size, 0) == b"CONTENT"
            assert found.info.etag != md5_of(b"content") and found.info.user == {"n": "1"}
    assert head(mount, "link-a").etag == head(mount, "link-b").etag


def replace_by_put(mount: Mount) -> None:
    mount.invalidate(put(mount.namespace, b"link-a", b"new", bucket=BUCKET, user={"n": "2"}).changes)


def replace_by_copy(mount: Mount) -> None:
    put(mount.namespace, b"other", b"new", bucket=BUCKET, user={"n": "2"})
    mount.invalidate(mount.namespace.copy_object(CopyRequest(BUCKET, b"other", BUCKET, b"link-a")).changes)


def replace_by_completion(mount: Mount) -> None:
    namespace = mount.namespace
    upload = namespace.create_upload(BUCKET, b"link-a", NewUpload(user={"n": "2"}))
    with namespace.begin_part(BUCKET, b"link-a", upload, 1, 3) as part:
        part.write(b"new")
        tag = part.commit(bytes.fromhex(md5_of(b"new")), {}).etag
    parts = [CompletedPart(1, tag)]
    mount.invalidate(namespace.complete_upload(CompletionRequest(BUCKET, b"link-a", upload, parts)).changes)


@pytest.mark.parametrize("replace", [replace_by_put, replace_by_copy, replace_by_completion])
def test_replacing_one_link_leaves_the_other(
    mount: Mount, linked: tuple[Path, Path], replace: Callable[[Mount], None]
) -> None:
    a, b = linked
    replace(mount)
    assert (a.read_bytes(), b.read_bytes()) == (b"new", b"content")
    assert head(mount, "link-a").user == {"n": "2"}
    assert attributes(b) == SHOWN
    assert head(mount, "link-b").etag == md5_of(b"content")
    assert b.stat().st_nlink == 1


def test_copying_one_link_over_the_other_parts_them(mount: Mount, linked: tuple[Path, Path]) -> None:
    a, b = linked
    mount.invalidate(mount.namespace.copy_object(CopyRequest(BUCKET, b"link-a", BUCKET, b"link-b")).changes)
    assert a.stat().st_ino != b.stat().st_ino
    assert head(mount, "link-b").user == USER
    os.setxattr(b, "user.s3.meta.colour", b"red")
    assert head(mount, "link-a").user == USER


def test_deleting_one_link_leaves_the_other(mount: Mount, linked: tuple[Path, Path]) -> None:
    a, b = linked
    mount.invalidate(mount.namespace.delete_object(BUCKET, b"link-a").changes)
    assert not a.exists()
    assert attributes(b) == SHOWN and head(mount, "link-b").etag == md5_of(b"content")


def test_renaming_one_link_over_the_other_does_nothing(mount: Mount, linked: tuple[Path, Path]) -> None:
    a, b = linked
    a.rename(b)
    assert a.read_bytes() == b.read_bytes() == b"content"
    assert head(mount, "link-a").etag == head(mount, "link-b").etag == md5_of(b"content")
