"""Bucket policies and anonymous requests on the whole service: workers, the mount, the commands, curl."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.service import Service, running, weka_mp
from weka_mp.cli.services import store_id_of
from weka_mp.supervise.places import state_directory

pytestmark = pytest.mark.mount


@pytest.fixture
def service(tmp_path: Path) -> Iterator[Service]:
    """Its kernel caches never expire: what the mount shows was told."""
    store = tmp_path / "store"
    try:
        with running(tmp_path, "--workers", "2", "--attr-timeout", "3600") as started:
            yield started
    finally:
        store_id = store_id_of(str(store))
        assert store_id is not None
        shutil.rmtree(state_directory(store_id, {}, 0), ignore_errors=True)


def curl(service: Service, path: str, *arguments: str) -> tuple[int, str]:
    """(status, body) of a request that nobody signed, on a connection of its own."""
    command = ["curl", "-sS", "--max-time", "20", "-w", "\n%{http_code}", *arguments, f"{service.url}{path}"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    body, _, status = done.stdout.rpartition("\n")
    return int(status), body


def test_from_a_command_to_everybody(service: Service, tmp_path: Path) -> None:
    mount = service.mount
    assert mount is not None

    def run(*words: str) -> str:
        done = weka_mp("s3", "bucket", *words, "--store", tmp_path / "store")
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert not (mount / "photos").exists()  # the kernel remembers that
    run("create", "photos", "--policy", "download")
    (mount / "photos" / "of-posix").write_text("written by a file")
    assert [curl(service, "/photos/of-posix") for _ in range(6)] == [(200, "written by a file")] * 6
    assert curl(service, "/photos?list-type=2")[0] == 200
    body = tmp_path / "body"
    body.write_text("by curl")
    assert curl(service, "/photos/sent", "-T", str(body))[0] == 403
    run("policy", "set", "upload", "photos")
    assert [curl(service, "/photos/of-posix")[0] for _ in range(6)] == [403] * 6
    assert curl(service, "/photos/by/nobody", "-T", str(body))[0] == 200
    assert (mount / "photos" / "by" / "nobody").read_text() == "by curl"
    for path in ("by", "by/nobody"):
        made = os.stat(mount / "photos" / path)
        assert (made.st_uid, made.st_gid) == (65534, 65534)
    assert curl(service, "/photos", "-F", "key=formed", "-F", f"file=@{body}")[0] == 204
    assert (mount / "photos" / "formed").read_text() == "by curl"
    run("policy", "unset", "photos")
    assert [curl(service, "/photos/sent", "-T", str(body))[0] for _ in range(6)] == [403] * 6
    run("destroy", "photos", "--unlink")
    assert (mount / "photos" / "formed").read_text() == "by curl"
    assert service.s3.list_buckets()["Buckets"] == []
    run("create", "photos", "--existing-path", "photos")
    assert service.s3.get_object(Bucket="photos", Key="formed")["Body"].read() == b"by curl"
    run("create", "empty")
    assert (mount / "empty").is_dir()
    run("destroy", "empty")
    assert not (mount / "empty").exists()
    assert service.complaints() == []
