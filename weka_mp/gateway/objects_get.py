"""GetObject and HeadObject: conditions, ranges and parts decide which bytes of an object answer, and how."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from weka_mp.gateway.bucket_lifecycle import expiration_fields
from weka_mp.gateway.context import Context
from weka_mp.gateway.object_fields import checksum_fields, last_modified, object_fields, validator_fields
from weka_mp.gateway.object_locks import lock_fields
from weka_mp.gateway.object_versions import version_fields
from weka_mp.gateway.objects_tagging import tag_count
from weka_mp.gateway.reply import Fields, ObjectReply, Reply
from weka_mp.gateway.requirements import of_version
from weka_mp.s3.checksums import ChecksumType
from weka_mp.s3.conditions import ReadDecision, check_read
from weka_mp.s3.errors import S3Error
from weka_mp.s3.operations import NO_READ_CONDITIONS, GetObject, HeadObject, ReadObject
from weka_mp.s3.ranges import ByteRange, if_range_holds, resolve

if TYPE_CHECKING:
    from weka_mp.namespace import ObjectInfo, OpenObject

__all__ = ["get_object", "head_object"]

_OK: Final = 200
_PARTIAL: Final = 206
_NOT_MODIFIED: Final = 304
_WHOLE: Final = ChecksumType.FULL_OBJECT.value
_COMPOSITE: Final = ChecksumType.COMPOSITE.value


@dataclass(frozen=True, slots=True)
class _Answer:
    """What to say about an object: status, fields and the bytes meant."""

    status: int
    fields: Fields
    start: int
    length: int


def get_object(context: Context, operation: GetObject) -> Reply | ObjectReply:
    """Open the object and decide. The ObjectReply's `opened` is the caller's to close.

    Raises S3Error (PreconditionFailed, InvalidRange, InvalidPartNumber, ...) and NamespaceError.
    """
    opened = context.namespace.open_object(operation.bucket, operation.key, operation.version)
    try:
        answer = _decide(context, operation, opened)
        if answer.status == _NOT_MODIFIED:
            opened.close()
            return Reply(_NOT_MODIFIED, answer.fields)
        return ObjectReply(answer.status, answer.fields, opened, answer.start, answer.length)
    except BaseException:
        opened.close()
        raise


def head_object(context: Context, operation: HeadObject) -> Reply:
    """The same decision without a body. Raises as `get_object` does."""
    with context.namespace.open_object(operation.bucket, operation.key, operation.version) as opened:
        answer = _decide(context, operation, opened)
    if answer.status == _NOT_MODIFIED:
        return Reply(_NOT_MODIFIED, answer.fields)
    return Reply(answer.status, answer.fields, length=answer.length)


def _decide(context: Context, operation: ReadObject, opened: OpenObject) -> _Answer:
    info = opened.info
    needed = (of_version(operation.permission, operation.version),)
    context.access.found(needed, operation.bucket, operation.key, info, operation.version)
    if operation.conditions is not NO_READ_CONDITIONS:
        decision = check_read(operation.conditions, info.accepted_etags, last_modified(info), context.now)
        if decision is ReadDecision.NOT_MODIFIED:
            return _Answer(_NOT_MODIFIED, validator_fields(info), 0, 0)
    fields = object_fields(info, operation.response_overrides)
    fields += version_fields(context, operation.bucket, info.version)
    fields += tag_count(context, operation, info)
    fields += lock_fields(context, operation, info)
    if operation.version is None:  # the rules that this header tells of are those of current versions
        fields += expiration_fields(context, operation.bucket, info, opened.appeared_ns)
    if operation.part_number is not None:
        return _part(operation, info, fields)
    selected = _range(operation, info)
    if selected is None:
        if operation.checksum_mode:
            fields += checksum_fields(info.checksums, info.checksum_type)
        return _Answer(_OK, tuple(fields), 0, info.size)
    if operation.checksum_mode:
        fields += _whole_checksum(info, selected.length)
    return _partial(info, fields, selected)


def _range(operation: ReadObject, info: ObjectInfo) -> ByteRange | None:
    if operation.range is None:
        return None
    if not if_range_holds(operation.if_range, info.accepted_etags, last_modified(info)):
        return None
    return resolve(operation.range, info.size)


def _part(operation: ReadObject, info: ObjectInfo, fields: list[tuple[str, str]]) -> _Answer:
    """One part of what was uploaded in parts; an object that was not is its own part 1 (partNumber)."""
    if operation.range is not None:
        raise S3Error("InvalidRequest", "Cannot specify both Range header and partNumber query parameter")
    number = operation.part_number or 0
    sizes = info.part_sizes
    count = sizes.count if sizes is not None else 1
    located = (0, info.size) if sizes is None and number == 1 else sizes and sizes.locate(number)
    if not located:
        details = {"ActualPartCount": str(count), "PartNumberRequested": str(number)}
        raise S3Error("InvalidPartNumber", details=details)
    start, size = located
    if operation.checksum_mode:
        fields += _part_checksum(info, number, count) or _whole_checksum(info, size)
    if sizes is not None:
        fields.append(("x-amz-mp-parts-count", str(count)))
    if size == 0:
        return _Answer(_OK, tuple(fields), start, 0)  # no byte range can name nothing
    return _partial(info, fields, ByteRange(start, start + size - 1))


def _whole_checksum(info: ObjectInfo, length: int) -> Fields:
    """The object's checksum with a range that is all of it; that of parts alone is of no range."""
    if length != info.size or info.checksum_type != _WHOLE:
        return ()
    return checksum_fields(info.checksums, info.checksum_type)


def _part_checksum(info: ObjectInfo, number: int, count: int) -> Fields:
    """A part's own checksum, where the object's is made of those of its parts."""
    if info.part_checksums is None or info.checksum_type != _COMPOSITE:
        return ()
    shown = info.part_checksums.shown(number, count)
    return checksum_fields({info.part_checksums.algorithm: shown}, info.checksum_type)


def _partial(info: ObjectInfo, fields: list[tuple[str, str]], selected: ByteRange) -> _Answer:
    fields.append(("Content-Range", selected.content_range(info.size)))
    return _Answer(_PARTIAL, tuple(fields), selected.start, selected.length)
