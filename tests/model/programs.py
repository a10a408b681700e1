"""Random programs: steps of a kind and numbers, which choose from tables as they are when the step runs.

So every subset of a failing program is a program, too, and can be tried when looking for the smallest one.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from tests.model.alphabet import (
    BODIES,
    BUCKETS,
    DELIMITERS,
    KEYS,
    METADATA,
    MODES,
    OPEN_FLAGS,
    PATHS,
    PREFIXES,
    TARGETS,
    TIMES,
    XATTRS,
)
from tests.model.both import Both

__all__ = ["Call", "Step", "generate", "perform", "render", "shrink"]

MAX_HANDLES, MAX_UPLOADS = 5, 3
_BIG = b"B" * (5 * 2**20)  # the least size of a part that is not the last one
_NUMBERS = 6  # of a step
_SPREAD = 1 << 20


@dataclass(frozen=True)
class Step:
    """What to do, and the numbers that choose what with."""

    kind: str
    numbers: tuple[int, ...]


@dataclass(frozen=True)
class Call:
    """A step as it was decided when it ran: a method of `Both` and its arguments."""

    method: str
    positional: tuple[Any, ...]
    named: dict[str, Any]

    def __str__(self) -> str:
        shown = [_shown(value) for value in self.positional]
        shown += [f"{name}={_shown(value)}" for name, value in self.named.items()]
        return f"both.{self.method}({', '.join(shown)})"


def _shown(value: object) -> str:
    if isinstance(value, bytes) and len(value) > 80:
        if len(set(value)) == 1:
            return f"{value[:1]!r} * {len(value)}"
        return f"BODIES[{BODIES.index(value)}]" if value in BODIES else repr(value)
    return repr(value)


class _Chooser:
    """The numbers of one step as choices from tables."""

    def __init__(self, both: Both, numbers: Sequence[int]) -> None:
        self.both = both
        self._numbers = list(numbers)

    def number(self, below: int) -> int:
        return self._numbers.pop(0) % below

    def of(self, table: Sequence[Any]) -> Any:
        return table[self.number(len(table))]

    def near(self, table: Sequence[Any]) -> Any:
        """One of the first dozen in three of four cases."""
        number = self._numbers.pop(0)
        return table[number // 4 % (len(table) if number % 4 == 3 else min(12, len(table)))]

    def bucket(self) -> str:
        return BUCKETS[self.number(8) == 7]

    def path(self) -> tuple[bytes, ...]:
        number = self._numbers.pop(0)
        bucket = BUCKETS[number % 8 == 7].encode()
        self._numbers.insert(0, number // 8)
        return (bucket, *self.near(PATHS))

    def handle(self) -> int:
        return self.number(len(self.both.posix.handles))


_Decide = Callable[[_Chooser], tuple[str, tuple[Any, ...], dict[str, Any]] | None]


def _put(c: _Chooser) -> Any:
    return "put", (c.near(KEYS), c.of(BODIES), c.number(len(METADATA))), {"bucket": c.bucket()}


def _put_special(c: _Chooser) -> Any:
    how = ({"absent": True}, {"absent": True}, {"bad_digest": True})[c.number(3)]
    return "put", (c.near(KEYS), c.of(BODIES)), {**how, "bucket": c.bucket()}


def _tag(c: _Chooser) -> int | None:
    number = c.number(40)
    return None if number % 2 else number // 2


def _get(c: _Chooser) -> Any:
    key, how = c.near(KEYS), c.number(4)
    if how == 0:
        start = c.number(40)
        return "get", (key,), {"span": (start, start + c.number(30)), "bucket": c.bucket()}
    named = ({}, {"match": _tag(c)}, {"none_match": _tag(c)})[how - 1] if how else {}
    return "get", (key,), {name: value for name, value in named.items() if value is not None}


def _copy(c: _Chooser) -> Any:
    source, target, how = c.near(KEYS), c.near(KEYS), c.number(4)
    if b"\n" in source:
        return None
    metadata = None if how % 2 else c.number(len(METADATA))
    return "copy", (source, target, metadata), {"bucket": c.bucket()}


def _copy_onto_itself(c: _Chooser) -> Any:
    key = c.near(KEYS)
    return None if b"\n" in key else ("copy", (key, key, c.number(len(METADATA))), {})


def _list(c: _Chooser) -> Any:
    after = c.near((b"", *KEYS)) if c.number(2) else b""
    return "list", (c.of(PREFIXES), c.of(DELIMITERS), after, c.of((1000, 1, 2, 3)), 1 + c.number(2)), {}


def _begin(c: _Chooser) -> Any:
    if len(c.both.s3.uploads) >= MAX_UPLOADS:
        return None
    return "begin", (c.near(KEYS), c.number(len(METADATA))), {"bucket": c.bucket()}


def _part(c: _Chooser) -> Any:
    if not c.both.s3.uploads:
        return None
    upload, number = c.number(len(c.both.s3.uploads)), 1 + c.number(3)
    into = c.both.s3.uploads[upload]
    # A large body is not read to its end when it is refused, and the connection is closed.
    bodies = BODIES[:5] if into.aborted or into.done else (*BODIES[:5], _BIG)
    return "part", (upload, number, c.of(bodies)), {}


def _complete(c: _Chooser) -> Any:
    if not c.both.s3.uploads:
        return None
    upload = c.number(len(c.both.s3.uploads))
    into = c.both.s3.uploads[upload]
    there = tuple(sorted(into.parts))
    numbers = (there, there, there[-1:], there[::-1], (1, 2), there)[c.number(6)]
    if into.done is not None:
        numbers = into.done[0]
    return "complete", (upload, *(numbers or (1,))), {"absent": c.number(6) == 0}


def _abort(c: _Chooser) -> Any:
    uploads = c.both.s3.uploads
    return ("abort", (c.number(len(uploads)),), {}) if uploads else None


def _open(c: _Chooser) -> Any:
    return (
        ("open", (c.path(), c.of(OPEN_FLAGS), c.of(MODES)), {})
        if len(c.both.posix.handles) < MAX_HANDLES
        else None
    )


def _write_file(c: _Chooser) -> Any:
    flags = (OPEN_FLAGS[6], OPEN_FLAGS[0], OPEN_FLAGS[5], OPEN_FLAGS[3])[c.number(4)]
    return "write_file", (c.path(), c.of(BODIES), flags), {}


def _on_handle(method: str, decide: Callable[[_Chooser], tuple[Any, ...]] = lambda c: ()) -> _Decide:
    def decided(c: _Chooser) -> Any:
        return (method, (c.handle(), *decide(c)), {}) if c.both.posix.handles else None

    return decided


def _rename_object(c: _Chooser) -> Any:
    source, key, how = c.near(KEYS), c.near(KEYS), c.number(5)
    tag = c.number(20) - 10  # below zero: the present one
    named = ({}, {}, {"absent": True}, {"match": max(tag, -1)}, {"source_match": max(tag, -1)})[how]
    return "rename_object", (source, key), named


def _rename_prefix(c: _Chooser) -> Any:
    prefixes = [key for key in KEYS if key.endswith(b"/")]
    named = {"absent": c.number(4) == 0}
    return "rename_object", (c.of(prefixes), c.of(prefixes)), named


def _copy_part(c: _Chooser) -> Any:
    if not c.both.s3.uploads:
        return None
    upload, number, start = c.number(len(c.both.s3.uploads)), 1 + c.number(3), c.number(8)
    key = c.near(KEYS)
    found, last = c.both.truth.object("one", key), start + c.number(40)
    # One behind the end is refused, by an error that depends on how far it reaches.
    span = (start, last) if found is not None and last < len(found.data) else None
    return "copy_part", (upload, number, key, span), {}


def _list_uploads(c: _Chooser) -> Any:
    return "list_uploads", (c.of(PREFIXES), c.of(DELIMITERS), c.of((1000, 1, 2))), {"bucket": c.bucket()}


def _list_parts(c: _Chooser) -> Any:
    uploads = c.both.s3.uploads
    return ("list_parts", (c.number(len(uploads)), c.of((1000, 1, 2))), {}) if uploads else None


def _setxattr(c: _Chooser) -> Any:
    return "setxattr", (c.path(), c.of(XATTRS), c.of((b"v", b"text/x-set", b"w"))), {}


_OFFSETS = (0, 1, 3, 100, 4095, 5000)
_KINDS: dict[str, tuple[int, _Decide]] = {
    "put": (9, _put),
    "put_special": (3, _put_special),
    "put_if_match": (2, lambda c: ("put_if_match", (c.near(KEYS), c.of(BODIES), _tag(c)), {})),
    "get": (4, _get),
    "head": (1, lambda c: ("head", (c.near(KEYS),), {})),
    "delete": (6, lambda c: ("delete", (c.near(KEYS),), {"bucket": c.bucket()})),
    "delete_if_match": (1, lambda c: ("delete_if_match", (c.near(KEYS), _tag(c)), {})),
    "delete_many": (1, lambda c: ("delete_many", (c.near(KEYS), c.near(KEYS), c.near(KEYS)), {})),
    "copy": (4, _copy),
    "copy_onto_itself": (1, _copy_onto_itself),
    "list": (4, _list),
    "begin": (2, _begin),
    "part": (4, _part),
    "complete": (3, _complete),
    "abort": (1, _abort),
    "delete_bucket": (1, lambda c: ("delete_bucket", (), {"bucket": BUCKETS[c.number(4) != 0]})),
    "mkdir": (4, lambda c: ("mkdir", (c.path(),), {})),
    "mkfifo": (1, lambda c: ("mkfifo", (c.path(),), {})),
    "symlink": (3, lambda c: ("symlink", (c.of(TARGETS), c.path()), {})),
    "link": (3, lambda c: ("link", (c.path(), c.path()), {})),
    "unlink": (4, lambda c: ("unlink", (c.path(),), {})),
    "rmdir": (3, lambda c: ("rmdir", (c.path(),), {})),
    "rename": (6, lambda c: ("rename", (c.path(), c.path()), {})),
    "write_file": (6, _write_file),
    "open": (4, _open),
    "close": (2, _on_handle("close_file")),
    "pwrite": (4, _on_handle("pwrite", lambda c: (c.of(BODIES), c.of(_OFFSETS)))),
    "append": (2, _on_handle("append", lambda c: (c.of(BODIES),))),
    "ftruncate": (1, _on_handle("ftruncate", lambda c: (c.of(_OFFSETS),))),
    "fsync": (1, _on_handle("fsync")),
    "read": (2, _on_handle("read")),
    "map_store": (2, _on_handle("map_store", lambda c: (c.of(BODIES), c.of(_OFFSETS)))),
    "truncate": (2, lambda c: ("truncate", (c.path(), c.of(_OFFSETS)), {})),
    "chmod": (2, lambda c: ("chmod", (c.path(), c.of(MODES)), {})),
    "utimens": (2, lambda c: ("utimens", (c.path(), c.of(TIMES)), {})),
    "setxattr": (4, _setxattr),
    "removexattr": (2, lambda c: ("removexattr", (c.path(), c.of(XATTRS[:-2])), {})),
    "copy_file": (3, lambda c: ("copy_file", (c.path(), c.path()), {})),
    "renameat2": (4, lambda c: ("renameat2", (c.path(), c.path(), 1 + c.number(2)), {})),
    "rename_object": (5, _rename_object),
    "rename_prefix": (3, _rename_prefix),
    "copy_part": (2, _copy_part),
    "list_parts": (1, _list_parts),
    "list_uploads": (1, _list_uploads),
    "attributes": (2, lambda c: ("attributes", (c.near(KEYS),), {})),
    "listxattr": (1, lambda c: ("listxattr", (c.path(),), {})),
    "readdir": (3, lambda c: ("readdir", (c.path()[: c.number(3) + 1],), {})),
    "readlink": (1, lambda c: ("readlink", (c.path(),), {})),
}
_NAMES = list(_KINDS)
_WEIGHTS = [weight for weight, _ in _KINDS.values()]


def generate(seed: int | str, length: int) -> list[Step]:
    """The program of a seed."""
    draw = random.Random(seed)
    kinds = draw.choices(_NAMES, _WEIGHTS, k=length)
    return [Step(kind, tuple(draw.randrange(_SPREAD) for _ in range(_NUMBERS))) for kind in kinds]


def perform(both: Both, step: Step) -> Call | None:
    """Decide what a step means now; None: nothing can be done."""
    decided = _KINDS[step.kind][1](_Chooser(both, step.numbers))
    return None if decided is None else Call(*decided)


def render(calls: Sequence[Call]) -> str:
    """A program to read, and to paste into a test."""
    return "\n".join(f"    {call}" for call in calls)


def shrink(program: list[Step], fails: Callable[[list[Step]], bool], tries: int) -> list[Step]:
    """A shorter program that fails, too: halves, quarters and so on are left out as long as it does."""
    size = max(1, len(program) // 2)
    while size >= 1 and tries > 0:
        start, smaller = len(program), False
        while start > 0 and tries > 0:
            start = max(0, start - size)
            candidate = program[:start] + program[start + size :]
            tries -= 1
            if candidate and fails(candidate):
                program, smaller = candidate, True
        if not smaller or size > 1:
            if size == 1:
                break
            size //= 2
    return program
