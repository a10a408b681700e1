"""What administrators do, as one step each."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.identity.kit import PASSWORD, PREDEFINED, SOME_POLICY, BadPolicy, Bench, key_path, record_of
from weka_mp.errors import IoFailure
from weka_mp.identity import PosixIdentity, Role
from weka_mp.identity.errors import (
    EntityExists,
    IdentityError,
    InUse,
    InvalidInput,
    LimitExceeded,
    NoSuchEntity,
    Unmodifiable,
)
from weka_mp.store.faulty import Fault, FaultyStore
from weka_mp.store.memory import MemoryStore


def names(bench: Bench, user: str) -> list[str]:
    return [policy.name for policy in bench.store.principal_of_user(user).policies]


def test_the_walk_of_a_user(bench: Bench) -> None:
    bench.admin.add_user("bob", Role.S3, PASSWORD, posix=PosixIdentity(5, 6))
    assert names(bench, "bob") == []  # may do nothing
    bench.admin.add_policy("mine", SOME_POLICY)
    assert bench.admin.attach_by_cli("mine", "bob") is None
    assert bench.admin.attach_by_cli("readonly", "bob") == "mine"
    bench.admin.attach_to_user("mine", "bob")
    bench.admin.add_group("staff")
    bench.admin.join_group("staff", "bob")
    bench.admin.attach_to_group("readwrite", "staff")
    assert names(bench, "bob") == ["readonly", "mine", "readwrite"]
    bench.admin.detach_from_group("readwrite", "staff")
    bench.admin.leave_group("staff", "bob")
    bench.admin.remove_group("staff")
    bench.admin.detach_from_user("mine", "bob")
    assert bench.admin.detach_by_cli("bob") == "readonly"
    assert names(bench, "bob") == []
    bench.admin.remove_policy("mine")
    bench.admin.remove_user("bob", only_bare=True)
    assert bench.store.registry.users == {}


REFUSED: list[tuple[type[Exception], Callable[[Bench], object]]] = [
    (InvalidInput, lambda b: b.admin.add_user("x", Role.S3, "weak")),
    (InvalidInput, lambda b: b.admin.add_user("-x", Role.S3, PASSWORD)),
    (InvalidInput, lambda b: b.admin.add_user("root", Role.S3, PASSWORD)),
    (InvalidInput, lambda b: b.admin.add_user("x", Role.REGULAR, PASSWORD, posix=PosixIdentity(1))),
    (NoSuchEntity, lambda b: b.admin.add_user("x", Role.S3, PASSWORD, account="x")),
    (EntityExists, lambda b: b.admin.add_user("Bob", Role.S3, PASSWORD)),
    (InvalidInput, lambda b: b.admin.set_password("bob", "weak")),
    (NoSuchEntity, lambda b: b.admin.set_password("x", PASSWORD)),
    (Unmodifiable, lambda b: b.admin.set_password("root", PASSWORD)),
    (Unmodifiable, lambda b: b.admin.remove_user("root")),
    (Unmodifiable, lambda b: b.admin.update_user("root", role=Role.S3)),
    (InUse, lambda b: b.admin.remove_user("bob", only_bare=True)),
    (LimitExceeded, lambda b: [b.admin.add_access_key("bob") for _ in range(3)]),
    (NoSuchEntity, lambda b: b.admin.add_access_key("x")),
    (NoSuchEntity, lambda b: b.admin.remove_access_key("bob", "AKIA" + "A" * 16)),
    (BadPolicy, lambda b: b.admin.add_policy("x", "{")),
    (InvalidInput, lambda b: b.admin.add_policy("x", f'"{"x" * 20479}"')),
    (EntityExists, lambda b: b.admin.add_policy("readonly", SOME_POLICY)),
    (BadPolicy, lambda b: b.admin.replace_policy("mine", "{")),
    (InvalidInput, lambda b: b.admin.replace_policy("mine", f'"{"x" * 20479}"')),
    (Unmodifiable, lambda b: b.admin.replace_policy("readonly", SOME_POLICY)),
    (Unmodifiable, lambda b: b.admin.remove_policy("readonly")),
    (InUse, lambda b: b.admin.remove_policy("mine")),
    (InUse, lambda b: b.admin.remove_account("lab")),
]


@pytest.mark.parametrize(("error", "verb"), REFUSED)
def test_what_is_refused_changes_nothing(
    bench: Bench, error: type[Exception], verb: Callable[[Bench], object]
) -> None:
    bench.add()
    bench.admin.add_account("lab")
    bench.admin.add_group("staff", account="lab")
    bench.admin.add_policy("mine", SOME_POLICY)
    bench.admin.attach_by_cli("mine", "bob")
    if error is not LimitExceeded:
        before = record_of(bench)
        with pytest.raises(error):
            verb(bench)
        assert record_of(bench) == before
    else:
        with pytest.raises(error):
            verb(bench)
        assert len(bench.store.registry.user("bob").keys) == 2


def test_a_new_password_is_the_new_secret(bench: Bench) -> None:
    bench.add()
    account = bench.issuer.add_service_account("bob")
    bench.admin.set_password("bob", "Another-Horse-8")
    assert bench.secret("bob") == "Another-Horse-8"
    assert bench.secret(account.access_key) == account.secret


def test_a_changed_policy_is_in_force_at_once(bench: Bench) -> None:
    bench.add()
    bench.admin.add_policy("mine", SOME_POLICY)
    bench.admin.attach_by_cli("mine", "bob")
    assert bench.admin.replace_policy("mine", '{"other": 1}').version == 2
    (policy,) = bench.store.principal_of_user("bob").policies
    assert policy.parsed == ("identity mine", {"other": 1})


def test_predefined_policies_are_the_callers(bench: Bench) -> None:
    bench.add()
    for name, document in PREDEFINED.items():
        bench.admin.attach_by_cli(name, "bob")
        assert bench.store.principal_of_user("bob").policies[0].document == document


def test_accounts(bench: Bench) -> None:
    bench.admin.add_account("lab", email="lab@example.com")
    bench.admin.update_account("lab", display_name="The Lab")
    account = bench.store.registry.account("lab")
    assert (account.display_name, account.email) == ("The Lab", "lab@example.com")
    bench.admin.remove_account("lab")
    assert "lab" not in bench.store.registry.accounts


def test_the_dead_are_dead_although_their_records_cannot_be_removed(tmp_path: Path) -> None:
    faulty = FaultyStore(MemoryStore())
    bench = Bench(faulty, key_path(tmp_path))
    bench.add()
    account = bench.issuer.add_service_account("bob")
    faulty.begin(Fault(IoFailure, 1, "unlink"))
    bench.admin.remove_user("bob")
    assert "unlink" in {call.verb for call in faulty.calls}
    assert bench.store.secret(account.access_key) is None
    bench.add()
    assert bench.store.secret(account.access_key) is None
    assert bench.issuer.sweep() == 1
    bench.close()


def test_every_refusal_is_one_line(bench: Bench) -> None:
    bench.add()
    verbs = (
        bench.add,
        lambda: bench.admin.remove_user("x\n"),
        lambda: bench.admin.attach_by_cli("x\ny", "bob"),
        lambda: bench.admin.add_policy("a\nb", SOME_POLICY),
        lambda: bench.admin.detach_from_user("x\ny", "bob"),
        lambda: bench.admin.detach_by_cli("bob"),
        lambda: bench.admin.detach_by_cli("bob", "x\ny"),
        lambda: bench.admin.leave_group("x\ny", "bob"),
        lambda: bench.admin.remove_access_key("bob", "x\ny"),
        lambda: bench.issuer.remove_service_account("x\ny", "x\ny"),
        lambda: bench.admin.add_account("x\ny"),
    )
    for verb in verbs:
        with pytest.raises(IdentityError) as caught:
            verb()
        assert str(caught.value) and "\n" not in str(caught.value)
