"""The audit webhook as the store remembers it: `.weka/audit-webhook`.

The token is sealed under the key that lies outside the store, together with the endpoint: whoever can write
the store, but does not have the key, cannot have the token sent to an endpoint of its own.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Final

from weka_mp.clock import RandomSource
from weka_mp.identity.envelope import Damaged, open_envelope, wrap
from weka_mp.identity.errors import IdentityUnusable, InvalidInput
from weka_mp.identity.key_file import KeyFile
from weka_mp.identity.sealing import sealed_under
from weka_mp.namespace import Namespace
from weka_mp.webhooks import Target, TargetRefused, check_token, parse_target

__all__ = ["AuditWebhook", "AuditWebhookRecord"]

_NAME: Final = b"audit-webhook"
_PURPOSE: Final = "audit webhook"
_WHAT: Final = "the record of the audit webhook"
_FIELDS: Final = {"version", "enabled", "endpoint", "sealed"}


@dataclass(frozen=True, slots=True)
class AuditWebhook:
    """token: the Authorization header's value; None where it was not asked for, or there is none."""

    enabled: bool
    endpoint: str
    token: str | None = field(default=None, repr=False)

    @property
    def target(self) -> Target:
        """Raises TargetRefused."""
        return parse_target(self.endpoint)


@dataclass(frozen=True, slots=True)
class _Record:
    enabled: bool
    endpoint: str
    sealed: str | None


class AuditWebhookRecord:
    """Of one store. keys: None for who never needs the token."""

    def __init__(self, namespace: Namespace, keys: KeyFile | None, random: RandomSource) -> None:
        self._namespace = namespace
        self._keys = keys
        self._random = random

    def is_enabled(self) -> bool:
        """Raises IdentityUnusable (damaged), NamespaceError."""
        record = self._read()
        return record is not None and record.enabled

    def shown(self) -> AuditWebhook | None:
        """Without the token; None: none was ever set. Raises as `is_enabled`."""
        record = self._read()
        return None if record is None else AuditWebhook(record.enabled, record.endpoint)

    def opened(self) -> AuditWebhook | None:
        """With the token. Raises IdentityUnusable (also: its key is missing), NamespaceError."""
        record = self._read()
        if record is None:
            return None
        token = None
        if record.sealed is not None:
            assert self._keys is not None
            ring = self._keys.ring(needed=sealed_under(record.sealed))
            token = ring.open(_PURPOSE, record.endpoint, record.sealed)
        return AuditWebhook(record.enabled, record.endpoint, token)

    def enable(self, endpoint: str, token: str) -> AuditWebhook:
        """Checked and kept; the token with it. Raises InvalidInput, IdentityUnusable, NamespaceError."""
        given = self.checked(endpoint, token)
        assert self._keys is not None
        sealed = self._keys.ring(fresh=True).seal(_PURPOSE, endpoint, given.token or "", self._random)
        self._write(_Record(True, endpoint, sealed))
        return given

    def checked(self, endpoint: str, token: str) -> AuditWebhook:
        """Raises InvalidInput. The token is a header's value: one in quotes is what is between them."""
        try:
            parse_target(endpoint)
            return AuditWebhook(True, endpoint, check_token(token))
        except TargetRefused as error:
            raise InvalidInput(str(error)) from None

    def disable(self) -> AuditWebhook | None:
        """No more events; endpoint and token are forgotten. What was there. Raises NamespaceError."""
        try:
            former = self.shown()
        except IdentityUnusable:
            former = None  # damaged: disabling is the way out
        self._write(_Record(False, "", None))
        return former

    # ---- for the change of keys, see identity.rotation
    def reseal(self) -> None:
        """Seal the token under the current key. Raises IdentityUnusable, NamespaceError."""
        found = self.opened()
        if found is not None and found.token is not None:
            assert self._keys is not None
            sealed = self._keys.ring(fresh=True).seal(_PURPOSE, found.endpoint, found.token, self._random)
            self._write(_Record(found.enabled, found.endpoint, sealed))

    def needed_keys(self) -> frozenset[str]:
        """The ids of the keys that the record needs. Raises IdentityUnusable, NamespaceError."""
        record = self._read()
        if record is None or record.sealed is None:
            return frozenset()
        return frozenset({sealed_under(record.sealed)})

    def _read(self) -> _Record | None:
        data = self._namespace.read_setting(_NAME)
        if data is None:
            return None
        content: dict[str, Any] = open_envelope(data, _WHAT)
        if content.keys() != _FIELDS or content["version"] != 1:
            raise Damaged(f"{_WHAT} is damaged: these are not its fields")
        enabled, endpoint, sealed = content["enabled"], content["endpoint"], content["sealed"]
        typed = isinstance(enabled, bool) and isinstance(endpoint, str)
        if not typed or not (sealed is None or isinstance(sealed, str)):
            raise Damaged(f"{_WHAT} is damaged: a field has no legal value")
        return _Record(enabled, endpoint, sealed)

    def _write(self, record: _Record) -> None:
        content = {
            "version": 1, "enabled": record.enabled, "endpoint": record.endpoint, "sealed": record.sealed,
        }
        self._namespace.write_setting(_NAME, wrap(content))
