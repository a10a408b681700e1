"""Killed between any two steps: the old state or the new one, and whatever was acknowledged stands.

A process of its own does one thing over a real directory and kills itself before its n-th call that changes
something, of the store or of the key file; n grows until it gets through.
"""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tests.unit.identity.kit import PASSWORD, Bench, key_path
from weka_mp import private_files
from weka_mp.clock import SystemRandom
from weka_mp.identity import KeyRotation
from weka_mp.store.posix import PosixStore

_CHANGING = {"mkdir", "write", "sync_file", "sync_dir", "link", "rename", "unlink", "truncate"}
_OF_THE_KEY_FILE = ("link", "rename", "unlink", "fsync")


class Doomed:
    """A store that dies before the n-th change; the calls of the key file count too."""

    def __init__(self, inner: PosixStore, nth: int) -> None:
        self._inner = inner
        self._left = nth

    def step(self) -> None:
        self._left -= 1
        if self._left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def __getattr__(self, verb: str) -> Any:
        call = getattr(self._inner, verb)
        if verb not in _CHANGING:
            return call

        def doomed(*arguments: Any, **named: Any) -> Any:
            self.step()
            return call(*arguments, **named)

        return doomed

    def watch_key_file(self) -> None:
        class Os:
            """What that module calls `os`."""

            def __getattr__(_, name: str) -> Any:
                if name in _OF_THE_KEY_FILE:
                    self.step()
                return getattr(os, name)

        private_files.os = Os()  # type: ignore[assignment]


def add(bench: Bench) -> None:
    bench.add("new")


def remove(bench: Bench) -> None:
    bench.admin.remove_user("bob")


def password(bench: Bench) -> None:
    bench.admin.set_password("bob", "Another-Horse-8")


def assume(bench: Bench) -> None:
    bench.issuer.assume_role("bob")


def rotate_and_retire(bench: Bench) -> None:
    KeyRotation(bench.store, ()).rotate()
    bench.admin.revoke("bob")
    KeyRotation(bench.store, ()).retire()


def seen(bench: Bench) -> tuple[object, ...]:
    """What S3 would see."""
    registry = bench.store.registry
    children = bench.store.children.files.values()
    return (
        sorted((name, bench.secret(name)) for name in registry.users),
        sorted(len([key for key in files.names() if bench.secret(key)]) for files in children),
    )


@pytest.mark.parametrize("act", [add, remove, password, assume, rotate_and_retire])
def test_old_or_new_after_every_death(tmp_path: Path, act: Callable[[Bench], None]) -> None:
    states = []
    before = _prepare(tmp_path / "prepared")
    for nth in count(1):
        folder = tmp_path / str(nth)
        shutil.copytree(tmp_path / "prepared", folder)
        survived = _die(folder, act, nth)
        with_swept = _look(folder)
        if survived:
            after = with_swept
            break
        states.append(with_swept)
    assert len(states) >= 3  # else nothing was tried
    assert [state for state in states if state not in (before, after)] == []
    assert before != after


def test_the_first_start(tmp_path: Path) -> None:
    """Killed while it makes directories, the record and the key file: the next one starts."""
    for nth in count(1):
        folder = tmp_path / str(nth)
        (folder / "store").mkdir(parents=True)
        survived = _die(folder, add, nth)
        bench = _open(folder)
        assert bench.store.secret("new") is not None or not survived
        bench.admin.add_user("other", bench.store.principal_of_user("root").role, PASSWORD)
        _close(bench)
        if survived:
            break
    assert nth > 10


def _prepare(folder: Path) -> tuple[object, ...]:
    (folder / "store").mkdir(parents=True)
    bench = _open(folder)
    bench.add("bob")
    bench.admin.add_access_key("bob")
    bench.issuer.add_service_account("bob")
    bench.issuer.assume_role("bob")
    found = seen(bench)
    _close(bench)
    return found


def _open(folder: Path, nth: int | None = None) -> Bench:
    store = PosixStore(str(folder / "store"))
    if nth is None:
        return Bench(store, key_path(folder), random=SystemRandom())
    doomed = Doomed(store, nth)
    doomed.watch_key_file()
    return Bench(doomed, key_path(folder), random=SystemRandom())  # type: ignore[arg-type]


def _close(bench: Bench) -> None:
    store = bench.namespace.store
    bench.close()
    assert isinstance(store, PosixStore)
    store.shutdown()


def _die(folder: Path, act: Callable[[Bench], None], nth: int) -> bool:
    """Whether the process got through."""
    child = os.fork()
    if child == 0:
        status = 1
        try:
            act(_open(folder, nth))
            status = 0
        finally:
            os._exit(status)
    status = os.waitpid(child, 0)[1]
    assert status in (0, signal.SIGKILL), status
    return status == 0


def _look(folder: Path) -> tuple[object, ...]:
    """After a restart, which also can go on, and finds nothing of the dead after sweeping."""
    bench = _open(folder)
    found = seen(bench)
    bench.add("later")
    bench.admin.remove_user("later")
    bench.store.sweep()
    bench.issuer.sweep()
    names = [path.name for path in (folder / "store" / ".weka" / "identity").rglob("*") if path.is_file()]
    assert not [name for name in names if name.startswith(".")]
    KeyRotation(bench.store, ()).reseal()
    assert seen(bench) == found
    _close(bench)
    return found
