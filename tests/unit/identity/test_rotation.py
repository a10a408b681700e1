"""Another key for sealing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.identity.kit import PASSWORD, Bench, key_path, overwrite
from weka_mp.clock import SystemRandom
from weka_mp.errors import IoFailure
from weka_mp.identity import AdminLogins, KeyRotation, LockOut
from weka_mp.identity.child_credentials import ChildKind
from weka_mp.identity.errors import IdentityUnusable, TokenRefused
from weka_mp.identity.sealing import sealed_under
from weka_mp.store.faulty import Fault, FaultyStore
from weka_mp.store.memory import MemoryStore


class Given:
    """A store with one of each kind of secret."""

    def __init__(self, bench: Bench) -> None:
        bench.add()
        bench.admin.add_user("eve", bench.store.registry.user("bob").role, None)
        self.bench = bench
        key, account = bench.admin.add_access_key("bob"), bench.issuer.add_service_account("bob")
        temporary = bench.issuer.assume_role("bob")
        self.secrets = {
            "bob": PASSWORD, key.access_key: key.secret, account.access_key: account.secret,
            temporary.access_key: temporary.secret,
        }  # fmt: skip

    def check(self, bench: Bench) -> None:
        assert {key: bench.secret(key) for key in self.secrets} == self.secrets

    def sealed_under(self) -> set[str]:
        bob = self.bench.store.registry.user("bob")
        found = {sealed_under(bob.sealed or ""), *(sealed_under(key.sealed) for key in bob.keys)}
        for kind in ChildKind:
            files = self.bench.store.children.files[kind]
            found |= {sealed_under(child.sealed) for child in map(files.read, files.names()) if child}
        return found


@pytest.fixture
def given(bench: Bench) -> Iterator[Given]:
    yield Given(bench)


def test_everything_is_sealed_anew_and_opens_everywhere(given: Given, tmp_path: Path) -> None:
    other = Bench(given.bench.namespace.store, key_path(tmp_path), given.bench.clock, SystemRandom())
    given.check(other)
    old = given.bench.keys.ring().current
    new = KeyRotation(given.bench.store, ()).rotate()
    assert new != old and given.sealed_under() == {new}
    fresh = Bench(given.bench.namespace.store, key_path(tmp_path), given.bench.clock, SystemRandom())
    for bench in (given.bench, other, fresh):
        given.check(bench)
    # One that still has the old ring in mind seals under the new key, too.
    other.add("ann")
    assert sealed_under(other.store.registry.user("ann").sealed or "") == new
    assert given.bench.secret("ann") == PASSWORD
    other.close()
    fresh.close()


@pytest.mark.parametrize("gives", ["token", "session", "account", "key"])
def test_regression_who_remembers_a_retired_key_seals_and_signs_nothing_under_it(
    given: Given, tmp_path: Path, gives: str
) -> None:
    bench = given.bench
    other = Bench(bench.namespace.store, key_path(tmp_path), bench.clock, SystemRandom())
    given.check(other)
    bench.admin.revoke("bob")
    KeyRotation(bench.store, ()).rotate()
    assert len(KeyRotation(bench.store, ()).retire()) == 1
    if gives == "token":
        token = AdminLogins(other.store, LockOut(other.clock)).generate_token("bob")
        assert AdminLogins(bench.store, LockOut(bench.clock)).authenticate(token).user == "bob"
    else:
        give = {
            "session": other.issuer.assume_role,
            "account": other.issuer.add_service_account,
            "key": other.admin.add_access_key,
        }[gives]
        issued = give("bob")
        assert bench.secret(issued.access_key) == issued.secret
    other.close()


def test_the_old_key_goes_when_no_session_token_needs_it(given: Given) -> None:
    rotation = KeyRotation(given.bench.store, ())
    old = given.bench.keys.ring().current
    rotation.rotate()
    assert rotation.retire() == ()
    given.check(given.bench)
    given.bench.admin.revoke("bob")
    assert rotation.retire() == (old,)
    temporary = next(key for key in given.secrets if key.startswith("ASIA"))
    given.secrets.pop(temporary)
    given.check(given.bench)


def test_tokens_of_administration_live_until_their_key_is_retired(given: Given) -> None:
    logins = AdminLogins(given.bench.store, LockOut(given.bench.clock))
    pair = logins.login("bob", PASSWORD, "192.0.2.1")
    rotation = KeyRotation(given.bench.store, ())
    rotation.rotate()
    assert logins.authenticate(pair.access_token).user == "bob"
    given.bench.clock.advance(7200 * 10**9)
    given.bench.issuer.sweep()
    rotation.retire()
    with pytest.raises(TokenRefused):
        logins.refresh(pair.refresh_token)


def test_a_damaged_record_keeps_all_keys(given: Given) -> None:
    rotation = KeyRotation(given.bench.store, ())
    rotation.rotate()
    account = next(key for key in given.secrets if given.bench.store.children.exists(key) and key[1] == "K")
    overwrite(given.bench, b".weka/identity/service-accounts/" + account.encode(), b"WKI1 no")
    with pytest.raises(IdentityUnusable):
        rotation.retire()
    assert len(given.bench.keys.ring(fresh=True).ids) == 2


@pytest.mark.parametrize("nth", range(1, 5))
def test_a_rotation_that_was_cut_off_is_completed(tmp_path: Path, nth: int) -> None:
    faulty = FaultyStore(MemoryStore())
    given = Given(Bench(faulty, key_path(tmp_path)))
    rotation = KeyRotation(given.bench.store, ())
    faulty.begin(Fault(IoFailure, nth, "rename"))
    if nth < 4:  # of the registry and two children
        with pytest.raises(IoFailure):
            rotation.rotate()
    else:
        rotation.rotate()
    faulty.begin()
    given.check(given.bench)
    rotation.reseal()
    given.check(given.bench)
    assert given.sealed_under() == {given.bench.keys.ring().current}
    given.bench.close()


def test_another_process_completes_it_too(given: Given, tmp_path: Path) -> None:
    other = Bench(given.bench.namespace.store, key_path(tmp_path), given.bench.clock, SystemRandom())
    given.check(other)
    given.bench.keys.add_key()
    assert KeyRotation(other.store, ()).reseal() == 2
    assert given.sealed_under() == {given.bench.keys.ring().current}
    other.close()


def test_nothing_is_written_when_all_is_sealed_under_the_current_key(given: Given) -> None:
    revision = given.bench.store.registry.revision
    assert KeyRotation(given.bench.store, ()).reseal() == 0
    assert given.bench.store.registry.revision == revision
