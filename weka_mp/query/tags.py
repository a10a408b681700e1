"""IAM: tags of users and policies."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from weka_mp.identity.model import StoredPolicy
from weka_mp.query.call import Call
from weka_mp.query.xml import Content, Record

__all__ = [
    "list_policy_tags", "list_user_tags", "shown_tags", "tag_policy", "tag_user", "untag_policy",
    "untag_user",
]  # fmt: skip

_Step = Callable[[Mapping[str, str]], Mapping[str, str]]


def shown_tags(tags: Mapping[str, str]) -> Content:
    return [{"Key": key, "Value": value} for key, value in sorted(tags.items())]


def list_user_tags(call: Call) -> Record:
    return _page(call, call.named_user().tags)


def list_policy_tags(call: Call) -> Record:
    policy = call.policy()
    return _page(call, policy.tags if isinstance(policy, StoredPolicy) else {})


def tag_user(call: Call) -> None:
    call.desk.iam.tag_user(call.changeable_user().name, _adding(call))


def untag_user(call: Call) -> None:
    call.desk.iam.tag_user(call.changeable_user().name, _removing(call))


def tag_policy(call: Call) -> None:
    call.desk.iam.tag_policy(_name(call), _adding(call))


def untag_policy(call: Call) -> None:
    call.desk.iam.tag_policy(_name(call), _removing(call))


def _name(call: Call) -> str:
    policy = call.policy()
    return policy.name if isinstance(policy, StoredPolicy) else policy


def _adding(call: Call) -> _Step:
    """A key that differs in case from one that is there replaces it, as in IAM."""
    new = call.parameters.pairs("Tags")
    lowered = {key.lower() for key in new}
    return lambda old: {**{key: value for key, value in old.items() if key.lower() not in lowered}, **new}


def _removing(call: Call) -> _Step:
    gone = {key.lower() for key in call.parameters.texts("TagKeys")}
    return lambda old: {key: value for key, value in old.items() if key.lower() not in gone}


def _page(call: Call, tags: Mapping[str, str]) -> Record:
    return call.page("Tags", [(key, {"Key": key, "Value": value}) for key, value in tags.items()])
