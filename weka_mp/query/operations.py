"""The one table of STS's and IAM's operations: who may, which parameters it knows, what answers it.

Default: no. STS asks for a good signature alone, unless a policy denies it, and its operations decide by the
kind of key. IAM is for the roles that `control.roles` lets do such a thing, and for S3 users as their
policies say (`rights`), with a key of their own: never with temporary credentials or a service account,
whatever their user may.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from weka_mp.control.desk import Desk
from weka_mp.control.roles import Verb
from weka_mp.identity import CredentialKind, Principal
from weka_mp.policy.documents import Policy
from weka_mp.policy.variables import Context
from weka_mp.query import absent, attachments, events, groups, policies, sts, tags, users
from weka_mp.query.call import PAGING, Call
from weka_mp.query.errors import QueryError, shown
from weka_mp.query.not_built import NOT_BUILT
from weka_mp.query.parameters import Parameters
from weka_mp.query.rights import check_rights
from weka_mp.query.xml import Record, render

__all__ = ["APIS", "Api", "Operation", "answer", "find"]


@dataclass(frozen=True, slots=True)
class Operation:
    """verb: None where every good key may ask. known: parameters besides Action and Version."""

    handler: Callable[[Call], Record | None]
    verb: Verb | None
    known: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Api:
    """services: what the signature's scope may say."""

    name: str
    version: str
    namespace: str
    services: frozenset[str]
    operations: Mapping[str, Operation]


_USER, _GROUP, _ARN = "UserName", "GroupName", "PolicyArn"
_NAME, _DOCUMENT, _TAGS = "PolicyName", "PolicyDocument", "Tags"
_PREFIX: Final = "PathPrefix"
_SEE, _CHANGE = Verb.LIST_USERS, Verb.CHANGE_USERS
_READ, _WRITE = Verb.LIST_POLICIES, Verb.CHANGE_POLICIES

_STS: Final[Mapping[str, Operation]] = {
    "AssumeRole": Operation(
        sts.assume_role, None, ("RoleArn", "RoleSessionName", "DurationSeconds", "Policy")
    ),
    "GetCallerIdentity": Operation(sts.get_caller_identity, None),
    "GetSessionToken": Operation(sts.get_session_token, None, ("DurationSeconds",)),
}

_IAM: Final[Mapping[str, Operation]] = {
    # users
    "CreateUser": Operation(users.create_user, _CHANGE, (_USER, "Path", _TAGS)),
    "GetUser": Operation(users.get_user, Verb.WHOAMI, (_USER,)),  # of others: it asks for more itself
    "ListUsers": Operation(users.list_users, _SEE, (_PREFIX, *PAGING)),
    "UpdateUser": Operation(users.update_user, _CHANGE, (_USER, "NewUserName", "NewPath")),
    "DeleteUser": Operation(users.delete_user, _CHANGE, (_USER,)),
    "ListUserTags": Operation(tags.list_user_tags, _SEE, (_USER, *PAGING)),
    "TagUser": Operation(tags.tag_user, _CHANGE, (_USER, _TAGS)),
    "UntagUser": Operation(tags.untag_user, _CHANGE, (_USER, "TagKeys")),
    # their access keys, and what they never have
    "CreateAccessKey": Operation(users.create_access_key, _CHANGE, (_USER,)),
    "ListAccessKeys": Operation(users.list_access_keys, _SEE, (_USER, *PAGING)),
    "UpdateAccessKey": Operation(users.update_access_key, _CHANGE, (_USER, "AccessKeyId", "Status")),
    "DeleteAccessKey": Operation(users.delete_access_key, _CHANGE, (_USER, "AccessKeyId")),
    "GetLoginProfile": Operation(users.get_login_profile, _SEE, (_USER,)),
    "DeleteLoginProfile": Operation(users.delete_login_profile, _CHANGE, (_USER,)),
    "ListMFADevices": Operation(absent.list_mfa_devices, _SEE, (_USER, *PAGING)),
    "ListVirtualMFADevices": Operation(absent.list_virtual_mfa_devices, _SEE, ("AssignmentStatus", *PAGING)),
    "ListSSHPublicKeys": Operation(absent.list_ssh_public_keys, _SEE, (_USER, *PAGING)),
    "ListSigningCertificates": Operation(absent.list_signing_certificates, _SEE, (_USER, *PAGING)),
    "ListServiceSpecificCredentials": Operation(
        absent.list_service_specific_credentials, _SEE, (_USER, "ServiceName", "AllUsers", *PAGING)
    ),
    "ListRoles": Operation(absent.list_roles, _SEE, (_PREFIX, *PAGING)),
    "ListOpenIDConnectProviders": Operation(absent.list_open_id_connect_providers, _SEE),
    "GetAccountSummary": Operation(users.get_account_summary, _SEE),
    "ListAccountAliases": Operation(absent.list_account_aliases, _SEE, PAGING),
    # policies
    "CreatePolicy": Operation(
        policies.create_policy, _WRITE, (_NAME, _DOCUMENT, "Path", "Description", _TAGS)
    ),
    "GetPolicy": Operation(policies.get_policy, _READ, (_ARN,)),
    "ListPolicies": Operation(
        policies.list_policies, _READ, ("Scope", "OnlyAttached", "PolicyUsageFilter", _PREFIX, *PAGING)
    ),
    "DeletePolicy": Operation(policies.delete_policy, _WRITE, (_ARN,)),
    "GetPolicyVersion": Operation(policies.get_policy_version, _READ, (_ARN, "VersionId")),
    "ListPolicyVersions": Operation(policies.list_policy_versions, _READ, (_ARN, *PAGING)),
    "CreatePolicyVersion": Operation(
        policies.create_policy_version, _WRITE, (_ARN, _DOCUMENT, "SetAsDefault")
    ),
    "DeletePolicyVersion": Operation(policies.delete_policy_version, _WRITE, (_ARN, "VersionId")),
    "SetDefaultPolicyVersion": Operation(policies.set_default_policy_version, _WRITE, (_ARN, "VersionId")),
    "ListEntitiesForPolicy": Operation(
        policies.list_entities_for_policy, _READ,
        (_ARN, "EntityFilter", "PolicyUsageFilter", _PREFIX, *PAGING),
    ),
    "ListPolicyTags": Operation(tags.list_policy_tags, _READ, (_ARN, *PAGING)),
    "TagPolicy": Operation(tags.tag_policy, _WRITE, (_ARN, _TAGS)),
    "UntagPolicy": Operation(tags.untag_policy, _WRITE, (_ARN, "TagKeys")),
    # who has which
    "AttachUserPolicy": Operation(attachments.attach_user_policy, _WRITE, (_USER, _ARN)),
    "DetachUserPolicy": Operation(attachments.detach_user_policy, _WRITE, (_USER, _ARN)),
    "ListAttachedUserPolicies": Operation(
        attachments.list_attached_user_policies, _READ, (_USER, _PREFIX, *PAGING)
    ),
    "AttachGroupPolicy": Operation(attachments.attach_group_policy, _WRITE, (_GROUP, _ARN)),
    "DetachGroupPolicy": Operation(attachments.detach_group_policy, _WRITE, (_GROUP, _ARN)),
    "ListAttachedGroupPolicies": Operation(
        attachments.list_attached_group_policies, _READ, (_GROUP, _PREFIX, *PAGING)
    ),
    "PutUserPolicy": Operation(attachments.put_user_policy, _WRITE, (_USER, _NAME, _DOCUMENT)),
    "GetUserPolicy": Operation(attachments.get_user_policy, _READ, (_USER, _NAME)),
    "DeleteUserPolicy": Operation(attachments.delete_user_policy, _WRITE, (_USER, _NAME)),
    "ListUserPolicies": Operation(attachments.list_user_policies, _READ, (_USER, *PAGING)),
    "PutGroupPolicy": Operation(attachments.put_group_policy, _WRITE, (_GROUP, _NAME, _DOCUMENT)),
    "GetGroupPolicy": Operation(attachments.get_group_policy, _READ, (_GROUP, _NAME)),
    "DeleteGroupPolicy": Operation(attachments.delete_group_policy, _WRITE, (_GROUP, _NAME)),
    "ListGroupPolicies": Operation(attachments.list_group_policies, _READ, (_GROUP, *PAGING)),
    # groups
    "CreateGroup": Operation(groups.create_group, _CHANGE, (_GROUP, "Path")),
    "GetGroup": Operation(groups.get_group, _SEE, (_GROUP, *PAGING)),
    "ListGroups": Operation(groups.list_groups, _SEE, (_PREFIX, *PAGING)),
    "ListGroupsForUser": Operation(groups.list_groups_for_user, _SEE, (_USER, *PAGING)),
    "UpdateGroup": Operation(groups.update_group, _CHANGE, (_GROUP, "NewGroupName", "NewPath")),
    "DeleteGroup": Operation(groups.delete_group, _CHANGE, (_GROUP,)),
    "AddUserToGroup": Operation(groups.add_user_to_group, _CHANGE, (_GROUP, _USER)),
    "RemoveUserFromGroup": Operation(groups.remove_user_from_group, _CHANGE, (_GROUP, _USER)),
}

APIS: Final = (
    Api("sts", "2011-06-15", "https://sts.amazonaws.com/doc/2011-06-15/", frozenset({"sts", "s3"}), _STS),
    Api("iam", "2010-05-08", "https://iam.amazonaws.com/doc/2010-05-08/", frozenset({"iam"}), _IAM),
)

NO_CONTEXT: Final[Context] = {}
_LASTING: Final = frozenset({CredentialKind.ROOT, CredentialKind.ACCESS_KEY, CredentialKind.USER})


def find(parameters: Parameters) -> tuple[Api, Operation]:
    """What Action and Version name. Raises QueryError InvalidAction, NotImplemented."""
    action = parameters.action
    for api in APIS:
        if api.version == parameters.version:
            if action in NOT_BUILT[api.name]:
                raise QueryError("NotImplemented", f"The operation {action} is not implemented.")
            if action in api.operations:
                return api, api.operations[action]
    version = parameters.version or "NO_VERSION_SPECIFIED"
    raise QueryError(
        "InvalidAction", f"Could not find operation {shown(action)[:64]} for version {shown(version)[:64]}"
    )


def answer(
    desk: Desk, who: Principal[Policy], service: str, parameters: Parameters, request_id: str, source: str,
    context: Context = NO_CONTEXT,
) -> bytes:
    """The document that answers a call whose signature, for that service, was found good. source: the
    client's address, for the event; context: the request's condition keys.

    Raises QueryError, IdentityError, MalformedPolicy, NamespaceError.
    """
    api, operation = find(parameters)
    if service not in api.services:
        raise QueryError(
            "SignatureDoesNotMatch", f"Credential should be scoped to correct service: '{api.name}'."
        )
    call = Call(desk, who, parameters)
    if operation.verb is not None and who.kind not in _LASTING:
        raise QueryError("AccessDenied", f"{parameters.action} is not for a {who.kind.value} key.")
    check_rights(call, api.name, operation.verb, operation.known, context)
    parameters.check_known(operation.known)
    found = operation.handler(call)
    events.tell(call, api.name, found, source)
    return render(parameters.action, api.namespace, found, request_id)
