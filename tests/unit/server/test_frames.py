"""Frames survive any split, and garbage is refused by name."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weka_mp.server.frames import FrameError, FrameReader, pack_frame


@given(st.lists(st.tuples(st.integers(1, 9), st.binary(max_size=20)), max_size=5), st.integers(1, 7))
def test_any_split_gives_the_same_messages(messages, step):
    wire = b"".join(pack_frame(identity, "verb", payload) for identity, payload in messages)
    reader = FrameReader()
    seen = []
    for start in range(0, len(wire), step):
        seen += reader.feed(wire[start:start + step])
    assert seen == [[1, identity, "verb", payload] for identity, payload in messages]


@pytest.mark.parametrize("wire", [
    b"\xff\xff\xff\xff", b"\x00\x00\x00\x01\xc1", b"\x00\x00\x00\x01\x01",
    b"\x00\x00\x00\x04\x93\x02\x01\x01",
])
def test_garbage_is_refused(wire):
    with pytest.raises(FrameError):
        FrameReader().feed(wire)
