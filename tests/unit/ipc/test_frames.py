"""Frames: any split gives the same messages, garbage gives only FrameError."""

import struct

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weka_mp.ipc.frames import ERROR, Frame, FrameError, FrameReader, encode

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.text() | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
FRAMES = st.builds(Frame, st.integers(0, 2**63 - 1), st.text(min_size=1, max_size=64), VALUES)


@given(st.lists(FRAMES, max_size=4), st.data())
def test_any_split_gives_the_same_frames(frames: list[Frame], data: st.DataObject) -> None:
    wire = b"".join(encode(frame) for frame in frames)
    reader, seen = FrameReader(), []
    while wire:
        cut = data.draw(st.integers(1, len(wire)))
        seen += reader.feed(wire[:cut])
        wire = wire[cut:]
    reader.finish()
    assert seen == frames


@given(st.binary(max_size=200))
def test_garbage_raises_frame_error_only(data: bytes) -> None:
    reader = FrameReader(limit=64)
    try:
        frames = reader.feed(data)
    except FrameError:
        return
    assert all(isinstance(frame, Frame) for frame in frames)


@pytest.mark.parametrize(
    "value",
    [
        [2, 1, "v", None],
        [1, -1, "v", None],
        [1, 2**63, "v", None],
        [1, 1, "", None],
        [1, 1, b"v", None],
        [1, 1, "v"],
        {"a": 1},
        [True, 1, "v", None],
        [1, True, "v", None],
        [1, 1, "v" * 65, None],
    ],
)
def test_malformed_messages_are_refused(value: object) -> None:
    body = msgpack.packb(value)
    with pytest.raises(FrameError):
        FrameReader().feed(struct.pack(">I", len(body)) + body)


def test_an_announced_length_above_the_limit_is_refused_at_once() -> None:
    with pytest.raises(FrameError, match="exceeds"):
        FrameReader(limit=100).feed(struct.pack(">I", 101))


def test_encode_refuses_what_is_too_large_or_cannot_be_carried() -> None:
    with pytest.raises(FrameError, match="exceeds"):
        encode(Frame(1, "v", b"x" * 200), limit=100)
    with pytest.raises(FrameError, match="encoded"):
        encode(Frame(1, "v", object()))


def test_a_stream_that_ends_inside_a_frame_is_an_error() -> None:
    reader = FrameReader()
    assert reader.feed(encode(Frame(1, ERROR, ["a", "b"]))[:-1]) == []
    with pytest.raises(FrameError, match="inside"):
        reader.finish()
