"""The documents about what a bucket is, into values: CORSConfiguration, VersioningConfiguration,
AccessControlPolicy, and those of which only what is so anyway is taken.

Source: the request syntaxes of the S3 API reference.
"""

from __future__ import annotations

from typing import Final
from xml.etree.ElementTree import Element

from weka_mp.s3.acl_requests import (
    AskedAcl,
    acl_in_document,
    acl_in_headers,
    ownership_in_document,
)
from weka_mp.s3.cors import METHODS, CorsRule, is_header_pattern
from weka_mp.s3.errors import S3Error
from weka_mp.s3.logging_xml import MAX_BYTES as MAX_LOGGING_BYTES
from weka_mp.s3.request import Headers
from weka_mp.s3.website_xml import MAX_BYTES as MAX_WEBSITE_BYTES
from weka_mp.s3.xml_read import children, document, number, text

__all__ = [
    "LIMITS", "asked_acl", "cors_rules", "ownership", "require_no_acceleration", "require_owner_pays",
    "versioning_status",
]

_KIB: Final = 1024
LIMITS: Final = {
    "PutBucketCors": 64 * _KIB,  # S3 API, PutBucketCors
    "PutBucketAcl": 64 * _KIB,
    "PutObjectAcl": 64 * _KIB,
    "PutBucketAccelerateConfiguration": 8 * _KIB,
    "PutBucketLogging": MAX_LOGGING_BYTES,
    "PutBucketOwnershipControls": 8 * _KIB,
    "PutBucketRequestPayment": 8 * _KIB,
    "PutBucketWebsite": MAX_WEBSITE_BYTES,
    "PutBucketVersioning": 8 * _KIB,
}
"""Operations of this module and the most bytes that their documents may have."""

_MAX_RULES: Final = 100
_MAX_ID: Final = 255
_RULE_LISTS: Final = ("AllowedOrigin", "AllowedMethod", "AllowedHeader", "ExposeHeader")
_RULE_ELEMENTS: Final = frozenset({*_RULE_LISTS, "MaxAgeSeconds", "ID"})


def _root(operation: str, name: str, body: bytes | None) -> Element:
    if not body:
        raise S3Error("MissingRequestBodyError")
    return document(body, name, LIMITS[operation])


def _one(found: list[tuple[str, Element]], name: str) -> Element | None:
    """The only element of the name, None without one. Raises MalformedXML for several."""
    elements = [element for other, element in found if other == name]
    if len(elements) > 1:
        raise S3Error("MalformedXML")
    return elements[0] if elements else None


def _unbuilt(what: str) -> S3Error:
    return S3Error(
        "NotImplemented", f"What you provided implies functionality that is not implemented: {what}",
        details={"Element": what},
    )


# ---- CORS
def cors_rules(body: bytes | None) -> tuple[CorsRule, ...]:
    """Raises S3Error MissingRequestBodyError, MalformedXML, InvalidRequest."""
    found = children(_root("PutBucketCors", "CORSConfiguration", body), frozenset({"CORSRule"}))
    if not 1 <= len(found) <= _MAX_RULES:
        raise S3Error("MalformedXML")
    return tuple(_cors_rule(element) for _, element in found)


def _cors_rule(element: Element) -> CorsRule:
    found = children(element, _RULE_ELEMENTS)
    origins, methods, headers, exposed = (
        tuple(text(value) for name, value in found if name == wanted) for wanted in _RULE_LISTS
    )
    if not origins or not methods:
        raise S3Error("MalformedXML")
    for method in methods:
        if method not in METHODS:
            message = f"Found unsupported HTTP method in CORS config. Unsupported method is {method[:32]}"
            raise S3Error("InvalidRequest", message)
    for kind, patterns in (("AllowedOrigin", origins), ("AllowedHeader", headers)):
        for pattern in patterns:
            if pattern.count("*") > 1:
                message = f'{kind} "{pattern[:256]}" can not have more than one wildcard.'
                raise S3Error("InvalidRequest", message)
    if any("*" in name for name in exposed):
        raise S3Error(
            "InvalidRequest",
            f'ExposeHeader "{next(name for name in exposed if "*" in name)[:256]}" contains wildcard. We '
            "currently do not support wildcard for ExposeHeader.",
        )
    for kind, patterns in (("AllowedHeader", headers), ("ExposeHeader", exposed)):
        for pattern in patterns:
            if not is_header_pattern(pattern):
                raise S3Error("InvalidRequest", f'{kind} "{pattern[:256]}" contains invalid character.')
    if not all(map(_is_field_text, origins)):
        raise S3Error("MalformedXML")
    age, name = _one(found, "MaxAgeSeconds"), _one(found, "ID")
    seconds = None if age is None else number(age, signed=True)  # S3 takes negative ones
    if seconds is not None and not -(1 << 31) <= seconds < 1 << 31:
        raise S3Error("MalformedXML")
    label = None if name is None else text(name)
    if label is not None and len(label) > _MAX_ID:
        raise S3Error("InvalidArgument", details={"ArgumentName": "ID", "ArgumentValue": label})
    return CorsRule(origins, methods, headers, exposed, seconds, label)


def _is_field_text(word: str) -> bool:
    """Whether it may stand in a header of an answer, where it could otherwise begin another."""
    return word != "" and word.isascii() and word.isprintable()


# ---- versioning
def versioning_status(body: bytes | None) -> str:
    """``Enabled`` or ``Suspended``. Raises S3Error MissingRequestBodyError, MalformedXML,
    IllegalVersioningConfigurationException (no Status), NotImplemented (deletions by a second factor).
    """
    found = children(
        _root("PutBucketVersioning", "VersioningConfiguration", body), frozenset({"Status", "MfaDelete"})
    )
    status, second = _one(found, "Status"), _one(found, "MfaDelete")
    if second is not None and text(second) not in ("Enabled", "Disabled"):
        raise S3Error("MalformedXML")
    if status is None:
        message = "The Versioning element must be specified"
        raise S3Error("IllegalVersioningConfigurationException", message)
    if text(status) not in ("Enabled", "Suspended"):
        raise S3Error("MalformedXML")
    if second is not None and text(second) == "Enabled":
        raise _unbuilt("MfaDelete")
    return text(status)


# ---- ACL
def asked_acl(operation: str, headers: Headers, body: bytes | None, *, of_bucket: bool) -> AskedAcl:
    """What a PutBucketAcl or PutObjectAcl asks for, in headers or in a document. Raises S3Error
    MissingSecurityHeader (neither), UnexpectedContent (both), MalformedACLError, InvalidArgument.
    """
    asked = acl_in_headers(headers, of_bucket=of_bucket)
    if asked is None:
        if not body:
            raise S3Error("MissingSecurityHeader", details={"MissingHeaderName": "x-amz-acl"})
        return acl_in_document(body, LIMITS[operation])
    if body:
        raise S3Error("UnexpectedContent")
    return asked


def ownership(body: bytes | None) -> str:
    """See `ownership_in_document`."""
    return ownership_in_document(body, LIMITS["PutBucketOwnershipControls"])


# ---- what is so anyway
def require_owner_pays(body: bytes | None) -> None:
    """Raises S3Error MalformedXML, and NotImplemented where the requester is to pay."""
    found = children(
        _root("PutBucketRequestPayment", "RequestPaymentConfiguration", body), frozenset({"Payer"})
    )
    payer = _one(found, "Payer")
    if payer is None or text(payer) not in ("BucketOwner", "Requester"):
        raise S3Error("MalformedXML")
    if text(payer) == "Requester":
        raise _unbuilt("Payer")


def require_no_acceleration(body: bytes | None) -> None:
    """Raises S3Error MalformedXML, and NotImplemented where it is to be enabled."""
    found = children(
        _root("PutBucketAccelerateConfiguration", "AccelerateConfiguration", body), frozenset({"Status"})
    )
    status = _one(found, "Status")
    if status is None or text(status) not in ("Enabled", "Suspended"):
        raise S3Error("MalformedXML")
    if text(status) == "Enabled":
        raise _unbuilt("AccelerateConfiguration")
