"""The generated configurations, also as the servers' own parsers read them."""

from __future__ import annotations

import os
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from weka_mp.reexport.ganesha import GaneshaPlace, ganesha_conf
from weka_mp.reexport.model import Export, Share
from weka_mp.reexport.programs import MissingProgram, find_nfs, find_smb, find_smb_rpc
from weka_mp.reexport.samba import SambaPlace, samba_conf

GANESHA = GaneshaPlace("127.0.0.1", 2049, "/view", "/run/nfs", "0123abcd")
SAMBA = SambaPlace("127.0.0.1", 445, "/view", "/run/smb", "/state/smb")


def test_ganesha_keeps_nothing_that_s3_may_change() -> None:
    conf = ganesha_conf(GANESHA, (Export(1, "b", "/b"),))
    assert "    FD_LWMark_Percent = 0;" in conf
    wanted = ("Attr_Expiration_Time = 0;", "Dir_Chunk = 0;", "Delegations = false;", "Delegations = None;")
    for line in wanted:
        assert line in conf


def test_an_export_as_a_block() -> None:
    clients = ("10.0.0.0/8", "::1")
    conf = ganesha_conf(GANESHA, (Export(9, "it's", "/b", "ro", clients, "root", 5, 6),))
    assert conf.endswith(
        "EXPORT {\n"
        "    Export_Id = 9;\n"
        '    Path = "/view/it\'s";\n'
        "    Pseudo = '/b';\n"
        "    Filesystem_Id = 1693102192.9;\n"
        "    Squash = Root_Squash;\n"
        "    Anonymous_Uid = 5;\n"
        "    Anonymous_Gid = 6;\n"
        "    CLIENT { Clients = 10.0.0.0/8, ::1; Access_Type = RO; Protocols = 4; }\n"
        "    FSAL { Name = VFS; fsid_type = Major64; }\n"
        "}\n"
    )


def test_the_filesystem_id_is_the_stores_and_the_exports() -> None:
    def ids(store_id: str) -> list[str]:
        place = GaneshaPlace("h", 1, "/v", "/r", store_id)
        conf = ganesha_conf(place, (Export(1, "", "/a"), Export(2, "b", "/b")))
        return [line.split()[2] for line in conf.splitlines() if "Filesystem_Id" in line]

    assert ids("one") == ids("one") != ids("two")
    assert len(set(ids("one"))) == 2


def test_samba_gives_no_promise_that_s3_could_break() -> None:
    conf = samba_conf(SAMBA, ())
    for line in ("oplocks = no", "level2 oplocks = no", "smb2 leases = no", "durable handles = no"):
        assert f"    {line}\n" in conf


def test_guests_are_let_in_only_where_a_share_says_so() -> None:
    assert "map to guest = never" in samba_conf(SAMBA, (Share("a", "a"),))
    conf = samba_conf(SAMBA, (Share("a", "a"), Share("g", "g", guest=True)))
    assert "map to guest = bad user" in conf
    assert conf.split("[a]")[1].split("[g]")[0].count("guest ok = no") == 1


@pytest.mark.clients
def test_samba_reads_each_share_as_it_was_meant(tmp_path: Path) -> None:
    shares = (
        Share("All", ""), Share("a b", "x; y #z/it's", "ro", users=("ann", "bob")),
        Share("g", "ü/[global]", guest=True, force_user="daemon"),
    )  # fmt: skip
    place = replace(SAMBA, runtime=f"{tmp_path}/run", state=f"{tmp_path}/state")
    for path, mode in place.directories():
        os.makedirs(path, mode)
    (tmp_path / "smb.conf").write_text(samba_conf(place, shares))
    command = ["testparm", "-s", "-v", str(tmp_path / "smb.conf")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "Unknown parameter" not in done.stderr and "WARNING" not in done.stderr, done.stderr
    sections = {part.split("]")[0]: part for part in done.stdout.split("\n[")[1:]}
    assert set(sections) == {"global", "All", "a b", "g"}
    assert "path = /view\n" in sections["All"]
    assert "path = /view/x; y #z/it's\n" in sections["a b"] and "read only = Yes" not in sections["All"]
    assert "valid users = ann bob" in sections["a b"]
    assert "path = /view/ü/[global]\n" in sections["g"] and "force user = daemon" in sections["g"]


def test_a_missing_program_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("weka_mp.reexport.programs._DIRECTORIES", "/nonexistent")
    monkeypatch.setenv("PATH", "/nonexistent")
    with pytest.raises(MissingProgram, match=r"install the package nfs-ganesha "):
        find_nfs()
    with pytest.raises(MissingProgram, match=r"install the package samba "):
        find_smb()


@pytest.mark.clients
def test_ganesha_without_its_module_is_no_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("weka_mp.reexport.programs._VFS_MODULES", ("/nonexistent/*",))
    with pytest.raises(MissingProgram, match="nfs-ganesha-vfs"):
        find_nfs()


@pytest.mark.clients
def test_the_installed_ones_are_found() -> None:
    assert find_nfs().endswith("ganesha.nfsd") and find_smb().endswith("smbd")
    assert find_smb_rpc() is not None
