"""Counting failed logins."""

from __future__ import annotations

import threading

import pytest

from tests.unit.namespace.kit import FixedClock
from weka_mp.identity.errors import LockedOut
from weka_mp.identity.lock_out import LockOut, source_of
from weka_mp.identity.model import LockOutRule

RULE = LockOutRule()
SECOND = 10**9


@pytest.fixture
def clock() -> FixedClock:
    return FixedClock()


def fail(table: LockOut, times: int, user: str = "bob", source: str = "10.0.0.1") -> None:
    for _ in range(times):
        table.attempt(user, source, RULE)


def test_five_failures_lock_out_for_two_minutes(clock: FixedClock) -> None:
    table = LockOut(clock)
    fail(table, 5)
    with pytest.raises(LockedOut) as caught:
        fail(table, 1)
    assert caught.value.seconds == 120
    clock.advance(119 * SECOND)
    with pytest.raises(LockedOut) as caught:
        fail(table, 1)
    assert caught.value.seconds == 1
    clock.advance(SECOND)
    fail(table, 5)
    with pytest.raises(LockedOut):
        fail(table, 1)


def test_attempts_while_locked_out_do_not_prolong_it(clock: FixedClock) -> None:
    table = LockOut(clock)
    fail(table, 5)
    for _ in range(12):
        clock.advance(9 * SECOND)
        with pytest.raises(LockedOut):
            fail(table, 1)
    clock.advance(12 * SECOND)
    fail(table, 1)


def test_a_good_login_clears_the_count(clock: FixedClock) -> None:
    table = LockOut(clock)
    for _ in range(10):
        fail(table, 4)
        table.succeeded("bob", "10.0.0.1")


def test_users_and_sources_are_counted_apart(clock: FixedClock) -> None:
    table = LockOut(clock)
    fail(table, 5)
    fail(table, 5, source="10.0.0.2")
    fail(table, 5, user="ann")
    with pytest.raises(LockedOut):
        fail(table, 1)


def test_old_failures_are_forgotten(clock: FixedClock) -> None:
    table = LockOut(clock)
    for _ in range(5):
        fail(table, 4)
        clock.advance(120 * SECOND)


def test_a_clock_that_is_set_back_locks_nobody_out_for_longer(clock: FixedClock) -> None:
    table = LockOut(clock)
    fail(table, 5)
    clock.advance(-86_400 * SECOND)
    fail(table, 1)


def test_another_rule(clock: FixedClock) -> None:
    table = LockOut(clock)
    table.attempt("bob", "x", LockOutRule(1, 3600))
    with pytest.raises(LockedOut) as caught:
        table.attempt("bob", "x", LockOutRule(1, 3600))
    assert caught.value.seconds == 3600


def test_it_is_bounded_and_forgets_what_is_longest_ago(clock: FixedClock) -> None:
    table = LockOut(clock, capacity=3)
    fail(table, 1)
    fail(table, 4, source="10.0.0.2")
    fail(table, 1, source="10.0.0.3")
    fail(table, 4)
    fail(table, 1, source="10.0.0.4")  # that of 10.0.0.2 goes
    with pytest.raises(LockedOut):
        fail(table, 1)
    fail(table, 2, source="10.0.0.2")


def test_many_at_once_are_no_more_guesses(clock: FixedClock) -> None:
    """None of them has been found wrong yet when the last one comes."""
    table, started, refused = LockOut(clock), threading.Barrier(20), []

    def guess() -> None:
        started.wait()
        try:
            fail(table, 1)
        except LockedOut:
            refused.append(1)

    threads = [threading.Thread(target=guess) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 15


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "10.0.0.1"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("unix", "unix"),
        ("", ""),
    ],
)
def test_sources(address: str, source: str) -> None:
    assert source_of(address) == source
