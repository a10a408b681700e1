"""Administration of users, policies, credentials and buckets: who asks, whether they may, and the answer.

Synchronous, and the same for a running service (its socket and its network address) and for a command on a
stopped store: both hand over a method, a path and a body.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final

from weka_mp.control.audit_state import AuditState
from weka_mp.control.tls_verbs import TlsState
from weka_mp.errors import NamespaceError
from weka_mp.events import EventLog
from weka_mp.identity import (
    Administration,
    AdminLogins,
    Caller,
    CredentialIssuer,
    IdentityStore,
    LockOut,
    Role,
)
from weka_mp.identity import errors as trouble
from weka_mp.identity.iam_changes import IamChanges
from weka_mp.identity.naming import ROOT
from weka_mp.namespace import Changes, Namespace
from weka_mp.policy.documents import Policy
from weka_mp.policy.errors import MalformedPolicy
from weka_mp.tls import TlsError

__all__ = ["Answer", "Changed", "Desk", "Question", "Serving", "failure"]

log = logging.getLogger(__name__)

_STATUS: Final[Mapping[type[Exception], HTTPStatus]] = {
    MalformedPolicy: HTTPStatus.BAD_REQUEST,
    TlsError: HTTPStatus.BAD_REQUEST,
    trouble.InvalidInput: HTTPStatus.BAD_REQUEST,
    trouble.LoginRefused: HTTPStatus.UNAUTHORIZED,
    trouble.TokenRefused: HTTPStatus.UNAUTHORIZED,
    trouble.CredentialExpired: HTTPStatus.UNAUTHORIZED,
    trouble.NotAllowed: HTTPStatus.FORBIDDEN,
    trouble.Unmodifiable: HTTPStatus.FORBIDDEN,
    trouble.NoSuchEntity: HTTPStatus.NOT_FOUND,
    trouble.EntityExists: HTTPStatus.CONFLICT,
    trouble.InUse: HTTPStatus.CONFLICT,
    trouble.LimitExceeded: HTTPStatus.CONFLICT,
    trouble.LockedOut: HTTPStatus.TOO_MANY_REQUESTS,
    trouble.IdentityUnusable: HTTPStatus.SERVICE_UNAVAILABLE,
}
"""What each error of identities is in HTTP; errors of the store are 503."""

_BEARER: Final = "bearer "


@dataclass(frozen=True, slots=True)
class Question:
    """path: decoded, without a query. authorization: the header, or empty. source: the client's address.
    trusted: the admin socket vouches for the caller.
    """

    method: str
    path: str
    body: Mapping[str, object] = field(repr=False)
    authorization: str = field(default="", repr=False)
    source: str = "local"
    trusted: bool = False


@dataclass(frozen=True, slots=True)
class Answer:
    """content: `data`, or `error` (a line for people) and `code` (the error's name). changes: what the mounts
    must forget before it is given. retold: what other processes of a service are to be told before that, and
    retold_with: the argument.
    """

    status: HTTPStatus
    content: Mapping[str, object] = field(repr=False)
    changes: Changes = ()
    retold: str | None = None
    retold_with: object = None


@dataclass(frozen=True, slots=True)
class Changed:
    """What a verb has to say that changed names below the store, or what other processes keep in memory."""

    data: Any
    changes: Changes = ()
    retold: str | None = None
    retold_with: object = None


@dataclass(frozen=True, slots=True)
class Serving:
    """How the service of this store answers; of a stopped one, as if nothing was said."""

    region: str = "us-east-1"
    posix_permissions: bool = False


class Desk:
    """Of one store. `logins` is for the one process that takes them. Thread-safe."""

    def __init__(
        self, identities: IdentityStore[Policy], namespace: Namespace, tls: TlsState | None = None,
        audit: AuditState | None = None, serving: Serving | None = None,
    ) -> None:
        """tls, audit: where their routes are served."""
        self.serving = serving or Serving()
        self._tls = tls
        self._audit = audit
        self.identities = identities
        self.namespace = namespace
        self.administration = Administration(identities)
        self.iam = IamChanges(identities)
        self.issuer = CredentialIssuer(identities)
        self.logins = AdminLogins(identities, LockOut(namespace.clock))
        self.events = EventLog(namespace)
        self.service: Callable[[], Mapping[str, Any]] | None = None  # of the one that runs: what runs where

    @property
    def tls(self) -> TlsState:
        """Raises NoSuchEntity where it is administrated elsewhere."""
        if self._tls is None:
            raise trouble.NoSuchEntity("the certificate of TLS is administrated elsewhere")
        return self._tls

    @property
    def audit(self) -> AuditState:
        """Raises NoSuchEntity where it is administrated elsewhere."""
        if self._audit is None:
            raise trouble.NoSuchEntity("the audit webhook is administrated elsewhere")
        return self._audit

    def close(self) -> None:
        """Give back what the identities hold."""
        self.identities.close()

    def caller(self, question: Question) -> Caller:
        """Who asks: whom the bearer token names, else whom the socket vouches for. Raises NotAllowed
        (nobody), TokenRefused, CredentialExpired.
        """
        if question.authorization:
            if not question.authorization.lower().startswith(_BEARER):
                raise trouble.TokenRefused("the Authorization header must be: Bearer TOKEN")
            return self.logins.authenticate(question.authorization[len(_BEARER) :].strip())
        if question.trusted:
            return Caller(ROOT, ROOT, Role.CLUSTER_ADMIN, 0)
        raise trouble.TokenRefused(
            "no token: log in (POST /api/v2/login) and send Authorization: Bearer TOKEN"
        )


def failure(error: Exception) -> Answer:
    """What an error of identities, policies or the store is to whoever asked. Raises it when it is none."""
    status = _STATUS.get(type(error))
    if status is None:
        if not isinstance(error, (NamespaceError, trouble.IdentityError)):
            raise error
        status = HTTPStatus.SERVICE_UNAVAILABLE
    if status is HTTPStatus.SERVICE_UNAVAILABLE:
        log.error("administration of users and policies fails: %s", error)
    content: dict[str, Any] = {"error": " ".join(str(error).split()), "code": type(error).__name__}
    return Answer(status, content, tuple(error.changes) if isinstance(error, NamespaceError) else ())
