"""What a client asked for, before anything is known about S3 operations: headers, target, bucket and key.

Rules: RFC 9112 section 3.2 (request targets), RFC 3986 section 2.1 (percent-encoding), and "Virtual hosting
of general purpose buckets" and "General purpose bucket naming rules" of the Amazon S3 user guide.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import unquote_to_bytes

from weka_mp.bucket_names import is_bucket_name, is_new_bucket_name
from weka_mp.s3.errors import S3Error
from weka_mp.values import BucketName, ObjectKey

__all__ = [
    "MAX_KEY_BYTES", "Address", "Headers", "S3Request", "address", "check_bucket_name", "decode_key",
    "is_field_name", "require_bucket_name", "require_header", "website_bucket", "website_host",
]

MAX_KEY_BYTES: Final = 1024  # bytes of UTF-8, S3's limit of a key

_BAD_PERCENT: Final = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_ABSOLUTE_FORM: Final = re.compile(rb"https?://([^/?#]*)", re.IGNORECASE)
_LEGACY_BUCKET_NAME: Final = re.compile(r"[A-Za-z0-9._-]{3,255}", re.ASCII)
_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)


class Headers:
    """Immutable multimap of header fields; names compare without case, values are latin-1, order is kept.

    Latin-1 maps each byte to one character, so no byte a client sent is lost and signatures can be checked.
    """

    __slots__ = ("_first", "_items")

    def __init__(self, fields: Iterable[tuple[str | bytes, str | bytes]] = ()) -> None:
        self._items: tuple[tuple[str, str], ...] = tuple(
            (
                (name.decode("latin-1") if isinstance(name, bytes) else name).lower(),
                value.decode("latin-1") if isinstance(value, bytes) else value,
            )
            for name, value in fields
        )
        # Reversed, so that the first value of a repeated name is the one that stays.
        self._first: dict[str, str] = dict(reversed(self._items))

    @classmethod
    def of_lines(cls, lines: Iterable[str]) -> Headers:
        """From header lines ``Name: value`` whose grammar was checked; for the parser of heads."""
        headers = cls.__new__(cls)
        parts = [line.partition(":") for line in lines]
        headers._items = tuple([(name.lower(), value.strip(" \t")) for name, _, value in parts])
        headers._first = dict(reversed(headers._items))
        return headers

    def get(self, name: str) -> str | None:
        """The first value of the header, or None."""
        return self._first.get(name) or self._first.get(name.lower())

    def get_all(self, name: str) -> list[str]:
        """Every value of the header in the order sent; empty when there is none."""
        wanted = name.lower()
        return [value for known, value in self._items if known == wanted]

    def items(self) -> tuple[tuple[str, str], ...]:
        """All fields as (lower-case name, value) in the order sent."""
        return self._items

    def __contains__(self, name: str) -> bool:
        return name.lower() in self._first

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Headers) and self._items == other._items

    def __hash__(self) -> int:
        return hash(self._items)

    def __repr__(self) -> str:
        # Names only: values hold credentials, and a repr ends up in logs.
        return f"Headers({', '.join(name for name, _ in self._items)})"


def is_field_name(name: str) -> bool:
    """Whether it can be the name of a header (RFC 9110, 5.1: a token)."""
    return _TOKEN.fullmatch(name) is not None


def require_header(name: str, value: str) -> None:
    """Refuse what no header could say but a query or a form can: it may be stored and come back as a header
    of another response. Raises S3Error InvalidArgument."""
    if not is_field_name(name) or any(character in value for character in "\r\n\0"):
        raise S3Error("InvalidArgument", details={"ArgumentName": name, "ArgumentValue": value})


@dataclass(frozen=True, slots=True)
class S3Request:
    """One request head.

    method:    as sent (upper case for every known method).
    raw_path:  the target's path exactly as sent, without the query; of an absolute-form target its path.
    raw_query: what follows the first '?' exactly as sent; empty when there is none.
    query:     decoded pairs in order; a name without '=' has the value ''.
    authority: host[:port] of an absolute-form target, which outweighs the Host header (RFC 9112, 3.2.2).
    """

    method: str
    raw_path: bytes
    raw_query: bytes
    query: tuple[tuple[str, str], ...]
    headers: Headers
    authority: str | None = None

    @classmethod
    def from_target(cls, method: str, target: bytes, headers: Headers) -> S3Request:
        """Split and decode a request target.

        Raises S3Error InvalidURI, also for the forms that mean nothing to S3 (asterisk, authority, other
        schemes) and for a fragment, which no request has and intermediaries cut off or keep as they like.
        """
        if b"#" in target:
            raise _invalid_uri(target)
        authority = None
        if not target.startswith(b"/"):
            authority, target = _split_absolute_form(target)
        raw_path, _, raw_query = target.partition(b"?")
        query = _decode_query(raw_query) if raw_query else ()
        return cls(method, raw_path, raw_query, query, headers, authority)

    def query_value(self, name: str) -> str | None:
        """The first value of a query parameter, or None."""
        for known, value in self.query:
            if known == name:
                return value
        return None

    def has_query(self, name: str) -> bool:
        """Whether the parameter is there, with or without a value."""
        return any(known == name for known, _ in self.query)


@dataclass(frozen=True, slots=True)
class Address:
    """Where a request goes. bucket is None for the service itself; key is None for the bucket itself."""

    bucket: BucketName | None
    key: ObjectKey | None
    virtual_hosted: bool


def _invalid_uri(target: bytes) -> S3Error:
    return S3Error("InvalidURI", details={"URI": target.decode("latin-1")})


def _split_absolute_form(target: bytes) -> tuple[str, bytes]:
    found = _ABSOLUTE_FORM.match(target)
    if found is None:
        raise _invalid_uri(target)
    rest = target[found.end():]
    return found.group(1).decode("latin-1"), rest if rest.startswith(b"/") else b"/" + rest


def _percent_decode(raw: bytes) -> bytes:
    if b"%" not in raw:
        return raw
    if _BAD_PERCENT.search(raw):
        raise S3Error("InvalidURI")
    return unquote_to_bytes(raw)


def _decode_text(raw: bytes) -> str:
    try:
        return _percent_decode(raw).decode("utf-8")
    except UnicodeDecodeError as error:
        raise S3Error("InvalidURI") from error


def _decode_query(raw: bytes) -> tuple[tuple[str, str], ...]:
    """Pairs of a query string; '+' means a space, as in HTML forms and as S3 reads it."""
    pairs = []
    for piece in raw.replace(b"+", b" ").split(b"&"):
        if piece:
            name, _, value = piece.partition(b"=")
            pairs.append((_decode_text(name), _decode_text(value)))
    return tuple(pairs)


def decode_key(raw: bytes) -> ObjectKey:
    """The key that a percent-encoded path names, byte for byte: '//', '.' and '..' mean themselves.

    Raises S3Error InvalidURI (bad percent sign, not UTF-8) or KeyTooLongError.
    """
    key = _percent_decode(raw)
    if not key.isascii():
        try:
            key.decode("utf-8")
        except UnicodeDecodeError as error:
            raise S3Error("InvalidURI") from error
    if len(key) > MAX_KEY_BYTES:
        sizes = {"Size": str(len(key)), "MaxSizeAllowed": str(MAX_KEY_BYTES)}
        raise S3Error("KeyTooLongError", details=sizes)
    return ObjectKey(key)


def _host_name(request: S3Request) -> str:
    host = request.authority if request.authority is not None else request.headers.get("host") or ""
    if host.startswith("["):  # an IPv6 literal is never a bucket's host
        return ""
    return host.partition(":")[0].rstrip(".").lower()


def _domain_of_host(host: str, domains: tuple[str, ...]) -> str | None:
    """The longest of the domains that the host is, or lies in."""
    fitting = (domain for domain in domains if host == domain or host.endswith("." + domain))
    return max(fitting, key=len, default=None)


def _bucket_of_host(host: str, domains: tuple[str, ...]) -> BucketName | None:
    """The bucket in a Host of the form bucket.domain."""
    domain = _domain_of_host(host, domains)
    bucket = "" if domain is None else host[: -len(domain) - 1]
    return BucketName(bucket) if bucket else None


def website_bucket(
    request: S3Request, websites: tuple[str, ...], domains: tuple[str, ...]
) -> BucketName | None:
    """The bucket whose website is asked for, empty where none is named; None: it is a request of the API.

    websites, domains: lower-case host names of websites and of the endpoint; the longest that matches
    decides what a Host is.
    """
    host = _host_name(request)
    domain = _domain_of_host(host, websites)
    if domain is None or len(domain) < len(_domain_of_host(host, domains) or ""):
        return None
    return BucketName(host[: -len(domain) - 1])


def website_host(request: S3Request) -> str:
    """Name and port under which a website was asked for, as a redirection may say them again."""
    said = request.authority if request.authority is not None else request.headers.get("host") or ""
    port = said.partition(":")[2]
    name = _host_name(request)
    return f"{name}:{port}" if port.isascii() and port.isdigit() and len(port) <= 5 else name


def address(request: S3Request, domains: tuple[str, ...]) -> Address:
    """Bucket and key of a request, path style or virtual-hosted style.

    domains: lower-case host names of the endpoint (``--domain``); a Host under none of them is path style.
    Raises S3Error InvalidURI, InvalidBucketName (an empty one) or KeyTooLongError.
    """
    rest = request.raw_path[1:]
    if domains:
        bucket = _bucket_of_host(_host_name(request), domains)
        if bucket is not None:
            return Address(bucket, decode_key(rest) if rest else None, True)
    if not rest:
        return Address(None, None, False)
    raw_bucket, _, raw_key = rest.partition(b"/")
    if not raw_bucket:
        raise S3Error("InvalidBucketName", details={"BucketName": ""})
    return Address(BucketName(_decode_text(raw_bucket)), decode_key(raw_key) if raw_key else None, False)


def check_bucket_name(name: str) -> None:
    """Refuse a name that no new bucket may have. Raises S3Error InvalidBucketName."""
    if not is_new_bucket_name(name):
        raise S3Error("InvalidBucketName", details={"BucketName": name})


def require_bucket_name(name: str) -> None:
    """Refuse a name that no existing bucket has.

    Names that S3 once allowed (upper case, underscores, up to 255) are well-formed, so nothing but the bucket
    is missing: NoSuchBucket. Others raise InvalidBucketName, as S3 does.
    """
    if not is_bucket_name(name):
        code = "NoSuchBucket" if _LEGACY_BUCKET_NAME.fullmatch(name) else "InvalidBucketName"
        raise S3Error(code, details={"BucketName": name})
