"""Whose a key is, what proves it, and what speaks for and against its holder."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.identity.kit import (
    PASSWORD,
    PREDEFINED,
    ROOT,
    SOME_POLICY,
    BadPolicy,
    Bench,
    key_path,
    overwrite,
    parse,
)
from weka_mp.clock import SystemRandom
from weka_mp.identity import (
    Administration,
    CredentialKind,
    IdentityStore,
    KeyFile,
    PolicyUse,
    PosixIdentity,
    Role,
)
from weka_mp.identity.errors import CredentialExpired, IdentityUnusable, NoSuchEntity, Unmodifiable
from weka_mp.namespace import Namespace
from weka_mp.store.memory import MemoryStore


def test_nobody_is_there_but_root(bench: Bench) -> None:
    for key in ("", "bob", "root", "AKIA" + "A" * 16, "ASIA" + "A" * 16, "../registry", "registry", "\udcff"):
        assert bench.store.secret(key) is None
        assert bench.store.principal(key) is None
    root = bench.store.principal(ROOT.access_key)
    assert bench.secret(ROOT.access_key) == ROOT.secret
    assert root is not None and root.is_root and root.account_number == "0" * 11 + "1"
    assert (root.account, root.user, root.role, root.posix) == (
        "root", "root", Role.CLUSTER_ADMIN, PosixIdentity()
    )  # fmt: skip
    assert (root.canonical_id, root.arn) == ("0" * 63 + "1", "arn:aws:iam::000000000001:root")


def test_a_user(bench: Bench) -> None:
    bench.admin.add_account("lab", display_name="The Lab")
    bench.admin.add_user("bob", Role.S3, PASSWORD, account="lab", posix=PosixIdentity(1000, 100, (27,)))
    secret, bob = bench.store.secret("bob"), bench.store.principal("bob")
    assert secret is not None and bob is not None
    assert (secret.secret_id, secret.secret, secret.session_token) == ("bob", PASSWORD, None)
    assert (bob.kind, bob.account, bob.display_name) == (CredentialKind.USER, "lab", "The Lab")
    assert bob.arn == f"arn:aws:iam::{bob.canonical_id[-12:]}:user/bob"
    assert bob.user_id.startswith("AIDA")
    assert bob.posix == PosixIdentity(1000, 100, (27,))
    assert bob.policies == () and bob.bounds == () and not bob.is_root


def test_policies_are_handed_out_parsed(bench: Bench) -> None:
    bench.add()
    bench.admin.add_policy("mine", SOME_POLICY)
    bench.admin.attach_by_cli("readonly", "bob")
    bench.admin.attach_to_user("mine", "bob")
    bob = bench.store.principal("bob")
    assert bob is not None
    assert [(policy.name, policy.document) for policy in bob.policies] == [
        ("readonly", PREDEFINED["readonly"]), ("mine", SOME_POLICY)
    ]  # fmt: skip
    assert bob.policies[1].parsed == ("identity mine", {"some": "policy"})


def test_each_document_is_parsed_once(tmp_path: Path) -> None:
    asked: list[str] = []

    def counting(document: str, use: PolicyUse, name: str) -> object:
        asked.append(document)
        return parse(document, use, name)

    with Namespace.open(MemoryStore()) as namespace:
        keys = KeyFile(key_path(tmp_path), SystemRandom())
        identities = IdentityStore.open(namespace, keys, counting, predefined=PREDEFINED, root=None)
        admin = Administration(identities)
        for name in ("ann", "bob"):
            admin.add_user(name, Role.S3, PASSWORD)
            admin.attach_by_cli("readonly", name)
            identities.principal(name)
            identities.principal(name)
        assert asked == [PREDEFINED["readonly"]]
        identities.close()


@pytest.mark.parametrize("role", [role for role in Role if role is not Role.S3])
def test_administrators_passwords_are_no_keys(bench: Bench, role: Role) -> None:
    """Whoever may guess signatures would guess them without being locked out. Generated keys are."""
    bench.add("boss", role)
    bench.admin.attach_to_user("readwrite", "boss")
    assert bench.store.secret("boss") is None and bench.store.principal("boss") is None
    key = bench.admin.add_access_key("boss")
    assert bench.secret(key.access_key) == key.secret
    boss = bench.store.principal(key.access_key)
    assert boss is not None and (boss.role, boss.kind, boss.policies) == (role, CredentialKind.ACCESS_KEY, ())


def test_a_user_without_a_password_has_keys_only(bench: Bench) -> None:
    bench.admin.add_user("bob", Role.S3, None)
    assert bench.store.secret("bob") is None
    key = bench.admin.add_access_key("bob")
    assert bench.secret(key.access_key) == key.secret
    bench.admin.set_access_key_active("bob", key.access_key, False)
    assert bench.store.secret(key.access_key) is None and bench.store.principal(key.access_key) is None
    bench.admin.set_access_key_active("bob", key.access_key, True)
    assert bench.secret(key.access_key) == key.secret
    bench.admin.remove_access_key("bob", key.access_key)
    assert bench.store.secret(key.access_key) is None


def test_a_question_about_a_user(bench: Bench) -> None:
    bench.add("boss", Role.REGULAR)
    assert bench.store.principal_of_user("boss").role is Role.REGULAR
    assert bench.store.principal_of_user("root").is_root
    with pytest.raises(NoSuchEntity):
        bench.store.principal_of_user("x")


def test_children_speak_for_their_parent_within_bounds(bench: Bench) -> None:
    bench.add()
    bench.admin.attach_by_cli("readwrite", "bob")
    narrow, wide = (
        bench.issuer.add_service_account("bob", SOME_POLICY),
        bench.issuer.add_service_account("bob"),
    )
    found = bench.store.principal(narrow.access_key)
    assert found is not None
    assert (found.user, found.kind) == ("bob", CredentialKind.SERVICE_ACCOUNT)
    assert [policy.name for policy in found.policies] == ["readwrite"]
    assert [policy.parsed for policy in found.bounds] == [("session", {"some": "policy"})]
    implied = bench.store.principal(wide.access_key)
    assert implied is not None and implied.bounds == ()


def test_an_expired_key_still_proves_itself_and_is_nobody(bench: Bench) -> None:
    """So that a client learns that it expired, and nobody else does."""
    bench.add()
    issued = bench.issuer.assume_role("bob", 900)
    assert bench.store.principal(issued.access_key) is not None
    bench.clock.advance(899 * 10**9)
    assert bench.store.principal(issued.access_key) is not None
    bench.clock.advance(10**9)
    secret = bench.store.secret(issued.access_key)
    assert secret is not None and secret.secret == issued.secret and secret.expires_s == issued.expires_s
    with pytest.raises(CredentialExpired):
        bench.store.principal(issued.access_key)


def test_a_stored_policy_that_cannot_be_read_lets_nobody_in(bench: Bench) -> None:
    """It might deny."""
    bench.add()
    bench.admin.add_policy("mine", SOME_POLICY)
    bench.admin.attach_by_cli("mine", "bob")
    bench.store.change(lambda registry: registry.with_policy(replace(registry.policy("mine"), document="{")))
    with pytest.raises(BadPolicy):
        bench.store.principal("bob")
    bench.store.change(lambda registry: replace(registry, policies={}))
    with pytest.raises(IdentityUnusable, match="mine"):
        bench.store.principal("bob")


def test_a_sealed_secret_of_another_user_does_not_open(bench: Bench) -> None:
    """Somebody who can write the record cannot lend a user a secret that he knows."""
    bench.add("ann")
    bench.admin.add_user("bob", Role.S3, "Another-Horse-8")
    bench.store.change(
        lambda registry: registry.with_user(replace(registry.user("bob"), sealed=registry.user("ann").sealed))
    )
    assert bench.secret("ann") == PASSWORD
    with pytest.raises(IdentityUnusable):
        bench.store.secret("bob")


def test_a_lost_key_file_is_not_replaced(bench: Bench, tmp_path: Path) -> None:
    bench.add()
    Path(bench.keys.path).unlink()
    with pytest.raises(IdentityUnusable, match="restore"):
        Bench(bench.namespace.store, key_path(tmp_path), bench.clock, SystemRandom())
    assert not Path(bench.keys.path).exists()


def test_a_key_file_is_made_where_nothing_was_sealed(tmp_path: Path) -> None:
    store = MemoryStore()
    Bench(store, str(tmp_path / "one" / "keys")).close()
    bench = Bench(store, str(tmp_path / "two" / "keys"))
    bench.add()
    bench.close()


def test_a_foreign_key_file_opens_nothing_and_loses_nothing(bench: Bench, tmp_path: Path) -> None:
    bench.add()
    other = KeyFile(str(tmp_path / "other" / "keys"), SystemRandom())
    other.create()
    foreign = Bench(bench.namespace.store, other.path, bench.clock, SystemRandom())
    with pytest.raises(IdentityUnusable, match="restore"):
        foreign.store.secret("bob")
    foreign.add("eve")
    assert foreign.secret("eve") == PASSWORD
    foreign.close()
    assert bench.secret("bob") == PASSWORD


def test_a_damaged_child_harms_nobody_else(bench: Bench) -> None:
    bench.add()
    good, bad = bench.issuer.add_service_account("bob"), bench.issuer.add_service_account("bob")
    path = b".weka/identity/service-accounts/" + bad.access_key.encode()
    overwrite(bench, path, b"WKI1 nothing")
    with pytest.raises(IdentityUnusable, match=bad.access_key):
        bench.store.secret(bad.access_key)
    assert bench.secret(good.access_key) == good.secret
    assert bench.issuer.service_accounts("bob") == (good.access_key,)
    bench.issuer.sweep()
    fd = bench.namespace.store.open_file(bench.namespace.store.root(), path, 0)
    assert bench.namespace.store.read(fd, 100, 0) == b"WKI1 nothing"
    bench.namespace.store.close(fd)


def test_leftovers_of_the_dead_are_swept(bench: Bench) -> None:
    store = bench.namespace.store
    for name in (b"", b"sessions/", b"service-accounts/"):
        fd = store.open_file(store.root(), b".weka/identity/" + name + b".new-00", 0o101)
        store.close(fd)
    assert bench.store.sweep() == 3
    assert bench.store.sweep() == 0


def test_regression_a_custom_policy_keeps_a_name_that_is_predefined_later(bench: Bench) -> None:
    """Else who has it attached would have another's rights after an upgrade."""
    bench.add()
    bench.admin.add_policy("ReadOnlyAccess", SOME_POLICY)
    bench.admin.attach_by_cli("ReadOnlyAccess", "bob")
    predefined = {**PREDEFINED, "ReadOnlyAccess": '{"all": 1}'}
    later = IdentityStore.open(bench.namespace, bench.keys, parse, predefined=predefined, root=None)

    def documents() -> list[str]:
        return [policy.document for policy in later.principal_of_user("bob").policies]

    with closing(later):
        assert documents() == [SOME_POLICY]
        assert set(later.predefined) == set(PREDEFINED)
        admin = Administration(later)
        admin.replace_policy("ReadOnlyAccess", '{"new": 1}')
        assert documents() == ['{"new": 1}']
        admin.detach_by_cli("bob")
        admin.remove_policy("ReadOnlyAccess")
        admin.attach_by_cli("ReadOnlyAccess", "bob")
        assert documents() == ['{"all": 1}']
        with pytest.raises(Unmodifiable):
            admin.remove_policy("ReadOnlyAccess")
