"""IAM: which policies users and groups have, attached by name or kept within them."""

from __future__ import annotations

from collections.abc import Mapping

from weka_mp.identity import Role, inline_policies
from weka_mp.identity.errors import InvalidInput
from weka_mp.identity.model import StoredPolicy, User
from weka_mp.query.call import Call
from weka_mp.query.policies import encoded
from weka_mp.query.xml import Record

__all__ = [
    "attach_group_policy", "attach_user_policy", "delete_group_policy", "delete_user_policy",
    "detach_group_policy", "detach_user_policy", "get_group_policy", "get_user_policy",
    "list_attached_group_policies", "list_attached_user_policies", "list_group_policies",
    "list_user_policies", "put_group_policy", "put_user_policy",
]  # fmt: skip


# ---- with a name
def attach_user_policy(call: Call) -> None:
    call.desk.administration.attach_to_user(_policy(call), _data_user(call).name)


def detach_user_policy(call: Call) -> None:
    call.desk.administration.detach_from_user(_policy(call), call.changeable_user().name)


def list_attached_user_policies(call: Call) -> Record:
    return _attached(call, call.named_user().policies)


def attach_group_policy(call: Call) -> None:
    call.desk.administration.attach_to_group(_policy(call), call.group().name)


def detach_group_policy(call: Call) -> None:
    call.desk.administration.detach_from_group(_policy(call), call.group().name)


def list_attached_group_policies(call: Call) -> Record:
    return _attached(call, call.group().policies)


def _attached(call: Call, names: tuple[str, ...]) -> Record:
    return call.page("AttachedPolicies", [
        (name, {"PolicyName": name, "PolicyArn": call.policy_arn(name)})
        for name in names if call.is_below(call.policy_path(name))
    ])  # fmt: skip


def _policy(call: Call) -> str:
    policy = call.policy()
    return policy.name if isinstance(policy, StoredPolicy) else policy


def _data_user(call: Call) -> User:
    """Policies speak of data, which users of other roles have none of."""
    user = call.changeable_user()
    if user.role is not Role.S3:
        raise InvalidInput(
            f"{user.name} has the role {user.role.value}: policies are for users with the role s3"
        )
    return user


# ---- within
def put_user_policy(call: Call) -> None:
    call.desk.iam.put_in_user(_data_user(call).name, *_new(call))


def get_user_policy(call: Call) -> Record:
    user, name = call.named_user().name, call.parameters.text("PolicyName")
    document = inline_policies.of_user(call.registry, user, name)
    return {"UserName": user, "PolicyName": name, "PolicyDocument": encoded(document)}


def delete_user_policy(call: Call) -> None:
    call.desk.iam.remove_from_user(call.changeable_user().name, call.parameters.text("PolicyName"))


def list_user_policies(call: Call) -> Record:
    return _within(call, call.named_user().inline)


def put_group_policy(call: Call) -> None:
    call.desk.iam.put_in_group(call.group().name, *_new(call))


def get_group_policy(call: Call) -> Record:
    group, name = call.group().name, call.parameters.text("PolicyName")
    document = inline_policies.of_group(call.registry, group, name)
    return {"GroupName": group, "PolicyName": name, "PolicyDocument": encoded(document)}


def delete_group_policy(call: Call) -> None:
    call.desk.iam.remove_from_group(call.group().name, call.parameters.text("PolicyName"))


def list_group_policies(call: Call) -> Record:
    return _within(call, call.group().inline)


def _new(call: Call) -> tuple[str, str]:
    return call.parameters.text("PolicyName"), call.parameters.text("PolicyDocument")


def _within(call: Call, inline: Mapping[str, str]) -> Record:
    return call.page("PolicyNames", [(name, name) for name in inline])
