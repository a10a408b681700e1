"""What is not legal is not made."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from weka_mp.identity.errors import InvalidInput
from weka_mp.identity.model import (
    AccessKey,
    Account,
    Group,
    LockOutRule,
    PosixIdentity,
    Role,
    StoredPolicy,
    User,
)

KEY = AccessKey("AKIA" + "A" * 16, "sealed", True, 1)


@pytest.mark.parametrize(
    "make",
    [
        lambda: PosixIdentity(-1, 0),
        lambda: PosixIdentity(0, 2**32 - 1),
        lambda: PosixIdentity(0, 0, (2**32,)),
        lambda: PosixIdentity(0, 0, tuple(range(257))),
        lambda: Account("a", "", None, 1),
        lambda: Account("a", "x" * 256, None, 1),
        lambda: Account("a", "a\nb", None, 1),
        lambda: Account("a", "a\u2028b", None, 1),
        lambda: Account("a", "a", "no address", 1),
        lambda: Account("a", "a", "a@b\n", 1),
        lambda: Account("a/b", "a", None, 1),
        lambda: AccessKey("bob", "sealed", True, 1),
        lambda: AccessKey("ASIA" + "A" * 16, "sealed", True, 1),
        lambda: User("root", Role.S3, "root", 1, 1, 1),
        lambda: User("Root", Role.S3, "root", 1, 1, 1),
        lambda: User("bob", Role.S3, "root", 0, 1, 1),
        lambda: User("bob", Role.S3, "root", 1, 2**63, 1),
        lambda: User("bob", Role.REGULAR, "root", 1, 1, 1, posix=PosixIdentity(1, 0)),
        lambda: User("bob", Role.S3, "root", 1, 1, 1, policies=("p", "p")),
        lambda: User("bob", Role.S3, "root", 1, 1, 1, policies=tuple(map(str, range(11)))),
        lambda: User("bob", Role.S3, "root", 1, 1, 1, groups=tuple(map(str, range(11)))),
        lambda: User("bob", Role.S3, "root", 1, 1, 1, keys=(KEY, KEY, KEY)),
        lambda: Group("a b", "root", 1, 1),
        lambda: Group("g", "root", 1, 1, ("p", "p")),
        lambda: StoredPolicy("p", "root", "x" * 20_481, 1, 1, 1, 1),
        lambda: StoredPolicy("p", "root", "\udcff", 1, 1, 1, 1),
        lambda: StoredPolicy("p", "root", "{}", 1, 0, 1, 1),
        lambda: StoredPolicy("a/b", "root", "{}", 1, 1, 1, 1),
        lambda: LockOutRule(0, 1),
        lambda: LockOutRule(1, 0),
        lambda: LockOutRule(1, 86_401),
    ],
)
def test_not_legal(make: Callable[[], object]) -> None:
    with pytest.raises(InvalidInput):
        make()


def test_the_limits_themselves_are_legal() -> None:
    PosixIdentity(0, 2**32 - 2, tuple(range(256)))
    StoredPolicy("p" * 128, "root", "ü" * 10_240, 2**63 - 1, 1, 1, 1)
    Account("a", "Ä b", "a@b", 1)
    LockOutRule(1000, 86_400)
    assert LockOutRule() == LockOutRule(5, 120)
    assert User("bob", Role.S3, "root", 1, 1, 1, policies=tuple(map(str, range(10)))).posix == PosixIdentity()
