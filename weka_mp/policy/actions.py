"""The actions of S3, by what they act on, and the patterns that policies name them with.

The names are those of the service authorization reference («Actions defined by Amazon S3»); they compare
without regard to case. A name that is not here is refused, and so is a pattern that matches none.
"""

from __future__ import annotations

from enum import Enum
from functools import lru_cache
from typing import Final

from weka_mp.policy.iam_actions import IAM_ACTIONS, STS_ACTIONS
from weka_mp.policy.wildcards import compile_pattern, encode

__all__ = ["ACTIONS", "OF_IDENTITIES", "Level", "matching"]


class Level(Enum):
    """What an action acts on."""

    ACCOUNT = "account"
    BUCKET = "bucket"
    OBJECT = "object"
    ELSEWHERE = "elsewhere"
    """Access points, jobs, grants, storage lenses: there are none here, so nobody ever asks for these."""
    IDENTITY = "identity"
    """Actions of IAM and STS, on users, groups and policies."""


_NAMES: Final[dict[Level, str]] = {
    Level.ACCOUNT: """
        CreateJob GetAccountPublicAccessBlock ListAccessPoints ListAllMyBuckets ListJobs
        PutAccountPublicAccessBlock
    """,
    Level.BUCKET: """
        AllowVendedLogDeliveryForResource CreateBucket CreateBucketMetadataTableConfiguration DeleteBucket
        DeleteBucketMetadataTableConfiguration DeleteBucketPolicy DeleteBucketWebsite
        GetAccelerateConfiguration GetAnalyticsConfiguration GetBucketAbac GetBucketAcl GetBucketCORS
        GetBucketLocation GetBucketLogging GetBucketMetadataTableConfiguration GetBucketNotification
        GetBucketObjectLockConfiguration GetBucketOwnershipControls GetBucketPolicy GetBucketPolicyStatus
        GetBucketPublicAccessBlock GetBucketRequestPayment GetBucketTagging GetBucketVersioning
        GetBucketWebsite GetEncryptionConfiguration GetIntelligentTieringConfiguration
        GetInventoryConfiguration GetLifecycleConfiguration GetMetricsConfiguration
        GetReplicationConfiguration ListBucket ListBucketMultipartUploads ListBucketVersions
        PauseReplication PutAccelerateConfiguration PutAnalyticsConfiguration PutBucketAbac PutBucketAcl
        PutBucketCORS PutBucketLogging PutBucketNotification PutBucketObjectLockConfiguration
        PutBucketOwnershipControls PutBucketPolicy PutBucketPublicAccessBlock PutBucketRequestPayment
        PutBucketTagging PutBucketVersioning PutBucketWebsite PutEncryptionConfiguration
        PutIntelligentTieringConfiguration PutInventoryConfiguration PutLifecycleConfiguration
        PutMetricsConfiguration PutReplicationConfiguration TagResource
        UpdateBucketMetadataAnnotationTableConfiguration UpdateBucketMetadataInventoryTableConfiguration
        UpdateBucketMetadataJournalTableConfiguration
    """,
    Level.OBJECT: """
        AbortMultipartUpload BypassGovernanceRetention DeleteObject DeleteObjectAnnotation
        DeleteObjectTagging DeleteObjectVersion DeleteObjectVersionAnnotation DeleteObjectVersionTagging
        GetObject GetObjectAcl GetObjectAnnotation GetObjectAttributes GetObjectLegalHold
        GetObjectRetention GetObjectTagging GetObjectTorrent GetObjectVersion GetObjectVersionAcl
        GetObjectVersionAnnotation GetObjectVersionAnnotationForReplication GetObjectVersionAttributes
        GetObjectVersionForReplication GetObjectVersionTagging GetObjectVersionTorrent InitiateReplication
        ListMultipartUploadParts ListObjectAnnotations ListObjectVersionAnnotations
        ObjectOwnerOverrideToBucketOwner PutObject PutObjectAcl PutObjectAnnotation PutObjectLegalHold
        PutObjectRetention PutObjectTagging PutObjectVersionAcl PutObjectVersionAnnotation
        PutObjectVersionTagging ReplicateDelete ReplicateObject ReplicateObjectAnnotation ReplicateTags
        RestoreObject UpdateObjectEncryption
    """,
    Level.ELSEWHERE: """
        AssociateAccessGrantsIdentityCenter CreateAccessGrant CreateAccessGrantsInstance
        CreateAccessGrantsLocation CreateAccessPoint CreateAccessPointForObjectLambda
        CreateMultiRegionAccessPoint CreateStorageLensGroup DeleteAccessGrant DeleteAccessGrantsInstance
        DeleteAccessGrantsInstanceResourcePolicy DeleteAccessGrantsLocation DeleteAccessPoint
        DeleteAccessPointForObjectLambda DeleteAccessPointPolicy DeleteAccessPointPolicyForObjectLambda
        DeleteJobTagging DeleteMultiRegionAccessPoint DeleteStorageLensConfiguration
        DeleteStorageLensConfigurationTagging DeleteStorageLensGroup DescribeJob
        DescribeMultiRegionAccessPointOperation DissociateAccessGrantsIdentityCenter GetAccessGrant
        GetAccessGrantsInstance GetAccessGrantsInstanceForPrefix GetAccessGrantsInstanceResourcePolicy
        GetAccessGrantsLocation GetAccessPoint GetAccessPointConfigurationForObjectLambda
        GetAccessPointForObjectLambda GetAccessPointPolicy GetAccessPointPolicyForObjectLambda
        GetAccessPointPolicyStatus GetAccessPointPolicyStatusForObjectLambda GetDataAccess GetJobTagging
        GetMultiRegionAccessPoint GetMultiRegionAccessPointPolicy GetMultiRegionAccessPointPolicyStatus
        GetMultiRegionAccessPointRoutes GetStorageLensConfiguration GetStorageLensConfigurationTagging
        GetStorageLensDashboard GetStorageLensGroup ListAccessGrants ListAccessGrantsInstances
        ListAccessGrantsLocations ListAccessPointsForObjectLambda ListCallerAccessGrants
        ListMultiRegionAccessPoints ListStorageLensConfigurations ListStorageLensGroups ListTagsForResource
        PutAccessGrantsInstanceResourcePolicy PutAccessPointConfigurationForObjectLambda
        PutAccessPointPolicy PutAccessPointPolicyForObjectLambda PutAccessPointPublicAccessBlock
        PutJobTagging PutMultiRegionAccessPointPolicy PutStorageLensConfiguration
        PutStorageLensConfigurationTagging SubmitMultiRegionAccessPointRoutes UntagResource
        UpdateAccessGrantsLocation UpdateJobPriority UpdateJobStatus UpdateStorageLensGroup
    """,
}

_SERVICES: Final = ("s3:", "iam:", "sts:")

ACTIONS: Final[dict[str, Level]] = {
    **{f"s3:{name}": level for level, names in _NAMES.items() for name in names.split()},
    **dict.fromkeys((*IAM_ACTIONS, *STS_ACTIONS), Level.IDENTITY),
}
"""Every action as it is spelled, with what it acts on."""

OF_IDENTITIES: Final = frozenset((*IAM_ACTIONS, *STS_ACTIONS))


@lru_cache(maxsize=1024)
def matching(pattern: str) -> frozenset[str]:
    """The actions that a policy means by `pattern` (``s3:Get*``, ``*``); empty where there are none.

    The service's own name takes no wildcard (but ``*`` alone is every action).
    """
    if pattern == "*":
        return frozenset(ACTIONS)
    if not pattern.lower().startswith(_SERVICES):
        return frozenset()
    fits = compile_pattern(encode(pattern.lower()))
    return frozenset(name for name in ACTIONS if fits(name.lower()))
