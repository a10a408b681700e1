"""Death by SIGKILL at every numbered point: what was acknowledged stands, the rest is whole, old or new."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.crash.victim import ACTIONS, NEW, OLD, PART
from tests.unit.namespace.kit import BUCKET, get, keys, md5_of, put, tree
from weka_mp.errors import BucketMissing, DeleteMarkerMet, KeyConflict, NotFound
from weka_mp.namespace import (
    CompletedPart,
    CompletionRequest,
    Durability,
    Namespace,
    RenameRequest,
    UploadsQuery,
    VersionRow,
)
from weka_mp.namespace.uploads import multipart
from weka_mp.store.crashpoints import CrashPoint
from weka_mp.store.posix import PosixStore
from weka_mp.values import BucketName

ROOT = Path(__file__).parents[2]
BEFORE = {b"old/a/k": OLD, b"olddir/": OLD, b"source": PART, b"other": NEW}
AFTER: dict[str, dict[bytes, bytes | None]] = {
    "put_new": {b"k": NEW},
    "put_deep": {b"x/y/z/k": NEW},
    "overwrite": {b"old/a/k": NEW},
    "delete": {b"old/a/k": None},
    "directory": {b"dir/": NEW},
    "directory_over": {b"olddir/": NEW},
    "directory_delete": {b"olddir/": None},
    "upload_in_order": {b"up/k": PART + NEW},
    "upload_backwards": {b"up/k": PART + NEW},
    "upload_with_gaps": {b"up/k": PART + NEW},
    "upload_by_copy": {b"up/k": PART + NEW},
    "rename_file": {b"old/a/k": None, b"x/y/k": OLD},
    "rename_over": {b"old/a/k": None, b"other": OLD},
    "rename_prefix": {b"old/a/k": None, b"x/moved/a/k": OLD},
    "create_bucket": {},
    "versioned_over": {b"old/a/k": NEW},
    "versioned_delete": {b"old/a/k": None},
    "versioned_back": {b"old/a/k": OLD},
}
OF_ONE_KIND = {
    **dict.fromkeys(("UPLOAD", "PART_", "ASSEMBLED", "RESULT"), "upload"),
    "RENAME": "rename",
    "BUCKET": "create_bucket",
    "VERSION_PROMOTED": "versioned_back",
    "VERSION_KEPT": "versioned",
    "MARKER": "versioned_delete",
}
"""Beginning of the names of crash points → what the names of the scenarios hold that can reach them."""

BUCKETS = {b"bucket/", b"second/"}


@dataclass
class Death:
    """How a victim ended and what it had said."""

    scenario: str
    point: CrashPoint
    store: Path
    status: int
    said: list[str] = field(default_factory=list)

    def told(self, word: str) -> list[str]:
        return [line.split()[-1] for line in self.said if line.startswith(word)]


def prepare(store: Path) -> None:
    store.mkdir()
    posix = PosixStore(str(store))
    with Namespace.open(posix, durability=Durability.RELAXED) as namespace:
        namespace.create_bucket(BUCKET)
        for key, data in BEFORE.items():
            put(namespace, key, data)
    posix.shutdown()


def said(store: Path) -> list[str]:
    found = Path(f"{store}.said")
    return found.read_text().splitlines() if found.exists() else []


def concerns(point: CrashPoint, scenario: str) -> bool:
    """Whether a scenario could come there: points of one operation alone need no others, which take time."""
    if scenario == "versioned_back":  # it has more than one step, and stands between two before its last
        return point is CrashPoint.VERSION_PROMOTED
    for beginning, kind in OF_ONE_KIND.items():
        if point.name.startswith(beginning):
            return kind in scenario
    return True


@pytest.fixture(scope="module")
def deaths(tmp_path_factory: pytest.TempPathFactory) -> list[Death]:
    base = tmp_path_factory.mktemp("crash")
    runs = [
        (scenario, point, base / f"{scenario}-{point.name}")
        for scenario in ACTIONS
        for point in CrashPoint
        if concerns(point, scenario)
    ]
    return die(runs)


def die(runs: list[tuple[str, CrashPoint, Path]]) -> list[Death]:
    for _, _, store in runs:
        prepare(store)
    lines = [f"{store} {scenario} {int(point)}" for scenario, point, store in runs]
    done = subprocess.run(
        [sys.executable, "-m", "tests.crash.victim", "--many"],
        cwd=ROOT,
        input="\n".join(lines),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=100,
    )
    statuses = [int(line) for line in done.stdout.split()]
    return [
        Death(scenario, point, store, status, said(store))
        for (scenario, point, store), status in zip(runs, statuses, strict=True)
    ]


@pytest.mark.parametrize("point", [CrashPoint.PUBLISHED, CrashPoint.UNLINKED])
def test_the_environment_decides_where_a_process_dies(tmp_path: Path, point: CrashPoint) -> None:
    store = tmp_path / "store"
    prepare(store)
    done = subprocess.run(
        [sys.executable, "-m", "tests.crash.victim", str(store), "put_new"],
        cwd=ROOT,
        env={**os.environ, "WEKA_MP_CRASH_AT": str(int(point))},
        check=False,
        timeout=60,
    )
    killed = point is CrashPoint.PUBLISHED
    assert done.returncode == (-signal.SIGKILL if killed else 0)
    assert said(store) == ([] if killed else ["done"])


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multipart, "MIN_PART_BYTES", len(PART))


def test_every_point_is_reached(deaths: list[Death]) -> None:
    reached = {death.point for death in deaths if death.status == -signal.SIGKILL}
    assert reached == set(CrashPoint)
    assert {death.status for death in deaths} == {0, -signal.SIGKILL}


def test_a_victim_says_done_exactly_when_it_lives(deaths: list[Death]) -> None:
    assert all((death.status == 0) == (death.told("done") == ["done"]) for death in deaths)


def test_old_or_new_after_every_death(deaths: list[Death]) -> None:
    finished = {death.scenario: death for death in deaths if death.status == 0}.values()
    for death in [*finished, *(death for death in deaths if death.status)]:
        where = f"{death.scenario} killed at {death.point.name}, had said {death.said}"
        posix = PosixStore(str(death.store))
        with Namespace.open(posix, sweep=True) as namespace:
            objects_are_whole(death, namespace, where)
            nothing_is_left(death, posix, where)
            uploads_go_on(death, namespace, where)
            renames_can_be_repeated(death, namespace, where)
            bucket_is_there_or_not(death, namespace, where)
            the_store_can_be_emptied(namespace, where)
        posix.shutdown()


def objects_are_whole(death: Death, namespace: Namespace, where: str) -> None:
    after = {**BEFORE, **AFTER[death.scenario]}
    seen = {key: look(namespace, key) for key in after}
    before = {key: BEFORE.get(key) for key in after}
    assert seen in ((after,) if death.told("done") else (before, after)), where
    assert keys(namespace) == sorted(key for key, data in seen.items() if data is not None), where


def look(namespace: Namespace, key: bytes) -> bytes | None:
    try:
        data = get(namespace, key)
    except (NotFound, DeleteMarkerMet):
        return None
    etag = namespace.head_object(BUCKET, key).etag
    assert etag == md5_of(data) or etag.endswith("-2")
    return data


def nothing_is_left(death: Death, posix: PosixStore, where: str) -> None:
    left = set(tree(posix))
    assert not {path for path in left if path.startswith(b".weka/spool/")} - {b".weka/spool/"}, where
    assert not [path for path in left if b"/.new-" in path and b"/uploads/" not in path], where
    outside = {path for path in left if not path.startswith(b".weka")}
    hidden = {path for path in outside if b".weka~" in path} - {b"bucket/olddir/.weka~body"}
    assert hidden <= {b"bucket/dir/.weka~body"}, where


def uploads_go_on(death: Death, namespace: Namespace, where: str) -> None:
    """An acknowledged upload whose object is not there can be completed. Where it is there the completion,
    which nobody was told of, is answered, and what came to the key meanwhile stays.
    """
    for upload_id in death.told("upload"):
        parts = [
            CompletedPart(number, md5_of(PART if number == 1 else NEW))
            for number in sorted(int(number) for number in death.told("part"))
        ]
        if not parts:
            continue
        published = look(namespace, b"up/k") is not None
        expected = b"".join(PART if part.number == 1 else NEW for part in parts)
        if published:
            expected = b"meanwhile"
            put(namespace, b"up/k", expected)
        done = namespace.complete_upload(CompletionRequest(BUCKET, b"up/k", upload_id, parts))
        assert (done.repeated, look(namespace, b"up/k")) == (published, expected), where
        assert not namespace.list_uploads(BUCKET, UploadsQuery()).items, where


def renames_can_be_repeated(death: Death, namespace: Namespace, where: str) -> None:
    """The client whose answer was lost sends the same request again: it is done then, and was done once."""
    if not death.scenario.startswith("rename"):
        return
    for _ in range(2):
        ACTIONS[death.scenario](namespace)
        after = {**BEFORE, **AFTER[death.scenario]}
        assert {key: look(namespace, key) for key in after} == after, where


MEANWHILE = ("replaced", "removed", "renamed", "taken-along")


def test_regression_a_rename_is_known_again_whatever_became_of_its_object(tmp_path: Path) -> None:
    """It was done and not answered, and then nothing that it had made was there any more."""
    for deed in MEANWHILE:
        points = (point for point in CrashPoint if point.name.startswith("RENAME"))
        deaths = die([
            (scenario, point, tmp_path / f"{deed}-{scenario}-{point.name}")
            for point in points
            for scenario in ACTIONS
            if scenario.startswith("rename")
        ])
        assert all(death.status == -signal.SIGKILL for death in deaths)
        for death in deaths:
            posix = PosixStore(str(death.store))
            with Namespace.open(posix) as namespace:
                rename_after(deed, death, namespace)
            posix.shutdown()


def rename_after(deed: str, death: Death, namespace: Namespace) -> None:
    """Something happens to the new key, then the request comes again: what it had done is not done twice, and
    what it had not done is.
    """
    where = f"{death.scenario} killed at {death.point.name}, then {deed}"
    source, key = b"old/a/k", next(key for key, data in AFTER[death.scenario].items() if data)
    was_done = look(namespace, source) is None
    assert was_done == (death.point not in (CrashPoint.RENAME_BEGUN, CrashPoint.RENAME_MARKED)), where
    if was_done or deed == "replaced":
        happen(deed, namespace, key)
    seen = {name: look(namespace, name) for name in (source, key, b"elsewhere", b"far/y/k")}
    prefix_in_use = not was_done and death.scenario == "rename_prefix" and deed == "replaced"
    if prefix_in_use:
        with pytest.raises(KeyConflict):
            ACTIONS[death.scenario](namespace)
    else:
        ACTIONS[death.scenario](namespace)
    if not was_done and not prefix_in_use:
        seen |= {source: None, key: OLD}
    assert {name: look(namespace, name) for name in seen} == seen, where
    assert not [path for path in tree(namespace.store) if path.startswith(b".weka/moving/")][1:], where


def happen(deed: str, namespace: Namespace, key: bytes) -> None:
    if deed == "replaced":
        put(namespace, key, b"meanwhile")
    elif deed == "removed":
        namespace.delete_object(BUCKET, key)
    elif deed == "renamed" or b"/" not in key:
        namespace.rename_object(RenameRequest(BUCKET, key, b"elsewhere"))
    else:
        namespace.rename_object(RenameRequest(BUCKET, b"x/", b"far/"))


def bucket_is_there_or_not(death: Death, namespace: Namespace, where: str) -> None:
    second = BucketName("second")
    try:
        info = namespace.head_bucket(second)
    except BucketMissing:
        assert death.scenario != "create_bucket", where
        return
    assert info.source == "s3" or not death.told("done"), where
    assert keys(namespace, second) == []
    namespace.delete_bucket(second)


def the_store_can_be_emptied(namespace: Namespace, where: str) -> None:
    for row in namespace.list_versions(BUCKET).items:
        assert isinstance(row, VersionRow)
        namespace.delete_object(BUCKET, row.summary.key, version=row.version)
    namespace.delete_bucket(BUCKET)
    namespace.expire_uploads(1 << 62)
    namespace.forget_completed(1 << 62)
    left = {path for path in tree(namespace.store) if not path.startswith(b".weka/")}
    assert left == set(), where
    staging = (b".weka/uploads/", b".weka/completed/")
    assert not [path for path in tree(namespace.store) if path.startswith(staging)][2:], where
