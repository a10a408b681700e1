"""Random operations in a bucket with Object Lock, beside a small model of what S3 says of them."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from tests.unit.namespace.kit import BUCKET, FixedClock, memory_store, put
from weka_mp.errors import DeleteMarkerMet, NamespaceError, NotFound, ObjectLocked, VersionMissing
from weka_mp.namespace import CopyRequest, Deletion, Namespace, RenameRequest, VersionRow
from weka_mp.object_lock import GOVERNANCE, MODES, Retention

HOUR = 3_600_000_000_000
KEYS = (b"k", b"d/l", b"a/")
STEPS = 120


@dataclass
class Version:
    id: str
    marker: bool = False
    retention: Retention | None = None
    hold: bool | None = None

    def kept_from(self, now_ns: int, *, bypass: bool) -> bool:
        """Whether it may not go."""
        if self.hold:
            return True
        kept = self.retention
        return kept is not None and kept.until_ns > now_ns and not (bypass and kept.mode == GOVERNANCE)


@dataclass
class Model:
    """The versions of each key, the oldest first."""

    keys: dict[bytes, list[Version]] = field(default_factory=lambda: {key: [] for key in KEYS})

    def current(self, key: bytes) -> Version | None:
        """None: there is none, or a marker is on top."""
        found = self.keys[key]
        return found[-1] if found and not found[-1].marker else None


class Run:
    """One run of both; every step compares what they come to."""

    def __init__(self, namespace: Namespace, clock: FixedClock, seed: int) -> None:
        self.namespace, self.clock, self.chance, self.model = namespace, clock, random.Random(seed), Model()

    def retention(self) -> Retention | None:
        if self.chance.random() < 0.3:
            return None
        return Retention(self.chance.choice(MODES), self.clock.at_ns + self.chance.randint(1, 9) * HOUR)

    def attempt(self, step: Callable[[], object], wanted: type[NamespaceError] | None) -> object:
        """wanted: what it must be refused with."""
        if wanted is None:
            return step()
        with pytest.raises(wanted):
            step()
        return None

    def put(self, key: bytes) -> None:
        kept, hold = self.retention(), self.chance.choice([None, None, False, True])
        done = put(self.namespace, key, b"x", retention=kept, legal_hold=hold)
        self.model.keys[key].append(Version(done.info.version or "", False, kept, hold))

    def copy(self, key: bytes) -> None:
        target = self.chance.choice(KEYS[:2])
        wanted = None if self.model.current(key) else NotFound
        done = self.attempt(
            lambda: self.namespace.copy_object(CopyRequest(BUCKET, key, BUCKET, target)), wanted)
        if done is not None:
            self.model.keys[target].append(Version(done.info.version))  # type: ignore[attr-defined]

    def rename(self, key: bytes) -> None:
        source, target = KEYS[:2] if self.chance.random() < 0.5 else KEYS[1::-1]
        moved = self.model.current(source)
        if moved is None:
            wanted: type[NamespaceError] | None = NotFound
        else:
            wanted = ObjectLocked if moved.kept_from(self.clock.at_ns, bypass=False) else None
        done = self.attempt(
            lambda: self.namespace.rename_object(RenameRequest(BUCKET, source, target)), wanted)
        if done is not None and moved is not None:
            self.model.keys[source].pop()
            self.model.keys[target].append(moved)
            (marker,) = [row for row in self.rows(source) if row.latest]
            self.model.keys[source].append(Version(marker.version, True))

    def delete(self, key: bytes) -> None:
        done = self.namespace.delete_object(BUCKET, key)
        self.model.keys[key].append(Version(done.version or "", True))

    def remove(self, key: bytes) -> None:
        if not self.model.keys[key]:
            return
        version, bypass = self.chance.choice(self.model.keys[key]), self.chance.random() < 0.5
        (outcome,), _ = self.namespace.delete_objects(BUCKET, [Deletion(key, None, version.id, bypass)])
        if version.kept_from(self.clock.at_ns, bypass=bypass):
            assert isinstance(outcome, ObjectLocked), outcome
        else:
            assert not isinstance(outcome, Exception), outcome
            self.model.keys[key].remove(version)

    def chosen(self, key: bytes) -> tuple[Version | None, str | None, type[NamespaceError] | None]:
        """A version, how it is named, and what any change of it is refused with."""
        found = self.model.keys[key]
        if not found or self.chance.random() < 0.1:
            return None, "0" * 32, VersionMissing
        version = self.chance.choice(found)
        return version, version.id, DeleteMarkerMet if version.marker else None

    def retain(self, key: bytes) -> None:
        version, named, wanted = self.chosen(key)
        new, bypass = self.retention(), self.chance.random() < 0.5
        if version is not None and wanted is None and not self.may(version.retention, new, bypass):
            wanted = ObjectLocked
        self.attempt(
            lambda: self.namespace.locking.retain(BUCKET, key, named, new, bypass=bypass), wanted)
        if version is not None and wanted is None:
            version.retention = new

    def may(self, old: Retention | None, new: Retention | None, bypass: bool) -> bool:
        """The table of the user guide, «Managing Object Lock», line by line."""
        if old is None or old.until_ns <= self.clock.at_ns:
            return True
        longer = new is not None and new.mode == old.mode and new.until_ns >= old.until_ns
        return longer or (bypass if old.mode == GOVERNANCE else False)

    def hold(self, key: bytes) -> None:
        version, named, wanted = self.chosen(key)
        held = self.chance.random() < 0.5
        self.attempt(lambda: self.namespace.locking.hold(BUCKET, key, named, held), wanted)
        if version is not None and wanted is None:
            version.hold = held

    def wait(self, key: bytes) -> None:
        self.clock.advance(HOUR)

    def rows(self, key: bytes) -> list[VersionRow]:
        items = self.namespace.list_versions(BUCKET).items
        return [row for row in items if isinstance(row, VersionRow) and row.summary.key == key]

    def compare(self) -> None:
        for key, found in self.model.keys.items():
            rows = self.rows(key)
            assert [(row.version, row.marker) for row in rows] == [(v.id, v.marker) for v in reversed(found)]
            for version in found:
                if not version.marker:
                    info = self.namespace.head_object(BUCKET, key, version.id)
                    assert (info.retention, info.legal_hold) == (version.retention, version.hold)


@pytest.mark.parametrize(
    "seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.soak) for seed in range(2, 30))]
)
@pytest.mark.parametrize("leases", [True, False])
def test_random_operations_come_to_what_the_rules_say(seed: int, leases: bool) -> None:
    clock = FixedClock(1_700_000_000_000_000_000)
    with Namespace.open(memory_store(clock, leases=leases), clock=clock) as namespace:
        namespace.create_bucket(BUCKET)
        namespace.change_bucket_settings(
            BUCKET, lambda before: replace(before, versioning="Enabled", object_lock="{}"))
        run = Run(namespace, clock, seed)
        steps = (
            run.put, run.put, run.copy, run.rename, run.delete, run.remove, run.remove, run.remove,
            run.retain, run.retain, run.hold, run.wait,
        )
        for _ in range(STEPS):
            run.chance.choice(steps)(run.chance.choice(KEYS))
            run.compare()
        assert any(version.retention for found in run.model.keys.values() for version in found)
