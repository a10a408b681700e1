"""One structured record for each request, on the logger ``weka_mp.access``."""

from __future__ import annotations

import logging
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from weka_mp.bucket_names import is_bucket_name
from weka_mp.gateway.refusals import Refusal
from weka_mp.gateway.reply import BatchEntry

__all__ = ["RequestRecord", "write"]

_log: Final = logging.getLogger("weka_mp.access")
_PLAIN: Final = re.compile(r"[A-Za-z0-9._/=@:+,-]*", re.ASCII)


@dataclass(slots=True)
class RequestRecord:
    """What is known of a request; filled in while it is served.

    Sizes are bytes of bodies, `seconds` a duration. refusals: what the policies denied, of DeleteObjects
    maybe many. user, account: for the audit, where they are known.

    For the logs of buckets: source: bucket and key that a copy reads; entries: of a request about several
    keys; object_size: in bytes; body_ns: when the request's body was there; answered_ns: when the answer
    began.
    """

    request_id: str
    remote: str
    method: str = "-"
    operation: str = "-"
    bucket: str | None = None
    key: bytes | None = None
    access_key: str | None = None
    user: str | None = None
    account: str | None = None
    status: int = 0
    code: str | None = None
    received: int = 0
    sent: int = 0
    seconds: float = 0.0
    refusals: Sequence[Refusal] = ()
    source: tuple[str, bytes] | None = None
    entries: Sequence[BatchEntry] = ()
    object_size: int | None = None
    body_ns: int = 0
    answered_ns: int = 0


def write(record: RequestRecord) -> None:
    """Log it: errors of ours as warnings, all else as information."""
    level = logging.WARNING if record.status >= 500 else logging.INFO
    if not _log.isEnabledFor(level):
        return
    # Made by hand: Logger.log would walk the stack for the caller's line, which is always this one.
    entry = logging.LogRecord(
        _log.name, level, __file__, 0, "%s %s %d", (record.method, record.operation, record.status), None
    )
    entry.request_id = record.request_id
    entry.fields = _fields(record)
    _log.handle(entry)


def _fields(record: RequestRecord) -> dict[str, object]:
    """What the record knows, without what it does not."""
    fields: dict[str, object] = {"remote": record.remote}
    if record.bucket is not None:
        fields["bucket"] = record.bucket
    if record.key is not None:
        fields["key"] = record.key.decode("utf-8", "backslashreplace")
    if record.access_key is not None:
        fields["access_key"] = record.access_key
    if record.code is not None:
        fields["code"] = record.code
    if record.refusals:
        fields |= _refused(record.refusals, record.remote)
    return fields | {
        "method": record.method, "operation": record.operation, "status": record.status,
        "bytes_in": record.received, "bytes_out": record.sent, "duration_ms": round(record.seconds * 1000, 3),
    }


def _refused(refusals: Sequence[Refusal], remote: str) -> dict[str, object]:
    """The first one, and how many more there were. Who was refused, what, by which statement, and the command
    that explains it.
    """
    first = refusals[0]
    fields: dict[str, object] = {
        "user": first.user, "action": first.action, "resource": first.resource, "why": first.why,
    }
    if first.statement is not None:
        fields["statement"] = first.statement
    command = _command(first, remote)
    if command is not None:
        fields["explain"] = command
    if len(refusals) > 1:
        fields["refusals"] = len(refusals)
    return fields


def _command(refusal: Refusal, remote: str) -> str | None:
    """To be pasted into a shell. A key stands percent-encoded where a shell or a terminal could take it for
    anything else; nothing of it is secret: access keys are in every pre-signed URL. None: there is nothing to
    be asked, also of what no bucket can be called.

    No word may need quotes: a log line escapes them once more, so that what is copied from it would be
    quoted otherwise than was meant.
    """
    if refusal.resource == "-" or not (refusal.bucket is None or is_bucket_name(refusal.bucket)):
        return None
    place = (refusal.bucket or "") + ("/" if refusal.key else "")
    key = (refusal.key or b"").decode("latin-1")
    encoded = not _PLAIN.fullmatch(key)
    place += quote(refusal.key or b"", safe="/").replace("~", "%7E") if encoded else key
    who = refusal.access_key or "anonymous"
    words = ["weka-mp", "s3", "explain", who, refusal.action, *filter(None, [place])]
    words += ["--source-ip", remote, *(["--encoded"] if encoded else [])]
    return " ".join(words) if all(word == shlex.quote(word) for word in words) else None
