"""A bucket as a website: its configuration, which rule of it fits a request, and where a redirection leads.

Source: the S3 user guide («Hosting a static website using Amazon S3», «Configuring a webpage redirect») and
the S3 API reference (PutBucketWebsite).

Where a redirection leads is never the visitor's choice: a path that they sent is written so that no browser
takes its beginning for a host, and nothing that is stored or sent ends a header.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import quote_from_bytes

__all__ = [
    "AllElsewhere", "Redirect", "RoutingRule", "Website", "dump_website", "elsewhere_location", "key_path",
    "load_website", "matching_rule", "rule_location", "stored_location",
]  # fmt: skip

_PATH: Final = "/-._~!$&'()*+,;=:@"
_URL: Final = "%" + _PATH + "?#[]"
"""What stays as it is in text that an owner wrote as part of a URL; the rest is percent-encoded."""


@dataclass(frozen=True, slots=True)
class AllElsewhere:
    """Every request is sent to another host. protocol: ``http`` or ``https``; None: that of the request."""

    host: str
    protocol: str | None = None


@dataclass(frozen=True, slots=True)
class Redirect:
    """Where a rule leads; None: as it was asked for. key: in the place of the whole key, prefix: of the part
    of it that the rule's condition names; one of them at most. code: 3xx; None: 301.
    """

    host: str | None = None
    protocol: str | None = None
    key: str | None = None
    prefix: str | None = None
    code: int | None = None


@dataclass(frozen=True, slots=True)
class RoutingRule:
    """prefix: of keys for which it holds, empty: all. status: it holds once an answer would be this error;
    None: before anything is looked for.
    """

    redirect: Redirect
    prefix: str = ""
    status: int | None = None

    def fits(self, key: bytes, status: int | None) -> bool:
        return self.status == status and key.startswith(self.prefix.encode())


@dataclass(frozen=True, slots=True)
class Website:
    """As it was put. index: what is appended to a path that ends in a slash. error: key of the page that goes
    with errors. elsewhere: the only one that is set, if it is.
    """

    index: str = ""
    error: str | None = None
    elsewhere: AllElsewhere | None = None
    rules: tuple[RoutingRule, ...] = ()


def matching_rule(rules: Iterable[RoutingRule], key: bytes, status: int | None) -> RoutingRule | None:
    """The first rule for the key and, where an answer would be an error, for its status."""
    return next((rule for rule in rules if rule.fits(key, status)), None)


# ---- where to
def key_path(key: bytes) -> str:
    """The path at which a key is found. Two slashes at its beginning would be the name of a host (RFC 3986,
    4.2), and browsers take a backslash for a slash.
    """
    return _no_host("/" + quote_from_bytes(key, safe=_PATH))


def _no_host(path: str) -> str:
    return "/%2F" + path[2:] if path.startswith("//") else path


def stored_location(text: str) -> str:
    """What an object says of where its visitors are to go, as a header."""
    return _url(text)


def _url(text: str) -> str:
    """Text that its writer meant as (a part of) a URL: signs that have a meaning there keep it."""
    return quote_from_bytes(text.encode("utf-8", "surrogateescape"), safe=_URL)


def elsewhere_location(to: AllElsewhere, protocol: str, raw_path: bytes, raw_query: bytes) -> str:
    """Path and query go along. protocol: of the request."""
    rest = raw_path + (b"?" + raw_query if raw_query else b"")
    return f"{to.protocol or protocol}://{to.host}{quote_from_bytes(rest, safe=_URL)}"


def rule_location(rule: RoutingRule, key: bytes, protocol: str, host: str) -> str:
    """protocol, host: of the request, the latter with its port."""
    to = rule.redirect
    if to.key is not None:
        path = "/" + _url(to.key)
    elif to.prefix is not None:
        kept = key[len(rule.prefix.encode()):]
        path = "/" + _url(to.prefix) + quote_from_bytes(kept, safe=_PATH)
    else:
        path = key_path(key)
    if to.host is None and to.protocol is None:
        return _no_host(path)
    changed = to.protocol is not None and to.protocol != protocol
    # The port is that of the request's protocol.
    there = to.host or (host.partition(":")[0] if changed else host)
    return f"{to.protocol or protocol}://{there}{path}"


# ---- as kept
def dump_website(website: Website) -> str:
    """As text for `load_website`."""
    return json.dumps(asdict(website), separators=(",", ":"))


@lru_cache(maxsize=64)
def load_website(text: str) -> Website:
    """What `dump_website` wrote."""
    kept = json.loads(text)
    elsewhere = kept["elsewhere"]
    return Website(
        kept["index"], kept["error"], None if elsewhere is None else AllElsewhere(**elsewhere),
        tuple(
            RoutingRule(Redirect(**rule["redirect"]), rule["prefix"], rule["status"])
            for rule in kept["rules"]
        ),
    )
