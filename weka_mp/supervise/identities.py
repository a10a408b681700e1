"""Opens the identities of a store for administration: where their keys lie, how policies are parsed."""

from __future__ import annotations

import os
import threading

from weka_mp.audit import AuditWebhookRecord, Deployment
from weka_mp.config import Config
from weka_mp.control.audit_state import AuditState
from weka_mp.control.desk import Desk, Serving
from weka_mp.control.tls_verbs import TlsState
from weka_mp.gateway.identities import open_identities
from weka_mp.identity import CredentialIssuer, KeyFile, RootKeys
from weka_mp.identity.errors import IdentityUnusable
from weka_mp.identity.key_file import FILE_NAME
from weka_mp.namespace import Namespace
from weka_mp.supervise import checks
from weka_mp.supervise.credentials import RootCredentials
from weka_mp.supervise.keeper import StartFailed
from weka_mp.supervise.places import state_directory
from weka_mp.tls import KeptCertificate
from weka_mp.webhooks import WebhookTls

__all__ = ["LazyDesk", "key_file_of", "open_desk", "root_keys", "serving_of", "sweep_identities"]


def open_desk(
    namespace: Namespace, store: str, state: str, root: RootKeys | None, tls: TlsState | None = None,
    outgoing: WebhookTls | None = None, serving: Serving | None = None,
) -> Desk:
    """`store`: its path; `state`: the state directory, where the key file is made when it is missing; `tls`,
    `outgoing` and `serving`: of the service that runs.

    Raises IdentityUnusable, NamespaceError.
    """
    try:
        checks.check_outside(state, store, "the state directory")
    except StartFailed as error:
        raise IdentityUnusable(str(error)) from error
    keys = KeyFile(os.path.join(state, FILE_NAME), namespace.context.random)
    tls = tls or TlsState(KeptCertificate(state, namespace.clock))
    identities = open_identities(namespace, keys, root, make_keys=True)
    audit = AuditState(
        AuditWebhookRecord(namespace, keys, namespace.context.random),
        Deployment.here(namespace.store_id, os.path.basename(store)), outgoing or WebhookTls(),
    )
    return Desk(identities, namespace, tls, audit, serving)



def serving_of(config: Config) -> Serving:
    """As a desk knows it."""
    return Serving(config.region, config.posix_permissions == "on")


def root_keys(credentials: RootCredentials | None) -> RootKeys | None:
    """As identities know them."""
    return None if credentials is None else RootKeys(credentials.access_key, credentials.secret_key)


def key_file_of(namespace: Namespace) -> str:
    """The path of the key file where this process finds the state directory."""
    return os.path.join(state_directory(namespace.store_id, os.environ, os.geteuid()), FILE_NAME)


def sweep_identities(namespace: Namespace, key_file: str) -> tuple[int, int]:
    """Remove what dead processes were writing, and the records of keys that are dead or expired an hour ago;
    how many of each. Without a key file nobody has been given one.

    Raises IdentityError, NamespaceError.
    """
    keys = KeyFile(key_file, namespace.context.random)
    if not keys.exists():
        return 0, 0
    identities = open_identities(namespace, keys, None, make_keys=False)
    try:
        return identities.sweep(), CredentialIssuer(identities).sweep()
    finally:
        identities.close()


class LazyDesk:
    """The desk of a running service, opened when somebody first asks: a service that nobody administrates
    makes no keys, and one whose keys are missing serves what needs none. Thread-safe.
    """

    def __init__(
        self, namespace: Namespace, store: str, state: str, root: RootKeys | None,
        tls: TlsState | None = None, outgoing: WebhookTls | None = None, serving: Serving | None = None,
    ) -> None:
        self._serving = serving
        self._namespace = namespace
        self._store = store
        self._state = state
        self._root = root
        self._tls = tls
        self._outgoing = outgoing
        self._mutex = threading.Lock()
        self._desk: Desk | None = None

    def get(self) -> Desk:
        """Raises IdentityUnusable, NamespaceError."""
        with self._mutex:
            if self._desk is None:
                self._desk = open_desk(
                    self._namespace, self._store, self._state, self._root, self._tls, self._outgoing,
                    self._serving,
                )
            return self._desk

    def close(self) -> None:
        """Give back what it holds."""
        with self._mutex:
            if self._desk is not None:
                self._desk.close()
                self._desk = None
