"""Services for other programs; caches of the mount last as long as by default.

One without TLS for each module, and one with TLS, as it is run in earnest, for all clients that are SDKs:
over it they send checksums in trailers. Each SDK is one process, too.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest

from tests.clients.driver import INSTALLED, SOURCES, Driver, driven
from tests.clients.programs import run
from tests.system.certificates import download, forget
from tests.system.service import Bucket, Service, running


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    with running(tmp_path_factory.mktemp("clients"), "--workers", "2") as started:
        yield started


@pytest.fixture
def bucket(service: Service) -> Bucket:
    return service.make_bucket()


@pytest.fixture(scope="session")
def secure_service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    top = tmp_path_factory.mktemp("secure")
    try:
        with running(top, "--workers", "2", "--tls", "on") as started:
            started.certificate = download(started, top / "certificate.pem")
            yield started
    finally:
        forget(top)


@pytest.fixture
def secure_bucket(secure_service: Service) -> Bucket:
    return secure_service.make_bucket()


@pytest.fixture(scope="session")
def node(secure_service: Service) -> Iterator[Driver]:
    """The JavaScript SDK v3."""
    variables = {
        "NODE_PATH": str(INSTALLED / "node" / "node_modules"),
        "NODE_EXTRA_CA_CERTS": str(secure_service.certificate),
    }
    with driven(["node", SOURCES / "node" / "main.js"], secure_service.url or "", **variables) as driver:
        yield driver


@pytest.fixture(scope="session")
def go(secure_service: Service) -> Iterator[Driver]:
    """The Go SDK v2."""
    variables = {"SSL_CERT_FILE": str(secure_service.certificate)}
    with driven([INSTALLED / "go" / "client"], secure_service.url or "", **variables) as driver:
        yield driver


@pytest.fixture(scope="session")
def java(secure_service: Service) -> Iterator[Driver]:
    """The Java SDK v2, and Hadoop's S3A on top of it."""
    assert secure_service.certificate is not None
    trusted, password = secure_service.certificate.with_suffix(".jks"), "changeit"
    run(
        "keytool", "-importcert", "-noprompt", "-file", secure_service.certificate, "-keystore", trusted,
        "-storepass", password,
    )
    command = [
        "java", "-XX:TieredStopAtLevel=1", f"-Djavax.net.ssl.trustStore={trusted}",
        f"-Djavax.net.ssl.trustStorePassword={password}",
        "-cp", f"{INSTALLED}/java/classes:{INSTALLED}/java/jars/*", "Main",
    ]
    with driven(command, secure_service.url or "") as driver:
        yield driver


@pytest.fixture(scope="session", autouse=True)
def every_program_is_there() -> None:
    """A missing tool fails: tools/setup --dev installs them all."""
    programs = ["aws", "curl", "git", "rsync", "sqlite3", "tar", "diff", "dd", "getfattr", "setfattr"]
    programs += ["fio", "rclone", "restic", "s3cmd", "s3fs", "node", "java", "keytool"]
    missing = [program for program in programs if shutil.which(program) is None]
    built = ["go/client", "java/classes/Main.class", "node/node_modules", "python/bin/python"]
    missing += [name for name in built if not (INSTALLED / name).exists()]
    assert not missing, f"run tools/setup --dev: {missing}"
