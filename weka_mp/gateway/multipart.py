"""CreateMultipartUpload, UploadPart, CompleteMultipartUpload, AbortMultipartUpload."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from urllib.parse import quote

from weka_mp.errors import NamespaceError
from weka_mp.gateway.acl_requests import object_acl_of_upload
from weka_mp.gateway.bucket_lifecycle import abort_fields, expiration_fields
from weka_mp.gateway.context import Context
from weka_mp.gateway.object_fields import quoted
from weka_mp.gateway.object_locks import checked_locks
from weka_mp.gateway.object_versions import written_fields
from weka_mp.gateway.objects_put import content_headers, namespace_conditions, stored_checksums
from weka_mp.gateway.reply import Fields, Reply, xml_reply
from weka_mp.namespace import (
    CombinedChecksums,
    CompletedPart,
    CompletedUpload,
    CompletionRequest,
    NewUpload,
    StoredPart,
    UploadInfo,
)
from weka_mp.namespace.happenings import Happening
from weka_mp.s3 import operations as op
from weka_mp.s3 import xml_uploads
from weka_mp.s3.checksums import (
    Algorithm,
    ChecksumType,
    combine_parts,
    composite,
    composite_text,
    decode_digest,
    encode_digest,
    find_algorithm,
    resolve_type,
)
from weka_mp.s3.errors import S3Error
from weka_mp.s3.payload import MAX_OBJECT, PayloadDigest

__all__ = [
    "PartUpload", "abort_upload", "check_part_checksum", "complete_upload", "create_upload", "part_checksums",
]

_COMPLETED: Final = "ObjectCreated:CompleteMultipartUpload"


def create_upload(context: Context, operation: op.CreateMultipartUpload) -> Reply:
    """Begin an upload. The checksum's type is settled here (S3's default of the algorithm)."""
    algorithm = operation.checksum_algorithm
    kind = resolve_type(find_algorithm(algorithm), operation.checksum_type).value if algorithm else None
    metadata, principal = operation.metadata, context.principal
    locks = checked_locks(context, operation.bucket, operation.locks)
    upload_id = context.namespace.create_upload(operation.bucket, operation.key, NewUpload(
        headers=content_headers(metadata), user=dict(metadata.user), owner=principal.owner,
        uid=principal.uid, gid=principal.gid, checksum_algorithm=algorithm, checksum_type=kind,
        tags=dict(metadata.tags),
        acl=object_acl_of_upload(context, operation.bucket, operation.acl),
        retention=locks.retention, legal_hold=locks.legal_hold,
    ))
    fields: Fields = ()
    if algorithm is not None and kind is not None:
        fields = (("x-amz-checksum-algorithm", algorithm), ("x-amz-checksum-type", kind))
    initiated_ns = context.namespace.clock.now_ns()
    fields += abort_fields(context, operation.bucket, operation.key, initiated_ns)
    document = xml_uploads.initiate_multipart_upload_result(operation.bucket, operation.key, upload_id)
    return xml_reply(document, fields=fields)


def part_checksums(context: Context, operation: op.UploadPart | op.UploadPartCopy) -> frozenset[Algorithm]:
    """What the upload wants of every part. Raises UploadMissing."""
    info = context.namespace.upload_info(operation.bucket, operation.key, operation.upload_id)
    algorithm = info.new.checksum_algorithm
    return frozenset() if algorithm is None else frozenset((find_algorithm(algorithm),))


def check_part_checksum(wanted: frozenset[Algorithm], sent: Algorithm | None) -> None:
    """A part may not come with another checksum than its upload was begun with. Raises S3Error."""
    if wanted and sent is not None and sent not in wanted:
        (expected,) = wanted
        raise _type_mismatch(expected.value, sent.value)


def _type_mismatch(expected: str, actual: str) -> S3Error:
    return S3Error(
        "InvalidRequest",
        f"Checksum Type mismatch occurred, expected checksum Type: {expected.lower()}, "
        f"actual checksum Type: {actual.lower()}",
    )


class PartUpload:
    """An UploadPart between its head and the end of its body (see uploads.Upload)."""

    def __init__(self, context: Context, operation: op.UploadPart, size: int) -> None:
        self._session = context.namespace.begin_part(
            operation.bucket, operation.key, operation.upload_id, operation.part_number, size
        )
        self.unfinished = True
        self.write = self._session.write
        self.abort = self._session.abort

    def finish(self, digest: PayloadDigest) -> Reply:
        """Make what was written the part. Raises NamespaceError."""
        checksums = stored_checksums(digest)
        part = self._session.commit(digest.md5 or b"", checksums)
        self.unfinished = False
        shown = tuple((algorithm.header, checksums[algorithm.value]) for algorithm in digest.checksums)
        return Reply(200, (("ETag", quoted(part.etag)), *shown))


def abort_upload(context: Context, operation: op.AbortMultipartUpload) -> Reply:
    """204. Raises UploadMissing."""
    context.namespace.abort_upload(operation.bucket, operation.key, operation.upload_id)
    return Reply(204)


def complete_upload(context: Context, operation: op.CompleteMultipartUpload) -> Reply:
    """Publish the parts as the object. Raises S3Error and NamespaceError.

    A completion that is repeated, since its answer was lost, is answered again (S3 API).
    """

    def combine(upload: UploadInfo, parts: Sequence[StoredPart]) -> CombinedChecksums:
        size = sum(part.size for part in parts)
        if size > MAX_OBJECT:
            sizes = {"ProposedSize": str(size), "MaxSizeAllowed": str(MAX_OBJECT)}
            raise S3Error("EntityTooLarge", details=sizes)
        _check_size(operation, size)
        _check_declared_type(operation, upload.new.checksum_type)
        return _combined(operation, upload, parts)

    parts = [CompletedPart(part.number, part.etag, dict(part.checksums)) for part in operation.parts]
    done = context.namespace.complete_upload(CompletionRequest(
        operation.bucket, operation.key, operation.upload_id, parts,
        namespace_conditions(operation.conditions), combine=combine, begun=context.begun,
    ))
    if done.repeated:
        _check_repeated(operation, done)
    location = _location(context, operation)
    fields = (*written_fields(done.version), *_expiration(context, operation))
    document = xml_uploads.complete_multipart_upload_result(xml_uploads.CompletedUpload(
        location, operation.bucket, operation.key, done.etag, tuple(done.checksums.items()),
        done.checksum_type or "",
    ))
    happening = Happening(
        _COMPLETED, operation.bucket, operation.key, done.sequence, done.size, done.etag,
        done.version,
    )
    return xml_reply(document, fields=fields, changes=done.changes, happenings=(happening,))


def _location(context: Context, operation: op.CompleteMultipartUpload) -> str:
    """Where the object is now: the URL that it was completed under (S3 API)."""
    sender = context.access.sender
    host = None if sender is None else sender.request.headers.get("host")
    if sender is None or host is None:
        return f"/{operation.bucket}/{quote(operation.key, safe='/')}"
    scheme = "https" if sender.authentication.secure else "http"
    return f"{scheme}://{host}{sender.request.raw_path.decode('latin-1')}"


def _expiration(context: Context, operation: op.CompleteMultipartUpload) -> Fields:
    """What the bucket's rules will do to the object that is there now."""
    try:
        if not context.namespace.lifecycle_rules(operation.bucket):
            return ()
        info = context.namespace.head_object(operation.bucket, operation.key)
    except NamespaceError:
        return ()  # somebody was faster; the completion succeeded all the same
    return expiration_fields(context, operation.bucket, info)


def _check_repeated(operation: op.CompleteMultipartUpload, done: CompletedUpload) -> None:
    """What a repetition expects of the object must be what the first completion made."""
    _check_size(operation, done.size)
    _check_declared_type(operation, done.checksum_type)
    for name, value in operation.checksums:
        if name not in done.checksums:
            raise _type_mismatch(next(iter(done.checksums), "null"), name)
        if not _is_shown(done.checksums[name], value):
            raise _bad_digest(name)


def _check_size(operation: op.CompleteMultipartUpload, size: int) -> None:
    declared = operation.object_size
    if declared is not None and declared != size:
        raise S3Error(
            "InvalidRequest",
            f"The provided 'x-amz-mp-object-size' header value {declared} does not match what was computed: "
            f"{size}",
        )


def _bad_digest(name: str) -> S3Error:
    return S3Error("BadDigest", f"The {name} you specified did not match the calculated checksum.")


def _is_shown(shown: str, value: str) -> bool:
    """Whether a client means that checksum: a composite value may come without its number of parts."""
    return value in (shown, shown.partition("-")[0])


def _check_declared_type(operation: op.CompleteMultipartUpload, known: str | None) -> None:
    """A completion that names another type than the upload has is a mistake of the client (S3 API)."""
    declared = operation.checksum_type
    if declared is not None and declared != known:
        raise S3Error(
            "InvalidRequest",
            f"The upload was created using the {known} checksum mode. The complete request must use the same "
            "checksum mode.",
        )


def _combined(
    operation: op.CompleteMultipartUpload, info: UploadInfo, parts: Sequence[StoredPart]
) -> CombinedChecksums:
    """The object's checksum out of those of its parts, compared with what the client expects."""
    if info.new.checksum_algorithm is None:
        if operation.checksums:
            name, _ = operation.checksums[0]
            raise _type_mismatch("null", name)
        return {}, None
    algorithm = find_algorithm(info.new.checksum_algorithm)
    kind = ChecksumType(info.new.checksum_type)
    shown = _shown(algorithm, kind, parts)
    for name, value in operation.checksums:
        if name != algorithm.value:
            raise _type_mismatch(algorithm.value, name)
        if not _is_shown(shown, value):
            raise _bad_digest(name)
    return {algorithm.value: shown}, kind.value


def _shown(algorithm: Algorithm, kind: ChecksumType, parts: Sequence[StoredPart]) -> str:
    digests = [_digest(algorithm, part) for part in parts]
    if kind is ChecksumType.COMPOSITE:
        return composite_text(composite(algorithm, digests), len(parts))
    sized = zip(digests, (part.size for part in parts), strict=True)
    return encode_digest(combine_parts(algorithm, sized))


def _digest(algorithm: Algorithm, part: StoredPart) -> bytes:
    digest = decode_digest(algorithm, part.checksums.get(algorithm.value, ""))
    if digest is None:
        raise S3Error("InvalidPart")  # every part of such an upload was hashed so when it came
    return digest
