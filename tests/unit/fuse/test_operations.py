"""How long the kernel may keep what a reply tells it (docs/SEMANTICS.md, 1), and what is counted for it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import cast

import pyfuse3
import pytest

from weka_mp.clock import SystemClock
from weka_mp.fuse.operations import Operations
from weka_mp.namespace.locks import EntryLocks
from weka_mp.namespace.tree.facade import Tree
from weka_mp.store.posix import PosixStore
from weka_mp.values import Fd

ROOT = cast(pyfuse3.InodeT, pyfuse3.ROOT_INODE)
NOBODY = cast(pyfuse3.RequestContext, None)  # looking needs no caller: the kernel checks permissions


@pytest.fixture
def tree(tmp_path: Path) -> Iterator[Tree]:
    (tmp_path / "store").mkdir()
    (tmp_path / "store/f").touch()
    (tmp_path / "locks").touch()
    store, lock_fd = PosixStore(str(tmp_path / "store")), os.open(tmp_path / "locks", os.O_RDWR)
    made = Tree(store, EntryLocks(store, Fd(lock_fd)), SystemClock())
    yield made
    made.close()
    store.shutdown()
    os.close(lock_fd)


@pytest.mark.parametrize("behind", [False, True])
async def test_nothing_is_cached_while_an_invalidation_is_overdue(tree: Tree, behind: bool) -> None:
    """Whoever asked for it may have given up, and answered: what is told now could not be taken back."""
    operations = Operations(
        tree, 3600.0, on_init=lambda: None, is_behind=lambda: behind, distrust=lambda number, name: None
    )
    seconds = 0.0 if behind else 3600.0
    present = await operations.lookup(ROOT, pyfuse3.FileNameT(b"f"), NOBODY)
    absent = await operations.lookup(ROOT, pyfuse3.FileNameT(b"g"), NOBODY)
    attributes = await operations.getattr(present.st_ino, NOBODY)
    assert (present.entry_timeout, present.attr_timeout) == (seconds, seconds)
    assert (absent.st_ino, absent.entry_timeout) == (0, seconds)
    assert attributes.attr_timeout == seconds


def operations_on(tree: Tree, distrusted: list[tuple[int, bytes]]) -> Operations:
    return Operations(
        tree,
        1.0,
        on_init=lambda: None,
        is_behind=lambda: False,
        distrust=lambda number, name: distrusted.append((number, name)),
    )


async def test_each_entry_of_a_listing_is_a_reference_of_the_kernel(
    tree: Tree, monkeypatch: pytest.MonkeyPatch
) -> None:
    """READDIRPLUS is a lookup of each (linux/Documentation/filesystems/fuse), but of "." and ".."."""
    operations = operations_on(tree, [])
    told: dict[bytes, int] = {}

    def reply(token: object, name: bytes, entry: pyfuse3.EntryAttributes, position: int) -> bool:
        told[name] = entry.st_ino
        return True

    monkeypatch.setattr(pyfuse3, "readdir_reply", reply)
    handle = await operations.opendir(ROOT, NOBODY)
    await operations.readdir(handle, 0, cast(pyfuse3.ReaddirToken, None))
    await operations.releasedir(handle)
    number = told[b"f"]
    assert tree.nodes.get(number).lookups == 1
    assert {tree.nodes.get(told[name]).lookups for name in (b".", b"..") if name in told} <= {0}


@pytest.mark.parametrize("known", [True, False])
async def test_names_of_a_rename_that_the_kernel_has_wrongly_are_taken_back(
    tree: Tree, monkeypatch: pytest.MonkeyPatch, known: bool
) -> None:
    """The kernel moves the entry that it has; where another inode moved, it is to forget both names."""
    distrusted: list[tuple[int, bytes]] = []
    operations = operations_on(tree, distrusted)
    monkeypatch.setattr(tree, "rename", lambda *names, wait: known)
    old, new = pyfuse3.FileNameT(b"f"), pyfuse3.FileNameT(b"g")
    await operations.rename(ROOT, old, ROOT, new, cast(pyfuse3.FlagT, 0), NOBODY)
    assert sorted(distrusted) == ([] if known else [(ROOT, b"f"), (ROOT, b"g")])
