"""What the promises leave open (docs/SEMANTICS.md), put into a history before it is judged.

Each allowance widens single operations, for as long as what it is about was under way; none drops one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import replace

from tests.histories.contents import HEAD, TAIL, Content
from tests.histories.recorder import Recorder
from tests.histories.register import FOLDER, LOOKS, Operation

__all__ = ["allowed"]

CHANGES = ("write", "create", "delete", "swap", "rename", "place", "move", "store")

_Span = tuple[float, float]


def allowed(recorder: Recorder) -> list[Operation]:
    """The history of a group as it is to be explained."""
    history = _doubled(_unmatchable(_carried(_late(recorder.history)), recorder.writing))
    history = [part for found in relaxed(history) for part in _in_steps(found, recorder)]
    return _moving(history)


def _meet(one: _Span, others: Iterable[_Span]) -> bool:
    return any(start <= one[1] and one[0] <= end for start, end in others)


def _span(found: Operation) -> _Span:
    return found.start, found.end


def _by_mount(found: Operation) -> bool:
    return found.client.startswith("mount")


def _folders(found: Operation) -> set[int]:
    """The folders that an operation is about: what the kernel knows of one decides what it finds in it."""
    folders = {found.key // FOLDER}
    if found.kind in ("rename", "place", "move", "unmovable"):
        folders.add(found.other // FOLDER)
    return folders


def relaxed(history: list[Operation]) -> list[Operation]:
    """What the mount shows may be what was before an S3 change that is not answered yet (section 1).

    So a look through the mount counts from the beginning of the first S3 change under way when it began, and
    so does an open(2): it leads to the file that the kernel knows. Of a change that is never answered the
    mount learns by the next one of the same key that is.
    """
    changes = [found for found in history if not _by_mount(found) and found.kind in CHANGES]
    moves = [_span(found) for found in history if found.kind == "move"]

    def told(change: Operation, look: Operation) -> float:
        if change.answered:
            return change.end
        if change.kind == "move" or look.kind not in ("read", "present", "hold"):
            return math.inf
        later = (
            found.end
            for found in changes
            if found.answered and found.start >= change.end and _is_about(found, look.key)
        )
        return min(later, default=math.inf)

    def begins(look: Operation) -> float:
        folders = _folders(look)
        under_way = (
            change.start
            for change in changes
            if change.start <= look.start <= told(change, look)
            # What the kernel knows of the names in a folder moves with it.
            and (_folders(change) & folders or _meet((change.start, look.start), moves))
        )
        return min(under_way, default=look.start)

    return [
        replace(found, start=begins(found)) if _by_mount(found) and found.kind in (*LOOKS, "hold") else found
        for found in history
    ]


def _late(history: list[Operation]) -> list[Operation]:
    """S3 shows what write(2) wrote once that returned (section 2); callers on the mount may see it before, as
    soon as it is in the kernel's pages. So what S3 shows meanwhile may be what was before.
    """
    writes = [_span(found) for found in history if found.kind == "patch"]

    def begins(look: Operation) -> float:
        return min((start for start, end in writes if start <= look.start <= end), default=look.start)

    return [
        replace(found, start=begins(found)) if not _by_mount(found) and found.kind in LOOKS else found
        for found in history
    ]


def _is_about(change: Operation, key: int) -> bool:
    return change.key == key or (change.kind in ("rename", "place") and change.other == key)


def _doubled(history: list[Operation]) -> list[Operation]:
    """rename(2) of a name which an S3 rename that is not answered yet has given the same new name has nothing
    left to do (section 8): the kernel knows the former name still, and both lead to one file.
    """
    kinds = ("rename", "place", "move")
    by_s3 = [found for found in history if not _by_mount(found) and found.kind in kinds]

    def is_doubled(found: Operation) -> bool:
        pair = (found.key // FOLDER, found.other // FOLDER)
        return any(
            _meet(_span(found), [_span(other)])
            and (
                (other.key, other.other) == (found.key, found.other)
                or (other.kind == "move" and (other.key // FOLDER, other.other // FOLDER) == pair)
            )
            for other in by_s3
        )

    return [
        replace(found, doubled=_by_mount(found) and found.kind in kinds and is_doubled(found))
        for found in history
    ]


def _carried(history: list[Operation]) -> list[Operation]:
    """rename(2) of a name that an S3 change not answered yet is about takes along what the kernel knows of it
    (section 1): until the answer, what is read under the new name says no more than that something is there.
    """
    changes = [found for found in history if not _by_mount(found) and found.kind in CHANGES]
    renames = [found for found in history if _by_mount(found) and found.kind in ("rename", "place")]

    def is_carried(look: Operation) -> bool:
        return any(
            change.start <= look.start <= change.end
            and any(
                found.other == look.key
                and _is_about(change, found.key)
                and _meet(_span(found), [_span(change)])
                for found in renames
            )
            for change in changes
        )

    return [
        replace(found, kind="present", value=None)
        if found.kind == "read" and found.value and _by_mount(found) and is_carried(found)
        else found
        for found in history
    ]


def _unmatchable(history: list[Operation], writing: list[_Span]) -> list[Operation]:
    """While a file is open for writing its ETag matches nothing (section 3): then a 412 says no more than
    that something is there. So it does of bytes that were written in place: their ETag is the file's, and a
    copy of the same bytes has another.
    """

    # Who makes a file on the mount has it open for writing until the call is over.
    writing = writing + [_span(found) for found in history if _by_mount(found) and found.kind == "create"]

    def says_little(found: Operation) -> bool:
        return _meet(_span(found), writing) or bool(Content.read(found.value or "").patches)

    return [
        replace(found, kind="present", value=None)
        if found.kind == "differs" and says_little(found)
        else found
        for found in history
    ]


def _in_steps(found: Operation, recorder: Recorder) -> Iterator[Operation]:
    """A file is found by its key and then read, and between the two it may lose its name (section 4).

    That matters where it was written meanwhile. Over S3 the bytes are those of one moment (section 10); on
    the mount read(2) of many pages is no single step beside write(2).
    """
    if found.kind != "read" or not Content.read(found.value or "").patches:
        yield found
        return
    if not _meet(_span(found), recorder.writing):
        yield found
        return
    slot = f"{found.client} {found.end!r}"  # a beginning may be that of several: see `relaxed`
    yield replace(found, kind="hold", value=slot)
    if not _by_mount(found):
        yield replace(found, kind="see", old=slot)
        return
    for place in (HEAD, TAIL):
        yield replace(found, kind="glimpse", old=slot, other=place)


def _moving(history: list[Operation]) -> list[Operation]:
    """Who goes through a folder that moves finds the name in the folder where it is by then.

    POSIX lets any path be resolved so. Changes over S3 are one step even then, under the lock of the tree.
    """
    moves = [_span(found) for found in history if found.kind == "move"]

    def may_miss(found: Operation) -> bool:
        if found.kind in ("move", "see", "glimpse", "patch", "store"):
            return False
        return (_by_mount(found) or found.kind in (*LOOKS, "hold")) and _meet(_span(found), moves)

    return [replace(found, elsewhere=True) if may_miss(found) else found for found in history]
