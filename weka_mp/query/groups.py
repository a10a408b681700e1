"""IAM: groups and who is in them."""

from __future__ import annotations

from weka_mp.identity.model import Group
from weka_mp.identity.naming import unique_id
from weka_mp.query.call import Call
from weka_mp.query.users import shown_user
from weka_mp.query.xml import Record, moment

__all__ = [
    "add_user_to_group", "create_group", "delete_group", "get_group", "list_groups", "list_groups_for_user",
    "remove_user_from_group", "update_group",
]  # fmt: skip


def create_group(call: Call) -> Record:
    """Of the caller's account."""
    group = call.desk.administration.add_group(
        call.parameters.text("GroupName"), account=call.who.account, path=call.path()
    )
    return {"Group": _shown(call, group)}


def get_group(call: Call) -> Record:
    """The group and, by pages, its members."""
    group = call.group()
    members = call.registry.members(group.name)
    rows = [(user.name, shown_user(call, user)) for user in members]
    return {"Group": _shown(call, group), **call.page("Users", rows)}


def list_groups(call: Call) -> Record:
    groups = [group for group in call.registry.groups.values() if group.account == call.who.account]
    return call.page("Groups", [
        (group.name, _shown(call, group)) for group in groups if call.is_below(group.path)
    ])  # fmt: skip


def list_groups_for_user(call: Call) -> Record:
    groups = [call.registry.group(name) for name in call.named_user().groups]
    return call.page("Groups", [(group.name, _shown(call, group)) for group in groups])


def update_group(call: Call) -> None:
    """Another name, path or both."""
    new, path = (call.parameters.text_or_none(name) for name in ("NewGroupName", "NewPath"))
    call.desk.iam.rename_group(call.group().name, new, path)


def delete_group(call: Call) -> None:
    """One without members and policies."""
    call.desk.administration.remove_group(call.group().name)


def add_user_to_group(call: Call) -> None:
    call.desk.administration.join_group(call.group().name, call.changeable_user().name)


def remove_user_from_group(call: Call) -> None:
    call.desk.administration.leave_group(call.group().name, call.changeable_user().name)


def _shown(call: Call, group: Group) -> Record:
    return {
        "Path": group.path,
        "GroupName": group.name,
        "GroupId": unique_id("AGPA", group.serial),
        "Arn": call.arn(group),
        "CreateDate": moment(group.created_ns),
    }
