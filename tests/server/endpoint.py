"""An S3 endpoint in this process, on loopback, over a store in a temporary directory."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import trio
from botocore.config import Config

from weka_mp.audit import Trail
from weka_mp.bucket_logs import LogBook
from weka_mp.clock import Clock
from weka_mp.namespace import Durability, Namespace
from weka_mp.notifications import Journal
from weka_mp.server.metrics import ServerMetrics
from weka_mp.server.settings import RootCredentials, ServerSettings
from weka_mp.server.worker import run_worker
from weka_mp.store.posix import PosixStore

ACCESS_KEY, SECRET_KEY = "ROOTKEYEXAMPLE", "root/secret+example"


@dataclass
class Endpoint:
    """A running worker. `stop` ends it as a supervisor would."""

    port: int
    namespace: Namespace
    root: Path
    settings: ServerSettings
    metrics: ServerMetrics
    clock: Clock | None = None
    trail: Trail | None = None
    journal: Journal | None = None
    log_book: LogBook | None = None
    _token: Any = field(repr=False, default=None)
    _stop: Any = field(repr=False, default=None)

    @property
    def url(self) -> str:
        scheme = "http" if self.settings.tls is None else "https"
        return f"{scheme}://127.0.0.1:{self.port}"

    def client(self, *, access_key: str = ACCESS_KEY, secret_key: str = SECRET_KEY, **options: Any) -> Any:
        """A boto3 client, of S3 and path style unless said otherwise."""
        endpoint = options.pop("endpoint_url", self.url)
        region = options.pop("region_name", "us-east-1")
        verify = options.pop("verify", None)
        service, token = options.pop("service", "s3"), options.pop("token", None)
        settings = {"s3": {"addressing_style": "path"}, "retries": {"max_attempts": 0}, **options}
        return boto3.client(
            service, endpoint_url=endpoint, region_name=region, aws_access_key_id=access_key,
            aws_secret_access_key=secret_key, aws_session_token=token, config=Config(**settings),
            verify=verify,
        )

    def connect(self) -> socket.socket:
        """A raw connection; reads time out, so that a server that says nothing fails the test."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)

    def stop(self) -> None:
        try:
            self._token.run_sync_soon(self._stop.set)
        except trio.RunFinishedError:
            return  # the test has stopped it already


@contextmanager
def running_endpoint(root: Path, **options: Any) -> Iterator[Endpoint]:
    """Serve until the block ends; the worker must then end by itself."""
    durability = options.pop("durability", Durability.RELAXED)
    clock, trail = options.pop("clock", None), options.pop("trail", None)
    waiting = options.pop("waiting", None)  # where what buckets notify of is kept; None: nowhere
    logs = options.pop("logs", None)  # the same of their logs
    options.setdefault("region", "us-east-1")
    settings = ServerSettings(
        root=RootCredentials(ACCESS_KEY, SECRET_KEY), durable=durability is Durability.COMMIT, **options
    )
    listening = socket.create_server(("127.0.0.1", 0), backlog=128)
    with Namespace.open(PosixStore(str(root)), durability=durability, clock=clock) as namespace:
        port = listening.getsockname()[1]
        endpoint = Endpoint(port, namespace, root, settings, ServerMetrics(), clock, trail)
        if waiting is not None:
            endpoint.journal = Journal(namespace, waiting, 2**24, settings.region, synced=True)
        if logs is not None:
            endpoint.log_book = LogBook(namespace, logs, 2**24, remembered=0)
        ready, failures = threading.Event(), []

        async def serve() -> None:
            endpoint._token, endpoint._stop = trio.lowlevel.current_trio_token(), trio.Event()
            async with trio.open_nursery() as nursery:
                await nursery.start(_worker, endpoint, listening)
                ready.set()

        def run() -> None:
            try:
                trio.run(serve)
            except BaseException as error:  # noqa: BLE001 - shown to the test
                failures.append(error)
            finally:
                ready.set()

        thread = threading.Thread(target=run, name="endpoint")
        thread.start()
        ready.wait(10)
        try:
            yield endpoint
        finally:
            if not failures:
                endpoint.stop()
            thread.join(30)
            listening.close()
        assert not thread.is_alive()
        assert not failures, failures


async def _worker(endpoint: Endpoint, listening: socket.socket, task_status: Any) -> None:
    await run_worker(
        [listening], endpoint.namespace, endpoint.settings, stop=endpoint._stop, metrics=endpoint.metrics,
        clock=endpoint.clock, trail=endpoint.trail, journal=endpoint.journal,
        log_book=endpoint.log_book, task_status=task_status,
    )
