"""What clients asked and were answered, with the times of both."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from tests.histories.register import Operation

__all__ = ["Call", "Recorder", "relaxed"]

CHANGES = ("write", "create", "delete", "swap", "rename")


@dataclass
class Call:
    """One invocation under way; `add` says what its answer means."""

    client: str
    start: float
    found: list[Operation] = field(default_factory=list)
    intended: list[Operation] = field(default_factory=list)

    def may(
        self, kind: str, key: int, value: str | None = None, other: int = 0, old: str | None = None
    ) -> None:
        """What takes effect, now or later or never, if no answer comes."""
        self.intended.append(Operation(self.client, kind, key, self.start, math.inf, value, old, other))

    def add(
        self, kind: str, key: int, value: str | None = None, other: int = 0, old: str | None = None
    ) -> None:
        """What the answer says happened."""
        self.found.append(Operation(self.client, kind, key, self.start, 0, value, old, other))


class Recorder:
    """The history of one group of keys. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.history: list[Operation] = []
        self.problems: list[str] = []

    @contextmanager
    def call(self, client: str) -> Iterator[Call]:
        """Around one call. An OSError or anything else that ends it leaves it unanswered."""
        call = Call(client, time.monotonic())
        try:
            yield call
        except BaseException:
            with self._lock:
                self.history += call.intended
            raise
        end = time.monotonic()
        with self._lock:
            self.history += [replace(found, end=end) for found in call.found]

    def problem(self, text: str) -> None:
        with self._lock:
            self.problems.append(text)


def relaxed(history: list[Operation]) -> list[Operation]:
    """What the mount shows may be what was before an S3 change that is not answered yet (SEMANTICS, 1).

    So a look through the mount counts from the beginning of the first S3 change under way when it began.
    """
    changes = [found for found in history if found.client.startswith("s3") and found.kind in CHANGES]

    def begins(look: Operation) -> float:
        under_way = [change.start for change in changes if change.start <= look.start <= change.end]
        return min(under_way, default=look.start)

    looks = ("read", "present")
    return [
        replace(found, start=begins(found))
        if found.client.startswith("mount") and found.kind in looks
        else found
        for found in history
    ]
