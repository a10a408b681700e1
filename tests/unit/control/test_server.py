"""The administration over real sockets, with a service made up for the test."""

import contextlib
import http.client
import json
import os
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest
import trio
import trio.testing

from tests.unit.tls.certificates import bundle_of, self_signed_settings, trusting
from weka_mp.clock import SystemClock
from weka_mp.control import server
from weka_mp.control.client import AdminClient, Refused, Unreachable
from weka_mp.control.service import Health, NoSuchJob
from weka_mp.errors import BucketMissing
from weka_mp.tls import Certificates, PlainHttp
from weka_mp.values import BucketName


class FakeService:
    def __init__(self) -> None:
        self.parts = {"worker-0": "ok", "store": "ok"}
        self.fills: list[tuple[str, bytes]] = []

    async def health(self) -> Health:
        return Health(self.parts)

    async def metrics(self) -> bytes:
        return b"weka_mp_things 1\n"

    def status(self) -> Mapping[str, object]:
        return {"store": "/data"}

    def start_fill(self, bucket: BucketName, prefix: bytes) -> int:
        if bucket == "none":
            raise BucketMissing(subject=bucket)
        if bucket == "bug":
            raise ZeroDivisionError
        self.fills.append((bucket, prefix))
        return len(self.fills)

    def fill_state(self, job: int) -> Mapping[str, object]:
        if job > len(self.fills):
            raise NoSuchJob(f"there is no job {job}")
        return {"state": "done"}


@asynccontextmanager
async def served(
    service: FakeService, tmp_path: Path, certificates: Certificates | None = None
) -> AsyncIterator[tuple[str, int]]:
    """(path of the socket, TCP port)"""
    path = str(tmp_path / "admin.sock")
    unix = trio.socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    await unix.bind(path)
    unix.listen(5)
    (tcp,) = await trio.open_tcp_listeners(0, host="127.0.0.1")
    port = tcp.socket.getsockname()[1]
    async with trio.open_nursery() as nursery:
        await nursery.start(partial(
            server.serve_admin, service, [trio.SocketListener(unix), tcp], certificates,
            names=frozenset({"known.example"}),
        ))  # fmt: skip
        yield path, port
        nursery.cancel_scope.cancel()


async def test_tls_on_the_network_and_not_on_the_socket(tmp_path: Path) -> None:
    settings = self_signed_settings(tmp_path / "state")
    certificates = Certificates(settings, SystemClock(), ask_clients=False)

    def ask(where: str | tuple[str, int], tls: ssl.SSLContext | None = None) -> object:
        return AdminClient(where, tls=tls).request("GET", "/health/live")

    async with served(FakeService(), tmp_path, certificates) as (path, port):
        call, alive = trio.to_thread.run_sync, {"status": "ok"}
        assert await call(ask, path) == alive
        assert await call(ask, ("localhost", port), trusting(bundle_of(settings))) == alive
        with pytest.raises(Unreachable, match="CERTIFICATE_VERIFY_FAILED"):
            await call(ask, ("localhost", port), ssl.create_default_context())
        with pytest.raises(Refused, match="speaks TLS"):
            await call(ask, ("localhost", port))
        old = trusting(bundle_of(settings), maximum_version=ssl.TLSVersion.TLSv1_2)
        assert await call(ask, ("localhost", port), old) == alive
        stream = await trio.open_tcp_stream("127.0.0.1", port)
        await stream.send_all(b"\x16\x03\x01" + bytes(100))
        with contextlib.suppress(trio.BrokenResourceError):  # it may be reset
            assert not [chunk async for chunk in stream if b"HTTP" in chunk]
        await stream.aclose()
        assert await call(ask, ("localhost", port), trusting(bundle_of(settings))) == alive


async def test_plain_requests_are_closed_where_they_are_refused(tmp_path: Path) -> None:
    settings = self_signed_settings(tmp_path / "state", plain=PlainHttp.REFUSE)
    certificates = Certificates(settings, SystemClock(), ask_clients=False)
    async with served(FakeService(), tmp_path, certificates) as (_, port):
        with pytest.raises((ConnectionError, http.client.HTTPException)):
            await trio.to_thread.run_sync(_get, port, "/health/live")


def _get(port: int, path: str, method: str = "GET") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, path)
    response = connection.getresponse()
    content = response.read()
    connection.close()
    return response.status, content


async def test_health_and_metrics_are_public_and_nothing_else(tmp_path: Path) -> None:
    service = FakeService()
    async with served(service, tmp_path) as (_, port):
        ask = trio.to_thread.run_sync
        assert await ask(_get, port, "/health/live") == (200, b'{"status": "ok"}\n')
        assert await ask(_get, port, "/metrics") == (200, b"weka_mp_things 1\n")
        assert await ask(_get, port, "/health/ready", "HEAD") == (200, b"")
        service.parts["store"] = "Input/output error"
        status, content = await ask(_get, port, "/health/ready")
        assert (status, json.loads(content)["parts"]["store"]) == (503, "Input/output error")
        assert (await ask(_get, port, "/api/v2/status"))[0] == 403
        assert (await ask(_get, port, "/api/v2/etag/fill", "POST"))[0] == 403
        assert (await ask(_get, port, "/nothing"))[0] == 404
        assert (await ask(_get, port, "/metrics", "DELETE"))[0] == 405


def _status_of(where: tuple[str, int] | str, host: str) -> bytes:
    kind = socket.AF_UNIX if isinstance(where, str) else socket.AF_INET
    with socket.socket(kind) as sock:
        sock.settimeout(10)
        sock.connect(where)
        sock.sendall(f"GET /metrics HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())
        return sock.makefile("rb").readline()


async def test_regression_names_that_are_not_ours_are_refused_in_the_clear(tmp_path: Path) -> None:
    """DNS rebinding; the socket, which no page reaches, asks for no name."""
    async with served(FakeService(), tmp_path) as (path, port):
        for where, host, status in (
            (("127.0.0.1", port), "evil.example", b"421"), (("127.0.0.1", port), "known.example", b"200"),
            (("127.0.0.1", port), f"127.0.0.1:{port}", b"200"), (path, "evil.example", b"200"),
        ):
            assert (await trio.to_thread.run_sync(_status_of, where, host)).split()[1] == status


async def test_the_socket_serves_all_to_its_owner(tmp_path: Path) -> None:
    service = FakeService()
    async with served(service, tmp_path) as (path, _):
        client = AdminClient(path)

        async def ask(method: str, target: str, body: object = None) -> dict[str, object]:
            return await trio.to_thread.run_sync(client.request, method, target, body)

        assert await ask("GET", "/api/v2/status") == {"store": "/data"}
        assert await ask("POST", "/api/v2/etag/fill", {"bucket": "b", "prefix": "a/\udcff"}) == {"job": 1}
        assert service.fills == [("b", b"a/\xff")]
        assert await ask("GET", "/api/v2/etag/fill/1") == {"state": "done"}
        for method, target, body, reason in [
            ("GET", "/api/v2/etag/fill/2", None, "no job 2"),
            ("POST", "/api/v2/etag/fill", {"bucket": "none"}, "bucket"),
            ("POST", "/api/v2/etag/fill", {"bucket": 1}, "wanted"),
            ("POST", "/api/v2/etag/fill", {"bucket": "b", "more": 1}, "wanted"),
            ("POST", "/api/v2/etag/fill", [], "not a JSON object"),
            ("POST", "/api/v2/etag/fill", {"bucket": "bug"}, "internal error"),
        ]:
            with pytest.raises(Refused, match=reason):
                await ask(method, target, body)


async def test_malformed_requests_get_an_answer(tmp_path: Path) -> None:
    async with served(FakeService(), tmp_path) as (_, port):
        stream = await trio.open_tcp_stream("127.0.0.1", port)
        await stream.send_all(b"nonsense\r\n\r\n" + b"x" * 1000)
        answer = b""
        async for chunk in stream:
            answer += chunk
        assert answer.startswith(b"HTTP/1.1 400 ")
        await stream.aclose()


def test_only_root_and_our_uid_are_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        assert server._is_trusted(ours)  # type: ignore[arg-type]
        for peer, own, wanted in ((0, 42, True), (42, 42, True), (42, 0, False), (65534, 42, False)):
            monkeypatch.setattr(os, "geteuid", lambda own=own: own)
            told = server._UCRED.pack(1, peer, 0)
            monkeypatch.setattr(socket.socket, "getsockopt", lambda *_, told=told: told)
            assert server._is_trusted(ours) is wanted  # type: ignore[arg-type]


def test_nobody_at_the_socket(tmp_path: Path) -> None:
    with pytest.raises(Unreachable):
        AdminClient(str(tmp_path / "none.sock")).request("GET", "/api/v2/status")


async def test_regression_whoever_fills_the_network_keeps_nobody_from_the_socket(tmp_path: Path) -> None:
    """Connections that say nothing, which need no key: no more are accepted than there is room for, and the
    commands that could end them (and delete a user) still get through.
    """
    async with served(FakeService(), tmp_path) as (path, port), contextlib.AsyncExitStack() as stack:
        for _ in range(server._CONNECTIONS + 8):
            await stack.enter_async_context(await trio.open_tcp_stream("127.0.0.1", port))
        await trio.testing.wait_all_tasks_blocked(0.01)
        serving = [task for task in _tasks(trio.lowlevel.current_root_task()) if "serve_one" in task.name
                   or task.name.endswith(".serve")]
        assert len(serving) == server._CONNECTIONS
        with trio.fail_after(5):
            client = AdminClient(path)
            assert await trio.to_thread.run_sync(client.request, "GET", "/health/live") == {"status": "ok"}


def _tasks(task: trio.lowlevel.Task) -> list[trio.lowlevel.Task]:
    children = [child for nursery in task.child_nurseries for child in nursery.child_tasks]
    return [task, *(found for child in children for found in _tasks(child))]
