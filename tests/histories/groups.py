"""The keys that clients work on together, and what each client has in common."""

from __future__ import annotations

import errno
import random
from dataclasses import dataclass
from typing import Protocol

from tests.histories.bodies import Bodies
from tests.histories.recorder import Recorder
from tests.histories.register import FOLDER

__all__ = ["GONE", "Client", "Group", "Unanswered"]

SIZES = (192, 192, 192, 5_000, 70_000, 300_000)
LARGE = 3 * 2**20
GONE = {errno.ENOTCONN, errno.ECONNABORTED, errno.EIO}
"""What calls on a mount end with whose process died."""


class Unanswered(Exception):
    """No answer, or one that says nothing of what happened.

    `over`: whoever worked on it has answered or is dead, so that nothing happens any more.
    """

    def __init__(self, why: str, *, over: bool) -> None:
        super().__init__(why)
        self.over = over


@dataclass
class Group:
    """Two keys of one folder or four of two, all that is known of them, and a folder beside them."""

    bucket: str
    keys: tuple[bytes, ...]
    staging: bytes
    bodies: Bodies
    recorder: Recorder

    @property
    def folders(self) -> tuple[bytes, ...]:
        """By number, with the slash at their end."""
        return tuple(key.rpartition(b"/")[0] + b"/" for key in self.keys[::FOLDER])

    def key(self, draw: random.Random) -> int:
        return draw.randrange(len(self.keys))

    def two_keys(self, draw: random.Random) -> tuple[int, int]:
        """Different ones."""
        one, other = draw.sample(range(len(self.keys)), 2)
        return one, other

    def new_name(self, draw: random.Random, client: str) -> str:
        return f"{client} {draw.getrandbits(48):012x}"

    def new_body(self, draw: random.Random, client: str) -> tuple[str, bytes]:
        size = LARGE if draw.random() < 0.03 else draw.choice(SIZES)
        name = self.new_name(draw, client)
        return name, self.bodies.make(name, size)


class Client(Protocol):
    """One thread's client; `act` does one thing of its choice, `look` looks at a key."""

    name: str

    def act(self, group: Group) -> None: ...

    def look(self, group: Group, key: int) -> None: ...

    def close(self) -> None: ...
