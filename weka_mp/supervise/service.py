"""A running service as the administration sees it: its health, its metrics, its commands."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import trio

import weka_mp
from weka_mp.config import Address
from weka_mp.control import identity_routes
from weka_mp.control.desk import Answer, Question, failure
from weka_mp.control.service import Health, Kind
from weka_mp.errors import NamespaceError, NotSupported
from weka_mp.identity.errors import IdentityError
from weka_mp.ipc.peers import CallTimeout, PeerGone, RemoteFailure
from weka_mp.namespace import Namespace
from weka_mp.observe.logs import LOG_LEVEL, current_level, set_level
from weka_mp.observe.metrics import exposition, snapshot
from weka_mp.server.invalidator import Invalidator
from weka_mp.supervise import mounts
from weka_mp.supervise.fill_jobs import FillJobs
from weka_mp.supervise.identities import LazyDesk
from weka_mp.supervise.keeper import Keeper
from weka_mp.supervise.readiness import s3_answers
from weka_mp.supervise.reexports import Reexports
from weka_mp.tls import TlsSettings
from weka_mp.values import BucketName

__all__ = ["RunningService", "Views"]

_PROBE_SECONDS = (
    3.0  # for one part of the health; a distributed file system may take longer and is then unhealthy
)
_METRICS_SECONDS = 2.0
_TELL_SECONDS = 5.0
_AUDITING = ("worker", "background")


@dataclass(frozen=True, slots=True)
class Views:
    """Where the views are: absolute paths, and addresses with their real ports.

    `mounts` are shown as they were named; `real_mounts` are the same without symbolic links, as the kernel
    knows them.
    """

    store: str
    s3: Address | None
    mounts: tuple[str, ...]
    real_mounts: tuple[str, ...]
    admin: Address | None
    tls: TlsSettings | None = None

    @property
    def scheme(self) -> str:
        """Of the addresses of S3 and administration."""
        return "http" if self.tls is None else "https"


class RunningService:
    """Implements `weka_mp.control.service.Service` over the keepers of all children."""

    def __init__(
        self,
        views: Views,
        namespace: Namespace,
        keepers: Sequence[Keeper],
        fills: FillJobs,
        reexports: Reexports,
        desk: LazyDesk,
        invalidator: Invalidator,
    ) -> None:
        self._views = views
        self._namespace = namespace
        self._keepers = keepers
        self._fills = fills
        self._reexports = reexports
        self._desk = desk
        self._invalidator = invalidator

    async def health(self) -> Health:
        """Children ready, mounts and S3 answering, the store writable."""
        parts = {keeper.spec.name: "ok" if keeper.ready else "not running" for keeper in self._keepers}
        checked: dict[str, str] = {}
        async with trio.open_nursery() as nursery:
            nursery.start_soon(self._check_store, checked)
            for shown, path in zip(self._views.mounts, self._views.real_mounts, strict=True):
                nursery.start_soon(self._check_mount, shown, path, checked)
            if self._views.s3 is not None:
                nursery.start_soon(self._check_s3, self._views.s3, checked)
        return Health({**parts, **self._reexports.parts(), **dict(sorted(checked.items()))})

    async def _check_mount(self, shown: str, path: str, checked: dict[str, str]) -> None:
        alive = await mounts.answers(path, seconds=_PROBE_SECONDS)
        checked[f"mount {shown}"] = "ok" if alive else "does not answer"

    async def _check_s3(self, address: Address, checked: dict[str, str]) -> None:
        alive = await s3_answers(address, self._views.tls, seconds=_PROBE_SECONDS)
        checked["s3"] = "ok" if alive else "does not answer"

    async def _check_store(self, checked: dict[str, str]) -> None:
        with trio.move_on_after(_PROBE_SECONDS) as scope:
            checked["store"] = await trio.to_thread.run_sync(
                write_probe, self._namespace, abandon_on_cancel=True
            )
        if scope.cancelled_caught:
            checked["store"] = f"no answer within {_PROBE_SECONDS:g} s"

    async def metrics(self) -> bytes:
        """The exposition of the supervisor and of every child that answers."""
        found: dict[str, object] = {"supervisor": snapshot()}

        async def ask(keeper: Keeper) -> None:
            if keeper.peer is None:
                return
            try:
                found[keeper.spec.name] = await keeper.peer.call("metrics", timeout=_METRICS_SECONDS)
            except (PeerGone, CallTimeout, RemoteFailure):
                return  # it is missing in this exposition, and weka_mp_child_up tells whether it lives

        async with trio.open_nursery() as nursery:
            for keeper in self._keepers:
                nursery.start_soon(ask, keeper)
        return exposition(found)

    def status(self) -> Mapping[str, object]:
        """Version, store, views and children."""
        views = self._views
        return {
            "version": weka_mp.__version__,
            "pid": os.getpid(),
            "log_level": current_level(),
            "store": views.store,
            "store_id": self._namespace.store_id,
            "s3": None if views.s3 is None else f"{views.scheme}://{views.s3}",
            "mounts": list(views.mounts),
            "admin": None if views.admin is None else f"{views.scheme}://{views.admin}",
            "children": [
                {
                    "name": keeper.spec.name,
                    "pid": keeper.child.pid if keeper.child is not None else None,
                    "ready": keeper.ready,
                    "restarts": keeper.restarts,
                }
                for keeper in self._keepers
            ]
            + [
                {
                    "name": daemon.name,
                    "pid": daemon.pid,
                    "ready": daemon.ready,
                    "restarts": daemon.restarts,
                }
                for daemon in self._reexports.daemons()
            ],
        }

    def reexports(self, kind: Kind) -> list[dict[str, object]]:
        """See `weka_mp.control.service.Service`, as for the next two."""
        return self._reexports.listed(kind)

    async def add_reexport(self, kind: Kind, asked: Mapping[str, object]) -> dict[str, object]:
        return await self._reexports.add(kind, asked)

    async def remove_reexport(self, kind: Kind, which: str) -> dict[str, object]:
        return await self._reexports.remove(kind, which)

    async def administer(
        self, question: Question, route: identity_routes.IdentityRoute, named: Mapping[str, str]
    ) -> Answer:
        """See `weka_mp.control.service.Service`."""

        def answer() -> Answer:
            try:
                desk = self._desk.get()
                desk.service = self.status
            except (IdentityError, NamespaceError) as error:
                return failure(error)
            return identity_routes.answer(desk, question, route, named)

        found = await trio.to_thread.run_sync(answer)
        await self._invalidator.publish(found.changes)
        if found.retold is not None:
            await self._tell_all(found.retold, found.retold_with)
        return found

    async def _tell_all(self, verb: str, args: object) -> None:
        """Have every process that knows the verb look at what was changed. One that does not answer finds out
        by itself; one that dies, at its next start.
        """
        everybody = verb == LOG_LEVEL
        if everybody:
            set_level(str(args))
            for keeper in self._keepers:
                keeper.changed["log_level"] = args

        async def tell(keeper: Keeper) -> None:
            if keeper.peer is not None:
                with suppress(PeerGone, CallTimeout, RemoteFailure):
                    await keeper.peer.call(verb, args, timeout=_TELL_SECONDS)

        async with trio.open_nursery() as nursery:
            for keeper in self._keepers:
                if everybody or keeper.spec.kind in _AUDITING:
                    nursery.start_soon(tell, keeper)

    def start_fill(self, bucket: BucketName, prefix: bytes) -> int:
        """Queue a fill; raises BucketMissing at once."""
        self._namespace.head_bucket(bucket)
        return self._fills.start(bucket, prefix)

    def fill_state(self, job: int) -> Mapping[str, object]:
        """See `weka_mp.control.service.Service`."""
        return self._fills.state(job)


def write_probe(namespace: Namespace) -> str:
    """``ok`` if bytes can be written into the store now, else the reason; leaves nothing behind."""
    store = namespace.store
    try:
        fd = store.create_unnamed(store.root(), 0o600)
        try:
            store.write(fd, b"weka", 0)
            store.sync_file(fd)
        finally:
            store.close(fd)
    except NotSupported:  # no unnamed files here: what can be asked without leaving a name
        return _read_probe(namespace)
    except NamespaceError as error:
        return " ".join(str(error).split())
    return "ok"


def _read_probe(namespace: Namespace) -> str:
    try:
        namespace.store.statvfs(namespace.store.root())
        namespace.list_buckets()
    except NamespaceError as error:
        return " ".join(str(error).split())
    return "ok"
