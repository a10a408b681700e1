"""The exports and shares of a running service: the record, and the servers that follow it and the mount.

A server runs while the mount does and there is something to serve. When the mount's process ends, the servers
end too and are started on its successor: they hold descriptors of the dead mount, and what clients hold are
file handles, which stay good.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict

import trio

from weka_mp.control.service import Kind
from weka_mp.errors import InvalidArgument, StoreUnusable
from weka_mp.namespace import Namespace
from weka_mp.reexport.model import Export, Share
from weka_mp.reexport.programs import MissingProgram
from weka_mp.reexport.registry import Registry
from weka_mp.supervise import reexport_record as record
from weka_mp.supervise.daemon import Daemon
from weka_mp.supervise.doors import Door
from weka_mp.supervise.keeper import Keeper

__all__ = ["Reexports"]

log = logging.getLogger(__name__)

_START_SECONDS = 20.0
_DOOR_OF: Mapping[Kind, str] = {"export": "nfs", "share": "smb"}


class Reexports:
    """`mount` is the keeper of the mount that is handed out, None where the service has none; `doors` are
    those that the configuration leaves open.
    """

    def __init__(self, namespace: Namespace, mount: Keeper | None, doors: Sequence[Door]) -> None:
        self._namespace = namespace
        self._mount = mount
        self._doors = doors
        self._registry = Registry()
        self._running: dict[str, Sequence[Daemon]] = {}
        self._problems: dict[str, str] = {}
        self._lock = trio.Lock()
        self._mounted = False
        self._closed = False
        self._settled = trio.Event()
        self._nursery: trio.Nursery | None = None

    # ---- life
    async def run(self) -> None:
        """Follow the mount until cancelled; what was recorded earlier is served from the start."""
        try:
            self._registry = await trio.to_thread.run_sync(record.load, self._namespace)
        except StoreUnusable as error:
            log.error("no exports and shares: %s", error)
        if self._mount is None or not self._doors:
            self._warn_of_closed_doors()
            self._settled.set()
            return
        async with trio.open_nursery() as self._nursery:
            while True:
                await self._mount.wait_ready()
                await self._follow_mount(mounted=True)
                self._settled.set()
                await self._mount.wait_ended()
                await self._follow_mount(mounted=False)

    async def settled(self) -> None:
        """Until the servers answer for the first time, or are known not to."""
        await self._settled.wait()

    async def stop(self) -> None:
        """End the servers, for good: the mount is about to go."""
        async with self._lock:
            self._closed = True
            await self._stop_all()

    # ---- administration
    def listed(self, kind: Kind) -> list[dict[str, object]]:
        """All exports or shares."""
        return record.listed(self._registry, kind)

    async def add(self, kind: Kind, asked: Mapping[str, object]) -> dict[str, object]:
        """Record and serve; what was added, with `problem` when it is recorded but cannot be served now.

        Raises what `reexport_record.add` does, InvalidArgument where there is no mount or the door is off.
        """
        self._check_open(kind)
        async with self._lock:
            self._registry, added = await trio.to_thread.run_sync(record.add, self._namespace, kind, asked)
            await self._apply()
        return self._answer(kind, added)

    async def remove(self, kind: Kind, which: str) -> dict[str, object]:
        """Raises NotFound."""
        async with self._lock:
            self._registry, removed = await trio.to_thread.run_sync(
                record.remove, self._namespace, kind, which
            )
            await self._apply(gone=(removed.name,) if isinstance(removed, Share) else ())
        return self._answer(kind, removed)

    def parts(self) -> dict[str, str]:
        """The health of every server that should run."""
        return {
            door.name: self._problem(door.name) or "ok" for door in self._doors if door.wanted(self._registry)
        }

    def daemons(self) -> list[Daemon]:
        """All that run."""
        return [daemon for daemons in self._running.values() for daemon in daemons]

    def _check_open(self, kind: Kind) -> None:
        name = _DOOR_OF[kind]
        if self._mount is None:
            raise InvalidArgument("the service has no mount to hand out: start it with --mount DIR")
        if not any(door.name == name for door in self._doors):
            raise InvalidArgument(f"this door is shut: the service runs with --{name} none")

    def _answer(self, kind: Kind, entry: Export | Share) -> dict[str, object]:
        name = _DOOR_OF[kind]
        wanted = any(door.name == name and door.wanted(self._registry) for door in self._doors)
        problem = self._problem(name) if wanted else ""
        return {kind: asdict(entry), **({"problem": problem} if problem else {})}

    def _problem(self, name: str) -> str:
        daemons = self._running.get(name, ())
        if name in self._problems:
            return self._problems[name]
        return "" if daemons and all(daemon.ready for daemon in daemons) else "not running"

    # ---- following
    async def _follow_mount(self, *, mounted: bool) -> None:
        async with self._lock:
            self._mounted = mounted
            await self._apply()

    async def _apply(self, gone: Sequence[str] = ()) -> None:
        """Make what runs what should run; the caller holds the lock."""
        for door in self._doors:
            if self._mounted and not self._closed and door.wanted(self._registry):
                await self._serve(door, gone)
            else:
                await self._stop_door(door.name)

    async def _serve(self, door: Door, gone: Sequence[str]) -> None:
        self._problems.pop(door.name, None)
        try:
            changed = await trio.to_thread.run_sync(door.write, self._registry)
            running = self._running.get(door.name)
            if running is not None:
                if not changed or await door.reload(running, gone):
                    return
                log.warning("%s does not take its changed configuration and is started anew", door.name)
                await self._stop_door(door.name)
            self._start(door.name, door.daemons())
        except (MissingProgram, OSError) as error:
            self._problems[door.name] = str(error)
            log.error("%s cannot be served: %s", door.name, error)
            return
        for daemon in self._running[door.name]:
            if not await daemon.wait_ready(_START_SECONDS):
                log.error("%s does not answer", daemon.name)

    def _start(self, name: str, daemons: Sequence[Daemon]) -> None:
        assert self._nursery is not None
        self._running[name] = daemons
        for daemon in daemons:
            self._nursery.start_soon(daemon.run)

    async def _stop_all(self) -> None:
        for name in list(self._running):
            await self._stop_door(name)

    async def _stop_door(self, name: str) -> None:
        self._problems.pop(name, None)
        async with trio.open_nursery() as nursery:
            for daemon in self._running.pop(name, ()):
                nursery.start_soon(daemon.stop)

    def _warn_of_closed_doors(self) -> None:
        if self._registry.exports or self._registry.shares:
            log.warning("there are exports or shares, but no mount or open door to serve them")
