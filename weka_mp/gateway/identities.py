"""Whose an access key is, as the endpoint asks it: once a request, with one look at the registry's record.

What was worked out of one state of the registry (secrets opened, policies parsed, principals) is kept until
the record is another. A service account's and temporary credentials' own record is looked at as well.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

from weka_mp.errors import NamespaceError
from weka_mp.gateway.principals import ANONYMOUS, Principal
from weka_mp.identity import IdentityStore, KeyFile, PolicyUse, RootKeys
from weka_mp.identity import Principal as Holder
from weka_mp.identity.children import OpenChild
from weka_mp.identity.errors import IdentityError
from weka_mp.identity.naming import canonical_id
from weka_mp.identity.snapshot import Snapshot
from weka_mp.identity.store import Credential
from weka_mp.namespace import Namespace
from weka_mp.policy import documents
from weka_mp.policy import principals as language
from weka_mp.policy.canned import AWS_POLICIES, IDENTITY_POLICIES
from weka_mp.policy.documents import Kind, Policy
from weka_mp.policy.errors import MalformedPolicy
from weka_mp.s3.credentials import SecretKey
from weka_mp.s3.errors import S3Error
from weka_mp.s3.xml_write import Owner

__all__ = ["Asking", "Identities", "open_identities"]

Answer = TypeVar("Answer")

_log = logging.getLogger(__name__)
_MAX_CHILDREN: Final = 10_000  # as many as there may be at once


def _parse(document: str, use: PolicyUse, name: str) -> Policy:
    """The parser of an IdentityStore. Raises MalformedPolicy."""
    return documents.parse(document, Kind[use.name], name=name)


def open_identities(
    namespace: Namespace, keys: KeyFile, root: RootKeys | None, *, make_keys: bool
) -> IdentityStore[Policy]:
    """The identities of a store with the language of its policies. make_keys: not for whoever only asks.
    The caller closes them. Raises IdentityUnusable (no keys where they are wanted), NamespaceError.
    """
    predefined = {name: policy.text for name, policy in {**IDENTITY_POLICIES, **AWS_POLICIES}.items()}
    return IdentityStore.open(
        namespace, keys, _parse, predefined=predefined, root=root, make_keys=make_keys
    )


@dataclass(frozen=True, slots=True)
class Known:
    """expires_s: seconds since the epoch; None: never."""

    secret: SecretKey
    principal: Principal
    expires_s: int | None = None


@dataclass(slots=True)
class _State:
    """What was worked out of one snapshot. Threads that fill it at once write the same."""

    snapshot: Snapshot[Policy]
    accounts: Mapping[str, Owner]
    anonymous: Principal
    known: dict[str, Known] = field(default_factory=dict)
    children: dict[str, tuple[OpenChild, Known]] = field(default_factory=dict)


class Identities:
    """All who may ask something of an endpoint. Thread-safe.

    root: who there is where `store` is None. account: the canonical id of root's account. anonymous: uid and
    gid of what nobody signed for.
    """

    def __init__(
        self, root: RootKeys, account: str, store: IdentityStore[Policy] | None, anonymous: tuple[int, int]
    ) -> None:
        uid, gid = anonymous
        self._anonymous = replace(ANONYMOUS, uid=uid, gid=gid)
        asks = language.Principal(account[-12:], account, is_root=True)
        alone = Principal(account, root.access_key, is_root=True, owner="root", asks=asks)
        self._root = Known(SecretKey(root.access_key, root.secret), alone)
        self._store = store
        self._state: _State | None = None

    def find(self, access_key: str) -> Known | None:
        """None: nobody's. Raises S3Error ServiceUnavailable when the records cannot be relied upon."""
        if self._store is None:
            return self._root if access_key == self._root.secret.secret_id else None
        store = self._store
        return self._readable(lambda: self._found(store, access_key))

    def anonymous(self) -> Principal:
        """Who signed nothing. Raises S3Error ServiceUnavailable, as `find`."""
        if self._store is None:
            return self._anonymous
        store = self._store
        return self._readable(lambda: self._now(store).anonymous)

    def _readable(self, ask: Callable[[], Answer]) -> Answer:
        try:
            return ask()
        except (IdentityError, NamespaceError, MalformedPolicy) as error:
            _log.error("nobody is let in, since users and policies cannot be read: %s", error)
            message = "Users and policies cannot be read now. Please try again."
            raise S3Error("ServiceUnavailable", message) from error

    def _found(self, store: IdentityStore[Policy], access_key: str) -> Known | None:
        state = self._now(store)
        snapshot = state.snapshot
        known = state.known.get(access_key)
        if known is not None:
            return known
        if store.is_lasting(access_key, snapshot):
            credential = store.credential(access_key, snapshot)
            if credential is None:
                return None
            known = state.known[access_key] = _known(credential, state.accounts)
            return known
        return self._child(store, state, access_key)

    def _now(self, store: IdentityStore[Policy]) -> _State:
        snapshot = store.snapshot()
        state = self._state
        if state is None or state.snapshot is not snapshot:
            accounts = _accounts(store, snapshot)
            state = self._state = _State(snapshot, accounts, replace(self._anonymous, accounts=accounts))
        return state

    def _child(self, store: IdentityStore[Policy], state: _State, access_key: str) -> Known | None:
        found = store.children.find(access_key, state.snapshot.registry)
        if found is None:
            return None
        before = state.children.get(access_key)
        if before is not None and before[0] is found:
            return before[1]
        known = _known(store.credential_of_child(found, state.snapshot), state.accounts)
        if len(state.children) >= _MAX_CHILDREN:
            state.children.clear()
        state.children[access_key] = found, known
        return known


class Asking:
    """One request's questions: whose signature it bears is who it is judged as."""

    __slots__ = ("_found", "_identities")

    def __init__(self, identities: Identities) -> None:
        self._identities = identities
        self._found: Known | None = None

    def lookup(self, access_key: str) -> SecretKey | None:
        """As s3.credentials.SecretLookup. Raises S3Error ServiceUnavailable."""
        found = self._found = self._identities.find(access_key)
        return None if found is None else found.secret

    def again(self, access_key: str | None, now: float) -> Principal:
        """As `principal`, by what is known now: the key may have been taken back, or be another's. Raises as
        it does, InvalidAccessKeyId.
        """
        before = self._found
        if access_key is not None and (before is None or self.lookup(access_key) != before.secret):
            raise S3Error("InvalidAccessKeyId")
        return self.principal(access_key, now)

    def principal(self, access_key: str | None, now: float) -> Principal:
        """Of a request whose signature was verified, None: that has none; now: epoch seconds. Raises S3Error
        ExpiredToken, ServiceUnavailable.
        """
        if access_key is None:
            return self._identities.anonymous()
        found = self._found
        if found is None or found.secret.secret_id != access_key:
            # What was signed is never taken for what nobody signed.
            raise S3Error("InvalidAccessKeyId")
        if found.expires_s is not None and found.expires_s <= now:
            raise S3Error("ExpiredToken")
        return found.principal


def _accounts(store: IdentityStore[Policy], snapshot: Snapshot[Policy]) -> Mapping[str, Owner]:
    return {
        name: Owner(canonical_id(store.store_id, name), account.display_name)
        for name, account in snapshot.registry.accounts.items()
    }


def _known(credential: Credential[Policy], accounts: Mapping[str, Owner]) -> Known:
    secret, holder = credential.secret, credential.principal
    key = SecretKey(secret.secret_id, secret.secret, secret.session_token)
    return Known(key, _principal(holder, accounts), holder.expires_s)


def _principal(holder: Holder[Policy], accounts: Mapping[str, Owner]) -> Principal:
    number = holder.account_number
    return Principal(
        account=holder.canonical_id,
        access_key=holder.access_key,
        is_root=holder.is_root,
        uid=holder.posix.uid,
        gid=holder.posix.gid,
        groups=holder.posix.groups,
        owner=holder.account,
        asks=language.Principal(
            number, holder.canonical_id, holder.arn.partition(":user/")[2], holder.is_root
        ),
        user="" if holder.is_root else holder.user,
        user_id=holder.user_id,
        arn=holder.arn,
        policies=tuple(policy.parsed for policy in holder.policies),
        bounds=tuple(policy.parsed for policy in holder.bounds),
        issued_s=holder.issued_s,
        accounts=accounts,
    )
