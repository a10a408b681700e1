"""The records of service accounts and temporary credentials, byte by byte."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.unit.identity.kit import key_path
from weka_mp.clock import SeededRandom, SystemRandom
from weka_mp.identity.child_credentials import (
    Child,
    ChildKind,
    ChildSecret,
    decode,
    encode,
    open_child,
    seal_child,
)
from weka_mp.identity.errors import IdentityUnusable, InvalidInput
from weka_mp.identity.key_file import KeyFile
from weka_mp.private_files import create_private

ACCOUNT = Child(
    "AKIA" + "A" * 16, ChildKind.SERVICE_ACCOUNT, "bob", 5, None, 7, None, '{"some": "policy"}', "00.c2Vh"
)
SESSION = Child("ASIA" + "B" * 16, ChildKind.TEMPORARY, "bob", 5, 6, 7, 1_700_000_900, None, "00.c2Vh")


def test_golden_records() -> None:
    account = (
        b"WKI1 16357c65fb0602387f3df51775a5fb96c2ef9fabe13714f05ff408d953b19478\n"
        b'{"access_key": "AKIAAAAAAAAAAAAAAAAA", "created_ns": 7, "expires_s": null, "generation": 5,'
        b' "kind": "AKIA", "parent": "bob", "policy": "{\\"some\\": \\"policy\\"}", "sealed": "00.c2Vh",'
        b' "session": null, "version": 1}\n'
    )
    session = (
        b"WKI1 bad903dee0f4fa514954d6bde4dd524bf88b4b7f224318fec12f2927960d6fae\n"
        b'{"access_key": "ASIABBBBBBBBBBBBBBBB", "created_ns": 7, "expires_s": 1700000900, "generation": 5,'
        b' "kind": "ASIA", "parent": "bob", "policy": null, "sealed": "00.c2Vh", "session": 6,'
        b' "version": 1}\n'
    )
    assert encode(ACCOUNT) == account and decode(ACCOUNT.access_key, account) == ACCOUNT
    assert encode(SESSION) == session and decode(SESSION.access_key, session) == SESSION


def test_golden_seal(tmp_path: Path) -> None:
    """With the secret of a service account; what it is sealed to is everything else of the record."""
    create_private(key_path(tmp_path), bytes(range(32)).hex() + "\n")
    keys = KeyFile(key_path(tmp_path), SystemRandom())
    sealed = seal_child(ACCOUNT, ChildSecret("5ec4e7", None), keys, SeededRandom(1))
    assert sealed.sealed == "b86c3394e5893098.9bFlIkpYt5HfavHYeJClI8W3hPdory2jnZTg1qp3Gd4lFR3lhuLqvnJsvSQ="
    assert open_child(sealed, keys) == ChildSecret("5ec4e7", None)
    session = seal_child(SESSION, ChildSecret("5ec4e7", "a.b.c"), keys, SystemRandom())
    assert open_child(session, keys) == ChildSecret("5ec4e7", "a.b.c")


def test_every_flipped_byte_is_seen() -> None:
    data = encode(SESSION)
    for place in range(len(data)):
        with pytest.raises(IdentityUnusable):
            decode(SESSION.access_key, data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])


@pytest.mark.parametrize(
    ("access_key", "kind", "session", "expires_s"),
    [
        ("bob", ChildKind.TEMPORARY, 1, 1),
        ("AKIA" + "A" * 16, ChildKind.TEMPORARY, 1, 1),
        ("ASIA" + "A" * 16, ChildKind.SERVICE_ACCOUNT, None, None),
        ("ASIA" + "A" * 16, ChildKind.TEMPORARY, None, 1),
        ("ASIA" + "A" * 16, ChildKind.TEMPORARY, 1, None),
        ("AKIA" + "A" * 16, ChildKind.SERVICE_ACCOUNT, 1, None),
        ("AKIA" + "A" * 16, ChildKind.SERVICE_ACCOUNT, None, 1),
    ],
)
def test_children_that_cannot_be(
    access_key: str, kind: ChildKind, session: int | None, expires_s: int | None
) -> None:
    with pytest.raises(InvalidInput):
        Child(access_key, kind, "bob", 5, session, 7, expires_s, None, "00.c2Vh")
