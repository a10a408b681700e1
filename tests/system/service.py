"""The whole service as its users meet it: a process, an S3 endpoint, a mount, a command line.

Nothing here imports the package under test.
"""

from __future__ import annotations

import itertools
import os
import re
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

ACCESS_KEY, SECRET_KEY = "ROOTKEYEXAMPLE", "root/secret+example"
REGION = "us-east-1"
PROGRAM = Path(sys.executable).with_name("weka-mp")

START_SECONDS = 60.0
STOP_SECONDS = 45.0
_READY = re.compile(r"ready(?: s3=(?P<s3>https?://\S+))?(?: mount=(?P<mount>.*?))*? store=(?P<store>.*)\n")
_COUNTER = itertools.count(1)


def environment(**extra: str) -> dict[str, str]:
    """What the program is started with: nothing of the caller's configuration, the root credentials."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("WEKA_MP_", "AWS_"))}
    return {
        **kept, "WEKA_MP_ROOT_ACCESS_KEY": ACCESS_KEY, "WEKA_MP_ROOT_SECRET_KEY": SECRET_KEY, **extra,
    }


def weka_mp(
    *arguments: str | Path, timeout: float = 60, stdin: str = "", within: Sequence[str] = (), **extra: str
) -> subprocess.CompletedProcess[str]:
    """Run one command to its end; `within` is a command that runs it."""
    return subprocess.run(
        [*within, PROGRAM, *map(str, arguments)], env=environment(**extra), capture_output=True, text=True,
        timeout=timeout, check=False, input=stdin,
    )


def process_kind(pid: int) -> str | None:
    """The last word of a child's command line (worker, mount, background); None when it has ended."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except FileNotFoundError:
        return None
    return words[-2].decode() if len(words) > 1 else None


def is_mounted(path: Path) -> bool:
    """Asked of the kernel's table for this thread: a dead mount answers no system call."""
    lines = Path("/proc/thread-self/mountinfo").read_text("utf-8", "surrogateescape").splitlines()
    return any(line.split()[4].replace(r"\040", " ") == str(path) for line in lines)


@dataclass
class Service:
    """A running `weka-mp serve`. `mount` and `url` are None where that view was not asked for."""

    process: subprocess.Popen[str]
    store: Path
    mount: Path | None
    url: str | None
    log: Path
    arguments: list[str] = field(default_factory=list)
    certificate: Path | None = None
    """What clients shall trust where `--tls on` was given."""
    _client: Any = None

    @property
    def port(self) -> int:
        assert self.url is not None
        return int(self.url.rpartition(":")[2])

    @property
    def s3(self) -> Any:
        """One boto3 client for the life of the service; it does not retry."""
        if self._client is None:
            self._client = self.client()
        return self._client

    def client(self, **options: Any) -> Any:
        """A new boto3 client; `options` go into botocore's Config, but for `verify`."""
        verify = options.pop("verify", None if self.certificate is None else str(self.certificate))
        settings = {
            "s3": {"addressing_style": "path"}, "retries": {"max_attempts": 0, "mode": "standard"},
            "max_pool_connections": 32, "read_timeout": 60, "connect_timeout": 10, **options,
        }
        return boto3.client(
            "s3", endpoint_url=self.url, region_name=REGION, aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY, config=Config(**settings), verify=verify,
        )

    def make_bucket(self, prefix: str = "bucket") -> Bucket:
        """A new bucket with a name of its own, made through S3."""
        name = f"{prefix}-{next(_COUNTER)}"
        self.s3.create_bucket(Bucket=name)
        return Bucket(self, name)

    def children(self, kind: str) -> list[int]:
        """The pids of our processes of this kind that live now."""
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        return [int(pid) for pid in listed if process_kind(int(pid)) == kind]

    def complaints(self) -> list[str]:
        """Log lines that no healthy run writes."""
        text = self.log.read_text("utf-8", "replace")
        return [line for line in text.splitlines() if re.search(r"\bERROR\b|\bCRITICAL\b|Traceback", line)]

    def stop(self) -> None:
        """SIGTERM as a service manager sends it: exit 0, one line was printed, nothing stays mounted."""
        if self._client is not None:
            self._client.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        rest = self._finish()
        tail = self.log.read_text("utf-8", "replace")[-3000:]
        assert self.process.returncode == 0, f"ended with {self.process.returncode}: {tail}"
        assert rest == "", f"more than the ready line on standard output: {rest!r}"
        assert self.mount is None or not is_mounted(self.mount), "still mounted"

    def kill(self) -> None:
        """SIGKILL of the supervisor alone, as the kernel's out-of-memory killer does it."""
        if self._client is not None:
            self._client.close()
        self.process.kill()
        self._finish()

    def _finish(self) -> str:
        try:
            rest, _ = self.process.communicate(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            log = self.log.read_text("utf-8", "replace")[-3000:]
            raise AssertionError(f"did not stop within {STOP_SECONDS:g} s: {log}") from None
        return rest


class Bucket:
    """One bucket with both its views; names of keys and paths are the same text."""

    def __init__(self, service: Service, name: str) -> None:
        self.service = service
        self.name = name
        self.s3 = service.s3

    @property
    def path(self) -> Path:
        assert self.service.mount is not None
        return self.service.mount / self.name

    def put(self, key: str, body: bytes = b"", **arguments: Any) -> Any:
        return self.s3.put_object(Bucket=self.name, Key=key, Body=body, **arguments)

    def get(self, key: str, **arguments: Any) -> bytes:
        with self.s3.get_object(Bucket=self.name, Key=key, **arguments)["Body"] as body:
            content: bytes = body.read()
            return content

    def head(self, key: str, **arguments: Any) -> Any:
        return self.s3.head_object(Bucket=self.name, Key=key, **arguments)

    def etag(self, key: str) -> str:
        tag: str = self.head(key)["ETag"].strip('"')
        return tag

    def delete(self, key: str, **arguments: Any) -> Any:
        return self.s3.delete_object(Bucket=self.name, Key=key, **arguments)

    def copy(self, source: str, key: str, **arguments: Any) -> Any:
        return self.s3.copy_object(
            Bucket=self.name, Key=key, CopySource={"Bucket": self.name, "Key": source}, **arguments
        )

    def keys(self, prefix: str = "", **arguments: Any) -> list[str]:
        """All keys, over as many pages as it takes."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(
            Bucket=self.name, Prefix=prefix, **arguments
        )
        return [entry["Key"] for page in pages for entry in page.get("Contents", ())]

    def folders(self, prefix: str = "") -> list[str]:
        """Common prefixes below `prefix`, delimited by a slash."""
        page = self.s3.list_objects_v2(Bucket=self.name, Prefix=prefix, Delimiter="/")
        return [entry["Prefix"] for entry in page.get("CommonPrefixes", ())]

    def status(self, operation: str, **arguments: Any) -> tuple[int, str]:
        """Status and error code of a call that may be refused; the code of a success is empty."""
        try:
            answer = getattr(self.s3, operation)(Bucket=self.name, **arguments)
        except ClientError as error:
            return error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]
        if "Body" in answer:
            answer["Body"].close()
        return answer["ResponseMetadata"]["HTTPStatusCode"], ""

    def is_absent(self, key: str) -> bool:
        """GET, HEAD and List must agree that there is no such object."""
        seen = (
            self.status("get_object", Key=key)[0], self.status("head_object", Key=key)[0],
            key in self.keys(),
        )
        assert seen in ((404, 404, False), (200, 200, True)), f"the answers differ for {key!r}: {seen}"
        return seen[0] == 404


def _read_line(process: subprocess.Popen[str], seconds: float) -> str:
    """The first line of standard output; empty when the process ended or the time is over."""
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline and process.poll() is None:
            if selector.select(0.2):
                return process.stdout.readline()
    return process.stdout.readline() if process.poll() is not None else ""


def start(
    folder: Path, *options: str, store: Path | None = None, mount: bool | Path = True,
    s3: str | None = "127.0.0.1:0", admin: str = "none", command: str = "serve", within: Sequence[str] = (),
    **extra: str,
) -> Service:
    """Start it in `folder` and wait for the ready line, which must name what was asked for. `within` is a
    command that becomes it (prlimit(1)).
    """
    store = folder / "store" if store is None else store
    store.mkdir(exist_ok=True)
    place = folder / "mnt" if isinstance(mount, bool) else mount
    arguments = [command, str(store), "--admin", admin, *options]
    arguments += ["--s3", s3 or "none"]
    if mount:
        if not is_mounted(place):  # a dead mount stays until it is replaced
            place.mkdir(exist_ok=True)
        arguments += ["--mount", str(place)]
    log = folder / "log"
    with log.open("a") as errors:
        process = subprocess.Popen(
            [*within, PROGRAM, *arguments], env=environment(**extra), stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=errors, text=True,
        )
    line = _read_line(process, START_SECONDS)
    found = _READY.fullmatch(line)
    if found is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.communicate(timeout=STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
        raise AssertionError(f"not ready: {line!r}, log: {log.read_text('utf-8', 'replace')[-3000:]}")
    assert Path(found["store"]) == store
    return Service(process, store, place if mount else None, found["s3"], log, arguments)


@contextmanager
def running(folder: Path, *options: str, quiet: bool = True, **keywords: Any) -> Iterator[Service]:
    """A service for one block. `quiet`: errors in its log fail the test."""
    service = start(folder, *options, **keywords)
    try:
        yield service
    finally:
        service.stop()
    if quiet:
        assert service.complaints() == []
