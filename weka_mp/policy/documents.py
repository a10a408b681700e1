"""From a policy's JSON to a value that decides: everything that is not understood is refused.

Grammar: IAM user guide, «Grammar of the IAM JSON policy language». What S3 asks of bucket policies beyond it:
every Resource lies in the bucket, and every Action applies to one of them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Final, NamedTuple

from weka_mp.policy import condition_keys, operators
from weka_mp.policy.actions import ACTIONS, OF_IDENTITIES, Level, matching
from weka_mp.policy.arns import ResourcePattern, bucket_arn, object_arn
from weka_mp.policy.errors import MalformedPolicy
from weka_mp.policy.json_text import Document, Written, load
from weka_mp.policy.principals import PrincipalSet, parse_principals
from weka_mp.policy.statements import Effect, Statement

__all__ = ["IDENTITY_CHARACTERS", "RESOURCE_BYTES", "Kind", "Policy", "parse"]

IDENTITY_CHARACTERS: Final = 2048
"""What a policy of a user, a service account or a session may have; white space between words is free."""

RESOURCE_BYTES: Final = 20 * 1024
"""What a bucket policy may have, in bytes of UTF-8. No document of any kind may be longer."""

_VERSIONS: Final = ("2008-10-17", "2012-10-17")
_WITH_VARIABLES: Final = "2012-10-17"
_ELEMENTS: Final = {"Version", "Id", "Statement"}
_PARTS: Final = {
    "Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource",
    "Condition",
}  # fmt: skip
_COPY_SOURCE: Final = "s3:x-amz-copy-source"
"""Of this key requests have ``bucket/key``; policies, and the header itself, may have a slash before it."""
_PLAIN_SID: Final = re.compile(r"[A-Za-z0-9]*", re.ASCII)


class Kind(Enum):
    """What a policy hangs on."""

    IDENTITY = "identity"
    """A user or a group."""
    RESOURCE = "resource"
    """A bucket; it names its principals."""
    SESSION = "session"
    """A service account or temporary credentials: it can only narrow."""


class Relevant(NamedTuple):
    """The statements of one policy about one action, by their effect, in the order of the document."""

    denies: tuple[Statement, ...]
    allows: tuple[Statement, ...]

    @classmethod
    def of(cls, statements: Sequence[Statement]) -> Relevant:
        return cls(
            tuple(statement for statement in statements if statement.effect is Effect.DENY),
            tuple(statement for statement in statements if statement.effect is Effect.ALLOW),
        )


@dataclass(frozen=True, slots=True)
class Policy:
    """A policy that is understood. `text` is as it was written, `name` as messages call it."""

    name: str
    kind: Kind
    text: str
    statements: tuple[Statement, ...]
    _by_action: dict[str, Relevant] = field(default_factory=dict, repr=False, compare=False)
    """What `about` found before; filled as actions are asked for."""

    def about(self, action: str) -> Relevant:
        """The statements about `action`."""
        found = self._by_action.get(action)
        if found is None:
            mine = [statement for statement in self.statements if action in statement.actions]
            found = self._by_action[action] = Relevant.of(mine)
        return found

    def named(self) -> PrincipalSet:
        """Everybody whom the statements of a bucket policy name, spared ones as well. Whether these exist is
        not known here; S3 refuses a policy that names somebody who does not («Invalid principal in policy»).
        """
        sets = [s for statement in self.statements for s in (statement.principals, statement.not_principals)]
        return PrincipalSet.united(found for found in sets if found is not None)


def parse(text: str, kind: Kind, *, name: str = "", bucket: str | None = None) -> Policy:
    """The policy that `text` is. Of a bucket policy, `bucket` is the bucket that it is meant for; to read one
    that was accepted before, without asking again whether it suits its bucket, leave it out.

    Raises MalformedPolicy with the place and what is wrong there.
    """
    document = load(text, RESOURCE_BYTES, None if kind is Kind.RESOURCE else IDENTITY_CHARACTERS)
    _known(document, _ELEMENTS, "")
    _text(document.get("Id", ""), "Id")
    version = document.get("Version", _VERSIONS[0])
    if version not in _VERSIONS:
        raise MalformedPolicy("Version", f"must be {' or '.join(_VERSIONS)}")
    listed = document.get("Statement")
    if isinstance(listed, Mapping):
        listed = [listed]
    if not isinstance(listed, list) or not listed:
        raise MalformedPolicy("Statement", "must be a statement or a list of statements, not empty")
    reader = _Reader(kind, version == _WITH_VARIABLES, bucket)
    statements = tuple(
        reader.statement(value, index, f"Statement[{index}]") for index, value in enumerate(listed)
    )
    _distinct(statements)
    return Policy(name, kind, text, statements)


@dataclass(frozen=True, slots=True)
class _Reader:
    """Reads the statements of one document."""

    kind: Kind
    variables: bool
    bucket: str | None

    def statement(self, value: object, index: int, place: str) -> Statement:
        if not isinstance(value, Mapping):
            raise MalformedPolicy(place, "must be an object")
        _known(value, _PARTS, place)
        effect = value.get("Effect")
        if effect not in ("Allow", "Deny"):
            raise MalformedPolicy(f"{place}.Effect", "must be Allow or Deny")
        actions, patterns = self._actions(value, place, allows=effect == "Allow")
        resources, not_resources = self._resources(value, place)
        principals, not_principals = self._principals(value, place)
        if not_principals is not None and effect == "Allow":
            raise MalformedPolicy(f"{place}.NotPrincipal", "goes with the effect Deny only")
        if self.kind is Kind.RESOURCE and self.bucket is not None:
            _check_reach(patterns, resources, self.bucket, place)
        return Statement(
            index=index,
            sid=self._sid(value, place),
            effect=Effect(effect),
            actions=actions,
            principals=principals,
            not_principals=not_principals,
            resources=resources,
            not_resources=not_resources,
            conditions=self._conditions(value.get("Condition", {}), f"{place}.Condition"),
        )

    def _sid(self, value: Document, place: str) -> str:
        sid = _text(value.get("Sid", ""), f"{place}.Sid")
        if self.kind is not Kind.RESOURCE and not _PLAIN_SID.fullmatch(sid):
            raise MalformedPolicy(f"{place}.Sid", "may have letters and digits only")
        return sid

    def _actions(
        self, value: Document, place: str, *, allows: bool
    ) -> tuple[frozenset[str], Mapping[str, frozenset[str]]]:
        """What the statement is about, and for an Action element what each of its entries means."""
        element = _either(value, "Action", "NotAction", place)
        here = f"{place}.{element}"
        patterns = {pattern: matching(pattern) for pattern in _texts(value[element], here)}
        for pattern, found in patterns.items():
            if not found or (self.kind is Kind.RESOURCE and found <= OF_IDENTITIES):
                raise MalformedPolicy(here, f"no action of S3: {pattern!r}")
        named = frozenset().union(*patterns.values())
        if element == "NotAction":
            # What leaves the rest to somebody leaves no administration to them, as * gives none: an Allow
            # has to name the service. A Deny means all that it says.
            return frozenset(ACTIONS) - named - (OF_IDENTITIES if allows else frozenset()), {}
        if allows and "*" in patterns:
            others = [found for pattern, found in patterns.items() if pattern != "*"]
            named = (named - OF_IDENTITIES).union(*others)
        return named, patterns

    def _resources(
        self, value: Document, place: str
    ) -> tuple[tuple[ResourcePattern, ...] | None, tuple[ResourcePattern, ...] | None]:
        element = _either(value, "Resource", "NotResource", place)
        here = f"{place}.{element}"
        texts = _texts(value[element], here)
        of_iam = self.kind is not Kind.RESOURCE
        found = tuple(
            ResourcePattern.parse(text, here, variables=self.variables, of_iam=of_iam) for text in texts
        )
        return (found, None) if element == "Resource" else (None, found)

    def _principals(self, value: Document, place: str) -> tuple[PrincipalSet | None, PrincipalSet | None]:
        if self.kind is not Kind.RESOURCE:
            for element in ("Principal", "NotPrincipal"):
                if element in value:
                    raise MalformedPolicy(f"{place}.{element}", "belongs to bucket policies only")
            return None, None
        element = _either(value, "Principal", "NotPrincipal", place)
        found = parse_principals(value[element], f"{place}.{element}")
        return (found, None) if element == "Principal" else (None, found)

    def _conditions(self, value: object, place: str) -> tuple[operators.Condition, ...]:
        if not isinstance(value, Mapping):
            raise MalformedPolicy(place, "must be an object")
        found = []
        seen: set[tuple[str, str]] = set()
        for operator, keys in value.items():
            here = f"{place}.{operator}"
            if not isinstance(keys, Mapping) or not keys:
                raise MalformedPolicy(here, "must be an object of condition keys, not empty")
            for name, values in keys.items():
                condition = self._condition(operator, name, values, here)
                if (condition.operator, condition.key.lookup) in seen:
                    raise MalformedPolicy(f"{here}.{name}", "stands twice, in another case")
                seen.add((condition.operator, condition.key.lookup))
                found.append(condition)
        return tuple(found)

    def _condition(self, operator: str, name: str, values: object, place: str) -> operators.Condition:
        key = condition_keys.find(name)
        if key is None:
            raise MalformedPolicy(place, f"unknown condition key {name!r}")
        place = f"{place}.{name}"
        found = _scalars(values, place)
        if key.lookup == _COPY_SOURCE:
            found = [value.removeprefix("/") for value in found]
        return operators.build(operator, key, found, place, variables=self.variables)


def _check_reach(
    patterns: Mapping[str, frozenset[str]],
    resources: tuple[ResourcePattern, ...] | None,
    bucket: str,
    place: str,
) -> None:
    """S3's two rules for the statements of a bucket policy."""
    if resources is None:
        return
    levels: set[Level] = set()
    for pattern in resources:
        found = _levels(pattern, bucket)
        if not found:
            raise MalformedPolicy(f"{place}.Resource", f"lies outside the bucket: {pattern.text!r}")
        levels |= found
    for text, actions in patterns.items():
        if not any(ACTIONS[action] in levels for action in actions):
            raise MalformedPolicy(f"{place}.Action", f"applies to no resource of the statement: {text!r}")


def _levels(pattern: ResourcePattern, bucket: str) -> set[Level]:
    """Whether a pattern may name the bucket, or objects in it."""
    levels = {Level.BUCKET} if pattern.may_name(bucket_arn(bucket)) else set()
    return levels | ({Level.OBJECT} if pattern.may_name_below(object_arn(bucket, "")) else set())


def _distinct(statements: Sequence[Statement]) -> None:
    seen: set[str] = set()
    for statement in statements:
        if statement.sid and statement.sid in seen:
            raise MalformedPolicy(f"Statement[{statement.index}].Sid", f"{statement.sid!r} stands twice")
        seen.add(statement.sid)


def _known(value: Document, names: set[str], place: str) -> None:
    for name in value:
        if name not in names:
            raise MalformedPolicy(place, f"unknown element {name!r}")


def _either(value: Document, one: str, other: str, place: str) -> str:
    found = [element for element in (one, other) if element in value]
    if len(found) != 1:
        raise MalformedPolicy(place, f"needs either {one} or {other}")
    return found[0]


def _text(value: object, place: str) -> str:
    if not isinstance(value, str):
        raise MalformedPolicy(place, "must be text")
    return value


def _texts(value: object, place: str) -> list[str]:
    found = [_text(item, place) for item in (value if isinstance(value, list) else [value])]
    if not found or not all(found):
        raise MalformedPolicy(place, "must not be empty")
    return found


def _scalars(value: object, place: str) -> list[str]:
    """The values of a condition: texts, numbers and truth values, all as they are written."""
    found = []
    for item in value if isinstance(value, list) else [value]:
        if isinstance(item, bool):
            found.append("true" if item else "false")
        elif isinstance(item, Written):
            found.append(item.text)
        elif isinstance(item, str):
            found.append(item)
        else:
            raise MalformedPolicy(place, "must be text, a number or a truth value, or a list of them")
    if not found:
        raise MalformedPolicy(place, "must not be empty")
    return found
