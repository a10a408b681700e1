"""What every target can do for the runner."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from weka_mp.bench.work import Parameters, Verb

__all__ = ["Operation", "Target", "TargetFailed", "body_of"]

Operation = Callable[[], int]
"""Does one operation and returns the bytes of payload that it moved."""


class TargetFailed(Exception):
    """A target could not be reached or answered an operation with an error; the text says which and how."""


class Target(Protocol):
    """An endpoint, a directory, or a floor."""

    name: str
    kind: str
    """endpoint, directory or floor."""

    def verbs(self) -> frozenset[Verb]:
        """What it can be asked."""

    def prepare(self) -> None:
        """Make the place that objects go to. Raises TargetFailed."""

    def operations(self, verb: Verb, parameters: Parameters, lane: int) -> Iterable[Operation]:
        """The operations of one lane, made before the clock starts (requests are signed here)."""

    def clean(self) -> None:
        """Remove all that prepare and the operations made, also after a failure."""

    def pids(self) -> frozenset[int]:
        """The processes whose CPU time and memory are its own; empty where that is not known."""


def body_of(size: int, number: int) -> bytes:
    """`size` bytes that differ from object to object, so that nobody's deduplication helps."""
    pattern = number.to_bytes(8, "little") + bytes(range(256)) * 4
    return (pattern * (size // len(pattern) + 1))[:size]
