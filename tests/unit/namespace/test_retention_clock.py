"""The clock that retentions go by: what ten years of a wrong clock do to it, and what a reboot does."""

from __future__ import annotations

import pytest

from tests.unit.namespace.kit import FixedClock, memory_store
from weka_mp.errors import NoSpace, StoreUnusable
from weka_mp.namespace import Namespace
from weka_mp.namespace.retention_clock import MOST_CREDIT_NS, RetentionClock
from weka_mp.store.faulty import Fault, FaultyStore

HOUR_NS = 3600 * 10**9
DAY_NS = 24 * HOUR_NS
YEARS_NS = 3650 * DAY_NS
RECORD = b"retention-clock"


class Machine:
    """One store; `clock` is the machine's, `asked` the retention's in a process of its own."""

    def __init__(self) -> None:
        self.clock = FixedClock()
        self.store = FaultyStore(memory_store(self.clock))
        self.namespace = Namespace.open(self.store, clock=self.clock)
        self.begun_ns = self.clock.now_ns()

    def process(self) -> RetentionClock:
        return Namespace.open(self.store, clock=self.clock).context.object_locks.clock

    def passed(self) -> int:
        """What it is now, since the beginning, as every process says alike."""
        said = {self.process().now_ns(), self.namespace.context.object_locks.now_ns()}
        assert len(said) == 1
        return said.pop() - self.begun_ns


@pytest.fixture
def machine() -> Machine:
    made = Machine()
    assert made.passed() == 0
    return made


def test_it_moves_on_with_time_that_passes_and_over_restarts_of_the_service(machine: Machine) -> None:
    for _ in range(100):
        machine.clock.advance(DAY_NS)  # nobody asks meanwhile, nothing runs
        before = machine.passed()
    assert before == 100 * DAY_NS


def test_a_clock_that_is_set_ahead_ten_years_counts_a_day_and_never_more(machine: Machine) -> None:
    machine.clock.set_ahead(YEARS_NS)
    assert machine.passed() == MOST_CREDIT_NS == DAY_NS
    for _ in range(200):
        machine.clock.advance(DAY_NS)
        machine.process().keep()
    assert machine.passed() == 201 * DAY_NS
    for _ in range(50):
        machine.clock.reboot(HOUR_NS)
        machine.process().keep()
    assert machine.passed() == 201 * DAY_NS


def test_who_reads_alone_sees_what_who_keeps_the_record_sees(machine: Machine) -> None:
    machine.clock.set_ahead(5 * HOUR_NS)
    seen = machine.passed()
    machine.namespace.context.object_locks.clock.keep()
    assert machine.passed() == seen == 5 * HOUR_NS
    machine.clock.set_ahead(30 * HOUR_NS)
    assert machine.passed() == DAY_NS


def test_a_clock_set_back_ends_nothing_early_and_is_no_time_lost(machine: Machine) -> None:
    machine.clock.advance(10 * DAY_NS)
    machine.passed()
    machine.clock.set_ahead(-5 * DAY_NS)
    assert machine.passed() == 5 * DAY_NS
    reading = machine.process().reading()
    assert (reading.at_ns - machine.begun_ns, reading.behind_ns) == (10 * DAY_NS, -5 * DAY_NS)
    machine.clock.set_ahead(5 * DAY_NS)
    assert machine.passed() == 10 * DAY_NS


def test_a_clock_that_was_wrong_at_first_ends_nothing_early(machine: Machine) -> None:
    """The first time it was asked the clock was ten years ahead; then somebody put it right."""
    wrong = Machine()
    wrong.clock.set_ahead(YEARS_NS)
    assert wrong.passed() == YEARS_NS
    wrong.clock.set_ahead(-YEARS_NS)
    wrong.clock.advance(HOUR_NS)
    assert wrong.passed() == HOUR_NS


def test_of_a_time_off_a_day_counts_and_is_earned_again_by_running(machine: Machine) -> None:
    machine.clock.reboot(20 * HOUR_NS)
    assert machine.passed() == 20 * HOUR_NS
    machine.clock.reboot(20 * HOUR_NS)
    assert machine.passed() == DAY_NS  # 16 hours are missing, for good
    machine.clock.advance(100 * DAY_NS)
    machine.process().keep()
    machine.clock.reboot(HOUR_NS)
    assert machine.passed() == 101 * DAY_NS
    machine.process().accept()
    assert machine.passed() == machine.clock.now_ns() - machine.begun_ns
    machine.clock.advance(2 * DAY_NS)
    machine.process().keep()
    machine.clock.reboot(DAY_NS)
    assert machine.passed() == machine.clock.now_ns() - machine.begun_ns


def test_setting_the_clock_to_and_fro_gains_no_more_than_the_time_that_it_was_right(machine: Machine) -> None:
    for _ in range(20):
        machine.clock.set_ahead(DAY_NS)
        machine.process().keep()
        machine.clock.set_ahead(-DAY_NS)
        machine.clock.advance(HOUR_NS)
        machine.process().keep()
    machine.clock.set_ahead(YEARS_NS)
    assert machine.passed() <= 20 * HOUR_NS + DAY_NS


def test_accepting_a_clock_goes_both_ways(machine: Machine) -> None:
    machine.clock.set_ahead(YEARS_NS)
    assert machine.process().accept().behind_ns == 0
    assert machine.passed() == YEARS_NS
    machine.clock.set_ahead(-YEARS_NS)
    machine.process().accept()
    machine.clock.set_ahead(YEARS_NS)
    assert machine.passed() == DAY_NS


def test_a_store_that_is_full_knows_the_time_all_the_same(machine: Machine) -> None:
    machine.clock.advance(DAY_NS)
    machine.store.begin(Fault(NoSpace, 1, "write"))
    assert machine.namespace.context.object_locks.now_ns() - machine.begun_ns == DAY_NS
    assert machine.passed() == DAY_NS


@pytest.mark.parametrize(
    "data", [b"", b"{}", b"[1]", b"\xff", b'{"at_ns":"1","boot":"","passed_ns":1,"credit_ns":1}']
)
def test_a_damaged_record_is_no_time(machine: Machine, data: bytes) -> None:
    machine.namespace.write_setting(RECORD, data)
    with pytest.raises(StoreUnusable):
        machine.process().now_ns()
    machine.process().accept()
    assert machine.passed() == 0


def test_nobody_who_locks_nothing_has_a_record() -> None:
    machine = Machine()
    machine.process().keep()
    assert machine.namespace.read_setting(RECORD) is None
