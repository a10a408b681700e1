"""What clients ask for with ACLs, in headers and documents, and whose objects are to be. Nothing is resolved.

Source: S3 user guide, «Access control list (ACL) overview», and the request syntaxes of the S3 API reference.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Final
from xml.etree.ElementTree import Element

from weka_mp.acl import FULL_CONTROL, MAX_GRANTS, OWNERSHIPS, RIGHTS
from weka_mp.s3.errors import S3Error
from weka_mp.s3.request import Headers
from weka_mp.s3.xml_read import children, document, text

__all__ = [
    "ACL_HEADERS", "BUCKET_OWNER_FULL_CONTROL", "OWNERSHIP", "AskedAcl", "AskedGrant",
    "GranteeKind", "acl_in_document", "acl_in_headers", "ownership_in_document", "ownership_in_headers",
]  # fmt: skip

BUCKET_OWNER_FULL_CONTROL: Final = "bucket-owner-full-control"
_OF_OBJECTS: Final = frozenset({
    "private", "public-read", "public-read-write", "authenticated-read", "aws-exec-read", "bucket-owner-read",
    BUCKET_OWNER_FULL_CONTROL,
})
_OF_BUCKETS: Final = _OF_OBJECTS | {"log-delivery-write"}
_CANNED: Final = "x-amz-acl"
_GRANTS: Final = {
    "x-amz-grant-read": "READ", "x-amz-grant-write": "WRITE", "x-amz-grant-read-acp": "READ_ACP",
    "x-amz-grant-write-acp": "WRITE_ACP", "x-amz-grant-full-control": FULL_CONTROL,
}  # fmt: skip
ACL_HEADERS: Final = (_CANNED, *_GRANTS)
OWNERSHIP: Final = "x-amz-object-ownership"
_GRANTEE: Final = re.compile(
    r"\s*(id|uri|emailaddress)\s*=\s*(?:\"([^\"]*)\"|([^\",\s]+))\s*(?:,|\Z)", re.IGNORECASE
)
_TYPE: Final = "{http://www.w3.org/2001/XMLSchema-instance}type"


class GranteeKind(Enum):
    """How a request names whom it grants something; the values are those of ``xsi:type``."""

    ID = "CanonicalUser"
    EMAIL = "AmazonCustomerByEmail"
    GROUP = "Group"


_BY_WORD: Final = {"id": GranteeKind.ID, "uri": GranteeKind.GROUP, "emailaddress": GranteeKind.EMAIL}
_BY_ELEMENT: Final = {"ID": GranteeKind.ID, "URI": GranteeKind.GROUP, "EmailAddress": GranteeKind.EMAIL}


@dataclass(frozen=True, slots=True)
class AskedGrant:
    """grantee: as sent. right: one of `acl.RIGHTS`."""

    kind: GranteeKind
    grantee: str
    right: str


@dataclass(frozen=True, slots=True)
class AskedAcl:
    """canned: the name; None where grants are listed. owner: whom the document names as owner, as sent."""

    canned: str | None = None
    grants: tuple[AskedGrant, ...] = ()
    owner: str | None = None


def _invalid(header: str, value: str, message: str | None = None) -> S3Error:
    return S3Error("InvalidArgument", message, details={"ArgumentName": header, "ArgumentValue": value})


def acl_in_headers(headers: Headers, *, of_bucket: bool = False) -> AskedAcl | None:
    """None where no header speaks of one. Raises S3Error InvalidArgument, InvalidRequest (both ways)."""
    canned = headers.get(_CANNED)
    if canned is not None and any(header in headers for header in _GRANTS):
        raise S3Error("InvalidRequest", "Specifying both Canned ACLs and Header Grants is not allowed")
    grants = tuple(
        grant for header, right in _GRANTS.items() for value in headers.get_all(header)
        for grant in _header_grants(header, value, right)
    )  # fmt: skip
    if canned is None:
        return AskedAcl(None, _limited(grants)) if grants else None
    if canned not in (_OF_BUCKETS if of_bucket else _OF_OBJECTS):
        raise _invalid(_CANNED, canned)
    return AskedAcl(canned)


def _header_grants(header: str, value: str, right: str) -> list[AskedGrant]:
    """``id="…", uri="…", emailAddress="…"``, quoted or not."""
    grants, at = [], 0
    while at < len(value):
        found = _GRANTEE.match(value, at)
        if found is None:
            raise _invalid(header, value, "Argument format not recognized")
        grants.append(AskedGrant(_BY_WORD[found[1].lower()], found[2] or found[3] or "", right))
        at = found.end()
    if not grants:
        raise _invalid(header, value, "Argument format not recognized")
    return grants


def _limited(grants: tuple[AskedGrant, ...]) -> tuple[AskedGrant, ...]:
    if len(grants) > MAX_GRANTS:
        raise S3Error("MalformedACLError")
    return grants


def acl_in_document(body: bytes, limit: int) -> AskedAcl:
    """Of an AccessControlPolicy. Raises S3Error MalformedACLError."""
    try:
        # Each grantee declares that of its type.
        most = 2 * MAX_GRANTS
        root = document(body, "AccessControlPolicy", limit, most_namespaces=most)
        found = dict(_once(children(root, frozenset({"Owner", "AccessControlList"}))))
        listed = children(found["AccessControlList"], frozenset({"Grant"}))
        grants = tuple(_grant(element) for _, element in listed)
        named = {
            name: text(element).strip()
            for name, element in _once(children(found["Owner"], frozenset({"ID", "DisplayName"})))
        }
        owner = named["ID"]
    except (S3Error, KeyError) as error:
        raise S3Error("MalformedACLError") from error
    return AskedAcl(None, _limited(grants), owner)


def _once(found: list[tuple[str, Element]]) -> list[tuple[str, Element]]:
    if len(dict(found)) != len(found):
        raise S3Error("MalformedXML")
    return found


def _grant(element: Element) -> AskedGrant:
    """Raises S3Error MalformedXML, KeyError."""
    found = dict(_once(children(element, frozenset({"Grantee", "Permission"}))))
    grantee, right = found["Grantee"], text(found["Permission"]).strip()
    told = _once(children(grantee, frozenset({*_BY_ELEMENT, "DisplayName"})))
    named = [(name, text(element).strip()) for name, element in told]
    names = [(_BY_ELEMENT[name], value) for name, value in named if name in _BY_ELEMENT]
    declared = grantee.get(_TYPE)
    if len(names) != 1 or right not in RIGHTS or declared not in (None, names[0][0].value):
        raise S3Error("MalformedXML")
    return AskedGrant(*names[0], right)


def ownership_in_headers(headers: Headers) -> str | None:
    """None where none is asked for. Raises S3Error InvalidArgument."""
    value = headers.get(OWNERSHIP)
    if value is not None and value not in OWNERSHIPS:
        raise _invalid(OWNERSHIP, value, f"Invalid {OWNERSHIP} header: {value}")
    return value


def ownership_in_document(body: bytes | None, limit: int) -> str:
    """Of OwnershipControls, one of `acl.OWNERSHIPS`. Raises S3Error MissingRequestBodyError, MalformedXML."""
    if not body:
        raise S3Error("MissingRequestBodyError")
    rules = children(document(body, "OwnershipControls", limit), frozenset({"Rule"}))
    if len(rules) != 1:
        raise S3Error("MalformedXML")
    found = children(rules[0][1], frozenset({"ObjectOwnership"}))
    if len(found) != 1 or text(found[0][1]) not in OWNERSHIPS:
        raise S3Error("MalformedXML")
    return text(found[0][1])
