"""One call of STS or IAM: who makes it, with what, at which desk, and what is in their sight.

An account's IAM API shows and changes what is that account's, whoever calls; the command line is for all.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from weka_mp.control.desk import Desk
from weka_mp.control.roles import check_role
from weka_mp.identity import Caller, Principal, Role
from weka_mp.identity.errors import NoSuchEntity, NotAllowed, Unmodifiable
from weka_mp.identity.model import Group, StoredPolicy, User
from weka_mp.identity.naming import ROOT, entity_arn
from weka_mp.identity.registry import Registry
from weka_mp.policy.documents import Policy
from weka_mp.query.errors import QueryError
from weka_mp.query.parameters import Parameters, invalid
from weka_mp.query.xml import Content, Record

__all__ = ["PAGING", "Call"]

Entity = TypeVar("Entity", User, Group)

PAGING: Final = ("Marker", "MaxItems")
_MOST: Final = 1_000  # IAM, "MaxItems"
_USUAL: Final = 100
_ARN: Final = re.compile(r"arn:aws:iam::(aws|[0-9]{12}):policy(/(?:[!-~]{1,510}/)?)([^/]{1,128})")
_PREDEFINED: Final = "aws"


@dataclass(frozen=True, slots=True)
class Call:
    """`who` signed it; `parameters` are known to the operation."""

    desk: Desk
    who: Principal[Policy]
    parameters: Parameters

    @property
    def caller(self) -> Caller:
        """As the roles' table has them."""
        return Caller(self.who.user, self.who.account, self.who.role, 0)

    @property
    def registry(self) -> Registry:
        return self.desk.identities.registry

    # ---- users and groups of the account
    def user(self, name: str) -> User:
        """Names differ in more than case. Raises NoSuchEntity, also for another account's."""
        user = _named(self.registry.users, name)
        if user is None or user.account != self.who.account:
            raise NoSuchEntity(f"The user with name {name} cannot be found.")
        return user

    def named_user(self) -> User:
        """The one whom UserName names. Raises as `user` does."""
        return self.user(self.parameters.text("UserName"))

    def changeable_user(self) -> User:
        """The same, whom the caller may change: of its own keys oneself, when nobody is named. Raises
        NotAllowed, Unmodifiable.
        """
        own = self.who.user if self.parameters.action.endswith("AccessKey") else None
        name = self.parameters.text_or_none("UserName") or own or self.parameters.text("UserName")
        if name == ROOT and self.who.account == ROOT:
            raise Unmodifiable(f"the user {ROOT} is built in: its keys are those of the root credentials")
        user = self.user(name)
        check_role(self.caller, user.role)
        if self.who.role is Role.S3 and user.role is not Role.S3:
            raise NotAllowed("policies give nothing over administrators: their keys would make one")
        return user

    def group(self) -> Group:
        """The one that GroupName names. Raises NoSuchEntity."""
        name = self.parameters.text("GroupName")
        group = _named(self.registry.groups, name)
        if group is None or group.account != self.who.account:
            raise NoSuchEntity(f"The group with name {name} cannot be found.")
        return group

    # ---- policies
    def policy(self) -> StoredPolicy | str:
        """What PolicyArn names: a custom policy of the account, or the name of a predefined one.

        Raises NoSuchEntity, QueryError.
        """
        arn = self.parameters.text("PolicyArn")
        match = _ARN.fullmatch(arn)
        if match is None:
            raise QueryError("ValidationError", f"ARN {arn} is not valid.")
        number, path, name = match[1], match[2], match[3]
        if number == _PREDEFINED and path == "/" and name in self.desk.identities.predefined:
            return name
        policy = self.registry.policies.get(name)
        theirs = policy is None or policy.account != self.who.account
        if policy is None or theirs or number != self.who.account_number or policy.path != path:
            raise NoSuchEntity(f"Policy {arn} does not exist or is not attachable.")
        return policy

    def policy_arn(self, name: str) -> str:
        """Of a policy by its name: a predefined one belongs to AWS, as far as ARNs go."""
        if name in self.desk.identities.predefined:
            return entity_arn(_PREDEFINED, "policy", name)
        return entity_arn(self.who.account_number, "policy", self.registry.policy(name).qualified)

    def policy_path(self, name: str) -> str:
        """Of a policy by its name."""
        predefined = name in self.desk.identities.predefined
        return "/" if predefined else self.registry.policy(name).path

    def arn(self, entity: User | Group) -> str:
        """Of a user or group of the account."""
        kind = "user" if isinstance(entity, User) else "group"
        return entity_arn(self.who.account_number, kind, entity.qualified)

    # ---- lists
    def path(self) -> str:
        """Of what is to be made."""
        return self.parameters.text_or_none("Path") or "/"

    def is_below(self, path: str) -> bool:
        """Whether it begins with PathPrefix."""
        prefix = self.parameters.text_or_none("PathPrefix") or "/"
        if not prefix.startswith("/"):
            raise invalid("PathPrefix", prefix, "Member must begin with /")
        return path.startswith(prefix)

    def page(self, element: str, rows: Sequence[tuple[str, Content]]) -> Record:
        """Those behind Marker, MaxItems of them; rows: each with the name it is sorted by, in any case."""
        most = self.parameters.number("MaxItems", _USUAL, 1, _MOST)
        marker = self.parameters.text_or_none("Marker")
        begun = None if marker is None else _place(_unmarked(marker))
        ordered = sorted(rows, key=lambda row: _place(row[0]))
        behind = [row for row in ordered if begun is None or _place(row[0]) > begun]
        shown = behind[:most]
        more = len(behind) > most
        return {
            element: [row[1] for row in shown],
            "IsTruncated": more,
            "Marker": _marked(shown[-1][0]) if more else None,
        }


def _named(entities: Mapping[str, Entity], name: str) -> Entity | None:
    found = entities.get(name)
    if found is not None:
        return found
    return next((one for other, one in entities.items() if other.lower() == name.lower()), None)


def _place(name: str) -> tuple[str, str]:
    """Where it is in a list."""
    return name.lower(), name


def _marked(name: str) -> str:
    return name.encode().hex()


def _unmarked(marker: str) -> str:
    try:
        return bytes.fromhex(marker).decode()
    except ValueError:
        raise invalid("Marker", marker, "Member must be one that was given out") from None
