"""What clients hold outlives the servers: handles, exports, shares. And what must not be had, is not."""

from __future__ import annotations

import ctypes
import os
import signal
import struct
from pathlib import Path

import pytest

from tests.reexport import nfs_wire
from tests.reexport.conftest import Doors, Ports, forget, free_port, give_password
from tests.reexport.smb_client import SmbError
from tests.system.service import Bucket, running, start, weka_mp
from tests.system.waiting import wait_until

pytestmark = [pytest.mark.mount, pytest.mark.clients]

BODY = os.urandom(40_000)
SECONDS = 40.0


def wait_for_other(doors: Doors, name: str, former: int) -> None:
    wait_until(f"another {name}", SECONDS, lambda: doors.pid_of(name) not in (0, former))


def kill(doors: Doors, name: str) -> None:
    """Kill a process of the service, and wait for its successor and for both servers to answer again."""
    former, nfs, smb = (doors.pid_of(each) for each in (name, "nfs", "smb"))
    os.kill(former, signal.SIGKILL)
    wait_for_other(doors, name, former)
    if name == "mount-0":
        wait_for_other(doors, "nfs", nfs)
        wait_for_other(doors, "smb", smb)
    answers(doors.ports)
    smb_answers(doors)


def smb_answers(doors: Doors) -> None:
    def looked() -> bool:
        try:
            doors.smb().names()
        except SmbError:
            return False
        return True

    wait_until("an answer over SMB", SECONDS, looked, pause=0.2)


def answers(ports: Ports) -> None:
    def looked() -> bool:
        try:
            nfs_wire.handle_of(ports.nfs, "weka")
        except (OSError, nfs_wire.Refused):
            return False
        return True

    wait_until("an answer over NFS", SECONDS, looked, pause=0.1)


def test_handles_outlive_dropped_caches_and_every_restart(doors: Doors, bucket: Bucket) -> None:
    port = doors.ports.nfs
    bucket.put("deep/er/f", BODY)
    file = nfs_wire.handle_of(port, "weka", bucket.name, "deep", "er", "f")
    folder = nfs_wire.handle_of(port, "weka", bucket.name, "deep", "er")

    def read() -> None:
        assert nfs_wire.read_by_handle(port, file) == BODY
        assert nfs_wire.read_by_handle(port, folder, "f") == BODY

    read()
    Path("/proc/sys/vm/drop_caches").write_text("2")
    read()
    for name in ("nfs", "mount-0", "nfs"):
        kill(doors, name)
        read()
    assert nfs_wire.handle_of(port, "weka", bucket.name, "deep", "er", "f") == file
    # A handle is the inode's: a replaced file is another one, and the handle says so instead of mixing them.
    bucket.put("deep/er/f", b"another")
    assert nfs_wire.read_by_handle(port, folder, "f") == b"another"
    try:
        assert nfs_wire.read_by_handle(port, file) == BODY
    except nfs_wire.Refused as refusal:
        assert refusal.status == 70  # NFS4ERR_STALE


def test_smb_goes_on_after_every_restart(doors: Doors, bucket: Bucket) -> None:
    smb = doors.smb()
    for name in ("smb", "mount-0"):
        smb.write(f"{bucket.name}/before-{name}", BODY)
        kill(doors, name)
        assert smb.read(f"{bucket.name}/before-{name}") == BODY
    assert set(bucket.keys()) == {"before-smb", "before-mount-0"}


def root_file_system_handle() -> bytes:
    """A handle of ``/`` as NFS-Ganesha would make it, had it taken the root file system over.

    The kernel's own handle after an fsid made of statfs(2)'s f_fsid (FSAL_VFS, handle_syscalls.c: a byte of
    types, the fsid, the handle's type and its bytes).
    """
    libc = ctypes.CDLL(None, use_errno=True)
    buffer = ctypes.create_string_buffer(struct.pack("Ii", 128, 0) + bytes(128), 136)
    mount_id = ctypes.c_int()
    assert libc.name_to_handle_at(-100, b"/", buffer, ctypes.byref(mount_id), 0) == 0
    length, kind = struct.unpack_from("Ii", buffer.raw)
    return bytes([kind & 0xFF]) + buffer.raw[8 : 8 + length]


def test_made_up_handles_lead_nowhere(doors: Doors, bucket: Bucket) -> None:
    port = doors.ports.nfs
    bucket.put("f", BODY)
    top = nfs_wire.handle_of(port, "weka")
    inside = nfs_wire.handle_of(port, "weka", bucket.name)
    # A handle of ours: five bytes of NFS-Ganesha's, of which the last is the length of the rest.
    head, fsid = top[:4], os.statvfs("/").f_fsid
    assert top[4] == len(top) - 5
    nfs_wire.look_up(port, head + top[4:], bucket.name)
    for kind in range(8):
        for number in (struct.pack("Q", fsid & 0xFFFFFFFF), struct.pack("Q", fsid)):
            opaque = bytes([0x40 | kind]) + number + root_file_system_handle()
            with pytest.raises(nfs_wire.Refused):
                nfs_wire.look_up(port, head + bytes([len(opaque)]) + opaque, "etc")
    # The way up ends at the export, and so does the way up from the handle of a directory in it.
    with pytest.raises(nfs_wire.Refused):
        nfs_wire.look_up(port, inside, "..", "..", "..", "..", "etc")
    assert nfs_wire.read_by_handle(port, inside, "f") == BODY


def test_an_unprivileged_port_is_refused(doors: Doors) -> None:
    with pytest.raises((PermissionError, nfs_wire.Refused)):
        lookup = struct.pack(">II", nfs_wire.LOOKUP, 4) + b"weka"
        nfs_wire.compound(doors.ports.nfs, struct.pack(">I", nfs_wire.PUTROOTFH), lookup, privileged=False)


def test_a_killed_service_takes_its_servers_along_and_the_next_serves_on(tmp_path: Path) -> None:
    ports = Ports(free_port(), free_port())
    (tmp_path / "smb").mkdir()
    service = start(tmp_path, "--workers", "1", *ports.options)
    first = Doors(service, ports, tmp_path / "smb")
    first.run("nfs", "export", "add", ".", "--pseudo", "/weka")
    give_password(service.store)
    first.run("smb", "share", "add", "All", ".")
    bucket = service.make_bucket()
    bucket.put("f", BODY)
    handle = nfs_wire.handle_of(ports.nfs, "weka", bucket.name, "f")
    pids = [first.pid_of(name) for name in ("nfs", "smb", "smb-rpc")]
    assert all(pids)
    service.kill()
    wait_until("the end of all servers", SECONDS, lambda: not any(_lives(pid) for pid in pids))
    with running(tmp_path, "--workers", "1", *ports.options, store=service.store, quiet=False) as again:
        # The ready line comes when they answer.
        assert nfs_wire.read_by_handle(ports.nfs, handle) == BODY
        second = Doors(again, ports, tmp_path / "smb")
        assert second.smb().read(f"{bucket.name}/f") == BODY
        pids = [second.pid_of(name) for name in ("nfs", "smb", "smb-rpc")]
    assert not any(_lives(pid) for pid in pids)
    forget(service.store)


def _lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_what_was_recorded_while_stopped_is_served_later(tmp_path: Path) -> None:
    store, ports = tmp_path / "store", Ports(free_port(), free_port())
    (store / "bucket").mkdir(parents=True)
    (store / "bucket" / "f").write_bytes(BODY)
    added = weka_mp("nfs", "export", "add", "bucket", "--store", store)
    assert (added.returncode, added.stderr) == (0, "weka-mp: recorded; the next service serves it\n")
    assert weka_mp("smb", "share", "add", "Guests", "bucket", "--guest", "--store", store).returncode == 0
    (tmp_path / "smb").mkdir()
    with running(tmp_path, "--workers", "1", *ports.options, store=store) as service:
        doors = Doors(service, ports, tmp_path / "smb")
        handle = nfs_wire.handle_of(ports.nfs, "bucket", "f")
        assert nfs_wire.read_by_handle(ports.nfs, handle) == BODY
        guest = doors.smb("Guests", login=None)
        assert guest.read("f") == BODY
        with pytest.raises(SmbError, match="NT_STATUS_ACCESS_DENIED"):
            guest.write("g", b"")  # as nobody, in root's directory
        doors.run("smb", "share", "remove", "guests")
        assert doors.pid_of("smb") == 0
        doors.run("nfs", "export", "remove", "/bucket")
        assert doors.pid_of("nfs") == 0
        assert doors.run("nfs", "export", "list", "-J") == "[]\n"
    forget(store)
