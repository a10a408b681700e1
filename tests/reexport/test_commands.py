"""The command line of exports and shares: what it prints, and what it refuses."""

from __future__ import annotations

import json
import os
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.reexport.conftest import forget
from tests.system.service import running
from tests.system.service import weka_mp as as_a_process
from weka_mp.cli.main import cli

pytestmark = [pytest.mark.mount, pytest.mark.clients]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A stopped store with a bucket, a link out of it and an account's worth of state."""
    store = tmp_path_factory.mktemp("commands") / "store"
    (store / "bucket" / "folder").mkdir(parents=True)
    (store / "bucket" / "out").symlink_to("/etc")
    (store / "bucket" / "file").write_bytes(b"")
    yield store
    forget(store)


def weka_mp(*words: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    """The command in this process, which spares a second each."""
    result = CliRunner().invoke(cli, list(map(str, words)), input=stdin)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return subprocess.CompletedProcess(words, result.exit_code, result.stdout, result.stderr)


def refused(store: Path, *words: str, status: int = 1) -> str:
    done = weka_mp(*words, "--store", store)
    assert done.returncode == status, (words, done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    return done.stderr


def test_the_life_of_an_export(store: Path) -> None:
    done = weka_mp("nfs", "export", "add", "bucket/folder", "--store", store, "-J")
    [export] = json.loads(done.stdout)
    assert export["pseudo"] == "/bucket/folder" and export["clients"] == ["127.0.0.1", "::1"]
    absolute = str(store / "bucket")
    done = weka_mp(
        "nfs", "export", "add", absolute, "--pseudo", "/b", "--clients", "10.0.0.0/8", "--squash", "root",
        "--access", "ro", "--store", store, "-f", "csv", "--no-header", "-o", "path,access,clients,squash",
    )  # fmt: skip
    assert done.stdout == "bucket,ro,10.0.0.0/8,root\n"
    listing = ("nfs", "export", "list", "--store", store, "-o", "pseudo", "--no-header")
    assert weka_mp(*listing).stdout == "/bucket/folder\n/b\n"
    assert weka_mp(*listing, "-s", "pseudo", "-F", "access=ro").stdout == "/b\n"
    assert "meets" in refused(store, "nfs", "export", "add", "bucket", "--pseudo", "/b/c")
    for which in (str(export["export_id"]), "/b"):
        assert weka_mp("nfs", "export", "remove", which, "--store", store).returncode == 0
    assert "no export" in refused(store, "nfs", "export", "remove", "/b")
    assert weka_mp(*listing).stdout == ""


def test_the_life_of_a_share(store: Path) -> None:
    added = weka_mp("smb", "share", "add", "Docs", "bucket", "--users", "root", "--store", store)
    assert added.returncode == 0
    assert "already" in refused(store, "smb", "share", "add", "DOCS", "bucket")
    [share] = json.loads(weka_mp("smb", "share", "list", "--store", store, "-J").stdout)
    assert share == {
        "name": "Docs", "path": "bucket", "access": "rw", "users": ["root"], "guest": False,
        "force_user": None,
    }  # fmt: skip
    assert weka_mp("smb", "share", "remove", "docs", "--store", store).returncode == 0
    assert "no share" in refused(store, "smb", "share", "remove", "docs")


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("nowhere", "no such directory"), ("bucket/out", "no such directory"),
        ("bucket/file", "no such directory"), ("/etc", "neither beneath"), (".weka", "own"),
        ("../x", "not a plain path"), ("bucket//x", "not a plain path"), ("bucket/%U", "safe spelling"),
    ],
)  # fmt: skip
def test_paths_that_are_not_handed_out(store: Path, path: str, said: str) -> None:
    assert said in refused(store, "nfs", "export", "add", path)
    assert said in refused(store, "smb", "share", "add", "x", path)


def test_wrong_usage(store: Path) -> None:
    add = ("nfs", "export", "add", "bucket")
    assert "--squash" in refused(store, *add, "--clients", "*", status=2)
    assert "--clients" in refused(store, *add, "--clients", "host; x", status=2)
    assert "pseudo path" in refused(store, *add, "--pseudo", "/a b")
    assert "no such account" in refused(store, "smb", "share", "add", "x", "bucket", "--users", "nobody-here")
    assert "no column" in refused(store, "nfs", "export", "list", "-o", "colour", status=2)


def test_passwords_stay_off_the_command_line_and_out_of_the_store(store: Path) -> None:
    add = ("smb", "user", "add")
    assert "command line" in refused(store, *add, "root", "secret", status=2)
    assert "no such account" in refused(store, *add, "nobody-here", "-")
    assert "empty" in refused(store, *add, "root", "-")
    done = weka_mp(*add, "root", "-", "--store", store, stdin="s3cret word\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    listed = json.loads(weka_mp("smb", "user", "list", "--store", store, "-J").stdout)
    assert listed == [{"name": "root", "uid": 0}]
    store_id = json.loads((store / ".weka" / "format").read_text())["store_id"]
    database = Path("/var/lib/weka_mp") / store_id / "smb" / "private" / "passdb.tdb"
    assert stat.S_IMODE(database.stat().st_mode) == 0o600
    assert stat.S_IMODE(database.parent.stat().st_mode) == 0o700
    assert not [path for path in store.rglob("*") if path.is_file() and b"s3cret" in path.read_bytes()]
    assert weka_mp("smb", "user", "remove", "root", "--store", store).returncode == 0
    assert weka_mp("smb", "user", "list", "--store", store, "-J").stdout == "[]\n"


def test_without_the_packages_the_command_names_them(store: Path, tmp_path: Path) -> None:
    """In a mount namespace where the programs are not there."""
    hidden = "mount --bind /dev/null {0} && exec \"$@\""
    for program, words, package in (
        ("/usr/bin/ganesha.nfsd", ("nfs", "export", "add", "bucket"), "nfs-ganesha"),
        ("/usr/sbin/smbd", ("smb", "share", "add", "x", "bucket"), "samba"),
    ):
        done = as_a_process(
            *words, "--store", store, within=("unshare", "-m", "sh", "-c", hidden.format(program), "sh")
        )
        assert done.returncode == 1
        assert f"apt-get install {package}" in done.stderr


def test_a_service_without_a_mount_or_with_a_shut_door_says_so(store: Path, tmp_path: Path) -> None:
    with running(tmp_path, "--workers", "1", store=store, mount=False):
        assert "no mount" in refused(store, "nfs", "export", "add", "bucket")
    with running(tmp_path, "--workers", "1", "--nfs", "none", "--smb", "none", store=store):
        assert "--nfs none" in refused(store, "nfs", "export", "add", "bucket")
        assert "--smb none" in refused(store, "smb", "share", "add", "x", "bucket")
        assert weka_mp("nfs", "export", "list", "--store", store, "-J").stdout == "[]\n"


def test_a_damaged_record_is_neither_served_nor_overwritten(store: Path) -> None:
    record = store / ".weka" / "reexports"
    former = record.read_bytes()
    record.write_bytes(b"{}")
    try:
        assert "damaged" in refused(store, "nfs", "export", "list")
        assert "damaged" in refused(store, "nfs", "export", "add", "bucket")
        assert record.read_bytes() == b"{}"
    finally:
        record.write_bytes(former)
    assert os.listdir(store / ".weka" / "spool") == []
