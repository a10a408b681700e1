"""Bodies that say who they are, so that one that is torn, mixed or cut off is noticed wherever it is read."""

from __future__ import annotations

import hashlib
import threading

__all__ = ["Bodies"]


class Bodies:
    """Every body that was ever written, by name and by MD5; and what each ETag was shown for. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sizes: dict[str, int] = {}
        self._by_md5: dict[str, str] = {hashlib.md5(b"").hexdigest(): "empty"}
        self._shown: dict[str, str] = {}

    def make(self, name: str, size: int) -> bytes:
        """A body of that name; at least as long as its first line."""
        line = f"<{name} {size}>".encode()
        body = (line * (size // len(line) + 1))[: max(size, len(line))]
        with self._lock:
            self._sizes[name] = len(body)
            self._by_md5[hashlib.md5(body).hexdigest()] = name
        return body

    def name_of(self, body: bytes) -> str:
        """Which body this is, from first to last byte. Raises AssertionError for what nobody wrote."""
        if not body:
            return "empty"
        head = body[1 : body.index(b">")].decode() if b">" in body[:100] else ""
        name, _, size = head.rpartition(" ")
        with self._lock:
            known = self._sizes.get(name)
        assert known == len(body) and size.isdigit(), f"{len(body)} bytes that nobody wrote: {body[:80]!r}"
        line = f"<{head}>".encode()
        whole = (line * (len(body) // len(line) + 1))[: len(body)]
        assert body == whole, f"a torn body of {name}: {len(body)} bytes"
        return name

    def seen(self, etag: str, body: bytes, name: str) -> None:
        """An answer had this ETag and this body. Raises AssertionError when they do not belong together."""
        assert "-" in etag or etag == hashlib.md5(body).hexdigest(), f"the ETag {etag} is not that of {name}"
        with self._lock:
            known = self._shown.setdefault(etag, name)
        assert known == name, f"the ETag {etag} was shown for {known} and for {name}"

    def of_etag(self, etag: str) -> str | None:
        """The body that an ETag belongs to; None when that is not known."""
        with self._lock:
            return self._by_md5.get(etag) or self._shown.get(etag)
