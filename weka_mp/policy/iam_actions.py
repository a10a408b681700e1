"""The actions of IAM and STS that a policy may name: those whose operations are built.

What is not here is refused when a policy is put, as S3's unknown actions are.
"""

from __future__ import annotations

from typing import Final

__all__ = ["IAM_ACTIONS", "STS_ACTIONS"]

_IAM: Final = """
    AddUserToGroup AttachGroupPolicy AttachUserPolicy CreateAccessKey CreateGroup CreatePolicy
    CreatePolicyVersion CreateUser DeleteAccessKey DeleteGroup DeleteGroupPolicy DeleteLoginProfile
    DeletePolicy DeletePolicyVersion DeleteUser DeleteUserPolicy DetachGroupPolicy DetachUserPolicy
    GetAccountSummary GetGroup GetGroupPolicy GetLoginProfile GetPolicy GetPolicyVersion GetUser
    GetUserPolicy ListAccessKeys ListAccountAliases ListAttachedGroupPolicies ListAttachedUserPolicies
    ListEntitiesForPolicy ListGroupPolicies ListGroups ListGroupsForUser ListMFADevices
    ListOpenIDConnectProviders ListPolicies ListPolicyTags ListPolicyVersions ListRoles ListSSHPublicKeys
    ListServiceSpecificCredentials ListSigningCertificates ListUserPolicies ListUserTags ListUsers
    ListVirtualMFADevices PutGroupPolicy PutUserPolicy RemoveUserFromGroup SetDefaultPolicyVersion TagPolicy
    TagUser UntagPolicy UntagUser UpdateAccessKey UpdateGroup UpdateUser
"""

IAM_ACTIONS: Final = tuple(f"iam:{name}" for name in _IAM.split())
STS_ACTIONS: Final = ("sts:AssumeRole", "sts:GetSessionToken")
"""`sts:GetCallerIdentity` is nobody's to give or to take (STS API, GetCallerIdentity)."""
