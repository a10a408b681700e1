"""Logging in to administration."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.identity.kit import PASSWORD, ROOT, Bench, key_path
from weka_mp.clock import SystemRandom
from weka_mp.identity import AdminLogins, LockOut, LockOutRule, Role, RootKeys
from weka_mp.identity.errors import (
    CredentialExpired,
    InvalidInput,
    LockedOut,
    LoginRefused,
    NoSuchEntity,
    TokenRefused,
)

HERE = "192.0.2.1"
SECOND = 10**9


@pytest.fixture
def logins(bench: Bench) -> AdminLogins[object]:
    bench.add("boss", Role.ORG_ADMIN)
    return AdminLogins(bench.store, LockOut(bench.clock))


@pytest.mark.parametrize("role", list(Role))
def test_every_role_logs_in(bench: Bench, logins: AdminLogins[object], role: Role) -> None:
    bench.admin.add_account("lab")
    bench.admin.add_user("eve", role, PASSWORD, account="lab")
    pair = logins.login("eve", PASSWORD, HERE)
    caller = logins.authenticate(pair.access_token)
    assert (caller.user, caller.account, caller.role) == ("eve", "lab", role)
    assert pair.expires_in == 300


@pytest.mark.parametrize("name", ["root", ROOT.access_key])
def test_root_logs_in_by_either_name(logins: AdminLogins[object], name: str) -> None:
    caller = logins.authenticate(logins.login(name, ROOT.secret, HERE).access_token)
    assert (caller.user, caller.account, caller.role) == ("root", "root", Role.CLUSTER_ADMIN)


@pytest.mark.parametrize(
    ("name", "password"),
    [
        ("boss", ""), ("boss", PASSWORD + "x"), ("boss", PASSWORD.lower()), ("BOSS", PASSWORD),
        ("", PASSWORD), ("nobody", PASSWORD), ("root", PASSWORD), ("boss", "\udcff"), ("none", ""),
        ("none", "None"), ("nobody", "\0" * 16), ("none", "\0" * 16),
    ],
)  # fmt: skip
def test_refused(bench: Bench, logins: AdminLogins[object], name: str, password: str) -> None:
    bench.admin.add_user("none", Role.REGULAR, None)
    with pytest.raises(LoginRefused) as caught:
        logins.login(name, password, HERE)
    assert PASSWORD not in str(caught.value)


def test_failures_lock_out_even_with_the_right_password(bench: Bench, logins: AdminLogins[object]) -> None:
    for _ in range(5):
        with pytest.raises(LoginRefused):
            logins.login("boss", "wrong", HERE)
    with pytest.raises(LockedOut):
        logins.login("boss", PASSWORD, HERE)
    logins.login("boss", PASSWORD, "192.0.2.2")
    bench.clock.advance(120 * SECOND)
    logins.login("boss", PASSWORD, HERE)


def test_a_password_alone_is_checked_and_counted_alike(logins: AdminLogins[object]) -> None:
    logins.check_password("boss", PASSWORD, HERE)
    for _ in range(5):
        with pytest.raises(LoginRefused):
            logins.check_password("boss", "wrong", HERE)
    with pytest.raises(LockedOut):
        logins.check_password("boss", PASSWORD, HERE)


def test_root_has_one_count_for_both_names(logins: AdminLogins[object]) -> None:
    for name in ("root", ROOT.access_key, "root", ROOT.access_key, "root"):
        with pytest.raises(LoginRefused):
            logins.login(name, "wrong", HERE)
    for name in ("root", ROOT.access_key):
        with pytest.raises(LockedOut):
            logins.login(name, ROOT.secret, HERE)


def test_the_rule_is_the_records(bench: Bench, logins: AdminLogins[object]) -> None:
    bench.admin.set_lock_out(LockOutRule(1, 60))
    with pytest.raises(LoginRefused):
        logins.login("boss", "wrong", HERE)
    with pytest.raises(LockedOut):
        logins.login("boss", PASSWORD, HERE)


def test_access_lives_five_minutes_and_is_refreshed_for_a_year(
    bench: Bench, logins: AdminLogins[object]
) -> None:
    pair = logins.login("boss", PASSWORD, HERE)
    bench.clock.advance(299 * SECOND)
    logins.authenticate(pair.access_token)
    bench.clock.advance(SECOND)
    with pytest.raises(CredentialExpired):
        logins.authenticate(pair.access_token)
    assert logins.authenticate(logins.refresh(pair.refresh_token).access_token).user == "boss"
    bench.clock.advance((365 * 86_400 - 301) * SECOND)
    logins.refresh(pair.refresh_token)
    bench.clock.advance(SECOND)
    with pytest.raises(CredentialExpired):
        logins.refresh(pair.refresh_token)


def test_neither_token_passes_as_the_other(logins: AdminLogins[object]) -> None:
    pair = logins.login("boss", PASSWORD, HERE)
    with pytest.raises(TokenRefused):
        logins.authenticate(pair.refresh_token)
    with pytest.raises(TokenRefused):
        logins.refresh(pair.access_token)


def test_a_session_token_of_s3_is_no_admins(bench: Bench, logins: AdminLogins[object]) -> None:
    bench.add("bob")
    token = bench.issuer.assume_role("bob").token or ""
    for verb in (logins.authenticate, logins.refresh):
        with pytest.raises(TokenRefused):
            verb(token)


@pytest.mark.parametrize(
    "end",
    [
        lambda b: b.admin.revoke("boss"),
        lambda b: b.admin.set_password("boss", "Another-Horse-8"),
        lambda b: b.admin.update_user("boss", role=Role.REGULAR),
        lambda b: b.admin.remove_user("boss"),
        lambda b: (b.admin.remove_user("boss"), b.add("boss", Role.ORG_ADMIN)),
    ],
)
def test_what_ends_tokens(bench: Bench, logins: AdminLogins[object], end: Callable[[Bench], object]) -> None:
    pair, long = logins.login("boss", PASSWORD, HERE), logins.generate_token("boss")
    end(bench)
    for token in (pair.access_token, long):
        with pytest.raises(TokenRefused):
            logins.authenticate(token)
    with pytest.raises(TokenRefused):
        logins.refresh(pair.refresh_token)


def test_roots_tokens_end_with_its_keys(bench: Bench, logins: AdminLogins[object], tmp_path: Path) -> None:
    pair = logins.login("root", ROOT.secret, HERE)
    other = Bench(
        bench.namespace.store,
        key_path(tmp_path),
        bench.clock,
        SystemRandom(),
        RootKeys(ROOT.access_key, "new"),
    )
    with pytest.raises(TokenRefused):
        AdminLogins(other.store, LockOut(bench.clock)).authenticate(pair.access_token)
    other.close()
    assert logins.authenticate(pair.access_token).user == "root"
    bench.admin.revoke("root")
    with pytest.raises(TokenRefused):
        logins.authenticate(pair.access_token)


def test_generated_tokens(bench: Bench, logins: AdminLogins[object]) -> None:
    token = logins.generate_token("boss")
    bench.clock.advance((30 * 86_400 - 1) * SECOND)
    assert logins.authenticate(token).user == "boss"
    bench.clock.advance(SECOND)
    with pytest.raises(CredentialExpired):
        logins.authenticate(token)
    for seconds in (0, 365 * 86_400 + 1):
        with pytest.raises(InvalidInput):
            logins.generate_token("boss", seconds)
    with pytest.raises(NoSuchEntity):
        logins.generate_token("nobody")


@pytest.mark.parametrize("name", ["boss", "none", "nobody", "root", "", "x" * 200])
def test_time_does_not_tell_who_is_there(
    bench: Bench, logins: AdminLogins[object], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    """Once, in constant time, whoever it is; time is not measured here, what is compared is."""
    bench.admin.add_user("none", Role.REGULAR, None)
    compared: list[bytes] = []
    real = hmac.compare_digest

    def noted(one: bytes, other: bytes) -> bool:
        compared.append(other)
        return real(one, other)

    monkeypatch.setattr(hmac, "compare_digest", noted)
    with pytest.raises(LoginRefused) as caught:
        logins.login(name, "A-wrong-password-9", HERE)
    assert compared == [b"A-wrong-password-9"]
    assert str(caught.value) == "Wrong user name or password."
