"""Rules of a bucket's lifecycle: when objects expire, by an independent reckoning; that only they go."""

from __future__ import annotations

import os
import random
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.unit.namespace.kit import BUCKET, FixedClock, get, keys, memory_store, posix_write, put
from weka_mp.errors import IoFailure, UploadMissing
from weka_mp.lifecycle import DAY_NS, Rule, abort_of, decode, encode, expiry_of
from weka_mp.namespace import BucketSettings, Namespace, NewUpload, VersionRow
from weka_mp.namespace.upkeep import expiring
from weka_mp.namespace.upkeep.expiring import START, Age, Cursor, ExpiredPage, roots_of
from weka_mp.store.faulty import Fault, FaultyStore, Interference
from weka_mp.store.memory import MemoryStore

DAY = DAY_NS
ONE_DAY = Rule("one", enabled=True, days=1)


class Ground:
    """A bucket with rules, over a store in memory and a clock that stands still."""

    def __init__(self, *rules: Rule, **fewer: bool) -> None:
        self.clock = FixedClock()
        self.memory: MemoryStore = memory_store(self.clock, **fewer)
        self.store = FaultyStore(self.memory)
        self.namespace = Namespace.open(self.store, clock=self.clock)  # type: ignore[arg-type]
        self.namespace.create_bucket(BUCKET)
        self.rule(*rules)

    def rule(self, *rules: Rule) -> None:
        kept = encode(rules) if rules else None
        self.namespace.change_bucket_settings(BUCKET, lambda _: BucketSettings(lifecycle=kept))

    def expire(self, cursor: Cursor = START) -> ExpiredPage:
        """All pages as one; `changes` of the last."""
        total = ExpiredPage()
        at: Cursor | None = cursor
        while at is not None:
            page = self.namespace.expire_objects(BUCKET, at, Age(self.clock.now_ns()))
            total.looked += page.looked
            total.expired += page.expired
            total.kept += page.kept
            total.failed += page.failed
            total.changes += page.changes
            at = page.following
        return total


@pytest.fixture
def ground() -> Iterator[Ground]:
    made = Ground(ONE_DAY)
    yield made
    made.namespace.close()


# ---- when
def reckoned(
    rules: Sequence[Rule], key: str, size: int, tags: dict[str, str], since: datetime
) -> datetime | None:
    """Another way to the same: calendar days, one rule after the other, as the user guide words it."""
    moments = []
    for rule in rules:
        wanted = dict(rule.tags)
        if not rule.enabled or not key.startswith(rule.prefix or ""):
            continue
        if not all(name in tags and tags[name] == value for name, value in wanted.items()):
            continue
        if not (-1 if rule.larger_than is None else rule.larger_than) < size:
            continue
        if rule.smaller_than is not None and not size < rule.smaller_than:
            continue
        if rule.date_s is not None:
            moments.append(datetime.fromtimestamp(rule.date_s, UTC))
        elif rule.days is not None:
            day = (since + timedelta(days=rule.days)).date() + timedelta(days=1)
            moments.append(datetime(day.year, day.month, day.day, tzinfo=UTC))
    return min(moments, default=None)


def some_rules(chooser: random.Random) -> list[Rule]:
    midnight = int(datetime(2023, 11, 16, tzinfo=UTC).timestamp())
    return [
        Rule(
            f"rule {number}", enabled=chooser.random() < 0.8,
            prefix=chooser.choice([None, "", "a", "a/", "b/c", "ä"]),
            tags=tuple(chooser.sample([("x", "1"), ("y", "2"), ("x y", "")], chooser.randrange(3))),
            larger_than=chooser.choice([None, None, 0, 10]),
            smaller_than=chooser.choice([None, None, 5, 100]),
            **chooser.choice([  # type: ignore[arg-type]
                {"days": chooser.choice([1, 2, 30, 365])}, {"date_s": midnight}, {"abort_days": 1},
                {"noncurrent_days": 3},
            ]),
        )
        for number in range(chooser.randrange(1, 6))
    ]  # fmt: skip


def test_an_independent_reckoning_agrees_on_every_object_and_rule() -> None:
    chooser = random.Random(20231116)
    found = 0
    for _ in range(800):
        rules = some_rules(chooser)
        since = datetime(2023, 11, 14, tzinfo=UTC) + timedelta(seconds=chooser.randrange(200_000))
        if chooser.random() < 0.1:
            since = since.replace(hour=0, minute=0, second=0)
        tags = dict(chooser.sample([("x", "1"), ("y", "2"), ("y", "3"), ("x y", "")], chooser.randrange(4)))
        key = chooser.choice(["a", "a/b", "b/c/d", "z", "ä/1"])
        size = chooser.choice([0, 4, 5, 10, 11, 99, 100])
        since_ns = int(since.timestamp()) * 1_000_000_000
        expiry = expiry_of(rules, key.encode(), size, tags, since_ns)
        expected = reckoned(rules, key, size, tags, since)
        shown = None if expiry is None else datetime.fromtimestamp(expiry.at_ns // 1_000_000_000, UTC)
        assert shown == expected, (rules, key, size, tags, since)
        if expiry is not None and expected is not None:
            found += 1
            assert expiry.rule.enabled
        assert decode(encode(rules)) == tuple(rules)
    assert found > 100  # else nothing was compared


def test_the_example_of_the_user_guide() -> None:
    created = int(datetime(2014, 1, 15, 10, 30, tzinfo=UTC).timestamp()) * 1_000_000_000
    expiry = expiry_of([Rule("r", enabled=True, days=3)], b"k", 0, {}, created)
    assert expiry is not None
    assert datetime.fromtimestamp(expiry.at_ns // 1_000_000_000, UTC) == datetime(2014, 1, 19, tzinfo=UTC)


def test_uploads_have_a_reckoning_of_their_own() -> None:
    rules = [Rule("a", enabled=True, prefix="up/", abort_days=7), Rule("b", enabled=True, abort_days=30)]
    for key, rule, days in ((b"up/k", "a", 7), (b"k", "b", 30)):
        expiry = abort_of(rules, key, 5 * DAY + 1)
        assert expiry is not None
        assert (expiry.rule.id, expiry.at_ns) == (rule, (5 + days + 1) * DAY)
    assert abort_of([Rule("c", enabled=False, abort_days=1)], b"k", 0) is None


def test_of_prefixes_only_the_widest_are_walked() -> None:
    rules = [Rule(p, enabled=True, prefix=p, days=1) for p in ("a/b", "a/", "b", "bc", "a/b/c")]
    assert roots_of([*rules, Rule("off", enabled=False, prefix="", days=1)]) == [b"a/", b"b"]
    assert roots_of([*rules, Rule("all", enabled=True, days=1)]) == [b""]
    assert roots_of([Rule("up", enabled=True, abort_days=1)]) == []


# ---- what goes
def test_what_is_due_goes_and_nothing_else(ground: Ground) -> None:
    ground.rule(
        Rule("tagged", enabled=True, prefix="t/", tags=(("go", "1"),), days=1),
        Rule("large", enabled=True, prefix="s/", larger_than=3, days=1),
        Rule("later", enabled=True, prefix="t/", days=9), Rule("off", enabled=False, days=1),
    )
    put(ground.namespace, b"t/go", b"x", tags={"go": "1", "a": "b"})
    put(ground.namespace, b"t/stay", b"x", tags={"go": "2"})
    put(ground.namespace, b"s/small", b"123")
    put(ground.namespace, b"s/large", b"1234")
    put(ground.namespace, b"other", b"1234")
    ground.clock.advance(DAY)
    assert ground.expire().expired == []
    ground.clock.advance(DAY)
    page = ground.expire()
    assert sorted(page.expired) == [(b"s/large", "large"), (b"t/go", "tagged")]
    assert page.looked == 4  # the others' keys begin with no rule's prefix
    assert keys(ground.namespace) == [b"other", b"s/small", b"t/stay"]
    assert {change.name for change in page.changes} >= {b"large", b"go"}  # the mounts are told


def test_pages_go_on_where_they_ended_in_any_process(ground: Ground) -> None:
    ground.rule(*(Rule(p, enabled=True, prefix=p, days=1) for p in ("a", "c")))
    for number in range(450):
        put(ground.namespace, b"%s%03d" % ((b"a", b"b", b"c")[number % 3], number))
    ground.clock.advance(3 * DAY)
    cursor: Cursor | None = START
    steps = 0
    while cursor is not None:
        with Namespace.open(ground.memory, clock=ground.clock) as other:  # as after a death
            at = Cursor(cursor.root, cursor.after)
            cursor = other.expire_objects(BUCKET, at, Age(ground.clock.now_ns())).following
        steps += 1
    assert steps >= 2
    assert all(key.startswith(b"b") for key in keys(ground.namespace))
    assert len(keys(ground.namespace)) == 150


def test_regression_a_large_directory_is_not_read_anew_for_each_step(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It changed with each step of 200 removals: a directory of a million names was read 5,000 times."""
    monkeypatch.setattr(expiring, "_PAGE", 2)
    for number in range(20):
        put(ground.namespace, b"%02d" % number)
    ground.clock.advance(2 * DAY)
    ground.store.begin()
    assert ground.expire().looked == 20
    assert sum(call.verb == "entries" for call in ground.store.calls) < 5
    ground.store.begin()
    assert keys(ground.namespace) == []


def test_what_was_seen_to_be_due_is_looked_at_again_by_the_next_process(
    ground: Ground, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expiring, "_PAGE", 2)
    for number in range(6):
        put(ground.namespace, b"%d" % number)
    ground.clock.advance(2 * DAY)
    age = Age(ground.clock.now_ns())
    page = ground.namespace.expire_objects(BUCKET, START, age)
    assert page.following is not None and page.looked == 6
    assert keys(ground.namespace) == [b"2", b"3", b"4", b"5"]
    put(ground.namespace, b"1")  # behind it, for the next run
    again = ground.expire(Cursor(page.following.root, page.following.after))
    assert (again.looked, len(again.expired)) == (4, 4)
    assert keys(ground.namespace) == [b"1"]


def test_old_times_of_a_copied_tree_do_not_count(ground: Ground) -> None:
    """`rsync -a` of a ten-year-old tree under a rule of one day loses nothing; mtimes to come wait."""
    posix_write(ground.memory, b"old", b"x")
    posix_write(ground.memory, b"future", b"x")
    now_ns = ground.clock.now_ns()
    for name, at in ((b"old", now_ns - 3650 * DAY), (b"future", now_ns + 9 * DAY)):
        fd = ground.memory.open_file(ground.memory.root(), b"bucket/" + name, os.O_RDONLY)
        ground.memory.utimens(fd, at, at)
        ground.memory.close(fd)
    page = ground.expire()
    assert (page.expired, page.kept) == ([], 1)
    # What our own processes write beside the bytes does not make it young again.
    ground.clock.advance(3600 * 1_000_000_000)
    ground.namespace.fill(BUCKET)
    ground.namespace.tag_object(BUCKET, b"old", {"a": "b"})
    ground.clock.advance(2 * DAY - 3600 * 1_000_000_000)
    assert ground.expire().expired == [(b"old", "one")]
    ground.clock.advance(9 * DAY)
    assert ground.expire().expired == [(b"future", "one")]


def test_links_and_directories(ground: Ground) -> None:
    store = ground.memory
    put(ground.namespace, b"k", b"x")
    put(ground.namespace, b"dir/", b"body")
    put(ground.namespace, b"made/by/key", b"x")
    bucket = store.open_dir(store.root(), b"bucket")
    store.mkdir(bucket, b"posix", 0o755)
    fd = store.open_file(bucket, b"k", os.O_RDONLY)
    store.link(fd, bucket, b"hard")
    ground.clock.advance(2 * DAY)
    store.symlink(b"k", bucket, b"soft")
    store.close(fd)
    expired = {key for key, _ in ground.expire().expired}
    assert expired == {b"k", b"hard", b"dir/", b"made/by/key"}  # a link is as old as itself
    assert {entry.name for entry in store.entries(bucket)} == {b"posix", b"soft"}
    store.close(bucket)


@pytest.mark.parametrize("key", [b"a//b", b"../up", b".weka/x", b"n\0ul", "ä ö".encode(), b"k" * 600, b" "])
def test_odd_keys_expire(ground: Ground, key: bytes) -> None:
    put(ground.namespace, key, b"x")
    ground.clock.advance(2 * DAY)
    assert ground.expire().expired == [(key, "one")]
    assert keys(ground.namespace) == []


def test_uploads_are_aborted_by_their_age(ground: Ground) -> None:
    ground.rule(Rule("up", enabled=True, prefix="up/", abort_days=2))
    old = ground.namespace.create_upload(BUCKET, b"up/k", NewUpload())
    other = ground.namespace.create_upload(BUCKET, b"k", NewUpload())
    ground.clock.advance(2 * DAY)
    young = ground.namespace.create_upload(BUCKET, b"up/k", NewUpload())
    assert ground.namespace.abort_due_uploads(BUCKET, Age(ground.clock.now_ns())) == 0
    ground.clock.advance(DAY)
    assert ground.namespace.abort_due_uploads(BUCKET, Age(ground.clock.now_ns())) == 1
    with pytest.raises(UploadMissing):
        ground.namespace.upload_info(BUCKET, b"up/k", old)
    for key, upload in ((b"k", other), (b"up/k", young)):
        assert ground.namespace.upload_info(BUCKET, key, upload).key == key


# ---- races
def looking(ground: Ground) -> list[str]:
    """The verbs of the store that an expiry calls before it locks anything."""
    ground.store.begin()
    ground.expire()
    verbs = [call.verb for call in ground.store.calls]
    ground.store.begin()
    return verbs[: next(number for number, verb in enumerate(verbs) if "lock" in verb)]


def test_a_put_at_any_moment_before_the_lock_wins() -> None:
    def prepared() -> Ground:
        ground = Ground(ONE_DAY)
        put(ground.namespace, b"d/k", b"old")
        ground.clock.advance(2 * DAY)
        return ground

    verbs = looking(prepared())
    assert len(verbs) > 10
    for nth, verb in enumerate(verbs, 1):
        ground = prepared()
        with Namespace.open(ground.memory, clock=ground.clock) as other:
            ground.store.begin(
                Interference(verb, verbs[:nth].count(verb), lambda other=other: put(other, b"d/k", b"new"))
            )
            assert ground.expire().expired == [], verb
            assert get(other, b"d/k") == b"new", verb


def test_a_write_between_the_look_and_the_removal_wins(ground: Ground) -> None:
    put(ground.namespace, b"k", b"old")
    ground.clock.advance(2 * DAY)


    def write() -> None:
        ground.clock.advance(1_000_000)
        posix_write(ground.memory, b"k", b"written")

    ground.store.begin(Interference("try_lease", 1, write))
    page = ground.expire()
    ground.store.begin()
    assert (page.expired, page.kept) == ([], 1)
    assert get(ground.namespace, b"k") == b"written"


def test_what_has_a_writer_stays(ground: Ground) -> None:
    put(ground.namespace, b"k", b"old")
    ground.clock.advance(2 * DAY)
    writer = ground.memory.open_file(ground.memory.root(), b"bucket/k", os.O_RDWR)
    assert (ground.expire().expired, ground.expire().kept) == ([], 1)
    ground.memory.close(writer)
    assert ground.expire().expired == [(b"k", "one")]


def test_a_rule_that_goes_meanwhile_removes_nothing_more(ground: Ground) -> None:
    for key in (b"a", b"b", b"c"):
        put(ground.namespace, key, b"x")
    ground.clock.advance(2 * DAY)
    other = Namespace.open(ground.memory, clock=ground.clock)
    gone = lambda: other.change_bucket_settings(BUCKET, lambda _: BucketSettings())  # noqa: E731
    ground.store.begin(Interference("unlink", 1, gone))
    page = ground.expire()
    ground.store.begin()
    assert [key for key, _ in page.expired] == [b"a"]
    assert keys(ground.namespace) == [b"b", b"c"]
    other.close()


def test_one_that_cannot_be_removed_holds_up_no_other(ground: Ground) -> None:
    for key in (b"a", b"b"):
        put(ground.namespace, key, b"x")
    ground.clock.advance(2 * DAY)
    ground.store.begin(Fault(IoFailure, 1, "unlink"))
    page = ground.expire()
    ground.store.begin()
    assert [key for key, _ in page.failed] == [b"a"]
    assert [key for key, _ in page.expired] == [b"b"]
    assert {change.name for change in page.changes} >= {b"a", b"b"}  # told all the same
    assert ground.expire().expired == [(b"a", "one")]


def test_tags_are_those_at_the_end(ground: Ground) -> None:
    """A tag that a rule asks for may go between the look and the removal."""
    ground.rule(Rule("tagged", enabled=True, tags=(("go", "1"),), days=1))
    put(ground.namespace, b"k", b"x", tags={"go": "1"})
    ground.clock.advance(2 * DAY)
    other = Namespace.open(ground.memory, clock=ground.clock)
    untag = lambda: other.tag_object(BUCKET, b"k", {})  # noqa: E731
    ground.store.begin(Interference("entries", 1, untag))
    page = ground.expire()
    ground.store.begin()
    assert (page.expired, page.kept) == ([], 1)
    other.close()


def _expired_versions(namespace: Namespace, rules: list[Rule], days: float) -> list[str]:
    """Versions that the rules take when so many days have passed since now."""
    namespace.change_bucket_settings(BUCKET, lambda old: replace(old, lifecycle=encode(rules)))
    age = Age(int(namespace.clock.now_ns() + days * DAY_NS))
    done = namespace.expire_versions(BUCKET, b"", age)
    assert not done.failed
    return [version for _, version, _, _ in done.expired]


def _versioned(namespace: Namespace) -> None:
    namespace.change_bucket_settings(BUCKET, lambda old: replace(old, versioning="Enabled"))


def test_noncurrent_versions_go_after_their_days_and_the_newest_of_them_stay() -> None:
    with Namespace.open(memory_store()) as namespace:
        namespace.create_bucket(BUCKET)
        _versioned(namespace)
        ids = [put(namespace, b"a/k", data).info.version for data in (b"1", b"22", b"333", b"4444")]
        rule = Rule("r", enabled=True, prefix="a/", noncurrent_days=2, noncurrent_keep=1)
        assert _expired_versions(namespace, [rule], 1) == []
        assert _expired_versions(namespace, [replace(rule, prefix="b/")], 4) == []
        assert _expired_versions(namespace, [replace(rule, larger_than=2)], 4) == []
        assert _expired_versions(namespace, [rule], 4) == [ids[0], ids[1]]
        left = namespace.list_versions(BUCKET).items
        assert [row.version for row in left if isinstance(row, VersionRow)] == [ids[3], ids[2]]
        assert get(namespace, b"a/k") == b"4444"


def test_a_delete_marker_goes_when_it_is_all_that_is_left() -> None:
    with Namespace.open(memory_store()) as namespace:
        namespace.create_bucket(BUCKET)
        _versioned(namespace)
        one = put(namespace, b"k", b"1").info.version
        marker = namespace.delete_object(BUCKET, b"k").version
        alone = Rule("r", enabled=True, delete_marker=True)
        assert _expired_versions(namespace, [alone], 9) == []
        assert _expired_versions(namespace, [Rule("n", enabled=True, noncurrent_days=1)], 9) == [one]
        assert _expired_versions(namespace, [Rule("d", enabled=True, days=5)], 2) == []
        assert _expired_versions(namespace, [alone], 0.01) == [marker]
        namespace.delete_bucket(BUCKET)


def test_what_expires_in_a_bucket_with_versions_is_kept_behind_a_marker() -> None:
    with Namespace.open(memory_store()) as namespace:
        namespace.create_bucket(BUCKET)
        _versioned(namespace)
        one = put(namespace, b"k", b"1").info.version
        rules = [Rule("d", enabled=True, days=1)]
        namespace.change_bucket_settings(BUCKET, lambda old: replace(old, lifecycle=encode(rules)))
        age = Age(namespace.clock.now_ns() + 3 * DAY_NS)
        assert [key for key, _ in namespace.expire_objects(BUCKET, START, age).expired] == [b"k"]
        rows = [row for row in namespace.list_versions(BUCKET).items if isinstance(row, VersionRow)]
        assert [(row.marker, row.latest) for row in rows] == [(True, True), (False, False)]
        assert rows[1].version == one
