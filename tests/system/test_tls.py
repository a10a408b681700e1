"""TLS of the whole service: commands, all workers, administration, clients of others."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from tests.system.certificates import download, forget
from tests.system.service import ACCESS_KEY, SECRET_KEY, Service, running, weka_mp
from tests.unit.tls.certificates import issue, shown


@pytest.fixture
def state(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "store").mkdir()
    yield tmp_path
    forget(tmp_path)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    top = tmp_path_factory.mktemp("tls")
    try:
        with running(top, "--tls", "on", "--workers", "2", mount=False, admin="127.0.0.1:0") as started:
            yield started
    finally:
        forget(top)


@pytest.fixture(scope="module")
def ca(service: Service) -> Path:
    """The service's own certificate, as its clients get it."""
    return download(service, service.store.parent / "ca.pem")


def run(service: Service, *words: str | Path, code: int = 0) -> str:
    done = weka_mp("security", "tls", *words, "--store", service.store)
    assert done.returncode == code, done.stderr
    return done.stdout + done.stderr


def seen(service: Service) -> set[bytes]:
    """The certificates of eight connections, of which both workers have had some."""
    return {shown(service.port).public_bytes(Encoding.DER) for _ in range(8)}


def test_a_certificate_from_the_command_to_every_worker(service: Service, ca: Path, tmp_path: Path) -> None:
    given = issue("localhost", "127.0.0.1")
    certificate, key = given.write(tmp_path, "given")
    assert service.url is not None and service.url.startswith("https://")
    own = seen(service)
    assert own == {x509.load_pem_x509_certificate(ca.read_bytes()).public_bytes(Encoding.DER)}
    with _one_connection_that_stays(service.client(verify=str(ca))):
        refused = run(service, "set", "--certificate", certificate, "--private-key", certificate, code=1)
        assert "no private key" in refused and seen(service) == own
        run(service, "set", "--private-key", key, "--certificate", certificate)
        assert seen(service) == {given.certificate.public_bytes(Encoding.DER)}
        assert shown(_admin_port(service)) == given.certificate
        run(service, "unset")
        assert seen(service) == own
    secret = Path(key).read_text().splitlines()[1]
    files = [path for path in service.store.rglob("*") if path.is_file()]
    assert not [path for path in files if secret.encode() in path.read_bytes()]
    assert secret not in service.log.read_text()


@contextmanager
def _one_connection_that_stays(s3: Any) -> Iterator[None]:
    """It goes on asking while the block lasts, and must not notice anything."""
    body = os.urandom(300_000)
    s3.create_bucket(Bucket="bucket")
    s3.put_object(Bucket="bucket", Key="k", Body=body)
    stop, failures = threading.Event(), []

    def ask() -> None:
        try:
            while not stop.wait(0.05):
                assert s3.get_object(Bucket="bucket", Key="k")["Body"].read() == body
        except BaseException as error:  # noqa: BLE001 - shown below
            failures.append(error)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield
    finally:
        stop.set()
        asking.join(60)
    assert not failures, failures


def _admin_port(service: Service) -> int:
    return int(service.log.read_text().partition("admin=127.0.0.1:")[2].split()[0])


def test_the_command_speaks_to_nobody_whom_it_does_not_know(service: Service, ca: Path) -> None:
    login = {"WEKA_MP_USERNAME": "root", "WEKA_MP_PASSWORD": SECRET_KEY}
    where = ("user", "whoami", "-H", "https://localhost", "-P", str(_admin_port(service)))
    known = weka_mp(*where, **login, WEKA_MP_CACERT=str(ca))
    assert known.returncode == 0 and "root" in known.stdout
    unknown = weka_mp(*where, **login)
    assert unknown.returncode == 3 and "CERTIFICATE_VERIFY_FAILED" in unknown.stderr
    plain = weka_mp("user", "whoami", "-H", "127.0.0.1", *where[4:], **login)
    assert plain.returncode == 1 and "speaks TLS" in plain.stderr


def test_curl_trusts_what_was_downloaded_and_nothing_else(service: Service, ca: Path) -> None:
    assert service.url is not None
    done = subprocess.run(
        ["curl", "-sS", "--cacert", ca, "--user", f"{ACCESS_KEY}:{SECRET_KEY}", "--aws-sigv4",
         "aws:amz:us-east-1:s3", "-H", "x-amz-content-sha256: UNSIGNED-PAYLOAD", service.url],
        capture_output=True, timeout=60, check=True,
    )  # fmt: skip
    assert b"<ListAllMyBucketsResult" in done.stdout, done
    refused = subprocess.run(["curl", "-sS", service.url], capture_output=True, timeout=60, check=False)
    assert refused.returncode == 60  # peer certificate cannot be authenticated: curl(1)


@pytest.mark.usefixtures("state")
@pytest.mark.parametrize(("options", "reason"), [
    (("--tls-cert", "none.pem"), "No such file"),
    (("--tls", "on", "--tls-client-ca", "none.pem"), "No such file"),
    (("--tls-cert", "server.pem", "--tls-key", "other.key"), "not that of the first certificate"),
])  # fmt: skip
def test_a_service_without_a_good_certificate_does_not_start(
    tmp_path: Path, options: tuple[str, ...], reason: str
) -> None:
    issue("server").write(tmp_path, "server")
    issue("other").write(tmp_path, "other")
    named = [str(tmp_path / word) if "." in word else word for word in options]
    done = weka_mp("serve", tmp_path / "store", "--s3", "127.0.0.1:0", "--admin", "none", *named)
    assert done.returncode == 1 and reason in done.stderr, done.stderr
    assert len([line for line in done.stderr.splitlines() if "TLS:" in line]) == 1


@pytest.mark.usefixtures("state")
def test_on_a_stopped_store(tmp_path: Path) -> None:
    """What is set there is what the next service shows."""
    given = issue("localhost", "127.0.0.1")
    certificate, key = given.write(tmp_path, "given")
    store = tmp_path / "store"
    done = weka_mp("security", "tls", "status", "--store", store)
    assert done.returncode == 0 and "none" in done.stdout
    done = weka_mp("security", "tls", "download", "--path", tmp_path / "ca.pem", "--store", store)
    assert done.returncode == 1 and "there is no certificate yet" in done.stderr
    for words in (("set", "--private-key", key, "--certificate", certificate), ("status",)):
        done = weka_mp("security", "tls", *words, "--store", store)
        assert done.returncode == 0, done.stderr
    with running(tmp_path, "--tls", "on", mount=False) as service:
        assert shown(service.port) == given.certificate
    with running(tmp_path, mount=False) as service:
        assert service.url is not None and service.url.startswith("http://")
        done = weka_mp(
            "security", "tls", "set", "--private-key", key, "--certificate", certificate, "--store", store
        )
        assert done.returncode == 0 and "start it with --tls on" in done.stderr
