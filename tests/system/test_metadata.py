"""S3 metadata and records in a running service: both doors at once, broken records, a check beside it."""

from __future__ import annotations

import json
import os
import socket

import pytest
from click.testing import CliRunner

from tests.system.service import Bucket, Service, environment
from weka_mp.cli.check_cmd import command
from weka_mp.cli.services import store_id_of
from weka_mp.supervise.places import admin_socket, find_runtime_directory

pytestmark = pytest.mark.mount

RECORD = "user.weka.object"


def metrics(service: Service) -> str:
    """What the administration's socket answers."""
    store_id = store_id_of(str(service.store))
    assert store_id is not None
    runtime = find_runtime_directory(store_id, environment(), os.geteuid())
    assert runtime is not None
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(30)
        connection.connect(admin_socket(runtime))
        connection.sendall(b"GET /metrics HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n")
        with connection.makefile("rb") as answer:
            return answer.read().decode()


def store_path(bucket: Bucket) -> str:
    return os.path.join(str(bucket.service.store), bucket.name)


def test_metadata_goes_both_ways_at_once(bucket: Bucket) -> None:
    bucket.put("key", b"content", ContentType="text/x-test", Metadata={"colour": "blue"})
    path = bucket.path / "key"
    assert os.getxattr(path, "user.s3.content-type") == b"text/x-test"
    before = bucket.head("key")
    for number in range(5):
        os.setxattr(path, "user.s3.meta.colour", str(number).encode())
        os.setxattr(path, "user.s3.cache-control", b"no-cache")
        head = bucket.head("key")
        assert (head["Metadata"]["colour"], head["CacheControl"]) == (str(number), "no-cache")
        bucket.copy("key", "key", MetadataDirective="REPLACE", Metadata={"n": str(number)})
        assert os.listxattr(path) == ["user.s3.meta.n"]
        status = os.stat(path)
        tags = {"TagSet": [{"Key": "team x", "Value": f"b\u00e4 {number}"}]}
        bucket.service.s3.put_object_tagging(Bucket=bucket.name, Key="key", Tagging=tags)
        assert os.getxattr(path, "user.s3.tag.team x") == f"b\u00e4 {number}".encode()
        os.setxattr(path, "user.s3.tag.posix", b"1")
        found = bucket.service.s3.get_object_tagging(Bucket=bucket.name, Key="key")["TagSet"]
        assert found == [{"Key": "posix", "Value": "1"}, *tags["TagSet"]]
        assert os.stat(path).st_mtime_ns == status.st_mtime_ns
        bucket.service.s3.delete_object_tagging(Bucket=bucket.name, Key="key")
        assert os.listxattr(path) == ["user.s3.meta.n"]
    assert bucket.head("key")["ETag"] == before["ETag"]


def test_two_kilobytes_and_long_headers_are_kept(bucket: Bucket) -> None:
    """More than an inode of ext4 holds."""
    user = {f"n{number}": "x" * 248 for number in range(8)}
    bucket.put("large", b"x", Metadata=user, CacheControl="c" * 2000, ContentDisposition="d" * 2000)
    head = bucket.head("large")
    assert head["Metadata"] == user
    assert (head["CacheControl"], head["ContentDisposition"]) == ("c" * 2000, "d" * 2000)
    assert os.getxattr(bucket.path / "large", "user.s3.meta.n7") == b"x" * 248


def test_a_broken_record_is_counted_and_breaks_nothing(service: Service, bucket: Bucket) -> None:
    bucket.put("broken", b"content", Metadata={"a": "b"})
    bucket.put("whole", b"content")
    os.setxattr(os.path.join(store_path(bucket), "broken"), RECORD, b"WKO1 nonsense")
    assert bucket.get("broken") == b"content"
    assert bucket.head("broken")["Metadata"] == {}
    assert bucket.keys() == ["broken", "whole"]
    assert (bucket.path / "broken").read_bytes() == b"content"
    assert os.listxattr(bucket.path / "broken") == []
    lines = metrics(service).splitlines()
    counts = [float(line.split()[-1]) for line in lines if line.startswith("weka_mp_broken_records_total")]
    assert sum(counts) >= 1
    reports = [line for line in service.log.read_text().splitlines() if "taken as absent" in line]
    assert 1 <= len(reports) <= 4  # once by each process: two workers, the mount, the filler


def test_a_check_beside_a_service(service: Service, bucket: Bucket) -> None:
    bucket.put("key", b"content", Metadata={"a": "b"})
    with (bucket.path / "open").open("wb") as file:
        file.write(b"half")
        file.flush()
        done = CliRunner().invoke(command, [str(service.store), "-J", "--verify"])
        file.write(b" and half")
    report = json.loads(done.output)
    assert report["counts"]["verified"] >= 1
    assert not [row for row in report["findings"] if row["kind"] in ("wrong", "foreign", "unreadable")]
    assert bucket.get("open") == b"half and half"
