"""The table of what operations need: complete, of known actions, and decided by what requests say."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import SimpleNamespace

import pytest

from weka_mp.gateway.access import Access
from weka_mp.gateway.authorize import Principal, authorize, authorize_parsed, hide_missing
from weka_mp.gateway.question_context import (
    _OF_TAGGED,
    _SOURCES,
    OF_DELIVERIES,
    QuestionContext,
    Sender,
)
from weka_mp.gateway.requirements import (
    DECIDED_BY_BODY,
    REQUIRED,
    actions_of,
    resource_of,
    source_tag_actions,
)
from weka_mp.policy import principals as language
from weka_mp.policy.actions import ACTIONS, Level
from weka_mp.policy.condition_keys import CONDITION_KEYS
from weka_mp.policy.documents import Kind, parse
from weka_mp.s3 import operations as op
from weka_mp.s3.credentials import Authentication, AuthKind, PayloadMode
from weka_mp.s3.errors import S3Error
from weka_mp.s3.request import Address, Headers, S3Request
from weka_mp.s3.routing import ROUTES, Route, Scope
from weka_mp.values import BucketName, ObjectKey

ACCOUNT = "0" * 52 + "123456789012"
BUCKET, KEY = BucketName("bucket"), ObjectKey(b"dir/key")
ROOT_ONLY = {"CORSPreflight", "CreateSession", "ListDirectoryBuckets", "WriteGetObjectResponse"}
LEVELS = {Scope.SERVICE: Level.ACCOUNT, Scope.BUCKET: Level.BUCKET, Scope.OBJECT: Level.OBJECT}


def policy(*statements: tuple[str, str, str], **condition: Mapping[str, str]) -> object:
    """statements: effect, action, what follows arn:aws:s3:::."""
    made = [
        {"Effect": effect, "Action": action, "Resource": f"arn:aws:s3:::{name}", "Condition": condition}
        for effect, action, name in statements
    ]
    return parse(json.dumps({"Version": "2012-10-17", "Statement": made}), Kind.IDENTITY, name="p")


def user(*policies: object, bounds: tuple[object, ...] = ()) -> Principal:
    asks = language.Principal(ACCOUNT[-12:], ACCOUNT, "bob")
    return Principal(
        ACCOUNT, "bob", False, owner="root", asks=asks, user="bob", policies=policies, bounds=bounds
    )


def request(query: str = "", **headers: str) -> S3Request:
    target = b"/bucket/dir/key" + (b"?" + query.encode() if query else b"")
    named = [(name.replace("_", "-"), value) for name, value in headers.items()]
    return S3Request.from_target("GET", target, Headers(named))


def access(principal: Principal, name: str, asked: S3Request | None = None) -> Access:
    sender = Sender(asked or request(), Authentication("bob", AuthKind.HEADER_V4), "10.0.0.1", 1_700_000_000)
    return Access(None, principal, name, sender)


def refused(principal: Principal, name: str, *, query: str = "", **headers: str) -> bool:
    key = KEY if any(route.name == name and route.scope is Scope.OBJECT for route in ROUTES) else None
    try:
        authorize(
            principal, name, Address(BUCKET, key, False), access(principal, name, request(query, **headers))
        )
    except S3Error as error:
        assert error.code == "AccessDenied"
        return True
    return False


def test_every_operation_has_its_row() -> None:
    assert {route.name for route in ROUTES} == set(REQUIRED)
    assert {name for name, actions in REQUIRED.items() if not actions} == ROOT_ONLY
    assert ROOT_ONLY.isdisjoint(op.BUILT)
    assert DECIDED_BY_BODY <= op.BUILT


def test_every_action_is_one_that_policies_may_name() -> None:
    named = {action for actions in REQUIRED.values() for action in actions}
    assert named <= set(ACTIONS)
    for kind in op.Operation.__args__:
        assert kind.permission in REQUIRED[kind.__name__]
        assert getattr(kind, "source_permission", kind.permission) in ACTIONS


@pytest.mark.parametrize("route", ROUTES, ids=lambda route: f"{route.method}-{route.name}")
def test_an_operation_needs_all_of_its_actions_where_it_is_done(route: Route) -> None:
    actions = REQUIRED[route.name]
    everything = user(policy(("Allow", "s3:*", "*")))
    assert refused(everything, route.name) is (not actions)
    assert refused(user(), route.name)
    for action in actions:
        spared = [("Allow", other, "*") for other in set(ACTIONS) - {action}]
        narrow = [("Allow", "s3:*", "*"), ("Deny", action, "*")]
        assert refused(user(policy(*narrow)), route.name) or route.name in DECIDED_BY_BODY
        small = [policy(one) for one in spared if one[1] in actions]
        assert refused(user(*small), route.name)
        # PostObject and DeleteObjects are addressed to the bucket and act on objects in it.
        assert ACTIONS[action] is LEVELS[route.scope] or route.name in ("PostObject", "DeleteObjects")


@pytest.mark.parametrize(("name", "query", "headers", "more"), [
    ("PutObject", "", {"if_match": '"e"'}, "s3:GetObject"),
    ("PutObject", "", {"x_amz_tagging": "a=b"}, "s3:PutObjectTagging"),
    ("PutObject", "", {"x_amz_object_lock_mode": "GOVERNANCE"}, "s3:PutObjectRetention"),
    ("PutObject", "", {"x_amz_object_lock_legal_hold": "ON"}, "s3:PutObjectLegalHold"),
    ("DeleteObject", "", {"if_match": '"e"'}, "s3:GetObject"),
    ("DeleteObject", "", {"x_amz_if_match_size": "1"}, "s3:GetObject"),
    ("DeleteObject", "versionId=v", {}, "s3:DeleteObjectVersion"),
    ("DeleteObject", "", {"x_amz_bypass_governance_retention": "true"}, "s3:BypassGovernanceRetention"),
    ("GetObject", "versionId=v", {}, "s3:GetObjectVersion"),
    ("HeadObject", "versionId=null", {}, "s3:GetObjectVersion"),
    ("GetObjectTagging", "versionId=v", {}, "s3:GetObjectVersionTagging"),
    ("GetObjectAttributes", "versionId=v", {}, "s3:GetObjectVersionAttributes"),
])  # fmt: skip
def test_what_a_request_says_needs_more(
    name: str, query: str, headers: dict[str, str], more: str
) -> None:
    all_but = user(policy(("Allow", "s3:*", "*"), ("Deny", more, "*")))
    assert more in actions_of(name, request(query, **headers))
    assert refused(all_but, name, query=query, **headers)
    assert not refused(user(policy(("Allow", "s3:*", "*"))), name, query=query, **headers)


def test_what_a_header_does_not_ask_for_needs_nothing() -> None:
    plain = user(policy(("Allow", "s3:DeleteObject", "*"), ("Allow", "s3:PutObject", "*")))
    assert not refused(plain, "DeleteObject", x_amz_bypass_governance_retention="false")
    assert not refused(plain, "PutObject", x_amz_acl="private")


def test_resources() -> None:
    assert resource_of("s3:ListAllMyBuckets", BUCKET, KEY) == "arn:aws:s3:::*"
    assert resource_of("s3:ListBucket", BUCKET, KEY) == "arn:aws:s3:::bucket"
    assert resource_of("s3:GetObject", BUCKET, KEY) == "arn:aws:s3:::bucket/dir/key"
    assert resource_of("s3:GetObject", BUCKET, b"a/../\xc3\xa4*") == "arn:aws:s3:::bucket/a/../ä*"


def test_a_bound_narrows() -> None:
    everything = policy(("Allow", "s3:*", "*"))
    assert not refused(user(everything, bounds=(everything,)), "GetObject")
    assert refused(user(everything, bounds=(everything, policy(("Allow", "s3:PutObject", "*")))), "GetObject")
    assert refused(user(everything, bounds=(policy(("Allow", "s3:GetObject", "*")),)), "DeleteObjects")


def copy(source: str, version: str | None = None) -> op.CopyObject:
    return op.CopyObject(
        BUCKET, KEY, BucketName(source), ObjectKey(b"k"), op.NO_READ_CONDITIONS, False, op.ObjectMetadata(),
        op.NO_WRITE_CONDITIONS, None, source_version=version,
    )


def test_sources() -> None:
    principal = user(policy(("Allow", "s3:GetObject", "near/*"), ("Allow", "s3:PutObject", "bucket/*")))
    asked = access(principal, "CopyObject")
    authorize_parsed(asked, copy("near"))
    with pytest.raises(S3Error):
        authorize_parsed(asked, copy("far"))
    with pytest.raises(S3Error):  # another right than that to the present one
        authorize_parsed(asked, copy("near", "null"))
    assert [refusal.resource for refusal in asked.refusals] == ["arn:aws:s3:::far/k", "arn:aws:s3:::near/k"]
    assert asked.refusals[1].action == "s3:GetObjectVersion"


def test_a_copy_is_bound_to_the_version_that_a_condition_names() -> None:
    one = {"StringEquals": {"s3:VersionId": "v1"}}
    principal = user(policy(("Allow", "s3:GetObjectVersion", "near/*"), **one))
    authorize_parsed(access(principal, "CopyObject"), copy("near", "v1"))
    with pytest.raises(S3Error):
        authorize_parsed(access(principal, "CopyObject"), copy("near", "v2"))


def test_an_entry_of_a_deletion_is_bound_to_the_version_that_a_condition_names() -> None:
    one = {"StringEquals": {"s3:VersionId": "v1"}}
    asked = access(user(policy(("Allow", "s3:DeleteObjectVersion", "bucket/*"), **one)), "DeleteObjects")
    asked.require(("s3:DeleteObjectVersion",), BUCKET, KEY, version="v1")
    with pytest.raises(S3Error):
        asked.require(("s3:DeleteObjectVersion",), BUCKET, KEY, version="v2")


def test_regression_who_may_delete_versions_alone_may_delete_many() -> None:
    versions = policy(("Allow", "s3:DeleteObjectVersion", "bucket/*"))
    assert not refused(user(versions), "DeleteObjects")
    assert refused(user(versions), "DeleteObject")
    reading = policy(("Allow", "s3:GetObject", "*"))
    assert refused(user(reading), "DeleteObjects")
    assert refused(user(versions, bounds=(reading,)), "DeleteObjects")
    # A bound has to allow what the policies do.
    assert refused(user(versions, bounds=(policy(("Allow", "s3:DeleteObject", "*")),)), "DeleteObjects")


@pytest.mark.parametrize(("action", "known"), [
    ("s3:ListBucket", True), ("s3:ListBucketVersions", True), ("s3:GetObjectVersion", False),
])  # fmt: skip
def test_which_versions_there_are_is_for_those_who_may_list(action: str, known: bool) -> None:
    asked = access(user(policy(("Allow", action, "bucket*"))), "GetObject")
    shown = hide_missing(asked, S3Error("NoSuchVersion"), BUCKET, KEY)
    assert shown.code == ("NoSuchVersion" if known else "AccessDenied")


def test_a_delete_marker_is_hidden_with_its_headers() -> None:
    met = S3Error("NoSuchKey", headers={"x-amz-version-id": "v", "x-amz-delete-marker": "true"})
    assert hide_missing(access(user(), "GetObject"), met, BUCKET, KEY).headers == {}


def test_every_condition_key_has_its_source() -> None:
    generic = {name for name in CONDITION_KEYS if name.startswith("s3:x-amz-")}
    of_iam = {"iam:policyarn"}  # of its own calls alone
    known = set(_SOURCES) | generic | OF_DELIVERIES | {"s3:requestobjecttagkeys"} | of_iam
    assert known == set(CONDITION_KEYS)


@pytest.mark.parametrize(("name", "query", "key", "value"), [
    ("ListObjectsV2", "prefix=a&prefix=b", "s3:prefix", ("a",)),
    ("ListObjectsV2", "prefix=", "s3:prefix", ("",)),
    ("ListObjectsV2", "max-keys=", "s3:max-keys", None),
    ("ListObjectsV2", "max-keys=7", "s3:max-keys", ("7",)),
    ("ListMultipartUploads", "max-uploads=7&max-keys=1", "s3:max-keys", ("7",)),
    ("GetObject", "prefix=a", "s3:prefix", None),
    ("PutObject", "", "s3:objectcreationoperation", ("true",)),
    ("UploadPart", "", "s3:objectcreationoperation", ("false",)),
    ("GetObject", "", "s3:objectcreationoperation", None),
    ("GetObject", "versionId=v", "s3:versionid", ("v",)),
    ("GetObject", "", "aws:sourceip", ("10.0.0.1",)),
    ("GetObject", "", "aws:securetransport", ("false",)),
    ("GetObject", "", "aws:epochtime", ("1700000000",)),
    ("GetObject", "", "aws:currenttime", ("2023-11-14T22:13:20Z",)),
    ("GetObject", "", "aws:principaltype", ("User",)),
    ("GetObject", "", "aws:principalaccount", ("123456789012",)),
    ("GetObject", "", "aws:tokenissuetime", None),
    ("GetObject", "", "s3:authtype", ("REST-HEADER",)),
    ("PutObject", "", "s3:requestobjecttag/a b", ("c d",)),
    ("PutObject", "", "s3:requestobjecttagkeys", ("a b", "e")),
    ("PutObject", "", "s3:x-amz-storage-class", ("STANDARD",)),
    ("PutObject", "", "s3:x-amz-acl", None),
    ("PutObject", "", "s3:tlsversion", None),
])  # fmt: skip
def test_values_of_condition_keys(name: str, query: str, key: str, value: tuple[str, ...] | None) -> None:
    asked = request(query, x_amz_tagging="a%20b=c+d&e=", x_amz_storage_class="STANDARD")
    sender = Sender(asked, Authentication("bob", AuthKind.HEADER_V4), "10.0.0.1", 1_700_000_000)
    context = QuestionContext(sender, user(), None, "us-east-1", name, ACCOUNT, BUCKET, KEY)
    assert context.get(key) == value
    assert (key in set(context)) is (value is not None and key in CONDITION_KEYS)


@pytest.mark.parametrize("sent", [
    "near/a%20b", "/near/a%20b", "near%2Fa%20b", "near/%61+b", "near/a b?versionId=null",
])  # fmt: skip
def test_regression_a_copy_source_is_told_as_it_is_read(sent: str) -> None:
    sender = Sender(request(x_amz_copy_source=sent), Authentication("bob", AuthKind.HEADER_V4), "::1", 0)
    context = QuestionContext(sender, user(), None, "", "CopyObject", ACCOUNT, BUCKET, KEY)
    assert context["s3:x-amz-copy-source"] == ("near/a b",)


def digest_told(kind: AuthKind, mode: PayloadMode, signed: str | None, **headers: str) -> str | None:
    sender = Sender(request(**headers), Authentication("bob", kind, mode, signed), "::1", 0)
    context = QuestionContext(sender, user(), None, "", "PutObject", ACCOUNT, BUCKET, KEY)
    return next(iter(context.get("s3:x-amz-content-sha256", ())), None)


def test_regression_a_presigned_url_tells_that_the_body_is_unsigned() -> None:
    assert digest_told(AuthKind.QUERY_V4, PayloadMode.UNSIGNED, None) == "UNSIGNED-PAYLOAD"
    assert digest_told(AuthKind.QUERY_V4, PayloadMode.UNSIGNED, None, x_amz_content_sha256="aa") == \
        "UNSIGNED-PAYLOAD"
    assert digest_told(AuthKind.QUERY_V4, PayloadMode.SIGNED, "aa") == "aa"
    assert digest_told(AuthKind.HEADER_V4, PayloadMode.SIGNED, "aa", x_amz_content_sha256="aa") == "aa"
    assert digest_told(AuthKind.QUERY_V2, PayloadMode.PLAIN, None) is None


@pytest.mark.parametrize(("kind", "age"), [
    (AuthKind.HEADER_V4, ("1500",)), (AuthKind.QUERY_V2, ("0",)), (AuthKind.HEADER_V2, ("0",)),
    (AuthKind.POST_V2, ("0",)), (AuthKind.ANONYMOUS, None),
])  # fmt: skip
def test_regression_signatures_of_version_2_have_no_age(kind: AuthKind, age: tuple[str, ...] | None) -> None:
    sender = Sender(request(), Authentication("bob", kind, age=1.5), "::1", 0)
    context = QuestionContext(sender, user(), None, "", "GetObject", ACCOUNT, BUCKET, KEY)
    assert context.get("s3:signatureage") == age


def test_regression_a_missing_key_is_told_to_who_may_list_that_prefix() -> None:
    lists = policy(("Allow", "s3:ListBucket", "bucket"), StringLike={"s3:prefix": "public/*"})
    asked = access(user(lists, policy(("Allow", "s3:GetObject", "bucket/*"))), "GetObject")
    missing = S3Error("NoSuchKey")
    assert hide_missing(asked, missing, BUCKET, ObjectKey(b"public/k")) is missing
    assert hide_missing(asked, missing, BUCKET, ObjectKey(b"private/k")).code == "AccessDenied"
    with pytest.raises(S3Error):  # a request that lists nothing has no prefix of its own
        access(user(policy(("Allow", "s3:*", "*"), StringLike={"s3:prefix": "*"})), "GetObject").require(
            ["s3:GetObject"], BUCKET, ObjectKey(b"public/k"))


class Tagged:
    """A namespace in which every object has a tag."""

    def head_object(self, bucket: BucketName, key: ObjectKey, version: str | None = None) -> object:
        return SimpleNamespace(tags={"class": version or "open"})


def test_regression_tags_decide_of_reading_and_tagging_an_object_and_not_of_replacing_it() -> None:
    def told(action: str) -> bool:
        context = QuestionContext(
            None, user(), Tagged(), "", "", ACCOUNT, BUCKET, KEY, action=action)
        return "s3:existingobjecttag/class" in context

    stems = ("", "Acl", "Annotation", "Attributes", "Tagging")
    for version in ("", "Version"):
        assert all(told(f"s3:GetObject{version}{stem}") for stem in stems)
        assert all(told(f"s3:PutObject{version}{stem}") for stem in ("Acl", "Annotation", "Tagging"))
        assert all(told(f"s3:DeleteObject{version}{stem}") for stem in ("Annotation", "Tagging"))
        assert not told(f"s3:DeleteObject{version}")
    assert not told("s3:PutObject")
    assert not told("s3:ListBucket")
    assert {action for action in ACTIONS if told(action)} == _OF_TAGGED  # no name is misspelt


@pytest.mark.parametrize(("version", "action"), [
    (None, "s3:GetObjectTagging"), ("null", "s3:GetObjectVersionTagging"),
])  # fmt: skip
def test_regression_a_copy_of_a_version_sees_the_tags_of_that_version(
    version: str | None, action: str
) -> None:
    assert source_tag_actions(copy("near", version)) == (action,)


V1, V2 = "1" * 32, "2" * 32


@pytest.mark.parametrize(("query", "version", "told"), [
    ("", None, ("open",)), (f"versionId={V1}", None, (V1,)), ("", V2, (V2,)), (f"versionId={V1}", V2, (V2,)),
    ("versionId=../x", None, None), ("", "../x", None), ("versionId=", None, None),
])  # fmt: skip
def test_tags_that_decide_are_those_of_the_version(
    query: str, version: str | None, told: tuple[str, ...] | None
) -> None:
    sender = Sender(request(query), Authentication("bob", AuthKind.HEADER_V4), "::1", 0)
    context = QuestionContext(
        sender, user(), Tagged(), "", "", ACCOUNT, BUCKET, KEY, action="s3:GetObjectVersion", version=version)
    assert context.get("s3:existingobjecttag/class") == told
