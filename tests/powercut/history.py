"""What a workload did and promised, and what may therefore be seen after the power was cut at some moment.

A fact is something that can be asked of a store (an object, a bucket, an upload, the store's id). Each step
says which values it gives to facts; once it was answered only those may be seen, and while it is under way
the old ones or the new ones, each fact on its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

__all__ = ["ANYTHING", "Fact", "History", "Step", "allowed_at"]

Fact = tuple[str, ...] | tuple[Any, ...]
ANYTHING = object()
"""A value that is no promise: whatever is there."""
NEVER = 1 << 62
"""The position of an answer that was not given."""


@dataclass(frozen=True, slots=True)
class Step:
    """`start` and `end` are positions of the disk's log around the operation; `promised`: it was answered."""

    name: str
    start: int
    end: int
    after: Mapping[Fact, Any]
    promised: bool = True
    torn: bool = False  # may be seen half done while it is under way, as a POSIX writer's file may


@dataclass
class History:
    """Steps in the order in which they ended; those that share a fact came one after the other."""

    position: Callable[[], int]
    steps: list[Step] = field(default_factory=list)
    when_done: Callable[[Step], None] = lambda step: None
    current: Step | None = None  # under way

    @contextmanager
    def step(
        self, name: str, after: dict[Fact, Any], *, promised: bool = True, torn: bool = False
    ) -> Iterator[dict[Fact, Any]]:
        """Around one operation. Facts that only the answer names may be added within the block."""
        start = self.position()
        self.current = Step(name, start, NEVER, after, promised, torn)
        yield after
        self.current = None
        self.steps.append(Step(name, start, self.position(), dict(after), promised, torn))
        self.when_done(self.steps[-1])


def allowed_at(steps: Sequence[Step], until: int) -> tuple[dict[Fact, list[Any]], str]:
    """For each fact the values that may be seen when all was answered before `until`; and what was last."""
    # A store gets an id and a bucket its settings by being looked at; of all else there is nothing at first.
    allowed: dict[Fact, list[Any]] = {
        fact: [ANYTHING if fact[0] in {"store", "registered", "again"} else None]
        for step in steps
        for fact in step.after
    }
    last = "nothing"
    for step in sorted(steps, key=lambda step: step.start):
        if step.start > until:
            break
        answered = step.end <= until
        last = f"{step.name} {'answered' if answered else 'under way'}"
        for fact, value in step.after.items():
            if answered and step.promised:
                allowed[fact] = [value]
            elif step.torn and not answered:
                allowed[fact] = [ANYTHING]
            else:
                allowed[fact] = [*allowed[fact], value]
    return allowed, last
