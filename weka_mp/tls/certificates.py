"""Contexts for handshakes, made anew when their files are others.

Each handshake looks at the files first (one or two stat(2), against the milliseconds of a handshake), so a
new certificate is in force for every handshake after it was put there, in every process, and connections
that are open keep theirs. Files that are no good, half of them written perhaps, change nothing: what was in
force stays, the log says why, and they are tried again.
"""

from __future__ import annotations

import logging
import os
import ssl
import stat
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from cryptography import x509

from weka_mp.clock import Clock
from weka_mp.tls.errors import TlsError
from weka_mp.tls.kept import kept_path, read_kept
from weka_mp.tls.pem import check_pair, described, names_of, read_chain
from weka_mp.tls.settings import TlsSettings

__all__ = ["Certificates"]

_log = logging.getLogger(__name__)
_CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20:@SECLEVEL=2"
"""Of TLS 1.2: forward secrecy and authenticated encryption of 128 bits or more (RFC 9325, 4.2). All of TLS
1.3's are like that."""

_FOR_EVERYBODY: Final = 0o007
_RETRY_SECONDS: Final = 1.0
_NANO: Final = 1e-9
_Stamp = tuple[tuple[int, ...] | None, ...]


@dataclass(frozen=True, slots=True)
class _Loaded:
    """contexts: by the names that their certificates have; `default` is for all others."""

    default: ssl.SSLContext
    contexts: dict[str, ssl.SSLContext]
    leaf: x509.Certificate


class Certificates:
    """What one process shows its clients. Not thread-safe: an event loop uses it.

    ask_clients: whether clients must show certificates of settings.client_ca.
    """

    def __init__(self, settings: TlsSettings, clock: Clock, *, ask_clients: bool) -> None:
        """Raises TlsError: there is no good certificate to begin with."""
        self.settings = settings
        self._client_ca = settings.client_ca if ask_clients else None
        self._clock = clock
        self._stamp: _Stamp = ()
        self._tried: _Stamp = ()
        self._tried_at = 0.0
        stamp = self._look()
        self._loaded = self._load()
        self._stamp = stamp

    @property
    def asks_clients(self) -> bool:
        """Whether a client without a certificate is turned away."""
        return self._client_ca is not None

    def context(self) -> ssl.SSLContext:
        """For the handshake that begins now."""
        stamp = self._look()
        if stamp != self._stamp and self._is_worth_a_try(stamp):
            try:
                self._loaded = self._load()
                self._stamp = stamp
                _log.info(
                    "TLS has another certificate: %s, until %s", *_shown(self._loaded.leaf),
                )
            except TlsError as error:
                if stamp != self._tried:
                    _log.error("TLS keeps its former certificate: %s", error)
                self._tried, self._tried_at = stamp, time.monotonic()
        return self._loaded.default

    def _is_worth_a_try(self, stamp: _Stamp) -> bool:
        """What was no good is tried again when it is another, or after a moment: a file that is written in
        place looks the same within a tick of the file system's clock.
        """
        return stamp != self._tried or time.monotonic() - self._tried_at >= _RETRY_SECONDS

    def _paths(self) -> tuple[tuple[str, str], ...]:
        if self.settings.pairs:
            return self.settings.pairs
        kept = kept_path(self.settings.directory)
        return ((kept, kept),)

    def _look(self) -> _Stamp:
        paths = [path for pair in self._paths() for path in dict.fromkeys(pair)]
        return tuple(map(_stamp_of, [*paths, *([self._client_ca] if self._client_ca else [])]))

    def _load(self) -> _Loaded:
        contexts: dict[str, ssl.SSLContext] = {}
        made: list[tuple[ssl.SSLContext, x509.Certificate]] = []
        for certificate, key in self._paths():
            context, leaf = self._context_of(certificate, key)
            made.append((context, leaf))
            for name in names_of(leaf):
                contexts.setdefault(name, context)
        default, leaf = made[0]
        if len(made) > 1:
            default.sni_callback = _Chooser(contexts)
        return _Loaded(default, contexts, leaf)

    def _context_of(self, certificate: str, key: str) -> tuple[ssl.SSLContext, x509.Certificate]:
        leaf = self._checked(certificate, key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
        context.set_ciphers(_CIPHERS)
        context.set_alpn_protocols(["http/1.1"])
        try:
            context.load_cert_chain(certificate, key)
        except (OSError, ssl.SSLError) as error:
            raise TlsError(f"{certificate}: {_reason(error)}") from error
        if self._client_ca is not None:
            context.verify_mode = ssl.CERT_REQUIRED
            try:
                context.load_verify_locations(self._client_ca)
            except (OSError, ssl.SSLError) as error:
                raise TlsError(f"{self._client_ca}: {_reason(error)}") from error
        return context, leaf

    def _checked(self, certificate: str, key: str) -> x509.Certificate:
        """The server's own certificate, once all is known to fit. Raises TlsError."""
        if not self.settings.pairs:
            text = _kept(certificate)
            chain = read_chain(text, certificate)
            check_pair(chain, text, certificate)
        else:
            chain = read_chain(_read(certificate), certificate)
            check_pair(chain, _read(key, private=True), key)
        leaf = chain[0]
        if leaf.not_valid_after_utc <= datetime.fromtimestamp(self._clock.now_ns() * _NANO, UTC):
            _log.warning("%s: the certificate of %s has expired on %s", certificate, *_shown(leaf))
        return leaf


class _Chooser:
    """Takes the context of the name that the client wants (RFC 6066, section 3); see SSLContext.sni_callback.

    A name that no certificate has is no reason to end the handshake: clients of an address name none, either.
    """

    def __init__(self, contexts: dict[str, ssl.SSLContext]) -> None:
        self._contexts = contexts

    def __call__(
        self, connection: ssl.SSLSocket | ssl.SSLObject, name: str | None, _: ssl.SSLContext
    ) -> None:
        if name is None:
            return
        host = name.lower().removesuffix(".")
        parent = host.partition(".")[2]
        found = self._contexts.get(host) or self._contexts.get(f"*.{parent}")
        if found is not None:
            connection.context = found


def _shown(leaf: x509.Certificate) -> tuple[str, str]:
    about = described(leaf)
    return ", ".join(about["names"]) or about["subject"], about["not_after"]


def _stamp_of(path: str) -> tuple[int, ...] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_mode


def _kept(path: str) -> str:
    try:
        return read_kept(path)
    except FileNotFoundError:
        raise TlsError(f"{path}: there is no certificate") from None


def _read(path: str, *, private: bool = False) -> str:
    """private: refuse what everybody may read; a group that shares a key is its owner's business."""
    try:
        with open(path, encoding="utf-8") as file:
            if private and stat.S_IMODE(os.fstat(file.fileno()).st_mode) & _FOR_EVERYBODY:
                raise TlsError(f"{path} can be read by everybody: chmod 600 it, and take another key")
            return file.read()
    except OSError as error:
        raise TlsError(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError:
        raise TlsError(f"{path}: not PEM") from None


def _reason(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return (error.reason or "unusable").lower().replace("_", " ")
    return error.strerror or str(error)
