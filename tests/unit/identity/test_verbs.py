"""How the registry may change: accounts, users, groups, policies."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from weka_mp.identity import accounts, groups, policies, users
from weka_mp.identity.errors import (
    EntityExists,
    IdentityError,
    InUse,
    InvalidInput,
    LimitExceeded,
    NoSuchEntity,
    Unmodifiable,
)
from weka_mp.identity.model import AccessKey, Account, Group, PosixIdentity, Role, StoredPolicy, User
from weka_mp.identity.registry import Registry

PREDEFINED = ("readonly", "readwrite")
KEY = AccessKey("AKIA" + "A" * 16, "sealed", True, 1)
OTHER_KEY = AccessKey("AKIA" + "B" * 16, "sealed", True, 1)


def user(name: str, role: Role = Role.S3, account: str = "root") -> User:
    return User(name, role, account, 1, 1, 1)


def policy(name: str) -> StoredPolicy:
    return StoredPolicy(name, "root", "{}", 1, 1, 1, 1)


def filled() -> Registry:
    registry = accounts.add(Registry(), Account("lab", "Lab", "lab@x", 1))
    registry = users.add(users.add(registry, user("ann")), user("bob", account="lab"))
    registry = groups.add(registry, Group("staff", "root", 1, 1))
    registry = policies.add(registry, policy("mine"), PREDEFINED)
    return users.add_key(registry, "ann", KEY)


def with_mine(registry: Registry) -> Registry:
    return policies.attach_by_cli(registry, "mine", "ann", ())[0]


REFUSED: list[tuple[type[IdentityError], Callable[[Registry], object]]] = [
    (EntityExists, lambda r: accounts.add(r, Account("LAB", "x", None, 1))),
    (EntityExists, lambda r: accounts.add(r, Account("x", "x", "LAB@X", 1))),
    (NoSuchEntity, lambda r: accounts.update(r, "x")),
    (EntityExists, lambda r: accounts.update(r, "root", email="lab@x")),
    (InvalidInput, lambda r: accounts.update(r, "lab", display_name="\n")),
    (InUse, lambda r: accounts.remove(r, "lab")),
    (Unmodifiable, lambda r: accounts.remove(r, "root")),
    (NoSuchEntity, lambda r: accounts.remove(r, "x")),
    (EntityExists, lambda r: users.add(r, user("ANN"))),
    (EntityExists, lambda r: users.add(r, user(KEY.key_id))),
    (NoSuchEntity, lambda r: users.add(r, user("x", account="x"))),
    (NoSuchEntity, lambda r: users.update(r, "x", generation=2)),
    (InvalidInput, lambda r: users.update(r, "ann", generation=2, role=Role.REGULAR, posix=PosixIdentity(1))),
    (NoSuchEntity, lambda r: users.set_secret(r, "x", "s", 2)),
    (NoSuchEntity, lambda r: users.revoke(r, "x", 2)),
    (NoSuchEntity, lambda r: users.remove(r, "x")),
    (InUse, lambda r: users.remove(r, "ann", only_bare=True)),
    (EntityExists, lambda r: users.add_key(r, "bob", KEY)),
    (NoSuchEntity, lambda r: users.add_key(r, "x", OTHER_KEY)),
    (NoSuchEntity, lambda r: users.remove_key(r, "bob", KEY.key_id)),
    (NoSuchEntity, lambda r: users.set_key_active(r, "ann", OTHER_KEY.key_id, False)),
    (EntityExists, lambda r: groups.add(r, Group("Staff", "root", 1, 1))),
    (NoSuchEntity, lambda r: groups.add(r, Group("x", "x", 1, 1))),
    (NoSuchEntity, lambda r: groups.remove(r, "x")),
    (NoSuchEntity, lambda r: groups.join(r, "staff", "bob")),  # of another account
    (NoSuchEntity, lambda r: groups.join(r, "staff", "x")),
    (NoSuchEntity, lambda r: groups.leave(r, "staff", "ann")),
    (InUse, lambda r: groups.remove(groups.join(r, "staff", "ann"), "staff")),
    (InUse, lambda r: groups.remove(policies.attach_to_group(r, "mine", "staff", PREDEFINED), "staff")),
    (EntityExists, lambda r: policies.add(r, policy("MINE"), PREDEFINED)),
    (EntityExists, lambda r: policies.add(r, policy("readonly"), PREDEFINED)),
    (EntityExists, lambda r: policies.add(r, policy("ReadOnly"), PREDEFINED)),
    (NoSuchEntity, lambda r: policies.add(r, replace(policy("x"), account="x"), PREDEFINED)),
    (Unmodifiable, lambda r: policies.remove(r, "readonly", PREDEFINED)),
    (Unmodifiable, lambda r: policies.replace_document(r, "readonly", "{}", 1, PREDEFINED)),
    (NoSuchEntity, lambda r: policies.remove(r, "x", PREDEFINED)),
    (InUse, lambda r: policies.remove(with_mine(r), "mine", PREDEFINED)),
    (InUse, lambda r: policies.remove(policies.attach_to_user(r, "mine", "ann", PREDEFINED), "mine", ())),
    (InUse, lambda r: policies.remove(policies.attach_to_group(r, "mine", "staff", ()), "mine", ())),
    (NoSuchEntity, lambda r: policies.attach_by_cli(r, "x", "ann", PREDEFINED)),
    (NoSuchEntity, lambda r: policies.attach_by_cli(r, "mine", "x", PREDEFINED)),
    (NoSuchEntity, lambda r: policies.attach_to_user(r, "x", "ann", PREDEFINED)),
    (NoSuchEntity, lambda r: policies.attach_to_group(r, "mine", "x", PREDEFINED)),
    (NoSuchEntity, lambda r: policies.detach_by_cli(r, "ann")),
    (NoSuchEntity, lambda r: policies.detach_by_cli(with_mine(r), "ann", "readonly")),
    (NoSuchEntity, lambda r: policies.detach_from_user(r, "mine", "ann")),
    (NoSuchEntity, lambda r: policies.detach_from_group(r, "mine", "staff")),
]  # fmt: skip


@pytest.mark.parametrize(("error", "verb"), REFUSED)
def test_refused(error: type[IdentityError], verb: Callable[[Registry], object]) -> None:
    with pytest.raises(error):
        verb(filled())


def test_how_many_users() -> None:
    registry = Registry(users={f"u{n}": user(f"u{n}") for n in range(1023)})
    registry = users.add(registry, user("last"))
    with pytest.raises(LimitExceeded):
        users.add(registry, user("more"))
    for n in range(128):
        registry = users.add(registry, user(f"admin{n}", Role.REGULAR))
    with pytest.raises(LimitExceeded):
        users.add(registry, user("more", Role.REGULAR))
    with pytest.raises(LimitExceeded):
        users.update(registry, "admin0", generation=2, role=Role.S3)
    assert len(registry.users) == 1152


def test_how_many_of_the_others() -> None:
    registry = Registry(policies={f"p{n}": policy(f"p{n}") for n in range(1023)})
    registry = policies.add(registry, policy("last"), PREDEFINED)
    with pytest.raises(LimitExceeded):
        policies.add(registry, policy("more"), PREDEFINED)
    registry = replace(registry, groups={f"g{n}": Group(f"g{n}", "root", 1, 1) for n in range(300)})
    with pytest.raises(LimitExceeded):
        groups.add(registry, Group("more", "root", 1, 1))
    registry = users.add(registry, user("ann"))
    for n in range(10):
        registry = policies.attach_to_user(groups.join(registry, f"g{n}", "ann"), f"p{n}", "ann", ())
        registry = policies.attach_to_group(registry, f"p{n}", "g0", ())
    for more in (
        lambda: groups.join(registry, "g10", "ann"),
        lambda: policies.attach_to_user(registry, "p10", "ann", ()),
        lambda: policies.attach_to_group(registry, "p10", "g0", ()),
        lambda: users.add_key(
            users.add_key(users.add_key(registry, "ann", KEY), "ann", OTHER_KEY), "ann", replace(KEY)
        ),
        lambda: accounts.add(
            replace(registry, accounts={f"a{n}": Account(f"a{n}", "x", None, 1) for n in range(1024)}),
            Account("more", "x", None, 1),
        ),
    ):
        with pytest.raises(LimitExceeded):
            more()


def test_policies_of_the_command_line_and_of_the_api_unite() -> None:
    registry, former = policies.attach_by_cli(filled(), "mine", "ann", PREDEFINED)
    assert former is None
    registry = policies.attach_to_user(registry, "readonly", "ann", PREDEFINED)
    registry = policies.attach_to_user(registry, "mine", "ann", PREDEFINED)
    registry = policies.attach_to_group(
        groups.join(registry, "staff", "ann"), "readwrite", "staff", PREDEFINED
    )
    assert policies.names_of_user(registry, registry.user("ann")) == ("mine", "readonly", "readwrite")
    registry, former = policies.attach_by_cli(registry, "readwrite", "ann", PREDEFINED)
    assert former == "mine"
    assert policies.names_of_user(registry, registry.user("ann")) == ("readwrite", "readonly", "mine")
    registry, was = policies.detach_by_cli(registry, "ann", "readwrite")
    assert was == "readwrite" and registry.user("ann").cli_policy is None
    assert policies.attached_to(registry, "readwrite") == ("group staff",)
    assert policies.attached_to(registry, "mine") == ("user ann",)


def test_attaching_again_changes_nothing() -> None:
    registry = policies.attach_to_user(filled(), "readonly", "ann", PREDEFINED)
    assert policies.attach_to_user(registry, "readonly", "ann", PREDEFINED) == registry
    registry = groups.join(registry, "staff", "ann")
    assert groups.join(registry, "staff", "ann") == registry
    assert [member.name for member in registry.members("staff")] == ["ann"]
    assert groups.leave(registry, "staff", "ann").members("staff") == ()


def test_a_new_document_is_a_new_version() -> None:
    changed = policies.replace_document(filled(), "mine", '{"new": 1}', 9, PREDEFINED).policy("mine")
    assert (changed.version, changed.document, changed.changed_ns, changed.created_ns) == (
        2,
        '{"new": 1}',
        9,
        1,
    )


def test_another_role_is_another_generation() -> None:
    registry = users.update(filled(), "ann", generation=2, posix=PosixIdentity(7, 8))
    assert registry.user("ann").generation == 1
    changed = users.update(registry, "ann", generation=2, role=Role.ORG_ADMIN).user("ann")
    assert (changed.generation, changed.session, changed.posix) == (2, 2, PosixIdentity())
    assert users.update(registry, "ann", generation=2, role=Role.S3) == registry


def test_what_a_user_has_goes_along() -> None:
    registry = users.remove(filled(), "ann")
    assert "ann" not in registry.users
    assert users.add_key(registry, "bob", KEY).user("bob").keys == (KEY,)
    assert accounts.remove(users.remove(registry, "bob"), "lab").accounts.keys() == {"root"}


def test_keys_are_switched_off_one_by_one() -> None:
    registry = users.set_key_active(users.add_key(filled(), "ann", OTHER_KEY), "ann", KEY.key_id, False)
    assert [key.active for key in registry.user("ann").keys] == [False, True]
    assert users.remove_key(registry, "ann", KEY.key_id).user("ann").keys == (OTHER_KEY,)


def test_accounts_change_what_they_show() -> None:
    registry = accounts.update(filled(), "lab", display_name="The Lab", email="")
    assert registry.account("lab") == Account("lab", "The Lab", None, 1)
