"""The audit of a service, before its processes start."""

from __future__ import annotations

from pathlib import Path

import pytest

from weka_mp.config import Config, load
from weka_mp.supervise.auditing import check_audit_file, plan_of_tls, webhook_tls
from weka_mp.supervise.keeper import StartFailed
from weka_mp.tls import TlsSettings


def config(folder: Path, **flags: object) -> Config:
    (folder / "store").mkdir(exist_ok=True)
    (folder / "mnt").mkdir(exist_ok=True)
    return load({"store": str(folder / "store"), "mount": [str(folder / "mnt")], **flags}, {}).config


def check(folder: Path, path: str) -> None:
    check_audit_file(config(folder, audit_file=str(folder / path)), str(folder / "store"))


def test_an_audit_file_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    check(tmp_path, "audit")
    assert (tmp_path / "audit").stat().st_mode & 0o777 == 0o600
    check_audit_file(config(tmp_path), str(tmp_path / "store"))


@pytest.mark.parametrize(
    "path", ["store/audit", "store/.weka/audit", "mnt/audit", "way/audit", "missing/audit", "mnt"]
)
def test_audit_files_that_are_refused_before_a_worker_starts(tmp_path: Path, path: str) -> None:
    (tmp_path / "way").symlink_to(tmp_path / "store")
    with pytest.raises(StartFailed, match=r"store or on a mount|No such file"):
        check(tmp_path, path)
    assert not (tmp_path / path).is_file()


def test_the_services_certificate_is_shown_where_tls_is_mutual(tmp_path: Path) -> None:
    alone, mutual = TlsSettings("/state"), TlsSettings("/state", client_ca="/ca.pem")
    plain = config(tmp_path, webhook_ca="/authorities.pem")
    assert webhook_tls(plain, None).own is webhook_tls(plain, alone).own is None
    assert webhook_tls(plain, mutual).own == mutual
    expected = {"authorities": "/authorities.pem", "own": mutual.plan()}
    assert plan_of_tls(webhook_tls(plain, mutual)) == expected
