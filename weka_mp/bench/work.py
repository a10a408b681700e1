"""What is measured: verbs, their order in each mode, and the parameters of a run."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import Final

from weka_mp.clock import SeededRandom

__all__ = ["LISTINGS", "MODES", "Mode", "Parameters", "Step", "Verb", "mixed_steps"]


class Verb(Enum):
    """One kind of operation; what it is on an endpoint and in a directory."""

    PUT = "put"
    """PutObject; create, write and close a file."""
    GET = "get"
    """GetObject; open, read and close."""
    HEAD = "head"
    """HeadObject; stat."""
    LIST = "list"
    """ListObjectsV2, page by page to the end; scandir and lstat. One operation is a page, or a scan."""
    RENAME = "rename twice"
    """rename(2) there and back, two calls; in directories only."""
    DELETE = "delete"
    """DeleteObject; unlink."""
    PUT_BIG = "put big"
    """As PUT with one large body, sent in pieces of 1 MiB."""
    GET_BIG = "get big"
    """As GET of that body."""
    MIXED = "mixed"
    """GET, HEAD, PUT and DELETE in a shuffled order, 45, 30, 15 and 10 of a hundred."""


LISTINGS: Final = 5
"""How often the keys are listed from the first to the last in one window."""


@dataclass(frozen=True, slots=True)
class Mode:
    """The verbs of a mode in the order they run, and which kinds of targets it takes."""

    verbs: tuple[Verb, ...]
    endpoints: bool
    directories: bool


MODES: Final = {
    "s3": Mode(
        (Verb.PUT, Verb.GET, Verb.HEAD, Verb.LIST, Verb.DELETE, Verb.PUT_BIG, Verb.GET_BIG), True, False
    ),
    "mount": Mode(
        (Verb.PUT, Verb.HEAD, Verb.GET, Verb.LIST, Verb.RENAME, Verb.DELETE, Verb.PUT_BIG, Verb.GET_BIG),
        False,
        True,
    ),
    "list": Mode((Verb.PUT, Verb.LIST, Verb.DELETE), True, True),
    "mixed": Mode((Verb.PUT, Verb.MIXED, Verb.DELETE), True, True),
}


@dataclass(frozen=True, slots=True)
class Parameters:
    """count: objects a round; size and big: bytes of one object; lanes: connections or threads at once;
    rounds: repetitions of everything; page: keys of one listing page; seed: of the mixed order."""

    count: int
    size: int
    big: int
    lanes: int
    rounds: int
    page: int
    seed: int

    def share(self, lane: int) -> range:
        """The object numbers that a lane works on: every lane its own, together all."""
        return range(lane, self.count, self.lanes)


@dataclass(frozen=True, slots=True)
class Step:
    """One operation of the mixed order; number: which object of the lane."""

    verb: Verb
    number: int


_OF_A_HUNDRED: Final = ((Verb.GET, 45), (Verb.HEAD, 75), (Verb.PUT, 90), (Verb.DELETE, 100))
"""Running sums of 45 GET, 30 HEAD, 15 PUT and 10 DELETE."""


def mixed_steps(parameters: Parameters, lane: int) -> Iterator[Step]:
    """As many steps as the lane has objects. Only what is there is read; at the end all objects exist again.

    What was deleted is put again first, and what is still missing at the end is put then, so that every
    target holds the same objects before and after.
    """
    chance = SeededRandom(parameters.seed * 1_000_003 + lane)
    there, gone = list(parameters.share(lane)), list[int]()
    for _ in range(len(there)):
        drawn = chance.below(100)
        verb = next(verb for verb, limit in _OF_A_HUNDRED if drawn < limit)
        if verb is Verb.DELETE and len(there) > 1:
            gone.append(there.pop(chance.below(len(there))))
            yield Step(verb, gone[-1])
        elif verb is Verb.PUT and gone:
            there.append(gone.pop(0))
            yield Step(verb, there[-1])
        else:
            yield Step(Verb.GET if verb is Verb.DELETE else verb, there[chance.below(len(there))])
    yield from (Step(Verb.PUT, number) for number in gone)
