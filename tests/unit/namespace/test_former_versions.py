"""Former versions as the mount shows them; without a kernel."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable

import pytest

from tests.unit.namespace.kit import BUCKET, get
from tests.unit.namespace.test_mount_versions import ROOT_USER, Mount, mount, namespace
from tests.unit.namespace.test_versions import rows, set_versioning, version_of
from weka_mp.errors import NamespaceError, NoAttribute, NotFound, ReadOnly, ReservedName, Stale
from weka_mp.namespace import Namespace
from weka_mp.namespace.tree.facade import AttrChange
from weka_mp.namespace.tree.former_versions import FORMER_NAME
from weka_mp.namespace.tree.node_numbers import is_virtual
from weka_mp.namespace.tree.nodes import ROOT
from weka_mp.values import BucketName

__all__ = ["mount", "namespace"]

FORMER = FORMER_NAME.decode()


def number_of(mount: Mount, path: str) -> int:
    parent, name = mount.find(path)
    return mount.tree.lookup(parent, name).number


def listed(mount: Mount, path: str) -> list[str]:
    tree = mount.tree
    handle = tree.directories.open(number_of(mount, path))
    try:
        found = list(tree.directories.read(handle, 0))
        tree.directories.sync(handle)
    finally:
        tree.directories.release(handle)
    assert [entry.name for entry in found[:2]] == [b".", b".."]
    for entry in found[2:]:
        seen = tree.lookup(number_of(mount, path), entry.name)
        assert (seen.number, seen.attr.mode) == (entry.number, entry.attr.mode)
    return sorted(entry.name.decode() for entry in found[2:])


def content(mount: Mount, path: str) -> bytes:
    file, _ = mount.tree.files.open(number_of(mount, path), os.O_RDONLY, 0, truncate=False, wait=True)
    try:
        return mount.tree.files.read(file.handle, 100, 0)
    finally:
        mount.tree.files.release(file.handle)


def test_each_version_is_a_file_with_its_id(namespace: Namespace, mount: Mount) -> None:
    one, two = (version_of(namespace, b"d/k", body) for body in (b"one", b"two"))
    version_of(namespace, b"d/k", b"three")
    assert listed(mount, "bucket") == ["d"]
    assert listed(mount, "bucket/d") == ["k"]
    assert listed(mount, f"bucket/{FORMER}") == ["d"]
    assert listed(mount, f"bucket/{FORMER}/d") == listed(mount, f"bucket/d/{FORMER}") == ["k"]
    for below in (f"bucket/{FORMER}/d/k", f"bucket/d/{FORMER}/k"):
        assert listed(mount, below) == sorted([one, two])
        assert [content(mount, f"{below}/{version}") for version in (one, two)] == [b"one", b"two"]
        assert number_of(mount, f"{below}/..") == number_of(mount, below.rpartition("/")[0])
        assert number_of(mount, f"{below}/.") == number_of(mount, below)
    assert number_of(mount, f"bucket/d/{FORMER}/..") == number_of(mount, "bucket/d")


def test_a_marker_is_an_empty_file(namespace: Namespace, mount: Mount) -> None:
    one = version_of(namespace, b"k", b"one")
    marker = namespace.delete_object(BUCKET, b"k").version
    assert marker is not None
    name = f"{marker}.deleted"
    assert listed(mount, f"bucket/{FORMER}/k") == sorted([one, name])
    assert content(mount, f"bucket/{FORMER}/k/{name}") == b""


def test_where_nothing_has_versions_there_is_no_such_name(namespace: Namespace, mount: Mount) -> None:
    namespace.create_bucket(BucketName("plain"))
    version_of(namespace, b"d/k", b"one")
    for path in ("plain", "bucket", "bucket/d"):
        with pytest.raises(NotFound):
            number_of(mount, f"{path}/{FORMER}")
    with pytest.raises(NotFound):
        mount.tree.lookup(ROOT, FORMER_NAME)


def test_a_version_that_a_name_below_stands_in_the_way_of_has_its_own(
    namespace: Namespace, mount: Mount
) -> None:
    set_versioning(namespace, "Suspended")
    version_of(namespace, b"k", b"null")
    set_versioning(namespace, "Enabled")
    version_of(namespace, b"k", b"one")
    mount.unlink("bucket/k")
    for body in (b"below", b"again"):
        version_of(namespace, b"k/null", body)
    at = f"bucket/{FORMER}/k"
    assert stat.S_ISDIR(mount.tree.lookup(number_of(mount, at), b"null").attr.mode)
    (own,) = [name for name in listed(mount, at) if name.endswith("-null")]
    assert content(mount, f"{at}/{own}") == b"null"


CHANGES: dict[str, Callable[[Mount, int, int], object]] = {
    "create": lambda mount, at, file: mount.tree.create(at, b"new", 0o644, os.O_WRONLY, ROOT_USER, wait=True),
    "mkdir": lambda mount, at, file: mount.tree.make_directory(at, b"new", 0o755, ROOT_USER),
    "mknod": lambda mount, at, file: mount.tree.make_node(at, b"new", stat.S_IFREG, 0, ROOT_USER),
    "symlink": lambda mount, at, file: mount.tree.make_symlink(at, b"new", b"target", ROOT_USER),
    "link into it": lambda mount, at, file: mount.tree.link(file, at, b"new", wait=True),
    "chmod": lambda mount, at, file: mount.tree.change(at, AttrChange(mode=0o777)),
    "set an attribute": lambda mount, at, file: mount.tree.xattrs.set(
        at, b"user.own", b"v", (0, 0, ()), wait=True
    ),
    "remove an attribute": lambda mount, at, file: mount.tree.xattrs.remove(at, b"user.own", 0, wait=True),
    "write a version": lambda mount, at, file: mount.tree.files.open(
        file, os.O_WRONLY, 0, truncate=False, wait=True
    ),
    "cut a version off": lambda mount, at, file: mount.tree.files.open(
        file, os.O_WRONLY, 0, truncate=True, wait=True
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_nothing_there_can_be_changed(namespace: Namespace, mount: Mount, change: str) -> None:
    one = version_of(namespace, b"k", b"one")
    version_of(namespace, b"k", b"two")
    at = number_of(mount, f"bucket/{FORMER}/k")
    file = number_of(mount, f"bucket/{FORMER}/k/{one}")
    assert is_virtual(at) and not is_virtual(file)
    with pytest.raises(ReadOnly):
        CHANGES[change](mount, at, file)
    assert listed(mount, f"bucket/{FORMER}/k") == [one]
    assert content(mount, f"bucket/{FORMER}/k/{one}") == b"one"


def test_no_name_leads_in_or_out_by_a_removal_or_a_rename(namespace: Namespace, mount: Mount) -> None:
    one = version_of(namespace, b"k", b"one")
    version_of(namespace, b"k", b"two")
    before = rows(namespace)
    at = f"bucket/{FORMER}/k"
    attempts: list[tuple[type[NamespaceError], Callable[[], object]]] = [
        (ReadOnly, lambda: mount.unlink(f"{at}/{one}")),
        (ReadOnly, lambda: mount.rename(f"{at}/{one}", "bucket/out")),
        (ReadOnly, lambda: mount.rename("bucket/k", f"{at}/in")),
        (ReadOnly, lambda: mount.tree.remove_directory(*mount.find(at), wait=True)),
        (NotFound, lambda: mount.tree.remove_directory(*mount.find(f"bucket/{FORMER}"), wait=True)),
        (ReservedName, lambda: mount.rename("bucket/k", f"bucket/{FORMER}")),
        (
            ReadOnly,
            lambda: mount.tree.link(number_of(mount, f"{at}/{one}"), *mount.find("bucket/l"), wait=True),
        ),
    ]
    for error, attempt in attempts:
        with pytest.raises(error):
            attempt()
    assert rows(namespace) == before


def test_who_may_not_look_into_the_directory_may_not_here(namespace: Namespace, mount: Mount) -> None:
    for _ in range(2):
        version_of(namespace, b"d/e/k", b"body")
    for path, mode in (("bucket", 0o755), ("bucket/d", 0o711), ("bucket/d/e", 0o2770)):
        mount.tree.change(number_of(mount, path), AttrChange(mode=mode, uid=7, gid=8))

    def shown(path: str) -> tuple[str, int, int]:
        attr = mount.tree.attributes(number_of(mount, path)).attr
        return stat.filemode(attr.mode), attr.uid, attr.gid

    assert shown(f"bucket/{FORMER}") == ("dr-xr-xr-x", 7, 8)
    assert shown(f"bucket/{FORMER}/d") == shown(f"bucket/d/{FORMER}") == ("dr-x--x--x", 7, 8)
    assert shown(f"bucket/{FORMER}/d/e") == shown(f"bucket/{FORMER}/d/e/k") == ("dr-xr-x---", 7, 8)
    mount.unlink("bucket/d/e/k")
    mount.tree.remove_directory(*mount.find("bucket/d/e"), wait=True)
    assert shown(f"bucket/{FORMER}/d/e/k") == ("dr-x------", 0, 0)
    with pytest.raises(NoAttribute):
        mount.tree.xattrs.get(number_of(mount, f"bucket/{FORMER}"), b"system.posix_acl_access", 0)
    assert mount.tree.xattrs.list(number_of(mount, f"bucket/{FORMER}"), 0) == []


def test_who_stands_there_when_the_last_version_goes_gets_stale(namespace: Namespace, mount: Mount) -> None:
    one = version_of(namespace, b"k", b"one")
    version_of(namespace, b"k", b"two")
    at = number_of(mount, f"bucket/{FORMER}/k")
    namespace.delete_object(BUCKET, b"k", version=one)
    with pytest.raises(Stale):
        mount.tree.attributes(at)
    with pytest.raises(NotFound):
        number_of(mount, f"bucket/{FORMER}/k")


def test_regression_what_was_seen_as_a_former_version_and_is_current_again_can_be_written(
    namespace: Namespace, mount: Mount
) -> None:
    """By its number, as a server of NFS does without looking the name up."""
    one = version_of(namespace, b"k", b"one")
    two = version_of(namespace, b"k", b"two")
    number = number_of(mount, f"bucket/{FORMER}/k/{one}")
    namespace.delete_object(BUCKET, b"k", version=two)
    assert get(namespace, b"k") == b"one"
    file, _ = mount.tree.files.open(number, os.O_WRONLY, 0, truncate=False, wait=True)
    mount.tree.files.write(file.handle, b"ONE", 0, wait=True)
    mount.tree.files.flush(file.handle)
    mount.tree.files.release(file.handle)
    assert get(namespace, b"k") == b"ONE"
    assert content(mount, f"bucket/{FORMER}/k/{one}") == b"one"


@pytest.mark.parametrize("change", [name for name in CHANGES if "version" in name])
def test_regression_a_version_that_is_a_copy_cannot_be_changed_either(
    namespace: Namespace, mount: Mount, change: str
) -> None:
    """A write in place makes one: who found it on the mount could write into it, and give it more names."""
    one = version_of(namespace, b"k", b"one")
    mount.overwrite("bucket/k", b"two", 0)
    file = number_of(mount, f"bucket/{FORMER}/k/{one}")
    assert file != number_of(mount, "bucket/k")
    attempts: list[Callable[[], object]] = [
        lambda: CHANGES[change](mount, number_of(mount, "bucket"), file),
        lambda: mount.tree.change(file, AttrChange(mode=0o600)),
        lambda: mount.tree.link(file, *mount.find("bucket/second"), wait=True),
    ]
    for attempt in attempts:
        with pytest.raises(ReadOnly):
            attempt()
    assert content(mount, f"bucket/{FORMER}/k/{one}") == b"one"
    mount.unlink("bucket/k")
    (marker, *_) = [version for _, version, kind in rows(namespace) if kind == "D"]
    for version in (marker, rows(namespace)[1][1]):
        namespace.delete_object(BUCKET, b"k", version=version)
    mount.overwrite("bucket/k", b"new", 0)
    assert get(namespace, b"k") == b"new"


def test_regression_the_names_in_a_directory_that_is_gone_are_roots_to_read(
    namespace: Namespace, mount: Mount
) -> None:
    """As one of a key, the directory was shown with the mode of the one above."""
    for _ in range(2):
        version_of(namespace, b"private/name", b"body")
    mount.unlink("bucket/private/name")
    mount.tree.remove_directory(*mount.find("bucket/private"), wait=True)
    mount.tree.change(number_of(mount, "bucket"), AttrChange(mode=0o755))
    shown = mount.tree.attributes(number_of(mount, f"bucket/{FORMER}/private")).attr
    assert stat.filemode(shown.mode) == "d--x--x--x"
    assert listed(mount, f"bucket/{FORMER}/private") == ["name"]
