"""Service accounts and temporary credentials."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import jwt
import pytest

from tests.unit.identity.kit import PASSWORD, ROOT, SOME_POLICY, BadPolicy, Bench, key_path, overwrite
from weka_mp.clock import SystemRandom
from weka_mp.identity import CredentialIssuer, CredentialKind, Role, RootKeys, issuing
from weka_mp.identity.child_credentials import ChildKind, ChildSecret, decode, encode, seal_child
from weka_mp.identity.children import policy_digest
from weka_mp.identity.envelope import wrap
from weka_mp.identity.errors import (
    CredentialExpired,
    EntityExists,
    IdentityUnusable,
    InvalidInput,
    LimitExceeded,
    NoSuchEntity,
    NotAllowed,
)
from weka_mp.identity.tokens import TokenKind

NOW_S = 1_700_000_000


def _record(bench: Bench, kind: ChildKind, access_key: str) -> tuple[bytes, bytes]:
    """(path, bytes)."""
    folder = b"sessions/" if kind is ChildKind.TEMPORARY else b"service-accounts/"
    path = b".weka/identity/" + folder + access_key.encode()
    store = bench.namespace.store
    fd = store.open_file(store.root(), path, 0)
    data = store.read(fd, store.attr(fd).size, 0)
    store.close(fd)
    return path, data


def test_temporary_credentials(bench: Bench) -> None:
    bench.add()
    issued = bench.issuer.assume_role("bob", 900, SOME_POLICY)
    assert issued.access_key.startswith("ASIA") and len(issued.access_key) == 20 and len(issued.secret) == 40
    assert issued.expires_s == NOW_S + 900
    secret = bench.store.secret(issued.access_key)
    assert secret is not None
    assert (secret.secret, secret.session_token, secret.expires_s) == (
        issued.secret, issued.token, issued.expires_s
    )  # fmt: skip
    found = bench.store.principal(issued.access_key)
    assert found is not None and (found.kind, found.user) == (CredentialKind.TEMPORARY, "bob")
    assert [policy.document for policy in found.bounds] == [SOME_POLICY]


def test_the_session_token(bench: Bench) -> None:
    """HS512, exp in seconds since the epoch, bound to its key, its parent's generation and its policy."""
    bench.add()
    bob = bench.store.registry.user("bob")
    issued = bench.issuer.assume_role("bob", 900, SOME_POLICY)
    assert issued.token is not None
    assert jwt.get_unverified_header(issued.token) == {
        "alg": "HS512", "typ": "weka-sts+jwt", "kid": bench.keys.ring().current
    }  # fmt: skip
    assert bench.store.tokens.verify(TokenKind.TEMPORARY, issued.token).claims == {
        "accessKey": issued.access_key, "sub": "bob", "gen": bob.generation, "ses": bob.session,
        "policySha256": policy_digest(SOME_POLICY), "aud": f"weka_mp:{bench.store.store_id}:s3",
        "iat": NOW_S, "exp": NOW_S + 900,
    }  # fmt: skip
    assert len(issued.token) < 700  # it stands in the URL of a pre-signed request


@pytest.mark.parametrize("seconds", [0, 899, 604_801, -1, 604_800_000_000_000])
def test_how_long_they_live(bench: Bench, seconds: int) -> None:
    bench.add()
    with pytest.raises(InvalidInput):
        bench.issuer.assume_role("bob", seconds)


def test_a_longer_life_can_be_allowed(bench: Bench) -> None:
    bench.add()
    year = 365 * 86_400
    assert bench.issuer.assume_role("bob", 604_800).expires_s == NOW_S + 604_800
    assert CredentialIssuer(bench.store, max_seconds=year).assume_role("bob", year).expires_s == NOW_S + year
    assert bench.issuer.assume_role("bob").expires_s == NOW_S + 3600
    for wrong in (899, year + 1):
        with pytest.raises(InvalidInput):
            CredentialIssuer(bench.store, max_seconds=wrong)


def test_who_may_have_some(bench: Bench) -> None:
    bench.add()
    bench.add("boss", Role.CLUSTER_ADMIN)
    boss = bench.admin.add_access_key("boss").access_key
    key = bench.admin.add_access_key("bob").access_key
    account = bench.issuer.add_service_account(key).access_key
    temporary = bench.issuer.assume_role(key).access_key
    for who in ("nobody", "boss", boss, account, temporary):
        with pytest.raises(NotAllowed):
            bench.issuer.assume_role(who)
        with pytest.raises(NotAllowed):
            bench.issuer.add_service_account(who)
    with pytest.raises(NotAllowed):
        bench.issuer.add_service_account(ROOT.access_key)


def test_policies_are_checked_before_anything_is_made(bench: Bench) -> None:
    bench.add()
    for issue in (
        lambda policy: bench.issuer.assume_role("bob", 900, policy),
        lambda policy: bench.issuer.add_service_account("bob", policy),
    ):
        with pytest.raises(BadPolicy):
            issue("{")
        with pytest.raises(InvalidInput):
            issue(json.dumps("x" * 20_479))
    assert bench.issuer.service_accounts("bob") == ()


ENDS: list[tuple[str, Callable[[Bench], object], bool]] = [
    ("removed", lambda b: b.admin.remove_user("bob"), True),
    ("made again", lambda b: (b.admin.remove_user("bob"), b.add()), True),
    ("another role", lambda b: b.admin.update_user("bob", role=Role.REGULAR), True),
    ("there and back", lambda b: [b.admin.update_user("bob", role=r) for r in (Role.REGULAR, Role.S3)], True),
    ("revoked", lambda b: b.admin.revoke("bob"), False),
    ("password", lambda b: b.admin.set_password("bob", "Another-Horse-8"), False),
]


@pytest.mark.parametrize(("name", "end", "accounts_too"), ENDS)
def test_what_ends_what_a_user_gave_out(
    bench: Bench, tmp_path: Path, name: str, end: Callable[[Bench], object], accounts_too: bool
) -> None:
    """In this process and in another one that used them a moment ago; for good."""
    bench.add()
    bench.add("ann")
    other = Bench(bench.namespace.store, key_path(tmp_path), bench.clock, SystemRandom())
    temporary, account = bench.issuer.assume_role("bob"), bench.issuer.add_service_account("bob")
    anns = bench.issuer.assume_role("ann")
    for either in (bench, other):
        assert either.secret(temporary.access_key) == temporary.secret
        assert either.secret(account.access_key) == account.secret
    copies = [_record(bench, ChildKind.TEMPORARY, temporary.access_key)]
    copies.append(_record(bench, ChildKind.SERVICE_ACCOUNT, account.access_key))
    end(bench)
    for either in (bench, other):
        assert either.store.secret(temporary.access_key) is None
        assert either.store.principal(temporary.access_key) is None
        assert (either.store.secret(account.access_key) is None) is accounts_too
        assert either.secret(anns.access_key) == anns.secret
    for path, data in copies:  # nor does a backup of its record bring it back
        _put(bench, path, data)
    for either in (bench, other):
        assert either.store.secret(temporary.access_key) is None
        assert (either.store.secret(account.access_key) is None) is accounts_too
    other.close()


def _put(bench: Bench, path: bytes, data: bytes) -> None:
    store = bench.namespace.store
    store.close(store.open_file(store.root(), path, 0o101))
    overwrite(bench, path, data)


def test_a_removed_service_account_is_dead_in_every_process(bench: Bench, tmp_path: Path) -> None:
    bench.add()
    other = Bench(bench.namespace.store, key_path(tmp_path), bench.clock, SystemRandom())
    account = bench.issuer.add_service_account("bob")
    assert other.secret(account.access_key) == account.secret
    bench.issuer.remove_service_account("bob", account.access_key)
    assert (
        other.store.secret(account.access_key) is None and other.store.principal(account.access_key) is None
    )
    other.close()


def test_service_accounts_are_their_users_alone(bench: Bench) -> None:
    bench.add("ann")
    bench.add("bob")
    account = bench.issuer.add_service_account("bob", SOME_POLICY)
    implied = bench.issuer.add_service_account("bob")
    assert set(bench.issuer.service_accounts("bob")) == {account.access_key, implied.access_key}
    assert bench.issuer.service_accounts("ann") == ()
    shown = bench.issuer.service_account("bob", account.access_key)
    assert (shown.parent, shown.implied_policy, shown.policy) == ("bob", False, SOME_POLICY)
    assert bench.issuer.service_account("bob", implied.access_key).implied_policy
    for verb in (bench.issuer.service_account, bench.issuer.remove_service_account):
        for user, key in (("ann", account.access_key), ("bob", "AKIA" + "A" * 16), ("bob", "x")):
            with pytest.raises(NoSuchEntity):
                verb(user, key)
    assert bench.secret(account.access_key) == account.secret


def test_how_many_there_may_be(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    assert (issuing.MAX_SERVICE_ACCOUNTS_OF_USER, issuing.MAX_SERVICE_ACCOUNTS, issuing.MAX_TEMPORARY) == (
        100, 5000, 5000
    )  # fmt: skip
    monkeypatch.setattr(issuing, "MAX_SERVICE_ACCOUNTS_OF_USER", 3)
    monkeypatch.setattr(issuing, "MAX_SERVICE_ACCOUNTS", 5)
    monkeypatch.setattr(issuing, "MAX_TEMPORARY", 4)
    bench.add("ann")
    bench.add("bob")
    first, *_ = [bench.issuer.add_service_account("ann") for _ in range(3)]
    with pytest.raises(LimitExceeded):
        bench.issuer.add_service_account("ann")
    for _ in range(2):
        bench.issuer.add_service_account("bob")
    with pytest.raises(LimitExceeded):
        bench.issuer.add_service_account("bob")
    bench.issuer.remove_service_account("ann", first.access_key)
    bench.issuer.add_service_account("bob")
    for _ in range(4):
        bench.issuer.assume_role("ann", 900)
    with pytest.raises(LimitExceeded):
        bench.issuer.assume_role("bob", 900)
    bench.clock.advance(900 * 10**9)  # those have expired, and no longer count
    bench.issuer.assume_role("bob", 900)
    bench.admin.remove_user("ann")  # nor do those of a user who is gone
    bench.add("eve")
    for _ in range(2):
        bench.issuer.add_service_account("eve")
    with pytest.raises(LimitExceeded):
        bench.issuer.add_service_account("eve")


def test_a_damaged_record_counts(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(issuing, "MAX_TEMPORARY", 1)
    bench.add()
    issued = bench.issuer.assume_role("bob")
    path, data = _record(bench, ChildKind.TEMPORARY, issued.access_key)
    overwrite(bench, path, data[:-1])
    other = Bench(bench.namespace.store, key_path(tmp_path), bench.clock, SystemRandom())
    with pytest.raises(LimitExceeded):
        other.issuer.assume_role("bob")
    other.close()
    assert _record(bench, ChildKind.TEMPORARY, issued.access_key)[1] == data[:-1]


def test_the_dead_are_swept(bench: Bench) -> None:
    bench.add()
    issued = bench.issuer.assume_role("bob", 900)
    bench.clock.advance(900 * 10**9)
    assert bench.issuer.sweep() == 0
    with pytest.raises(CredentialExpired):  # so long a client is told
        bench.store.principal(issued.access_key)
    bench.clock.advance(3600 * 10**9)
    assert bench.issuer.sweep() == 1
    assert bench.store.secret(issued.access_key) is None


def test_roots_end_with_its_keys_or_when_revoked(bench: Bench, tmp_path: Path) -> None:
    issued = bench.issuer.assume_role(ROOT.access_key, 900, SOME_POLICY)
    found = bench.store.principal(issued.access_key)
    assert found is not None and (found.user, found.role) == ("root", Role.CLUSTER_ADMIN)
    assert found.is_root and len(found.bounds) == 1 and found.kind is CredentialKind.TEMPORARY

    def seen_with(root: RootKeys | None) -> str | None:
        other = Bench(bench.namespace.store, key_path(tmp_path), bench.clock, SystemRandom(), root)
        try:
            return other.secret(issued.access_key)
        finally:
            other.close()

    assert seen_with(ROOT) == issued.secret
    assert seen_with(RootKeys(ROOT.access_key, "another-secret")) is None
    assert seen_with(RootKeys("ANOTHERKEY", ROOT.secret)) is None
    assert seen_with(None) is None
    bench.admin.revoke("root")
    assert bench.store.secret(issued.access_key) is None


def test_every_word_of_a_record_is_sealed_in(bench: Bench) -> None:
    """Whoever can write the store cannot widen a key, lend it to another or prolong it."""
    bench.add("ann")
    bench.add("bob")
    issued = bench.issuer.assume_role("bob", 900, SOME_POLICY)
    path, data = _record(bench, ChildKind.TEMPORARY, issued.access_key)
    ann = bench.store.registry.user("ann")
    for change in (
        {"policy": None}, {"policy": "{}"}, {"expires_s": NOW_S + 9000}, {"created_ns": 1},
        {"parent": "ann", "generation": ann.generation, "session": ann.session},
    ):  # fmt: skip
        content = {**json.loads(data.split(b"\n")[1]), **change}
        overwrite(bench, path, wrap(content))
        fresh = Bench(bench.namespace.store, bench.keys.path, bench.clock, SystemRandom())
        with pytest.raises(IdentityUnusable):
            fresh.store.secret(issued.access_key)
        fresh.close()


def test_a_token_belongs_to_its_record_alone(bench: Bench) -> None:
    """Even where somebody who has the keys sealed another one in."""
    bench.add()
    one, other = bench.issuer.assume_role("bob", 900), bench.issuer.assume_role("bob", 901)
    token = bench.store.tokens.issue(
        TokenKind.TEMPORARY,
        bench.store.tokens.verify(TokenKind.TEMPORARY, one.token or "").claims,
        (one.expires_s or 0) + 1,
    )
    files = bench.store.children.files[ChildKind.TEMPORARY]
    child = files.read(one.access_key)
    assert child is not None
    for wrong in (other.token, token, None, "a.b.c", f"{one.token}x"):
        with bench.store.exclusive():
            files.rewrite(seal_child(child, ChildSecret(one.secret, wrong), bench.keys, bench.store.random))
        with pytest.raises(IdentityUnusable):
            bench.store.secret(one.access_key)


def test_a_record_under_another_name_is_nobodys(bench: Bench) -> None:
    bench.add()
    issued = bench.issuer.assume_role("bob")
    _, data = _record(bench, ChildKind.TEMPORARY, issued.access_key)
    other = "ASIA" + "A" * 16
    _put(bench, b".weka/identity/sessions/" + other.encode(), data)
    with pytest.raises(IdentityUnusable, match="another key"):
        bench.store.secret(other)
    assert encode(decode(issued.access_key, data)) == data


@pytest.mark.parametrize(
    "change",
    [{"kind": "AKIA"}, {"session": None}, {"expires_s": None}, {"expires_s": True}, {"parent": 1},
     {"version": 2}, {"more": 1}, {"policy": "x" * 20_481}],
)  # fmt: skip
def test_records_that_cannot_be(bench: Bench, change: dict[str, object]) -> None:
    bench.add()
    issued = bench.issuer.assume_role("bob")
    _, data = _record(bench, ChildKind.TEMPORARY, issued.access_key)
    with pytest.raises(IdentityUnusable):
        decode(issued.access_key, wrap({**json.loads(data.split(b"\n")[1]), **change}))


def test_a_user_may_not_take_the_name_of_a_key(bench: Bench) -> None:
    bench.add()
    taken = [
        ROOT.access_key, bench.issuer.assume_role("bob").access_key,
        bench.issuer.add_service_account("bob").access_key, bench.admin.add_access_key("bob").access_key,
    ]  # fmt: skip
    for name in taken:
        with pytest.raises(EntityExists):
            bench.admin.add_user(name, Role.S3, PASSWORD)
    bench.admin.add_user("AKIAIOSFODNN7EXAMPLE", Role.S3, PASSWORD)
    assert bench.secret("AKIAIOSFODNN7EXAMPLE") == PASSWORD
