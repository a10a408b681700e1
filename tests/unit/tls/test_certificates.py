"""Contexts that follow their files; see tests/server/test_tls.py for what clients see of them."""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import Any

import pytest

from tests.unit.tls.certificates import issue, key_pem, self_signed_settings
from weka_mp.clock import SystemClock
from weka_mp.tls import Certificates, PlainHttp, TlsError, TlsSettings


def certificates(settings: TlsSettings, **options: Any) -> Certificates:
    return Certificates(settings, SystemClock(), **{"ask_clients": True, **options})


def test_the_context_stays_as_long_as_its_files(tmp_path: Path) -> None:
    pair = issue("ours").write(tmp_path, "ours")
    found = certificates(TlsSettings(str(tmp_path), (pair,)))
    first = found.context()
    assert found.context() is first
    assert first.minimum_version is ssl.TLSVersion.TLSv1_2
    assert first.options & ssl.OP_NO_RENEGOTIATION and first.options & ssl.OP_NO_COMPRESSION
    assert all("SHA1" not in suite["description"] and suite["strength_bits"] >= 128
               for suite in first.get_ciphers())  # fmt: skip
    os.utime(pair[0])
    assert found.context() is not first


def test_a_pair_that_does_not_fit_is_tried_again_when_it_is_another(tmp_path: Path) -> None:
    first, second = issue("first"), issue("second")
    pair = first.write(tmp_path, "server")
    found = certificates(TlsSettings(str(tmp_path), (pair,)))
    before = found.context()
    Path(pair[0]).write_text(second.pem)
    assert found.context() is before
    Path(pair[1]).write_text(key_pem(second.key))
    assert found.context() is not before


def test_regression_a_file_that_was_read_half_written_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its time and size may be those of the whole: what failed is tried again after a moment."""
    now = 100.0
    monkeypatch.setattr("weka_mp.tls.certificates.time.monotonic", lambda: now)
    pair = issue("ours").write(tmp_path, "ours")
    found = certificates(TlsSettings(str(tmp_path), (pair,)))
    before = found.context()
    whole = Path(pair[0]).read_text()
    Path(pair[0]).write_text("x" * len(whole))
    stamp = os.stat(pair[0])
    assert found.context() is before
    monkeypatch.setattr("weka_mp.tls.certificates._stamp_of", lambda path: (stamp.st_ino,))
    assert found.context() is before
    Path(pair[0]).write_text(whole)
    assert found.context() is before
    now = 101.5
    assert found.context() is not before


@pytest.mark.parametrize(("change", "reason"), [
    (lambda pair: os.unlink(pair[0]), "No such file"),
    (lambda pair: os.unlink(pair[1]), "No such file"),
    (lambda pair: Path(pair[1]).chmod(0o604), "everybody"),
    (lambda pair: Path(pair[0]).write_bytes(b"\xff"), "not PEM"),
    (lambda pair: Path(pair[0]).write_text("nothing"), "no certificate"),
    (lambda pair: Path(pair[1]).write_text(key_pem(issue("x").key, b"secret")), "encrypted"),
    (lambda pair: Path(pair[1]).write_text(key_pem(issue("x").key)), "not that of the first"),
])  # fmt: skip
def test_nothing_is_served_without_a_good_one(tmp_path: Path, change: Any, reason: str) -> None:
    pair = issue("ours").write(tmp_path, "ours")
    change(pair)
    with pytest.raises(TlsError, match=reason):
        certificates(TlsSettings(str(tmp_path), (pair,)))


def test_a_group_may_share_a_key(tmp_path: Path) -> None:
    pair = issue("ours").write(tmp_path, "ours")
    Path(pair[1]).chmod(0o640)
    certificates(TlsSettings(str(tmp_path), (pair,)))


def test_one_file_may_hold_both(tmp_path: Path) -> None:
    ours = issue("ours")
    both = tmp_path / "both.pem"
    both.touch(0o600)
    both.write_text(key_pem(ours.key) + ours.pem)
    certificates(TlsSettings(str(tmp_path), ((str(both), str(both)),)))


def test_an_expired_one_is_served_with_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    certificates(TlsSettings(str(tmp_path), (issue("old", days=-1).write(tmp_path, "old"),)))
    assert "has expired" in caplog.text


@pytest.mark.parametrize("text", [None, "", "nothing"])
def test_authorities_of_clients_must_be_there(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "ca.pem").write_text(text)
    settings = self_signed_settings(tmp_path / "state", client_ca=str(tmp_path / "ca.pem"))
    with pytest.raises(TlsError, match=r"ca\.pem"):
        certificates(settings)
    assert not certificates(settings, ask_clients=False).asks_clients


def test_without_a_kept_one_there_is_nothing(tmp_path: Path) -> None:
    with pytest.raises(TlsError, match="there is no certificate"):
        certificates(TlsSettings(str(tmp_path)))


def test_settings_survive_their_way_to_another_process() -> None:
    settings = TlsSettings("/state", (("/c", "/k"), ("/d", "/d")), "/ca", PlainHttp.REDIRECT)
    assert TlsSettings.of_plan(settings.plan()) == settings
