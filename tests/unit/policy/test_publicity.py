"""What makes a bucket policy public, with the examples of the S3 user guide."""

from __future__ import annotations

import json
from typing import Any

import pytest

from weka_mp.policy import canned
from weka_mp.policy.documents import Kind, parse
from weka_mp.policy.publicity import is_public

HOME = "111122223333"


def public(*statements: dict[str, Any]) -> bool:
    filled = [
        {"Effect": "Allow", "Principal": "*", "Action": "s3:PutObject", "Resource": "*", **statement}
        for statement in statements
    ]
    return is_public(parse(json.dumps({"Version": "2012-10-17", "Statement": filled}), Kind.RESOURCE))


@pytest.mark.parametrize(
    "statement",
    [
        {},
        {"Principal": {"AWS": "*"}},
        {"Principal": {"AWS": [HOME, "*"]}},
        {"Condition": {"StringLike": {"aws:userid": "AIDA*"}}},
        {"Condition": {"StringEquals": {"aws:userid": "${aws:userid}"}}},
        {"Condition": {"StringEquals": {"aws:Referer": "http://example.com/"}}},
        {"Condition": {"StringNotEquals": {"aws:userid": "AIDA1"}}},
        {"Condition": {"StringEqualsIfExists": {"aws:userid": "AIDA1"}}},
        {"Condition": {"ForAllValues:StringEquals": {"aws:userid": "AIDA1"}}},
        {"Condition": {"Null": {"aws:userid": "false"}}},
        {"Condition": {"IpAddress": {"aws:SourceIp": "0.0.0.0/1"}}},
        {"Condition": {"IpAddress": {"aws:SourceIp": "12.0.0.0/7"}}},
        {"Condition": {"IpAddress": {"aws:SourceIp": ["192.0.2.0/24", "::/0"]}}},
        {"Condition": {"IpAddress": {"aws:SourceIp": "2001:db8::/31"}}},
        {"Condition": {"NotIpAddress": {"aws:SourceIp": "192.0.2.0/24"}}},
        {"Condition": {"ArnLike": {"aws:PrincipalArn": f"arn:aws:iam::{HOME}:user/*"}}},
    ],
)
def test_what_is_for_everybody_is_public(statement: dict[str, Any]) -> None:
    assert public(statement)
    assert public({"Principal": {"AWS": HOME}}, statement)


@pytest.mark.parametrize(
    "statement",
    [
        {"Effect": "Deny"},
        {"Effect": "Deny", "Principal": {"AWS": "*"}},
        {"Principal": {"AWS": HOME}},
        {"Principal": {"AWS": f"arn:aws:iam::{HOME}:user/alice"}},
        {"Principal": {"CanonicalUser": "a" * 64}},
        {"Condition": {"StringEquals": {"aws:userid": ["AIDA1", "AIDA2"]}}},
        {"Condition": {"ForAnyValue:StringEqualsIfExists": {"aws:userid": "AIDA1"}}},
        {
            "Condition": {
                "StringEquals": {"aws:PrincipalAccount": HOME},
                "Bool": {"aws:SecureTransport": True},
            }
        },
        {"Condition": {"ArnEquals": {"aws:PrincipalArn": f"arn:aws:iam::{HOME}:user/alice"}}},
        {"Condition": {"IpAddress": {"aws:SourceIp": ["192.0.2.7", "10.0.0.0/8", "2001:db8::/32"]}}},
    ],
)
def test_what_is_for_somebody_is_not_public(statement: dict[str, Any]) -> None:
    assert not public(statement)
    assert public(statement, {})


@pytest.mark.parametrize("name", canned.BUCKET_POLICIES)
def test_the_named_policies_are_public(name: str) -> None:
    assert is_public(parse(canned.bucket_policy_text(name, "b"), Kind.RESOURCE, bucket="b"))
