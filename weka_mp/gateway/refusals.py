"""Why somebody was refused: for the log, and for who asks why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from weka_mp.policy.decision import Reference, Source
from weka_mp.values import BucketName, ObjectKey

__all__ = ["NOT_BELOW", "Refusal", "shown_statement"]

NOT_BELOW: Final = "no one statement allows everything below the prefix, or something of it is denied"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why somebody was refused, for the log. statement: the one that decided, where one did. action: of
    policies; the operation, where no action stands for it. access_key: None: nobody's.
    """

    user: str
    action: str
    resource: str
    why: str
    statement: str | None = None
    access_key: str | None = None
    bucket: BucketName | None = None
    key: ObjectKey | None = None


def shown_statement(statement: Reference | None, silent: str | None) -> str | None:
    """A statement as the log names it."""
    if statement is None:
        return None if silent is None else "policy of the credentials"
    if statement.source is Source.ACL:
        return f"acl {statement.policy}"
    name = statement.policy or "policy of the credentials"
    sid = f" ({statement.sid})" if statement.sid else ""
    return f"{statement.source.value} {name} statement {statement.position}{sid}"
