"""What the administration needs of a running service; the supervisor implements it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, Protocol

from weka_mp.control.desk import Answer, Question
from weka_mp.control.identity_routes import IdentityRoute
from weka_mp.values import BucketName

__all__ = ["Health", "Kind", "NoSuchJob", "Service"]

Kind = Literal["export", "share"]
"""NFS exports and SMB shares."""


class NoSuchJob(Exception):
    """No job has this number."""


@dataclass(frozen=True, slots=True)
class Health:
    """Whether each part does its work; a part is ``worker-0``, ``mount-0``, ``store`` and so on."""

    parts: Mapping[str, str]  # part → "ok", or what is wrong with it

    @property
    def ok(self) -> bool:
        return all(state == "ok" for state in self.parts.values())


class Service(Protocol):
    """A running service. The methods may be called by several tasks at once."""

    async def health(self) -> Health:
        """Ask every part, each within a bounded time."""

    async def metrics(self) -> bytes:
        """Prometheus text of all processes that answer within a bounded time."""

    def status(self) -> Mapping[str, object]:
        """What runs where: for people and scripts, as JSON carries it."""

    def start_fill(self, bucket: BucketName, prefix: bytes) -> int:
        """Begin to fill the ETags of what is there now; the job's number. Raises BucketMissing."""

    def reexports(self, kind: Kind) -> list[dict[str, object]]:
        """All NFS exports or SMB shares."""

    async def add_reexport(self, kind: Kind, asked: Mapping[str, object]) -> dict[str, object]:
        """Record one and serve it; ``{kind: what was added}``, and ``problem`` when it is not served now.

        Raises InvalidArgument, Exists, NotFound, MissingProgram.
        """

    async def remove_reexport(self, kind: Kind, which: str) -> dict[str, object]:
        """``{kind: what was removed}``. Raises NotFound."""

    async def administer(self, question: Question, route: IdentityRoute, named: Mapping[str, str]) -> Answer:
        """The answer of the desk for users, policies and credentials."""

    def fill_state(self, job: int) -> Mapping[str, object]:
        """``state`` (running, done, failed), counts once done, ``reason`` when failed. Raises NoSuchJob."""
