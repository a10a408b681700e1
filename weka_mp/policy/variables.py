"""Policy variables: ``${aws:username}``, ``${aws:userid, 'nobody'}``, ``${*}``, ``${?}``, ``${$}``.

Source: IAM user guide, «Policy elements: Variables and tags». A variable without a value and without a
default makes its text match nothing. What a variable brings in is literal: a ``*`` in it is a ``*``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from weka_mp.policy import condition_keys
from weka_mp.policy.errors import MalformedPolicy
from weka_mp.policy.wildcards import MANY, ONE, encode

__all__ = ["Context", "Template", "Variable", "parse_template", "resolve"]

Context = Mapping[str, tuple[str, ...]]
"""A request's condition keys: lower-case name (see condition_keys.lookup_name) → its values.

Asked for one key at a time and only when a statement needs it, so it may work its values out lazily.
"""


@dataclass(frozen=True, slots=True)
class Variable:
    """A place for the single value of the context key `lookup`, else for `default`."""

    lookup: str
    default: str | None


Template = tuple[str | Variable, ...]
"""Text and variables in turn; in the text, wildcards are encoded (see wildcards)."""

_SPECIAL: Final = {"*", "?", "$"}
_VARIABLE: Final = re.compile(r"\$\{([*?$]|(?P<key>[^\s{}',]+)(?:,\s*'(?P<default>[^']*)')?)\}")


def parse_template(text: str, place: str, *, variables: bool, wildcards: bool) -> Template:
    """The template of a policy's `text`. Without `variables` (Version 2008-10-17) ``${…}`` is text like any.

    Raises MalformedPolicy: a ``${`` that is no variable, an unknown key, a key of several values.
    """
    shape = encode if wildcards else str
    if not variables or "${" not in text:
        return (shape(text),)
    parts: list[str | Variable] = []
    at = 0
    while (start := text.find("${", at)) >= 0:
        found = _VARIABLE.match(text, start)
        if found is None:
            raise MalformedPolicy(place, f"no policy variable: {text[start : start + 40]!r}")
        parts.append(shape(text[at:start]))
        parts.append(found[1] if found[1] in _SPECIAL else _variable(found, place))
        at = found.end()
    parts.append(shape(text[at:]))
    return _joined(parts)


def _variable(found: re.Match[str], place: str) -> Variable:
    key = condition_keys.find(found["key"])
    if key is None:
        raise MalformedPolicy(place, f"unknown policy variable {found[0]}")
    if key.many:
        raise MalformedPolicy(place, f"{key.name} may hold several values and cannot be a variable")
    return Variable(key.lookup, found["default"])


def _joined(parts: list[str | Variable]) -> Template:
    """`parts` without empty text and with neighbouring texts in one piece."""
    joined: list[str | Variable] = []
    for part in parts:
        last = joined[-1] if joined else None
        if isinstance(part, str) and isinstance(last, str):
            joined[-1] = last + part
        elif part != "":
            joined.append(part)
    return tuple(joined) or ("",)


def resolve(template: Template, context: Context) -> str | None:
    """The template's text for one request, wildcards still encoded; None where a variable has no value."""
    text = ""
    for part in template:
        if isinstance(part, str):
            text += part
            continue
        values = context.get(part.lookup)
        value = part.default if not values else values[0]
        if value is None or MANY in value or ONE in value or (values and len(values) > 1):
            return None
        text += value
    return text
