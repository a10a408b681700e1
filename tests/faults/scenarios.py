"""Operations that fail at every call of the store, each with what may be seen before and after it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tests.unit.namespace.kit import BUCKET, get, md5_of, put
from weka_mp.errors import BucketMissing, NotFound, UploadMissing
from weka_mp.lifecycle import Rule, encode
from weka_mp.namespace import (
    BucketAccess,
    BucketSettings,
    CompletedPart,
    CompletionRequest,
    CopyRequest,
    Namespace,
    NewMetadata,
    NewUpload,
    PartCopyRequest,
    RenameRequest,
    WriteConditions,
)
from weka_mp.namespace.upkeep.expiring import START, Age
from weka_mp.values import BucketName

OLD, NEW = b"the old content", b"the new and longer content"
PART = bytes(1000)  # the tests lower the minimum size of parts to this
OTHER = BucketName("other")


@dataclass
class Ground:
    """A namespace and what a preparation left for the operation to use."""

    namespace: Namespace
    upload_id: str = ""
    parts: list[CompletedPart] = field(default_factory=list)


def seen(namespace: Namespace, key: bytes) -> bytes | None:
    """The object's bytes, None when there is no object; whatever else it says is a failure of the test."""
    try:
        data = get(namespace, key)
    except NotFound:
        return None
    info = namespace.head_object(BUCKET, key)
    if info.etag_is_true:
        assert info.etag.endswith(f"-{2 if len(data) > len(PART) else 1}") or info.etag == md5_of(data)
    else:
        assert "-" in info.etag
    return data


def _nothing(ground: Ground) -> None:
    """Nothing has to be there."""


@dataclass(frozen=True)
class Scenario:
    """`before` and `after`: key → bytes or None, as they are when the operation did nothing, or all."""

    prepare: Callable[[Ground], object]
    act: Callable[[Ground], object]
    before: dict[bytes, bytes | None]
    after: dict[bytes, bytes | None]
    settled: Callable[[Ground], object] = _nothing
    """Looks at what must be so when the operation was done again after its failure."""
    leaves: tuple[bytes, ...] = ()
    """Directories in the control area whose files may stay."""


def _put_old(key: bytes) -> Callable[[Ground], object]:
    return lambda ground: put(ground.namespace, key, OLD)


def _two(ground: Ground) -> None:
    put(ground.namespace, b"a/k", OLD)
    put(ground.namespace, b"b/k", NEW)


def begin_upload(ground: Ground, *bodies: bytes, key: bytes = b"up/k") -> None:
    ground.upload_id = ground.namespace.create_upload(BUCKET, key, NewUpload())
    for number, body in enumerate(bodies, 1):
        upload_part(ground, number, body, key)


def upload_part(ground: Ground, number: int, body: bytes, key: bytes = b"up/k") -> None:
    with ground.namespace.begin_part(BUCKET, key, ground.upload_id, number, len(body)) as part:
        part.write(body)
        etag = part.commit(bytes.fromhex(md5_of(body)), {}).etag
    ground.parts = [other for other in ground.parts if other.number != number]
    ground.parts = sorted([*ground.parts, CompletedPart(number, etag)], key=lambda found: found.number)


def _complete(ground: Ground) -> None:
    ground.namespace.complete_upload(CompletionRequest(BUCKET, b"up/k", ground.upload_id, ground.parts))


def _out_of_order(ground: Ground) -> None:
    begin_upload(ground)
    upload_part(ground, 2, NEW)
    upload_part(ground, 1, PART)


def _with_gaps(ground: Ground) -> None:
    begin_upload(ground, PART)
    upload_part(ground, 7, NEW)


def _copied_part(ground: Ground) -> None:
    ground.namespace.copy_part(PartCopyRequest(
        BUCKET, b"a/k", BUCKET, b"up/k", ground.upload_id, 2, lambda info: (4, info.size - 4), None,
        lambda: None,
    ))


def _source_and_upload(ground: Ground) -> None:
    put(ground.namespace, b"a/k", OLD)
    begin_upload(ground, PART)


def _completed(ground: Ground) -> None:
    begin_upload(ground, PART, NEW)
    _complete(ground)
    ground.namespace.delete_object(BUCKET, b"up/k")


def _directory_with_body(ground: Ground) -> None:
    put(ground.namespace, b"dir/", OLD)


def _copy(replace: NewMetadata | None = None, target: bytes = b"copy/k") -> Callable[[Ground], object]:
    return lambda ground: ground.namespace.copy_object(
        CopyRequest(BUCKET, b"a/k", BUCKET, target, replace=replace)
    )


def _grant(policy: str) -> Callable[[Ground], object]:
    def act(ground: Ground) -> None:
        ground.namespace.change_bucket_access(BUCKET, lambda _: BucketAccess(policy))
        assert ground.namespace.bucket_access(BUCKET).policy == policy

    return act


def _granted(ground: Ground) -> None:
    assert ground.namespace.bucket_access(BUCKET).policy == "new"


def _set(quota: int) -> Callable[[Ground], object]:
    def act(ground: Ground) -> None:
        ground.namespace.change_bucket_settings(BUCKET, lambda _: BucketSettings(quota=quota))
        assert ground.namespace.bucket_settings(BUCKET).quota == quota

    return act


def _were_set(ground: Ground) -> None:
    assert ground.namespace.bucket_settings(BUCKET).quota == 2


def _tagged(ground: Ground) -> None:
    for key in (b"t/k", b"t/"):
        assert ground.namespace.head_object(BUCKET, key).tags == {"new": "2"}
    assert ground.namespace.head_object(BUCKET, b"t/k").etag == md5_of(OLD)


def _tag(ground: Ground) -> None:
    for key in (b"t/k", b"t/"):
        ground.namespace.tag_object(BUCKET, key, {"new": "2"})


def _to_be_tagged(ground: Ground) -> None:
    for key in (b"t/k", b"t/"):
        put(ground.namespace, key, OLD, tags={"old": "1"})


def _to_expire(ground: Ground) -> None:
    rule = Rule("due", enabled=True, prefix="e/", date_s=0)
    ground.namespace.change_bucket_settings(BUCKET, lambda _: BucketSettings(lifecycle=encode([rule])))
    assert ground.namespace.lifecycle_rules(BUCKET) == (rule,)
    for key in (b"e/k", b"stays"):
        put(ground.namespace, key, OLD)


def _expire(ground: Ground) -> None:
    page = ground.namespace.expire_objects(BUCKET, START, Age(ground.namespace.clock.now_ns()))
    for _, error in page.failed:
        error.changes = page.changes
        raise error


SCENARIOS: dict[str, Scenario] = {
    "expire": Scenario(
        _to_expire, _expire, {b"e/k": OLD, b"stays": OLD}, {b"e/k": None, b"stays": OLD},
    ),
    "tags": Scenario(
        _to_be_tagged, _tag, {b"t/": OLD, b"t/k": OLD}, {b"t/": OLD, b"t/k": OLD}, settled=_tagged
    ),
    "policy": Scenario(_grant("old"), _grant("new"), {}, {}, settled=_granted),
    "settings": Scenario(_set(1), _set(2), {}, {}, settled=_were_set),
    "put-new": Scenario(
        _nothing, lambda g: put(g.namespace, b"a/b/k", NEW), {b"a/b/k": None}, {b"a/b/k": NEW}
    ),
    "put-over": Scenario(
        _put_old(b"a/k"), lambda g: put(g.namespace, b"a/k", NEW), {b"a/k": OLD}, {b"a/k": NEW}
    ),
    "put-if-match": Scenario(
        _put_old(b"a/k"),
        lambda g: put(g.namespace, b"a/k", NEW, WriteConditions(if_match=md5_of(OLD))),
        {b"a/k": OLD},
        {b"a/k": NEW},
    ),
    "put-if-none-match": Scenario(
        _nothing,
        lambda g: put(g.namespace, b"a/k", NEW, WriteConditions(if_none_match=True)),
        {b"a/k": None},
        {b"a/k": NEW},
    ),
    "put-odd-key": Scenario(
        _nothing,
        lambda g: put(g.namespace, b"..//" + b"x" * 300, NEW),
        {b"..//" + b"x" * 300: None},
        {b"..//" + b"x" * 300: NEW},
    ),
    "put-directory": Scenario(
        _nothing, lambda g: put(g.namespace, b"x/dir/", b""), {b"x/dir/": None}, {b"x/dir/": b""}
    ),
    "put-directory-body": Scenario(
        _nothing, lambda g: put(g.namespace, b"dir/", NEW), {b"dir/": None}, {b"dir/": NEW}
    ),
    "put-directory-over": Scenario(
        _directory_with_body, lambda g: put(g.namespace, b"dir/", NEW), {b"dir/": OLD}, {b"dir/": NEW}
    ),
    "put-directory-emptier": Scenario(
        _directory_with_body, lambda g: put(g.namespace, b"dir/", b""), {b"dir/": OLD}, {b"dir/": b""}
    ),
    "delete": Scenario(
        _put_old(b"a/b/k"),
        lambda g: g.namespace.delete_object(BUCKET, b"a/b/k"),
        {b"a/b/k": OLD},
        {b"a/b/k": None},
    ),
    "delete-if-match": Scenario(
        _put_old(b"a/k"),
        lambda g: g.namespace.delete_object(BUCKET, b"a/k", WriteConditions(if_match=md5_of(OLD))),
        {b"a/k": OLD},
        {b"a/k": None},
    ),
    "delete-directory": Scenario(
        _directory_with_body,
        lambda g: g.namespace.delete_object(BUCKET, b"dir/"),
        {b"dir/": OLD},
        {b"dir/": None},
    ),
    "copy": Scenario(
        _put_old(b"a/k"), _copy(), {b"a/k": OLD, b"copy/k": None}, {b"a/k": OLD, b"copy/k": OLD}
    ),
    "copy-in-place": Scenario(
        _put_old(b"a/k"), _copy(NewMetadata(user={"x": "y"}), b"a/k"), {b"a/k": OLD}, {b"a/k": OLD}
    ),
    "rename": Scenario(
        _put_old(b"a/k"),
        lambda g: g.namespace.rename_object(
            RenameRequest(BUCKET, b"a/k", b"x/n", token="t", parameters=b"p")
        ),
        {b"a/k": OLD, b"x/n": None},
        {b"a/k": None, b"x/n": OLD},
    ),
    "rename-over": Scenario(
        _two,
        lambda g: g.namespace.rename_object(
            RenameRequest(BUCKET, b"a/k", b"b/k", conditions=WriteConditions(if_match=md5_of(NEW)))
        ),
        {b"a/k": OLD, b"b/k": NEW},
        {b"a/k": None, b"b/k": OLD},
    ),
    "rename-prefix": Scenario(
        _put_old(b"a/k"),
        lambda g: g.namespace.rename_object(
            RenameRequest(BUCKET, b"a/", b"x/longer/", token="t", parameters=b"p")
        ),
        {b"a/k": OLD, b"x/longer/k": None},
        {b"a/k": None, b"x/longer/k": OLD},
    ),
    "upload-part": Scenario(
        lambda g: begin_upload(g, PART), lambda g: upload_part(g, 2, NEW), {b"up/k": None}, {b"up/k": None}
    ),
    "upload-part-again": Scenario(
        lambda g: begin_upload(g, PART, OLD),
        lambda g: upload_part(g, 2, NEW),
        {b"up/k": None},
        {b"up/k": None},
    ),
    "complete-in-place": Scenario(
        lambda g: begin_upload(g, PART, NEW), _complete, {b"up/k": None}, {b"up/k": PART + NEW}
    ),
    "complete-assembled": Scenario(_out_of_order, _complete, {b"up/k": None}, {b"up/k": PART + NEW}),
    "complete-with-gaps": Scenario(_with_gaps, _complete, {b"up/k": None}, {b"up/k": PART + NEW}),
    "complete-again": Scenario(_completed, _complete, {b"up/k": None}, {b"up/k": None}),
    "upload-part-copy": Scenario(
        _source_and_upload, _copied_part, {b"a/k": OLD, b"up/k": None}, {b"a/k": OLD, b"up/k": None}
    ),
    "create-bucket": Scenario(_nothing, lambda g: g.namespace.create_bucket(OTHER), {}, {}),
}


def tidy(ground: Ground) -> None:
    """Take away all that a scenario can have left, by S3's own verbs."""
    namespace = ground.namespace
    if ground.upload_id:
        try:
            namespace.abort_upload(BUCKET, b"up/k", ground.upload_id)
        except UploadMissing:
            ground.upload_id = ""
    for row in namespace.list_objects(BUCKET).items:
        namespace.delete_object(BUCKET, getattr(row, "key", b""))
    try:
        namespace.delete_bucket(OTHER)
    except BucketMissing:
        return
