"""PEM of a certificate chain and its key: checked as a whole before anybody serves or keeps it."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from weka_mp.tls.errors import TlsError

__all__ = ["chain_text", "check_pair", "described", "names_of", "read_chain"]

_LEAST_RSA: Final = 2048  # bits; NIST SP 800-57: 112 bits of security
_LEAST_EC: Final = 224
_MOST_IN_CHAIN: Final = 16


def read_chain(text: str, what: str) -> list[x509.Certificate]:
    """The certificates of a PEM text, the server's own first. Raises TlsError naming `what`."""
    try:
        chain = x509.load_pem_x509_certificates(text.encode())
    except (ValueError, UnicodeEncodeError):
        raise TlsError(f"{what}: no certificate in PEM form") from None
    if len(chain) > _MOST_IN_CHAIN:
        raise TlsError(f"{what}: more than {_MOST_IN_CHAIN} certificates in the chain")
    return chain


def chain_text(chain: list[x509.Certificate]) -> str:
    """The certificates as PEM, nothing else of where they were read."""
    return "".join(certificate.public_bytes(Encoding.PEM).decode("ascii") for certificate in chain)


def check_pair(chain: list[x509.Certificate], key_text: str, what: str, now: datetime | None = None) -> str:
    """The key as PEM (PKCS #8, unencrypted), once it is known to be the first certificate's.

    now: refuse a certificate that has expired by then. Raises TlsError: an encrypted, weak or unknown key,
    one of another certificate.
    """
    try:
        key = load_pem_private_key(key_text.encode(), None)
    except TypeError:
        raise TlsError(f"{what}: the key is encrypted: give it unencrypted, in a file of mode 0600") from None
    except (ValueError, UnsupportedAlgorithm):
        raise TlsError(f"{what}: no private key in PEM form") from None
    if not _is_strong(key):
        raise TlsError(f"{what}: the key is too weak, or of a kind TLS does not use; RSA needs 2048 bits")
    public = [half.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
              for half in (key.public_key(), chain[0].public_key())]  # fmt: skip
    if public[0] != public[1]:
        raise TlsError(f"{what}: the key is not that of the first certificate")
    if now is not None and chain[0].not_valid_after_utc <= now:
        raise TlsError(f"{what}: the certificate has expired on {chain[0].not_valid_after_utc:%Y-%m-%d}")
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii")


def _is_strong(key: object) -> bool:
    if isinstance(key, rsa.RSAPrivateKey):
        return key.key_size >= _LEAST_RSA
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.key_size >= _LEAST_EC
    return isinstance(key, ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey)


def names_of(certificate: x509.Certificate) -> tuple[str, ...]:
    """Its subject alternative names: hosts in lower case (maybe ``*.DOMAIN``), and addresses."""
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return ()
    hosts = found.get_values_for_type(x509.DNSName)
    addresses: list[ipaddress.IPv4Address | ipaddress.IPv6Address] = [
        address
        for address in found.get_values_for_type(x509.IPAddress)
        if isinstance(address, ipaddress.IPv4Address | ipaddress.IPv6Address)
    ]
    return (*(host.lower() for host in hosts), *map(str, addresses))


def described(certificate: x509.Certificate) -> Mapping[str, Any]:
    """What people want to know of it. Times are ISO 8601 in UTC, the fingerprint is SHA-256 in hex."""
    return {
        "subject": certificate.subject.rfc4514_string(),
        "issuer": certificate.issuer.rfc4514_string(),
        "names": list(names_of(certificate)),
        "not_before": certificate.not_valid_before_utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "not_after": certificate.not_valid_after_utc.strftime("%Y-%m-%dT%H:%M:%SZ"),
        "fingerprint": certificate.fingerprint(hashes.SHA256()).hex(),
    }
