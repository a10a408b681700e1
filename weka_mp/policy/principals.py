"""Who asks, and whom a bucket policy means by Principal and NotPrincipal.

Source: IAM user guide, «Principal», «NotPrincipal» and «Policy evaluation logic».
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Final

from weka_mp.policy.arns import parse_account, parse_user
from weka_mp.policy.errors import MalformedPolicy

__all__ = ["LOG_DELIVERY", "Principal", "PrincipalSet", "Reach", "parse_principals"]

LOG_DELIVERY: Final = "logging.s3.amazonaws.com"
"""What delivers the logs of buckets, as AWS calls it («Permissions for server access log delivery»)."""

_SERVICES: Final = frozenset({LOG_DELIVERY})


@dataclass(frozen=True, slots=True)
class Principal:
    """An authenticated user, also behind its service accounts and temporary credentials.

    `account` has 12 digits, `canonical_id` of the same account 64 lower-case hex digits. `user` is the path
    and name as in the ARN (``division/bob``); of the account's root it has no meaning. `service`: it is this
    part of the service itself and no user; all else is empty then.
    """

    account: str
    canonical_id: str
    user: str = ""
    is_root: bool = False
    service: str = ""

    @property
    def arn(self) -> str:
        """As aws:PrincipalArn has it."""
        return f"arn:aws:iam::{self.account}:{'root' if self.is_root else f'user/{self.user}'}"

    def belongs_to(self, account: str) -> bool:
        """Whether `account`, by either of its ids, is the user's own."""
        return account in (self.account, self.canonical_id)


class Reach(IntEnum):
    """How a policy names somebody."""

    NOT = 0
    ACCOUNT = 1
    """Through the account: who administers that decides further, an Allow alone gives its users nothing."""
    DIRECT = 2


@dataclass(frozen=True, slots=True)
class PrincipalSet:
    """The value of a Principal or NotPrincipal element: accounts by one of their ids, users as (account, path
    and name), services by their names.
    """

    everyone: bool
    accounts: frozenset[str]
    users: frozenset[tuple[str, str]]
    services: frozenset[str] = frozenset()

    @classmethod
    def united(cls, sets: Iterable[PrincipalSet]) -> PrincipalSet:
        """Who is in any of `sets`."""
        found = list(sets)
        return cls(
            any(one.everyone for one in found),
            frozenset().union(*(one.accounts for one in found)),
            frozenset().union(*(one.users for one in found)),
            frozenset().union(*(one.services for one in found)),
        )

    def reach(self, who: Principal | None) -> Reach:
        """How `who`, None for an anonymous request, is named here. Everybody who is denied something, a
        service is too; what everybody is allowed, it must be allowed by its name.
        """
        if who is not None and who.service:
            named = who.service in self.services
            return Reach.DIRECT if named else Reach.ACCOUNT if self.everyone else Reach.NOT
        if self.everyone:
            return Reach.DIRECT
        if who is None:
            return Reach.NOT
        ids = (who.account, who.canonical_id)
        by_account = bool(self.accounts) and any(account in self.accounts for account in ids)
        if who.is_root:
            return Reach.DIRECT if by_account else Reach.NOT
        if self.users and any((account, who.user) in self.users for account in ids):
            return Reach.DIRECT
        return Reach.ACCOUNT if by_account else Reach.NOT

    def spares(self, who: Principal | None) -> bool:
        """Whether a Deny with this as its NotPrincipal leaves `who` alone.

        An account stands for all its users, unless users of that account are listed with it: to list the
        account beside the user who is spared is what the user guide asks for, and spares nobody else.
        """
        reach = self.reach(who)
        if reach is not Reach.ACCOUNT or who is None:
            return reach is Reach.DIRECT
        return not any(who.belongs_to(account) for account, _ in self.users)


def parse_principals(value: object, place: str) -> PrincipalSet:
    """The set of a Principal or NotPrincipal element. Raises MalformedPolicy."""
    if value == "*":
        return PrincipalSet(True, frozenset(), frozenset())
    if not isinstance(value, Mapping) or not value:
        raise MalformedPolicy(place, 'must be "*" or an object with AWS, CanonicalUser or Service')
    everyone = False
    accounts: set[str] = set()
    users: set[tuple[str, str]] = set()
    services: set[str] = set()
    for kind, listed in value.items():
        here = f"{place}.{kind}"
        if kind not in ("AWS", "CanonicalUser", "Service"):
            raise MalformedPolicy(here, "no such principals here: AWS, CanonicalUser and Service are known")
        for text in _texts(listed, here):
            if kind == "AWS" and text == "*":
                everyone = True
                continue
            if kind == "Service":
                services.add(_service(text, here))
                continue
            account, user = _one(text, canonical=kind == "CanonicalUser", place=here)
            if user is None:
                accounts.add(account)
            else:
                users.add((account, user))
    return PrincipalSet(everyone, frozenset(accounts), frozenset(users), frozenset(services))


def _service(text: str, place: str) -> str:
    if text not in _SERVICES:
        raise MalformedPolicy(place, f"{text!r} is no service here: {', '.join(sorted(_SERVICES))} is")
    return text


def _one(text: str, *, canonical: bool, place: str) -> tuple[str, str | None]:
    account = parse_account(text)
    if account is not None and (not canonical or len(account) > 12):
        return account, None
    found = None if canonical else parse_user(text)
    if found is None:
        what = "a canonical id" if canonical else "an account id, the ARN of an account or user, or *"
        raise MalformedPolicy(place, f"{text!r} is not {what}")
    return found


def _texts(value: object, place: str) -> list[str]:
    texts = value if isinstance(value, list) else [value]
    found = [text for text in texts if isinstance(text, str)]
    if not found or len(found) != len(texts):
        raise MalformedPolicy(place, "must be text or a list of texts, not empty")
    return found
