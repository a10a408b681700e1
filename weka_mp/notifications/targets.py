"""The webhooks that buckets may name, as the store remembers them: `.weka/notification-targets`.

An administrator defines them; users name their ARNs. A token is sealed under the key that lies outside the
store, together with the name and the endpoint: whoever can write the store, but does not have the key, cannot
have the token sent to an endpoint of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Final

from weka_mp.clock import RandomSource
from weka_mp.errors import BucketMissing
from weka_mp.identity.envelope import Damaged, open_envelope, wrap
from weka_mp.identity.errors import EntityExists, InUse, InvalidInput, LimitExceeded, NoSuchEntity
from weka_mp.identity.key_file import KeyFile
from weka_mp.identity.sealing import sealed_under
from weka_mp.namespace import Namespace
from weka_mp.notification_rules import decode
from weka_mp.webhooks import Target, TargetRefused, check_token, parse_target

__all__ = ["MAX_BATCH", "NotificationTarget", "NotificationTargets"]

_NAME: Final = b"notification-targets"
_PURPOSE: Final = "notification target"
_WHAT: Final = "the record of notification targets"
_LEGAL: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_MOST: Final = 100  # targets; each has a spool of its own
MAX_BATCH: Final = 1000


@dataclass(frozen=True, slots=True)
class NotificationTarget:
    """token: the Authorization header's value; None where it was not asked for, or there is none. has_token:
    whether there is one. batch: records of one request at most.
    """

    name: str
    endpoint: str
    batch: int = 1
    has_token: bool = False
    token: str | None = field(default=None, repr=False)

    @property
    def target(self) -> Target:
        """Raises TargetRefused."""
        return parse_target(self.endpoint)


@dataclass(frozen=True, slots=True)
class _Kept:
    endpoint: str
    batch: int
    sealed: str | None


class NotificationTargets:
    """Of one store. keys: None for who never needs a token."""

    def __init__(self, namespace: Namespace, keys: KeyFile | None, random: RandomSource) -> None:
        self._namespace = namespace
        self._keys = keys
        self._random = random

    # ---- looking
    def shown(self) -> list[NotificationTarget]:
        """All by name, without tokens. Raises IdentityUnusable (damaged), NamespaceError."""
        return [
            NotificationTarget(name, kept.endpoint, kept.batch, kept.sealed is not None)
            for name, kept in sorted(self._read().items())
        ]

    def one(self, name: str) -> NotificationTarget:
        """The same of one. Raises NoSuchEntity."""
        for target in self.shown():
            if target.name == name:
                return target
        raise _missing(name)

    def opened(self, name: str) -> NotificationTarget | None:
        """With its token; None: there is none. Raises IdentityUnusable (also: its key is missing),
        NamespaceError.
        """
        kept = self._read().get(name)
        if kept is None:
            return None
        token = None
        if kept.sealed is not None:
            assert self._keys is not None
            ring = self._keys.ring(needed=sealed_under(kept.sealed))
            token = ring.open(_PURPOSE, _owner(name, kept.endpoint), kept.sealed)
        return NotificationTarget(name, kept.endpoint, kept.batch, token is not None, token)

    @contextmanager
    def still(self) -> Iterator[list[NotificationTarget]]:
        """Nobody adds or removes one meanwhile; those that are there."""
        context = self._namespace.context
        with context.locks.hold([(context.store.attr(context.control).ino, _NAME)]):
            yield self.shown()

    # ---- changing
    def add(self, wanted: NotificationTarget) -> NotificationTarget:
        """Raises InvalidInput, EntityExists, LimitExceeded, IdentityUnusable, NamespaceError."""
        wanted = checked(wanted)
        with self.still() as there:
            if any(target.name == wanted.name for target in there):
                raise EntityExists(f"there is a target {wanted.name} already")
            if len(there) >= _MOST:
                raise LimitExceeded(f"there are {_MOST} targets, which is the limit")
            self._write({**self._read(), wanted.name: self._sealed(wanted)})
        return replace(wanted, has_token=wanted.token is not None, token=None)

    def update(
        self, name: str, endpoint: str | None, token: str | None, batch: int | None
    ) -> NotificationTarget:
        """What is None stays; an empty token takes it away. What waits goes to the new endpoint.

        Raises InvalidInput (also: a token cannot follow to another endpoint, it has to be given anew),
        NoSuchEntity, IdentityUnusable, NamespaceError.
        """
        with self.still():
            before = self.opened(name)
            if before is None:
                raise _missing(name)
            if endpoint not in (None, before.endpoint) and before.has_token and token is None:
                raise InvalidInput("another endpoint needs its token: give it anew, or an empty one")
            after = checked(NotificationTarget(
                name, endpoint or before.endpoint, before.batch if batch is None else batch,
                token=before.token if token is None else token or None,
            ))  # fmt: skip
            self._write({**self._read(), name: self._sealed(after)})
        return replace(after, has_token=after.token is not None, token=None)

    def remove(self, name: str) -> None:
        """What waits for it is dropped. Raises NoSuchEntity, InUse (a bucket names it), NamespaceError."""
        with self.still():
            kept = self._read()
            if name not in kept:
                raise _missing(name)
            user = next(self._users(name), None)
            if user is not None:
                raise InUse(f"the bucket {user} notifies it: take that away first")
            del kept[name]
            self._write(kept)

    def _users(self, name: str) -> Iterator[str]:
        """The buckets whose rules name it."""
        for bucket in self._namespace.list_buckets():
            try:
                rules = self._namespace.settings_records.notifications(bucket.name)
            except BucketMissing:
                continue
            if rules is not None and any(rule.target == name for rule in decode(rules)):
                yield bucket.name

    # ---- for the change of keys, see identity.rotation
    def reseal(self) -> None:
        """Seal all tokens under the current key. Raises IdentityUnusable, NamespaceError."""
        with self.still() as there:
            opened = [self.opened(target.name) for target in there]
            self._write({target.name: self._sealed(target) for target in opened if target is not None})

    def needed_keys(self) -> frozenset[str]:
        """The ids of the keys that the tokens need. Raises IdentityUnusable, NamespaceError."""
        return frozenset(sealed_under(kept.sealed) for kept in self._read().values() if kept.sealed)

    # ---- the record
    def _sealed(self, target: NotificationTarget) -> _Kept:
        if target.token is None:
            return _Kept(target.endpoint, target.batch, None)
        assert self._keys is not None
        ring = self._keys.ring(fresh=True)
        owner = _owner(target.name, target.endpoint)
        return _Kept(target.endpoint, target.batch, ring.seal(_PURPOSE, owner, target.token, self._random))

    def _read(self) -> dict[str, _Kept]:
        data = self._namespace.read_setting(_NAME)
        if data is None:
            return {}
        content = open_envelope(data, _WHAT)
        try:
            if content["version"] != 1:
                raise ValueError
            return {str(name): _kept(fields) for name, fields in content["targets"].items()}
        except (KeyError, TypeError, ValueError, AttributeError):
            raise Damaged(f"{_WHAT} is damaged: a field has no legal value") from None

    def _write(self, targets: Mapping[str, _Kept]) -> None:
        content = {"version": 1, "targets": {name: asdict(kept) for name, kept in targets.items()}}
        self._namespace.write_setting(_NAME, wrap(content))


def checked(wanted: NotificationTarget) -> NotificationTarget:
    """As it may be kept. Raises InvalidInput."""
    if not _LEGAL.fullmatch(wanted.name):
        raise InvalidInput("the name must be 1 to 64 letters, digits, - and _, the first no - and no _")
    if not 1 <= wanted.batch <= MAX_BATCH:
        raise InvalidInput(f"the batch must be 1 to {MAX_BATCH} records")
    try:
        parse_target(wanted.endpoint)
        return wanted if wanted.token is None else replace(wanted, token=check_token(wanted.token))
    except TargetRefused as error:
        raise InvalidInput(str(error)) from None


def _kept(fields: Any) -> _Kept:
    """Raises TypeError, KeyError, ValueError."""
    kept = _Kept(fields["endpoint"], fields["batch"], fields["sealed"])
    typed = isinstance(kept.endpoint, str) and type(kept.batch) is int
    if not typed or not (kept.sealed is None or isinstance(kept.sealed, str)):
        raise ValueError
    return kept


def _owner(name: str, endpoint: str) -> str:
    """What a sealed token belongs to."""
    return f"{name} {endpoint}"


def _missing(name: str) -> NoSuchEntity:
    return NoSuchEntity(f"there is no target {name[:64]}")
