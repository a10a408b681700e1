"""The condition keys of one question, each worked out when a statement asks for it.

What a client wrote is taken from where the operation itself takes it (the first header or parameter of a
name): a condition must not look at one value while another is acted upon.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Final, NamedTuple

from weka_mp.errors import NamespaceError
from weka_mp.gateway.principals import Principal
from weka_mp.policy.condition_keys import CONDITION_KEYS
from weka_mp.s3.credentials import Authentication, AuthKind
from weka_mp.s3.dates import parse_iso_milli
from weka_mp.s3.errors import S3Error
from weka_mp.s3.object_lock import HOLD, MODE, UNTIL
from weka_mp.s3.parameters import well_formed_version
from weka_mp.s3.parse_objects import copy_source
from weka_mp.s3.request import S3Request
from weka_mp.s3.signing_time import extended_iso
from weka_mp.s3.tags import requested_tags
from weka_mp.values import BucketName, ObjectKey

if TYPE_CHECKING:
    from weka_mp.namespace import Namespace

__all__ = ["NOTHING_SAID", "OF_DELIVERIES", "QuestionContext", "Said", "Sender"]

_AUTH_TYPES: Final = {
    AuthKind.HEADER_V4: "REST-HEADER",
    AuthKind.HEADER_V2: "REST-HEADER",
    AuthKind.QUERY_V4: "REST-QUERY-STRING",
    AuthKind.QUERY_V2: "REST-QUERY-STRING",
    AuthKind.POST_V4: "POST",
    AuthKind.POST_V2: "POST",
}
_V4: Final = frozenset({AuthKind.HEADER_V4, AuthKind.QUERY_V4, AuthKind.POST_V4})
_LISTINGS: Final = frozenset({"ListObjects", "ListObjectsV2", "ListObjectVersions", "ListMultipartUploads"})
_CREATIONS: Final = {
    **dict.fromkeys(("PutObject", "PostObject", "CopyObject", "CompleteMultipartUpload"), "true"),
    **dict.fromkeys(("CreateMultipartUpload", "UploadPart", "UploadPartCopy"), "false"),
}
_OF_UPLOAD: Final = frozenset({"UploadPart", "UploadPartCopy", "CompleteMultipartUpload"})
"""Operations on an upload, whose object gets the tags that were given when it was begun."""
_OF_TAGGED: Final = frozenset(
    f"s3:{name}"
    for stem in ("GetObject", "GetObjectAcl", "GetObjectAnnotation", "GetObjectAttributes",
                 "GetObjectTagging", "PutObjectAcl", "PutObjectAnnotation", "PutObjectTagging",
                 "DeleteObjectAnnotation", "DeleteObjectTagging", "ListObjectAnnotations")
    for name in (stem, stem.replace("Object", "ObjectVersion"))
) | {"s3:UpdateObjectEncryption"}
"""Actions that may depend on an object's tags (service authorization reference). To overwrite or delete an
object is none of them: for those there is no such key («Tagging and access control policies»).
"""
_MILLI: Final = 1000
_DAY: Final = 86_400
_EXISTING: Final = "s3:existingobjecttag/"
_REQUESTED: Final = "s3:requestobjecttag/"


class Sender(NamedTuple):
    """A request as far as conditions may ask about it. remote: the client's address; now: epoch seconds;
    tls_version: as in ``1.3``, where the client spoke TLS and it is known which.

    A tuple, since one is made for each request.
    """

    request: S3Request
    authentication: Authentication
    remote: str
    now: float
    tls_version: str | None = None


class Said(NamedTuple):
    """What a body says that conditions ask for. location: of CreateBucket. tags: that the object is to get,
    where no header says them. locks: the same as headers would say it; None: they do.
    """

    location: str | None = None
    tags: Mapping[str, str] | None = None
    locks: Mapping[str, str] | None = None


NOTHING_SAID: Final = Said()


@dataclass(slots=True)
class QuestionContext(Mapping[str, tuple[str, ...]]):
    """See policy.variables.Context. `operation`: of the API; `owner`: the account that owns the bucket.

    namespace, bucket, key: whose tags ExistingObjectTag asks for. said: what the body says, once it is read.
    sought: the one key that ListBucket is asked for, by a request that lists nothing itself. action: that is
    asked for. version: of the object, where not the query names one.
    """

    sender: Sender | None
    principal: Principal
    namespace: Namespace | None
    region: str
    operation: str
    owner: str
    bucket: BucketName | None
    key: ObjectKey | None
    said: Said = NOTHING_SAID
    sought: ObjectKey | None = None
    action: str = ""
    version: str | None = None

    def __getitem__(self, name: str) -> tuple[str, ...]:
        value = self._value(name)
        if value is None:
            raise KeyError(name)
        return value

    def __iter__(self) -> Iterator[str]:
        return iter([name for name in CONDITION_KEYS if self._value(name) is not None])

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def _value(self, name: str) -> tuple[str, ...] | None:
        if name.startswith(_EXISTING):
            return _single(self._existing_tags().get(name[len(_EXISTING):]))
        if self.sender is None:
            return None
        if name.startswith(_REQUESTED):
            return _single(self._requested_tags(self.sender).get(name[len(_REQUESTED):]))
        if name == "s3:requestobjecttagkeys":
            return tuple(self._requested_tags(self.sender)) or None
        source = _SOURCES.get(name)
        if source is not None:
            return _single(source(self, self.sender))
        if name.startswith("s3:x-amz-"):
            return _single(self.sender.request.headers.get(name[len("s3:"):]))
        return None

    def _existing_tags(self) -> Mapping[str, str]:
        if self.namespace is None or self.bucket is None or self.key is None:
            return {}
        version = self.named_version
        if self.action not in _OF_TAGGED or not (version is None or well_formed_version(version)):
            return {}
        try:
            return self.namespace.head_object(self.bucket, self.key, version).tags
        except NamespaceError:
            return {}  # no such object: the operation itself will say so, to whom it may

    @property
    def named_version(self) -> str | None:
        """As the client wrote it: of the key, of a copy's source, or of the entry of a DeleteObjects."""
        if self.version is not None or self.sender is None:
            return self.version
        return self.sender.request.query_value("versionId")

    def _requested_tags(self, sender: Sender) -> Mapping[str, str]:
        """What the object is to be tagged with: by a header, a body, the source of a copy, or when its upload
        was begun.
        """
        if self.said.tags is not None:
            return self.said.tags
        if self.operation in _OF_UPLOAD:
            return self._tags_of_upload(sender.request.query_value("uploadId"))
        try:
            return dict(requested_tags(sender.request.headers))
        except S3Error:
            return {}  # the operation itself refuses what cannot be read

    def _tags_of_upload(self, upload_id: str | None) -> Mapping[str, str]:
        if self.namespace is None or self.bucket is None or self.key is None or not upload_id:
            return {}
        try:
            return self.namespace.upload_info(self.bucket, self.key, upload_id).new.tags
        except NamespaceError:
            return {}  # no such upload: the operation itself will say so


def _single(value: str | None) -> tuple[str, ...] | None:
    return None if value is None else (value,)


def _query(name: str) -> Callable[[QuestionContext, Sender], str | None]:
    """A parameter of operations that list."""

    def value(asked: QuestionContext, sender: Sender) -> str | None:
        return sender.request.query_value(name) if asked.operation in _LISTINGS else None

    return value


def _prefix(asked: QuestionContext, sender: Sender) -> str | None:
    return _query("prefix")(asked, sender) if asked.sought is None else _text(asked.sought)


def _text(key: bytes) -> str:
    """A key as ARNs have it."""
    return key.decode("utf-8", "surrogateescape")


def _payload_digest(asked: QuestionContext, sender: Sender) -> str | None:
    """What the signature says of the body: a pre-signed URL needs no header to leave it unsigned (S3 API,
    «Signature Version 4 authentication specific policy keys»).
    """
    found = sender.authentication
    if found.kind is AuthKind.QUERY_V4:
        return found.payload_sha256 or found.payload_mode.value
    return sender.request.headers.get("x-amz-content-sha256")


def _copy_source(asked: QuestionContext, sender: Sender) -> str | None:
    """``bucket/key``, however the client spelt it: percent-encoded or not, with a slash before it or not."""
    headers = sender.request.headers
    if "x-amz-copy-source" not in headers:
        return None
    try:
        bucket, key, _ = copy_source(headers)
    except S3Error:  # no such operation is done
        return headers.get("x-amz-copy-source")
    return f"{bucket}/{_text(key)}"


def _header(name: str) -> Callable[[QuestionContext, Sender], str | None]:
    return lambda asked, sender: sender.request.headers.get(name)


def _lock(name: str) -> Callable[[QuestionContext, Sender], str | None]:
    """What the object is to be locked with, in a header or in the body."""

    def value(asked: QuestionContext, sender: Sender) -> str | None:
        locks = asked.said.locks
        return sender.request.headers.get(name) if locks is None else locks.get(name)

    return value


def _remaining_days(asked: QuestionContext, sender: Sender) -> str | None:
    """From now until the retention ends; a day that was begun is one."""
    until_ms = parse_iso_milli(_lock(UNTIL)(asked, sender) or "")
    return None if until_ms is None else str(ceil((until_ms / _MILLI - sender.now) / _DAY))


def _max_keys(asked: QuestionContext, sender: Sender) -> str | None:
    name = "max-uploads" if asked.operation == "ListMultipartUploads" else "max-keys"
    return _query(name)(asked, sender) or None  # an empty one is none to the operation


def _signature_version(asked: QuestionContext, sender: Sender) -> str | None:
    kind = sender.authentication.kind
    if kind is AuthKind.ANONYMOUS:
        return None
    return "AWS4-HMAC-SHA256" if kind in _V4 else "AWS"


def _signature_age(asked: QuestionContext, sender: Sender) -> str | None:
    """In version 2 always 0 (S3 API, «Signature Version 4 authentication specific policy keys»)."""
    authentication = sender.authentication
    if authentication.kind is AuthKind.ANONYMOUS:
        return None
    if authentication.kind not in _V4:
        return "0"
    return str(max(0, round(authentication.age * _MILLI)))


def _issued(asked: QuestionContext, sender: Sender) -> str | None:
    issued = asked.principal.issued_s
    return None if issued is None else extended_iso(issued)


def _principal_type(asked: QuestionContext, sender: Sender) -> str:
    if asked.principal.account is None:
        return "Anonymous"
    return "Account" if asked.principal.is_root else "User"


def _user_id(asked: QuestionContext, sender: Sender) -> str | None:
    """IAM user guide, «Where you can use policy variables», the table of principal values."""
    return "anonymous" if asked.principal.account is None else asked.principal.user_id or None


def _account_of(canonical: str | None) -> str | None:
    return None if canonical is None else canonical[-12:]


_SOURCES: Final[Mapping[str, Callable[[QuestionContext, Sender], str | None]]] = {
    "aws:currenttime": lambda asked, sender: extended_iso(sender.now),
    "aws:epochtime": lambda asked, sender: str(int(sender.now)),
    "aws:principalaccount": lambda asked, sender: _account_of(asked.principal.account),
    "aws:principalarn": lambda asked, sender: asked.principal.arn or None,
    "aws:principalisawsservice": lambda asked, sender: "false",
    "aws:principaltype": _principal_type,
    "aws:referer": _header("referer"),
    "aws:requestedregion": lambda asked, sender: asked.region,
    "aws:resourceaccount": lambda asked, sender: _account_of(asked.owner),
    "aws:securetransport": lambda asked, sender: "true" if sender.authentication.secure else "false",
    "aws:sourceip": lambda asked, sender: sender.remote,
    "aws:tokenissuetime": _issued,
    "aws:useragent": _header("user-agent"),
    "aws:userid": _user_id,
    "aws:username": lambda asked, sender: asked.principal.user or None,
    "s3:authtype": lambda asked, sender: _AUTH_TYPES.get(sender.authentication.kind),
    "s3:delimiter": _query("delimiter"),
    "s3:if-match": _header("if-match"),
    "s3:if-none-match": _header("if-none-match"),
    "s3:locationconstraint": lambda asked, sender: asked.said.location,
    "s3:max-keys": _max_keys,
    "s3:object-lock-legal-hold": _lock(HOLD),
    "s3:object-lock-mode": _lock(MODE),
    "s3:object-lock-remaining-retention-days": _remaining_days,
    "s3:object-lock-retain-until-date": _lock(UNTIL),
    "s3:objectcreationoperation": lambda asked, sender: _CREATIONS.get(asked.operation),
    "s3:prefix": _prefix,
    "s3:resourceaccount": lambda asked, sender: _account_of(asked.owner),
    "s3:signatureage": _signature_age,
    "s3:signatureversion": _signature_version,
    "s3:tlsversion": lambda asked, sender: sender.tls_version,
    "s3:versionid": lambda asked, sender: asked.named_version,
    "s3:x-amz-content-sha256": _payload_digest,
    "s3:x-amz-copy-source": _copy_source,
}

OF_DELIVERIES: Final = frozenset({"aws:sourceaccount", "aws:sourcearn"})
"""Keys that only what the service itself does for a bucket has (`bucket_logging`), and no request."""
