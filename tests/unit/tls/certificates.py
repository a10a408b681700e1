"""Certificates for tests: authorities, servers, clients, and what TLS clients of ours do with them."""

from __future__ import annotations

import socket
import ssl
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)
from cryptography.x509.oid import NameOID

from weka_mp.clock import SystemClock
from weka_mp.tls import KeptCertificate, TlsSettings

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def key_pem(key: Any, password: bytes | None = None) -> str:
    how = NoEncryption() if password is None else BestAvailableEncryption(password)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how).decode()


@dataclass
class Issued:
    certificate: x509.Certificate
    key: Any

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()

    def write(self, folder: Path, name: str) -> tuple[str, str]:
        """Paths of certificate and key."""
        paths = folder / f"{name}.pem", folder / f"{name}.key"
        paths[0].write_text(self.pem)
        paths[1].touch(0o600)
        paths[1].write_text(key_pem(self.key))
        return str(paths[0]), str(paths[1])


def issue(
    *names: str, by: Issued | None = None, authority: bool = False, days: int = 1, key: Any = None
) -> Issued:
    """A certificate for hosts and addresses; by: who signs it, itself unless said."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])])
    now = datetime.now(UTC)

    def alternative(name: str) -> x509.GeneralName:
        try:
            return x509.IPAddress(ip_address(name))
        except ValueError:
            return x509.DNSName(name)

    certificate = (
        x509.CertificateBuilder(
            by.certificate.subject if by else subject, subject, key.public_key(), x509.random_serial_number()
        )
        .not_valid_before(now - timedelta(days=2))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([alternative(name) for name in names]), critical=False)
        .sign(by.key if by else key, SHA256())
    )
    return Issued(certificate, key)


def self_signed_settings(state: Path, **options: Any) -> TlsSettings:
    """TLS with the certificate that a service makes for itself."""
    state.mkdir(exist_ok=True)
    KeptCertificate(str(state), SystemClock()).make_own(["localhost", "127.0.0.1"])
    return TlsSettings(str(state), **options)


def bundle_of(settings: TlsSettings) -> str:
    """A file with the certificate that clients are to trust."""
    path = Path(settings.directory, "bundle.pem")
    path.write_text(KeptCertificate(settings.directory, SystemClock()).chain())
    return str(path)


def trusting(certificate: str | None = None, **options: Any) -> ssl.SSLContext:
    """A client's context; certificate: a file of what it trusts, else it asks for nothing."""
    context = ssl.create_default_context(cafile=certificate)
    if certificate is None:
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    for name, value in options.items():
        setattr(context, name, value)
    return context


@contextmanager
def connected(port: int, context: ssl.SSLContext | None = None, name: str = "localhost") -> Any:
    context = context or trusting()
    with (
        socket.create_connection(("127.0.0.1", port), 20) as plain,
        context.wrap_socket(plain, server_hostname=name, suppress_ragged_eofs=False) as secured,
    ):
        yield secured


def shown(port: int, name: str = "localhost") -> x509.Certificate:
    """The certificate that a new connection gets."""
    with connected(port, name=name) as secured:
        return x509.load_der_x509_certificate(secured.getpeercert(binary_form=True))


class MovedClock:
    """Says `now`, which a test moves."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def now_ns(self) -> int:
        return int(self.now.timestamp()) * 1_000_000_000

    def coarse_ns(self) -> int:
        return self.now_ns()

    def passed_ns(self) -> int:
        return self.now_ns()

    def boot(self) -> str:
        return "boot"
