"""The document of a bucket's notifications, read and written.

Source: PutBucketNotificationConfiguration in the S3 API reference; "Configuring event notifications using
object key name filtering" in the user guide.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from xml.etree.ElementTree import Element

from weka_mp.notification_rules import EVENTS, KINDS, MAX_RULES, Kind, Rule, overlapping, parse_arn
from weka_mp.s3.errors import S3Error
from weka_mp.s3.xml_elements import document as written
from weka_mp.s3.xml_read import children, document, text
from weka_mp.s3.xml_text import escape

__all__ = ["LIMITS", "bad_destination", "notification_document", "notification_rules"]

LIMITS: Final = {"PutBucketNotificationConfiguration": 1024 * 1024}
_MAX_ID: Final = 255  # characters
_MAX_VALUE: Final = 1024  # bytes
_EVENT_BRIDGE: Final = "EventBridgeConfiguration"
_KINDS: Final = {kind.element: kind for kind in KINDS}
_NAMES: Final = ("Prefix", "Suffix")


def _invalid(message: str, name: str, value: str) -> S3Error:
    return S3Error(
        "InvalidArgument", message, details={"ArgumentName": name, "ArgumentValue": value[:_MAX_VALUE]}
    )


def bad_destination(arn: str, why: str) -> S3Error:
    """What AWS says of a destination that cannot be told anything."""
    return _invalid("Unable to validate the following destination configurations", arn, why)


def notification_rules(body: bytes | None) -> tuple[Rule, ...]:
    """Raises S3Error MissingRequestBodyError, MalformedXML, InvalidArgument, NotImplemented (EventBridge)."""
    if not body:
        raise S3Error("MissingRequestBodyError")
    limit = LIMITS["PutBucketNotificationConfiguration"]
    root = document(body, "NotificationConfiguration", limit)
    found = children(root, frozenset({*_KINDS, _EVENT_BRIDGE}))
    if any(name == _EVENT_BRIDGE for name, _ in found):
        raise S3Error(
            "NotImplemented",
            "What you provided implies functionality that is not implemented: Amazon EventBridge. "
            "Name a target of this service.",
            details={"Element": _EVENT_BRIDGE},
        )
    if len(found) > MAX_RULES:
        message = f"A bucket has at most {MAX_RULES} rules"
        raise _invalid(message, "NotificationConfiguration", str(len(found)))
    rules = tuple(_rule(_KINDS[name], element) for name, element in found)
    _check_together(rules)
    return rules


def _check_together(rules: Sequence[Rule]) -> None:
    named = [rule.id for rule in rules if rule.id]
    for name in named:
        if named.count(name) > 1:
            raise _invalid("Same ID used for multiple configurations. IDs must be unique", "Id", name)
    event = overlapping(rules)
    if event is not None:
        raise _invalid(
            "Configurations overlap. Configurations on the same bucket cannot share a common event type.",
            "Event", event,
        )


def _rule(kind: Kind, element: Element) -> Rule:
    found = children(element, frozenset({"Id", "Event", "Filter", kind.destination}))
    arn = _only(found, kind.destination)
    if arn is None or not text(arn).strip():
        raise S3Error("MalformedXML")
    events = tuple(text(one).strip() for name, one in found if name == "Event")
    if not events:
        raise S3Error("MalformedXML")
    for event in events:
        if event not in EVENTS:
            raise _invalid("The event is not supported for notifications", "Event", event)
    label = _only(found, "Id")
    name = "" if label is None else text(label)
    if len(name) > _MAX_ID:
        raise _invalid(f"ID length should not exceed allowed limit of {_MAX_ID}", "Id", name)
    named = parse_arn(text(arn).strip())
    if named is None or named.kind is not kind:
        raise bad_destination(text(arn).strip(), "The ARN is not well formed")
    prefix, suffix = _filter(_only(found, "Filter"))
    return Rule(
        name, kind.element, text(arn).strip(), named.name, tuple(dict.fromkeys(events)), prefix, suffix
    )


def _only(found: Sequence[tuple[str, Element]], name: str) -> Element | None:
    """The only element of the name, None without one. Raises MalformedXML for several."""
    elements = [element for other, element in found if other == name]
    if len(elements) > 1:
        raise S3Error("MalformedXML")
    return elements[0] if elements else None


def _filter(element: Element | None) -> tuple[str | None, str | None]:
    """Prefix and suffix."""
    if element is None:
        return None, None
    inner = _only(children(element, frozenset({"S3Key"})), "S3Key")
    values: dict[str, str] = {}
    for _, rule in [] if inner is None else children(inner, frozenset({"FilterRule"})):
        parts = children(rule, frozenset({"Name", "Value"}))
        name, value = _only(parts, "Name"), _only(parts, "Value")
        if name is None or value is None:
            raise S3Error("MalformedXML")
        spelt, wanted = text(name).strip().capitalize(), text(value)
        if spelt not in _NAMES:
            raise _invalid(
                "filter rule name must be either prefix or suffix", "FilterRule.Name", text(name)
            )
        if spelt in values:
            raise _invalid(
                f"Cannot specify more than one {spelt.lower()} rule in a filter.", "FilterRule.Name", spelt
            )
        if len(wanted.encode()) > _MAX_VALUE:
            raise _invalid(
                f"Size of filter rule value cannot exceed {_MAX_VALUE} bytes in UTF-8 representation",
                "FilterRule.Value", wanted,
            )
        values[spelt] = wanted
    return values.get("Prefix"), values.get("Suffix")


def notification_document(rules: Sequence[Rule]) -> bytes:
    """The rules as they were put, kind by kind."""
    return written("NotificationConfiguration", [
        _element(kind, rule) for kind in KINDS for rule in rules if rule.kind == kind.element
    ])


def _element(kind: Kind, rule: Rule) -> str:
    events = "".join(f"<Event>{event}</Event>" for event in rule.events)
    return (
        f"<{kind.element}><Id>{escape(rule.id)}</Id>"
        f"<{kind.destination}>{escape(rule.arn)}</{kind.destination}>{events}{_shown_filter(rule)}"
        f"</{kind.element}>"
    )


def _shown_filter(rule: Rule) -> str:
    wanted = zip(_NAMES, (rule.prefix, rule.suffix), strict=True)
    rules = "".join(
        f"<FilterRule><Name>{name}</Name><Value>{escape(value)}</Value></FilterRule>"
        for name, value in wanted
        if value is not None
    )
    return f"<Filter><S3Key>{rules}</S3Key></Filter>" if rules else ""
