"""The one meaning of names and objects. Synchronous, thread-safe; knows neither HTTP nor FUSE.

from weka_mp.namespace import Namespace
from weka_mp.store.posix import PosixStore

with Namespace.open(PosixStore("/srv/data")) as namespace:
    namespace.create_bucket("photos")
    with namespace.begin_put("photos", b"a.txt") as session:
        session.write(b"hello")
        session.publish(NewObject(md5=hashlib.md5(b"hello").digest()))
"""

from weka_mp.namespace.buckets.access import NO_BLOCK, BucketAccess, PublicAccessBlock
from weka_mp.namespace.buckets.settings import BucketSettings
from weka_mp.namespace.effects import Changes, Durability
from weka_mp.namespace.facade import Namespace
from weka_mp.namespace.objects.copying import ChunkDigest, CopyRequest
from weka_mp.namespace.objects.publishing import PutSession
from weka_mp.namespace.objects.reading import OpenObject
from weka_mp.namespace.objects.renaming import RenameRequest
from weka_mp.namespace.records.attribute import ContentHeaders, PartSizes
from weka_mp.namespace.upkeep.filling import FillReport
from weka_mp.namespace.uploads.listing import PartsPage, UploadsQuery
from weka_mp.namespace.uploads.multipart import CombinedChecksums, CompletionRequest, PartSession, StoredPart
from weka_mp.namespace.uploads.part_copying import PartCopyRequest
from weka_mp.namespace.values import (
    BucketInfo,
    CommonPrefix,
    CompletedPart,
    CompletedUpload,
    Deleted,
    Deletion,
    ListPage,
    NewMetadata,
    NewObject,
    NewUpload,
    ObjectInfo,
    ObjectSummary,
    Published,
    UploadInfo,
    UploadsPage,
    VersionRow,
    VersionsListing,
    WriteConditions,
)

__all__ = [
    "NO_BLOCK",
    "BucketAccess",
    "BucketInfo",
    "BucketSettings",
    "Changes",
    "ChunkDigest",
    "CombinedChecksums",
    "CommonPrefix",
    "CompletedPart",
    "CompletedUpload",
    "CompletionRequest",
    "ContentHeaders",
    "CopyRequest",
    "Deleted",
    "Deletion",
    "Durability",
    "FillReport",
    "ListPage",
    "Namespace",
    "NewMetadata",
    "NewObject",
    "NewUpload",
    "ObjectInfo",
    "ObjectSummary",
    "OpenObject",
    "PartCopyRequest",
    "PartSession",
    "PartSizes",
    "PartsPage",
    "PublicAccessBlock",
    "Published",
    "PutSession",
    "RenameRequest",
    "StoredPart",
    "UploadInfo",
    "UploadsPage",
    "UploadsQuery",
    "VersionRow",
    "VersionsListing",
    "WriteConditions",
]
