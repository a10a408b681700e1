"""What the promises leave open (docs/SEMANTICS.md), put into a history before it is judged.

Each allowance widens single operations, for as long as what it is about was under way; none drops one.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import replace

from tests.histories.contents import Content
from tests.histories.recorder import Recorder
from tests.histories.register import FOLDER, LOOKS, Operation

__all__ = ["allowed"]

CHANGES = ("write", "create", "delete", "swap", "rename", "place", "move", "store")

_Span = tuple[float, float]


def allowed(recorder: Recorder) -> list[Operation]:
    """The history of a group as it is to be explained."""
    history = _unmatchable(_carried(_late(_unwritten(recorder.history))), recorder.writing)
    return _moving([_in_steps(found, recorder) for found in relaxed(_doubled(history))])


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


def _unwritten(history: list[Operation]) -> list[Operation]:
    """What the mount shows of a write(2) before it returned is in the kernel's pages alone, and may go with
    the mount's process (section 2). Then such a look says no more than that something is there.
    """
    lost = [found for found in history if found.kind == "patch" and not found.answered]

    def shows_one(look: Operation) -> bool:
        shown = Content.read(look.value or "").patches
        return any(patch.value in shown and _meet(_span(look), [_span(patch)]) for patch in lost)

    return [
        replace(found, kind="present", value=None)
        if _by_mount(found) and found.kind == "read" and shows_one(found)
        else found
        for found in history
    ]


def _is_about(change: Operation, key: int) -> bool:
    return change.key == key or (change.kind in ("rename", "place") and change.other == key)


def _doubled(history: list[Operation]) -> list[Operation]:
    """A rename beside another one of the same names may have nothing left to do (section 8).

    On the mount, beside one by S3 that is not answered yet: the kernel knows the former name still, and both
    lead to one file. By S3, where the first process died before it renamed anything and the request was
    repeated: what it was to move stands where it was to go, whoever moved it.
    """
    renames = [found for found in history if found.kind in ("rename", "place", "move")]

    def is_doubled(found: Operation) -> bool:
        return any(
            other is not found
            and (found.repeated if not _by_mount(found) else not _by_mount(other))
            and _meet(_span(found), [_span(other)])
            and _same_names(found, other)
            for other in renames
        )

    doubled = {id(found) for found in renames if is_doubled(found)}
    return [replace(found, doubled=id(found) in doubled) for found in history]


def _same_names(found: Operation, other: Operation) -> bool:
    """Whether `other` gives the names of `found` away, or moves the folder in which they are."""
    if other.kind == "move":
        return (other.key // FOLDER, other.other // FOLDER) == (found.key // FOLDER, found.other // FOLDER)
    return (other.key, other.other) == (found.key, found.other)


def _carried(history: list[Operation]) -> list[Operation]:
    """rename(2) of a name that an S3 change not answered yet is about takes along what the kernel knows of it
    (section 1): until the answer, what is read under the new name says no more than that something is there,
    and a descriptor of it may be one of the file that is replaced already.
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

    def widened(found: Operation) -> Operation:
        if not _by_mount(found) or not is_carried(found):
            return found
        if found.kind == "hold":
            return replace(found, carried=True)
        return replace(found, kind="present", value=None) if found.kind == "read" and found.value else found

    return [widened(found) for found in history]


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


def _in_steps(found: Operation, recorder: Recorder) -> Operation:
    """A file is found by its key and then read, and between the two it may lose its name (section 4).

    That matters where it was written meanwhile. Over S3 the bytes are those of one moment (section 10); on
    the mount read(2) of many pages is no single step beside write(2).
    """
    if found.kind != "read" or not Content.read(found.value or "").patches:
        return found
    if not _meet(_span(found), recorder.writing):
        return found
    return replace(found, kind="glimpse" if _by_mount(found) else "see")


def _moving(history: list[Operation]) -> list[Operation]:
    """Who goes through a folder that moves finds the name in the folder where it is by then.

    POSIX lets any path be resolved so. Changes over S3 are one step even then, under the lock of the tree.
    """
    moves = [_span(found) for found in history if found.kind == "move"]

    def may_miss(found: Operation) -> bool:
        if found.kind in ("move", "patch", "store"):
            return False
        return (_by_mount(found) or found.kind in (*LOOKS, "hold")) and _meet(_span(found), moves)

    return [replace(found, elsewhere=True) if may_miss(found) else found for found in history]
