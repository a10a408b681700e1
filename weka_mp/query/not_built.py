"""The operations of STS and IAM that exist at AWS and not here, so that each is refused by its name.

A test compares them with the service models of botocore.
"""

from __future__ import annotations

from typing import Final

__all__ = ["NOT_BUILT"]

_STS: Final = """
    AssumeRoleWithSAML AssumeRoleWithWebIdentity AssumeRoot DecodeAuthorizationMessage GetAccessKeyInfo
    GetDelegatedAccessToken GetFederationToken GetWebIdentityToken
"""

_IAM: Final = """
    AcceptDelegationRequest AcquireRole AddClientIDToOpenIDConnectProvider AddRoleToInstanceProfile
    AssociateDelegationRequest AttachRolePolicy ChangePassword CreateAccountAlias
    CreateDelegationRequest CreateInstanceProfile CreateLoginProfile CreateOpenIDConnectProvider
    CreateRole CreateSAMLProvider CreateServiceLinkedRole CreateServiceSpecificCredential
    CreateVirtualMFADevice DeactivateMFADevice DeleteAccountAlias DeleteAccountPasswordPolicy
    DeleteInstanceProfile DeleteOpenIDConnectProvider DeleteRole DeleteRolePermissionsBoundary
    DeleteRolePolicy DeleteSAMLProvider DeleteSSHPublicKey DeleteServerCertificate
    DeleteServiceLinkedRole DeleteServiceSpecificCredential DeleteSigningCertificate
    DeleteUserPermissionsBoundary DeleteVirtualMFADevice DetachRolePolicy
    DisableOrganizationsRootCredentialsManagement DisableOrganizationsRootSessions
    DisableOutboundWebIdentityFederation EnableMFADevice EnableOrganizationsRootCredentialsManagement
    EnableOrganizationsRootSessions EnableOutboundWebIdentityFederation GenerateCredentialReport
    GenerateOrganizationsAccessReport GenerateServiceLastAccessedDetails GetAccessKeyLastUsed
    GetAccountAuthorizationDetails GetAccountPasswordPolicy GetAccountProperties
    GetContextKeysForCustomPolicy GetContextKeysForPrincipalPolicy GetCredentialReport
    GetDelegationRequest GetHumanReadableSummary GetInstanceProfile GetMFADevice
    GetOpenIDConnectProvider GetOrganizationsAccessReport GetOutboundWebIdentityFederationInfo GetRole
    GetRolePolicy GetRoleTemplateVersion GetSAMLProvider GetSSHPublicKey GetServerCertificate
    GetServiceLastAccessedDetails GetServiceLastAccessedDetailsWithEntities
    GetServiceLinkedRoleDeletionStatus ListAttachedRolePolicies ListDelegationRequests
    ListInstanceProfileTags ListInstanceProfiles ListInstanceProfilesForRole ListMFADeviceTags
    ListOpenIDConnectProviderTags ListOrganizationsFeatures ListPoliciesGrantingServiceAccess
    ListRolePolicies ListRoleTags ListSAMLProviderTags ListSAMLProviders ListServerCertificateTags
    ListServerCertificates PutAccountProperties PutRolePermissionsBoundary PutRolePolicy
    PutUserPermissionsBoundary RejectDelegationRequest RemoveClientIDFromOpenIDConnectProvider
    RemoveRoleFromInstanceProfile ResetServiceSpecificCredential ResyncMFADevice SendDelegationToken
    SetSecurityTokenServicePreferences SimulateCustomPolicy SimulatePrincipalPolicy TagInstanceProfile
    TagMFADevice TagOpenIDConnectProvider TagRole TagSAMLProvider TagServerCertificate
    UntagInstanceProfile UntagMFADevice UntagOpenIDConnectProvider UntagRole UntagSAMLProvider
    UntagServerCertificate UpdateAccountPasswordPolicy UpdateAssumeRolePolicy UpdateDelegationRequest
    UpdateLoginProfile UpdateOpenIDConnectProviderThumbprint UpdateRole UpdateRoleDescription
    UpdateSAMLProvider UpdateSSHPublicKey UpdateServerCertificate UpdateServiceSpecificCredential
    UpdateSigningCertificate UploadSSHPublicKey UploadServerCertificate UploadSigningCertificate
"""

NOT_BUILT: Final = {"sts": frozenset(_STS.split()), "iam": frozenset(_IAM.split())}
"""By the API's name."""
