"""Sealed secrets."""

from __future__ import annotations

import base64
import hashlib
import hmac

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from weka_mp.clock import SeededRandom, SystemRandom
from weka_mp.identity.errors import IdentityUnusable
from weka_mp.identity.sealing import KeyMissing, KeyRing, sealed_under

OLD, NEW = bytes(range(32)), bytes(range(32, 64))
RING = KeyRing([NEW, OLD])


def test_golden_key_id_and_sealed_secret() -> None:
    ring = KeyRing([OLD])
    assert ring.current == "b86c3394e5893098"
    sealed = ring.seal("password", "user bob", "Correct-Horse-9", SeededRandom(1))
    assert sealed == "b86c3394e5893098.9bFlIkpYt5HfavHYGrfnZ4MzZGi8yk-iWWNOqgVbl5KAcqyymNEU8xFXNA=="
    assert ring.open("password", "user bob", sealed) == "Correct-Horse-9"


def test_the_form_is_that_of_the_document() -> None:
    """Opened with nothing but what docs/STORAGE_FORMAT.md says."""
    ring = KeyRing([OLD])
    key_id, _, text = ring.seal("password", "user bob", "secret", SystemRandom()).partition(".")
    box = base64.urlsafe_b64decode(text)
    pseudo_random = hmac.digest(bytes(32), OLD, hashlib.sha256)  # RFC 5869, 2.2, without salt
    key = hmac.digest(pseudo_random, b"weka_mp identity 1 seal password\x01", hashlib.sha256)
    assert AESGCM(key).decrypt(box[:12], box[12:], b"user bob") == b"secret"
    assert key_id == hmac.digest(pseudo_random, b"weka_mp identity 1 key id\x01", hashlib.sha256)[:8].hex()


@pytest.mark.parametrize("secret", ["", "s", "Correct-Horse-9", "ü" * 1000, "\0\n"])
def test_what_was_sealed_opens(secret: str) -> None:
    assert RING.open("p", "ö\0", RING.seal("p", "ö\0", secret, SystemRandom())) == secret


def test_it_opens_for_its_owner_and_purpose_only() -> None:
    sealed = RING.seal("password", "user bob", "secret", SystemRandom())
    for purpose, owner in (("password", "user ann"), ("access key", "user bob"), ("password", "")):
        with pytest.raises(IdentityUnusable):
            RING.open(purpose, owner, sealed)


def test_every_flipped_bit_is_seen() -> None:
    key_id, _, text = RING.seal("p", "o", "secret", SystemRandom()).partition(".")
    box = base64.urlsafe_b64decode(text)
    for place in range(len(box)):
        broken = box[:place] + bytes([box[place] ^ 0x80]) + box[place + 1 :]
        with pytest.raises(IdentityUnusable):
            RING.open("p", "o", f"{key_id}.{base64.urlsafe_b64encode(broken).decode()}")
    for text in ("", "AAAA", "!", "ü", "A"):
        with pytest.raises(IdentityUnusable):
            RING.open("p", "o", f"{key_id}.{text}")


def test_the_same_secret_is_never_sealed_alike() -> None:
    assert RING.seal("p", "o", "s", SystemRandom()) != RING.seal("p", "o", "s", SystemRandom())


def test_an_old_key_opens_and_the_new_one_seals() -> None:
    sealed = KeyRing([OLD]).seal("p", "o", "secret", SystemRandom())
    assert RING.open("p", "o", sealed) == "secret"
    assert sealed_under(RING.seal("p", "o", "secret", SystemRandom())) == RING.current == RING.ids[0]
    with pytest.raises(KeyMissing):
        KeyRing([NEW]).open("p", "o", sealed)
    for nothing in ("", "."):
        with pytest.raises(KeyMissing):
            RING.open("p", "o", nothing)


def test_keys_of_purposes_differ_and_none_is_shown() -> None:
    derived = {RING.derive(key_id, purpose, 32) for key_id in RING.ids for purpose in ("a", "b")}
    assert len(derived) == 4 and not derived & {OLD, NEW}
    assert NEW.hex() not in repr(RING) and OLD.hex() not in repr(RING)
    for masters in ([], [b"short"]):
        with pytest.raises(ValueError, match="32 bytes"):
            KeyRing(masters)


def test_fingerprints() -> None:
    now, old = RING.ids
    one = RING.fingerprint(now, "root", "key", "secret")
    assert 1 <= one < 2**63
    assert one == RING.fingerprint(now, "root", "key", "secret")
    others = {
        RING.fingerprint(now, "root", "key", "other"),
        RING.fingerprint(old, "root", "key", "secret"),
        RING.fingerprint(now, "root", "keysecret", ""),
        RING.fingerprint(now, "x", "key", "secret"),
    }
    assert len(others) == 4 and one not in others
