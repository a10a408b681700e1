"""Rates, on a clock of the test's own."""

from __future__ import annotations

import pytest

from weka_mp.gateway.principals import ANONYMOUS, Principal
from weka_mp.s3.errors import S3Error
from weka_mp.server.limits import Limits
from weka_mp.server.pacing import Pace, Pacing


def test_so_many_at_once_then_so_many_a_second() -> None:
    pace = Pace(10, 5)
    assert [pace.take("a", 100.0) for _ in range(5)] == [0.0] * 5
    assert pace.take("a", 100.0) == pytest.approx(0.1)
    assert pace.take("a", 100.0) == pytest.approx(0.1)  # a refused step costs nothing
    assert pace.take("a", 100.11) == 0.0
    assert pace.take("a", 100.11) > 0
    assert pace.take("b", 100.0) == 0.0
    assert sum(pace.take("a", 200 + n / 1000) == 0 for n in range(3000)) in range(34, 37)


def test_who_waits_its_turn_counts() -> None:
    pace = Pace(10, 1)
    waits = [pace.take("a", 0.0, most=0.35) for _ in range(6)]
    assert waits == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4, 0.4])


def test_memory_is_bounded() -> None:
    pace = Pace(1, 1, capacity=10)
    assert all(pace.take(number, 0.0) == 0 for number in range(1000))
    assert len(pace) == 10
    assert pace.take(999, 0.0) > 0  # those of late are known
    assert pace.take(0, 0.0) == 0


def status(call: object, *arguments: object) -> int:
    try:
        call(*arguments)  # type: ignore[operator]
    except S3Error as error:
        assert error.code == "SlowDown" and int(error.headers["Retry-After"]) >= 1
        return error.status
    return 200


def test_no_limit_unless_asked_for() -> None:
    pacing = Pacing(Limits())
    for _ in range(10_000):
        pacing.check_address("192.0.2.1", 0.0)
        pacing.check_user(Principal("0", "a", False, user="ann"), 0.0)


def test_addresses() -> None:
    pacing = Pacing(Limits(requests_per_address=2))
    assert [status(pacing.check_address, "192.0.2.1", 0.0) for _ in range(4)] == [200, 200, 503, 503]
    assert status(pacing.check_address, "192.0.2.2", 0.0) == 200
    # Whoever has one address of an IPv6 network has all of its /64.
    found = [status(pacing.check_address, f"2001:db8:0:1::{number}", 0.0) for number in range(1, 5)]
    assert found == [200, 200, 503, 503]
    assert status(pacing.check_address, "2001:db8:0:2::1", 0.0) == 200


def test_users_whatever_key_they_use() -> None:
    pacing = Pacing(Limits(requests_per_user=3))
    keys = [Principal("0", key, False, user="ann") for key in ("ann", "SERVICE", "TEMPORARY", "ann")]
    assert [status(pacing.check_user, key, 0.0) for key in keys] == [200, 200, 200, 503]
    assert status(pacing.check_user, Principal("1", "x", False, user="ann"), 0.0) == 200  # another account's
    assert [status(pacing.check_user, ANONYMOUS, 0.0) for _ in range(10)] == [200] * 10


def test_guesses_wait_longer_and_longer_up_to_a_limit() -> None:
    pacing = Pacing(Limits(guesses_at_once=2, guesses_per_second=10.0, guess_wait_seconds=0.35))
    waits = [pacing.wait_of_guess("192.0.2.1", 0.0) for _ in range(5)]
    assert waits == pytest.approx([0, 0, 0.1, 0.2, 0.3])
    assert status(pacing.wait_of_guess, "192.0.2.1", 0.0) == 503
    assert pacing.wait_of_guess("192.0.2.2", 0.0) == 0
