"""IAM by policies: what S3 users may do with the IAM API, and every way to more than was granted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.server.identities import PASSWORD, Office, running_office
from tests.server.test_objects import failure
from weka_mp.identity import Role
from weka_mp.policy.iam_actions import IAM_ACTIONS, STS_ACTIONS
from weka_mp.query.operations import APIS

pytestmark = pytest.mark.slow

DENIED = ("AccessDenied", 403)
MISSING = ("NoSuchEntity", 404)
MINE = "arn:aws:iam::000000000001:"
READWRITE = "arn:aws:iam::aws:policy/readwrite"


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    root = tmp_path_factory.mktemp("rights") / "store"
    root.mkdir()
    with running_office(root) as running:
        running.admin.add_account("lab")
        running.admin.add_user("stranger", Role.S3, PASSWORD, account="lab")
        running.admin.add_user("chief", Role.ORG_ADMIN, PASSWORD)
        running.user("victim")
        yield running


def document(*statements: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def may(actions: str | list[str], resource: str | list[str] = "*", effect: str = "Allow", **more: Any) -> Any:
    return {"Effect": effect, "Action": actions, "Resource": resource, **more}


ALL = document(may("s3:*"))


def person(office: Office, name: str, *statements: Any) -> Any:
    """The IAM client of a new user with these statements."""
    office.user(name, *([document(*statements)] if statements else []))
    return office.endpoint.client(service="iam", access_key=name, secret_key=PASSWORD)


def test_the_actions_are_the_operations() -> None:
    operations = {api.name: set(api.operations) for api in APIS}
    assert {name.removeprefix("iam:") for name in IAM_ACTIONS} == operations["iam"]
    assert {name.removeprefix("sts:") for name in STS_ACTIONS} == operations["sts"] - {"GetCallerIdentity"}


def test_without_a_policy_there_is_oneself_alone(office: Office) -> None:
    iam = person(office, "plain", may("s3:*"))
    assert iam.get_user()["User"]["UserName"] == "plain"
    assert iam.get_user(UserName="plain")["User"]["UserName"] == "plain"
    assert failure(iam.get_user, UserName="victim") == DENIED
    for call, arguments in [
        (iam.list_users, {}), (iam.create_user, {"UserName": "x"}), (iam.create_access_key, {}),
        (iam.list_access_keys, {"UserName": "plain"}), (iam.get_account_summary, {}),
    ]:  # fmt: skip
        assert failure(call, **arguments) == DENIED


def test_ones_own_keys(office: Office) -> None:
    iam = person(office, "keeper", may(
        ["iam:*AccessKey", "iam:ListAccessKeys"], MINE + "user/${aws:username}"))
    key = iam.create_access_key()["AccessKey"]
    assert key["UserName"] == "keeper"
    assert [one["AccessKeyId"] for one in iam.list_access_keys()["AccessKeyMetadata"]] == [key["AccessKeyId"]]
    iam.update_access_key(AccessKeyId=key["AccessKeyId"], Status="Inactive", UserName="keeper")
    iam.delete_access_key(AccessKeyId=key["AccessKeyId"], UserName="KEEPER")  # names are found in any case
    for name in ("victim", "VICTIM", "chief", "root", "nobody"):
        assert failure(iam.create_access_key, UserName=name) == DENIED


def test_a_star_gives_no_administration(office: Office) -> None:
    """A policy that was there before there were such actions must not make administrators."""
    star = person(office, "star", may("*"))
    rest = person(office, "rest", {"Effect": "Allow", "NotAction": "s3:DeleteBucket", "Resource": "*"})
    for iam in (star, rest):
        for call, arguments in [
            (iam.attach_user_policy, {"UserName": "star", "PolicyArn": READWRITE}),
            (iam.create_user, {"UserName": "more"}), (iam.list_users, {}),
        ]:  # fmt: skip
            assert failure(call, **arguments) == DENIED
    named = person(office, "named", may(["*", "iam:ListUsers"]))
    assert named.list_users()["Users"]
    assert failure(named.create_user, UserName="more") == DENIED


def test_a_denial_means_all_that_it_says(office: Office) -> None:
    for name, denial in [
        ("no1", may("*", effect="Deny")), ("no2", may("iam:*", effect="Deny")),
        ("no3", {"Effect": "Deny", "NotAction": "s3:*", "Resource": "*"}),
    ]:  # fmt: skip
        iam = person(office, name, may("iam:*"), denial)
        assert failure(iam.list_users) == DENIED
        assert failure(iam.get_user) == DENIED
    some = person(office, "no4", may("iam:*"), may("iam:*", MINE + "user/victim", effect="Deny"))
    for name in ("victim", "Victim", "VICTIM"):
        assert failure(some.create_access_key, UserName=name) == DENIED


def test_who_may_attach_may_all_within_the_account_and_nothing_beyond(office: Office) -> None:
    iam = person(office, "climber", may("iam:*"))
    s3 = office.endpoint.client(access_key="climber", secret_key=PASSWORD)
    assert failure(s3.create_bucket, Bucket="climbed") == DENIED
    iam.attach_user_policy(UserName="climber", PolicyArn=READWRITE)  # as in AWS: it was granted
    s3.create_bucket(Bucket="climbed")
    for call, arguments in [
        (iam.create_access_key, {"UserName": "chief"}), (iam.delete_user, {"UserName": "chief"}),
        (iam.update_user, {"UserName": "chief", "NewUserName": "other"}),
        (iam.attach_user_policy, {"UserName": "chief", "PolicyArn": READWRITE}),
        (iam.put_user_policy, {"UserName": "chief", "PolicyName": "p", "PolicyDocument": ALL}),
    ]:  # fmt: skip
        assert failure(call, **arguments) == DENIED
    assert failure(iam.create_access_key, UserName="root")[1] in (400, 403)
    assert failure(iam.create_access_key, UserName="stranger") == MISSING
    assert failure(iam.get_user, UserName="stranger") == MISSING
    assert "stranger" not in {user["UserName"] for user in iam.list_users()["Users"]}


@pytest.mark.parametrize("granted", ["iam:CreateUser", "iam:ListUsers", "iam:Get*", "iam:CreateAccessKey"])
def test_no_other_action_is_a_way_to_more(office: Office, granted: str) -> None:
    name = "one-" + granted.partition(":")[2].rstrip("*").lower()
    iam = person(office, name, may(granted, [MINE + "user/new-*", MINE + "user/", MINE + "*"]
                                   if granted != "iam:CreateAccessKey" else MINE + f"user/{name}"))
    for call, arguments in [
        (iam.attach_user_policy, {"UserName": name, "PolicyArn": READWRITE}),
        (iam.put_user_policy, {"UserName": name, "PolicyName": "p", "PolicyDocument": document(may("s3:*"))}),
        (iam.add_user_to_group, {"UserName": name, "GroupName": "g"}),
        (iam.create_access_key, {"UserName": "victim"}),
        (iam.create_policy, {"PolicyName": "p", "PolicyDocument": document(may("s3:*"))}),
    ]:  # fmt: skip
        assert failure(call, **arguments) == DENIED


def test_regression_who_renames_must_have_the_new_name_granted_too(office: Office) -> None:
    """As in AWS: a bucket's policy names users by their ARN, `user/admins/*`, say, and whoever could move a
    user there, or give it the name of another, would have what was granted to that one.
    """
    allowed = [MINE + "user/temp/*", MINE + "user/mine/*", MINE + "group/temp/*"]
    iam = person(office, "renamer", may(["iam:UpdateUser", "iam:UpdateGroup"], allowed))
    root = office.service("iam")
    root.create_user(UserName="one", Path="/temp/")
    root.create_group(GroupName="two", Path="/temp/")
    assert failure(iam.update_user, UserName="one", NewPath="/admins/") == DENIED
    assert failure(iam.update_user, UserName="one", NewPath="/") == DENIED
    assert failure(iam.update_group, GroupName="two", NewPath="/admins/", NewGroupName="boss") == DENIED
    assert root.get_user(UserName="one")["User"]["Path"] == "/temp/"
    iam.update_user(UserName="one", NewUserName="uno")
    iam.update_user(UserName="uno", NewPath="/mine/", NewUserName="eins")
    iam.update_group(GroupName="two", NewGroupName="due")
    assert root.get_user(UserName="eins")["User"]["Path"] == "/mine/"
    assert root.get_group(GroupName="due")["Group"]["Path"] == "/temp/"
    assert failure(iam.update_user, UserName="none", NewUserName="other") == DENIED


def test_conditions(office: Office) -> None:
    attach = may("iam:AttachUserPolicy", Condition={"ArnEquals": {
        "iam:PolicyARN": "arn:aws:iam::aws:policy/readonly"}})
    here = may("iam:ListUsers", Condition={"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}})
    there = may("iam:ListGroups", Condition={"IpAddress": {"aws:SourceIp": "192.0.2.0/24"}})
    iam = person(office, "bound", attach, here, there)
    iam.attach_user_policy(UserName="bound", PolicyArn="arn:aws:iam::aws:policy/readonly")
    assert failure(iam.attach_user_policy, UserName="bound", PolicyArn=READWRITE) == DENIED
    assert iam.list_users()["Users"]
    assert failure(iam.list_groups) == DENIED


def test_what_was_given_out_never_administrates(office: Office) -> None:
    person(office, "parent", may("iam:*"))
    sts = office.endpoint.client(service="sts", access_key="parent", secret_key=PASSWORD)
    temporary = office.service("iam", sts.get_session_token()["Credentials"])
    assert failure(temporary.list_users) == DENIED
    assert failure(temporary.attach_user_policy, UserName="parent", PolicyArn=READWRITE) == DENIED


def test_sts_is_for_everybody_unless_it_is_denied(office: Office) -> None:
    office.user("silent")
    office.user("muted", document(may("sts:*", effect="Deny")))
    for name, allowed in (("silent", True), ("muted", False)):
        sts = office.endpoint.client(service="sts", access_key=name, secret_key=PASSWORD)
        assert sts.get_caller_identity()["Arn"] == MINE + f"user/{name}"
        for call, arguments in [
            (sts.get_session_token, {}),
            (sts.assume_role, {"RoleArn": "arn:x:ignored:by:weka-s3:", "RoleSessionName": "any"}),
        ]:  # fmt: skip
            if allowed:
                assert call(**arguments)["Credentials"]
            else:
                assert failure(call, **arguments) == DENIED


@pytest.mark.parametrize("statement", [
    may("iam:Fly"), may("iam:PassRole"), may("i*:ListUsers"), may("sts:GetCallerIdentity"),
    may("iam:ListUsers", "arn:aws:iam::12:user/x"), may("iam:ListUsers", "arn:aws:iam:us-east-1:*:user/x"),
    may("iam:ListUsers", "arn:aws:iam::000000000001:role/x"), may("iam:ListUsers", "arn:aws:sts::*:user/x"),
])  # fmt: skip
def test_what_is_not_understood_is_refused(office: Office, statement: Any) -> None:
    iam = office.service("iam")
    code = failure(iam.create_policy, PolicyName="odd", PolicyDocument=document(statement))
    assert code == ("MalformedPolicyDocument", 400)


def test_buckets_say_nothing_of_it(office: Office) -> None:
    s3 = office.endpoint.client()
    s3.create_bucket(Bucket="speaks")
    wild = {"Effect": "Allow", "Principal": "*", "Action": "iam:*", "Resource": "arn:aws:s3:::speaks/*"}
    assert failure(s3.put_bucket_policy, Bucket="speaks", Policy=document(wild))[0] == "MalformedPolicy"
    star = {**wild, "Action": "*"}
    s3.put_bucket_policy(Bucket="speaks", Policy=document(star))
    assert failure(person(office, "outsider").list_users) == DENIED
