"""What a user may do over S3, and what becomes of it, beside a process of that user which does the same.

Two equal trees: one is worked on through the namespace, the other by a child with that uid, gid and groups.
Both must be allowed the same, and must leave the same owners, groups, modes and ACLs.
"""

from __future__ import annotations

import errno
import os
import random
import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.unit.namespace.test_judged import (
    ANN,
    BOB,
    BUCKET,
    REFUSED,
    acl,
    as_process,
    put,
)
from weka_mp.errors import KeyConflict, NotFound
from weka_mp.namespace import Durability, Namespace
from weka_mp.namespace.objects.copying import CopyRequest
from weka_mp.namespace.objects.renaming import RenameRequest
from weka_mp.store.posix import PosixStore

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as others")

OWNERS = ((0, 0), (1001, 2001), (1002, 2002), (0, 3001), (1002, 3001), (1001, 3002))
DIRECTORY_MODES = (0o755, 0o700, 0o711, 0o770, 0o777, 0o1777, 0o1775, 0o2775, 0o2777, 0o3777, 0o733, 0o2770)
FILE_MODES = (0o644, 0o600, 0o640, 0o666, 0o660, 0o444, 0o000, 0o664)
ACLS = ("system.posix_acl_access", "system.posix_acl_default")
NOBODY = 0xFFFFFFFF


class Tree:
    """A bucket with directories `d0` to `d5`, in each `e` and two files; the same for the same seed."""

    def __init__(self, store: Path, chance: random.Random) -> None:
        self.store, self.top = store, store / BUCKET
        self.top.mkdir(exist_ok=True)
        for name in (f"d{number}" for number in range(6)):
            for directory in (self.top / name, self.top / name / "e"):
                directory.mkdir()
                for file in ("f", "g"):
                    (directory / file).write_bytes(str(directory / file).encode())
                    self._dress(directory / file, chance, chance.choice(FILE_MODES))
                self._dress(directory, chance, chance.choice(DIRECTORY_MODES))
        self.top.chmod(chance.choice((0o777, 0o1777, 0o2777)))

    @staticmethod
    def _dress(path: Path, chance: random.Random, mode: int) -> None:
        os.chown(path, *chance.choice(OWNERS))
        os.chmod(path, mode)
        for name in ACLS:
            if chance.random() > 0.3 or (name == ACLS[1] and not path.is_dir()):
                continue
            os.setxattr(path, name, acl(
                (1, 7 if name == ACLS[1] else chance.randrange(8), NOBODY),
                (2, chance.randrange(8), chance.choice((1001, 1002))),
                (4, chance.randrange(8), NOBODY), (8, chance.randrange(8), chance.choice((2001, 3001, 3002))),
                (16, chance.randrange(8), NOBODY), (32, chance.randrange(8), NOBODY),
            ))  # fmt: skip

    def shown(self) -> dict[str, tuple[object, ...]]:
        found: dict[str, tuple[object, ...]] = {}
        for holder, directories, files in os.walk(self.top):
            for path in (Path(holder) / name for name in (*directories, *files)):
                found[str(path.relative_to(self.top))] = dress_of(path)
        return found


def dress_of(path: Path) -> tuple[object, ...]:
    """Owner, group, mode and ACLs."""
    attr = path.lstat()
    kept = []
    for name in ACLS:
        try:
            kept.append(os.getxattr(path, name, follow_symlinks=False))
        except OSError:
            kept.append(None)
    return attr.st_uid, attr.st_gid, oct(attr.st_mode), *kept


def redress(path: Path, dress: tuple[object, ...]) -> None:
    """The other way round."""
    uid, gid, mode, *kept = dress
    os.chown(path, uid, gid)  # type: ignore[arg-type]
    for name, data in zip(ACLS, kept, strict=True):
        if data is not None:
            os.setxattr(path, name, data)  # type: ignore[arg-type]
        elif name in os.listxattr(path):
            os.removexattr(path, name)
    os.chmod(path, stat.S_IMODE(int(str(mode), 8)))


# ---- the same by a process: each raises PermissionError
def _made(path: str) -> None:
    with _parents_of(path):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644))


@contextmanager
def _parents_of(path: str) -> Iterator[None]:
    """The directories above it, which go again when the block fails."""
    made: list[str] = []
    above = os.path.dirname(path)
    missing = []
    while not _is_there(above):
        missing.append(above)
        above = os.path.dirname(above)
    try:
        for name in reversed(missing):
            os.mkdir(name, 0o755)
            made.append(name)
        yield
    except BaseException:
        for name in reversed(made):
            with suppress(OSError):
                os.rmdir(name)
        raise


def _is_there(path: str) -> bool:
    """Raises PermissionError where that is nobody's to know."""
    try:
        os.lstat(path)
    except FileNotFoundError:
        return False
    return True


def _made_directory(path: str) -> None:
    with _parents_of(path):
        os.mkdir(path, 0o755)


def _replaced(path: str) -> None:
    """Another is renamed over it, by who may write into it."""
    new = path + "~"
    _made(new)
    try:
        os.close(os.open(path, os.O_WRONLY))
        os.rename(new, path)
    except BaseException:
        os.unlink(new)
        raise


def _read(path: str) -> None:
    os.close(os.open(path, os.O_RDONLY))


def _moved(source: str, target: str) -> None:
    _read(source)
    with _parents_of(target):
        os.rename(source, target)


def _moved_directory(source: str, target: str) -> None:
    with _parents_of(target):
        os.rename(source, target)


def _refused(*_: str) -> None:
    """A prefix under which the user sees no key."""
    raise PermissionError


def _copied(source: str, target: str) -> None:
    _read(source)
    (_replaced if os.path.lexists(target) else _made)(target)


@dataclass
class Tried:
    """One operation: over S3, and by a process with paths below the bucket. replaced: a file that goes."""

    kind: str
    by_s3: Callable[[], Any]
    work: Callable[..., None]
    paths: tuple[str, ...]
    replaced: str = ""

    def __str__(self) -> str:
        return f"{self.kind} {self.paths}"

    def by_process(self) -> str:
        try:
            self.work(*(f"{BUCKET}/{path}" for path in self.paths))
        except PermissionError:
            return "refused"
        except FileNotFoundError:
            return "missing"
        except (FileExistsError, IsADirectoryError, NotADirectoryError):
            return "conflict"
        except OSError as error:
            if error.errno != errno.ENOTEMPTY:
                raise
            return "conflict"
        return "done"


def _by_s3(call: Callable[[], Any]) -> str:
    try:
        call()
    except REFUSED:
        return "refused"
    except NotFound:
        return "missing"
    except KeyConflict:
        return "conflict"
    return "done"


class Both:
    """The two trees, and what one user does in both."""

    def __init__(self, folder: Path, seed: int) -> None:
        for name in ("s3", "posix"):
            (folder / name).mkdir(mode=0o755)
        self.namespace = Namespace.open(PosixStore(str(folder / "s3")), durability=Durability.RELAXED)
        self.s3 = Tree(folder / "s3", random.Random(seed))
        self.posix = Tree(folder / "posix", random.Random(seed))
        self.at = os.open(folder / "posix", os.O_RDONLY)
        self.outcomes: set[str] = set()

    def close(self) -> None:
        os.close(self.at)
        self.namespace.close()

    def step(self, chance: random.Random, number: int) -> None:
        who = chance.choice((ANN, BOB))
        tried = self._chosen(chance, self.namespace.judged_as(who, by_default=True), number)
        if tried is None:
            return
        told = f"{tried} as {who}"
        by_s3, by_process = _by_s3(tried.by_s3), as_process(self.at, who, tried.by_process)
        if tried.kind == "move all":  # nothing is told of what may not be seen
            by_s3, by_process = (said.replace("missing", "refused") for said in (by_s3, by_process))
        if tried.kind == "remove":  # what is missing is as good as removed
            by_process = by_process.replace("missing", "done")
        assert by_s3 == by_process, told
        self.outcomes.add(by_s3)
        if tried.replaced and by_s3 == "done":  # S3 keeps what the old one was
            redress(self.posix.top / tried.replaced, dress_of(self.s3.top / tried.replaced))
        here, there = self.s3.shown(), self.posix.shown()
        for path in sorted(there.keys() - here.keys(), reverse=True):
            with suppress(OSError):  # that only keys made, and go with the last
                os.rmdir(self.posix.top / path)
                del there[path]
        assert here == there, (told, set(here.items()) ^ set(there.items()))

    def _chosen(self, chance: random.Random, seen: Namespace, number: int) -> Tried | None:
        places = [f"d{chance.randrange(6)}" + chance.choice(("", "/e")) for _ in range(2)]
        source = f"{places[0]}/{chance.choice('fg')}"
        old = f"{places[1]}/{chance.choice('fg')}"
        new = f"{places[1]}/{chance.choice(('', 'x/', 'x/y/'))}n{number}"
        kind = chance.choice((
            "make", "replace", "read", "move", "move over", "move all", "copy", "copy over", "remove",
            "folder",
        ))
        target = old if kind in ("replace", "move over", "copy over") else new
        if kind == "move all":
            source, target = places[0], f"d{chance.randrange(6)}/m{number}"
        if target.startswith(source):
            return None
        replaced = target if (self.posix.top / target).is_file() else ""
        if kind in ("make", "replace"):
            work = _replaced if replaced else _made
            return Tried(kind, lambda: put(seen, target.encode()), work, (target,), replaced)
        if kind == "folder":
            return Tried(kind, lambda: put(seen, target.encode() + b"/", b""), _made_directory, (target,))
        if kind == "read":
            return Tried(kind, lambda: seen.head_object(BUCKET, source.encode()), _read, (source,))
        if kind == "remove":
            return Tried(kind, lambda: seen.delete_object(BUCKET, source.encode()), os.unlink, (source,))
        if kind.startswith("copy"):
            copy = CopyRequest(BUCKET, source.encode(), BUCKET, target.encode())
            return Tried(kind, lambda: seen.copy_object(copy), _copied, (source, target), replaced)
        end = "/" if kind == "move all" else ""
        request = RenameRequest(BUCKET, f"{source}{end}".encode(), f"{target}{end}".encode(), uid=1)
        work = _moved
        if end:
            shown = seen.list_objects(BUCKET, prefix=request.source, limit=1).items
            work = _moved_directory if shown else _refused
        return Tried(kind, lambda: seen.rename_object(request), work, (source, target))


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    before = os.umask(0o022)
    tmp_path.chmod(0o755)
    yield tmp_path
    os.umask(before)


_LONG = [pytest.param(seed, 120, marks=[pytest.mark.soak]) for seed in range(2, 30)]


@pytest.mark.parametrize(("seed", "steps"), [(0, 50), (1, 50), *_LONG])
def test_whatever_is_done_is_allowed_and_left_as_by_a_process(
    folder: Path, seed: int, steps: int
) -> None:
    both = Both(folder, seed)
    chance = random.Random(seed + 1000)
    try:
        for number in range(steps):
            both.step(chance, number)
    finally:
        both.close()
    assert {"done", "refused"} <= both.outcomes
