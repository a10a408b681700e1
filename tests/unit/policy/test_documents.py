"""What a policy document may be, and that everything else is refused with the place that is wrong."""

from __future__ import annotations

import json
from typing import Any

import pytest

from weka_mp.policy.documents import IDENTITY_CHARACTERS, RESOURCE_BYTES, Kind, parse
from weka_mp.policy.errors import MalformedPolicy

BUCKET = "b"
ALLOW = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::b/*"}
OPEN = {**ALLOW, "Principal": "*"}


def document(*statements: Any, **elements: Any) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements), **elements})


def without(statement: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in statement.items() if key != name}


def condition(operator: str, key: str, values: Any) -> dict[str, Any]:
    return {**ALLOW, "Condition": {operator: {key: values}}}


def refusal(text: str, kind: Kind) -> MalformedPolicy:
    with pytest.raises(MalformedPolicy) as caught:
        parse(text, kind, bucket=BUCKET)
    return caught.value


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "is not JSON"),
        ("[]", "must be an object"),
        ("nonsense", "is not JSON"),
        (document(ALLOW) + "x", "is not JSON"),
        ("\ufeff" + document(ALLOW), "is not JSON"),
        ('{"Version": "2012-10-17", "Statement": NaN}', "NaN"),
        ('{"Statement": [], "Statement": []}', "stands twice"),
        (document(ALLOW).replace('"Effect"', '"Effect": "Deny", "Effect"'), "Effect: stands twice"),
        ("[" * 5000, "nested too deeply"),
        ('{"Statement": ' + "[" * 5000 + "]" * 5000 + "}", "nested too deeply"),
        ('{"Version": "2012-10-17", "Id": "\\ud800", "Statement": {}}', "half of a surrogate pair"),
        ('{"Version": "2012-10-17", "Statement": {"\\udc00": 1}}', "half of a surrogate pair"),
        ('{"Version": "2012-10-17", "Id": "\ud801"}', "is not text"),
    ],
)
def test_what_is_no_json_object_is_refused(text: str, problem: str) -> None:
    assert problem in str(refusal(text, Kind.RESOURCE))


@pytest.mark.parametrize(
    ("text", "place", "problem"),
    [
        (document(ALLOW, version="x"), "", "unknown element 'version'"),
        (document(ALLOW, Version="2012-10-18"), "Version", "must be"),
        (document(ALLOW, Version=["2012-10-17"]), "Version", "must be"),
        (document(ALLOW, Id=["x"]), "Id", "must be text"),
        (document(), "Statement", "not empty"),
        (json.dumps({"Version": "2012-10-17"}), "Statement", "not empty"),
        (document("x"), "Statement[0]", "must be an object"),
        (document(ALLOW, {**ALLOW, "Effects": "x"}), "Statement[1]", "unknown element 'Effects'"),
        (document({**ALLOW, "effect": "Allow"}), "Statement[0]", "unknown element 'effect'"),
        (document({**ALLOW, "Effect": "allow"}), "Statement[0].Effect", "Allow or Deny"),
        (document(without(ALLOW, "Effect")), "Statement[0].Effect", "Allow or Deny"),
        (document({**ALLOW, "Sid": "a b"}), "Statement[0].Sid", "letters and digits"),
        (document({**ALLOW, "Sid": 1}), "Statement[0].Sid", "must be text"),
        (document({**ALLOW, "Sid": "A"}, {**ALLOW, "Sid": "A"}), "Statement[1].Sid", "stands twice"),
        (document(without(ALLOW, "Action")), "Statement[0]", "either Action or NotAction"),
        (document({**ALLOW, "NotAction": "s3:GetObject"}), "Statement[0]", "either Action or NotAction"),
        (document(without(ALLOW, "Resource")), "Statement[0]", "either Resource or NotResource"),
        (document({**ALLOW, "NotResource": "*"}), "Statement[0]", "either Resource or NotResource"),
        (document({**ALLOW, "Principal": "*"}), "Statement[0].Principal", "bucket policies only"),
        (document({**ALLOW, "NotPrincipal": "*"}), "Statement[0].NotPrincipal", "bucket policies only"),
        (document({**ALLOW, "Condition": []}), "Statement[0].Condition", "must be an object"),
        (document({**ALLOW, "Condition": {"Bool": {}}}), "Statement[0].Condition.Bool", "not empty"),
    ],
)
def test_unknown_elements_and_wrong_shapes_are_refused(text: str, place: str, problem: str) -> None:
    error = refusal(text, Kind.IDENTITY)
    assert error.place == place
    assert problem in error.problem


@pytest.mark.parametrize(
    "action",
    [
        "s3:GetObjekt",
        "GetObject",
        "s3:",
        "s3",
        "",
        "s3:HeadObject",
        "s3:ListObjects",
        "s3:Nothing*",
        "s3:Get?",
        "ec2:*",
        "iam:PassRole",
        "iam:Nothing*",
        "sts:GetCallerIdentity",
        "s?:GetObject",
        "s3*",
        "**",
        "s3:GetObject ",
        " s3:GetObject",
        5,
        None,
        [],
        ["s3:GetObject", "s3:Wrong"],
        {"s3:GetObject": 1},
        "s3:ListMultipartUploads",
        "s3:GetBucketLifecycle",
    ],
)
@pytest.mark.parametrize("element", ["Action", "NotAction"])
def test_actions_that_do_not_exist_are_refused(element: str, action: object) -> None:
    error = refusal(document({**without(ALLOW, "Action"), element: action}), Kind.IDENTITY)
    assert error.place == f"Statement[0].{element}"


@pytest.mark.parametrize(
    "resource",
    [
        "",
        "b",
        "b/*",
        "arn",
        "arn:aws:s3",
        "arn:aws:s3:::",
        "arn:aws:s3:::/k",
        "arn:aws:s3::b",
        "arn:aws:s3:b",
        "arn:aws:ec2:::b",
        "arn:aws-cn:s3:::b",
        "arn:aws:s3:us-east-1::b",
        "arn:aws:s3::111122223333:b",
        "arn:aws:s?:::b",
        "arn:aws:*:::b",
        "arn:aws:iam::111122223333:role/bob",
        "Arn:aws:s3:::b",
        "arn:aws*",
        "arn:${aws:username}:s3:::b",
        "arn:aws:s3:::b/${aws:username",
        "arn:aws:s3:::b/${aws:nobody}",
        "arn:aws:s3:::b/${}",
        "arn:aws:s3:::b/${aws:username,nobody}",
        "arn:aws:s3:::b/${aws:username, 'a}",
        "arn:aws:s3:::b/${s3:RequestObjectTagKeys}",
        "arn:aws:s3:::b/${**}",
        "arn:aws:s3:::b/${ aws:username }",
        "arn:aws:s3:::b/${aws:username, 'a' }",
        1,
        [],
        None,
        ["*", ""],
    ],
)
@pytest.mark.parametrize("element", ["Resource", "NotResource"])
def test_resources_that_cannot_be_meant_are_refused(element: str, resource: object) -> None:
    error = refusal(document({**without(ALLOW, "Resource"), element: resource}), Kind.IDENTITY)
    assert error.place == f"Statement[0].{element}"


@pytest.mark.parametrize(
    "principal",
    [
        "bob",
        "arn:aws:iam::111122223333:user/bob",
        {},
        [],
        ["*"],
        None,
        {"AWS": []},
        {"AWS": None},
        {"AWS": [1]},
        {"Service": "s3.amazonaws.com"},
        {"Federated": "*"},
        {"aws": "*"},
        {"AWS": "11112222333"},
        {"AWS": "a" * 63},
        {"AWS": "g" * 64},
        {"AWS": 111122223333},
        {"AWS": "arn:aws:iam::111122223333:user/*"},
        {"AWS": "1111*"},
        {"AWS": "arn:aws:iam::111122223333:user/"},
        {"AWS": "arn:aws:iam::111122223333:role/r"},
        {"AWS": "arn:aws:sts::111122223333:assumed-role/r/s"},
        {"AWS": "arn:aws:iam:::user/bob"},
        {"AWS": "arn:aws:iam::*:root"},
        {"AWS": ["*", "bob"]},
        {"CanonicalUser": "*"},
        {"CanonicalUser": "111122223333"},
        {"AWS": "arn:aws:iam::111122223333:user/bob\n"},
        {"AWS": "arn:aws:iam::111122223333:group/g"},
    ],
)
@pytest.mark.parametrize("element", ["Principal", "NotPrincipal"])
def test_principals_that_cannot_exist_are_refused(element: str, principal: object) -> None:
    error = refusal(document({**ALLOW, "Effect": "Deny", element: principal}), Kind.RESOURCE)
    assert error.place.startswith(f"Statement[0].{element}")


@pytest.mark.parametrize(
    ("operator", "key", "values", "problem"),
    [
        ("StringMatches", "aws:username", "x", "unknown condition operator"),
        ("BinaryEquals", "aws:username", "eA==", "unknown condition operator"),
        ("IfExists", "aws:username", "x", "unknown condition operator"),
        ("NullIfExists", "aws:username", "true", "unknown condition operator"),
        ("ForAnyValue:Null", "aws:username", "true", "unknown condition operator"),
        ("ForSomeValues:StringEquals", "aws:username", "x", "unknown condition operator"),
        ("ForAllValues:ForAnyValue:StringEquals", "aws:username", "x", "unknown condition operator"),
        ("StringEquals", "aws:nobody", "x", "unknown condition key"),
        ("StringEquals", "username", "x", "unknown condition key"),
        ("StringEquals", "aws:MultiFactorAuthPresent", "true", "unknown condition key"),
        ("StringEquals", "aws:SourceVpce", "vpce-1", "unknown condition key"),
        ("StringEquals", "s3:ExistingObjectTag", "x", "unknown condition key"),
        ("StringEquals", "s3:ExistingObjectTag/", "x", "unknown condition key"),
        ("StringEquals", "aws:username/x", "x", "unknown condition key"),
        ("StringEquals", "s3:x-amz-unheard-of", "x", "unknown condition key"),
        ("StringEquals", "aws:username", [], "not be empty"),
        ("StringEquals", "aws:username", None, "must be text"),
        ("StringEquals", "aws:username", [["x"]], "must be text"),
        ("StringEquals", "aws:username", {"x": 1}, "must be text"),
        ("StringEquals", "aws:username", "${aws:nobody}", "unknown policy variable"),
        ("StringEquals", "s3:RequestObjectTagKeys", "x", "ForAllValues"),
        ("NumericEquals", "aws:username", "1", "does not compare"),
        ("IpAddress", "aws:username", "10.0.0.1", "does not compare"),
        ("DateEquals", "s3:max-keys", "2024", "does not compare"),
        ("Bool", "aws:SourceIp", "true", "does not compare"),
        ("ArnLike", "aws:username", "arn:aws:iam::1:user/x", "does not compare"),
        ("NumericEquals", "s3:max-keys", "ten", "not a number"),
        ("NumericEquals", "s3:max-keys", "1e3", "not a number"),
        ("NumericEquals", "s3:max-keys", "", "not a number"),
        ("NumericEquals", "s3:max-keys", "${s3:prefix}", "not a number"),
        ("DateEquals", "aws:CurrentTime", "yesterday", "not a date"),
        ("DateEquals", "aws:CurrentTime", "2024-02-30", "not a date"),
        ("DateEquals", "aws:CurrentTime", "2024-02-29T12:00:00", "not a date"),
        ("DateEquals", "aws:CurrentTime", "2024-02-29T12:00:00+25:00", "not a date"),
        ("DateEquals", "aws:CurrentTime", "2024-02-29 12:00:00Z", "not a date"),
        ("Bool", "aws:SecureTransport", "yes", "not true or false"),
        ("Bool", "aws:SecureTransport", 1, "not true or false"),
        ("Null", "aws:username", "null", "not true or false"),
        ("IpAddress", "aws:SourceIp", "10.0.0.0/33", "not an IP address"),
        ("IpAddress", "aws:SourceIp", "10.0.0.0/255.0.0.0", "not an IP address"),
        ("IpAddress", "aws:SourceIp", "10.0.0", "not an IP address"),
        ("IpAddress", "aws:SourceIp", "fe80::1%eth0", "not an IP address"),
        ("IpAddress", "aws:SourceIp", "*", "not an IP address"),
        ("ArnLike", "aws:PrincipalArn", "*", "not an ARN"),
        ("ArnLike", "aws:PrincipalArn", "arn:aws:iam::user/x", "not an ARN"),
    ],
)
def test_conditions_that_cannot_be_kept_to_are_refused(
    operator: str, key: str, values: object, problem: str
) -> None:
    error = refusal(document(condition(operator, key, values)), Kind.IDENTITY)
    assert error.place.startswith(f"Statement[0].Condition.{operator}")
    assert problem in error.problem


@pytest.mark.parametrize(
    ("operator", "key", "values"),
    [
        ("StringEquals", "aws:username", ["a", "b"]),
        ("stringlikeifexists", "AWS:UserName", "a*"),
        ("forallvalues:StringEquals", "s3:requestobjecttagkeys", "x"),
        ("Null", "s3:RequestObjectTagKeys", True),
        ("Bool", "aws:SecureTransport", False),
        ("Bool", "aws:SecureTransport", "${s3:ExistingObjectTag/secure}"),
        ("NumericLessThan", "s3:TlsVersion", 1.2),
        ("NumericLessThan", "s3:ExistingObjectTag/level", 3),
        ("DateLessThan", "aws:EpochTime", 1709208000),
        ("NumericLessThan", "aws:EpochTime", "1709208000"),
        ("DateGreaterThan", "aws:CurrentTime", ["2024", "2024-02", "2024-02-29", "2024-02-29T12:00Z"]),
        ("IpAddress", "aws:SourceIp", ["::/0", "10.0.0.5/8", "::ffff:10.0.0.0/104"]),
        ("ArnEquals", "aws:PrincipalArn", ["arn:aws:iam::*:user/*", "${aws:PrincipalArn}"]),
    ],
)
def test_conditions_that_can_be_kept_to_are_taken(operator: str, key: str, values: object) -> None:
    (statement,) = parse(document(condition(operator, key, values)), Kind.IDENTITY).statements
    (found,) = statement.conditions
    assert found.operator.lower() == operator.lower()
    assert found.key.name.lower() == key.lower()


@pytest.mark.parametrize(
    "conditions",
    [
        {"StringEquals": {"aws:username": "a", "aws:UserName": "b"}},
        {"StringEquals": {"aws:username": "a"}, "stringequals": {"aws:username": "b"}},
    ],
)
def test_what_stands_twice_in_another_case_is_refused(conditions: object) -> None:
    error = refusal(document({**ALLOW, "Condition": conditions}), Kind.IDENTITY)
    assert error.problem == "stands twice, in another case"


def test_tag_keys_that_differ_in_case_are_two() -> None:
    tags = {"s3:ExistingObjectTag/a": "x", "s3:ExistingObjectTag/A": "y"}
    text = document({**ALLOW, "Condition": {"StringEquals": tags}})
    assert len(parse(text, Kind.IDENTITY).statements[0].conditions) == 2


def test_not_principal_goes_with_deny_only() -> None:
    statement = {**ALLOW, "NotPrincipal": {"AWS": "111122223333"}}
    assert refusal(document(statement), Kind.RESOURCE).place == "Statement[0].NotPrincipal"
    assert parse(document({**statement, "Effect": "Deny"}), Kind.RESOURCE, bucket=BUCKET)


@pytest.mark.parametrize("statement", [ALLOW, {**OPEN, "NotPrincipal": "*"}])
def test_a_bucket_policy_names_its_principals_once(statement: dict[str, Any]) -> None:
    assert "either Principal or NotPrincipal" in str(refusal(document(statement), Kind.RESOURCE))


@pytest.mark.parametrize(
    ("action", "resource", "place"),
    [
        ("s3:GetObject", "arn:aws:s3:::other/*", "Resource"),
        ("s3:GetObject", ["arn:aws:s3:::b/*", "arn:aws:s3:::bb/*"], "Resource"),
        ("s3:GetObject", "arn:aws:s3:::b/", "Resource"),
        ("s3:GetObject", "arn:aws:s3:::b", "Action"),
        ("s3:ListBucket", "arn:aws:s3:::b/*", "Action"),
        (["s3:GetObject", "s3:ListBucket"], "arn:aws:s3:::b/*", "Action"),
        ("s3:ListAllMyBuckets", "*", "Action"),
        ("s3:ListAccessPoints", "arn:aws:s3:::b", "Action"),
    ],
)
def test_a_bucket_policy_is_about_its_bucket(action: object, resource: object, place: str) -> None:
    statement = {**OPEN, "Action": action, "Resource": resource}
    assert refusal(document(statement), Kind.RESOURCE).place == f"Statement[0].{place}"


@pytest.mark.parametrize(
    ("action", "resource"),
    [
        ("s3:*", ["arn:aws:s3:::b", "arn:aws:s3:::b/*"]),
        (["s3:GetObject", "s3:ListBucket"], ["arn:aws:s3:::b", "arn:aws:s3:::b/*"]),
        (["s3:GetObject", "s3:ListBucket"], ["arn:aws:s3:::b/*", "arn:aws:s3:::b"]),
        ("s3:*", "*"),
        ("*", "arn:aws:s3:::b/x"),
        ("s3:Get*", "arn:aws:s3:::b"),
        ("s3:ListBucket", "arn:aws:s3:::*"),
        ("s3:GetObject", "arn:aws:s3:::*"),
        ("s3:GetObject", "arn:aws:s3:::b*"),
        ("s3:GetObject", "arn:aws:s3:::?/x"),
        ("s3:GetObject", "arn:aws:s3:::b/${aws:username}"),
        ("s3:GetObject", "arn:aws:s3:::*/x"),
    ],
)
def test_resources_that_may_mean_the_bucket_are_taken(action: object, resource: object) -> None:
    assert parse(document({**OPEN, "Action": action, "Resource": resource}), Kind.RESOURCE, bucket=BUCKET)


def test_a_bucket_policy_that_was_accepted_before_is_read_without_its_bucket() -> None:
    elsewhere = document({**OPEN, "Resource": "arn:aws:s3:::other/*"})
    assert parse(elsewhere, Kind.RESOURCE).statements


def padded(size: int, kind: Kind) -> str:
    """A policy whose JSON without white space has `size` characters."""
    statement = ALLOW if kind is not Kind.RESOURCE else OPEN
    base = {"Statement": {**statement, "Sid": ""}}
    blank = len(json.dumps(base, separators=(",", ":")))
    base["Statement"]["Sid"] = "x" * (size - blank)
    return json.dumps(base, separators=(",", ":"))


@pytest.mark.parametrize("kind", [Kind.IDENTITY, Kind.SESSION])
def test_the_size_of_identity_policies_is_limited_without_white_space(kind: Kind) -> None:
    fits = padded(IDENTITY_CHARACTERS, kind)
    assert len(fits) == IDENTITY_CHARACTERS
    assert parse(fits, kind)
    assert parse(fits.replace(",", ",\n        "), kind)
    assert "2049 characters" in str(refusal(padded(IDENTITY_CHARACTERS + 1, kind), kind))
    assert "limit is 20480" in str(refusal(fits + " " * RESOURCE_BYTES, kind))


def test_white_space_in_a_text_counts() -> None:
    text = document({**ALLOW, "Resource": "arn:aws:s3:::b/" + " " * IDENTITY_CHARACTERS})
    assert "characters" in str(refusal(text, Kind.IDENTITY))


def test_the_size_of_bucket_policies_is_limited_in_bytes() -> None:
    assert parse(padded(RESOURCE_BYTES, Kind.RESOURCE), Kind.RESOURCE, bucket=BUCKET)
    assert "20481 bytes" in str(refusal(padded(RESOURCE_BYTES + 1, Kind.RESOURCE), Kind.RESOURCE))
    wide = padded(RESOURCE_BYTES, Kind.RESOURCE).replace("x", "é", 1)
    assert "20481 bytes" in str(refusal(wide, Kind.RESOURCE))


def test_what_bucket_policies_may_have_beyond_those_of_users() -> None:
    text = document({**OPEN, "Sid": "Allow all, always"}, Id="My policy")
    policy = parse(text, Kind.RESOURCE, bucket=BUCKET, name="of b")
    assert (policy.name, policy.text, policy.statements[0].sid) == ("of b", text, "Allow all, always")


def test_regression_policies_of_users_may_have_an_id() -> None:
    assert parse(document(ALLOW, Id="as IAM takes it"), Kind.IDENTITY).statements


@pytest.mark.parametrize("written", ["src/public/*", "/src/public/*"])
def test_regression_a_slash_before_a_copy_source_is_none(written: str) -> None:
    text = document(condition("StringLike", "s3:x-amz-copy-source", written))
    only = parse(text, Kind.IDENTITY).statements[0].conditions[0]
    assert only.holds({"s3:x-amz-copy-source": ("src/public/a",)})


def test_a_bucket_policy_tells_whom_it_names() -> None:
    bob = "arn:aws:iam::111122223333:user/division/bob"
    one = {**ALLOW, "Principal": {"AWS": ["444455556666", bob]}}
    other = {**ALLOW, "Effect": "Deny", "NotPrincipal": {"CanonicalUser": "AB" * 32}}
    named = parse(document(one, other), Kind.RESOURCE, bucket=BUCKET).named()
    assert not named.everyone
    assert named.accounts == {"444455556666", "ab" * 32}
    assert named.users == {("111122223333", "division/bob")}
    assert parse(document(one, OPEN), Kind.RESOURCE, bucket=BUCKET).named().everyone
    assert parse(document(ALLOW), Kind.IDENTITY).named().accounts == frozenset()


def test_empty_sids_may_repeat() -> None:
    assert len(parse(document({**ALLOW, "Sid": ""}, {**ALLOW, "Sid": ""}), Kind.IDENTITY).statements) == 2
