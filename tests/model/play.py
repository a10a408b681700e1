"""Runs programs, and makes of one that fails the smallest that does."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.model.both import Both, Disagreement
from tests.model.programs import Call, Step, perform, render, shrink
from tests.system.service import Service

__all__ = ["Played", "play", "report"]

SHRINKING = 80  # programs tried to find a smaller one


@dataclass
class Played:
    """What was done, how many steps that took, and where service and truth differ (None: nowhere)."""

    calls: list[Call] = field(default_factory=list)
    steps: int = 0
    problem: str | None = None


def play(service: Service, program: list[Step]) -> Played:
    """Run a program to its end or to the first difference."""
    played = Played()
    both = Both(service)
    try:
        for step in program:
            played.steps += 1
            call = perform(both, step)
            if call is None:
                continue
            played.calls.append(call)
            getattr(both, call.method)(*call.positional, **call.named)
            both.after()
        both.check()
    except Disagreement as error:
        played.problem = str(error)
    except OSError as error:
        played.problem = f"an unexpected {error!r}"
    finally:
        both.close()
    return played


def report(service: Service, program: list[Step], failed: Played) -> str:
    """The smallest program found that fails, as it stands in a test."""
    smallest = failed

    def fails(candidate: list[Step]) -> bool:
        nonlocal smallest
        played = play(service, candidate)
        if played.problem is not None:
            smallest = played
        return played.problem is not None

    shrink(program[: failed.steps], fails, SHRINKING)
    return f"{smallest.problem}\n{render(smallest.calls)}"
