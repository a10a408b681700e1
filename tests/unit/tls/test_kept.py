"""The certificate that a service keeps: what is taken, what is refused, who can read it."""

from __future__ import annotations

import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import dsa, ec, rsa

from tests.unit.tls.certificates import MovedClock, issue, key_pem
from weka_mp.clock import SystemClock
from weka_mp.tls import Certificates, KeptCertificate, TlsError, TlsSettings
from weka_mp.tls.kept import GIVEN, SELF_SIGNED
from weka_mp.tls.pem import described, names_of
from weka_mp.tls.self_signed import LIFE, RENEWED_BEFORE, make_self_signed


@pytest.fixture
def kept(tmp_path: Path) -> KeptCertificate:
    return KeptCertificate(str(tmp_path / "state"), SystemClock())


def test_one_of_its_own_is_made_once(kept: KeptCertificate, tmp_path: Path) -> None:
    kept.make_own(["localhost", "127.0.0.1", "*.s3.example"])
    first = kept.chain()
    kept.make_own(["other"])
    assert kept.chain() == first
    leaf = x509.load_pem_x509_certificate(first.encode())
    assert names_of(leaf) == ("localhost", "*.s3.example", "127.0.0.1")
    file = tmp_path / "state" / SELF_SIGNED
    assert stat.S_IMODE(file.stat().st_mode) == 0o600 and "PRIVATE KEY" in file.read_text()
    assert "PRIVATE" not in first


def test_an_expired_one_of_its_own_is_made_anew(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    old = datetime.now(UTC) - LIFE - timedelta(days=1)
    certificate, key = make_self_signed(["localhost"], old)
    (tmp_path / "state" / SELF_SIGNED).write_text(key + certificate)
    (tmp_path / "state" / SELF_SIGNED).chmod(0o600)
    kept = KeptCertificate(str(tmp_path / "state"), SystemClock())
    kept.make_own(["localhost"])
    assert kept.chain() != certificate


def test_regression_one_of_its_own_is_replaced_before_it_expires(tmp_path: Path) -> None:
    """While the service runs, and without a moment in which there is none."""
    clock = MovedClock(datetime(2026, 1, 1, tzinfo=UTC))
    kept = KeptCertificate(str(tmp_path / "state"), clock)
    (tmp_path / "state").mkdir()
    assert not kept.make_own(["localhost"])
    former = kept.chain()
    shown = Certificates(TlsSettings(str(tmp_path / "state")), clock, ask_clients=False)
    first = shown.context()
    clock.now = datetime(2026, 1, 1, tzinfo=UTC) + LIFE - RENEWED_BEFORE - timedelta(days=1)
    assert not kept.make_own(["localhost"])
    assert shown.context() is first
    clock.now += timedelta(days=2)
    assert kept.make_own(["localhost"])
    assert kept.chain() != former
    assert shown.context() is not first
    assert (tmp_path / "state" / SELF_SIGNED).stat().st_mode & 0o777 == 0o600
    assert not kept.make_own(["localhost"])


def test_given_and_taken_back(kept: KeptCertificate, tmp_path: Path) -> None:
    kept.make_own(["localhost"])
    own = kept.chain()
    authority = issue("authority", authority=True)
    given = issue("s3.example", by=authority)
    kept.set(given.pem + authority.pem, key_pem(given.key))
    assert kept.is_given and kept.chain() == given.pem + authority.pem
    assert stat.S_IMODE((tmp_path / "state" / GIVEN).stat().st_mode) == 0o600
    assert kept.unset() and not kept.is_given and kept.chain() == own
    assert not kept.unset()


def test_without_any_there_is_none(kept: KeptCertificate) -> None:
    with pytest.raises(FileNotFoundError):
        kept.chain()


OURS = issue("ours")


@pytest.mark.parametrize(("certificate", "key", "reason"), [
    (OURS.pem, key_pem(issue("other").key), "not that of the first certificate"),
    (issue("authority").pem + OURS.pem, key_pem(OURS.key), "not that of the first certificate"),
    ("", key_pem(OURS.key), "no certificate"),
    ("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", key_pem(OURS.key), "no certificate"),
    (OURS.pem, "", "no private key"),
    (OURS.pem, OURS.pem, "no private key"),
    (OURS.pem, key_pem(OURS.key, b"password"), "encrypted"),
    (OURS.pem * 17, key_pem(OURS.key), "more than 16"),
    (issue("old", days=-1, key=OURS.key).pem, key_pem(OURS.key), "expired"),
])  # fmt: skip
def test_what_cannot_be_served_is_refused(
    kept: KeptCertificate, certificate: str, key: str, reason: str
) -> None:
    kept.make_own(["localhost"])
    before = kept.chain()
    with pytest.raises(TlsError, match=reason) as caught:
        kept.set(certificate, key)
    assert kept.chain() == before and not kept.is_given
    assert "PRIVATE" not in str(caught.value) and not any(line in str(caught.value) for line in key.split())


@pytest.mark.parametrize("key", [
    rsa.generate_private_key(65537, 1024), ec.generate_private_key(ec.SECP192R1()),
    dsa.generate_private_key(2048),
], ids=["rsa 1024", "p-192", "dsa"])  # fmt: skip
def test_weak_keys_are_refused(kept: KeptCertificate, key: object) -> None:
    with pytest.raises(TlsError, match="too weak"):
        kept.set(issue("weak", key=key).pem, key_pem(key))


def test_rsa_of_2048_bits_will_do(kept: KeptCertificate) -> None:
    key = rsa.generate_private_key(65537, 2048)
    kept.set(issue("strong", key=key).pem, key_pem(key))
    assert kept.is_given


def test_a_key_that_others_can_read_is_not_used(kept: KeptCertificate, tmp_path: Path) -> None:
    kept.make_own(["localhost"])
    (tmp_path / "state" / SELF_SIGNED).chmod(0o640)
    with pytest.raises(TlsError, match="read by others"):
        kept.chain()


def test_what_is_shown_of_one() -> None:
    about = described(OURS.certificate)
    assert about["names"] == ["ours"] and about["subject"] == about["issuer"] == "CN=ours"
    assert len(about["fingerprint"]) == 64 and about["not_after"].endswith("Z")
