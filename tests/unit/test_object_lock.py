"""The rules of Object Lock: what protects a version, and which changes of a retention are allowed."""

from __future__ import annotations

from typing import NamedTuple

import pytest

from weka_mp.object_lock import (
    COMPLIANCE,
    GOVERNANCE,
    LEGAL_HOLD,
    NO_DEFAULT,
    DefaultRetention,
    ObjectLock,
    Protection,
    Retention,
    decode,
    encode,
    may_replace,
    protection,
)

NOW = 1_700_000_000_000_000_000
DAY = 86_400_000_000_000
OVER, SOON, LATER = NOW, NOW + DAY, NOW + 2 * DAY


class Locks(NamedTuple):
    retention: Retention | None = None
    legal_hold: bool | None = None


@pytest.mark.parametrize(
    ("locks", "wanted"),
    [
        (Locks(), None),
        (Locks(legal_hold=False), None),
        (Locks(legal_hold=True), Protection(LEGAL_HOLD)),
        (Locks(Retention(GOVERNANCE, OVER)), None),
        (Locks(Retention(COMPLIANCE, OVER)), None),
        (Locks(Retention(GOVERNANCE, NOW + 1)), Protection(GOVERNANCE, NOW + 1)),
        (Locks(Retention(COMPLIANCE, SOON)), Protection(COMPLIANCE, SOON)),
        (Locks(Retention(COMPLIANCE, OVER), True), Protection(LEGAL_HOLD)),
        (Locks(Retention(GOVERNANCE, SOON), True), Protection(LEGAL_HOLD)),
        (Locks(Retention(GOVERNANCE, SOON), False), Protection(GOVERNANCE, SOON)),
    ],
)
def test_what_protects_a_version(locks: Locks, wanted: Protection | None) -> None:
    assert protection(locks, NOW) == wanted
    assert (wanted is not None and wanted.bypassable) == (wanted is not None and wanted.kind == GOVERNANCE)


@pytest.mark.parametrize("bypass", [False, True])
@pytest.mark.parametrize("mode", [GOVERNANCE, COMPLIANCE])
def test_a_retention_may_always_become_longer_and_one_that_is_over_anything(mode: str, bypass: bool) -> None:
    old = Retention(mode, SOON)
    assert may_replace(old, Retention(mode, LATER), NOW, bypass=bypass)
    assert may_replace(old, old, NOW, bypass=bypass)
    for new in (None, Retention(GOVERNANCE, SOON), Retention(COMPLIANCE, SOON)):
        assert may_replace(None, new, NOW, bypass=bypass)
        assert may_replace(Retention(mode, OVER), new, NOW, bypass=bypass)


@pytest.mark.parametrize(
    "new",
    [None, Retention(GOVERNANCE, NOW + 1), Retention(COMPLIANCE, SOON), Retention(COMPLIANCE, LATER)],
)
def test_governance_is_loosened_or_changed_by_bypass_alone(new: Retention | None) -> None:
    old = Retention(GOVERNANCE, SOON)
    assert not may_replace(old, new, NOW, bypass=False)
    assert may_replace(old, new, NOW, bypass=True)


@pytest.mark.parametrize(
    "new",
    [None, Retention(COMPLIANCE, NOW + 1), Retention(GOVERNANCE, SOON), Retention(GOVERNANCE, LATER)],
)
@pytest.mark.parametrize("bypass", [False, True])
def test_compliance_is_loosened_by_nobody(new: Retention | None, bypass: bool) -> None:
    assert not may_replace(Retention(COMPLIANCE, SOON), new, NOW, bypass=bypass)


def test_a_default_counts_from_when_the_version_was_made() -> None:
    assert DefaultRetention(GOVERNANCE, days=3).begun(NOW) == Retention(GOVERNANCE, NOW + 3 * DAY)
    assert DefaultRetention(GOVERNANCE, days=3).begun(NOW - 1) == Retention(GOVERNANCE, NOW + 3 * DAY)
    assert DefaultRetention(COMPLIANCE, years=2).begun(NOW) == Retention(COMPLIANCE, NOW + 730 * DAY)


@pytest.mark.parametrize(
    ("mode", "days", "years"),
    [
        (GOVERNANCE, None, None), (GOVERNANCE, 1, 1), ("NONE", 1, None), (COMPLIANCE, 0, None),
        (COMPLIANCE, -1, None), (COMPLIANCE, 36_501, None), (COMPLIANCE, None, 101), (COMPLIANCE, None, 0),
    ],
)  # fmt: skip
def test_a_default_that_is_none(mode: str, days: int | None, years: int | None) -> None:
    with pytest.raises(ValueError):
        DefaultRetention(mode, days, years)


@pytest.mark.parametrize(
    "lock",
    [
        NO_DEFAULT,
        ObjectLock(DefaultRetention(GOVERNANCE, days=36_500)),
        ObjectLock(DefaultRetention(COMPLIANCE, years=100)),
    ],
)
def test_what_is_kept_of_a_bucket_comes_back(lock: ObjectLock) -> None:
    assert decode(encode(lock)) == lock


@pytest.mark.parametrize(
    "kept", ["", "[]", '{"days": 1}', '{"mode": "GOVERNANCE", "days": "1"}', '{"until": 1}']
)
def test_what_was_never_kept_is_not_taken_for_no_lock(kept: str) -> None:
    with pytest.raises(ValueError):
        decode(kept)
