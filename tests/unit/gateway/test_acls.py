"""ACLs where a client cannot look: what changes between the decision and the deed, explanations, versions."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import trio

from weka_mp.acl import ALL_USERS, OWNER, WRITER, Acl, Grant
from weka_mp.gateway.access import Access
from weka_mp.gateway.acls import put_bucket_acl, put_object_acl
from weka_mp.gateway.authorize import ANONYMOUS, authorize
from weka_mp.gateway.context import Context
from weka_mp.gateway.explaining import Asked, explain
from weka_mp.gateway.objects_get import get_object
from weka_mp.gateway.principals import Principal
from weka_mp.gateway.question_context import Sender
from weka_mp.namespace import PublicAccessBlock
from weka_mp.namespace.objects import amending
from weka_mp.policy.principals import Principal as Named
from weka_mp.s3 import operations as op
from weka_mp.s3.acl_requests import AskedAcl
from weka_mp.s3.bucket_operations import PutBucketAcl, PutObjectAcl
from weka_mp.s3.credentials import Authentication, AuthKind
from weka_mp.s3.errors import S3Error
from weka_mp.s3.request import Address, Headers, S3Request
from weka_mp.s3.routing import OperationName
from weka_mp.s3.select_request import CsvInput, CsvOutput, SelectObjectContent, SelectRequest
from weka_mp.s3.xml_write import Owner
from weka_mp.server.select_answer import Selection
from weka_mp.values import BucketName, ObjectKey

BUCKET, KEY = BucketName("bucket"), ObjectKey(b"k")
ROOT_ID, OTHER_ID = "1" * 64, "2" * 64
ACCOUNTS = {"root": Owner(ROOT_ID, "root"), "other": Owner(OTHER_ID, "other")}
NOBODY = replace(ANONYMOUS, accounts=ACCOUNTS)
OTHER = Principal(
    OTHER_ID, "OTHER", True, owner="other", asks=Named(OTHER_ID[-12:], OTHER_ID, is_root=True),
    accounts=ACCOUNTS,
)
PUBLIC = Acl(None, (Grant(OWNER, "FULL_CONTROL"), Grant(ALL_USERS, "READ")))


@pytest.fixture
def with_acls(context: Context) -> Context:
    context.namespace.change_bucket_access(BUCKET, lambda before: replace(before, ownership=WRITER))
    return context


def asking(
    context: Context, who: Principal, operation: str, method: str = "GET", version: str | None = None
) -> Context:
    """A request of theirs that was let in."""
    kind = AuthKind.ANONYMOUS if who.account is None else AuthKind.HEADER_V4
    query = () if version is None else (("versionId", version),)
    request = S3Request(method, b"/bucket/k", b"", query, Headers())
    sender = Sender(request, Authentication(None, kind), "127.0.0.1", 0.0)
    access = Access(context.site, who, operation, sender)
    authorize(who, OperationName(operation), Address(BUCKET, KEY, virtual_hosted=False), access)
    return Context(context.site, who, asked=access)


GET = op.GetObject(BUCKET, KEY, None, None, op.NO_READ_CONDITIONS, None, False, ())


def test_what_was_opened_is_judged_not_what_was_there_before(
    with_acls: Context, put: Callable[..., None]
) -> None:
    put(KEY, b"open", acl=PUBLIC)
    let_in = asking(with_acls, NOBODY, "GetObject")
    get_object(let_in, GET).opened.close()
    put(KEY, b"secret")
    with pytest.raises(S3Error) as refused:
        get_object(let_in, GET)
    assert refused.value.code == "AccessDenied"


def test_who_was_let_at_an_acl_is_not_let_at_the_next_objects(
    with_acls: Context, put: Callable[..., None]
) -> None:
    put(KEY, b"x", acl=Acl(None, (Grant(OTHER_ID, "WRITE_ACP"),)))
    let_in = asking(with_acls, OTHER, "PutObjectAcl", "PUT")
    put(KEY, b"secret")
    with pytest.raises(S3Error) as refused:
        put_object_acl(let_in, PutObjectAcl(BUCKET, KEY, AskedAcl("public-read")))
    assert refused.value.code == "AccessDenied"
    assert with_acls.namespace.head_object(BUCKET, KEY).acl is None


def test_regression_a_version_whose_acl_changes_is_judged_as_a_version(
    with_acls: Context, put: Callable[..., None]
) -> None:
    """A policy that lets everybody read what is current lets nobody read versions."""
    namespace = with_acls.namespace
    namespace.change_bucket_settings(BUCKET, lambda before: replace(before, versioning="Enabled"))
    put(KEY, b"first", acl=PUBLIC)
    version = namespace.head_object(BUCKET, KEY).version
    read = {"Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::bucket/*"}
    policy = json.dumps({"Version": "2012-10-17", "Statement": [{"Effect": "Allow", **read}]})
    namespace.change_bucket_access(BUCKET, lambda before: replace(before, policy=policy))
    let_in = asking(with_acls, NOBODY, "GetObject", version=version)
    named = replace(GET, version=version)
    get_object(let_in, named).opened.close()
    namespace.acls.change(BUCKET, KEY, lambda before: Acl(), version)
    with pytest.raises(S3Error) as refused:
        get_object(let_in, named)
    assert refused.value.code == "AccessDenied"


def test_regression_what_is_selected_from_is_judged_as_it_was_opened(
    with_acls: Context, put: Callable[..., None]
) -> None:
    put(KEY, b"open", acl=PUBLIC)
    let_in = asking(with_acls, NOBODY, "SelectObjectContent", "POST")
    put(KEY, b"secret")
    query = SelectRequest("SELECT * FROM S3Object", CsvInput(), CsvOutput())
    nothing: Any = SimpleNamespace(selecting=0)
    selection = Selection(nothing, nothing, nothing, bytes, lambda: None)
    with pytest.raises(S3Error) as refused:
        trio.run(selection.run, let_in, SelectObjectContent(BUCKET, KEY, query))
    assert refused.value.code == "AccessDenied"


def test_an_explanation_names_the_grant(with_acls: Context, put: Callable[..., None]) -> None:
    put(KEY, b"x", acl=PUBLIC)
    steps = explain(with_acls.site, NOBODY, Asked("GetObject", ("s3:GetObject",), BUCKET, KEY), 0.0)
    named = f"of the object: READ for {ALL_USERS}"
    assert [(step.step, step.answer, step.decided_by) for step in steps] == [
        ("acl", "applies", named),
        ("policies", "allowed", f"acl {named}"),
        ("answer", "allowed", f"acl {named}"),
    ]
    steps = explain(with_acls.site, NOBODY, Asked("PutObject", ("s3:PutObject",), BUCKET, KEY), 0.0)
    assert [(step.step, step.answer) for step in steps] == [
        ("acl", "passed over"), ("policies", "refused"), ("answer", "refused"),
    ]  # fmt: skip


def test_a_version_keeps_the_acl_that_the_object_had(with_acls: Context, put: Callable[..., None]) -> None:
    namespace = with_acls.namespace
    namespace.change_bucket_settings(BUCKET, lambda before: replace(before, versioning="Enabled"))
    put(KEY, b"first", acl=PUBLIC)
    first = namespace.head_object(BUCKET, KEY).version
    put(KEY, b"second")
    assert namespace.acls.counting(BUCKET, namespace.head_object(BUCKET, KEY).acl) == Acl()
    old = namespace.head_object(BUCKET, KEY, first)
    assert namespace.acls.counting(BUCKET, old.acl) == PUBLIC


@pytest.mark.parametrize("who", [NOBODY, OTHER])
@pytest.mark.parametrize("also", ["Deny", "Allow"])
def test_regression_beside_a_restricted_public_policy_no_acl_lets_strangers_in(
    with_acls: Context, put: Callable[..., None], who: Principal, also: str
) -> None:
    """Neither past a Deny of that policy, which once was not heard either, nor where it denies nothing."""
    put(KEY, b"x", acl=PUBLIC)
    asking(with_acls, who, "GetObject")
    read = {"Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::bucket/*"}
    policy = {"Version": "2012-10-17", "Statement": [
        {"Effect": also, **read}, {**read, "Effect": "Allow", "Resource": "arn:aws:s3:::bucket/other"},
    ]}  # fmt: skip
    with_acls.namespace.change_bucket_access(BUCKET, lambda before: replace(
        before, policy=json.dumps(policy), block=PublicAccessBlock(restrict_public_buckets=True)
    ))
    with pytest.raises(S3Error) as refused:
        asking(with_acls, who, "GetObject")
    assert refused.value.code == "AccessDenied"


def test_regression_a_public_acl_is_held_to_the_block_that_there_is_when_it_is_put(
    with_acls: Context,
) -> None:
    root = replace(with_acls, asked=Access(with_acls.site, with_acls.principal, "PutBucketAcl", None))
    assert root.access.grants(BUCKET).has_acls  # looked at, and then somebody blocks public ACLs
    block = PublicAccessBlock(block_public_acls=True)
    with_acls.namespace.change_bucket_access(BUCKET, lambda before: replace(before, block=block))
    with pytest.raises(S3Error) as refused:
        put_bucket_acl(root, PutBucketAcl(BUCKET, AskedAcl("public-read")))
    assert refused.value.code == "AccessDenied"
    assert with_acls.namespace.bucket_access(BUCKET).acl == Acl()


def test_regression_what_is_said_of_a_version_is_not_said_of_the_next_one(
    with_acls: Context, put: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was the current one when it was looked for, and somebody wrote before it was changed."""
    namespace = with_acls.namespace
    namespace.change_bucket_settings(BUCKET, lambda before: replace(before, versioning="Enabled"))
    put(KEY, b"open")
    first = namespace.head_object(BUCKET, KEY).version
    amend = amending.amend_object

    def after_a_write(*arguments: Any) -> Any:
        monkeypatch.undo()
        put(KEY, b"secret")
        return amend(*arguments)

    monkeypatch.setattr(amending, "amend_object", after_a_write)
    namespace.acls.change(BUCKET, KEY, lambda before: PUBLIC, first)
    assert namespace.head_object(BUCKET, KEY).acl is None
    assert namespace.acls.counting(BUCKET, namespace.head_object(BUCKET, KEY, first).acl) == PUBLIC
