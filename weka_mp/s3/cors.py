"""Cross-origin resource sharing: the rules of a bucket, which of them fits a request, and what a browser is
told.

Source: the S3 user guide ("Using cross-origin resource sharing"), the S3 API reference (PutBucketCors,
OPTIONS object) and the CORS protocol of the Fetch standard.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Final

from weka_mp.s3.errors import S3Error
from weka_mp.s3.request import Headers

__all__ = [
    "VARY", "CorsRule", "Preflight", "answer_fields", "dump_rules", "is_header_pattern", "load_rules",
    "preflight", "preflight_fields",
]  # fmt: skip

METHODS: Final = ("GET", "PUT", "HEAD", "POST", "DELETE")
VARY: Final = ("Vary", "Origin, Access-Control-Request-Headers, Access-Control-Request-Method")
"""Goes with every answer of a bucket that has rules: what another page is told may be another thing."""

_TOKEN: Final = re.compile(r"[!#$%&'*+.^_`|~0-9a-z-]+")  # of headers' names (RFC 9110, 5.6.2), in lower case

Fields = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class CorsRule:
    """One rule as it was put. max_age: seconds for which a browser may keep the answer; None: not said.

    origins, headers: patterns with one ``*`` at most.
    """

    origins: tuple[str, ...]
    methods: tuple[str, ...]
    headers: tuple[str, ...] = ()
    exposed: tuple[str, ...] = ()
    max_age: int | None = None
    id: str | None = None

    def _origin(self, origin: str) -> str | None:
        """The pattern that fits."""
        return next((pattern for pattern in self.origins if _fits(pattern, origin)), None)

    def _lets_in(self, name: str) -> bool:
        """Whether a header may be sent. What is no name of one is not: the answer repeats it."""
        return _TOKEN.fullmatch(name) is not None and any(
            _fits(pattern.lower(), name) for pattern in self.headers
        )

    def _fields(self, origin: str, asked: Sequence[str]) -> Fields:
        everybody = self._origin(origin) == "*"
        fields = [
            ("Access-Control-Allow-Origin", "*" if everybody else origin),
            ("Access-Control-Allow-Methods", ", ".join(self.methods)),
        ]
        if asked:
            fields.append(("Access-Control-Allow-Headers", ", ".join(asked)))
        if self.exposed:
            fields.append(("Access-Control-Expose-Headers", ", ".join(self.exposed)))
        if self.max_age is not None:
            fields.append(("Access-Control-Max-Age", str(self.max_age)))
        if not everybody:
            fields.append(("Access-Control-Allow-Credentials", "true"))
        return (*fields, VARY)

    def allows(self, origin: str, method: str, asked: Sequence[str] = ()) -> bool:
        """asked: names of headers, in lower case."""
        return (
            self._origin(origin) is not None
            and method in self.methods
            and all(self._lets_in(name) for name in asked)
        )


@dataclass(frozen=True, slots=True)
class Preflight:
    """What a browser asks before a request. headers: their names in lower case, in the order asked."""

    origin: str
    method: str
    headers: tuple[str, ...]


def _fits(pattern: str, text: str) -> bool:
    head, star, tail = pattern.partition("*")
    if not star:
        return pattern == text
    return len(text) >= len(head) + len(tail) and text.startswith(head) and text.endswith(tail)


def is_header_pattern(text: str) -> bool:
    """Whether it can be the name of a header, or with its asterisks the pattern of one."""
    return _TOKEN.fullmatch(text.lower()) is not None


def preflight(headers: Headers) -> Preflight:
    """Raises S3Error BadRequest for what is no question of a browser."""
    origin = headers.get("origin")
    if not origin:
        raise S3Error("BadRequest", "Insufficient information. Origin request header needed.")
    method = headers.get("access-control-request-method") or ""
    if method not in METHODS:
        raise S3Error("BadRequest", f"Invalid Access-Control-Request-Method: {method[:32] or 'null'}")
    asked = (headers.get("access-control-request-headers") or "").split(",")
    names = tuple(name.strip(" \t") for name in asked if name.strip(" \t"))
    for name in names:
        if not is_header_pattern(name):
            message = f'Access-Control-Request-Headers "{name[:256]}" contains invalid character.'
            raise S3Error("BadRequest", message)
    return Preflight(origin, method, tuple(name.lower() for name in names))


def preflight_fields(rules: Iterable[CorsRule], asked: Preflight) -> Fields | None:
    """What the first rule that allows it answers; None: none does."""
    for rule in rules:
        if rule.allows(asked.origin, asked.method, asked.headers):
            return rule._fields(asked.origin, asked.headers)
    return None


def answer_fields(rules: Sequence[CorsRule], origin: str, method: str) -> Fields:
    """What goes with the answer to a request from a page of this origin, be it an error. Where no rule
    allows it, still that another page may be told otherwise: caches must not hand this answer to it.
    """
    for rule in rules:
        if rule.allows(origin, method):
            return rule._fields(origin, ())
    return (VARY,) if rules else ()


# ---- as kept
def dump_rules(rules: Sequence[CorsRule]) -> str:
    """The rules as text for `load_rules`."""
    return json.dumps([asdict(rule) for rule in rules], separators=(",", ":"))


@lru_cache(maxsize=64)
def load_rules(text: str) -> tuple[CorsRule, ...]:
    """What `dump_rules` wrote."""
    return tuple(
        CorsRule(
            tuple(rule["origins"]), tuple(rule["methods"]), tuple(rule["headers"]), tuple(rule["exposed"]),
            rule["max_age"], rule["id"],
        )
        for rule in json.loads(text)
    )
