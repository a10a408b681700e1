"""Bodies tell what they are, and an ETag belongs to one of them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest

from tests.histories.bodies import LINE, Bodies, offset_of, patch_line
from tests.histories.contents import HEAD, TAIL, Content

SIZES = (192, 193, 5_000, 70_000)


def write_over(body: bytes, place: int, patch: str) -> bytes:
    at = offset_of(place, len(body))
    return body[:at] + patch_line(patch) + body[at + LINE :]


@pytest.mark.parametrize("size", SIZES)
def test_a_body_is_known_however_it_was_written_over(size: int) -> None:
    bodies = Bodies()
    body = bodies.make("x 1", size)
    assert (len(body), bodies.name_of(body), bodies.name_of(b"")) == (size, "x 1", "empty")
    head = write_over(body, HEAD, "p 1")
    assert bodies.name_of(head) == str(Content("x 1", head="p 1"))
    both = write_over(write_over(head, TAIL, "q 2"), HEAD, "p 3")
    assert bodies.name_of(both) == str(Content("x 1").patched(TAIL, "q 2").patched(HEAD, "p 3"))
    assert bodies.of_etag(hashlib.md5(both).hexdigest()) == bodies.name_of(both)


TORN: dict[str, Callable[[bytes, bytes], bytes]] = {
    "cut off": lambda one, other: one[:-1],
    "too long": lambda one, other: one + b".",
    "half of another": lambda one, other: one[:2_500] + other[2_500:],
    "a hole": lambda one, other: one[:1_000] + bytes(500) + one[1_500:],
    "one bit": lambda one, other: one[:3_000] + bytes([one[3_000] ^ 1]) + one[3_001:],
    "half of what was written over it": lambda one, other: write_over(one, HEAD, "p 1")[:2] + one[2:],
    "nothing of ours": lambda one, other: b"?" * 5_000,
}


@pytest.mark.parametrize("how", TORN)
def test_what_nobody_wrote_is_no_body(how: str) -> None:
    bodies = Bodies()
    one, other = bodies.make("x 1", 5_000), bodies.make("y 2", 5_000)
    with pytest.raises(AssertionError):
        bodies.name_of(TORN[how](one, other))


def test_an_etag_of_other_bytes_is_noticed() -> None:
    bodies = Bodies()
    body = bodies.make("x 1", 192)
    bodies.seen(hashlib.md5(body).hexdigest(), body, "x 1")
    bodies.seen("0123-0", body, "x 1")
    after = write_over(body, HEAD, "p 1")
    for stale in (hashlib.md5(body).hexdigest(), "0123-0"):
        with pytest.raises(AssertionError):
            bodies.seen(stale, after, bodies.name_of(after))


def test_what_goes_in_parts_has_another_etag_than_its_copies() -> None:
    bodies = Bodies()
    for name in ("client 0", "client 1"):
        bodies.make(name, 200)
    bodies.goes_in_parts("client 0")
    assert not bodies.has_one_etag("client 0")
    assert not bodies.has_one_etag("client 0|patch|")
    assert bodies.has_one_etag("client 1")
