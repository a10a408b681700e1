"""Users whom modes and ACLs bind: judged as the kernel judges their processes, and nothing left over."""

from __future__ import annotations

import ctypes
import hashlib
import os
import pickle
import random
import stat
import struct
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from weka_mp.errors import (
    AccessDenied,
    NamespaceError,
    NameTooLong,
    NotFound,
    NotSupported,
    PermissionRefused,
)
from weka_mp.namespace import BucketSettings, Durability, Namespace
from weka_mp.namespace.objects import publishing
from weka_mp.namespace.objects.copying import CopyRequest
from weka_mp.namespace.objects.renaming import RenameRequest
from weka_mp.namespace.uploads.listing import UploadsQuery
from weka_mp.namespace.uploads.multipart import CompletionRequest
from weka_mp.namespace.values import (
    CommonPrefix,
    CompletedPart,
    NewMetadata,
    NewObject,
    NewUpload,
    ObjectSummary,
    VersionRow,
    WriteConditions,
)
from weka_mp.store import syscalls, thread_identity
from weka_mp.store.crashpoints import CrashPoint
from weka_mp.store.interface import FsIdentity
from weka_mp.store.judged import JudgedStore, judged
from weka_mp.store.memory import MemoryStore
from weka_mp.store.posix import PosixStore
from weka_mp.values import BucketName

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as others")

ANN = FsIdentity(1001, 2001, (3001,))
BOB = FsIdentity(1002, 2002, (3002,))
BUCKET = BucketName("bucket")
REFUSED = (AccessDenied, PermissionRefused)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    made = tmp_path / "store"
    made.mkdir()
    made.chmod(0o755)
    return made


@pytest.fixture
def namespace(root: Path) -> Iterator[Namespace]:
    with Namespace.open(PosixStore(str(root)), durability=Durability.RELAXED) as opened:
        opened.create_bucket(BUCKET)
        (root / BUCKET).chmod(0o777)
        yield opened
    assert syscalls.fs_identity() == (0, 0)


@pytest.fixture
def ann(namespace: Namespace) -> Namespace:
    return namespace.judged_as(ANN, by_default=True)


@pytest.fixture
def bob(namespace: Namespace) -> Namespace:
    return namespace.judged_as(BOB, by_default=True)


def put(
    namespace: Namespace, key: bytes, body: bytes = b"x", conditions: WriteConditions | None = None,
    **new: Any,
) -> Any:
    with namespace.begin_put(BUCKET, key) as session:
        session.write(body)
        made = NewObject(md5=hashlib.md5(body).digest(), owner="root", **new)
        return session.publish(made, *([conditions] if conditions else []))


def read(namespace: Namespace, key: bytes) -> bytes:
    with namespace.open_object(BUCKET, key) as found:
        return namespace.store.read(found.fd, found.size, 0)


def keys(namespace: Namespace, **asked: Any) -> list[bytes]:
    found: list[bytes] = []
    after = b""
    while True:
        page = namespace.list_objects(BUCKET, after=after, **asked)
        found += [item.prefix if isinstance(item, CommonPrefix) else item.key for item in page.items]
        if page.next_after is None:
            return found
        after = page.next_after


def own(root: Path, path: str, uid: int, gid: int, mode: int) -> None:
    os.chown(root / BUCKET / path, uid, gid)
    os.chmod(root / BUCKET / path, mode)


# ---- threads
def in_a_child(work: Callable[[], Any]) -> Any:
    """What `work` gives in a process of its own; its status where it ended otherwise."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.write(writing, pickle.dumps(work()))
        finally:
            os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        data = pipe.read()
    _, status = os.waitpid(pid, 0)
    return pickle.loads(data) if data else status


def acting_as_ann() -> Any:
    return thread_identity.somebody_else(ANN.uid, ANN.gid, ANN.groups, os.getgroups())


@pytest.mark.parametrize("ending", [ValueError, KeyboardInterrupt, SystemExit, GeneratorExit])
def test_whatever_ends_the_block_the_thread_is_the_service_again(ending: type[BaseException]) -> None:
    before = os.getgroups()
    with pytest.raises(ending), acting_as_ann():
        assert syscalls.fs_identity() == (ANN.uid, ANN.gid)
        assert os.getgroups() == list(ANN.groups)
        raise ending
    assert (syscalls.fs_identity(), os.getgroups()) == ((0, 0), before)


def test_other_threads_stay_the_service(root: Path) -> None:
    (root / "secret").write_bytes(b"of root")
    (root / "secret").chmod(0o600)
    seen: list[object] = []
    inside, done = threading.Event(), threading.Event()

    def elsewhere() -> None:
        inside.wait(10)
        seen.extend((syscalls.fs_identity(), (root / "secret").read_bytes(), os.geteuid()))
        done.set()

    thread = threading.Thread(target=elsewhere)
    thread.start()
    with acting_as_ann():
        inside.set()
        assert done.wait(10)
        with pytest.raises(PermissionError):
            (root / "secret").read_bytes()
    thread.join()
    assert seen == [(0, 0), b"of root", 0]


def test_what_cannot_be_put_on_whole_is_taken_off(monkeypatch: pytest.MonkeyPatch) -> None:
    real = syscalls.set_fs_identity

    def half(uid: int, gid: int, groups: Any) -> None:
        real(uid, gid, groups)
        if uid:
            raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(syscalls, "set_fs_identity", half)
    with pytest.raises(PermissionRefused), acting_as_ann():
        pytest.fail("the block was entered")
    assert syscalls.fs_identity() == (0, 0)


def test_a_thread_that_cannot_lay_it_down_ends_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    real = syscalls.set_fs_identity

    def stuck(uid: int, gid: int, groups: Any) -> None:
        if uid == 0:
            raise OSError(1, "Operation not permitted")
        real(uid, gid, groups)

    monkeypatch.setattr(syscalls, "set_fs_identity", stuck)

    def work() -> str:
        with acting_as_ann():
            pass
        return "went on"

    status = in_a_child(work)
    assert isinstance(status, int) and os.WIFSIGNALED(status) and os.WTERMSIG(status) == 6


def test_where_it_is_impossible_a_reason_is_given(namespace: Namespace) -> None:
    private = namespace.context.control
    assert namespace.judging_refusal() is None

    def unprivileged() -> str | None:
        os.setresuid(1001, 1001, 1001)
        return thread_identity.refusal(private)

    def with_capabilities_kept() -> str | None:
        libc = ctypes.CDLL(None, use_errno=True)
        assert libc.prctl(28, 4, 0, 0, 0) == 0  # PR_SET_SECUREBITS, SECBIT_NO_SETUID_FIXUP
        return thread_identity.refusal(private)

    assert "does not run as root" in in_a_child(unprivileged)
    assert "keeps the capabilities" in in_a_child(with_capabilities_kept)
    with pytest.raises(NotSupported):
        judged(MemoryStore(), ANN, frozenset())
    with pytest.raises(ValueError, match="root"):
        namespace.judged_as(FsIdentity(0, 0), by_default=True)


def test_an_unprivileged_service_refuses_instead_of_ending(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / "bucket").mkdir()
    monkeypatch.setattr(os, "geteuid", lambda: 1001)
    store = PosixStore(str(root))
    with pytest.raises(AccessDenied, match="cannot act"):
        judged(store, ANN, frozenset()).open_dir(store.root(), b"bucket")
    store.shutdown()


# ---- the same as the kernel says to a process of that user
def acl(*entries: tuple[int, int, int]) -> bytes:
    """(tag, permissions, id): posix_acl_xattr.h of Linux."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


def _grant(path: str, uid: int, bits: int) -> None:
    mode = stat.S_IMODE(os.stat(path).st_mode)
    none = 0xFFFFFFFF
    owner, group, others = (1, mode >> 6 & 7, none), (4, mode >> 3 & 7, none), (32, mode & 7, none)
    data = acl(owner, (2, bits, uid), group, (16, 7, none), others)
    os.setxattr(path, "system.posix_acl_access", data)


DIRECTORY_MODES = (0o755, 0o700, 0o711, 0o744, 0o770, 0o777, 0o1777, 0o733, 0o750, 0o775)
FILE_MODES = (0o644, 0o600, 0o640, 0o666, 0o604, 0o660, 0o444, 0o000)
OWNERS = ((0, 0), (1001, 2001), (1002, 2002), (0, 3001), (1002, 3001))


def grow(top: str, chance: random.Random) -> list[bytes]:
    """A tree in the bucket; the keys of its files."""
    found = []

    def directory(path: str, depth: int) -> None:
        for number in range(chance.randrange(1, 4)):
            file = f"{path}/f{number}"
            with open(file, "wb") as made:
                made.write(b"of " + file.encode())
            found.append(os.path.relpath(file, top).encode())
            dress(file, chance.choice(FILE_MODES))
        for number in range(chance.randrange(0, 4) if depth else 0):
            below = f"{path}/d{number}"
            os.mkdir(below)
            directory(below, depth - 1)
            dress(below, chance.choice(DIRECTORY_MODES))

    def dress(path: str, mode: int) -> None:
        os.chown(path, *chance.choice(OWNERS))
        os.chmod(path, mode)
        if chance.random() < 0.2:
            _grant(path, chance.choice((1001, 1002)), chance.randrange(8))

    directory(top, 3)
    return found


def as_process(root: int, who: FsIdentity, work: Callable[[], Any]) -> Any:
    def begin() -> Any:
        os.fchdir(root)
        os.setgroups(who.groups)
        os.setresgid(who.gid, who.gid, who.gid)
        os.setresuid(who.uid, who.uid, who.uid)
        return work()

    return in_a_child(begin)


def _attempt(call: Callable[[], Any]) -> bool:
    try:
        call()
    except PermissionError:
        return False
    return True


def _readable(key: bytes) -> bool:
    return _attempt(lambda: os.close(os.open(b"bucket/" + key, os.O_RDONLY)))


def _visible(top: bytes) -> list[bytes]:
    """What can be found by looking through readable and searchable directories, and read."""
    found = []
    for entry in os.listdir(b"bucket/" + top if top else b"bucket"):
        key = top + entry
        if os.path.isdir(b"bucket/" + key):
            if os.access(b"bucket/" + key, os.R_OK | os.X_OK):
                found += _visible(key + b"/")
        elif _readable(key):
            found.append(key)
    return found


@pytest.mark.parametrize("seed", range(10))
def test_judged_as_the_kernel_judges_a_process(root: Path, namespace: Namespace, seed: int) -> None:
    chance = random.Random(seed)
    files = grow(str(root / BUCKET), chance)
    fd = os.open(root, os.O_RDONLY)
    for who in (ANN, BOB):
        seen = namespace.judged_as(who, by_default=True)
        expected = as_process(fd, who, lambda: [_readable(key) for key in files])
        for key, readable in zip(files, expected, strict=True):
            if readable:
                assert read(seen, key) == (root / BUCKET / os.fsdecode(key)).read_bytes()
            else:
                with pytest.raises(AccessDenied):
                    seen.head_object(BUCKET, key)
        visible = sorted(as_process(fd, who, lambda: _visible(b"")))
        assert keys(seen) == visible
        assert keys(seen, limit=1) == visible
        tops = {key.partition(b"/")[0] + b"/" * (b"/" in key) for key in visible}
        assert keys(seen, delimiter=b"/") == sorted(tops)
        assert keys(seen, delimiter=b"f") == sorted({key[: key.index(b"f") + 1] for key in visible})
    os.close(fd)


def _writes(key: bytes) -> tuple[bool, bool]:
    """Whether a neighbour can be made; whether the file can be written into and another renamed over it."""
    new = b"bucket/" + key + b"-made"
    made = _attempt(lambda: os.close(os.open(new, os.O_CREAT | os.O_EXCL | os.O_WRONLY)))
    if not made:
        return False, False
    over = _attempt(lambda: os.close(os.open(b"bucket/" + key, os.O_WRONLY)))
    over = over and _attempt(lambda: os.rename(new, b"bucket/" + key))
    if not over:
        os.unlink(new)
    return True, over


@pytest.mark.parametrize("seed", range(100, 108))
def test_writes_are_judged_as_the_kernel_judges_a_process(
    root: Path, namespace: Namespace, seed: int
) -> None:
    """Each is tried over S3 on one of two equal trees, by a process on the other."""
    files = grow(str(root / BUCKET), random.Random(seed))
    other = root / "other"
    (other / BUCKET).mkdir(parents=True)
    other.chmod(0o755)
    (other / BUCKET).chmod(0o777)
    assert grow(str(other / BUCKET), random.Random(seed)) == files
    fd = os.open(other, os.O_RDONLY)
    seen = namespace.judged_as(ANN, by_default=True)
    for key in files:
        before = os.stat(root / BUCKET / os.fsdecode(key))
        made, over = as_process(fd, ANN, lambda key=key: _writes(key))
        assert _allowed(lambda key=key: put(seen, key + b"-made")) == made, key
        assert _allowed(lambda key=key: put(seen, key, b"mine")) == over, key
        after = os.stat(root / BUCKET / os.fsdecode(key))
        assert (after.st_uid, after.st_gid, after.st_mode) == (before.st_uid, before.st_gid, before.st_mode)
        if made:
            mine = os.stat(root / BUCKET / os.fsdecode(key + b"-made"))
            assert (mine.st_uid, mine.st_gid) == (ANN.uid, ANN.gid)
            seen.delete_object(BUCKET, key + b"-made")
        gone = as_process(fd, ANN, lambda key=key: _attempt(lambda: os.unlink(b"bucket/" + key)))
        assert _allowed(lambda key=key: seen.delete_object(BUCKET, key)) == gone, key
        assert (root / BUCKET / os.fsdecode(key)).exists() != gone
    os.close(fd)
    assert not list((root / ".weka" / "spool").iterdir())


def _allowed(call: Callable[[], Any]) -> bool:
    try:
        call()
    except REFUSED:
        return False
    return True


# ---- what follows
def test_nothing_is_told_of_what_lies_behind_an_unsearchable_directory(
    root: Path, namespace: Namespace, ann: Namespace
) -> None:
    put(namespace, b"d/there")
    own(root, "d", 0, 0, 0o744)  # its names may be read, and nothing of them known
    answers = []
    for key in (b"d/there", b"d/not", b"d/not/there"):
        for call in (
            lambda key=key: ann.head_object(BUCKET, key),
            lambda key=key: ann.delete_object(BUCKET, key),
            lambda key=key: put(ann, key),
            lambda key=key: put(ann, key, conditions=WriteConditions(if_none_match=True)),
            lambda key=key: ann.create_upload(BUCKET, key, NewUpload()),
            lambda key=key: ann.rename_object(RenameRequest(BUCKET, key, b"elsewhere")),
            lambda key=key: ann.copy_object(CopyRequest(BUCKET, key, BUCKET, b"elsewhere")),
        ):
            with pytest.raises(NamespaceError) as refused:
                call()
            answers.append(type(refused.value))
    assert set(answers) == {AccessDenied}
    assert keys(ann) == keys(ann, prefix=b"d/") == keys(ann, delimiter=b"/") == []
    assert keys(namespace) == [b"d/there"]


def test_a_listing_of_a_bucket_that_cannot_be_read_is_refused(
    root: Path, namespace: Namespace, ann: Namespace
) -> None:
    put(namespace, b"open/k")
    (root / BUCKET).chmod(0o711)
    with pytest.raises(AccessDenied):
        keys(ann)
    assert keys(ann, prefix=b"open/") == [b"open/k"]  # as ls bucket/open


@pytest.mark.parametrize("mode", [0o700, 0o744])
def test_regression_a_listing_of_a_bucket_that_cannot_be_searched_is_refused(
    root: Path, namespace: Namespace, ann: Namespace, mode: int
) -> None:
    """It was an empty one, with which a client that mirrors deletes everything on its side."""
    put(namespace, b"open/k")
    (root / BUCKET).chmod(mode)
    with pytest.raises(AccessDenied):
        keys(ann)


def test_what_a_user_makes_is_its_own(root: Path, namespace: Namespace, ann: Namespace) -> None:
    put(ann, b"x/y/z")
    put(ann, b"folder/")
    for path in ("x", "x/y", "x/y/z", "folder"):
        made = os.stat(root / BUCKET / path)
        assert (made.st_uid, made.st_gid) == (ANN.uid, ANN.gid), path
    ann.delete_object(BUCKET, b"x/y/z")
    ann.delete_object(BUCKET, b"folder/")
    assert os.listdir(root / BUCKET) == []


def test_a_key_below_an_own_directory_of_a_bucket_that_is_not(
    root: Path, namespace: Namespace, ann: Namespace
) -> None:
    (root / BUCKET).chmod(0o755)
    os.makedirs(root / BUCKET / "home/ann")
    own(root, "home/ann", ANN.uid, ANN.gid, 0o700)
    put(ann, b"home/ann/new/deep/k", b"hers")
    assert read(ann, b"home/ann/new/deep/k") == b"hers"
    ann.rename_object(RenameRequest(BUCKET, b"home/ann/new/", b"home/ann/old/"))
    assert keys(ann, prefix=b"home/ann/") == [b"home/ann/old/deep/k"]
    with pytest.raises(AccessDenied):
        ann.rename_object(RenameRequest(BUCKET, b"home/ann/old/", b"stolen/"))
    assert keys(namespace) == [b"home/ann/old/deep/k"]


def test_regression_in_a_set_group_id_directory_the_group_is_the_directorys(
    root: Path, namespace: Namespace, ann: Namespace
) -> None:
    """As for whatever a process makes there: others of the group could not work on what S3 users made."""
    (root / BUCKET / "team").mkdir()
    own(root, "team", 0, 3001, 0o2775)
    put(ann, b"team/k")
    put(ann, b"team/x/y/k")
    put(ann, b"team/folder/", b"body")
    ann.copy_object(CopyRequest(BUCKET, b"team/k", BUCKET, b"team/copy"))
    ann.complete_upload(_upload(ann, b"team/parts", (b"whole",)))
    for path in ("k", "x", "x/y", "x/y/k", "folder", "copy", "parts"):
        made = os.stat(root / BUCKET / "team" / path)
        assert (made.st_uid, made.st_gid) == (ANN.uid, 3001), path
        assert bool(made.st_mode & stat.S_ISGID) == stat.S_ISDIR(made.st_mode), path


def test_regression_a_rename_needs_nothing_of_the_file_that_it_replaces(
    root: Path, namespace: Namespace, ann: Namespace
) -> None:
    """rename(2) does not, either; a condition on it does."""
    for key in (b"mine", b"mine too"):
        put(ann, key, key)
    put(namespace, b"taken")
    own(root, "taken", 0, 0, 0o600)
    if_there = WriteConditions(if_match="*")
    with pytest.raises(AccessDenied):
        ann.rename_object(RenameRequest(BUCKET, b"mine", b"taken", conditions=if_there))
    ann.rename_object(RenameRequest(BUCKET, b"mine", b"taken"))
    assert read(ann, b"taken") == b"mine"


def test_regression_a_prefix_moves_with_what_its_mover_may_not_read(
    root: Path, namespace: Namespace, ann: Namespace
) -> None:
    """The length of the keys below was looked at as the user, who need not be able to."""
    for key in (b"d/open", b"d/closed/k", b"long/" + b"n" * 250 + b"/" + b"m" * 250 + b"/k"):
        put(namespace, key)
    for path in ("d", "long"):
        own(root, path, ANN.uid, ANN.gid, 0o755)
    put(ann, b"long/open")
    own(root, "d/closed", 0, 0, 0o700)
    own(root, "long/" + "n" * 250, 0, 0, 0o700)
    ann.rename_object(RenameRequest(BUCKET, b"d/", b"longer/"))
    assert keys(namespace, prefix=b"longer/") == [b"longer/closed/k", b"longer/open"]
    with pytest.raises(NameTooLong):
        ann.rename_object(RenameRequest(BUCKET, b"long/", b"/".join([b"p" * 250] * 3) + b"/"))


def test_regression_a_refused_put_leaves_no_directories_behind(
    root: Path, namespace: Namespace, ann: Namespace
) -> None:
    """Where the first one that was made lets nobody make the second."""
    (root / BUCKET / "d").mkdir()
    own(root, "d", ANN.uid, ANN.gid, 0o755)
    closed = acl((1, 0, 0xFFFFFFFF), (4, 0, 0xFFFFFFFF), (32, 0, 0xFFFFFFFF))
    os.setxattr(root / BUCKET / "d", "system.posix_acl_default", closed)
    with pytest.raises(AccessDenied):
        put(ann, b"d/x/y/k")
    assert os.listdir(root / BUCKET / "d") == []


def test_what_became_closed_while_the_body_came_is_closed(
    root: Path, namespace: Namespace, ann: Namespace
) -> None:
    """For a name that is new, and for one that is taken."""
    os.mkdir(root / BUCKET / "d")
    own(root, "d", 0, 0, 0o777)
    for _ in range(2):
        with ann.begin_put(BUCKET, b"d/k") as session:
            own(root, "d", 0, 0, 0o755)
            with pytest.raises(AccessDenied):
                session.publish(NewObject(md5=b"\0" * 16, owner="root"))
        own(root, "d", 0, 0, 0o777)
        put(ann, b"d/k", b"first")
    assert read(namespace, b"d/k") == b"first"
    assert os.listdir(root / ".weka" / "spool") == []


def test_regression_what_appears_while_a_put_ends_is_not_replaced_unasked(
    root: Path, ann: Namespace, bob: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    (root / BUCKET).chmod(0o777)
    reach, late = publishing.reach, []

    def reached(point: CrashPoint) -> None:
        if point is CrashPoint.FILE_SYNCED and not late:  # nothing stood there when it was looked at
            late.append(point)
            put(bob, b"k", b"bob's")
        reach(point)

    monkeypatch.setattr(publishing, "reach", reached)
    with pytest.raises(AccessDenied):
        put(ann, b"k", b"ann's")
    assert late and read(bob, b"k") == b"bob's"


def test_metadata_is_changed_by_who_may_write(root: Path, namespace: Namespace, ann: Namespace) -> None:
    put(namespace, b"k", user={"by": "root"})
    own(root, "k", 0, 0, 0o644)
    onto_itself = CopyRequest(BUCKET, b"k", BUCKET, b"k", replace=NewMetadata(user={"by": "ann"}))
    with pytest.raises(AccessDenied):
        ann.copy_object(onto_itself)
    assert ann.head_object(BUCKET, b"k").user == {"by": "root"}
    own(root, "k", 0, 0, 0o666)
    ann.copy_object(onto_itself)
    assert ann.head_object(BUCKET, b"k").user == {"by": "ann"}


def test_tags_are_changed_by_who_may_write(root: Path, namespace: Namespace, ann: Namespace) -> None:
    put(namespace, b"k")
    put(namespace, b"d/")
    for key, closed, opened in ((b"k", 0o644, 0o666), (b"d/", 0o755, 0o777)):
        own(root, key.decode(), 0, 0, closed)
        with pytest.raises(AccessDenied):
            ann.tag_object(BUCKET, key, {"a": "b"})
        assert ann.head_object(BUCKET, key).tags == {}
        own(root, key.decode(), 0, 0, opened)
        ann.tag_object(BUCKET, key, {"a": "b"})
        assert ann.head_object(BUCKET, key).tags == {"a": "b"}


def test_an_object_of_a_directory_is_judged_by_the_directory(
    root: Path, namespace: Namespace, ann: Namespace
) -> None:
    put(namespace, b"d/", b"a body")
    own(root, "d", 0, 0, 0o755)
    assert read(ann, b"d/") == b"a body"
    for call in (lambda: put(ann, b"d/", b"another"), lambda: ann.delete_object(BUCKET, b"d/")):
        with pytest.raises(AccessDenied):
            call()
    own(root, "d", 0, 0, 0o711)
    with pytest.raises(AccessDenied):
        ann.head_object(BUCKET, b"d/")
    assert keys(ann) == [] and read(namespace, b"d/") == b"a body"


def test_symbolic_links_lead_where_the_user_may_go(root: Path, namespace: Namespace, ann: Namespace) -> None:
    put(namespace, b"closed/k")
    put(namespace, b"open/k")
    own(root, "closed", 0, 0, 0o700)
    os.symlink("closed/k", root / BUCKET / "to-closed")
    os.symlink("open/k", root / BUCKET / "to-open")
    assert keys(ann) == [b"open/k", b"to-open"]
    with pytest.raises(AccessDenied):
        ann.head_object(BUCKET, b"to-closed")


def _upload(namespace: Namespace, key: bytes, parts: tuple[bytes, ...]) -> Any:
    upload_id = namespace.create_upload(BUCKET, key, NewUpload(owner="root"))
    done = []
    for number, body in enumerate(parts, 1):
        with namespace.begin_part(BUCKET, key, upload_id, number, len(body)) as session:
            session.write(body)
            done.append(CompletedPart(number, session.commit(hashlib.md5(body).digest(), {}).etag))
    return CompletionRequest(BUCKET, key, upload_id, done)


def test_an_upload_in_parts_is_judged_when_it_is_completed(
    root: Path, namespace: Namespace, ann: Namespace, bob: Namespace
) -> None:
    os.mkdir(root / BUCKET / "d")
    own(root, "d", ANN.uid, ANN.gid, 0o755)
    request = _upload(ann, b"d/k", (b"whole",))
    with pytest.raises(AccessDenied):
        bob.create_upload(BUCKET, b"d/k", NewUpload())
    with pytest.raises(AccessDenied):
        bob.complete_upload(request)
    ann.complete_upload(request)
    assert read(bob, b"d/k") == b"whole"
    made = os.stat(root / BUCKET / "d/k")
    assert (made.st_uid, made.st_gid, stat.S_IMODE(made.st_mode)) == (ANN.uid, ANN.gid, 0o644)
    begun = _upload(ann, b"d/k", (b"other",))
    own(root, "d/k", 0, 0, 0o600)
    with pytest.raises(AccessDenied):  # may replace the name, may not put bytes into another's file
        ann.complete_upload(begun)
    with pytest.raises(AccessDenied):  # which is told before the parts come
        ann.create_upload(BUCKET, b"d/k", NewUpload())


@pytest.mark.parametrize("ordinary", [True, False])
def test_regression_who_completes_an_upload_owns_the_object(
    root: Path, namespace: Namespace, ann: Namespace, bob: Namespace, ordinary: bool
) -> None:
    """Parts go by policies, so anybody could have put bytes under the name of who began the upload, or of
    root, who begins as uid 0.
    """
    os.mkdir(root / BUCKET / "o")
    (root / BUCKET / "o").chmod(0o777)
    key = b"o/k" if ordinary else b"o/new/"
    for beginner in (ann, namespace):
        bob.complete_upload(_upload(beginner, key, (b"bob's",)))
        for made in (root / BUCKET).joinpath("o").iterdir():
            assert (made.stat().st_uid, made.stat().st_gid) == (BOB.uid, BOB.gid)
        bob.delete_object(BUCKET, key)


@pytest.mark.parametrize("sticky", ["holder", "directory"])
def test_regression_a_refused_deletion_of_a_directory_object_leaves_it(
    root: Path, namespace: Namespace, ann: Namespace, bob: Namespace, sticky: str
) -> None:
    (root / BUCKET).chmod(0o777)
    put(bob, b"d/", b"body")
    own(root, "d", BOB.uid, BOB.gid, 0o1777 if sticky == "directory" else 0o777)
    (root / BUCKET).chmod(0o1777 if sticky == "holder" else 0o777)
    with pytest.raises(REFUSED):
        ann.delete_object(BUCKET, b"d/")
    assert read(bob, b"d/") == b"body"
    bob.delete_object(BUCKET, b"d/")
    assert not (root / BUCKET / "d").exists()


def test_uploads_into_closed_directories_are_not_listed(
    root: Path, namespace: Namespace, ann: Namespace
) -> None:
    for key in (b"d/k", b"o/k", b"new/k"):
        put(namespace, key)
        namespace.create_upload(BUCKET, key, NewUpload())
    own(root, "d", 0, 0, 0o700)
    shown = ann.list_uploads(BUCKET, UploadsQuery())
    assert [row.key for row in shown.items] == [b"new/k", b"o/k"]  # type: ignore[union-attr]


def test_copies_take_rights_on_both_sides(root: Path, namespace: Namespace, ann: Namespace) -> None:
    put(namespace, b"secret")
    own(root, "secret", 0, 0, 0o600)
    put(namespace, b"d/target")
    with pytest.raises(AccessDenied):
        ann.copy_object(CopyRequest(BUCKET, b"secret", BUCKET, b"mine"))
    put(ann, b"mine")
    with pytest.raises(AccessDenied):
        ann.copy_object(CopyRequest(BUCKET, b"mine", BUCKET, b"d/target"))


def test_a_bucket_decides_for_itself(root: Path, namespace: Namespace) -> None:
    put(namespace, b"k")
    own(root, "k", 0, 0, 0o600)
    by_option = namespace.judged_as(ANN, by_default=True)
    by_bucket = namespace.judged_as(ANN, by_default=False)
    assert not namespace.judges_somewhere() and by_bucket.head_object(BUCKET, b"k").size == 1
    namespace.change_bucket_settings(BUCKET, lambda _: BucketSettings(posix=True))
    assert namespace.judges_somewhere() and by_bucket.binds(BUCKET) and not namespace.binds(BUCKET)
    with pytest.raises(AccessDenied):
        by_bucket.head_object(BUCKET, b"k")
    namespace.change_bucket_settings(BUCKET, lambda _: BucketSettings(posix=False))
    assert not namespace.judges_somewhere()
    assert by_option.head_object(BUCKET, b"k").size == 1


def test_control_area_stays_the_services(root: Path, namespace: Namespace, ann: Namespace) -> None:
    """Records that overflow and names that are too long go where no user may."""
    many = {f"name-{number}": "v" * 200 for number in range(10)}
    put(ann, b"n" * 300, user=many)
    assert ann.head_object(BUCKET, b"n" * 300).user == many
    assert keys(ann) == [b"n" * 300]
    assert stat.S_IMODE(os.stat(root / ".weka").st_mode) == 0o700
    inside = b".weka/spool"
    with pytest.raises(NotFound):
        JudgedStore(PosixStore(str(root)), ANN, frozenset()).open_dir(
            namespace.context.open_bucket(BUCKET), inside
        )


def test_nothing_is_left_open(namespace: Namespace, ann: Namespace) -> None:
    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    before = descriptors()
    for _ in range(3):
        put(ann, b"a/b", user={"long": "v" * 1900})
        put(ann, b"a/b")
        keys(ann)
        ann.complete_upload(_upload(ann, b"a/c", (b"p" * (5 << 20), b"q")))
        ann.delete_object(BUCKET, b"a/b")
        ann.delete_object(BUCKET, b"a/c")
    assert descriptors() == before
    store = ann._judging.context.store  # type: ignore[union-attr]
    assert isinstance(store, JudgedStore) and not store._opened_own


def test_many_threads_of_many_users(root: Path, namespace: Namespace) -> None:
    """Each sees its own directory alone, however their requests interleave."""
    users = [FsIdentity(5000 + number, 5000 + number) for number in range(6)]
    failures: list[str] = []
    for who in users:
        os.mkdir(root / BUCKET / str(who.uid))
        own(root, str(who.uid), who.uid, who.gid, 0o700)

    def work(who: FsIdentity) -> None:
        seen = namespace.judged_as(who, by_default=True)
        for number in range(15):
            key = b"%d/k%d" % (who.uid, number % 3)
            put(seen, key)
            other = users[(users.index(who) + 1 + number % (len(users) - 1)) % len(users)]
            if _allowed(lambda other=other: seen.head_object(BUCKET, b"%d/k0" % other.uid)):
                failures.append(f"{who.uid} saw what is {other.uid}'s")
            if any(not key.startswith(b"%d/" % who.uid) for key in keys(seen)):
                failures.append(f"{who.uid} listed another's")
        if syscalls.fs_identity() != (0, 0):
            failures.append("a thread is somebody else")

    threads = [threading.Thread(target=work, args=(who,)) for who in users]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
    assert {os.stat(path).st_uid for path in (root / BUCKET / "5003").iterdir()} == {5003}


def test_a_listing_has_no_page_for_what_is_not_shown(
    root: Path, namespace: Namespace, ann: Namespace
) -> None:
    put(namespace, b"a")
    put(namespace, b"b")
    own(root, "b", 0, 0, 0o600)
    page = ann.list_objects(BUCKET, limit=1)
    assert isinstance(page.items[0], ObjectSummary) and page.next_after is None


# ---- versions
def versions(namespace: Namespace) -> set[tuple[bytes, str]]:
    found = namespace.list_versions(BUCKET)
    return {(row.summary.key, row.version) for row in found.items if isinstance(row, VersionRow)}


@pytest.mark.parametrize("removed", [False, True])
def test_regression_versions_lie_as_deep_as_their_keys(
    root: Path, namespace: Namespace, ann: Namespace, removed: bool
) -> None:
    namespace.change_bucket_settings(BUCKET, lambda before: replace(before, versioning="Enabled"))
    old = {key: put(namespace, key).info.version for key in (b"closed/d/k", b"all/d/k")}
    for key in old:
        put(namespace, b"%s/stays" % key.partition(b"/")[0])
        put(namespace, key, b"new")
        if removed:
            namespace.delete_object(BUCKET, key)
            assert not (root / BUCKET / key.decode()).parent.exists()
    own(root, "closed", 0, 0, 0o700)
    everything = versions(namespace)
    assert {key for key, _ in versions(ann)} == {b"all/d/k", b"all/stays"}
    with pytest.raises(REFUSED):
        ann.open_object(BUCKET, b"closed/d/k", old[b"closed/d/k"])
    with ann.open_object(BUCKET, b"all/d/k", old[b"all/d/k"]) as found:
        assert found.size == 1
    below = "all" if removed else "all/d"  # what would have to be changed for the name to go
    for key, mode in ((b"closed/d/k", 0o755), (b"all/d/k", 0o755), (b"all/d/k", 0o1777)):
        own(root, below, 0, 0, mode)
        with pytest.raises(REFUSED):
            ann.delete_object(BUCKET, key, version=old[key])
    assert versions(namespace) == everything
    own(root, below, 0, 0, 0o777)
    assert ann.delete_object(BUCKET, b"all/d/k", version=old[b"all/d/k"]).existed
    assert versions(namespace) == everything - {(b"all/d/k", old[b"all/d/k"])}
