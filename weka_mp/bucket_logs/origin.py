"""Whose lines a spool holds, and where they go: what its directory is called, and the file that says it."""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from typing import Final

from weka_mp.bucket_log_rules import LogRule, decode, encode

__all__ = ["Origin", "note_origin", "origin_in"]

_FILE: Final = "origin"


@dataclass(frozen=True, slots=True)
class Origin:
    """source: the bucket that is logged. account: its owner's canonical user id."""

    source: str
    account: str
    rule: LogRule

    @property
    def directory(self) -> str:
        """The name of the spool's: another one for each rule, so that one is delivered as it was meant."""
        return f"{self.source}-{hashlib.sha256(_text(self)).hexdigest()[:16]}"


def _text(origin: Origin) -> bytes:
    fields = {"source": origin.source, "account": origin.account, "rule": encode(origin.rule)}
    return json.dumps(fields, sort_keys=True).encode() + b"\n"


def note_origin(directory: str, origin: Origin) -> None:
    """Before the first line is written there; again where a power cut left none or half of it, since lines
    without it would never be delivered. Raises OSError.
    """
    if origin_in(directory) == origin:
        return
    path = os.path.join(directory, _FILE)
    os.makedirs(directory, mode=0o700, exist_ok=True)
    staged = f"{path}.{os.getpid()}"
    with open(staged, "wb") as file:
        file.write(_text(origin))
        file.flush()
        os.fsync(file.fileno())
    os.rename(staged, path)


def origin_in(directory: str) -> Origin | None:
    """None: it says nothing that can be understood."""
    try:
        with open(os.path.join(directory, _FILE), "rb") as file:
            fields = json.loads(file.read())
        return Origin(str(fields["source"]), str(fields["account"]), decode(fields["rule"]))
    except (OSError, ValueError, TypeError, KeyError):
        return None
