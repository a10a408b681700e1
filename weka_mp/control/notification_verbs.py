"""Targets of notifications, as the administration API has them. Tokens are taken, and never given out."""

from __future__ import annotations

from typing import Any, Final

from weka_mp.control.desk import Changed, Desk
from weka_mp.control.fields import Fields
from weka_mp.identity import Caller
from weka_mp.notification_rules import KINDS
from weka_mp.notifications import NotificationTarget, NotificationTargets

__all__ = ["TARGET_FIELDS", "add_target", "list_targets", "remove_target", "show_target", "update_target"]

TARGET_FIELDS: Final = ("endpoint", "auth_token", "batch")

_RETOLD: Final = "notifications"  # what processes of a service answer to, see supervise.notifying
_MASK: Final = "****"


def _targets(desk: Desk) -> NotificationTargets:
    return NotificationTargets(desk.namespace, desk.identities.keys, desk.identities.random)


def list_targets(desk: Desk, caller: Caller, fields: Fields) -> Any:
    """All by name."""
    return [_shown(target) for target in _targets(desk).shown()]


def show_target(desk: Desk, caller: Caller, fields: Fields, *, name: str) -> Any:
    """One. Raises NoSuchEntity."""
    return _shown(_targets(desk).one(name))


def add_target(desk: Desk, caller: Caller, fields: Fields) -> Changed:
    """Buckets may name it from now on. Raises EntityExists."""
    wanted = NotificationTarget(
        fields.text("target_name"), fields.text("endpoint"), fields.count("batch", 1),
        token=fields.text_or_none("auth_token") or None,
    )
    return Changed(_shown(_targets(desk).add(wanted)), retold=_RETOLD)


def update_target(desk: Desk, caller: Caller, fields: Fields, *, name: str) -> Changed:
    """What is not given stays. Raises NoSuchEntity."""
    changed = _targets(desk).update(
        name, fields.text_or_none("endpoint"), fields.text_or_none("auth_token"),
        fields.number_or_none("batch"),
    )
    return Changed(_shown(changed), retold=_RETOLD)


def remove_target(desk: Desk, caller: Caller, fields: Fields, *, name: str) -> Changed:
    """What waits for it is dropped. Raises NoSuchEntity, InUse."""
    _targets(desk).remove(name)
    return Changed(None, retold=_RETOLD)


def _shown(target: NotificationTarget) -> Any:
    return {
        "name": target.name, "endpoint": target.endpoint, "auth_token": _MASK if target.has_token else "",
        "batch": target.batch, **{f"{kind.destination}_arn".lower(): kind.arn(target.name) for kind in KINDS},
    }
