"""Events in a spool: none lost, none torn, none beyond the bound, whoever dies."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.unit.audit.kit import DEPLOYMENT, call, ids
from weka_mp.audit.event import encode
from weka_mp.clock import SeededRandom, SystemClock
from weka_mp.spool import SpoolReader, SpoolWriter
from weka_mp.spool.writer import segment_bytes

LINE = encode(call(), DEPLOYMENT)
LEAST = 2**20  # the least bound that can be configured
Make = Callable[..., SpoolWriter]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    def made(limit: int = LEAST, seed: int = 1) -> SpoolWriter:
        return SpoolWriter(str(tmp_path / "spool"), limit, SystemClock(), SeededRandom(seed))

    return made


@pytest.fixture
def spool(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def line(number: int) -> bytes:
    return encode(call(number), DEPLOYMENT)


def drain(reader: SpoolReader, most: int = 10**6) -> list[int]:
    found: list[int] = []
    while batch := reader.batch(2**19, most):
        found += ids(batch.events)
        reader.done(batch)
    return found


def segments(spool: Path) -> list[Path]:
    return sorted(spool.glob("*.events"))


def test_in_order_and_once(make: Make, spool: Path) -> None:
    writer = make()
    for number in range(10):
        assert writer.append(line(number))
    reader = SpoolReader(str(spool))
    assert drain(reader, most=3) == list(range(10))
    assert drain(reader) == drain(SpoolReader(str(spool))) == []
    assert writer.append(line(10))
    assert drain(SpoolReader(str(spool))) == [10]
    writer.close()


def test_events_of_several_writers_come_in_the_order_of_their_times(make: Make, spool: Path) -> None:
    one, two = make(seed=1), make(seed=2)
    for number in range(20):
        (one if number % 3 else two).append(line(number))
    assert drain(SpoolReader(str(spool))) == list(range(20))
    one.close()
    two.close()


def test_nobody_else_may_read_them(make: Make, spool: Path) -> None:
    writer = make()
    writer.append(LINE)
    reader = SpoolReader(str(spool))
    reader.done(reader.batch(1, 1))
    assert {os.stat(path).st_mode & 0o777 for path in spool.iterdir()} == {0o600}
    assert os.stat(spool).st_mode & 0o777 == 0o700
    writer.close()


def test_what_is_not_done_comes_again(make: Make, spool: Path) -> None:
    writer = make()
    writer.append(line(1))
    reader = SpoolReader(str(spool))
    assert ids(reader.batch(100, 100).events) == ids(reader.batch(100, 100).events) == [1]
    assert drain(SpoolReader(str(spool))) == [1]
    writer.close()


def test_a_segment_is_removed_when_its_writer_left_it_and_all_was_read(make: Make, spool: Path) -> None:
    writer = make()
    writer.append(line(1))
    reader = SpoolReader(str(spool))
    assert drain(reader) == [1]
    assert len(segments(spool)) == 1, "it is still written"
    writer.append(line(2))
    writer.close()
    assert drain(reader) == [2]
    assert segments(spool) == []


def test_writers_leave_full_segments(make: Make, spool: Path) -> None:
    writer = make()
    count = 2 * segment_bytes(LEAST) // len(LINE)
    for number in range(count):
        writer.append(line(number))
    assert len(segments(spool)) in (2, 3)
    assert all(path.stat().st_size <= segment_bytes(LEAST) for path in segments(spool))
    assert drain(SpoolReader(str(spool))) == list(range(count))
    assert len(segments(spool)) == 1
    writer.close()


@pytest.mark.parametrize("torn", [LINE[:-1], LINE[:40], b"{", b"\x00" * 5000])
def test_a_torn_end_poisons_nothing(make: Make, spool: Path, torn: bytes) -> None:
    writer = make()
    writer.append(line(1))
    with segments(spool)[0].open("ab") as file:
        file.write(torn)
    reader = SpoolReader(str(spool))
    assert drain(reader) == [1]
    assert len(segments(spool)) == 1, "somebody may be writing it"
    writer.close()
    successor = make(seed=2)
    successor.append(line(2))
    assert drain(reader) == [2]
    assert drain(reader) == []
    assert len(segments(spool)) == 1
    successor.close()


@pytest.mark.parametrize(
    "damage", [b"\n", b"{}\n", b"not json\n", LINE[:100] + b"\n", b"[1]\n", b"[" * 99999 + b"\n"]
)
def test_damage_within_poisons_nothing(make: Make, spool: Path, damage: bytes) -> None:
    writer = make()
    writer.append(line(1))
    writer.close()
    with segments(spool)[0].open("ab") as file:
        file.write(damage + line(2))
    reader = SpoolReader(str(spool))
    batch = reader.batch(2**19, 100)
    assert (ids(batch.events), batch.torn) == ([1, 2], len(damage))
    reader.done(batch)
    assert segments(spool) == []


@pytest.mark.parametrize(
    "damage", [b"", b"{", b"[]", b'{"offsets": 1, "told": {}}', b'{"offsets": {"a": "x"}}']
)
def test_without_its_progress_it_begins_again(make: Make, spool: Path, damage: bytes) -> None:
    writer = make()
    writer.append(line(1))
    assert drain(SpoolReader(str(spool))) == [1]
    (spool / "progress").write_bytes(damage)
    assert drain(SpoolReader(str(spool))) == [1]
    writer.close()


def test_the_bound_holds_and_what_is_beyond_is_counted_and_told(
    make: Make, spool: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    now = [0.0]
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    writer = make()
    count = 2 * LEAST // len(LINE)
    kept = [number for number in range(count) if writer.append(line(number))]
    assert sum(path.stat().st_size for path in segments(spool)) <= LEAST
    assert kept == list(range(len(kept))) and len(kept) * len(LINE) > 0.9 * LEAST
    assert writer.dropped == count - len(kept)
    assert [record.levelname for record in caplog.records] == ["ERROR"], "told once, not for each event"
    reader = SpoolReader(str(spool))
    batch = reader.batch(2**19, 10)
    assert batch.dropped == writer.dropped
    assert reader.batch(2**19, 10).dropped == writer.dropped, "not told yet"
    reader.done(batch)
    assert drain(reader) == kept[10:]
    now[0] += 1
    assert writer.append(line(count))
    assert "1012 were dropped" in caplog.text
    batch = reader.batch(2**19, 10)
    assert (ids(batch.events), batch.dropped) == ([count], 0)
    writer.close()
    reader.done(batch)
    assert [path.name for path in spool.iterdir()] == ["progress"]


def test_dropped_events_of_a_dead_process_are_told(
    make: Make, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = make()
    monkeypatch.setattr(SpoolWriter, "_is_room", lambda self: False)
    for _ in range(3):
        assert not writer.append(LINE)
    writer.close()
    reader = SpoolReader(str(spool))
    batch = reader.batch(2**19, 10)
    assert (batch.events, batch.dropped) == ((), 3)
    reader.done(batch)
    assert not SpoolReader(str(spool)).batch(2**19, 10)
    assert list(spool.glob("*.dropped")) == []


def test_an_idle_writer_is_not_shut_out_by_others(make: Make, spool: Path) -> None:
    """Each may have one segment: else those who came first would keep all, read or not."""
    writers = [make(seed=seed) for seed in range(1, 40)]  # more than the bound has segments
    assert all(writer.append(line(number)) for number, writer in enumerate(writers))
    for writer in writers:
        writer.close()


def test_regression_writers_that_come_and_go_keep_to_the_bound(make: Make, spool: Path) -> None:
    """Each had a segment of its own while nobody read: one a minute, without end."""
    for seed in range(1, 100):
        writer = make(seed=seed)
        while writer._size + len(LINE) <= segment_bytes(LEAST) and writer.append(LINE):
            pass
        writer.close()
    assert sum(path.stat().st_size for path in segments(spool)) <= 4 * LEAST + segment_bytes(LEAST)


def test_writers_that_hold_all_segments_go_on_once_they_were_read(make: Make, spool: Path) -> None:
    """What a writer holds cannot be removed: it lets go of it before it asks for room, and the reader removes
    what it has read although nothing new comes."""
    writers = [make(seed=seed) for seed in range(1, 40)]
    for writer in writers:
        while writer._size + len(LINE) <= segment_bytes(LEAST):
            assert writer.append(LINE)
    reader = SpoolReader(str(spool))
    drain(reader)
    assert not any(writer.append(LINE) for writer in writers)
    assert not reader.batch(2**19, 10).events
    reader.tidy(0)
    for writer in writers:
        writer._full_until = 0
        assert writer.append(LINE)
        writer.close()


def test_a_disk_that_is_full(make: Make, spool: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half a line is taken back, so that the next one does not stand behind it."""
    writer = make()
    writer.append(line(1))
    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda fd, data: write(fd, data[: len(data) // 2]))
        assert not writer.append(line(2))
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda fd, data: (_ for _ in ()).throw(OSError(28, "No space left")))
        assert not writer.append(line(3))
    writer._full_until = 0
    assert writer.append(line(4))
    assert drain(SpoolReader(str(spool))) == [1, 4]
    assert writer.dropped == 2
    writer.close()


def test_regression_the_line_after_half_a_line_stands_where_that_began(
    make: Make, spool: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Taking half a line back moves the end of the file; the writer has to follow it."""
    writer = make()
    writer.append(line(1))
    write = os.write
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda fd, data: write(fd, data[: len(data) // 2]))
        assert not writer.append(line(2))
    assert writer.append(line(3))
    assert drain(SpoolReader(str(spool))) == [1, 3]
    assert (writer.written, writer.dropped) == (2, 1)
    writer.close()


WRITER = """
import sys
from tests.unit.audit.kit import DEPLOYMENT, call
from weka_mp.spool import SpoolWriter
from weka_mp.audit.event import encode
from weka_mp.clock import SystemClock, SystemRandom
writer = SpoolWriter(sys.argv[1], 2**24, SystemClock(), SystemRandom())
for number in range(10**6):
    writer.append(encode(call(number), DEPLOYMENT))
    sys.stdout.write(f"{number}\\n")
    sys.stdout.flush()
"""


def test_a_killed_writer_loses_nothing_that_it_has_told(spool: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", WRITER, str(spool)], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for _ in range(500):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        told = 499 + sum(entry.endswith("\n") for entry in process.stdout)
    found = drain(SpoolReader(str(spool)))
    assert found[: told + 1] == list(range(told + 1))
    assert len(found) - told - 1 in (0, 1), "one may have been written and not told"
    assert segments(spool) == []


def test_what_never_got_its_name_is_removed(make: Make, spool: Path) -> None:
    spool.mkdir(mode=0o700)
    (spool / ".new-00000000000000000001-aaaaaaaa.events").touch()
    fresh = spool / f".new-{SystemClock().now_ns():020d}-aaaaaaaa.events"
    fresh.touch()
    SpoolReader(str(spool)).tidy(SystemClock().now_ns())
    assert list(spool.iterdir()) == [fresh]


def test_a_spool_that_is_not_there_is_empty(spool: Path) -> None:
    reader = SpoolReader(str(spool))
    assert not reader.batch(100, 100)
    assert reader.pending_bytes() == 0
    reader.tidy(0)


def test_how_much_waits(make: Make, spool: Path) -> None:
    writer = make()
    for number in range(5):
        writer.append(line(number))
    reader = SpoolReader(str(spool))
    assert reader.pending_bytes() == 5 * len(LINE)
    reader.done(reader.batch(2**19, 2))
    assert reader.pending_bytes() == 3 * len(LINE)
    assert json.loads((spool / "progress").read_text())["told"] == {}
    writer.close()
