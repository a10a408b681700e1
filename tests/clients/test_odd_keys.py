"""Odd keys through every client: put, list, get, copy and delete, and the mount looked at after each step.

A component that a file system can hold stands on the mount as it is; the others stand under the reserved
names of docs/STORAGE_FORMAT.md, "Names".
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import quote, urlsplit
from xml.etree import ElementTree

import pytest
import urllib3
from botocore.session import Session
from minio import Minio
from minio.commonconfig import CopySource
from s3transfer.crt import (
    BotocoreCRTCredentialsWrapper,
    BotocoreCRTRequestSerializer,
    CRTTransferManager,
    create_s3_crt_client,
)

from tests.clients.driver import INSTALLED, SOURCES, RefusedError, driven
from tests.clients.programs import rclone, run, s3_url, s3cmd
from tests.system.service import ACCESS_KEY, REGION, SECRET_KEY, Bucket, Service

pytestmark = [pytest.mark.mount, pytest.mark.clients]

LONG = "/".join(["d" * 204] * 5)  # 1,024 bytes
NAMES = [
    "a b", "a+b", "100%", "%20", "a%2Fb", "#hash", "q?x=1&y=2", "c:d", "a&b", "k=v", "s;t",
    "it's \"said\"", "back\\slash", "caf\u00e9", "cafe\u0301", "日本語/キー", "emoji-\U0001f40d",
    "dot.", ".hidden", "trailing ", " leading", "~tilde", "*[x]{y}|<z>,$@!()", "x" * 255, LONG,
]
"""Keys that are paths."""
NO_PATHS = {
    "a//b": "a/.weka%e/b", "a/./b": "a/.weka%d/b", "a/../b": "a/.weka%dd/b", "/lead": ".weka%e/lead",
    "../up": ".weka%dd/up", "x/..": "x/.weka%dd", "slash/": "slash", "twice//": "twice/.weka%e",
    ".weka/x": ".weka%k.weka/x", "y" * 256: ".weka%h" + hashlib.sha256(b"y" * 256).hexdigest(),
}
"""The others, each with its path on the mount."""

Client = Callable[..., list[str]]
"""One operation and its words, as in `driver.py`: `put`, `list`, `get`, `copy` and `delete`."""


@pytest.fixture
def bucket(secure_bucket: Bucket) -> Bucket:
    return secure_bucket


@pytest.fixture
def boto3(bucket: Bucket) -> Client:
    def ask(operation: str, _bucket: str, key: str, word: str = "") -> list[str]:
        match operation:
            case "put":
                bucket.put(key, Path(word).read_bytes())
            case "get":
                Path(word).write_bytes(bucket.get(key))
            case "copy":
                bucket.copy(key, word)
            case "delete":
                bucket.delete(key)
            case "list":
                return bucket.keys(PaginationConfig={"PageSize": int(word)})
        return []

    return ask


@pytest.fixture
def crt(bucket: Bucket, boto3: Client) -> Iterator[Client]:
    """It transfers and deletes; boto3 does the rest."""
    session = Session()
    session.set_credentials(ACCESS_KEY, SECRET_KEY)
    provider = BotocoreCRTCredentialsWrapper(session.get_credentials()).to_crt_credentials_provider()
    client = create_s3_crt_client(REGION, provider, verify=str(bucket.service.certificate))
    serializer = BotocoreCRTRequestSerializer(
        session, {"region_name": REGION, "endpoint_url": bucket.service.url}
    )
    with CRTTransferManager(client, serializer) as transfers:

        def ask(operation: str, name: str, key: str, word: str = "") -> list[str]:
            match operation:
                case "put":
                    transfers.upload(str(word), name, key).result()
                case "get":
                    with io.BytesIO() as into:
                        transfers.download(name, key, into).result()
                        Path(word).write_bytes(into.getvalue())
                case "delete":
                    transfers.delete(name, key).result()
                case _:
                    return boto3(operation, name, key, word)
            return []

        yield ask


@pytest.fixture
def minio(bucket: Bucket) -> Iterator[Client]:
    address = urlsplit(bucket.service.url or "")
    with urllib3.PoolManager(retries=False, ca_certs=str(bucket.service.certificate)) as pool:
        client = Minio(address.netloc, ACCESS_KEY, SECRET_KEY, region=REGION, http_client=pool)

        def ask(operation: str, name: str, key: str, word: str = "") -> list[str]:
            match operation:
                case "put":
                    client.fput_object(name, key, word)
                case "get":
                    with client.get_object(name, key) as answer:
                        Path(word).write_bytes(answer.read())
                case "copy":
                    client.copy_object(name, word, CopySource(name, key))
                case "delete":
                    client.remove_object(name, key)
                case "list":
                    return [str(item.object_name) for item in client.list_objects(name, recursive=True)]
            return []

        yield ask


@pytest.fixture
def curl(bucket: Bucket) -> Client:
    """Its own signature, of the path as it is given."""
    command = [
        "curl", "-sf", "--path-as-is", "--cacert", bucket.service.certificate or "",
        "--aws-sigv4", f"aws:amz:{REGION}:s3", "-u", f"{ACCESS_KEY}:{SECRET_KEY}",
        "-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD",
    ]

    def ask(operation: str, name: str, key: str, word: str = "") -> list[str]:
        place = f"{bucket.service.url}/{name}/"
        match operation:
            case "put":
                # Not -T, which adds the name of the file to a path that ends with a slash or dots.
                run(*command, "-X", "PUT", "--data-binary", f"@{word}", place + quote(key))
            case "get":
                run(*command, "-o", word, place + quote(key))
            case "copy":
                source = f"x-amz-copy-source: /{name}/{quote(key)}"
                run(*command, "-X", "PUT", "-H", source, place + quote(word))
            case "delete":
                run(*command, "-X", "DELETE", place + quote(key))
            case "list":
                page = ElementTree.fromstring(run(*command, place))
                tag = page.tag.replace("ListBucketResult", "Key")
                return [element.text or "" for element in page.iter(tag)]
        return []

    return ask


@pytest.fixture(scope="module")
def fsspec(secure_service: Service) -> Iterator[Client]:
    """fsspec's s3fs."""
    command = [INSTALLED / "python" / "bin" / "python", SOURCES / "python" / "keys.py"]
    with driven(
        command, secure_service.url or "", AWS_CA_BUNDLE=str(secure_service.certificate)
    ) as driver:
        yield driver


@pytest.fixture(scope="module")
def awscli(secure_service: Service) -> Iterator[Client]:
    command = [sys.executable, SOURCES / "python" / "commands.py"]
    with driven(
        command, secure_service.url or "", AWS_CA_BUNDLE=str(secure_service.certificate)
    ) as driver:

        def ask(operation: str, name: str, key: str, word: str = "") -> list[str]:
            where = ["--bucket", name, "--key", key]
            match operation:
                case "put":
                    driver("aws", "s3api", "put-object", *where, "--body", word)
                case "get":
                    driver("aws", "s3api", "get-object", *where, word)
                case "copy":
                    where[-1] = word
                    # It encodes the source itself.
                    driver("aws", "s3api", "copy-object", *where, "--copy-source", f"{name}/{key}")
                case "delete":
                    driver("aws", "s3api", "delete-object", *where)
                case "list":
                    words = ["--bucket", name, "--page-size", word]
                    [said] = driver("aws", "s3api", "list-objects-v2", *words)
                    return [entry["Key"] for entry in json.loads(said)["Contents"]]
            return []

        yield ask


def place(key: str) -> str:
    return NO_PATHS.get(key, key)


def assert_shown(bucket: Bucket, path: str, body: bytes) -> None:
    """A key with a slash at its end is a directory, whose body only S3 has."""
    shown = bucket.path / path
    assert shown.is_dir() or shown.read_bytes() == body, path


def follow(client: Client, bucket: Bucket, folder: Path, keys: list[str], uncopied: tuple[str, ...]) -> None:
    """Each step for all keys, and then the mount; `uncopied` are those that the client cannot copy."""
    for key in keys:
        (folder / "body").write_bytes(key.encode())
        client("put", bucket.name, key, str(folder / "body"))
        assert_shown(bucket, place(key), key.encode())
    assert sorted(client("list", bucket.name, "", "7")) == sorted(keys)
    for key in keys:
        client("get", bucket.name, key, str(folder / "back"))
        assert (folder / "back").read_bytes() == key.encode()
    # Not below a prefix: 1,024 bytes is what a key may have.
    copies = {key: "long" if len(key) > 1000 else f"copy/{key}" for key in keys if key not in uncopied}
    for key, copied in copies.items():
        client("copy", bucket.name, key, copied)
        assert_shown(bucket, copied if copied == "long" else f"copy/{place(key)}", key.encode())
    for key in keys:
        client("delete", bucket.name, key)
        assert not os.path.lexists(bucket.path / place(key)), key
    assert sorted(bucket.keys()) == sorted(copies.values())
    for copied in copies.values():
        client("delete", bucket.name, copied)
    assert os.listdir(bucket.path) == []


@pytest.mark.parametrize("name", ["boto3", "crt", "node", "go", "java"])
def test_every_key(name: str, request: pytest.FixtureRequest, bucket: Bucket, tmp_path: Path) -> None:
    follow(request.getfixturevalue(name), bucket, tmp_path, [*NAMES, *NO_PATHS], ())


def test_minio_sends_no_dots(minio: Client, bucket: Bucket, tmp_path: Path) -> None:
    dotted = [key for key in NO_PATHS if {".", ".."} & set(key.split("/"))]
    follow(minio, bucket, tmp_path, [key for key in [*NAMES, *NO_PATHS] if key not in dotted], ())
    assert len(dotted) == 4
    for key in dotted:
        with pytest.raises(ValueError, match="path segment is not supported"):
            minio("put", bucket.name, key, str(tmp_path / "body"))


def test_s3fs_of_python_copies_nothing_with_a_slash_at_its_end(
    fsspec: Client, bucket: Bucket, tmp_path: Path
) -> None:
    """It takes the slash of the source away."""
    ended = ("slash/", "twice//")
    bucket.put("slash/", b"")
    with pytest.raises(RefusedError, match="FileNotFoundError"):
        fsspec("copy", bucket.name, "slash/", "copy")
    follow(fsspec, bucket, tmp_path, [*NAMES, *NO_PATHS], ended)


FEW = ["a b+c", "%20#?:&=;", "back\\'\"", "cafe\u0301-\U0001f40d. ", "a//b", "a/../b"]


@pytest.mark.parametrize("name", ["awscli", "curl"])
def test_a_process_for_each_operation(
    name: str, request: pytest.FixtureRequest, bucket: Bucket, tmp_path: Path
) -> None:
    follow(request.getfixturevalue(name), bucket, tmp_path, FEW, ())


def _tree(folder: Path, names: list[str]) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(name.encode())


@pytest.mark.parametrize("program", ["rclone", "s3cmd"])
def test_a_directory_of_them_is_synced_in_and_out(program: str, service: Service, tmp_path: Path) -> None:
    bucket = service.make_bucket()
    (tmp_path / "in").mkdir()
    (tmp_path / "out").mkdir()
    _tree(tmp_path / "in", NAMES)
    # Composed and decomposed letters are the same name to rclone by itself: it would leave one out.
    sync = ["sync", "--retries", "1", "--no-unicode-normalization"]
    if program == "rclone":
        rclone(service, *sync, tmp_path / "in", f"store:{bucket.name}")
    else:
        s3cmd(service, "sync", "--no-progress", f"{tmp_path}/in/", s3_url(bucket))
    run("diff", "-r", tmp_path / "in", bucket.path)
    assert sorted(bucket.keys()) == sorted(NAMES)
    if program == "rclone":
        rclone(service, *sync, f"store:{bucket.name}", tmp_path / "out")
    else:
        s3cmd(service, "sync", "--no-progress", s3_url(bucket), f"{tmp_path}/out/")
    run("diff", "-r", bucket.path, tmp_path / "out")


def test_an_s3fs_mount(service: Service, tmp_path: Path) -> None:
    bucket = service.make_bucket()
    secret, point = tmp_path / "passwd", tmp_path / "s3fs"
    secret.touch(0o600)
    secret.write_text(f"{ACCESS_KEY}:{SECRET_KEY}\n")
    point.mkdir()
    options = f"passwd_file={secret},url={service.url},endpoint={REGION},use_path_request_style"
    run("s3fs", bucket.name, point, "-o", options)
    try:
        # It takes no path so long, though the parts of it are short.
        with pytest.raises(OSError, match="File name too long"):
            _tree(point, [LONG])
        names = [name for name in NAMES if name != LONG]
        _tree(point, names)
        run("diff", "-r", point, bucket.path)
        for name in names:
            (point / name).rename(point / "moved")
            assert (bucket.path / "moved").read_bytes() == name.encode()
            assert not os.path.lexists(bucket.path / name)
            (point / "moved").unlink()
        assert [key for key in bucket.keys("") if not key.endswith("/")] == []
    finally:
        subprocess.run(["fusermount3", "-u", point], check=True)


def test_s3a(java: Client, bucket: Bucket, tmp_path: Path) -> None:
    """Hadoop's paths; it has no copy but the one of a rename."""
    top = f"s3a://{bucket.name}"
    for key in FEW[:4]:
        (tmp_path / "body").write_bytes(key.encode())
        java("fs-write", f"{top}/in/{key}", tmp_path / "body")
        assert (bucket.path / "in" / key).read_bytes() == key.encode()
    assert sorted(java("fs-list", f"{top}/in")) == sorted(FEW[:4])
    for key in FEW[:4]:
        java("fs-read", f"{top}/in/{key}", tmp_path / "back")
        assert (tmp_path / "back").read_bytes() == key.encode()
    assert java("fs-rename", f"{top}/in", f"{top}/out") == ["true"]
    for key in FEW[:4]:
        assert (bucket.path / "out" / key).read_bytes() == key.encode()
        assert java("fs-delete", f"{top}/out/{key}") == ["true"]
        assert not os.path.lexists(bucket.path / "out" / key)
