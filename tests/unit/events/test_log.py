"""Events kept and read: lines, bounds, damage, writers at once, and what cannot be written."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.unit.namespace.kit import FixedClock
from weka_mp.clock import SeededRandom
from weka_mp.errors import NoSpace
from weka_mp.events import CATEGORIES, TYPES, By, Event, EventLog, EventType, Severity, Wanted, event_named
from weka_mp.events import log as log_module
from weka_mp.events.lines import decode_line, encode_line
from weka_mp.events.types import told
from weka_mp.namespace import Namespace
from weka_mp.namespace.concealment import is_concealed
from weka_mp.store.faulty import Effect, Fault, FaultyStore
from weka_mp.store.memory import MemoryStore

BUCKET_MADE = event_named("S3CreateBucketEvent")


@pytest.fixture
def namespace() -> Iterator[Namespace]:
    with Namespace.open(MemoryStore(), clock=FixedClock(), random=SeededRandom(3)) as opened:
        yield opened


def event(number: int, name: str = "S3CreateBucketEvent", account: str = "root") -> Event:
    about = told({"bucket": f"bucket-{number}"})
    return Event(number, event_named(name), "root", account, "local", "admin", about)


def directory(namespace: Namespace) -> int:
    return namespace.store.open_dir(namespace.context.control, b"events")


def files(namespace: Namespace) -> list[bytes]:
    fd = directory(namespace)
    try:
        return sorted(entry.name for entry in namespace.store.entries(fd))
    finally:
        namespace.store.close(fd)


def write(namespace: Namespace, name: bytes, data: bytes, offset: int) -> None:
    at = directory(namespace)
    fd = namespace.store.open_file(at, name, os.O_RDWR)
    namespace.store.write(fd, data, offset)
    namespace.store.close(fd)
    namespace.store.close(at)


def content(namespace: Namespace, name: bytes) -> bytes:
    at = directory(namespace)
    fd = namespace.store.open_file(at, name, os.O_RDONLY)
    data = namespace.store.read(fd, 1 << 20, 0)
    namespace.store.close(fd)
    namespace.store.close(at)
    return data


def test_the_bytes_of_a_line() -> None:
    """The example of docs/STORAGE_FORMAT.md."""
    made = Event(
        1_700_000_000_000_000_000, BUCKET_MADE, "ann", "lab", "192.0.2.7", "s3", told({"bucket": "photos"})
    )
    line = encode_line(made)
    assert line == (
        b'7d42da96 {"t":1700000000000000000,"type":"S3CreateBucketEvent","category":"S3","severity":"INFO",'
        b'"user":"ann","account":"lab","source":"192.0.2.7","via":"s3","about":{"bucket":"photos"}}\n'
    )
    assert decode_line(line[:-1]) == made


def test_nothing_was_ever_kept(namespace: Namespace) -> None:
    assert EventLog(namespace).read(Wanted()) == []
    assert b"events" not in {entry.name for entry in namespace.store.entries(namespace.context.control)}


def test_what_is_kept_is_read_by_everybody_in_order_of_time(namespace: Namespace) -> None:
    one, two = EventLog(namespace), EventLog(namespace)
    one.keep(event(3), By.ADMINISTRATOR)
    two.keep(event(1), By.OTHER)
    two.keep(event(2), By.ADMINISTRATOR)
    assert [found.time_ns for found in one.read(Wanted())] == [1, 2, 3]
    assert [found.time_ns for found in two.read(Wanted(), most=2)] == [2, 3]
    assert files(namespace) == [b"admin-0000000000000001", b"other-0000000000000001"]
    at = directory(namespace)
    fd = namespace.store.open_path(at, b"admin-0000000000000001")
    assert is_concealed(namespace.store, fd, namespace.store.attr(fd))
    namespace.store.close(fd)
    namespace.store.close(at)


def test_what_is_wanted(namespace: Namespace) -> None:
    log = EventLog(namespace)
    log.keep(event(1), By.ADMINISTRATOR)
    log.keep(event(2, "UserCreated", "lab"), By.ADMINISTRATOR)
    log.keep(event(3, "TLSSet"), By.ADMINISTRATOR)

    def times(wanted: Wanted) -> list[int]:
        return [found.time_ns for found in log.read(wanted)]

    assert times(Wanted(since_ns=2)) == [2, 3]
    assert times(Wanted(until_ns=2)) == [1, 2]
    assert times(Wanted(severity=Severity.WARNING)) == []
    assert times(Wanted(categories=frozenset({"User", "Security"}))) == [2, 3]
    assert times(Wanted(types=frozenset({"UserCreated"}))) == [2]
    assert times(Wanted(without=frozenset({"UserCreated"}))) == [1, 3]
    assert times(Wanted(account="lab")) == [2]


def test_the_oldest_go_when_there_are_too_many(
    namespace: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_module, "FILE_BYTES", 400)
    monkeypatch.setattr(log_module, "FILES", 3)
    log = EventLog(namespace)
    for number in range(30):
        log.keep(event(number), By.ADMINISTRATOR)
    assert len(files(namespace)) == 3
    kept = [found.time_ns for found in log.read(Wanted())]
    assert kept == list(range(kept[0], 30))
    assert 4 <= len(kept) < 12


def test_users_cannot_wash_out_what_administrators_did(
    namespace: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_module, "FILE_BYTES", 400)
    monkeypatch.setattr(log_module, "FILES", 2)
    log = EventLog(namespace)
    log.keep(event(1, "UserDeleted"), By.ADMINISTRATOR)
    for number in range(2, 40):
        log.keep(event(number, "S3AsssumeRoleEvent"), By.OTHER)
    found = log.read(Wanted())
    assert found[0] == event(1, "UserDeleted")
    assert len(found) < 20


def test_regression_nor_what_users_did_who_may_administrate(
    namespace: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_module, "FILE_BYTES", 400)
    monkeypatch.setattr(log_module, "FILES", 2)
    log = EventLog(namespace)
    log.keep(event(1, "UserDeleted"), By.DELEGATE)
    for number in range(2, 40):
        log.keep(event(number, "S3AsssumeRoleEvent"), By.OTHER)
    assert log.read(Wanted())[0] == event(1, "UserDeleted")
    for number in range(40, 80):
        log.keep(event(number, "UserCreated"), By.DELEGATE)
    assert event(1, "UserDeleted") not in log.read(Wanted())  # bounded all the same
    assert [one.time_ns for one in log.read(Wanted())] == sorted(one.time_ns for one in log.read(Wanted()))


def test_regression_what_others_do_to_ones_own_is_shown_to_both(namespace: Namespace) -> None:
    log = EventLog(namespace)
    of_others = replace(event(1, account="lab"), owner="shop")
    log.keep(of_others, By.OTHER)
    log.keep(event(2, account="lab"), By.OTHER)
    assert log.read(Wanted(account="shop")) == [of_others]
    assert [one.time_ns for one in log.read(Wanted(account="lab"))] == [1, 2]
    assert log.read(Wanted(account="else")) == log.read(Wanted(account="")) == []


def test_a_torn_line_swallows_no_later_one(namespace: Namespace) -> None:
    log = EventLog(namespace)
    log.keep(event(1), By.ADMINISTRATOR)
    name = files(namespace)[0]
    data = content(namespace, name)
    write(namespace, name, data[: len(data) // 2], len(data))  # a power cut within the second line
    assert [found.time_ns for found in log.read(Wanted())] == [1]
    log.keep(event(3), By.ADMINISTRATOR)
    assert [found.time_ns for found in log.read(Wanted())] == [1, 3]


def test_a_damaged_line_is_no_event(namespace: Namespace) -> None:
    log = EventLog(namespace)
    for number in (1, 2, 3):
        log.keep(event(number), By.ADMINISTRATOR)
    name = files(namespace)[0]
    place = content(namespace, name).index(b"bucket-2")
    write(namespace, name, b"forged-2", place)
    assert [found.time_ns for found in log.read(Wanted())] == [1, 3]


@pytest.mark.parametrize("line", [b"", b"zz", b"00000000 {}", b"deadbeef " + b"{" * 100, b"\xff" * 40])
def test_what_is_no_line(line: bytes) -> None:
    assert decode_line(line) is None


def test_an_event_of_a_later_version_is_shown() -> None:
    kind = EventType("BucketFrozen", "S3", "", Severity.MAJOR)
    found = decode_line(encode_line(Event(1, kind, "root", "root", "local", "admin"))[:-1])
    assert found is not None
    assert found.type == kind


def test_writers_at_once_lose_nothing(namespace: Namespace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "FILE_BYTES", 700)

    def work(begin: int) -> None:
        log = EventLog(namespace)
        for number in range(begin, begin + 12):
            log.keep(event(number), By.ADMINISTRATOR)

    threads = [threading.Thread(target=work, args=(begin,)) for begin in (0, 12, 24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [found.time_ns for found in EventLog(namespace).read(Wanted())] == list(range(36))


def test_a_full_disk_refuses_nobody_and_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    store = FaultyStore(MemoryStore())
    with Namespace.open(store, clock=FixedClock(), random=SeededRandom(3)) as namespace:
        log = EventLog(namespace)
        log.keep(event(1), By.ADMINISTRATOR)
        store.begin(Fault(NoSpace, 1, "write", Effect.HALF))
        log.keep(event(2), By.ADMINISTRATOR)
        assert "S3CreateBucketEvent could not be kept" in caplog.text
        log.keep(event(3), By.ADMINISTRATOR)
        assert [found.time_ns for found in log.read(Wanted())] == [1, 3]


def test_control_characters_are_spelt_out_and_long_words_are_cut() -> None:
    made = told({"name": "a\x1b[31m\r\nb", "none": None, "long": "x" * 1000, "list": ["a", "b"], "yes": True})
    assert dict(made) == {
        "name": "a\\x1b[31m\\r\\nb", "long": "x" * 255 + "…", "list": "a,b", "yes": "yes",
    }


def test_each_type_has_a_category_and_words() -> None:
    assert "S3AsssumeRoleEvent" in TYPES  # as WEKA spells it
    assert all(kind.category in CATEGORIES and kind.description.endswith(".") for kind in TYPES.values())
