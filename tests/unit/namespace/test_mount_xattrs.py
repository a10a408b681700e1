"""Which attributes a mount caller may see and set."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from weka_mp.errors import NamespaceError, NoAttribute, NotSupported, PermissionRefused
from weka_mp.namespace.tree.mount_xattrs import check_get, check_remove, check_set, listed, s3_suffix

_RULES: list[
    tuple[bytes, int, type[NamespaceError] | None, type[NamespaceError] | None, type[NamespaceError] | None]
] = [
    # name, uid, reading, setting, removing
    (b"user.mine", 1, None, None, None),
    (b"user.wekax", 1, None, None, None),
    (b"user.weka.object", 0, NoAttribute, PermissionRefused, NoAttribute),
    (b"user.weka.", 0, NoAttribute, PermissionRefused, NoAttribute),
    (b"trusted.a", 0, None, None, None),
    (b"trusted.a", 1, NoAttribute, PermissionRefused, PermissionRefused),
    (b"security.selinux", 0, None, None, None),
    (b"security.selinux", 1, NoAttribute, PermissionRefused, NoAttribute),
    (b"security.capability", 1, None, None, None),
    (b"system.posix_acl_access", 1, None, None, None),
    (b"system.posix_acl_default", 1, None, None, None),
    (b"system.other", 0, NotSupported, NotSupported, NotSupported),
    (b"plain", 0, NotSupported, NotSupported, NotSupported),
]


def _check(
    call: Callable[[bytes, int], None], name: bytes, uid: int, expected: type[NamespaceError] | None
) -> None:
    if expected is None:
        call(name, uid)
        return
    with pytest.raises(expected):
        call(name, uid)


@pytest.mark.parametrize(("name", "uid", "reading", "setting", "removing"), _RULES)
def test_the_rules(
    name: bytes,
    uid: int,
    reading: type[NamespaceError] | None,
    setting: type[NamespaceError] | None,
    removing: type[NamespaceError] | None,
) -> None:
    _check(check_get, name, uid, reading)
    _check(check_set, name, uid, setting)
    _check(check_remove, name, uid, removing)
    assert listed([name], uid) == ([name] if reading is None else [])


def test_s3_metadata_has_rules_of_its_own() -> None:
    assert (s3_suffix(b"user.s3.meta.a"), s3_suffix(b"user.s3"), s3_suffix(b"user.s3x.a")) == (
        b"meta.a",
        None,
        None,
    )
    assert listed([b"user.s3.meta.a"], 0) == []  # stored beside the mount: says nothing
