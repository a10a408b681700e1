"""What one operation costs through each door, in wall and server CPU time, beside the backing directory.

    .venv/bin/python bench/doors.py [--count N] [--size BYTES] [--rounds N] [--json FILE] [-- SERVE OPTIONS]

S3 requests are signed beforehand and sent over one keep-alive connection; the mount and the backing
directory run the same Python loop in the same run. Medians of the rounds; the machine's load is printed,
since it moves every figure.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import json
import os
import platform
import statistics
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from urllib.parse import urlsplit

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from service import ACCESS_KEY, SECRET_KEY, Service, running

_BUCKET = "bench"
Row = tuple[str, float, float]
"""Name, microseconds of wall time and of server CPU for one operation."""


class Client:
    """One keep-alive connection that sends requests signed with SigV4."""

    def __init__(self, endpoint: str) -> None:
        address = urlsplit(endpoint)
        self._endpoint = endpoint
        self._connection = http.client.HTTPConnection(address.hostname or "", address.port)
        self._signer = S3SigV4Auth(Credentials(ACCESS_KEY, SECRET_KEY), "s3", "us-east-1")

    def sign(self, method: str, path: str, body: bytes = b"") -> tuple[str, str, bytes, dict[str, str]]:
        headers = {"x-amz-content-sha256": hashlib.sha256(body).hexdigest()}
        request = AWSRequest(method, self._endpoint + path, data=body, headers=headers)
        self._signer.add_auth(request)
        return method, path, body, dict(request.headers.items())

    def send(self, signed: tuple[str, str, bytes, dict[str, str]]) -> bytes:
        method, path, body, headers = signed
        self._connection.request(method, path, body or None, headers)
        response = self._connection.getresponse()
        data = response.read()
        if response.status >= 300:
            raise RuntimeError(f"{method} {path}: {response.status} {data[:200]!r}")
        return data


def _timed(service: Service, name: str, works: Iterable[Callable[[], object]]) -> Row:
    todo = list(works)
    cpu, start = service.cpu_seconds(), time.perf_counter()
    for work in todo:
        work()
    wall = time.perf_counter() - start
    return name, wall / len(todo) * 1e6, (service.cpu_seconds() - cpu) / len(todo) * 1e6


def s3_rows(service: Service, count: int, size: int) -> list[Row]:
    """PUT, GET, HEAD, a page of a listing, DELETE."""
    client, body = Client(service.endpoint), os.urandom(size)
    paths = [f"/{_BUCKET}/s3/{number:06d}" for number in range(count)]

    def requests(method: str, data: bytes = b"") -> list[Callable[[], object]]:
        signed = [client.sign(method, path, data) for path in paths]
        return [lambda one=one: client.send(one) for one in signed]

    page = client.sign("GET", f"/{_BUCKET}?list-type=2&prefix=s3%2F")
    rows = [_timed(service, "S3 PUT", requests("PUT", body))]
    rows += [_timed(service, "S3 GET", requests("GET")), _timed(service, "S3 HEAD", requests("HEAD"))]
    rows.append(_timed(service, f"S3 LIST {min(count, 1000)}", [lambda: client.send(page)] * 10))
    rows.append(_timed(service, "S3 DELETE", requests("DELETE")))
    return rows


def file_rows(service: Service, label: str, top: Path, count: int, size: int) -> list[Row]:
    """create+write+close, stat, open+read+close, rename, unlink."""
    body = os.urandom(size)
    top.mkdir(parents=True)
    names = [top / f"{number:06d}" for number in range(count)]

    def rename(name: Path) -> None:
        os.rename(name, f"{name}.moved")

    works: list[tuple[str, Callable[[Path], object]]] = [
        ("create+write+close", lambda name: name.write_bytes(body)),
        ("stat", os.stat),
        ("open+read+close", lambda name: name.read_bytes()),
        ("rename", rename),
        ("unlink", lambda name: os.unlink(f"{name}.moved")),
    ]
    rows = [
        _timed(service, f"{label} {what}", [lambda work=work, name=name: work(name) for name in names])
        for what, work in works
    ]
    top.rmdir()
    return rows


def one_round(service: Service, count: int, size: int) -> list[Row]:
    rows = s3_rows(service, count, size)
    rows += file_rows(service, "mount", service.mount / _BUCKET / "files", count, size)
    return rows + file_rows(service, "backing", service.store / _BUCKET / "files", count, size)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=500)
    parser.add_argument("--size", type=int, default=4096, help="bytes of one object")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    arguments, options = parser.parse_known_args()
    with running(*[option for option in options if option != "--"]) as service:
        client = Client(service.endpoint)
        client.send(client.sign("PUT", f"/{_BUCKET}"))
        rounds = [one_round(service, arguments.count, arguments.size) for _ in range(arguments.rounds)]
    load = os.getloadavg()[0]
    print(
        f"{platform.machine()} {os.cpu_count()} cores, kernel {platform.release()}, "
        f"Python {platform.python_version()}, load {load:.1f}; "
        f"{arguments.count} x {arguments.size} bytes, median of {arguments.rounds}"
    )
    print(f"{'operation':34}{'wall µs':>10}{'server CPU µs':>16}")
    table = []
    for position, (name, _, _) in enumerate(rounds[0]):
        wall = statistics.median(rows[position][1] for rows in rounds)
        cpu = statistics.median(rows[position][2] for rows in rounds)
        table.append({"operation": name, "wall_us": round(wall, 1), "server_cpu_us": round(cpu, 1)})
        print(f"{name:34}{wall:10.1f}{cpu:16.1f}")
    if arguments.json:
        arguments.json.write_text(json.dumps(table, indent=1) + "\n")


if __name__ == "__main__":
    main()
