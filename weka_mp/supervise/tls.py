"""TLS as a service is configured to speak it: settings for its processes, and its own certificate."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from typing import Final

import trio

from weka_mp.clock import Clock
from weka_mp.config import Config
from weka_mp.control.tls_verbs import TlsState
from weka_mp.supervise import checks
from weka_mp.supervise.keeper import StartFailed
from weka_mp.tls import Certificates, KeptCertificate, PlainHttp, TlsError, TlsSettings

__all__ = ["OwnTls", "admin_names", "open_tls", "tls_state"]

log = logging.getLogger(__name__)

_EVERYWHERE = frozenset({"0.0.0.0", "::"})
_LOOK_SECONDS: Final = 3600.0  # between two looks whether the own certificate is old


def _settings(config: Config, store: str, state: str) -> TlsSettings | None:
    """None: plain HTTP. Raises StartFailed: the state directory, which may hold a key, lies in the store."""
    if not config.speaks_tls:
        return None
    certificates = [os.path.abspath(path) for path in config.tls_cert]
    keys = [os.path.abspath(path) for path in config.tls_key] or certificates
    if not certificates:
        checks.check_outside(state, store, "the state directory")
    client_ca = None if config.tls_client_ca is None else os.path.abspath(config.tls_client_ca)
    pairs = tuple(zip(certificates, keys, strict=True))
    return TlsSettings(state, pairs, client_ca, PlainHttp(config.tls_plain))


def open_tls(
    config: Config, store: str, state: str, clock: Clock
) -> tuple[TlsSettings | None, Certificates | None]:
    """What the workers are told, and the supervisor's own for administration; makes a self-signed certificate
    where there is no other. What is wrong with certificates is found out here, before a worker starts.
    `state`: the state directory. Raises StartFailed.
    """
    settings = _settings(config, store, state)
    if settings is None:
        return None, None
    try:
        if not settings.pairs:
            KeptCertificate(settings.directory, clock).make_own(_names(config))
        Certificates(settings, clock, ask_clients=True)
        return settings, Certificates(settings, clock, ask_clients=False)
    except TlsError as error:
        raise StartFailed(f"TLS: {error}") from error


class OwnTls:
    """Sees that a service that runs for years does not show a certificate of its own that has expired."""

    def __init__(self, config: Config, settings: TlsSettings | None, clock: Clock) -> None:
        self._names = tuple(_names(config))
        self._settings = settings
        self._clock = clock

    async def keep(self) -> None:
        """Until cancelled, or at once where there is none to be kept. Every process notices another file."""
        if self._settings is None or self._settings.pairs:
            return
        kept = KeptCertificate(self._settings.directory, self._clock)
        while True:
            await trio.sleep(_LOOK_SECONDS)
            try:
                if await trio.to_thread.run_sync(kept.make_own, self._names):
                    log.warning("the self-signed certificate was about to expire: there is a new one,"
                                " of which clients have to be told (weka-mp security tls download)")
            except TlsError as error:
                log.error("the self-signed certificate cannot be renewed: %s", error)


def admin_names(config: Config) -> frozenset[str]:
    """What callers may call the administration's address, in lower case."""
    named = () if config.admin is None else (config.admin.host,)
    names = (socket.gethostname(), *named, *config.domain, *config.admin_names)
    return frozenset(name.lower() for name in names)


def tls_state(settings: TlsSettings | None, state: str, clock: Clock) -> TlsState:
    """What administration shows and changes."""
    files = () if settings is None else tuple(certificate for certificate, _ in settings.pairs)
    return TlsState(KeptCertificate(state, clock), settings is not None, files)


def _names(config: Config) -> Iterator[str]:
    """What clients may call us."""
    yield from ("localhost", "127.0.0.1", "::1")
    for address in (config.s3, config.admin):
        if address is not None and address.host not in _EVERYWHERE:
            yield address.host
    own = socket.gethostname()
    if own.isascii() and own:
        yield own
    for domain in (*config.domain, *config.website_domain):
        yield from (domain, f"*.{domain}")
