"""The life of a service: checks, locks, sockets and children in order; then watching; then stopping in order.

Order of starting: whatever can be refused is found out before a child runs. Order of stopping: NFS and
SMB, which use a mount, then S3 (its requests still need the mounts' acknowledgements), then the mounts, then
the background process.
"""

from __future__ import annotations

import glob
import logging
import os
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial

import trio

from weka_mp import mount_table
from weka_mp.config import Address, Config
from weka_mp.control.server import serve_admin
from weka_mp.errors import NamespaceError
from weka_mp.ipc.peers import listen_unix
from weka_mp.namespace import Namespace
from weka_mp.observe.logs import LogSink
from weka_mp.server.invalidator import Invalidator
from weka_mp.supervise import checks, dead_mounts, mounts, places, plans
from weka_mp.supervise.auditing import check_audit_file, plan_of_tls, spool_in, webhook_tls
from weka_mp.supervise.credentials import CredentialsError, RootCredentials, root_credentials
from weka_mp.supervise.fill_jobs import FillJobs
from weka_mp.supervise.identities import LazyDesk, root_keys, serving_of
from weka_mp.supervise.instance import Instance, Presence
from weka_mp.supervise.keeper import ChildSpec, Keeper, StartFailed
from weka_mp.supervise.listeners import AddressTaken, bound_address, listen
from weka_mp.supervise.logging_buckets import logs_in
from weka_mp.supervise.notifying import notifications_in
from weka_mp.supervise.opening import open_namespace
from weka_mp.supervise.readiness import s3_answers
from weka_mp.supervise.reexports import Reexports
from weka_mp.supervise.service import RunningService, Views, write_probe
from weka_mp.supervise.stale_places import leave_word, remove_stale
from weka_mp.supervise.tls import OwnTls, admin_names, open_tls, tls_state
from weka_mp.tls import Certificates, TlsSettings
from weka_mp.webhooks import WebhookTls

__all__ = ["Started", "run_service"]

log = logging.getLogger(__name__)

_START_SECONDS = 120.0  # a metadata server's failover below a distributed store takes 20 to 30
_TIDYING_SECONDS = 2.0
_ANSWER_SECONDS = 20.0  # for the views to answer once their processes are ready


@dataclass(frozen=True, slots=True)
class Started:
    """What is known once both views answer."""

    views: Views
    credentials: RootCredentials | None  # None: no S3


@dataclass(frozen=True, slots=True)
class _Prepared:
    views: Views
    namespace: Namespace
    sockets: list[socket.socket]
    admin_listeners: list[trio.SocketListener]
    credentials: RootCredentials | None
    workers: list[Keeper]
    mounts: list[Keeper]
    background: Keeper
    reexports: Reexports
    desk: LazyDesk
    invalidator: Invalidator
    certificates: Certificates | None
    config: Config

    @property
    def keepers(self) -> list[Keeper]:
        return [*self.workers, *self.mounts, self.background]


async def run_service(
    config: Config, environ: Mapping[str, str], sink: LogSink, on_ready: Callable[[Started], None]
) -> None:
    """Run until SIGTERM or SIGINT; returns when everything has stopped. `on_ready` is called once the views
    answer.

    Raises StartFailed or StoreUnusable, with a one-line reason, when it cannot start.
    """
    with trio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with AsyncExitStack() as stack:
            prepared = await _prepare(config, environ, sink, stack)
            try:
                await _run(prepared, signals, on_ready)
            except ExceptionGroup as group:
                raise _reason(group) from None


def _reason(group: ExceptionGroup[Exception]) -> Exception:
    """Why the service could not start, out of the groups that nurseries made;

    anything else stays as it is.
    """
    refusals, others = group.split(StartFailed)
    if refusals is None or others is not None:
        return group
    first: Exception = refusals
    while isinstance(first, ExceptionGroup):
        first = first.exceptions[0]
    return first


async def _tidy(runtime: str, store: str) -> None:
    """Remove what stores that are gone have left, unless their file systems hang."""
    leave_word(runtime, store)
    with trio.move_on_after(_TIDYING_SECONDS):
        await trio.to_thread.run_sync(remove_stale, runtime, abandon_on_cancel=True)


def _opened(config: Config, store: str) -> Namespace:
    """Raises StartFailed, StoreUnusable."""
    namespace = open_namespace(store, config.durability)
    try:
        if config.posix_permissions == "on":
            checks.check_judging(namespace)
    except BaseException:
        namespace.close()
        raise
    return namespace


def _spools(state: str) -> tuple[str, str, str]:
    """Of audit events, notifications and lines of logs, below the state directory."""
    return spool_in(state), notifications_in(state), logs_in(state)


async def _prepare(
    config: Config, environ: Mapping[str, str], sink: LogSink, stack: AsyncExitStack
) -> _Prepared:
    """Everything that can be refused; what it opens is closed by `stack`."""
    assert config.store is not None
    store = checks.check_store(config.store)
    uid = os.geteuid()
    if checks.is_new_store(store):
        # No former service can stand there stopped: a refusal leaves the directory as it was.
        checks.check_mount_points(config.mount, store)
    namespace = stack.enter_context(_opened(config, store))
    runtime = _runtime_directory(namespace.store_id, environ, uid)
    instance = Instance(runtime)
    stack.callback(instance.release)
    await instance.acquire(store, partial(_free_former, config.mount))
    await _tidy(runtime, store)
    # Only now: a mount of a process that is stopped answers nobody who looks at it.
    mount_points = checks.check_mount_points(config.mount, store)
    real_mounts = tuple(os.path.realpath(path) for path in mount_points)
    presence = Presence(store)
    stack.callback(presence.leave)
    if presence.enter():
        # Nobody else works on the store now: whatever is staged was left by processes that died.
        await trio.to_thread.run_sync(_sweep, namespace)
    await _warn_if_unwritable(namespace, store)
    credentials = None if config.s3 is None else _credentials(namespace.store_id, store, environ, uid)
    state = places.state_directory(namespace.store_id, environ, uid)
    tls, certificates = open_tls(config, store, state, namespace.clock)
    sockets = _listen_s3(config.s3, stack)
    admin, admin_listeners = _listen_admin(config, runtime, stack)
    s3 = None if config.s3 is None else bound_address(config.s3, sockets)
    children = plans.Places(store, runtime, instance.children_fd, *_spools(state))
    await trio.to_thread.run_sync(_clear_former, children, real_mounts)

    def keep(spec: ChildSpec) -> Keeper:
        return Keeper(spec, sink.relay, runtime)

    check_audit_file(config, store)
    outgoing = webhook_tls(config, tls)
    background = keep(plans.background_spec(config, children, plan_of_tls(outgoing)))
    mount_keepers = [keep(spec) for spec in _mount_specs(config, children, real_mounts, background)]
    first_mount = real_mounts[0] if real_mounts else None
    desk = _desk(config, namespace, store, state, credentials, tls, outgoing)
    stack.callback(desk.close)
    doors = plans.doors(config, children, first_mount, state, namespace.store_id)
    return _Prepared(
        views=Views(store, s3, mount_points, real_mounts, admin, tls),
        namespace=namespace,
        sockets=sockets,
        admin_listeners=admin_listeners,
        credentials=credentials,
        workers=[keep(spec) for spec in plans.worker_specs(config, children, credentials, sockets, tls)],
        mounts=mount_keepers,
        background=background,
        reexports=Reexports(namespace, mount_keepers[0] if mount_keepers else None, doors),
        desk=desk,
        invalidator=Invalidator(children.mount_sockets),
        certificates=certificates,
        config=config,
    )


def _desk(
    config: Config, namespace: Namespace, store: str, state: str, credentials: RootCredentials | None,
    tls: TlsSettings | None, outgoing: WebhookTls,
) -> LazyDesk:
    shown = tls_state(tls, state, namespace.clock)
    return LazyDesk(namespace, store, state, root_keys(credentials), shown, outgoing, serving_of(config))


async def _warn_if_unwritable(namespace: Namespace, store: str) -> None:
    writable = await trio.to_thread.run_sync(write_probe, namespace)
    if writable != "ok":
        log.warning("%s cannot be written now (%s): reads are served, changes refused", store, writable)


def _mount_specs(
    config: Config, children: plans.Places, paths: Sequence[str], background: Keeper
) -> list[ChildSpec]:
    hints = {"dirty": partial(_pass_hints_on, background)}
    return [
        plans.mount_spec(config, children, index, path, handlers=hints) for index, path in enumerate(paths)
    ]


def _sweep(namespace: Namespace) -> None:
    """Where nothing can be taken away either, leftovers stay: nobody sees them."""
    try:
        namespace.sweep(namespace.clock.now_ns())
    except NamespaceError as error:
        log.warning("leftovers cannot be swept: %s", error)


def _free_former(paths: Sequence[str]) -> None:
    """What `mounts.abort` does, for mounts that a killed service left."""
    for path in paths:
        reason = mounts.abort(checks.real_path(path))
        if reason is not None:
            log.error("the mount at %s cannot be let go: %s", path, reason)


def _clear_former(children: plans.Places, paths: Sequence[str]) -> None:
    """What a killed service left of its mounts; one at another path than ours has nobody to clear it."""
    former = {path: children.mount_socket(index) for index, path in enumerate(paths)}
    for path, left in former.items():
        dead_mounts.clear(path, left)
    for left in set(glob.glob(children.mount_sockets)) - set(former.values()):
        dead_mounts.remove_traces(left)


def _runtime_directory(store_id: str, environ: Mapping[str, str], uid: int) -> str:
    try:
        return places.make_runtime_directory(store_id, environ, uid)
    except places.PlaceError as error:
        raise StartFailed(str(error)) from error


def _credentials(store_id: str, store: str, environ: Mapping[str, str], uid: int) -> RootCredentials:
    directory = places.state_directory(store_id, environ, uid)
    checks.check_outside(directory, store, "the state directory")
    try:
        return root_credentials(directory, environ)
    except CredentialsError as error:
        raise StartFailed(str(error)) from error


def _listen_s3(address: Address | None, stack: AsyncExitStack) -> list[socket.socket]:
    if address is None:
        return []
    sockets = listen(address)
    for sock in sockets:
        stack.callback(sock.close)
    return sockets


def _listen_admin(
    config: Config, runtime: str, stack: AsyncExitStack
) -> tuple[Address | None, list[trio.SocketListener]]:
    """The admin socket, and the TCP listener unless it is off or (at the default address) taken."""
    path = places.admin_socket(runtime)
    try:
        unix = listen_unix(path)
    except OSError as error:
        raise StartFailed(f"{path}: {error.strerror}") from error
    stack.push_async_callback(unix.aclose)
    stack.callback(_remove, path)
    if config.admin is None:
        return None, [unix]
    try:
        sockets = listen(config.admin)
    except AddressTaken:
        if config.admin_named:
            raise
        log.warning("%s is taken: health and metrics are served on %s only", config.admin, path)
        return None, [unix]
    tcp = [trio.SocketListener(trio.socket.from_stdlib_socket(sock)) for sock in sockets]
    for listener in tcp:
        stack.push_async_callback(listener.aclose)
    return bound_address(config.admin, sockets), [unix, *tcp]


def _remove(path: str) -> None:
    if os.path.lexists(path):
        os.unlink(path)


async def _pass_hints_on(background: Keeper, args: object) -> None:
    """Files closed without an ETag go to the filler; while there is none, its next scan finds them."""
    if background.peer is not None:
        await background.peer.notify("hint", args)


async def _sweep_mount(path: str) -> None:
    """Take away the mount of a process that was killed."""
    while mount_table.is_dead(path):
        reason = mount_table.unmount(path, lazily=True)
        if reason is not None:
            log.error("the dead mount at %s cannot be taken away: %s", path, reason)
            return
        log.warning("took the dead mount at %s away", path)


async def _run(
    prepared: _Prepared,
    signals: AsyncIterator[int],
    on_ready: Callable[[Started], None],
) -> None:
    fills = FillJobs(prepared.background)
    service = RunningService(
        prepared.views, prepared.namespace, prepared.keepers, fills, prepared.reexports, prepared.desk,
        prepared.invalidator,
    )  # fmt: skip
    async with trio.open_nursery() as nursery:
        stopping = trio.CancelScope()
        nursery.start_soon(_cancel_on_signal, signals, stopping)
        with stopping:
            await _start_all(prepared, nursery)
            nursery.start_soon(prepared.reexports.run)
            await nursery.start(prepared.invalidator.run)
            await nursery.start(partial(
                serve_admin, service, prepared.admin_listeners, prepared.certificates,
                names=admin_names(prepared.config),
            ))  # fmt: skip
            nursery.start_soon(OwnTls(prepared.config, prepared.views.tls, prepared.namespace.clock).keep)
            nursery.start_soon(fills.run)
            await _wait_for_views(prepared.views)
            await prepared.reexports.settled()
            log.info("ready", extra={"fields": dict(_described(prepared.views))})
            on_ready(Started(prepared.views, prepared.credentials))
            await trio.sleep_forever()
        log.info("stopping")
        await prepared.reexports.stop()
        for sock in prepared.sockets:
            sock.close()
        await _stop_all(prepared)
        nursery.cancel_scope.cancel()
    for path in prepared.views.real_mounts:
        await _sweep_mount(path)
    log.info("stopped")


async def _cancel_on_signal(signals: AsyncIterator[int], scope: trio.CancelScope) -> None:
    async for _ in signals:
        scope.cancel()


async def _start_all(prepared: _Prepared, nursery: trio.Nursery) -> None:
    """All children at once; the first that cannot start ends the service with its reason."""
    with trio.move_on_after(_START_SECONDS) as scope:
        async with trio.open_nursery() as starting:
            for keeper in prepared.keepers:
                starting.start_soon(nursery.start, keeper.run)
    if scope.cancelled_caught:
        late = ", ".join(keeper.spec.name for keeper in prepared.keepers if not keeper.ready)
        raise StartFailed(f"not ready within {_START_SECONDS:g} s: {late}")


async def _wait_for_views(views: Views) -> None:
    """Raises StartFailed when a view does not answer although its process is ready."""
    waits: list[tuple[str, Callable[[], Awaitable[bool]]]] = [
        (f"the mount at {path}", partial(mounts.answers, path, seconds=_ANSWER_SECONDS))
        for path in views.real_mounts
    ]
    if views.s3 is not None:
        s3 = partial(s3_answers, views.s3, views.tls, seconds=_ANSWER_SECONDS)
        waits.append((f"the S3 endpoint {views.s3}", s3))
    for what, answers in waits:
        if not await answers():
            raise StartFailed(f"{what} does not answer")


async def _stop_all(prepared: _Prepared) -> None:
    for group in (prepared.workers, prepared.mounts, [prepared.background]):
        async with trio.open_nursery() as nursery:
            for keeper in group:
                nursery.start_soon(keeper.stop)


def _described(views: Views) -> dict[str, object]:
    return {
        "s3": None if views.s3 is None else str(views.s3),
        "admin": None if views.admin is None else str(views.admin),
        "mounts": list(views.mounts),
        "store": views.store,
    }
