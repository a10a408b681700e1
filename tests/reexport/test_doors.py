"""Four doors, one content: S3, the mount, NFS, SMB."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.reexport.conftest import Doors
from tests.reexport.nfs_client import NfsClient, NfsError
from tests.reexport.smb_client import SmbError
from tests.system.service import SECRET_KEY, Bucket
from tests.system.waiting import wait_until

pytestmark = [pytest.mark.mount, pytest.mark.clients]

BIG = 5 * 1024 * 1024 + 3
BIG_OVER_NFS = 700_001  # in pieces of 2 KiB

Write = Callable[[str, bytes], None]
Read = Callable[[str], bytes]


def writers(doors: Doors, bucket: Bucket, nfs: NfsClient) -> dict[str, Write]:
    return {
        "s3": lambda key, body: bucket.put(key, body) and None,
        "mount": lambda key, body: (bucket.path / key).write_bytes(body) and None,
        "nfs": lambda key, body: nfs.write(f"/{bucket.name}/{key}", body),
        "smb": lambda key, body: doors.smb().write(f"{bucket.name}/{key}", body),
    }


def readers(doors: Doors, bucket: Bucket, nfs: NfsClient) -> dict[str, Read]:
    return {
        "s3": bucket.get,
        "mount": lambda key: (bucket.path / key).read_bytes(),
        "nfs": lambda key: nfs.read(f"/{bucket.name}/{key}"),
        "smb": lambda key: doors.smb().read(f"{bucket.name}/{key}"),
    }


@pytest.mark.parametrize("door", ["s3", "mount", "nfs", "smb"])
def test_what_one_door_writes_all_read(doors: Doors, bucket: Bucket, nfs: NfsClient, door: str) -> None:
    for size in (0, 1, 4097, BIG_OVER_NFS if door == "nfs" else BIG):
        body = os.urandom(size)
        writers(doors, bucket, nfs)[door](f"f{size}", body)
        for reader, read in readers(doors, bucket, nfs).items():
            assert read(f"f{size}") == body, (reader, size)


def test_a_replacement_by_any_door_is_seen_at_once_by_all(
    doors: Doors, bucket: Bucket, nfs: NfsClient
) -> None:
    readers_of = readers(doors, bucket, nfs)
    for round_, (door, write) in enumerate(list(writers(doors, bucket, nfs).items()) * 2):
        if door == "nfs" and round_ > 0:
            nfs.truncate(f"/{bucket.name}/key", 0)
            nfs.write(f"/{bucket.name}/key", f"{round_} by nfs".encode(), create=False)
        elif door != "nfs":
            write("key", f"{round_} by {door}".encode())
        else:
            write("key", b"0 by nfs")
        for reader, read in readers_of.items():
            assert read("key") == f"{round_} by {door}".encode(), (door, reader)


def test_s3_changes_are_seen_at_once_through_nfs_and_smb(
    doors: Doors, bucket: Bucket, nfs: NfsClient
) -> None:
    smb, folder = doors.smb(), f"{bucket.name}/dir"
    for round_ in range(4):
        body = os.urandom(100 + round_)
        bucket.put("dir/key", body)
        bucket.put(f"dir/new-{round_}")
        assert nfs.read(f"/{folder}/key") == body and nfs.size(f"/{folder}/key") == len(body)
        assert smb.read(f"{folder}/key") == body and smb.size(f"{folder}/key") == len(body)
        assert nfs.names(f"/{folder}") == {"key", f"new-{round_}"} == smb.names(folder)
        bucket.delete(f"dir/new-{round_}")
        assert nfs.names(f"/{folder}") == {"key"} == smb.names(folder)
    bucket.delete("dir/key")
    with pytest.raises(NfsError) as refusal:
        nfs.read(f"/{bucket.name}/dir/key")
    assert refusal.value.errno == errno.ENOENT
    with pytest.raises(SmbError, match=r"NT_STATUS_OBJECT_(NAME|PATH)_NOT_FOUND"):
        smb.read(f"{bucket.name}/dir/key")


def test_growth_on_the_mount_is_seen_at_once_through_nfs(bucket: Bucket, nfs: NfsClient) -> None:
    with (bucket.path / "log").open("ab", buffering=0) as log:
        for line in range(1, 6):
            log.write(b"12345")
            assert nfs.size(f"/{bucket.name}/log") == 5 * line
            assert nfs.read(f"/{bucket.name}/log") == b"12345" * line


def test_rename_and_delete_by_every_door(doors: Doors, bucket: Bucket, nfs: NfsClient) -> None:
    smb, here = doors.smb(), f"/{bucket.name}"
    bucket.put("one", b"1")
    nfs.mkdir(f"{here}/dir")
    nfs.rename(f"{here}/one", f"{here}/dir/two")
    assert bucket.keys() == ["dir/two"] and bucket.get("dir/two") == b"1"
    smb.run(f"cd {bucket.name}", r"rename dir\two three")
    assert bucket.keys() == ["three"] and nfs.names(here) == {"dir", "three"}
    (bucket.path / "three").rename(bucket.path / "dir" / "four")
    assert nfs.read(f"{here}/dir/four") == b"1" == smb.read(f"{bucket.name}/dir/four")
    nfs.unlink(f"{here}/dir/four")
    assert bucket.is_absent("dir/four") and smb.names(f"{bucket.name}/dir") == set()
    bucket.put("dir/five")
    smb.run(f"cd {bucket.name}", r"del dir\five", "rmdir dir")
    assert nfs.names(here) == set() == set(bucket.keys())
    smb.run(f"mkdir {bucket.name}/made")
    nfs.rmdir(f"{here}/made")
    assert list(bucket.path.iterdir()) == []


def test_odd_names(doors: Doors, bucket: Bucket, nfs: NfsClient) -> None:
    plain = {"ü ö €", "it's", "semi;colon", "#hash", "100%", "a b", "UPPER", "upper", "\U0001f600", "n" * 255}
    not_of_windows = {"colon:x", "quo\"te", "back\\slash", "dot.", "blank ", "star*", "line\nbreak"}
    for name in plain | not_of_windows:
        bucket.put(name, name.encode())
    assert nfs.names(f"/{bucket.name}") == plain | not_of_windows == set(os.listdir(bucket.path))
    for name in plain | not_of_windows:
        assert nfs.read(f"/{bucket.name}/{name}") == name.encode()
    smb = doors.smb()
    shown = smb.names(bucket.name)
    assert plain <= shown
    assert {smb.read(f"{bucket.name}/{name}") for name in ("UPPER", "upper")} == {b"UPPER", b"upper"}
    assert len(shown) == len(plain | not_of_windows)
    # The others have aliases, by which each is read: nothing is out of reach.
    aliases = shown - plain
    read = {smb.read(f"{bucket.name}/{alias}").decode() for alias in aliases}
    assert read == not_of_windows


def test_names_made_over_smb_and_nfs_are_keys(doors: Doors, bucket: Bucket, nfs: NfsClient) -> None:
    nfs.write(f"/{bucket.name}/dot.", b"1")
    nfs.write(f"/{bucket.name}/blank ", b"2")
    nfs.write(f"/{bucket.name}/ü:*", b"3")
    doors.smb().write(f"{bucket.name}/€ é", b"4")
    assert {key: bucket.get(key) for key in sorted(bucket.keys())} == {
        "dot.": b"1", "blank ": b"2", "ü:*": b"3", "€ é": b"4",
    }  # fmt: skip


def test_the_control_area_is_out_of_reach(doors: Doors, bucket: Bucket, nfs: NfsClient) -> None:
    smb = doors.smb()
    assert (doors.service.store / ".weka" / "format").exists()
    assert not [name for name in nfs.names() | smb.names() if name.startswith(".weka")]
    with pytest.raises(NfsError) as refusal:
        nfs.read("/.weka/format")
    assert refusal.value.errno == errno.ENOENT
    with pytest.raises(SmbError):
        smb.read(".weka/format")
    for name in (".weka", f"{bucket.name}/.weka~x", f"{bucket.name}/.weka"):
        with pytest.raises(NfsError):
            nfs.mkdir(f"/{name}")
        with pytest.raises(SmbError):
            smb.run(f"mkdir {name}")
        with pytest.raises(SmbError):
            smb.write(f"{name}", b"x")
    bucket.put("key")
    with pytest.raises(NfsError):
        nfs.rename(f"/{bucket.name}/key", f"/{bucket.name}/.weka~x")
    assert bucket.keys() == ["key"]


@pytest.mark.parametrize("door", ["nfs", "smb"])
def test_etags_are_true_after_writes(doors: Doors, bucket: Bucket, nfs: NfsClient, door: str) -> None:
    write = writers(doors, bucket, nfs)[door]
    first, second = os.urandom(5000), os.urandom(5000)
    write("f", first)
    _etag_becomes_md5(bucket, "f", first)
    old = bucket.etag("f")
    if door == "nfs":
        nfs.write(f"/{bucket.name}/f", second, create=False)
    else:
        write("f", second)
    assert bucket.etag("f") != old
    assert bucket.status("get_object", Key="f", IfMatch=old) == (412, "PreconditionFailed")
    assert bucket.get("f") == second
    _etag_becomes_md5(bucket, "f", second)


def _etag_becomes_md5(bucket: Bucket, key: str, content: bytes) -> None:
    """Dashed or true at every look, true in the end."""
    true = hashlib.md5(content).hexdigest()

    def is_true() -> bool:
        tag = bucket.etag(key)
        assert "-" in tag or tag == true, tag
        return tag == true

    wait_until("the true ETag", 60, is_true, pause=0.2)


def test_a_second_write_without_a_close_between_voids_the_etag(bucket: Bucket, nfs: NfsClient) -> None:
    bucket.put("f", b"over s3")
    old = bucket.etag("f")
    nfs.write(f"/{bucket.name}/f", b"OVER", create=False)
    assert bucket.get("f") == b"OVER s3" and bucket.etag("f") != old
    _etag_becomes_md5(bucket, "f", b"OVER s3")


def test_metadata_of_an_object_survives_a_rename_over_nfs(bucket: Bucket, nfs: NfsClient) -> None:
    bucket.put("a", b"x", ContentType="text/x-test", Metadata={"colour": "blue"})
    nfs.rename(f"/{bucket.name}/a", f"/{bucket.name}/b")
    head = bucket.head("b")
    assert head["ContentType"] == "text/x-test" and head["Metadata"] == {"colour": "blue"}
    assert head["ETag"].strip('"') == hashlib.md5(b"x").hexdigest()


def test_who_may_not_write(doors: Doors, bucket: Bucket, nfs: NfsClient) -> None:
    bucket.put("f", b"x")
    doors.run("nfs", "export", "add", bucket.name, "--pseudo", "/ro", "--access", "ro")
    doors.run("nfs", "export", "add", bucket.name, "--pseudo", "/squashed", "--squash", "root")
    doors.run("smb", "share", "add", "ReadOnly", bucket.name, "--access", "ro")
    with doors.nfs("/ro") as read_only, doors.nfs("/squashed") as squashed:
        for client, refusal in ((read_only, errno.EROFS), (squashed, errno.EACCES)):
            assert client.read("/f") == b"x"
            with pytest.raises(NfsError) as refused:
                client.write("/g", b"")
            assert refused.value.errno == refusal
    with NfsClient(doors.ports.nfs, "/weka", uid=1000) as stranger, pytest.raises(NfsError) as refused:
        stranger.write(f"/{bucket.name}/g", b"")
    assert refused.value.errno == errno.EACCES
    smb = doors.smb("ReadOnly")
    assert smb.read("f") == b"x"
    with pytest.raises(SmbError, match=r"NT_STATUS_(ACCESS_DENIED|MEDIA_WRITE_PROTECTED)"):
        smb.write("g", b"")
    with pytest.raises(SmbError, match="NT_STATUS_LOGON_FAILURE"):
        doors.smb(login="root%wrong").names()
    assert bucket.keys() == ["f"]
    # Taking one away disturbs no other.
    doors.run("nfs", "export", "remove", "/ro")
    with pytest.raises(NfsError):
        doors.nfs("/ro")
    assert nfs.read(f"/{bucket.name}/f") == b"x"
    doors.run("smb", "share", "remove", "ReadOnly")
    with pytest.raises(SmbError, match="NT_STATUS_BAD_NETWORK_NAME"):
        doors.smb("ReadOnly").names()


def test_regression_no_program_that_is_started_knows_the_root_keys(doors: Doors) -> None:
    """They are in the environment that the service was started with; those of Ganesha and Samba are read by
    whoever gets a foothold there.
    """
    processes = map(int, filter(str.isdigit, os.listdir("/proc")))
    started = [pid for pid in processes if _is_below(pid, doors.service.process.pid)]
    names = {Path(f"/proc/{pid}/comm").read_text().strip() for pid in started}
    assert {"ganesha.nfsd", "smbd"} <= names, names
    for pid in started:
        for file in ("environ", "cmdline"):
            assert SECRET_KEY.encode() not in Path(f"/proc/{pid}/{file}").read_bytes(), (pid, names)


def _is_below(pid: int, ancestor: int) -> bool:
    while pid > 1:
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[1])
        except FileNotFoundError:
            return False
        if pid == ancestor:
            return True
    return False
