"""The servers of NFS and SMB: their command lines, configuration files, and how each takes a changed one."""

from __future__ import annotations

import logging
import os
import re
import signal
import struct
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import trio

from weka_mp.config import Address
from weka_mp.reexport.ganesha import RELOADED, GaneshaPlace, ganesha_conf
from weka_mp.reexport.programs import find_nfs, find_smb, find_smb_rpc
from weka_mp.reexport.registry import Registry
from weka_mp.reexport.samba import SambaPlace, samba_conf
from weka_mp.supervise.daemon import VIEW, Daemon, DaemonSpec
from weka_mp.supervise.listeners import reachable

__all__ = ["Door", "DoorPlace", "NfsDoor", "SmbDoor", "write_file"]

log = logging.getLogger(__name__)

_RELOAD_SECONDS: Final = 10.0
_TOOL_SECONDS: Final = 10.0
_GANESHA_LINE: Final = re.compile(r" :([A-Z0-9_ ]+) :(NULL|FATAL|MAJ|CRIT|WARN|EVENT|INFO|DEBUG) :(.*)")
_GANESHA_BAD: Final = {"FATAL", "MAJ", "CRIT", "WARN"}
# Said at every start for want of what is not used here: rpcbind, RADOS, Kerberos.
_GANESHA_HARMLESS: Final = (
    "Cannot register NFS V4 on TCP",
    "Missing RADOS URLs backend library",
    "gssd_refresh_krb5_machine_credential failed",
)


@dataclass(frozen=True, slots=True)
class DoorPlace:
    """`address` to listen at (numeric), the real path of the mount, directories for what may go and what may
    not, and the lock that every process of the service holds.
    """

    address: Address
    mount: str
    runtime: str
    state: str
    store_id: str
    lock_fd: int


class Door(Protocol):
    """One protocol over the mount."""

    name: str

    def wanted(self, registry: Registry) -> bool:
        """Whether there is anything to serve."""

    def write(self, registry: Registry) -> bool:
        """Write its configuration; whether that changed anything."""

    def daemons(self) -> Sequence[Daemon]:
        """The processes it needs, not running yet. Raises MissingProgram."""

    async def reload(self, daemons: Sequence[Daemon], gone: Sequence[str]) -> bool:
        """Have its running daemons take the changed file; False: start them anew. `gone`: former shares."""


class NfsDoor:
    """NFS-Ganesha, NFSv4 over TCP alone."""

    name = "nfs"

    def __init__(self, place: DoorPlace) -> None:
        self._place = place
        self._directory = os.path.join(place.runtime, "nfs")
        self._conf = os.path.join(self._directory, "ganesha.conf")
        self._reloaded = trio.Event()

    def wanted(self, registry: Registry) -> bool:
        return bool(registry.exports)

    def write(self, registry: Registry) -> bool:
        os.makedirs(self._directory, 0o700, exist_ok=True)
        place = self._place
        address = place.address
        where = GaneshaPlace(address.host, address.port, VIEW, self._directory, place.store_id)
        return write_file(self._conf, os.fsencode(ganesha_conf(where, registry.exports)))

    def daemons(self) -> Sequence[Daemon]:
        pid = os.path.join(self._directory, "ganesha.pid")
        argv = [find_nfs(), "-F", "-f", self._conf, "-p", pid, "-L", "STDERR"]
        place = self._place
        spec = DaemonSpec("nfs", argv, place.mount, self._answers, self._take_line, [place.lock_fd])
        return [Daemon(spec, place.runtime)]

    async def reload(self, daemons: Sequence[Daemon], gone: Sequence[str]) -> bool:
        self._reloaded = trio.Event()
        for daemon in daemons:
            daemon.signal(signal.SIGHUP)
        with trio.move_on_after(_RELOAD_SECONDS):
            await self._reloaded.wait()
        return self._reloaded.is_set()

    def _take_line(self, line: str) -> None:
        match = _GANESHA_LINE.search(line)
        text = match[3] if match is not None else line
        if text.startswith(RELOADED):
            self._reloaded.set()
        bad = match is None or match[2] in _GANESHA_BAD
        bad = bad and not any(harmless in text for harmless in _GANESHA_HARMLESS)
        log.log(logging.WARNING if bad else logging.DEBUG, "nfs: %s", text)

    async def _answers(self) -> bool:
        """Whether NFS 4 answers the call that does nothing (RFC 7530, section 16.1; RFC 5531, section 9)."""
        call = struct.pack(">10I", 1, 0, 2, 100003, 4, 0, 0, 0, 0, 0)
        with trio.move_on_after(_TOOL_SECONDS):
            try:
                target = reachable(self._place.address)
                async with await trio.open_tcp_stream(target.host, target.port) as stream:
                    await stream.send_all(struct.pack(">I", 0x80000000 | len(call)) + call)
                    return len(await stream.receive_some(64)) >= 28
            except (OSError, trio.BrokenResourceError):
                return False
        return False


class SmbDoor:
    """Samba: smbd, and the server of remote procedures through which clients list the shares."""

    name = "smb"

    def __init__(self, place: DoorPlace) -> None:
        self._place = place
        self._where = SambaPlace(
            place.address.host,
            place.address.port,
            VIEW,
            os.path.join(place.runtime, "smb"),
            os.path.join(place.state, "smb"),
        )
        self._conf = os.path.join(self._where.runtime, "smb.conf")

    def wanted(self, registry: Registry) -> bool:
        return bool(registry.shares)

    def write(self, registry: Registry) -> bool:
        for private in (self._where.runtime, self._where.state):
            os.makedirs(private, 0o700, exist_ok=True)
            os.chmod(private, 0o700)
        for path, mode in self._where.directories():
            os.makedirs(path, mode, exist_ok=True)
            os.chmod(path, mode)
        return write_file(self._conf, os.fsencode(samba_conf(self._where, registry.shares)))

    def daemons(self) -> Sequence[Daemon]:
        common = ["-F", "--no-process-group", "--debug-stdout", f"--configfile={self._conf}"]
        found = [self._daemon("smb", [find_smb(), *common], self._answers)]
        rpc = find_smb_rpc()
        if rpc is not None:
            found.append(self._daemon("smb-rpc", [rpc, "--libexec-rpcds", *common], _always))
        return found

    async def reload(self, daemons: Sequence[Daemon], gone: Sequence[str]) -> bool:
        """The parent is told, then asked for a sign of life: it takes its messages in order, and every later
        connection is its child. Connections to former shares are closed.
        """
        pid = daemons[0].pid
        if pid is None:
            return True  # it is being started again, and reads the file then
        told = await self._control("smbd", "reload-config") and await self._control(str(pid), "ping")
        for share in gone:
            await self._control("smbd", "close-share", share)
        return told

    def _daemon(self, name: str, argv: Sequence[str], answers: Callable[[], Awaitable[bool]]) -> Daemon:
        place = self._place
        spec = DaemonSpec(name, argv, place.mount, answers, _take_smb_line, [place.lock_fd])
        return Daemon(spec, place.runtime)

    async def _control(self, *words: str) -> bool:
        command = [find_smb("smbcontrol"), f"--configfile={self._conf}", "--timeout=5", *words]
        try:
            with trio.fail_after(_TOOL_SECONDS):
                done = await trio.run_process(command, capture_stdout=True, capture_stderr=True, check=False)
        except (OSError, trio.TooSlowError) as error:
            log.warning("smbcontrol %s: %r", " ".join(words), error)
            return False
        return done.returncode == 0

    async def _answers(self) -> bool:
        target = reachable(self._place.address)
        try:
            stream = await trio.open_tcp_stream(target.host, target.port)
        except OSError:
            return False
        await stream.aclose()
        return True


async def _always() -> bool:
    """It waits for smbd's calls on sockets of its own; there is nothing to ask."""
    return True


def _take_smb_line(line: str) -> None:
    log.info("smb: %s", line)


def write_file(path: str, content: bytes) -> bool:
    """Replace a file that only we read, as a whole; False when it was like this already."""
    try:
        with open(path, "rb") as file:
            if file.read() == content:
                return False
    except FileNotFoundError:
        pass  # written for the first time
    staged = f"{path}.new"
    with open(os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
        file.write(content)
    os.rename(staged, path)
    return True
