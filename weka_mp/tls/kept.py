"""The certificate that a service keeps: what ``weka-mp security tls set`` gave it, else one of its own.

Two files of the state directory, outside the store and readable by their owner alone, each with the key and
the chain in one, so that one rename replaces both.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Final

from cryptography import x509

from weka_mp.clock import Clock
from weka_mp.private_files import Exposed, create_private, read_private, remove_private, replace_private
from weka_mp.tls.errors import TlsError
from weka_mp.tls.pem import chain_text, check_pair, read_chain
from weka_mp.tls.self_signed import RENEWED_BEFORE, make_self_signed

__all__ = ["GIVEN", "SELF_SIGNED", "KeptCertificate", "kept_path", "read_kept"]

GIVEN: Final = "tls-certificate.pem"
SELF_SIGNED: Final = "tls-self-signed.pem"
_NANO: Final = 1e-9


def kept_path(directory: str) -> str:
    """The file that counts now; there may be none."""
    given = os.path.join(directory, GIVEN)
    return given if os.path.lexists(given) else os.path.join(directory, SELF_SIGNED)


class KeptCertificate:
    """Of one state directory. Thread-safe: each step replaces or reads a whole file."""

    def __init__(self, directory: str, clock: Clock) -> None:
        self._directory = directory
        self._given = os.path.join(directory, GIVEN)
        self._own = os.path.join(directory, SELF_SIGNED)
        self._clock = clock

    @property
    def is_given(self) -> bool:
        """Whether somebody set one; else it is the service's own, if any."""
        return os.path.lexists(self._given)

    @property
    def is_made(self) -> bool:
        """Whether there is one of the service's own."""
        return os.path.lexists(self._own)

    def set(self, certificate: str, key: str) -> None:
        """Keep this chain and key, both PEM. Raises TlsError."""
        chain = read_chain(certificate, "the certificate")
        secret = check_pair(chain, key, "the key", self._now())
        self._write(self._given, secret + chain_text(chain))

    def unset(self) -> bool:
        """Back to the service's own; whether there was another. Raises TlsError."""
        try:
            remove_private(self._given)
        except FileNotFoundError:
            return False
        except OSError as error:
            raise TlsError(f"{self._given}: {error.strerror}") from error
        return True

    def make_own(self, names: Iterable[str]) -> bool:
        """See that there is a self-signed one that is good for a while; whether it replaces one. Raises
        TlsError.
        """
        try:
            expires = self._chain(self._own)[0].not_valid_after_utc
        except FileNotFoundError:
            expires = None
        if expires is not None and expires > self._now() + RENEWED_BEFORE:
            return False
        certificate, key = make_self_signed(names, self._now())
        if expires is not None:
            self._write(self._own, key + certificate)  # never is there none: handshakes go on meanwhile
            return True
        try:
            create_private(self._own, key + certificate)  # another process that was first wins
        except OSError as error:
            raise TlsError(f"{self._own}: {error.strerror}") from error
        return False

    def chain(self) -> str:
        """The certificates that count now, as PEM. Raises TlsError, FileNotFoundError (there are none)."""
        return chain_text(self._chain(kept_path(self._directory)))

    def _chain(self, path: str) -> list[x509.Certificate]:
        return read_chain(read_kept(path), path)

    def _write(self, path: str, text: str) -> None:
        try:
            os.makedirs(self._directory, mode=0o700, exist_ok=True)
            replace_private(path, text)
        except OSError as error:
            raise TlsError(f"{path}: {error.strerror}") from error

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self._clock.now_ns() * _NANO, UTC)


def read_kept(path: str) -> str:
    """A file of certificate and key. Raises TlsError, FileNotFoundError."""
    try:
        return read_private(path)
    except Exposed:
        raise TlsError(f"{path} can be read by others: chmod 600 it, and take another key") from None
    except FileNotFoundError:
        raise
    except (OSError, UnicodeDecodeError) as error:
        raise TlsError(f"{path}: {getattr(error, 'strerror', None) or 'not text'}") from error
