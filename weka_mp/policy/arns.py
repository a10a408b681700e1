"""The ARNs of a policy: buckets and objects in Resource, accounts and users in Principal.

Source: IAM user guide, «Resource», «Principal» and «IAM identifiers». What can never exist here (a region or
an account in an S3 ARN, a role, another service) is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final

from weka_mp.policy.errors import MalformedPolicy
from weka_mp.policy.variables import Context, Template, parse_template, resolve
from weka_mp.policy.wildcards import MANY, Matcher, compile_pattern, encode, overlaps_below

__all__ = ["ACCOUNT_RESOURCE", "ResourcePattern", "bucket_arn", "object_arn", "parse_account", "parse_user"]

_PREFIX: Final = "arn:aws:s3:::"
ACCOUNT_RESOURCE: Final = f"{_PREFIX}*"
"""What an action on the account (ListAllMyBuckets) is asked for: the policies' own way to name it."""

_PARTS: Final = 6
_IAM_ACCOUNT: Final = re.compile(r"[0-9]{12}|aws|\*", re.ASCII)
_OF_IAM: Final = ("user/", "group/", "policy/", "*")
_ACCOUNT: Final = re.compile(r"\d{12}|[0-9A-Fa-f]{64}", re.ASCII)
_USER: Final = re.compile(
    rf"arn:aws:iam::(?P<account>{_ACCOUNT.pattern}):(root|user/(?P<user>[\w+=,.@/-]{{1,576}}))", re.ASCII
)
"""A user's path may have 512 characters, the name 64 (IAM quotas)."""


def bucket_arn(bucket: str) -> str:
    return f"{_PREFIX}{bucket}"


def object_arn(bucket: str, key: str) -> str:
    return f"{_PREFIX}{bucket}/{key}"


def parse_account(text: str) -> str | None:
    """An account by its 12 digits or its canonical id of 64 hex digits, in lower case; else None."""
    return text.lower() if _ACCOUNT.fullmatch(text) else None


def parse_user(text: str) -> tuple[str, str | None] | None:
    """(account, path and name of the user) of ``arn:aws:iam::ACCOUNT:user/…``; the user is None of ``:root``.

    None where the text is no such ARN. There are no wildcards in it.
    """
    found = _USER.fullmatch(text)
    return (found["account"].lower(), found["user"]) if found else None


@dataclass(frozen=True, slots=True)
class ResourcePattern:
    """One entry of Resource or NotResource, as `text` in the policy. A ``*`` reaches over ``/`` and ``:``."""

    text: str
    template: Template
    fixed: Matcher | None = field(compare=False)
    """Made once, where the template has no variables."""

    @classmethod
    def parse(cls, text: str, place: str, *, variables: bool, of_iam: bool = False) -> ResourcePattern:
        """of_iam: whether users, groups and policies may be named, too. Raises MalformedPolicy: neither ``*``
        nor an ARN of S3 that names a bucket, or a bad variable.
        """
        if text != "*":
            _check_arn(text, place, variables, of_iam)
        template = parse_template(text, place, variables=variables, wildcards=True)
        alone = template[0] if len(template) == 1 else None
        return cls(text, template, compile_pattern(alone) if isinstance(alone, str) else None)

    def matches(self, resource: str, context: Context) -> bool:
        """Whether the pattern means `resource`; one whose variables have no value means none."""
        if self.fixed is not None:
            return self.fixed(resource)
        pattern = resolve(self.template, context)
        return pattern is not None and compile_pattern(pattern)(resource)

    def may_name(self, resource: str) -> bool:
        """Whether some request could make the pattern match `resource`."""
        return compile_pattern(self._widest())(resource)

    def may_name_below(self, prefix: str) -> bool:
        """Whether some request could make the pattern match something that begins with `prefix`."""
        return overlaps_below(self._widest(), prefix)

    def _widest(self) -> str:
        """The pattern with everything in the places of its variables."""
        return "".join(part if isinstance(part, str) else MANY for part in self.template)


def _check_arn(text: str, place: str, variables: bool, of_iam: bool) -> None:
    parts = text.split(":", _PARTS - 1)
    # A * at the end of a part reaches over the colons behind it: arn:aws:s3:* is whole.
    if len(parts) < _PARTS and not (len(parts) > 3 and text.endswith("*")):
        raise MalformedPolicy(place, f"not an ARN such as {_PREFIX}bucket/key: {text!r}")
    head, resource = parts[: _PARTS - 1], parts[_PARTS - 1] if len(parts) == _PARTS else "*"
    if variables and any("${" in part for part in head):
        raise MalformedPolicy(place, f"policy variables stand behind the fifth colon only: {text!r}")
    partition, service, *empty = head[1:]
    if of_iam and head[0] == "arn" and service == "iam" and len(parts) == _PARTS:
        if not compile_pattern(encode(partition))("aws") or empty[0].strip("*"):
            raise MalformedPolicy(place, f"not an ARN of IAM: {text!r}")
        if _IAM_ACCOUNT.fullmatch(empty[1]) is None or not resource.startswith(_OF_IAM):
            raise MalformedPolicy(place, f"not a user, group or policy (…:user/NAME) of an account: {text!r}")
        return
    if head[0] != "arn" or service != "s3" or not compile_pattern(encode(partition))("aws"):
        raise MalformedPolicy(place, f"not an ARN of S3: {text!r}")
    if any(part.strip("*") for part in empty):
        raise MalformedPolicy(place, f"buckets and objects have neither region nor account: {text!r}")
    if not resource or resource.startswith("/"):
        raise MalformedPolicy(place, f"names no bucket: {text!r}")
