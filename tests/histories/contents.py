"""What a file holds, in words: the body it began with and what was last written over its head and tail."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["HEAD", "PLACES", "TAIL", "Content"]

PLACES = HEAD, TAIL = 0, 1
"""The two places of a body that writes in place change."""

_BETWEEN = "|"


class Content(NamedTuple):
    """Names of bodies and of patches; '' is a place nobody wrote over. `str()` gives one word for it."""

    body: str
    head: str = ""
    tail: str = ""

    @classmethod
    def read(cls, word: str) -> Content:
        """What `str()` gave."""
        return cls(*word.split(_BETWEEN))

    def patched(self, place: int, patch: str) -> Content:
        return self._replace(head=patch) if place == HEAD else self._replace(tail=patch)

    def place(self, place: int) -> str:
        return self.head if place == HEAD else self.tail

    @property
    def patches(self) -> set[str]:
        return {self.head, self.tail} - {""}

    def __str__(self) -> str:
        return _BETWEEN.join(self) if self.patches else self.body
