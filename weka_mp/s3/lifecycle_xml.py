"""The document LifecycleConfiguration: read with all of S3's refusals, and written as it was put.

Source: PutBucketLifecycleConfiguration (and PutBucketLifecycle, its older form, whose rules have a Prefix
instead of a Filter) of the S3 API reference; texts of errors as AWS words them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final
from xml.etree.ElementTree import Element

from weka_mp.lifecycle import MAX_ID, MAX_RULES, Rule
from weka_mp.s3.dates import format_iso, parse_iso
from weka_mp.s3.errors import S3Error
from weka_mp.s3.tags import check_tag, tag_of
from weka_mp.s3.xml_elements import document as written
from weka_mp.s3.xml_read import children, document, text
from weka_mp.s3.xml_text import escape

__all__ = ["MAX_LIFECYCLE_BYTES", "lifecycle_document", "lifecycle_rules"]

MAX_LIFECYCLE_BYTES: Final = 2 * 1024 * 1024
_MAX_PREFIX: Final = 1024  # bytes, as of a key
_MAX_DAYS: Final = 2**31 - 1
_DAY: Final = 24 * 3600
_RULE: Final = frozenset({
    "ID", "Prefix", "Filter", "Status", "Expiration", "AbortIncompleteMultipartUpload",
    "NoncurrentVersionExpiration", "Transition", "NoncurrentVersionTransition",
})
_PREDICATES: Final = frozenset({"Prefix", "Tag", "ObjectSizeGreaterThan", "ObjectSizeLessThan"})
_ACTIONS: Final = ("days", "date_s", "delete_marker", "abort_days", "noncurrent_days", "noncurrent_keep")


def _malformed() -> S3Error:
    return S3Error("MalformedXML")


def _invalid(message: str) -> S3Error:
    return S3Error("InvalidRequest", message)


def lifecycle_rules(body: bytes | None) -> tuple[Rule, ...]:
    """The rules in the order sent; a rule that has no id has an empty one.

    Raises S3Error MissingRequestBodyError, MalformedXML, InvalidArgument, InvalidRequest, InvalidTag, and
    NotImplemented for transitions.
    """
    if not body:
        raise S3Error("MissingRequestBodyError")
    root = document(body, "LifecycleConfiguration", MAX_LIFECYCLE_BYTES)
    found = children(root, frozenset({"Rule"}))
    if not 1 <= len(found) <= MAX_RULES:
        raise _malformed()
    rules = tuple(_rule(element) for _, element in found)
    named = [rule.id for rule in rules if rule.id]
    if len(set(named)) != len(named):
        message = "Rule ID must be unique. Found same ID for more than one rule"
        raise S3Error("InvalidArgument", message)
    if len({rule.legacy for rule in rules}) > 1:
        raise _invalid("Filter element can only be used in Lifecycle V2.")
    return rules


def _fields(element: Element, known: frozenset[str], *repeated: str) -> dict[str, Element]:
    """The children by name, each once but for those `repeated` (the first of them)."""
    found = children(element, known)
    fields: dict[str, Element] = {}
    for name, child in found:
        if name in fields and name not in repeated:
            raise _malformed()
        fields.setdefault(name, child)
    return fields


def _rule(element: Element) -> Rule:
    fields = _fields(element, _RULE, "Transition", "NoncurrentVersionTransition")
    for name in ("Transition", "NoncurrentVersionTransition"):
        if name in fields:
            _refuse_transition(name, fields[name])
    status = text(fields["Status"]) if "Status" in fields else ""
    if status not in ("Enabled", "Disabled") or ("Prefix" in fields) == ("Filter" in fields):
        raise _malformed()
    identity = text(fields["ID"]) if "ID" in fields else ""
    if len(identity) > MAX_ID:
        raise S3Error("InvalidArgument", f"ID length should not exceed allowed limit of {MAX_ID}")
    said = {**_predicates(fields), **_actions(fields)}
    rule = Rule(identity, status == "Enabled", **said)
    _check(rule)
    return rule


def _check(rule: Rule) -> None:
    if all(getattr(rule, name) is None for name in _ACTIONS):
        raise _invalid("At least one action needs to be specified in a rule")
    if rule.larger_than is not None and rule.smaller_than is not None and (
        rule.larger_than >= rule.smaller_than
    ):
        raise _invalid("'ObjectSizeLessThan' has to be a value greater than 'ObjectSizeGreaterThan'.")
    sized = rule.larger_than is not None or rule.smaller_than is not None
    for name, value in (
        ("AbortIncompleteMultipartUpload", rule.abort_days), ("ExpiredObjectDeleteMarker", rule.delete_marker)
    ):
        if value is not None and (rule.tags or sized):
            what = "Tags" if rule.tags else "object sizes"
            raise _invalid(f"{name} cannot be specified with {what}.")


# ---- what a rule is about
def _predicates(fields: dict[str, Element]) -> dict[str, Any]:
    if "Prefix" in fields:
        return {"prefix": _prefix(fields["Prefix"]), "legacy": True}
    found = children(fields["Filter"], _PREDICATES | {"And"})
    if len(found) > 1:
        raise _malformed()
    if found and found[0][0] == "And":
        joined = children(found[0][1], _PREDICATES)
        if not joined:
            raise _malformed()
        return {**_conditions(joined), "joined": True}
    return _conditions(found)


def _conditions(found: list[tuple[str, Element]]) -> dict[str, Any]:
    said: dict[str, Any] = {}
    tags = tuple(tag_of(element) for name, element in found if name == "Tag")
    if tags:
        for key, value in tags:
            check_tag(key, value)
        if len({key for key, _ in tags}) != len(tags):
            raise _invalid("Duplicate Tag Keys are not allowed.")
        said["tags"] = tags
    for name, field, read in (
        ("Prefix", "prefix", _prefix), ("ObjectSizeGreaterThan", "larger_than", _size),
        ("ObjectSizeLessThan", "smaller_than", _size),
    ):
        elements = [element for other, element in found if other == name]
        if len(elements) > 1:
            raise _malformed()
        if elements:
            said[field] = read(elements[0])
    return said


def _prefix(element: Element) -> str:
    prefix = text(element)
    if len(prefix.encode("utf-8")) > _MAX_PREFIX:
        raise _invalid(f"The maximum size of a prefix is {_MAX_PREFIX}.")
    return prefix


def _size(element: Element) -> int:
    size = _integer(element)
    if not 0 <= size < 1 << 63:
        raise S3Error("InvalidArgument", "Object sizes in a filter are 0 bytes or more.")
    return size


# ---- what it does
def _actions(fields: dict[str, Element]) -> dict[str, Any]:
    said: dict[str, Any] = {}
    if "Expiration" in fields:
        said |= _expiration(fields["Expiration"])
    if "AbortIncompleteMultipartUpload" in fields:
        name = "AbortIncompleteMultipartUpload"
        inner = _fields(fields[name], frozenset({"DaysAfterInitiation"}))
        if not inner:
            raise _malformed()
        said["abort_days"] = _days(inner["DaysAfterInitiation"], "DaysAfterInitiation", name)
    if "NoncurrentVersionExpiration" in fields:
        said |= _noncurrent(fields["NoncurrentVersionExpiration"])
    return said


def _expiration(element: Element) -> dict[str, Any]:
    fields = _fields(element, frozenset({"Days", "Date", "ExpiredObjectDeleteMarker"}))
    if len(fields) != 1:
        raise _malformed()
    if "Days" in fields:
        return {"days": _days(fields["Days"], "Days", "Expiration")}
    if "Date" in fields:
        return {"date_s": _date(fields["Date"])}
    word = text(fields["ExpiredObjectDeleteMarker"])
    if word not in ("true", "false"):
        raise _malformed()
    return {"delete_marker": word == "true"}


def _noncurrent(element: Element) -> dict[str, Any]:
    name = "NoncurrentVersionExpiration"
    fields = _fields(element, frozenset({"NoncurrentDays", "NewerNoncurrentVersions"}))
    if "NoncurrentDays" not in fields:
        raise _malformed()
    said = {"noncurrent_days": _days(fields["NoncurrentDays"], "NoncurrentDays", name)}
    if "NewerNoncurrentVersions" in fields:
        keep = _integer(fields["NewerNoncurrentVersions"])
        if not 1 <= keep <= 100:
            message = f"'NewerNoncurrentVersions' for {name} must be between 1 and 100"
            raise S3Error("InvalidArgument", message)
        said["noncurrent_keep"] = keep
    return said


def _integer(element: Element) -> int:
    written_as = text(element).strip()
    digits = written_as.removeprefix("-")
    if not (digits.isascii() and digits.isdigit() and len(digits) <= 19):
        raise _malformed()
    return int(written_as)


def _days(element: Element, name: str, action: str) -> int:
    days = _integer(element)
    if not 1 <= days <= _MAX_DAYS:
        raise S3Error("InvalidArgument", f"'{name}' for {action} action must be a positive integer")
    return days


def _date(element: Element) -> int:
    seconds = parse_iso(text(element).strip())
    if seconds is None:
        raise _malformed()
    if seconds % _DAY:
        raise S3Error("InvalidArgument", "'Date' must be at midnight GMT")
    return seconds


def _refuse_transition(name: str, element: Element) -> None:
    """Raises S3Error: what is wrong with it, else NotImplemented."""
    fields = _fields(element, frozenset({
        "Days", "Date", "NoncurrentDays", "NewerNoncurrentVersions", "StorageClass",
    }))
    if "StorageClass" not in fields:
        raise _malformed()
    if "Date" in fields:
        _date(fields["Date"])
    raise S3Error(
        "NotImplemented", f"Objects have one storage class here, so there is no {name}.",
        details={"Element": name},
    )


# ---- as it is shown
def lifecycle_document(rules: Iterable[Rule]) -> bytes:
    """GetBucketLifecycleConfiguration."""
    return written("LifecycleConfiguration", map(_rule_element, rules))


def _rule_element(rule: Rule) -> str:
    inner = [
        _element("ID", escape(rule.id)),
        _element("Prefix", escape(rule.prefix or "")) if rule.legacy else _filter_element(rule),
        _element("Status", "Enabled" if rule.enabled else "Disabled"),
        _expiration_element(rule),
    ]
    if rule.noncurrent_days is not None:
        inner.append(_element(
            "NoncurrentVersionExpiration",
            _element("NoncurrentDays", rule.noncurrent_days)
            + _optional("NewerNoncurrentVersions", rule.noncurrent_keep),
        ))
    if rule.abort_days is not None:
        days = _element("DaysAfterInitiation", rule.abort_days)
        inner.append(_element("AbortIncompleteMultipartUpload", days))
    return _element("Rule", "".join(inner))


def _filter_element(rule: Rule) -> str:
    predicates = [
        "" if rule.prefix is None else _element("Prefix", escape(rule.prefix)),
        *(
            _element("Tag", _element("Key", escape(key)) + _element("Value", escape(value)))
            for key, value in rule.tags
        ),
        _optional("ObjectSizeGreaterThan", rule.larger_than),
        _optional("ObjectSizeLessThan", rule.smaller_than),
    ]
    inner = "".join(predicates)
    return _element("Filter", _element("And", inner) if rule.joined else inner)


def _expiration_element(rule: Rule) -> str:
    if rule.days is not None:
        return _element("Expiration", _element("Days", rule.days))
    if rule.date_s is not None:
        return _element("Expiration", _element("Date", format_iso(rule.date_s)))
    if rule.delete_marker is not None:
        word = "true" if rule.delete_marker else "false"
        return _element("Expiration", _element("ExpiredObjectDeleteMarker", word))
    return ""


def _element(name: str, content: str | int) -> str:
    return f"<{name}>{content}</{name}>"


def _optional(name: str, value: int | None) -> str:
    return "" if value is None else _element(name, value)
