"""A small fuzzer: seeded mutations of a corpus, guided by the lines that an input reaches for the first time.

Lines are what sys.settrace reports for files of the product; it costs a factor of ten or more, so short
runs go without it.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, Final

import weka_mp

__all__ = ["Lines", "corpus", "explore", "mutants"]

_CORPUS: Final = Path(__file__).parent / "corpus"
_PRODUCT: Final = str(Path(weka_mp.__file__).parent)
_MOST: Final = 4096  # bytes of a mutant
_WORDS: Final = (
    b"\r\n", b"\n", b"\r", b"\r\n\r\n", b"\0", b" ", b"\t", b":", b";", b",", b"=", b"%", b"%00",
    b"%2F", b"%2e%2e", b"%zz", b"&", b"?", b"/", b"//", b"..", b"+", b"-", b"0", b"-1", b"0x10",
    b"99999999999999999999", b"1e9", b"\xff", b"\xc0\xaf", b"\xe2\x82\xac", b"\xed\xa0\x80",
    b"\xf0\x9f\x98\x80", b"'", b'"', b"\\", b"<", b">", b"<a>", b"</a>", b"&lt;", b"&#0;",
    b"&#x110000;", b"<!DOCTYPE a>", b"<![CDATA[", b"]]>", b"*", b"W/", b"Content-Length: 5\r\n",
    b"Transfer-Encoding: chunked\r\n", b"Host: h\r\n", b"HTTP/1.1", b"HTTP/1.0", b"chunk-signature=",
    b"x-amz-", b"bytes=", b"GMT", b"Z", b"T", b"0001-01-01", b"9999-12-31", b"--b",
    b"Content-Disposition: form-data; name=\"file\"", b"AWS4-HMAC-SHA256", b"AWS ", b".weka", b".weka%",
    b".weka~",
)


def corpus(target: str) -> dict[str, bytes]:
    """The kept inputs of a target by name."""
    folder = _CORPUS / target
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())} if folder.is_dir() else {}


def _change(data: bytearray, pool: Sequence[bytes], choice: random.Random) -> None:
    at = choice.randrange(len(data) + 1)
    end = min(len(data), at + choice.choice((1, 1, 2, 4, 16, 64)))
    match choice.randrange(9):
        case 0 if data:
            data[at % len(data)] ^= 1 << choice.randrange(8)
        case 1 if data:
            data[at % len(data)] = choice.randrange(256)
        case 2:
            del data[at:end]
        case 3:
            data[at:at] = choice.choice(_WORDS)
        case 4:
            data[at:end] = choice.choice(_WORDS)
        case 5:
            data[at:at] = data[at:end] * choice.choice((1, 1, 2, 20))
        case 6:
            other = choice.choice(pool)
            start = choice.randrange(len(other) + 1)
            data[at:at] = other[start:start + choice.randrange(64)]
        case 7:
            del data[at:]
        case _:
            data[at:at] = choice.randbytes(choice.randrange(1, 8))


def mutants(pool: Sequence[bytes], choice: random.Random) -> Iterator[bytes]:
    """Inputs without end. The pool may grow meanwhile."""
    while True:
        data = bytearray(choice.choice(pool))
        for _ in range(choice.randrange(1, 6)):
            _change(data, pool, choice)
        yield bytes(data[:_MOST])


class Lines:
    """Counts the lines of the product that were reached at least once."""

    def __init__(self) -> None:
        self.seen: set[tuple[str, int]] = set()
        self._fresh = False

    def __call__(self, frame: FrameType, event: str, argument: Any) -> Any:
        if not frame.f_code.co_filename.startswith(_PRODUCT):
            return None
        return self._line

    def _line(self, frame: FrameType, event: str, argument: Any) -> Any:
        place = (frame.f_code.co_filename, frame.f_lineno)
        if place not in self.seen:
            self.seen.add(place)
            self._fresh = True
        return self._line

    def reaches_new(self, target: Callable[[bytes], None], data: bytes) -> bool:
        """Run the target; whether it came to a line for the first time."""
        self._fresh = False
        former = sys.gettrace()
        sys.settrace(self)
        try:
            target(data)
        finally:
            sys.settrace(former)
        return self._fresh


def explore(
    name: str, target: Callable[[bytes], None], seed: int, rounds: int, *, guided: bool = False
) -> int:
    """Run a target on mutants; the exception it lets out carries the input. Answers how many inputs are
    kept."""
    pool = [*corpus(name).values()] or [b""]
    lines = Lines()
    if guided:
        for data in pool:
            lines.reaches_new(target, data)
    source = mutants(pool, random.Random(f"{name} {seed}"))
    for _ in range(rounds):
        data = next(source)
        try:
            if not guided:
                target(data)
            elif lines.reaches_new(target, data):
                pool.append(data)
        except Exception as error:
            error.add_note(f"target {name}, seed {seed}, input {data!r}")
            raise
    return len(pool)
