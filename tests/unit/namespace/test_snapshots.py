"""Positions in a listing hold while names come and go."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from weka_mp.namespace.tree.snapshots import FIRST_POSITION, Snapshot

_NAMES = st.sets(st.binary(min_size=1, max_size=4), max_size=40)


@given(_NAMES)
def test_everything_is_listed_once_at_rising_positions(names: set[bytes]) -> None:
    listed = list(Snapshot(names).after(0))
    assert {name for name, _ in listed} == names
    assert len(listed) == len(names) == len(Snapshot(names))
    positions = [position for _, position in listed]
    assert positions == sorted(set(positions))
    assert all(FIRST_POSITION <= position < 1 << 63 for position in positions)


@given(_NAMES, _NAMES, st.integers(min_value=0, max_value=40))
def test_a_listing_goes_on_in_a_later_snapshot(before: set[bytes], after: set[bytes], stop: int) -> None:
    """What is in both is reported once and only once, wherever the first listing stopped."""
    first = list(Snapshot(before).after(0))[:stop]
    position = first[-1][1] if first else 0
    seen = [name for name, _ in first] + [name for name, _ in Snapshot(after).after(position)]
    assert len(seen) == len(set(seen))
    assert before & after <= set(seen)


def test_the_end() -> None:
    snapshot = Snapshot([b"a", b"b"])
    assert list(snapshot.after(snapshot.end)) == []
    assert list(Snapshot([]).after(Snapshot([]).end)) == []
