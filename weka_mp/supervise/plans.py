"""The child processes of a service and what each is told: configuration in, specifications out."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

from weka_mp.config import Address, Config
from weka_mp.ipc.peers import Handler
from weka_mp.supervise import dead_mounts, mounts
from weka_mp.supervise.credentials import RootCredentials
from weka_mp.supervise.doors import Door, DoorPlace, NfsDoor, SmbDoor
from weka_mp.supervise.keeper import ChildSpec, ask_link
from weka_mp.supervise.listeners import numeric
from weka_mp.tls import TlsSettings

__all__ = ["Places", "background_spec", "doors", "mount_spec", "worker_specs"]

_WORKER_GRACE = 30.0  # seconds: requests under way are finished within 20 (server/limits.py), then cut off
_MOUNT_GRACE = 15.0
_BACKGROUND_GRACE = 10.0
# The link of a mount process has a thread of its own: nothing of the store is in its way.
_MOUNT_SILENCE = 10.0
# Its loop makes system calls on the store, which may be slow: only one that stands still this long is stuck.
_MOUNT_STALL = 60.0


@dataclass(frozen=True, slots=True)
class Places:
    """`store`: absolute path. `runtime`: directory of the sockets. `lock_fd`: the lock that children hold.
    `spool`: directory of audit events on their way; `notifications`: of what buckets notify of;
    `bucket_logs`: of lines of their logs.
    """

    store: str
    runtime: str
    lock_fd: int
    spool: str
    notifications: str
    bucket_logs: str

    def mount_socket(self, index: int) -> str:
        return os.path.join(self.runtime, f"mount-{index}.sock")

    @property
    def mount_sockets(self) -> str:
        """A glob pattern of all mounts' sockets."""
        return os.path.join(self.runtime, "mount-*.sock")


def worker_specs(
    config: Config, places: Places, root: RootCredentials | None, sockets: Sequence[socket.socket],
    tls: TlsSettings | None = None,
) -> list[ChildSpec]:
    """One specification per S3 worker; all accept on the same `sockets`. root: None: there is no S3."""
    if root is None:
        return []
    fds = [sock.fileno() for sock in sockets]
    plan = {
        "listen_fds": fds,
        "access_key": root.access_key,
        "secret_key": root.secret_key,
        "region": config.region,
        "domains": list(config.domain),
        "website_domains": list(config.website_domain),
        "sigv2": config.sigv2,
        "posix_permissions": config.posix_permissions == "on",
        "tls": None if tls is None else tls.plan(),
        "trusted_proxies": list(config.trusted_proxy),
        "limits": _limits(config),
        "mount_sockets": places.mount_sockets,
        "audit": {
            "spool": places.spool,
            "limit": config.audit_spool,
            "sync": config.audit_sync,
            "file": None if config.audit_file is None else os.path.abspath(config.audit_file),
            "file_size": config.audit_file_size,
            "file_keep": config.audit_file_keep,
        },
        "lifecycle_day_seconds": config.lifecycle_day_seconds,
        "object_ownership": config.object_ownership,
    }
    return [
        _spec(config, places, f"worker-{index}", "worker", plan, fds=fds, grace=_WORKER_GRACE)
        for index in range(config.workers)
    ]


def _limits(config: Config) -> dict[str, int]:
    """The fields of server.limits.Limits that are settings."""
    return {
        "connections": config.max_connections,
        "connections_per_address": config.max_connections_per_address,
        "head_seconds": config.head_timeout,
        "idle_seconds": config.idle_timeout,
        "body_stall_seconds": config.body_timeout,
        "body_grace_seconds": config.body_timeout,
        "send_stall_seconds": config.send_timeout,
        "bytes_per_second": config.min_rate,
        "requests_per_user": config.max_requests_per_user,
        "requests_per_address": config.max_requests_per_address,
    }


def mount_spec(
    config: Config,
    places: Places,
    index: int,
    path: str,
    *,
    handlers: Mapping[str, Handler],
) -> ChildSpec:
    """The process of one mount point; `handlers` take its hints.

    It takes away what a dead one left, at the last moment: until then the dead mount refuses those who would
    otherwise write into the directory below it.
    """
    plan = {
        "mount_point": path,
        "attr_timeout": config.attr_timeout,
        "socket": places.mount_socket(index),
        "shared": len(config.mount) > 1,
        "versions": config.mount_versions == "on",
    }
    spec = _spec(config, places, f"mount-{index}", "mount", plan, grace=_MOUNT_GRACE)
    return replace(
        spec,
        handlers=handlers,
        silence=_MOUNT_SILENCE,
        ask=partial(ask_link, stall=_MOUNT_STALL),
        free=partial(mounts.abort, path),
        ended=partial(dead_mounts.clear, path, places.mount_socket(index)),
    )


def doors(
    config: Config, places: Places, mount: str | None, state: str, store_id: str
) -> list[Door]:
    """NFS and SMB over `mount` (a real path), as far as they are not turned off; none without a mount.

    Raises StartFailed when an address has no number.
    """
    if mount is None:
        return []

    def place(address: Address) -> DoorPlace:
        return DoorPlace(numeric(address), mount, places.runtime, state, store_id, places.lock_fd)

    found: list[Door] = []
    if config.nfs is not None:
        found.append(NfsDoor(place(config.nfs)))
    if config.smb is not None:
        found.append(SmbDoor(place(config.smb)))
    return found


def background_spec(
    config: Config, places: Places, webhook_tls: Mapping[str, object]
) -> ChildSpec:
    """The process that fills ETags, follows lifecycle rules, ships audit events and sweeps leftovers.
    webhook_tls: how it speaks to receivers, as `supervise.auditing` writes it.
    """
    plan: dict[str, object] = {
        "spool": places.spool, "webhook_tls": webhook_tls, "mount_sockets": places.mount_sockets,
        "lifecycle_day_seconds": config.lifecycle_day_seconds,
    }
    return _spec(config, places, "background", "background", plan, grace=_BACKGROUND_GRACE)


def _spec(
    config: Config,
    places: Places,
    name: str,
    kind: str,
    plan: dict[str, object],
    *,
    grace: float,
    fds: Sequence[int] = (),
) -> ChildSpec:
    inherited = [*fds, places.lock_fd]
    common: dict[str, object] = {
        "name": name,
        "log_level": config.log_level,
        "log_format": config.log_format,
        "no_native": config.no_native,
        "store": places.store,
        "durability": config.durability,
        "notifications": {
            "directory": places.notifications, "limit": config.notification_queue, "region": config.region,
        },
        "bucket_logs": {
            "directory": places.bucket_logs, "limit": config.bucket_log_spool, "region": config.region,
            "interval": config.bucket_log_interval,
        },
        "inherited_fds": inherited,
    }
    return ChildSpec(name, kind, {**common, **plan}, pass_fds=inherited, grace=grace)
