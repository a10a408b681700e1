"""What the promises leave open is allowed for as long as it is open, and no longer."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from tests.histories.allowances import allowed
from tests.histories.explaining import explain
from tests.histories.recorder import Recorder
from tests.histories.register import Operation, initial


def op(client: str, kind: str, start: float, end: float, **more: object) -> Operation:
    return Operation(client, kind, int(more.pop("key", 0)), start, end, **more)


def judged(history: list[Operation], writing: list[tuple[float, float]] | None = None) -> bool:
    """Whether the history is explained, with what the promises allow."""
    recorder = Recorder()
    recorder.history, recorder.writing = history, writing or []
    return explain(allowed(recorder), initial(4)) is None


OLD = op("s3-0", "write", 0, 1, value="old")
WROTE = [
    op("s3-0", "write", 0, 1, value="x"),
    op("mount-0", "hold", 2, 3, value="fd"),
    op("mount-0", "patch", 4, 5, value="p", old="fd"),
]
WRITING = [(2.0, 7.0)]


@pytest.mark.parametrize(
    ("client", "at", "answered", "right"),
    [
        ("mount-1", 4.5, False, True),
        ("mount-1", 6, False, False),
        ("s3-1", 4.5, False, False),
        ("mount-1", 4.5, True, False),
    ],
)
def test_what_the_mount_shows_of_a_write_may_die_with_its_process_before_it_returned(
    client: str, at: float, answered: bool, right: bool
) -> None:
    *before, patch = WROTE
    history = [*before, replace(patch, answered=answered), op(client, "read", at, at + 1, value="x|p|")]
    assert judged([*history, op("s3-0", "read", 8, 9, value="x")], WRITING) is right


@pytest.mark.parametrize(
    ("client", "at", "right"), [("mount-0", 5, True), ("s3-1", 5, False), ("mount-0", 9, False)]
)
def test_the_mount_may_show_what_was_before_an_s3_change_until_that_is_answered(
    client: str, at: float, right: bool
) -> None:
    change = op("s3-0", "write", 2, 8, value="new")
    seen = op("s3-2", "read", 3, 4, value="new")
    assert judged([OLD, change, seen, op(client, "read", at, at + 1, value="old")]) is right


def test_of_a_change_that_nobody_answers_the_mount_learns_by_the_next_one_of_the_key() -> None:
    lost = op("s3-0", "write", 2, 3, value="lost", answered=False)
    seen = op("s3-2", "read", 4, 5, value="lost")
    assert judged([OLD, lost, seen, op("mount-0", "read", 6, 7, value="old")])
    following = op("s3-1", "write", 8, 9, value="next")
    assert not judged([OLD, lost, seen, following, op("mount-0", "read", 10, 11, value="old")])
    other = op("s3-1", "write", 8, 9, value="next", key=1)
    assert judged([OLD, lost, seen, other, op("mount-0", "read", 10, 11, value="old")])


def test_an_etag_matches_nothing_while_a_writer_has_the_file_open() -> None:
    refused = op("s3-0", "differs", 5, 6, value="old")
    assert not judged([OLD, refused])
    assert judged([OLD, refused], [(4.0, 7.0)])
    assert not judged([OLD, refused], [(7.0, 8.0)])


def test_who_found_a_file_before_it_lost_its_name_may_read_what_is_written_into_it() -> None:
    history = [
        WROTE[0],
        WROTE[1],
        op("s3-1", "write", 2.5, 3.5, value="y"),
        WROTE[2],
        op("s3-2", "read", 4.5, 8, value="x|p|"),
    ]
    assert not judged(history, WRITING)
    history[-1] = op("s3-2", "read", 2.6, 8, value="x|p|")
    assert judged(history, WRITING)


def test_read_of_many_pages_is_no_single_step_on_the_mount_but_over_s3() -> None:
    both = [
        *WROTE,
        op("mount-0", "patch", 5.5, 6, value="t", old="fd", other=1),
        op("mount-0", "patch", 6.5, 6.8, value="q", old="fd"),
    ]
    mixed = "x|p|"
    assert judged([*both, op("mount-1", "read", 3, 9, value="x|q|")], WRITING)
    assert not judged([*both, op("s3-1", "read", 3, 9, value="x|q|")], WRITING)
    assert judged([*both, op("s3-1", "read", 3, 9, value=mixed)], WRITING)


def test_a_rename_of_the_mount_may_find_that_s3_has_just_done_it() -> None:
    by_s3 = op("s3-0", "rename", 2, 5, other=1)
    by_mount = op("mount-0", "rename", 3, 4, other=1)
    end = op("s3-1", "read", 8, 9, value="old", key=1)
    assert judged([OLD, by_s3, by_mount, end])
    late = op("mount-0", "rename", 6, 7, other=1)
    assert not judged([OLD, by_s3, late, end]), "it was answered"
    back = op("mount-0", "rename", 3, 4, key=1, other=0)
    assert not judged([OLD, by_s3, back, end]), "the other way round"


@pytest.mark.parametrize("kind", ["rename", "move"])
def test_a_rename_that_was_repeated_may_find_that_another_has_done_it(kind: str) -> None:
    other = 2 if kind == "move" else 1
    one = op("s3-0", kind, 2, 8, other=other, repeated=True)
    another = op("s3-1", kind, 3, 4, other=other)
    history = [OLD, another, op("s3-1", "write", 5, 6, value="new")]
    end = [op("s3-2", "read", 9, 10, value="new"), op("s3-2", "read", 9, 10, value="old", key=other)]
    assert judged([*history, one, *end])
    assert not judged([*history, replace(one, repeated=False), *end]), "it did it itself or did not"
    assert not judged([*history, replace(one, start=4.5), *end]), "the other one came before"
    assert not judged([*history, replace(one, key=other, other=0), *end]), "the other way round"


def test_who_goes_through_a_folder_that_moves_finds_it_where_it_is() -> None:
    move = op("s3-0", "move", 2, 5, other=2)
    made = op("mount-0", "write", 3, 4, value="y")
    assert judged([OLD, move, made, op("s3-1", "read", 8, 9, value="y", key=2)])
    late = op("mount-0", "write", 6, 7, value="y")
    assert not judged([OLD, move, late, op("s3-1", "read", 8, 9, value="y", key=2)])
    for client, right in (("mount-0", True), ("s3-1", False)):
        beside = op(client, "create", 3, 4, value="y", key=1), op("s3-1", "create", 3.5, 4.5, value="z")
        end = op("s3-2", "read", 8, 9, value="y", key=3), op("s3-2", "read", 8, 9, value="z")
        first = op("s3-2", "delete", 4.6, 4.7), op("s3-2", "create", 4.8, 4.9, value="z")
        assert judged([OLD, move, *beside, *end]) is True, "made, then moved"
        assert judged([OLD, move, *first, op(client, "create", 4.91, 4.99, value="y", key=1), *end]) is right


def test_nothing_happens_after_the_end_of_whoever_was_to_do_it() -> None:
    recorder = Recorder()

    class Dead(Exception):
        over = True

    with pytest.raises(Dead), recorder.call("s3-0") as call:
        call.may("write", 0, "x")
        raise Dead
    with pytest.raises(TimeoutError), recorder.call("s3-0") as call:
        call.may("write", 0, "y")
        raise TimeoutError
    ends = [found.end for found in recorder.history]
    assert ends[0] < math.inf and ends[1] == math.inf
    assert not any(found.answered for found in recorder.history)


def test_s3_shows_a_write_once_it_returned_and_perhaps_not_before() -> None:
    history = [
        *WROTE[:2],
        op("mount-0", "patch", 4, 8, value="p", old="fd"),
        op("mount-1", "read", 5, 6, value="x|p|"),
    ]
    assert judged([*history, op("s3-1", "read", 7, 7.5, value="x")], WRITING)
    assert not judged([*history, op("s3-1", "read", 9, 10, value="x")], WRITING)


def test_names_that_the_kernel_knows_move_with_their_folder() -> None:
    made = op("s3-0", "create", 2, 8, value="new", key=1)
    moved = op("mount-0", "move", 3, 4, other=2), op("s3-1", "read", 5, 5.5, key=3, value="new")
    history = [OLD, made, *moved]
    assert judged([*history, op("mount-1", "read", 6, 7, key=3)])
    assert not judged([*history, op("mount-1", "read", 9, 10, key=3)])


def test_rename_takes_along_what_the_kernel_knew_until_s3_has_answered() -> None:
    history = [
        OLD,
        op("s3-0", "write", 2, 8, value="new"),
        op("s3-1", "read", 3, 3.5, value="new"),
        op("mount-0", "rename", 4, 5, other=1),
    ]
    assert judged([*history, op("mount-1", "read", 6, 7, key=1, value="old")])
    assert not judged([*history, op("mount-1", "read", 9, 10, key=1, value="old")])


def test_what_a_rename_took_along_may_be_written_into() -> None:
    """Into the file that S3 has replaced, whose name somebody carried to another key."""
    history = [
        OLD,
        op("s3-0", "write", 2, 8, value="new"),
        op("s3-1", "read", 3, 3.5, value="new"),
        op("mount-0", "rename", 4, 5, other=1),
        op("mount-1", "hold", 6, 7, key=1, value="fd", old="old"),
        op("mount-1", "patch", 7, 7.5, value="p", old="fd"),
    ]
    assert judged([*history, op("s3-1", "read", 9, 10, key=1, value="new")], [(6, 8)])
    assert not judged([*history, op("s3-1", "read", 9, 10, key=1, value="new|p|")], [(6, 8)])
    late = replace(history[-2], start=8.5, end=8.8), replace(history[-1], start=8.8, end=8.9)
    assert not judged([*history[:-2], *late, op("s3-1", "read", 9, 10, key=1, value="new")], [(6, 9)])


def test_the_tag_of_a_copy_is_not_that_of_bytes_written_in_place() -> None:
    patched = [*WROTE, op("s3-1", "differs", 9, 10, value="x|p|")]
    assert judged(patched, WRITING)
    assert not judged([OLD, op("s3-1", "differs", 9, 10, value="old")])
