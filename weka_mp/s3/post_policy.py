"""The policy document of a browser upload: what it allows, who signed it, and the upload it lets through.

Sources: "Creating a POST policy", "POST Object" and "Browser-based uploads using HTTP POST (AWS signature
version 2)" of the S3 documentation; the messages are the ones S3 answers with.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from weka_mp.s3.errors import S3Error

__all__ = ["Condition", "LengthRange", "PostPolicy", "parse_policy"]

_EXEMPT_FIELDS: Final = frozenset({"x-amz-signature", "file", "policy", "awsaccesskeyid", "signature"})
_EXEMPT_PREFIX: Final = "x-ignore-"
_ESCAPE: Final = re.compile(r"\\(.)", re.DOTALL)
_EXPIRATION: Final = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)", re.ASCII
)


@dataclass(frozen=True, slots=True)
class Condition:
    """field: lower-case name; exact: whether the value must be equal rather than start so."""

    field: str
    value: str
    exact: bool

    def holds(self, actual: str) -> bool:
        """Whether a field's value satisfies it; each of the types of a Content-Type list must."""
        if self.exact:
            return actual == self.value
        if self.field == "content-type":
            return all(part.strip().startswith(self.value) for part in actual.split(","))
        return actual.startswith(self.value)

    @property
    def text(self) -> str:
        """The condition as S3 shows it in messages."""
        return json.dumps(["eq" if self.exact else "starts-with", f"${self.field}", self.value])


@dataclass(frozen=True, slots=True)
class LengthRange:
    """Bytes the file may have, both ends included."""

    least: int
    most: int


@dataclass(frozen=True, slots=True)
class PostPolicy:
    """A parsed policy document. expiration: epoch seconds."""

    expiration: float
    conditions: tuple[Condition, ...]
    lengths: tuple[LengthRange, ...]

    def check(self, fields: Mapping[str, str], bucket: str, now: float) -> None:
        """Refuse a form that the policy does not allow, apart from the file's length.

        fields: lower-case name -> value with variables expanded. Raises S3Error AccessDenied.
        """
        if now > self.expiration:
            raise _denied("Policy expired.")
        actual = {**fields, "bucket": bucket}
        for condition in self.conditions:
            value = actual.get(condition.field)
            if value is None or not condition.holds(value):
                raise _denied(f"Policy Condition failed: {condition.text}")
        covered = {condition.field for condition in self.conditions} | _EXEMPT_FIELDS
        extra = [name for name in actual if name not in covered and not name.startswith(_EXEMPT_PREFIX)]
        if extra:
            raise _denied(f"Extra input fields: {', '.join(sorted(extra))}")


def _denied(reason: str) -> S3Error:
    return S3Error("AccessDenied", f"Invalid according to Policy: {reason}")


def _invalid(reason: str) -> S3Error:
    return S3Error("InvalidPolicyDocument", f"Invalid Policy: {reason}")


def _unescape_dollar(text: str) -> str:
    """Take the backslash from ``\\$``, which S3's policy language has and JSON has not."""
    return _ESCAPE.sub(lambda found: "$" if found.group(1) == "$" else found.group(0), text)


def _load(encoded: str) -> dict[str, object]:
    try:
        text = base64.b64decode("".join(encoded.split()), validate=True).decode("utf-8")
    except (binascii.Error, ValueError) as error:
        raise _invalid("invalid Base64 encoding.") from error
    try:
        document = json.loads(_unescape_dollar(text))
    except (ValueError, RecursionError) as error:
        raise _invalid("Invalid JSON.") from error
    if not isinstance(document, dict):
        raise _invalid("Invalid JSON.")
    return document


def parse_policy(encoded: str) -> PostPolicy:
    """Parse the ``policy`` field (base64 of JSON). Raises S3Error InvalidPolicyDocument."""
    document = _load(encoded)
    for name in ("expiration", "conditions"):
        if name not in document:
            raise _invalid(f"Policy missing {name}.")
    for name in document:
        if name not in ("expiration", "conditions"):
            raise _invalid(f'Unexpected: "{name}"')
    expiration = _parse_expiration(document["expiration"])
    listed = document["conditions"]
    if not isinstance(listed, list):
        raise _invalid("Invalid 'conditions' value: must be a List.")
    parsed = [_parse_condition(item) for item in listed]
    return PostPolicy(
        expiration,
        tuple(item for item in parsed if isinstance(item, Condition)),
        tuple(item for item in parsed if isinstance(item, LengthRange)),
    )


def _parse_expiration(value: object) -> float:
    if isinstance(value, str) and _EXPIRATION.fullmatch(value):
        try:
            return datetime.fromisoformat(value).timestamp()
        except (ValueError, OverflowError) as error:
            raise _invalid(f"Invalid 'expiration' value: '{value}'") from error
    raise _invalid(f"Invalid 'expiration' value: '{value}'")


def _parse_condition(item: object) -> Condition | LengthRange:
    if isinstance(item, dict):
        return _parse_simple(item)
    if not isinstance(item, list):
        raise _invalid("Invalid condition test: must be a List or Object.")
    if not item or not isinstance(item[0], str):
        raise _invalid("Invalid Condition: missing operation identifier.")
    operation = item[0].lower()
    if operation == "content-length-range":
        return _parse_range(item)
    if operation not in ("eq", "starts-with"):
        raise _invalid(f"Invalid Condition: unknown operation '{item[0]}'.")
    if len(item) != 3:
        raise _invalid(f"Invalid {operation}: wrong number of arguments.")
    _, field, value = item
    if not isinstance(field, str) or not isinstance(value, str) or not field.startswith("$"):
        raise _invalid(f"Invalid {operation}: arguments must be a $variable and a string.")
    return Condition(field[1:].lower(), value, operation == "eq")


def _parse_simple(item: Mapping[str, object]) -> Condition:
    if len(item) != 1:
        raise _invalid(
            "Invalid Simple-Condition: Simple-Conditions must have exactly one property specified."
        )
    [(field, value)] = item.items()
    if not isinstance(value, str):
        raise _invalid("Invalid Simple-Condition: value must be a string.")
    return Condition(field.lower(), value, True)


def _parse_range(item: Sequence[object]) -> LengthRange:
    if len(item) != 3:
        raise _invalid("Invalid content-length-range: wrong number of arguments.")
    bounds = []
    for bound in item[1:]:
        if isinstance(bound, str) and bound.isascii() and bound.isdigit() and len(bound) < 19:
            bound = int(bound)
        if isinstance(bound, bool) or not isinstance(bound, int) or bound < 0:
            raise _invalid("Invalid content-length-range: bounds must be non-negative integers.")
        bounds.append(bound)
    return LengthRange(*bounds)
