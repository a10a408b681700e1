"""A hash of sequential writes, and what ends it."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weka_mp.namespace.tree.write_hash import WriteHash


@given(st.lists(st.binary(max_size=50), max_size=10))
def test_pieces_in_order_have_the_md5_of_the_whole(pieces: list[bytes]) -> None:
    found = WriteHash(0)
    for mtime, piece in enumerate(pieces):
        assert found.fits(found.size, found.size, mtime)
        found.wrote(piece, mtime + 1)
    whole = b"".join(pieces)
    assert (found.digests().md5, found.size) == (hashlib.md5(whole).digest(), len(whole))


@pytest.mark.parametrize(
    ("offset", "size", "mtime"),
    [(2, 3, 5), (4, 3, 5), (3, 4, 5), (3, 2, 5), (3, 3, 6)],
    ids=["overlap", "gap", "grown by another", "cut by another", "changed by another"],
)
def test_what_does_not_fit(offset: int, size: int, mtime: int) -> None:
    found = WriteHash(1)
    found.wrote(b"abc", 5)
    assert found.fits(3, 3, 5)
    assert not found.fits(offset, size, mtime)


def test_a_time_set_by_the_writer_is_expected_from_then_on() -> None:
    found = WriteHash(1)
    found.retimed(99)
    assert found.fits(0, 0, 99)
    assert not found.fits(0, 0, 1)
