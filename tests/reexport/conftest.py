"""One service with all four doors open, for each module."""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.reexport.nfs_client import NfsClient
from tests.reexport.smb_client import PASSWORD, USER, SmbClient
from tests.system.service import Bucket, Service, running, weka_mp
from weka_mp.cli.services import store_id_of


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        port: int = sock.getsockname()[1]
        return port


@dataclass(frozen=True)
class Ports:
    """Where a service under test serves NFS and SMB."""

    nfs: int
    smb: int

    @property
    def options(self) -> list[str]:
        return ["--nfs", f"127.0.0.1:{self.nfs}", "--smb", f"127.0.0.1:{self.smb}"]


@dataclass
class Doors:
    """A service whose whole store is exported as /weka and shared as All."""

    service: Service
    ports: Ports
    folder: Path

    @property
    def runtime(self) -> Path:
        return Path("/run/weka_mp") / str(store_id_of(str(self.service.store)))

    def pid_of(self, name: str) -> int:
        """The process that the service calls `name`; 0 while there is none."""
        try:
            return int((self.runtime / f"{name}.pid").read_text() or 0)
        except FileNotFoundError:
            return 0

    def nfs(self, export: str = "/weka") -> NfsClient:
        return NfsClient(self.ports.nfs, export)

    def smb(self, share: str = "All", **options: str | None) -> SmbClient:
        return SmbClient(self.ports.smb, share, self.folder, **options)

    def run(self, *words: str) -> str:
        """A command about this store that must succeed."""
        done = weka_mp(*words, "--store", self.service.store)
        assert done.returncode == 0, done.stderr
        return done.stdout


def give_password(store: Path, user: str = USER, password: str = PASSWORD) -> None:
    done = weka_mp("smb", "user", "add", user, "-", "--store", store, stdin=f"{password}\n")
    assert done.returncode == 0, done.stderr


def forget(store: Path) -> None:
    """Remove what the service keeps outside the store, so that tests leave nothing on the machine."""
    shutil.rmtree(Path("/var/lib/weka_mp") / str(store_id_of(str(store))), ignore_errors=True)


@pytest.fixture(scope="module")
def doors(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Doors]:
    folder = tmp_path_factory.mktemp("doors")
    ports = Ports(free_port(), free_port())
    with running(folder, "--workers", "1", *ports.options, quiet=False) as service:
        (folder / "smb").mkdir()
        opened = Doors(service, ports, folder / "smb")
        opened.run("nfs", "export", "add", ".")
        give_password(service.store)
        opened.run("smb", "share", "add", "All", ".")
        yield opened
        forget(service.store)


@pytest.fixture
def bucket(doors: Doors) -> Bucket:
    return doors.service.make_bucket()


@pytest.fixture
def nfs(doors: Doors) -> Iterator[NfsClient]:
    with doors.nfs() as client:
        yield client
