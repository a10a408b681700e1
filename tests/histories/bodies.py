"""Bodies that say who they are, so that one that is torn, mixed or cut off is noticed wherever it is read."""

from __future__ import annotations

import hashlib
import threading

from tests.histories.contents import HEAD, Content

__all__ = ["LINE", "Bodies", "offset_of", "patch_line"]

LINE = 64
"""Bytes of a line. A body is one line again and again; a patch takes the place of its first or its last."""

LEAST = 3 * LINE
"""Bytes of a body: a whole line stays when both places were written over."""


def _line(brackets: str, text: str) -> bytes:
    line = f"{brackets[0]}{text}{brackets[1]}".ljust(LINE, ".").encode()
    assert len(line) == LINE, f"too long a name: {text}"
    return line


def patch_line(patch: str) -> bytes:
    """The bytes that a patch writes."""
    return _line("[]", patch)


def offset_of(place: int, size: int) -> int:
    """Where the place of a body of that size begins."""
    return 0 if place == HEAD else size - LINE


def _told(line: bytes, brackets: str) -> str | None:
    """What a line says between its brackets; None for one of another kind."""
    begin, end = brackets.encode()
    if len(line) != LINE or line[0] != begin or end not in line:
        return None
    return line[1 : line.index(end)].decode("ascii", "replace")


class Bodies:
    """Every body that was ever written, by name and by MD5; and what each ETag was shown for. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sizes: dict[str, int] = {}
        self._by_md5: dict[str, str] = {hashlib.md5(b"").hexdigest(): "empty"}
        self._shown: dict[str, str] = {}
        self._in_parts: set[str] = set()

    def make(self, name: str, size: int) -> bytes:
        """A body of that name, at least LEAST bytes."""
        size = max(size, LEAST)
        with self._lock:
            self._sizes[name] = size
        body = self._bytes(Content(name))
        self._know(body, name)
        return body

    def goes_in_parts(self, name: str) -> None:
        """The body of that name is uploaded in parts: its ETag is that of the parts."""
        with self._lock:
            self._in_parts.add(name)

    def has_one_etag(self, word: str) -> bool:
        """Whether all objects with these contents have the same ETag."""
        with self._lock:
            return Content.read(word).body not in self._in_parts

    def _bytes(self, content: Content) -> bytes:
        size = self._sizes[content.body]
        line = _line("<>", f"{content.body} {size}")
        body = (line * (size // LINE + 1))[:size]
        head, tail = (patch_line(patch) if patch else b"" for patch in (content.head, content.tail))
        return head + body[len(head) : size - len(tail)] + tail

    def _know(self, body: bytes, name: str) -> None:
        digest = hashlib.md5(body).hexdigest()
        with self._lock:
            self._by_md5[digest] = name

    def expect(self, content: Content) -> None:
        """These contents may come to be: their ETag is known from now on."""
        self._know(self._bytes(content), str(content))

    def name_of(self, body: bytes) -> str:
        """What this is, from first to last byte. Raises AssertionError for what nobody wrote."""
        if not body:
            return "empty"
        name, _, size = (_told(body[LINE : 2 * LINE], "<>") or "").rpartition(" ")
        with self._lock:
            known = self._sizes.get(name)
        assert known == len(body) and size.isdigit(), f"{len(body)} bytes that nobody wrote: {body[:160]!r}"
        content = Content(name, _told(body[:LINE], "[]") or "", _told(body[-LINE:], "[]") or "")
        assert body == self._bytes(content), f"a torn body of {content}: {len(body)} bytes"
        if content.patches:
            self._know(body, str(content))
        return str(content)

    def seen(self, etag: str, body: bytes, name: str) -> None:
        """An answer had this ETag and this body. Raises AssertionError when they do not belong together."""
        assert "-" in etag or etag == hashlib.md5(body).hexdigest(), f"the ETag {etag} is not that of {name}"
        with self._lock:
            known = self._shown.setdefault(etag, name)
        assert known == name, f"the ETag {etag} was shown for {known} and for {name}"

    def of_etag(self, etag: str) -> str | None:
        """What an ETag belongs to; None when that is not known."""
        with self._lock:
            return self._by_md5.get(etag) or self._shown.get(etag)
