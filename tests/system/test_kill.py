"""SIGKILL of each process under load: nothing acknowledged is lost, nothing half-made is seen."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import random
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from botocore.exceptions import BotoCoreError, ClientError
from urllib3.exceptions import HTTPError

from tests.system.service import Bucket, Service, is_mounted, running, start
from tests.system.waiting import wait_until

pytestmark = pytest.mark.mount

WRITERS = 4
RECOVERY_SECONDS = 10.0


class Load:
    """Threads that put, overwrite and delete, and remember what was acknowledged.

    Each key has one writer, so that the last acknowledgement of a key, or what was under way when its
    writer was cut off, is all that may be found.
    """

    def __init__(self, bucket: Bucket) -> None:
        self.bucket = bucket
        self.acknowledged: dict[str, bytes | None] = {}
        self.in_doubt: dict[str, set[bytes | None]] = {}
        self.count = 0
        self.failures = 0
        self.unexpected: list[str] = []
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(WRITERS)]

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.finish()

    def finish(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)
            assert not thread.is_alive()

    def _run(self, number: int) -> None:
        choose, client = random.Random(number), self.bucket.service.client(read_timeout=20)
        try:
            while not self._stop.is_set():
                self._one(client, choose, f"load/{number}/{choose.randrange(30)}")
        finally:
            client.close()

    def _one(self, client: object, choose: random.Random, key: str) -> None:
        body = choose.randbytes(choose.choice([0, 10, 5_000, 300_000])) if choose.random() < 0.85 else None
        # Whatever was in doubt or acknowledged before may be found until this one is acknowledged.
        self.in_doubt.setdefault(key, set()).add(body)
        try:
            if body is None:
                client.delete_object(Bucket=self.bucket.name, Key=key)  # type: ignore[attr-defined]
            else:
                client.put_object(Bucket=self.bucket.name, Key=key, Body=body)  # type: ignore[attr-defined]
        except ClientError as error:
            self.failures += 1
            status = error.response["ResponseMetadata"]["HTTPStatusCode"]
            if status not in (500, 503):
                self.unexpected.append(str(error))
            time.sleep(0.02)
        except (BotoCoreError, HTTPError, OSError):
            self.failures += 1
            time.sleep(0.02)
        else:
            self.acknowledged[key] = body
            self.in_doubt[key] = set()
            self.count += 1

    def verify(self, bucket: Bucket) -> None:
        """Both views show of every key what was acknowledged last, or what nobody answered for since."""
        assert self.unexpected == []
        listed = set(bucket.keys("load/"))
        for key, body in self.acknowledged.items():
            allowed = {body, *self.in_doubt[key]}
            found = bucket.get(key) if key in listed else None
            assert found in allowed, f"{key}: lost or wrong"
            assert bucket.is_absent(key) == (found is None)
            if found is not None:
                assert bucket.etag(key) == hashlib.md5(found).hexdigest()
        shown = {
            f"load/{path.relative_to(bucket.path / 'load')}" for path in (bucket.path / "load").rglob("*")
            if path.is_file()
        }
        assert shown == listed
        for key in listed:
            assert (bucket.path / key).read_bytes() == bucket.get(key)


def answers(service: Service) -> bool:
    """Whether both views do now what they did before."""
    client = service.client(read_timeout=2, connect_timeout=2)
    try:
        for _ in range(6):  # more than there are workers
            client.list_buckets()
    except (ClientError, BotoCoreError, HTTPError, OSError):
        return False
    finally:
        client.close()
    try:
        return service.mount is None or len(os.listdir(service.mount)) > 0
    except OSError:
        return False


def kill_one(service: Service, kind: str) -> int:
    victim = service.children(kind)[0]
    os.kill(victim, signal.SIGKILL)
    return victim


@pytest.mark.parametrize("kind", ["worker", "mount", "background"])
def test_a_killed_process_loses_nothing_and_is_back_soon(tmp_path: Path, kind: str) -> None:
    with running(tmp_path, "--workers", "2", quiet=False) as service:
        bucket = service.make_bucket()
        with Load(bucket) as load:
            for _ in range(3):
                before = load.count
                wait_until("some load", 20, lambda count=before: load.count > count + 40)  # type: ignore[misc]
                victim = kill_one(service, kind)
                wait_until(
                    f"another {kind}", RECOVERY_SECONDS,
                    lambda victim=victim: bool(service.children(kind))  # type: ignore[misc]
                    and victim not in service.children(kind),
                )
                wait_until("both views", RECOVERY_SECONDS, lambda: answers(service))
        load.verify(bucket)
        if kind != "worker":
            assert load.failures == 0, "only clients of a killed worker may notice"


def close_if_it_lives(descriptor: int) -> None:
    """close(2) of a file on a mount that died reports that (FLUSH cannot be answered)."""
    try:
        os.close(descriptor)
    except OSError as error:
        assert error.errno in (errno.ENOTCONN, errno.ECONNABORTED), error


def test_files_written_through_a_killed_mount_keep_what_was_synced(tmp_path: Path) -> None:
    with running(tmp_path, quiet=False) as service:
        bucket = service.make_bucket()
        bodies = {f"f{number}": os.urandom(50_000) for number in range(20)}
        for name, body in bodies.items():
            descriptor = os.open(bucket.path / name, os.O_CREAT | os.O_WRONLY, 0o644)
            os.write(descriptor, body)
            os.fsync(descriptor)
            if name == "f10":
                kill_one(service, "mount")
                wait_until("the mount", RECOVERY_SECONDS, lambda: answers(service))
                with pytest.raises(OSError, match=r"not connected|connection abort"):
                    os.write(descriptor, b"more")
            close_if_it_lives(descriptor)
        for name, body in bodies.items():
            assert (bucket.path / name).read_bytes() == body
            assert bucket.get(name) == body
            tag = bucket.etag(name)
            assert "-" in tag or tag == hashlib.md5(body).hexdigest()


_CALLS = """
import errno, fcntl, os, sys, time
kind, folder = sys.argv[1:]
path = os.path.join(folder, kind)
def write(fd=[]):
    if not fd: fd.append(os.open(path, os.O_CREAT | os.O_RDWR))
    os.pwrite(fd[0], b"x" * 4096, 0)
def lock(fd=[]):
    if not fd: fd.append(os.open(path, os.O_CREAT | os.O_RDWR))
    fcntl.lockf(fd[0], fcntl.LOCK_EX); fcntl.lockf(fd[0], fcntl.LOCK_UN); os.fsync(fd[0])
def rename():
    os.close(os.open(path, os.O_CREAT | os.O_WRONLY)); os.rename(path, path + ".to")
calls = {
    "read": lambda: open(os.path.join(folder, "there"), "rb", buffering=0).read(),
    "write": write,
    "stat": lambda: os.stat(os.path.join(folder, f"missing{time.monotonic_ns()}")),
    "opendir": lambda: os.listdir(folder),
    "rename": rename,
    "lock": lock,
}
print("begun", flush=True)
while True:
    try:
        calls[kind]()
    except FileNotFoundError:
        continue
    except OSError as error:
        print(errno.errorcode[error.errno], flush=True)
        break
"""
_CUT_OFF = {"ENOTCONN", "ECONNABORTED"}
_KINDS = ["read", "write", "stat", "opendir", "rename", "lock"]
SILENCE_SECONDS = 15.0  # docs/CONFIGURATION.md, "Processes and sockets"


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP])
def test_nobody_who_is_in_a_call_hangs_when_the_mount_process_dies_or_stops(
    tmp_path: Path, how: signal.Signals
) -> None:
    """SIGSTOP stands for a process that hangs: its supervisor notices, and puts another in its place."""
    with running(tmp_path, quiet=False) as service:
        bucket = service.make_bucket()
        bucket.put("there", b"x" * 100_000)
        callers = [
            subprocess.Popen(
                [sys.executable, "-c", _CALLS, kind, bucket.path], stdout=subprocess.PIPE, text=True
            )
            for kind in _KINDS
        ]
        for caller in callers:
            assert caller.stdout is not None and caller.stdout.readline() == "begun\n"
        victim = service.children("mount")[0]
        os.kill(victim, how)
        limit = RECOVERY_SECONDS + (SILENCE_SECONDS if how == signal.SIGSTOP else 0)
        for kind, caller in zip(_KINDS, callers, strict=True):
            output, _ = caller.communicate(timeout=limit)
            assert output.strip() in _CUT_OFF, f"{kind}: {output}"
        wait_until("both views", RECOVERY_SECONDS, lambda: answers(service))
        assert victim not in service.children("mount")
        assert (bucket.path / "there").read_bytes() == bucket.get("there")
        bucket.put("there", b"again")
        assert (bucket.path / "there").read_bytes() == b"again"


@contextmanager
def writing_all_the_time(folder: Path) -> Iterator[list[str]]:
    """Files are made in the folder without a pause; the names of those that were made."""
    made: list[str] = []
    other: list[OSError] = []
    ending = threading.Event()

    def write() -> None:
        number = 0
        while not ending.is_set():
            number += 1
            try:
                os.close(os.open(folder / f"probe-{number}", os.O_CREAT | os.O_EXCL | os.O_WRONLY))
            except OSError as error:
                if error.errno not in (errno.ENOTCONN, errno.ECONNABORTED):
                    other.append(error)
            else:
                made.append(f"probe-{number}")

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield made
    finally:
        ending.set()
        thread.join()
    assert other == []


def test_regression_a_dead_mount_stands_guard_until_its_successor_mounts(tmp_path: Path) -> None:
    """It was taken away first, and what was written in that moment went into the directory below."""
    service = start(tmp_path)
    place = service.mount
    assert place is not None
    try:
        with writing_all_the_time(place) as made:
            for _ in range(3):
                before = len(made)
                kill_one(service, "mount")
                wait_until("the mount", RECOVERY_SECONDS, lambda before=before: len(made) > before + 50)
            [mount] = service.children("mount")
            os.kill(service.process.pid, signal.SIGSTOP)  # it must not see the mount die and replace it
            os.kill(mount, signal.SIGKILL)
            service.kill()
            before = len(made)
            service = start(tmp_path)
            wait_until("the mount", RECOVERY_SECONDS, lambda: len(made) > before + 50)
        assert set(made) - set(os.listdir(service.store)) == set(), "written into the directory below"
    finally:
        service.stop()
    assert os.listdir(place) == []


def test_regression_the_kernel_answers_nothing_old_for_a_dead_mount(tmp_path: Path) -> None:
    """Its caches went on answering until the successor came, whatever S3 clients had been told meanwhile."""
    with running(tmp_path, "--attr-timeout", "3600", quiet=False) as service:
        bucket = service.make_bucket()
        for turn in range(3):
            bucket.put(f"{turn}/replaced", b"old")
            bucket.put(f"{turn}/removed", b"old")
            path = bucket.path / str(turn)
            new, replaced, removed = (path / name for name in ("new", "replaced", "removed"))
            assert (replaced.stat().st_size, removed.stat().st_size, new.exists()) == (3, 3, False)
            kill_one(service, "mount")
            bucket.put(f"{turn}/replaced", b"longer")
            bucket.put(f"{turn}/new", b"1")
            bucket.delete(f"{turn}/removed")
            seen = [shown_size(found) for found in (replaced, new, removed)]
            allowed = ({6, "dead"}, {1, "dead"}, {"absent", "dead"})
            assert all(size in right for size, right in zip(seen, allowed, strict=True)), (turn, seen)
            wait_until("the mount", RECOVERY_SECONDS, lambda: answers(service), pause=0.1)
            assert [shown_size(found) for found in (replaced, new, removed)] == [6, 1, "absent"]


def shown_size(path: Path) -> int | str:
    """What stat(2) says: the size, "absent", or "dead" where nobody answers."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return "absent"
    except OSError as error:
        assert error.errno in (errno.ENOTCONN, errno.ECONNABORTED), error
        return "dead"


def test_regression_a_dead_mount_is_known_as_dead_whatever_the_kernel_has_cached(tmp_path: Path) -> None:
    """stat(2) of its root came from the cache: it was taken for a living one of others, and stayed."""
    with running(tmp_path, "--attr-timeout", "3600", quiet=False) as service:
        service.make_bucket()
        assert service.mount is not None
        for _ in range(2):
            service.mount.stat()
            kill_one(service, "mount")
            wait_until("the mount", RECOVERY_SECONDS, lambda: answers(service), pause=0.1)


def kernel_waits(pid: int) -> list[str]:
    """Where the threads of a process wait in the kernel."""
    return [(task / "wchan").read_text() for task in Path(f"/proc/{pid}/task").iterdir()]


@contextmanager
def all_entries_locked(store: Path) -> Iterator[None]:
    """Every unlink on the mount waits, with the kernel's lock of the directory held (docs/CONCURRENCY.md)."""
    with (store / ".weka" / "locks" / "entries").open("r+b") as file:
        below_trees = 1 << 61
        everything = struct.pack("hhqqi4x", fcntl.F_WRLCK, os.SEEK_SET, 0, below_trees, 0)
        fcntl.fcntl(file, fcntl.F_OFD_SETLK, everything)
        yield


def test_regression_a_mount_killed_while_it_waits_for_a_directory_lets_its_callers_go(tmp_path: Path) -> None:
    """A notification waited for the directory's lock, which an unlink held that waited for the mount: neither
    ended by SIGKILL, the mount never came back, and its callers hung for ever.
    """
    with running(tmp_path, quiet=False) as service:
        bucket = service.make_bucket()
        (bucket.path / "d").mkdir()
        (bucket.path / "d" / "file").touch()
        mount = service.children("mount")[0]
        outcome: list[int | None] = []

        def unlink() -> None:
            try:
                os.unlink(bucket.path / "d" / "file")
                outcome.append(0)
            except OSError as error:
                outcome.append(error.errno)

        caller = threading.Thread(target=unlink, daemon=True)
        # Nothing is there, so it needs no lock; but it is announced, as any change of the directory is.
        announced = threading.Thread(target=lambda: bucket.delete("d/missing/key"), daemon=True)
        try:
            with all_entries_locked(service.store):
                caller.start()
                wait_until(
                    "a caller that waits for the mount", 20,
                    lambda: any("request_wait" in place for place in kernel_waits(os.getpid())),
                )
                announced.start()
                wait_until(
                    "a notification that waits", 20,
                    lambda: any("inval" in place for place in kernel_waits(mount)),
                )
                os.kill(mount, signal.SIGKILL)
                caller.join(RECOVERY_SECONDS)
        finally:
            if caller.is_alive():  # nothing else would ever end it, nor this test
                subprocess.run(["umount", "--force", str(service.mount)], check=False)
                raise AssertionError("the caller hangs")
        wait_until("another mount", RECOVERY_SECONDS, lambda: answers(service))
        announced.join(RECOVERY_SECONDS)
        assert not announced.is_alive()
        assert outcome in ([errno.ENOTCONN], [errno.ECONNABORTED])


def test_a_write_under_way_when_the_mount_died_leaves_no_wrong_etag(tmp_path: Path) -> None:
    with running(tmp_path, quiet=False) as service:
        bucket = service.make_bucket()
        bucket.put("object", b"0" * 1_000_000)
        was, before = bucket.etag("object"), (bucket.path / "object").stat()
        descriptor = os.open(bucket.path / "object", os.O_RDWR)
        os.write(descriptor, b"1" * 500_000)
        kill_one(service, "mount")
        wait_until("the mount", RECOVERY_SECONDS, lambda: answers(service))
        close_if_it_lives(descriptor)
        os.utime(bucket.path / "object", ns=(before.st_atime_ns, before.st_mtime_ns))
        assert bucket.get("object") == b"1" * 500_000 + b"0" * 500_000
        assert bucket.etag("object") != was


def restart_after(service: Service, folder: Path) -> Service:
    """Kill the supervisor and start again at once: a dead mount or an orphan must not be in the way."""
    children = [pid for kind in ("worker", "mount", "background") for pid in service.children(kind)]
    assert len(children) >= 4
    service.kill()
    again = start(folder, "--workers", "2")
    assert not any(_lives(pid) for pid in children), "a child outlived its supervisor"
    return again


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_killed_supervisor_takes_its_children_along_and_the_next_one_starts(tmp_path: Path) -> None:
    service = start(tmp_path, "--workers", "2")
    bucket = service.make_bucket()
    with Load(bucket) as load:
        wait_until("some load", 20, lambda: load.count > 150)
        service.process.kill()
        wait_until("failures", 20, lambda: load.failures > 5)
    service.kill()
    again = start(tmp_path, "--workers", "2")
    try:
        assert is_mounted(tmp_path / "mnt")
        load.verify(Bucket(again, bucket.name))
        uploads = list((again.store / ".weka" / "spool").iterdir())
        assert uploads == [], "leftovers of cut-off requests"
    finally:
        again.stop()


def test_restarting_at_once_after_sigkill(tmp_path: Path) -> None:
    service = start(tmp_path, "--workers", "2")
    name = service.make_bucket().name
    for number in range(3):
        Bucket(service, name).put(f"k{number}", b"%d" % number)
        service = restart_after(service, tmp_path)
    try:
        assert Bucket(service, name).keys() == ["k0", "k1", "k2"]
        assert os.listdir(service.mount or "") == [name]
    finally:
        service.stop()


def test_an_upload_in_parts_survives_restarts_between_its_parts(tmp_path: Path) -> None:
    service = start(tmp_path, "--workers", "2")
    bucket = service.make_bucket()
    bodies = [os.urandom(5 * 2**20), os.urandom(5 * 2**20), b"tail"]
    upload = bucket.s3.create_multipart_upload(Bucket=bucket.name, Key="large")["UploadId"]
    parts = []
    for number, body in enumerate(bodies, start=1):
        answer = service.s3.upload_part(
            Bucket=bucket.name, Key="large", UploadId=upload, PartNumber=number, Body=body
        )
        parts.append({"PartNumber": number, "ETag": answer["ETag"]})
        service = restart_after(service, tmp_path)
    try:
        service.s3.complete_multipart_upload(
            Bucket=bucket.name, Key="large", UploadId=upload, MultipartUpload={"Parts": parts}
        )
        assert Bucket(service, bucket.name).get("large") == b"".join(bodies)
    finally:
        service.stop()


def test_sigterm_under_load_finishes_what_was_begun(tmp_path: Path) -> None:
    service = start(tmp_path, "--workers", "2")
    bucket = service.make_bucket()
    with Load(bucket) as load:
        wait_until("some load", 20, lambda: load.count > 100)
        service.process.send_signal(signal.SIGTERM)
        wait_until("failures", 30, lambda: load.failures > 5)
    service.stop()
    with running(tmp_path, "--workers", "2") as again:
        load.verify(Bucket(again, bucket.name))


