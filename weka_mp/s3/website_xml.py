"""The WebsiteConfiguration document: into a value, with S3's words for what is wrong, and back.

Source: the S3 API reference (PutBucketWebsite, GetBucketWebsite).
"""

from __future__ import annotations

import re
from typing import Final
from xml.etree.ElementTree import Element

from weka_mp.s3.errors import S3Error
from weka_mp.s3.request import MAX_KEY_BYTES
from weka_mp.s3.website import AllElsewhere, Redirect, RoutingRule, Website
from weka_mp.s3.xml_elements import document as written
from weka_mp.s3.xml_read import children, document, text
from weka_mp.s3.xml_text import escape

__all__ = ["MAX_BYTES", "parse_website", "website_configuration"]

MAX_BYTES: Final = 128 * 1024  # S3 API, PutBucketWebsite
_MAX_RULES: Final = 50  # the same
_HOST: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,252})(?::[0-9]{1,5})?", re.ASCII)
_CODES: Final = frozenset(range(301, 400))
_FAILURES: Final = frozenset(range(400, 600))
_MISSING_INDEX: Final = "A value for IndexDocument Suffix must be provided if RedirectAllRequestsTo is empty"

_Found = dict[str, Element]


def parse_website(body: bytes | None) -> Website:
    """Raises S3Error MissingRequestBodyError, MalformedXML, InvalidArgument, InvalidRequest."""
    if not body:
        raise S3Error("MissingRequestBodyError")
    root = document(body, "WebsiteConfiguration", MAX_BYTES)
    found = _fields(root, "ErrorDocument", "IndexDocument", "RedirectAllRequestsTo", "RoutingRules")
    if "RedirectAllRequestsTo" in found:
        if len(found) > 1:
            raise _invalid(
                "RedirectAllRequestsTo cannot be provided in conjunction with other Routing Rules."
            )
        return Website(elsewhere=_elsewhere(found["RedirectAllRequestsTo"]))
    if "IndexDocument" not in found:
        raise _bad_value(_MISSING_INDEX, "IndexDocument", "null")
    error = found.get("ErrorDocument")
    rules = found.get("RoutingRules")
    return Website(
        _index(found["IndexDocument"]), None if error is None else _error_key(error), None,
        () if rules is None else _rules(rules),
    )


def _fields(element: Element, *names: str) -> _Found:
    """Each child by its name. Raises MalformedXML for another, or for one that is there twice."""
    found = children(element, frozenset(names))
    if len({name for name, _ in found}) != len(found):
        raise S3Error("MalformedXML")
    return dict(found)


def _invalid(message: str) -> S3Error:
    return S3Error("InvalidRequest", message)


def _bad_value(message: str, name: str, value: str) -> S3Error:
    return S3Error("InvalidArgument", message, details={"ArgumentName": name, "ArgumentValue": value[:256]})


def _index(element: Element) -> str:
    found = _fields(element, "Suffix")
    suffix = text(found["Suffix"]) if found else ""
    if not suffix:
        raise _bad_value(_MISSING_INDEX, "IndexDocument", "")
    if "/" in suffix or _too_long(suffix):
        raise _bad_value("The IndexDocument Suffix is not well formed", "IndexDocument", suffix)
    return suffix


def _error_key(element: Element) -> str:
    found = _fields(element, "Key")
    key = text(found["Key"]) if found else ""
    if not key or _too_long(key):
        raise _bad_value("The ErrorDocument Key is not well formed", "ErrorDocument", key)
    return key


def _too_long(key: str) -> bool:
    return len(key.encode()) > MAX_KEY_BYTES


def _elsewhere(element: Element) -> AllElsewhere:
    found = _fields(element, "HostName", "Protocol")
    if "HostName" not in found:
        raise S3Error("MalformedXML")
    return AllElsewhere(_host(found["HostName"]), _protocol(found.get("Protocol")))


def _host(element: Element) -> str:
    name = text(element)
    if not name:
        raise S3Error("MalformedXML")
    if _HOST.fullmatch(name) is None:
        raise _invalid(f"The provided host name ({name[:64]}) is not valid.")
    return name


def _protocol(element: Element | None) -> str | None:
    if element is None:
        return None
    protocol = text(element)
    if protocol not in ("http", "https"):
        raise _invalid(
            "Invalid protocol, protocol can be http or https. If not defined the protocol will be selected "
            "automatically."
        )
    return protocol


def _rules(element: Element) -> tuple[RoutingRule, ...]:
    found = children(element, frozenset({"RoutingRule"}))
    if not found:
        raise S3Error("MalformedXML")
    if len(found) > _MAX_RULES:
        raise _invalid(f"{len(found)} routing rules are more than the {_MAX_RULES} that a website may have.")
    return tuple(_rule(rule) for _, rule in found)


def _rule(element: Element) -> RoutingRule:
    found = _fields(element, "Condition", "Redirect")
    if "Redirect" not in found:
        raise S3Error("MalformedXML")
    redirect = _redirect(found["Redirect"])
    if "Condition" not in found:
        return RoutingRule(redirect)
    when = _fields(found["Condition"], "HttpErrorCodeReturnedEquals", "KeyPrefixEquals")
    if not when:
        raise _invalid(
            "Condition cannot be empty. To redirect all requests without a condition, the condition element "
            "shouldn't be present."
        )
    prefix, status = when.get("KeyPrefixEquals"), when.get("HttpErrorCodeReturnedEquals")
    return RoutingRule(
        redirect, "" if prefix is None else text(prefix),
        None if status is None
        else _code(status, _FAILURES, "HTTP error code", "Valid codes are 4XX or 5XX."),
    )


def _redirect(element: Element) -> Redirect:
    found = _fields(
        element, "HostName", "HttpRedirectCode", "Protocol", "ReplaceKeyPrefixWith", "ReplaceKeyWith"
    )
    if not found:
        raise S3Error("MalformedXML")
    host, code = found.get("HostName"), found.get("HttpRedirectCode")
    key, prefix = found.get("ReplaceKeyWith"), found.get("ReplaceKeyPrefixWith")
    if key is not None and prefix is not None:
        raise _invalid("You can only define ReplaceKeyPrefix or ReplaceKey but not both.")
    return Redirect(
        None if host is None else _host(host), _protocol(found.get("Protocol")),
        None if key is None else text(key), None if prefix is None else text(prefix),
        None if code is None
        else _code(code, _CODES, "HTTP redirect code", "Valid codes are 3XX except 300."),
    )


def _code(element: Element, valid: frozenset[int], what: str, which: str) -> int:
    word = text(element)
    if not (word.isascii() and word.isdigit() and len(word) == 3 and int(word) in valid):
        raise _invalid(f"The provided {what} ({word[:32]}) is not valid. {which}")
    return int(word)


# ---- and back
def website_configuration(website: Website) -> bytes:
    """The document of GetBucketWebsite."""
    return written("WebsiteConfiguration", _content(website))


def _element(name: str, value: str | int | None) -> str:
    return "" if value is None else f"<{name}>{escape(str(value))}</{name}>"


def _content(website: Website) -> list[str]:
    all_to = website.elsewhere
    if all_to is not None:
        inner = _element("HostName", all_to.host) + _element("Protocol", all_to.protocol)
        return [f"<RedirectAllRequestsTo>{inner}</RedirectAllRequestsTo>"]
    parts = [f"<IndexDocument>{_element('Suffix', website.index)}</IndexDocument>"]
    if website.error is not None:
        parts.append(f"<ErrorDocument>{_element('Key', website.error)}</ErrorDocument>")
    if website.rules:
        parts.append(f"<RoutingRules>{''.join(map(_written_rule, website.rules))}</RoutingRules>")
    return parts


def _written_rule(rule: RoutingRule) -> str:
    to = rule.redirect
    status = _element("HttpErrorCodeReturnedEquals", rule.status)
    when = status + _element("KeyPrefixEquals", rule.prefix or None)
    where = (
        _element("Protocol", to.protocol) + _element("HostName", to.host)
        + _element("ReplaceKeyPrefixWith", to.prefix) + _element("ReplaceKeyWith", to.key)
        + _element("HttpRedirectCode", to.code)
    )
    condition = f"<Condition>{when}</Condition>" if when else ""
    return f"<RoutingRule>{condition}<Redirect>{where}</Redirect></RoutingRule>"
