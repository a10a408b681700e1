"""Object Lock as clients write it, in headers and documents, and as answers show it.

Source: S3 API reference, PutObject, PutObjectLockConfiguration, PutObjectRetention, PutObjectLegalHold; where
it says nothing of an error, what S3 answers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from xml.etree.ElementTree import Element

from weka_mp.digests import DIGEST_SIZES
from weka_mp.object_lock import (
    LAST_NS,
    MODES,
    NO_DEFAULT,
    DefaultRetention,
    ObjectLock,
    Retention,
)
from weka_mp.s3.dates import format_iso_milli, parse_iso_milli
from weka_mp.s3.errors import S3Error
from weka_mp.s3.request import Headers
from weka_mp.s3.xml_elements import document as written
from weka_mp.s3.xml_read import children, document, number, text

__all__ = [
    "BYPASS", "ENABLED_FOR_BUCKET", "HOLD", "LIMITS", "LOCK_HEADERS", "MODE", "NO_LOCKS", "UNTIL",
    "AskedLocks", "asked_locks", "bypasses", "enabled_for_bucket", "has_digest", "hold_word", "legal_hold",
    "legal_hold_document", "lock_configuration", "lock_configuration_document", "require_digest",
    "retention", "retention_document", "shown_until",
]  # fmt: skip

MODE: Final = "x-amz-object-lock-mode"
UNTIL: Final = "x-amz-object-lock-retain-until-date"
HOLD: Final = "x-amz-object-lock-legal-hold"
LOCK_HEADERS: Final = (MODE, UNTIL, HOLD)
BYPASS: Final = "x-amz-bypass-governance-retention"
ENABLED_FOR_BUCKET: Final = "x-amz-bucket-object-lock-enabled"

_KIB: Final = 1024
LIMITS: Final = {
    "PutObjectLockConfiguration": 8 * _KIB,
    "PutObjectRetention": 8 * _KIB,
    "PutObjectLegalHold": 8 * _KIB,
}
"""Operations of this module and the most bytes that their documents may have."""

_MILLI: Final = 1_000_000  # nanoseconds
_ON, _OFF = "ON", "OFF"
_BOTH: Final = f"{UNTIL} and {MODE} must both be supplied"
_NO_ISO: Final = "The retain until date must be provided in ISO 8601 format"
_NO_PERIOD: Final = "Default retention period must be a positive integer value."
_LONG_PERIOD: Final = "Default retention period is too long: at most 36500 days, or 100 years."
_DIGESTS: Final = (
    "content-md5", "x-amz-sdk-checksum-algorithm",
    *(f"x-amz-checksum-{name.lower()}" for name in DIGEST_SIZES),
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class AskedLocks:
    """What an upload says of the locks that the object is to get; None: nothing."""

    retention: Retention | None = None
    legal_hold: bool | None = None

    @property
    def any(self) -> bool:
        return self != NO_LOCKS


NO_LOCKS: Final = AskedLocks()


# ---- headers
def asked_locks(headers: Headers) -> AskedLocks:
    """Those of an upload, a copy or a form. Raises S3Error InvalidArgument."""
    mode, until, hold = (headers.get(name) for name in LOCK_HEADERS)
    if mode is None and until is None and hold is None:
        return NO_LOCKS
    if (mode is None) != (until is None):
        missing = UNTIL if until is None else MODE
        raise _invalid(_BOTH, missing, "")
    if mode is not None and mode not in MODES:
        raise _invalid("Unknown wormMode directive.", MODE, mode)
    if hold not in (None, _ON, _OFF):
        raise _invalid("Legal Hold must be either of 'ON' or 'OFF'", HOLD, hold or "")
    kept = None if mode is None or until is None else Retention(mode, _moment(until))
    return AskedLocks(kept, None if hold is None else hold == _ON)


def _moment(sent: str) -> int:
    until_ms = parse_iso_milli(sent)
    if until_ms is None or not 0 <= until_ms * _MILLI <= LAST_NS:
        raise _invalid(_NO_ISO, UNTIL, sent)
    return until_ms * _MILLI


def bypasses(headers: Headers) -> bool:
    """Whether the client means to overcome governance. Raises S3Error InvalidArgument."""
    return _switch(headers, BYPASS)


def enabled_for_bucket(headers: Headers) -> bool:
    """Whether a bucket is to be made with Object Lock. Raises S3Error InvalidArgument."""
    return _switch(headers, ENABLED_FOR_BUCKET)


def _switch(headers: Headers, name: str) -> bool:
    value = headers.get(name)
    if value is not None and value.strip().lower() not in ("true", "false"):
        raise _invalid(None, name, value)
    return value is not None and value.strip().lower() == "true"


def has_digest(headers: Headers) -> bool:
    """Whether something besides the signature says what the body must be, maybe behind it."""
    trailer = headers.get("x-amz-trailer") or ""
    return trailer.strip().lower().startswith("x-amz-checksum-") or any(name in headers for name in _DIGESTS)


def require_digest(headers: Headers) -> None:
    """For documents that S3 takes with a digest alone. Raises S3Error InvalidRequest."""
    if not has_digest(headers):
        message = "Missing required header for this request: Content-MD5 OR x-amz-checksum-*"
        raise S3Error("InvalidRequest", message)


def _invalid(message: str | None, name: str, value: str) -> S3Error:
    details = {"ArgumentName": name, "ArgumentValue": value}
    return S3Error("InvalidArgument", message, details=details)


# ---- documents of requests
def _fields(operation: str, root: str, body: bytes | None, known: frozenset[str]) -> dict[str, Element]:
    if not body:
        raise S3Error("MissingRequestBodyError")
    return _of(document(body, root, LIMITS[operation]), known)


def _of(element: Element, known: frozenset[str]) -> dict[str, Element]:
    """The children by name, each at most once. Raises MalformedXML."""
    found = children(element, known)
    fields = dict(found)
    if len(fields) != len(found):
        raise S3Error("MalformedXML")
    return fields


def lock_configuration(body: bytes | None) -> ObjectLock:
    """Raises S3Error MissingRequestBodyError, MalformedXML, InvalidRetentionPeriod."""
    known = frozenset({"ObjectLockEnabled", "Rule"})
    fields = _fields("PutObjectLockConfiguration", "ObjectLockConfiguration", body, known)
    if "ObjectLockEnabled" not in fields or text(fields["ObjectLockEnabled"]) != "Enabled":
        raise S3Error("MalformedXML")
    if "Rule" not in fields:
        return NO_DEFAULT
    rule = _of(fields["Rule"], frozenset({"DefaultRetention"}))
    if "DefaultRetention" not in rule:
        raise S3Error("MalformedXML")
    return ObjectLock(_default_retention(rule["DefaultRetention"]))


def _default_retention(element: Element) -> DefaultRetention:
    fields = _of(element, frozenset({"Mode", "Days", "Years"}))
    if "Mode" not in fields or text(fields["Mode"]) not in MODES or ("Days" in fields) == ("Years" in fields):
        raise S3Error("MalformedXML")
    days, years = (_period(fields[name]) if name in fields else None for name in ("Days", "Years"))
    try:
        return DefaultRetention(text(fields["Mode"]), days, years)
    except ValueError as error:
        raise S3Error("InvalidRetentionPeriod", _LONG_PERIOD) from error


def _period(element: Element) -> int:
    negative = text(element).strip().startswith("-")
    if not negative and number(element) > 0:
        return number(element)
    raise S3Error("InvalidRetentionPeriod", _NO_PERIOD)


def retention(body: bytes | None) -> Retention | None:
    """That of a PutObjectRetention; None: an empty one, which removes it. Raises S3Error
    MissingRequestBodyError, MalformedXML.
    """
    fields = _fields("PutObjectRetention", "Retention", body, frozenset({"Mode", "RetainUntilDate"}))
    if not fields:
        return None
    until_ms = parse_iso_milli(text(fields["RetainUntilDate"])) if len(fields) == 2 else None
    if until_ms is None or text(fields["Mode"]) not in MODES or not 0 <= until_ms * _MILLI <= LAST_NS:
        raise S3Error("MalformedXML")
    return Retention(text(fields["Mode"]), until_ms * _MILLI)


def legal_hold(body: bytes | None) -> bool:
    """That of a PutObjectLegalHold. Raises S3Error MissingRequestBodyError, MalformedXML."""
    fields = _fields("PutObjectLegalHold", "LegalHold", body, frozenset({"Status"}))
    if "Status" not in fields or text(fields["Status"]) not in (_ON, _OFF):
        raise S3Error("MalformedXML")
    return text(fields["Status"]) == _ON


# ---- answers
def shown_until(kept: Retention) -> str:
    """``2030-01-01T00:00:00.000Z``."""
    return format_iso_milli(kept.until_ns // _MILLI)


def hold_word(held: bool) -> str:
    """``ON`` or ``OFF``."""
    return _ON if held else _OFF


def lock_configuration_document(lock: ObjectLock) -> bytes:
    """GetObjectLockConfiguration."""
    default, rule = lock.default, ""
    if default is not None:
        unit, period = ("Years", default.years) if default.days is None else ("Days", default.days)
        rule = (
            f"<Rule><DefaultRetention><Mode>{default.mode}</Mode><{unit}>{period}</{unit}>"
            "</DefaultRetention></Rule>"
        )
    return written("ObjectLockConfiguration", [f"<ObjectLockEnabled>Enabled</ObjectLockEnabled>{rule}"])


def retention_document(kept: Retention) -> bytes:
    """GetObjectRetention."""
    until = f"<RetainUntilDate>{shown_until(kept)}</RetainUntilDate>"
    return written("Retention", [f"<Mode>{kept.mode}</Mode>{until}"])


def legal_hold_document(held: bool) -> bytes:
    """GetObjectLegalHold."""
    return written("LegalHold", [f"<Status>{hold_word(held)}</Status>"])
