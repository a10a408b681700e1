"""nginx and HAProxy in front of an endpoint, passing on what came as it came."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import MappingProxyType
from typing import Final

__all__ = ["PROXIES", "running_proxy"]

_START_SECONDS: Final = 20.0


def _nginx(top: Path, port: int, upstream: int, told: str) -> list[str]:
    forwards = (
        "proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;"
        " proxy_set_header X-Forwarded-Proto $scheme;"
    )
    (top / "nginx.conf").write_text(
        f"daemon off; worker_processes 1; pid {top}/nginx.pid; error_log stderr warn;\n"
        "events { worker_connections 256; }\n"
        f"http {{ access_log off; client_max_body_size 0; client_body_temp_path {top}/body;\n"
        f" proxy_temp_path {top}/proxy; fastcgi_temp_path {top}/fastcgi; uwsgi_temp_path {top}/uwsgi;\n"
        f" scgi_temp_path {top}/scgi; ignore_invalid_headers off;\n"
        f" upstream s3 {{ server 127.0.0.1:{upstream}; keepalive 8; }}\n"
        f" server {{ listen 127.0.0.1:{port};\n"
        '  location / { proxy_pass http://s3; proxy_http_version 1.1; proxy_set_header Connection "";\n'
        "   proxy_set_header Host $http_host; proxy_request_buffering off; proxy_buffering off;\n"
        f"   {forwards if told else ''}\n"
        # Tests end their stream behind the last request and still wait for its answer.
        "   proxy_ignore_client_abort on; } } }\n"
    )
    return [_program("nginx"), "-p", str(top), "-e", "stderr", "-c", str(top / "nginx.conf")]


def _haproxy(top: Path, port: int, upstream: int, told: str) -> list[str]:
    forwards = told == "X-Forwarded-For"
    (top / "haproxy.cfg").write_text(
        "global\n maxconn 200\n"
        "defaults\n mode http\n timeout connect 5s\n timeout client 30s\n timeout server 30s\n"
        " option http-keep-alive\n http-reuse always\n"
        # The laxest it can be: what it would refuse by itself should come to us, too.
        f"frontend clients\n bind 127.0.0.1:{port}\n option accept-invalid-http-request\n"
        f"{' option forwardfor' if forwards else ''}\n"
        f" default_backend s3\nbackend s3\n server one 127.0.0.1:{upstream} {'' if forwards else told}\n"
    )
    return [_program("haproxy"), "-db", "-f", str(top / "haproxy.cfg")]


PROXIES: Final = MappingProxyType[str, Callable[[Path, int, int, str], list[str]]](
    {"nginx": _nginx, "haproxy": _haproxy}
)


def _program(name: str) -> str:
    found = shutil.which(name, path="/usr/sbin:/usr/bin:/usr/local/sbin:/usr/local/bin")
    assert found is not None, f"{name} is missing: run tools/setup --dev"
    return found


@contextlib.contextmanager
def running_proxy(name: str, upstream: int, told: str = "") -> Iterator[int]:
    """The port of a proxy in front of the loopback port `upstream`, until the block ends.

    told: how it says for whom it speaks: X-Forwarded-For, or words of HAProxy's for its server.
    """
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="weka_mp-proxy-") as top:
        Path(top).chmod(0o755)  # its workers drop root's rights
        with open(Path(top) / "said", "wb") as said:
            command = PROXIES[name](Path(top), port, upstream, told)
            process = subprocess.Popen(command, stdout=said, stderr=said)
        try:
            _wait_until_it_answers(process, port, Path(top) / "said")
            yield port
        finally:
            process.terminate()
            process.wait(_START_SECONDS)


def _wait_until_it_answers(process: subprocess.Popen[bytes], port: int, said: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            assert process.poll() is None and time.monotonic() < deadline, said.read_text()
            time.sleep(0.02)
