"""When rules are followed: after each midnight, when they change, and from where the last process died."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from tests.unit.namespace.kit import BUCKET, FixedClock, keys, memory_store, put
from weka_mp.errors import IoFailure
from weka_mp.lifecycle import DAY_NS, Rule, encode
from weka_mp.namespace import BucketSettings, Namespace
from weka_mp.namespace.happenings import EXPIRED, EXPIRY_MARKED, Asker, Happening
from weka_mp.namespace.upkeep import expiring
from weka_mp.server.invalidator import Invalidator
from weka_mp.supervise import believed_time, lifecycle
from weka_mp.supervise.lifecycle import Lifecycle
from weka_mp.values import BucketName, Change

OTHER = BucketName("other")


class Told(Invalidator):
    """Notes what the mounts are told. fails_at: the publication before which the process dies."""

    def __init__(self) -> None:
        super().__init__(None)
        self.changes: list[Change] = []
        self.dies_after = 1 << 30

    async def publish(self, changes: object) -> None:
        assert isinstance(changes, tuple)
        self.changes += changes
        self.dies_after -= 1
        if self.dies_after < 0:
            raise KeyboardInterrupt  # what a death looks like from within


class Ground:
    def __init__(self) -> None:
        self.clock = FixedClock()
        self.memory = memory_store(self.clock)
        self.namespace = Namespace.open(self.memory, clock=self.clock)
        self.told = Told()
        self.stopped = False
        self.set_ahead_ns = 0
        for name in (BUCKET, OTHER):
            self.namespace.create_bucket(name)

    def rule(self, bucket: BucketName, **said: object) -> None:
        kept = encode([Rule("r", enabled=True, **said)])  # type: ignore[arg-type]
        self.namespace.change_bucket_settings(bucket, lambda _: BucketSettings(lifecycle=kept))

    async def run(self) -> bool:
        """In a process of its own."""
        return await self.process().run_if_due()

    def process(self) -> Lifecycle:
        """Which sees all time pass that passes from now on, but for what the clock was set ahead by."""
        return Lifecycle(
            self.namespace,
            self.told,
            DAY_NS,
            lambda: self.stopped,
            lambda: self.clock.now_ns() - self.set_ahead_ns,
        )

    def set_ahead(self, by_ns: int) -> None:
        self.set_ahead_ns += by_ns
        self.clock.advance(by_ns)


@pytest.fixture
def ground(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ground]:
    monkeypatch.setattr(lifecycle, "_SAVE_EVERY", 0.0)
    monkeypatch.setattr(lifecycle, "_LONGEST_REST", 0.0)
    monkeypatch.setattr(expiring, "_PAGE", 3)
    made = Ground()
    yield made
    made.namespace.close()


async def test_a_run_comes_after_each_midnight_and_when_rules_change(ground: Ground) -> None:
    work = ground.process()
    assert not await work.run_if_due()  # no rules, nothing to write down
    put(ground.namespace, b"k", b"x")
    ground.rule(BUCKET, days=1)
    assert await work.run_if_due()
    assert not await work.run_if_due()
    ground.clock.advance(DAY_NS)
    assert await work.run_if_due()
    assert not await work.run_if_due()
    assert keys(ground.namespace) == [b"k"]
    ground.rule(BUCKET, date_s=0)
    assert await work.run_if_due()
    assert keys(ground.namespace) == []
    assert [change.name for change in ground.told.changes] == [b"k"]


async def test_only_buckets_with_rules_are_walked(ground: Ground) -> None:
    for bucket in (BUCKET, OTHER):
        put(ground.namespace, b"k", b"x", bucket=bucket)
    ground.rule(OTHER, date_s=0)
    before = lifecycle.OBJECTS.labels("looked")._value.get()
    assert await ground.run()
    assert lifecycle.OBJECTS.labels("looked")._value.get() - before == 1
    assert (keys(ground.namespace), keys(ground.namespace, OTHER)) == ([b"k"], [])


async def test_who_is_started_again_goes_on_where_the_dead_one_was(ground: Ground) -> None:
    for bucket in (BUCKET, OTHER):
        ground.rule(bucket, tags=(("go", "1"),), date_s=0)
        for number in range(10):
            put(ground.namespace, b"%d" % number, b"x", bucket=bucket, tags={"go": "1"})
    ground.told.dies_after = 2  # in the midst of the first bucket, with two pages noted
    with pytest.raises(KeyboardInterrupt):
        await ground.run()
    assert len(keys(ground.namespace)) == 1
    put(ground.namespace, b"0", b"put again", tags={"go": "1"})
    ground.told.dies_after = 1 << 30
    before = lifecycle.OBJECTS.labels("looked")._value.get()
    assert await ground.run()
    # The first page is not looked at again: what was put there since waits for the next run.
    assert keys(ground.namespace) == [b"0"]
    assert keys(ground.namespace, OTHER) == []
    assert lifecycle.OBJECTS.labels("looked")._value.get() - before < 16
    assert not await ground.run()


@pytest.mark.parametrize("rules", ["as they were", "others", "none"])
async def test_regression_who_dies_before_the_mounts_know_leaves_it_to_the_next(
    ground: Ground, rules: str
) -> None:
    """Nobody repeats what no client has asked for: the kernel would show what is gone."""
    ground.rule(BUCKET, tags=(("go", "1"),), date_s=0)
    for number in range(4):
        put(ground.namespace, b"d/%d" % number, b"x", tags={"go": "1"})
    ground.told.dies_after = 0
    with pytest.raises(KeyboardInterrupt):
        await ground.run()
    ground.told.dies_after, ground.told.changes = 1 << 30, []
    put(ground.namespace, b"d/1", b"put again")
    if rules == "none":
        ground.namespace.change_bucket_settings(BUCKET, lambda _: BucketSettings())
    elif rules == "others":
        ground.rule(BUCKET, date_s=1 << 34)
    await ground.run()
    told = {change.name for change in ground.told.changes}
    assert told >= {b"0", b"2"}
    assert b"d/1" in keys(ground.namespace)
    ground.told.changes = []
    await ground.run()
    assert ground.told.changes == []


async def test_other_rules_begin_anew_and_a_damaged_record_hinders_nothing(ground: Ground) -> None:
    put(ground.namespace, b"k", b"x")
    ground.rule(BUCKET, date_s=0)
    for damaged in (b"{", b"[]", b'{"run": 5}', b'{"run": {"began_ns": 1, "root": "zz"}}', b"\xff"):
        ground.namespace.write_setting(b"lifecycle", damaged)
        put(ground.namespace, b"k", b"x")
        assert await ground.run()
        assert keys(ground.namespace) == []


async def test_a_bucket_that_fails_holds_up_no_other(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    for bucket in (BUCKET, OTHER):
        ground.rule(bucket, date_s=0)
        put(ground.namespace, b"k", b"x", bucket=bucket)
    whole = Namespace.expire_objects

    def failing(self: Namespace, bucket: BucketName, *arguments: object) -> object:
        if bucket == BUCKET:
            raise IoFailure("scripted")
        return whole(self, bucket, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(Namespace, "expire_objects", failing)
    work = Lifecycle(ground.namespace, ground.told, DAY_NS, lambda: False)
    assert await work.run_if_due()
    assert (keys(ground.namespace), keys(ground.namespace, OTHER)) == ([b"k"], [])
    # It need not wait for the next day, nor does it keep the processor busy.
    monkeypatch.setattr(Namespace, "expire_objects", whole)
    assert not await work.run_if_due()
    ground.clock.advance(lifecycle._RETRY_NS)
    assert await work.run_if_due()
    assert keys(ground.namespace) == []
    ground.clock.advance(lifecycle._RETRY_NS)
    assert not await work.run_if_due()


async def test_uploads_that_cannot_be_aborted_hold_up_no_object(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    ground.rule(BUCKET, date_s=0)
    put(ground.namespace, b"k", b"x")

    def failing(*_: object) -> int:
        raise IoFailure("scripted")

    monkeypatch.setattr(Namespace, "abort_due_uploads", failing)
    assert await ground.run()
    assert keys(ground.namespace) == []


async def test_who_is_to_stop_stops_and_goes_on_later(ground: Ground) -> None:
    ground.rule(BUCKET, date_s=0)
    put(ground.namespace, b"k", b"x")
    ground.stopped = True
    assert await ground.run()
    assert keys(ground.namespace) == [b"k"]
    ground.stopped = False
    assert await ground.run()
    assert keys(ground.namespace) == []


# ---- clocks that are wrong
async def test_regression_nothing_expires_by_a_clock_that_was_set_ahead(ground: Ground) -> None:
    """One second with the year 2033 removed what had ten years to live."""
    ground.rule(BUCKET, days=3650)
    put(ground.namespace, b"k", b"x")
    work = ground.process()
    assert await work.run_if_due()
    ground.set_ahead(4000 * DAY_NS)
    for process in (work, ground.process()):  # a new one was not there, and has only the record
        assert not await process.run_if_due()
    ground.set_ahead(-4000 * DAY_NS)
    ground.clock.advance(DAY_NS)
    assert await work.run_if_due()
    assert keys(ground.namespace) == [b"k"]


async def test_regression_a_clock_that_is_set_ahead_in_the_midst_of_a_run_stops_it(ground: Ground) -> None:
    ground.rule(BUCKET, tags=(("go", "1"),), date_s=0)
    for number in range(6):
        put(ground.namespace, b"%d" % number, b"x", tags={"go": "1"})
    work, publish = ground.process(), ground.told.publish

    async def meanwhile(changes: object) -> None:
        await publish(changes)
        ground.set_ahead(DAY_NS)
        ground.told.publish = publish  # type: ignore[method-assign]

    ground.told.publish = meanwhile  # type: ignore[method-assign]
    assert await work.run_if_due()
    assert keys(ground.namespace) == [b"3", b"4", b"5"]
    assert not await work.run_if_due()
    ground.set_ahead(-DAY_NS)
    assert await work.run_if_due()  # goes on
    assert keys(ground.namespace) == []


async def test_a_clock_that_stays_ahead_for_a_day_is_believed_over_restarts(ground: Ground) -> None:
    """A service that was off for a week saw none of it, and nor did the one after it."""
    ground.rule(BUCKET, days=1)
    put(ground.namespace, b"k", b"x")
    assert await ground.run()
    ground.clock.advance(7 * DAY_NS)
    begun_ns, work, looks = ground.clock.now_ns(), ground.process(), 0
    while not await work.run_if_due():
        assert keys(ground.namespace) == [b"k"]
        ground.clock.advance(DAY_NS // 15)
        looks += 1
        if looks % 6 == 0:
            assert not await work.run_if_due()
            work = ground.process()
    assert DAY_NS * 14 // 15 <= ground.clock.now_ns() - begun_ns <= DAY_NS * 16 // 15
    assert keys(ground.namespace) == []


def test_a_short_absence_and_a_clock_that_is_set_back_are_nothing_to_doubt(ground: Ground) -> None:
    known = believed_time.Known(ground.clock.now_ns())
    for by_ns in (believed_time.TOLERANCE_NS, -50 * DAY_NS):
        ground.clock.advance(by_ns)
        assert believed_time.BelievedTime(ground.clock, known, DAY_NS).now_ns() == ground.clock.now_ns()
    ground.clock.advance(51 * DAY_NS)
    assert believed_time.BelievedTime(ground.clock, known, DAY_NS).now_ns() is None


class Heard:
    """Takes what buckets notify of."""

    def __init__(self) -> None:
        self.happenings: list[Happening] = []

    def tell(self, happenings: Sequence[Happening], asker: Asker) -> None:
        assert asker == Asker("lifecycle")
        self.happenings += happenings


async def test_a_removed_version_and_a_removed_marker_are_told_with_their_ids(ground: Ground) -> None:
    lasting = encode([Rule("r", enabled=True, days=1, noncurrent_days=1)])
    ground.namespace.change_bucket_settings(
        BUCKET, lambda _: BucketSettings(lifecycle=lasting, versioning="Enabled")
    )
    version = put(ground.namespace, b"k", b"x").info.version
    heard = Heard()
    work = Lifecycle(
        ground.namespace,
        ground.told,
        DAY_NS,
        lambda: False,
        ground.clock.now_ns,
        heard,  # type: ignore[arg-type]
    )
    for _ in range(4):
        ground.clock.advance(2 * DAY_NS)
        await work.run_if_due()
    marked, removed, marker = heard.happenings
    assert [(each.event, each.bucket, each.key) for each in heard.happenings] == [
        (EXPIRY_MARKED, BUCKET, b"k"), (EXPIRED, BUCKET, b"k"), (EXPIRED, BUCKET, b"k"),
    ]  # fmt: skip
    assert (removed.version, marker.version) == (version, marked.version)
    assert marked.sequence < removed.sequence < marker.sequence
