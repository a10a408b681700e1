"""The document about a bucket's log, read and written.

Source: PutBucketLogging and GetBucketLogging in the S3 API reference.
"""

from __future__ import annotations

from typing import Final
from xml.etree.ElementTree import Element

from weka_mp.bucket_log_rules import DELIVERY_TIME, EVENT_TIME, SIMPLE, LogRule
from weka_mp.bucket_names import is_bucket_name
from weka_mp.s3.errors import S3Error
from weka_mp.s3.xml_elements import document as written
from weka_mp.s3.xml_read import children, document, text
from weka_mp.s3.xml_text import escape

__all__ = ["MAX_BYTES", "bad_target", "logging_document", "logging_status"]

MAX_BYTES: Final = 64 * 1024
_MAX_PREFIX: Final = 800
"""Bytes: what a log object is called besides must have room in a key of 1024."""

_PARTITIONED: Final = "PartitionedPrefix"
_ELEMENTS: Final = frozenset({"TargetBucket", "TargetPrefix", "TargetObjectKeyFormat", "TargetGrants"})


def bad_target(message: str, bucket: str) -> S3Error:
    """The bucket cannot get the log."""
    return S3Error("InvalidTargetBucketForLogging", message, details={"TargetBucket": bucket})


def logging_status(body: bytes | None) -> tuple[LogRule | None, bool]:
    """The rule, None without one, and whether there are grants, of which only their being there is looked at.

    Raises S3Error MissingRequestBodyError, MalformedXML, InvalidArgument (TargetPrefix too long),
    InvalidTargetBucketForLogging (what no bucket is called).
    """
    if not body:
        raise S3Error("MissingRequestBodyError")
    wanted = _only(document(body, "BucketLoggingStatus", MAX_BYTES), "LoggingEnabled")
    if wanted is None:
        return None, False
    found = dict(_once(children(wanted, _ELEMENTS)))
    if "TargetBucket" not in found or "TargetPrefix" not in found:
        raise S3Error("MalformedXML")
    target, prefix = text(found["TargetBucket"]).strip(), text(found["TargetPrefix"])
    if len(prefix.encode()) > _MAX_PREFIX:
        message = f"A prefix of log objects has {_MAX_PREFIX} bytes in UTF-8 at most"
        raise S3Error(
            "InvalidArgument", message, details={"ArgumentName": "TargetPrefix", "ArgumentValue": prefix}
        )
    if not is_bucket_name(target):
        raise bad_target("The target bucket for logging does not exist", target)
    grants = found.get("TargetGrants")
    form = _form(found.get("TargetObjectKeyFormat"))
    return LogRule(target, prefix, form), grants is not None and len(grants) > 0


def _form(element: Element | None) -> str:
    if element is None:
        return ""
    parts = children(element, frozenset({SIMPLE, _PARTITIONED}))
    if len(parts) != 1:
        raise S3Error("MalformedXML")
    name, inner = parts[0]
    if name == SIMPLE:
        if children(inner, frozenset()):
            raise S3Error("MalformedXML")
        return SIMPLE
    source = _only(inner, "PartitionDateSource")
    form = DELIVERY_TIME if source is None else text(source).strip()
    if form not in (EVENT_TIME, DELIVERY_TIME):
        raise S3Error("MalformedXML")
    return form


def _only(element: Element, name: str) -> Element | None:
    """The child of this name, None without one; there may be no other. Raises MalformedXML."""
    found = children(element, frozenset({name}))
    if len(found) > 1:
        raise S3Error("MalformedXML")
    return found[0][1] if found else None


def _once(found: list[tuple[str, Element]]) -> list[tuple[str, Element]]:
    if len(dict(found)) != len(found):
        raise S3Error("MalformedXML")
    return found


def logging_document(rule: LogRule | None) -> bytes:
    """As it was put."""
    if rule is None:
        return written("BucketLoggingStatus", [])
    form = ""
    if rule.form == SIMPLE:
        form = f"<{SIMPLE}/>"
    elif rule.form:
        source = f"<PartitionDateSource>{rule.form}</PartitionDateSource>"
        form = f"<{_PARTITIONED}>{source}</{_PARTITIONED}>"
    if form:
        form = f"<TargetObjectKeyFormat>{form}</TargetObjectKeyFormat>"
    return written("BucketLoggingStatus", [
        f"<LoggingEnabled><TargetBucket>{escape(rule.target)}</TargetBucket>"
        f"<TargetPrefix>{escape(rule.prefix)}</TargetPrefix>{form}</LoggingEnabled>"
    ])
