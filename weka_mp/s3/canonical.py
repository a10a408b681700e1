"""The canonical request of Signature Version 4, as S3 builds it.

Source: "Create a canonical request" (IAM user guide) with S3's exceptions: the path is encoded once and never
normalised ("//", "." and ".." stay). Whatever a client left unencoded or encoded needlessly on the wire, both
sides sign the same form: decode each escape, then encode every byte except unreserved ones and "/".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final
from urllib.parse import quote_from_bytes, unquote_to_bytes

from weka_mp.s3.request import Headers

__all__ = [
    "canonical_header_value", "canonical_headers", "canonical_path", "canonical_query",
    "split_signed_headers",
]

# What needs no work, nearly everything that SDKs send: unreserved bytes and upper-case escapes of bytes that
# must be escaped (an escaped "/" only in a query).
_ESCAPE: Final = rb"%(?:[01][0-9A-F]|2[0-9A-C]|3[A-F]|40|5[B-E]|60|7[BCDF]|[89A-F][0-9A-F])"
_COMPONENT: Final = rb"(?:[A-Za-z0-9\-._~]++|" + _ESCAPE + rb"|%2F)"
_CANONICAL_PATH: Final = re.compile(rb"/(?:[A-Za-z0-9\-._~/]++|" + _ESCAPE + rb")*+")
_PARAMETER: Final = _COMPONENT + rb"++(?:=" + _COMPONENT + rb"*+)?"
_CANONICAL_PARAMETERS: Final = re.compile(_PARAMETER + rb"(?:&" + _PARAMETER + rb")*+")
_SPACES: Final = re.compile(r"[ \t]+")
_UNRESERVED_BEYOND_QUOTE: Final = "~"


def canonical_path(raw_path: bytes) -> str:
    """The canonical URI of a path as sent; the empty path is "/"."""
    if not raw_path:
        return "/"
    if _CANONICAL_PATH.fullmatch(raw_path):
        return raw_path.decode("ascii")
    return quote_from_bytes(unquote_to_bytes(raw_path), safe="/" + _UNRESERVED_BEYOND_QUOTE)


def _canonical_component(raw: bytes) -> str:
    if b"%" in raw or b"+" in raw:
        raw = unquote_to_bytes(raw.replace(b"+", b" "))
    return quote_from_bytes(raw, safe=_UNRESERVED_BEYOND_QUOTE)


def canonical_query(raw_query: bytes, without: str | None = None) -> str:
    """Parameters sorted by encoded name, then encoded value; without: a name to leave out."""
    if not raw_query:
        return ""
    if _CANONICAL_PARAMETERS.fullmatch(raw_query):
        pieces = [piece.partition("=") for piece in raw_query.decode("ascii").split("&")]
        pairs = [(name, value) for name, _, value in pieces]
    else:
        raw_pieces = [piece.partition(b"=") for piece in raw_query.split(b"&") if piece]
        pairs = [(_canonical_component(name), _canonical_component(value)) for name, _, value in raw_pieces]
    pairs.sort()
    return "&".join([f"{name}={value}" for name, value in pairs if name != without])


def canonical_header_value(value: str) -> str:
    """Ends trimmed, runs of blanks inside folded to one space."""
    value = value.strip(" \t")
    if "  " in value or "\t" in value:
        return _SPACES.sub(" ", value)
    return value


@lru_cache(maxsize=256)
def split_signed_headers(text: str) -> tuple[str, ...]:
    """Lower-case names of a ``SignedHeaders`` list, sorted. Cached: a client sends the same few lists."""
    return tuple(sorted({name for name in text.lower().split(";") if name}))


def canonical_headers(headers: Headers, names: Sequence[str], host: str | None) -> str:
    """One ``name:value`` line for each signed name; values of a repeated header are joined by commas.

    host replaces the Host header's value when given. A signed header that did not arrive counts as empty,
    except Expect, which proxies consume and which has one value only.
    """
    values: dict[str, str] = {}
    for name, value in headers.items():
        if name in names:
            folded = canonical_header_value(value)
            values[name] = f"{values[name]},{folded}" if name in values else folded
    if host is not None:
        values["host"] = host
    if "expect" in names:
        values.setdefault("expect", "100-continue")
    return "".join([f"{name}:{values.get(name, '')}\n" for name in names])
