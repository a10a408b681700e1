"""What clients asked and were answered, with the times of both."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from tests.histories.register import Operation

__all__ = ["Call", "Recorder"]


@dataclass
class Call:
    """One invocation under way; `add` says what its answer means."""

    client: str
    start: float
    found: list[Operation] = field(default_factory=list)
    intended: list[Operation] = field(default_factory=list)
    repeated: bool = False  # it was asked for more than once

    def may(
        self, kind: str, key: int, value: str | None = None, other: int = 0, old: str | None = None
    ) -> None:
        """What takes effect or does not, if no answer comes."""
        self.intended.append(
            Operation(self.client, kind, key, self.start, math.inf, value, old, other, answered=False)
        )

    def add(
        self, kind: str, key: int, value: str | None = None, other: int = 0, old: str | None = None
    ) -> None:
        """What the answer says happened."""
        self.found.append(Operation(self.client, kind, key, self.start, 0, value, old, other))


class Recorder:
    """The history of one group of keys. Thread-safe.

    `writing`: from when to when descriptors were open for writing; inf where the end is not known.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.history: list[Operation] = []
        self.writing: list[tuple[float, float]] = []

    @contextmanager
    def call(self, client: str) -> Iterator[Call]:
        """Around one call. An exception leaves it unanswered; when that has a true `over`, nothing of it
        happens any more.
        """
        call = Call(client, time.monotonic())
        try:
            yield call
        except BaseException as error:
            end = time.monotonic() if getattr(error, "over", False) else math.inf
            with self._lock:
                self.history += [replace(found, end=end) for found in call.intended]
            raise
        end = time.monotonic()
        with self._lock:
            self.history += [replace(found, end=end, repeated=call.repeated) for found in call.found]

    @contextmanager
    def open_for_writing(self) -> Iterator[None]:
        """Around the time in which a descriptor can write, its opening and its closing included."""
        start, end = time.monotonic(), math.inf
        try:
            yield
            end = time.monotonic()
        finally:
            with self._lock:
                self.writing.append((start, end))
