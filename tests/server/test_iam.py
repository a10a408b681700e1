"""AWS's IAM API at the endpoint: boto3's client, the calls that Terraform makes, and who may make them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.server.endpoint import ACCESS_KEY, SECRET_KEY
from tests.server.identities import PASSWORD, Office, allowing, running_office
from tests.server.test_objects import failure
from weka_mp.control.roles import MAY
from weka_mp.events import EventLog, Wanted
from weka_mp.identity import Role
from weka_mp.namespace import Namespace
from weka_mp.policy.canned import AWS_POLICIES, IDENTITY_POLICIES
from weka_mp.query.operations import APIS
from weka_mp.store.posix import PosixStore

pytestmark = pytest.mark.slow

DENIED = ("AccessDenied", 403)
MISSING = ("NoSuchEntity", 404)
OURS = "arn:aws:iam::000000000001:policy/"
PREDEFINED = "arn:aws:iam::aws:policy/"


@pytest.fixture(scope="module")
def unchanged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """One for all tests that change nothing, with a user bob."""
    root = tmp_path_factory.mktemp("unchanged") / "store"
    root.mkdir()
    with running_office(root) as running:
        running.user("bob", "readwrite")
        yield running


@pytest.fixture
def iam(office: Office) -> Any:
    return office.service("iam")


def administrator(office: Office, name: str, role: Role, account: str = "root") -> Any:
    """Credentials of one."""
    office.admin.add_user(name, role, None, account=account)
    key = office.admin.add_access_key(name)
    return {"AccessKeyId": key.access_key, "SecretAccessKey": key.secret}


def without_meta(answer: Any) -> Any:
    return {name: value for name, value in answer.items() if name != "ResponseMetadata"}


# ---- what clients do
def test_a_user_with_a_key_and_a_policy(office, iam):
    user = iam.create_user(UserName="bob")["User"]
    assert (user["Arn"], user["Path"]) == ("arn:aws:iam::000000000001:user/bob", "/")
    key = iam.create_access_key(UserName="bob")["AccessKey"]
    s3 = office.service("s3", key)
    assert failure(s3.create_bucket, Bucket="bucket") == DENIED
    arn = iam.create_policy(
        PolicyName="buckets", PolicyDocument=allowing("s3:*", "*"), Description="all of it"
    )["Policy"]["Arn"]
    assert arn == OURS + "buckets"
    iam.attach_user_policy(UserName="bob", PolicyArn=arn)
    s3.create_bucket(Bucket="bucket")
    assert failure(iam.delete_user, UserName="bob") == ("DeleteConflict", 409)
    assert failure(iam.delete_policy, PolicyArn=arn) == ("DeleteConflict", 409)
    iam.update_access_key(UserName="bob", AccessKeyId=key["AccessKeyId"], Status="Inactive")
    assert failure(s3.list_buckets) == ("InvalidAccessKeyId", 403)
    iam.update_access_key(UserName="bob", AccessKeyId=key["AccessKeyId"], Status="Active")
    s3.list_buckets()
    iam.detach_user_policy(UserName="bob", PolicyArn=arn)
    assert failure(s3.list_buckets) == DENIED
    iam.delete_access_key(UserName="bob", AccessKeyId=key["AccessKeyId"])
    assert failure(s3.list_buckets) == ("InvalidAccessKeyId", 403)
    iam.delete_user(UserName="bob")
    iam.delete_policy(PolicyArn=arn)
    assert iam.list_users()["Users"] == []


NEVER_ANY = {
    "ssh_public_keys": "SSHPublicKeys", "mfa_devices": "MFADevices", "signing_certificates": "Certificates",
    "service_specific_credentials": "ServiceSpecificCredentials",
}  # fmt: skip


def test_what_terraform_asks_for(office, iam):
    """The calls of aws_iam_user, _access_key, _policy, _user_policy_attachment, _group, _group_membership,
    _user_policy and _group_policy: create, read, update, destroy.
    """
    tags = [{"Key": "made-by", "Value": "Terraform 1.9 / team=a+b"}]
    iam.create_user(UserName="tf", Path="/", Tags=tags)
    assert iam.get_user(UserName="tf")["User"]["Tags"] == tags
    key = iam.create_access_key(UserName="tf")["AccessKey"]
    listed = iam.list_access_keys(UserName="tf")["AccessKeyMetadata"]
    assert [(one["AccessKeyId"], one["Status"]) for one in listed] == [(key["AccessKeyId"], "Active")]
    policy = iam.create_policy(
        PolicyName="tf", Path="/", PolicyDocument=allowing("s3:GetObject", "a/*"), Description="<one & two>",
        Tags=tags,
    )["Policy"]
    arn = policy["Arn"]
    read = iam.get_policy(PolicyArn=arn)["Policy"]
    assert (read["Description"], read["Tags"], read["AttachmentCount"]) == ("<one & two>", tags, 0)
    version = iam.get_policy_version(PolicyArn=arn, VersionId=read["DefaultVersionId"])["PolicyVersion"]
    assert version["Document"] == json.loads(allowing("s3:GetObject", "a/*"))
    assert len(iam.list_policy_versions(PolicyArn=arn)["Versions"]) == 1
    changed = iam.create_policy_version(
        PolicyArn=arn, PolicyDocument=allowing("s3:PutObject", "a/*"), SetAsDefault=True
    )["PolicyVersion"]
    assert changed["VersionId"] == "v2" and changed["IsDefaultVersion"]
    assert failure(iam.get_policy_version, PolicyArn=arn, VersionId="v1") == MISSING
    iam.attach_user_policy(UserName="tf", PolicyArn=arn)
    attached = {"PolicyName": "tf", "PolicyArn": arn}
    assert iam.list_attached_user_policies(UserName="tf")["AttachedPolicies"] == [attached]
    iam.create_group(GroupName="staff", Path="/")
    iam.add_user_to_group(GroupName="staff", UserName="tf")
    assert [user["UserName"] for user in iam.get_group(GroupName="staff")["Users"]] == ["tf"]
    assert [one["GroupName"] for one in iam.list_groups_for_user(UserName="tf")["Groups"]] == ["staff"]
    iam.attach_group_policy(GroupName="staff", PolicyArn=PREDEFINED + "readonly")
    iam.put_user_policy(UserName="tf", PolicyName="own", PolicyDocument=allowing("s3:*", "own/*"))
    iam.put_group_policy(GroupName="staff", PolicyName="ours", PolicyDocument=allowing("s3:*", "ours/*"))
    own = iam.get_user_policy(UserName="tf", PolicyName="own")["PolicyDocument"]
    assert own == json.loads(allowing("s3:*", "own/*"))
    entities = iam.list_entities_for_policy(PolicyArn=PREDEFINED + "readonly")
    assert [one["GroupName"] for one in entities["PolicyGroups"]] == ["staff"]
    # destroy, with force_destroy
    assert failure(iam.delete_user, UserName="tf") == ("DeleteConflict", 409)
    assert failure(iam.delete_group, GroupName="staff") == ("DeleteConflict", 409)
    iam.delete_group_policy(GroupName="staff", PolicyName="ours")
    iam.delete_user_policy(UserName="tf", PolicyName="own")
    iam.detach_group_policy(GroupName="staff", PolicyArn=PREDEFINED + "readonly")
    iam.remove_user_from_group(GroupName="staff", UserName="tf")
    iam.detach_user_policy(UserName="tf", PolicyArn=arn)
    iam.delete_access_key(UserName="tf", AccessKeyId=key["AccessKeyId"])
    for kind, element in NEVER_ANY.items():
        assert getattr(iam, f"list_{kind}")(UserName="tf")[element] == [], kind
    assert iam.list_virtual_mfa_devices(AssignmentStatus="Assigned")["VirtualMFADevices"] == []
    assert failure(iam.delete_login_profile, UserName="tf") == MISSING
    for call, arguments in (
        (iam.delete_group, {"GroupName": "staff"}), (iam.delete_user, {"UserName": "tf"}),
        (iam.delete_policy, {"PolicyArn": arn}),
    ):  # fmt: skip
        call(**arguments)
        assert failure(call, **arguments) == MISSING
    registry = office.identities.registry
    assert (registry.users, registry.groups, registry.policies) == ({}, {}, {})


def test_terraform_notices_what_others_changed(office, iam):
    """refresh reads again, apply puts right what differs, and what is gone is told by every read."""
    arn = iam.create_policy(PolicyName="p", PolicyDocument=allowing("s3:GetObject", "a/*"))["Policy"]["Arn"]
    other = iam.create_policy(PolicyName="q", PolicyDocument=allowing("s3:GetObject", "b/*"))["Policy"]["Arn"]
    iam.create_user(UserName="tf", Path="/lab/", Tags=[{"Key": "a", "Value": "1"}])
    key = iam.create_access_key(UserName="tf")["AccessKey"]["AccessKeyId"]
    iam.attach_user_policy(UserName="tf", PolicyArn=arn)
    iam.put_user_policy(UserName="tf", PolicyName="own", PolicyDocument=allowing("s3:*", "own/*"))
    iam.create_group(GroupName="g")
    iam.add_user_to_group(GroupName="g", UserName="tf")
    iam.attach_group_policy(GroupName="g", PolicyArn=arn)
    # somebody else's hands
    office.admin.detach_from_user("p", "tf")
    office.admin.attach_to_user("q", "tf")
    office.admin.replace_policy("p", allowing("s3:*", "*"))
    iam.untag_user(UserName="tf", TagKeys=["a"])
    iam.remove_user_from_group(GroupName="g", UserName="tf")
    iam.delete_user_policy(UserName="tf", PolicyName="own")
    iam.update_access_key(UserName="tf", AccessKeyId=key, Status="Inactive")
    # refresh
    attached = iam.list_attached_user_policies(UserName="tf")["AttachedPolicies"]
    assert attached == [{"PolicyName": "q", "PolicyArn": other}]
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    found = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
    assert found == json.loads(allowing("s3:*", "*"))
    assert "Tags" not in iam.get_user(UserName="tf")["User"]
    assert iam.get_group(GroupName="g")["Users"] == []
    assert failure(iam.get_user_policy, UserName="tf", PolicyName="own") == MISSING
    assert iam.list_access_keys(UserName="tf")["AccessKeyMetadata"][0]["Status"] == "Inactive"
    # apply: twice, since what is so already is no error
    for _ in range(2):
        iam.create_policy_version(
            PolicyArn=arn, PolicyDocument=allowing("s3:GetObject", "a/*"), SetAsDefault=True
        )
        iam.attach_user_policy(UserName="tf", PolicyArn=arn)
        iam.tag_user(UserName="tf", Tags=[{"Key": "a", "Value": "1"}])
        iam.add_user_to_group(GroupName="g", UserName="tf")
        iam.put_user_policy(UserName="tf", PolicyName="own", PolicyDocument=allowing("s3:*", "own/*"))
        iam.update_access_key(UserName="tf", AccessKeyId=key, Status="Active")
    iam.update_user(UserName="tf", NewUserName="tf2", NewPath="/")
    assert iam.get_user(UserName="tf2")["User"]["Arn"].endswith(":user/tf2")
    assert [user["UserName"] for user in iam.get_group(GroupName="g")["Users"]] == ["tf2"]
    # what is gone is told so by every read of its resources
    for call in (
        iam.get_user, iam.list_access_keys, iam.list_attached_user_policies, iam.list_groups_for_user,
        iam.list_user_policies, iam.list_user_tags,
    ):  # fmt: skip
        assert failure(call, UserName="tf") == MISSING
    assert failure(iam.get_group, GroupName="gone") == MISSING
    assert failure(iam.list_attached_group_policies, GroupName="gone") == MISSING
    assert failure(iam.get_policy, PolicyArn=OURS + "gone") == MISSING
    assert failure(iam.detach_user_policy, UserName="tf2", PolicyArn=OURS + "gone") == MISSING
    iam.detach_user_policy(UserName="tf2", PolicyArn=other)
    assert failure(iam.detach_user_policy, UserName="tf2", PolicyArn=other) == MISSING  # destroyed by others


def test_the_policies_of_groups_and_those_within_count(office, iam):
    bob = office.user("bob")
    iam.create_group(GroupName="staff")
    assert failure(bob.list_buckets) == DENIED
    iam.add_user_to_group(GroupName="staff", UserName="bob")
    iam.attach_group_policy(GroupName="staff", PolicyArn=PREDEFINED + "readonly")
    bob.list_buckets()
    iam.detach_group_policy(GroupName="staff", PolicyArn=PREDEFINED + "readonly")
    assert failure(bob.list_buckets) == DENIED
    iam.put_group_policy(GroupName="staff", PolicyName="p", PolicyDocument=allowing("s3:*", "*"))
    bob.create_bucket(Bucket="bucket")
    deny = json.dumps({"Version": "2012-10-17", "Statement": [
        {"Effect": "Deny", "Action": "s3:ListAllMyBuckets", "Resource": "*"}]})
    iam.put_user_policy(UserName="bob", PolicyName="p", PolicyDocument=deny)
    assert failure(bob.list_buckets) == DENIED
    bob.head_bucket(Bucket="bucket")
    iam.delete_user_policy(UserName="bob", PolicyName="p")
    bob.list_buckets()
    iam.remove_user_from_group(GroupName="staff", UserName="bob")
    assert failure(bob.list_buckets) == DENIED


def test_both_lists_of_attached_policies_unite(office, iam):
    bob = office.user("bob")
    office.admin.attach_by_cli("writeonly", "bob")
    iam.attach_user_policy(UserName="bob", PolicyArn=PREDEFINED + "readonly")
    assert len(iam.list_attached_user_policies(UserName="bob")["AttachedPolicies"]) == 1
    bob.list_buckets()
    assert failure(bob.put_object, Bucket="missing", Key="k") == ("NoSuchBucket", 404)
    assert failure(iam.detach_user_policy, UserName="bob", PolicyArn=PREDEFINED + "writeonly") == MISSING


def test_awss_own_policies_can_be_read_and_not_changed(unchanged):
    iam = unchanged.service("iam")
    for name in AWS_POLICIES:
        arn = PREDEFINED + name
        found = iam.get_policy(PolicyArn=arn)["Policy"]
        assert (found["PolicyName"], found["Arn"], found["DefaultVersionId"]) == (name, arn, "v1")
        version = iam.get_policy_version(PolicyArn=arn, VersionId="v1")["PolicyVersion"]
        assert version["Document"]["Statement"][0]["Effect"] == "Allow"
        assert failure(iam.delete_policy, PolicyArn=arn) == ("UnmodifiableEntity", 400)
        text = json.dumps(version["Document"])
        taken = failure(iam.create_policy, PolicyName=name, PolicyDocument=text)
        assert taken == ("EntityAlreadyExists", 409)


def can(call: Any, **parameters: Any) -> bool:
    try:
        call(**parameters)
    except ClientError as error:
        assert error.response["Error"]["Code"] == "AccessDenied"
        return False
    return True


def test_awss_own_policies_give_what_they_say(office, iam):
    """attach-user-policy with the ARN that every guide of AWS has."""
    office.endpoint.client().create_bucket(Bucket="guides")
    ann, endpoint = office.user("ann-of-guides"), office.endpoint
    her_iam = endpoint.client(service="iam", access_key="ann-of-guides", secret_key=PASSWORD)

    def may() -> tuple[bool, bool, bool, bool]:
        return (
            can(ann.list_objects_v2, Bucket="guides"), can(ann.put_object, Bucket="guides", Key="k"),
            can(her_iam.list_users),
            can(her_iam.create_group, GroupName=f"g-{len(iam.list_groups()['Groups'])}"),
        )

    assert may() == (False, False, False, False)
    for name, expected in (
        ("AmazonS3ReadOnlyAccess", (True, False, False, False)),
        ("AmazonS3FullAccess", (True, True, False, False)),
        ("IAMReadOnlyAccess", (False, False, True, False)),
        ("IAMFullAccess", (False, False, True, True)),
        ("PowerUserAccess", (True, True, False, False)),
        ("ReadOnlyAccess", (True, False, True, False)),
        ("AdministratorAccess", (True, True, True, True)),
    ):
        iam.attach_user_policy(UserName="ann-of-guides", PolicyArn=PREDEFINED + name)
        attached = iam.list_attached_user_policies(UserName="ann-of-guides")["AttachedPolicies"]
        assert attached == [{"PolicyName": name, "PolicyArn": PREDEFINED + name}]
        assert may() == expected, name
        iam.detach_user_policy(UserName="ann-of-guides", PolicyArn=PREDEFINED + name)
    assert may() == (False, False, False, False)


def test_pages(office, iam):
    for number in range(7):
        iam.create_group(GroupName=f"g{number}")
    pages = list(iam.get_paginator("list_groups").paginate(PaginationConfig={"PageSize": 3}))
    assert [[one["GroupName"] for one in page["Groups"]] for page in pages] == [
        ["g0", "g1", "g2"], ["g3", "g4", "g5"], ["g6"],
    ]
    assert [page["IsTruncated"] for page in pages] == [True, True, False]
    assert iam.list_groups(PathPrefix="/other/")["Groups"] == []
    assert failure(iam.list_groups, Marker="zz") == ("ValidationError", 400)
    names = [one["PolicyName"] for one in iam.list_policies(Scope="AWS")["Policies"]]
    assert sorted(names) == sorted([*IDENTITY_POLICIES, *AWS_POLICIES])
    assert iam.list_policies(Scope="Local")["Policies"] == []
    assert iam.list_policies(OnlyAttached=True)["Policies"] == []


def test_names_differ_in_more_than_case(office, iam):
    for name in ("aa", "Ab", "ac", "Ad"):
        iam.create_user(UserName=name)
        iam.create_group(GroupName=name)
    assert failure(iam.create_user, UserName="AA") == ("EntityAlreadyExists", 409)
    assert iam.get_user(UserName="AB")["User"]["UserName"] == "Ab"
    assert iam.get_group(GroupName="aD")["Group"]["GroupName"] == "Ad"
    paged = iam.get_paginator("list_users").paginate(PaginationConfig={"PageSize": 1})
    assert [one["UserName"] for page in paged for one in page["Users"]] == ["aa", "Ab", "ac", "Ad"]
    summary = iam.get_account_summary()["SummaryMap"]
    assert (summary["Users"], summary["Groups"], summary["AccessKeysPerUserQuota"]) == (4, 4, 2)
    iam.delete_user(UserName="AB")
    assert failure(iam.get_user, UserName="Ab") == MISSING


def test_names_change(office, iam):
    iam.create_user(UserName="bob")
    key = iam.create_access_key(UserName="bob")["AccessKey"]
    office.admin.set_password("bob", PASSWORD)
    office.admin.attach_to_user("readonly", "bob")
    given = office.service("sts", key).get_session_token()["Credentials"]
    iam.create_group(GroupName="staff")
    iam.add_user_to_group(GroupName="staff", UserName="bob")
    iam.update_user(UserName="bob", NewUserName="rob")
    iam.update_group(GroupName="staff", NewGroupName="crew")
    assert [user["UserName"] for user in iam.get_group(GroupName="crew")["Users"]] == ["rob"]
    assert failure(iam.get_user, UserName="bob") == MISSING
    office.service("s3", key).list_buckets()
    office.endpoint.client(access_key="rob", secret_key=PASSWORD).list_buckets()
    assert failure(office.service("s3", given).list_buckets) == ("InvalidAccessKeyId", 403)
    iam.update_user(UserName="rob", NewUserName="bob")
    assert failure(office.service("s3", given).list_buckets) == ("InvalidAccessKeyId", 403)
    iam.create_user(UserName="Rob")
    assert failure(iam.update_user, UserName="bob", NewUserName="rob") == ("EntityAlreadyExists", 409)
    named = key["AccessKeyId"]
    assert failure(iam.update_user, UserName="Rob", NewUserName=named) == ("EntityAlreadyExists", 409)


def test_paths(office, iam):
    """They stand in ARNs, which a bucket's policy names users by, and choose what lists show."""
    iam.create_user(UserName="bob", Path="/lab/a/")
    iam.create_user(UserName="ann")
    assert iam.get_user(UserName="bob")["User"]["Path"] == "/lab/a/"
    arn = "arn:aws:iam::000000000001:user/lab/a/bob"
    key = iam.create_access_key(UserName="bob")["AccessKey"]
    assert office.service("sts", key).get_caller_identity()["Arn"] == arn
    for prefix, names in (("/", ["ann", "bob"]), ("/lab/", ["bob"]), ("/lab/a/b", []), ("/other/", [])):
        assert [one["UserName"] for one in iam.list_users(PathPrefix=prefix)["Users"]] == names
    policy = iam.create_policy(PolicyName="p", Path="/lab/", PolicyDocument=allowing("s3:*", "*"))["Policy"]
    assert policy["Arn"] == OURS + "lab/p"
    assert failure(iam.get_policy, PolicyArn=OURS + "p") == MISSING
    iam.attach_user_policy(UserName="bob", PolicyArn=OURS + "lab/p")
    attached = {"UserName": "bob", "PathPrefix": "/x/"}
    assert iam.list_attached_user_policies(**attached)["AttachedPolicies"] == []
    assert len(iam.list_attached_user_policies(UserName="bob")["AttachedPolicies"]) == 1
    iam.create_group(GroupName="g", Path="/lab/")
    assert iam.get_group(GroupName="g")["Group"]["Arn"] == "arn:aws:iam::000000000001:group/lab/g"
    assert failure(iam.create_user, UserName="bob") == ("EntityAlreadyExists", 409)
    # a bucket's policy names the user by path and name
    root, s3 = office.endpoint.client(), office.service("s3", key)
    iam.detach_user_policy(UserName="bob", PolicyArn=OURS + "lab/p")
    root.create_bucket(Bucket="bucket")
    grant = {"Effect": "Allow", "Principal": {"AWS": arn}, "Action": "s3:ListBucket",
             "Resource": "arn:aws:s3:::bucket"}
    root.put_bucket_policy(Bucket="bucket", Policy=json.dumps({"Statement": [grant]}))
    s3.list_objects_v2(Bucket="bucket")
    wrong = {**grant, "Principal": {"AWS": arn.replace("lab/a/", "")}}
    put = {"Bucket": "bucket", "Policy": json.dumps({"Statement": [wrong]})}
    assert failure(root.put_bucket_policy, **put) == ("MalformedPolicy", 400)
    iam.update_user(UserName="bob", NewPath="/")
    assert office.service("sts", key).get_caller_identity()["Arn"].endswith(":user/bob")
    # «Rename an IAM user»: policies of buckets that name the user follow it to its new path.
    s3.list_objects_v2(Bucket="bucket")


def test_tags(office, iam):
    iam.create_user(UserName="bob", Tags=[{"Key": "a", "Value": "1"}, {"Key": "b", "Value": "2"}])
    iam.tag_user(UserName="bob", Tags=[{"Key": "A", "Value": "3"}, {"Key": "c", "Value": ""}])
    iam.untag_user(UserName="bob", TagKeys=["b", "unknown"])
    wanted = [{"Key": "A", "Value": "3"}, {"Key": "c", "Value": ""}]
    assert iam.list_user_tags(UserName="bob")["Tags"] == wanted
    arn = iam.create_policy(PolicyName="p", PolicyDocument=allowing("s3:*", "*"))["Policy"]["Arn"]
    iam.tag_policy(PolicyArn=arn, Tags=wanted)
    iam.untag_policy(PolicyArn=arn, TagKeys=["a"])
    assert iam.list_policy_tags(PolicyArn=arn)["Tags"] == wanted[1:]
    assert iam.list_policy_tags(PolicyArn=PREDEFINED + "readonly")["Tags"] == []
    predefined = {"PolicyArn": PREDEFINED + "readonly", "Tags": wanted}
    assert failure(iam.tag_policy, **predefined) == ("UnmodifiableEntity", 400)
    for bad in ("aws:x", "a<b>"):
        tags = [{"Key": bad, "Value": "x"}]
        assert failure(iam.tag_user, UserName="bob", Tags=tags) == ("ValidationError", 400)


def test_the_command_line_of_aws(office, tmp_path):
    environment = {
        **os.environ, "AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_DEFAULT_REGION": "us-east-1", "AWS_ENDPOINT_URL": office.endpoint.url,
        "AWS_EC2_METADATA_DISABLED": "true", "AWS_CONFIG_FILE": str(tmp_path / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
    }

    def aws(*words: str, **extra: str) -> Any:
        done = subprocess.run(
            [sys.executable, "-m", "awscli", *words], env={**environment, **extra}, capture_output=True,
            text=True, timeout=100, check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else None

    office.user("bob", "readwrite")
    key = aws("iam", "create-access-key", "--user-name", "bob")["AccessKey"]
    bob = {"AWS_ACCESS_KEY_ID": key["AccessKeyId"], "AWS_SECRET_ACCESS_KEY": key["SecretAccessKey"]}
    given = aws("sts", "assume-role", "--role-arn", "arn:xxx:xxx:xxx:xxxx", "--role-session-name", "any",
                "--duration-seconds", "900", **bob)["Credentials"]
    session = {"AWS_ACCESS_KEY_ID": given["AccessKeyId"], "AWS_SESSION_TOKEN": given["SessionToken"],
               "AWS_SECRET_ACCESS_KEY": given["SecretAccessKey"]}
    found = aws("sts", "get-caller-identity", **session)
    assert found["Arn"] == "arn:aws:iam::000000000001:user/bob"
    assert aws("s3api", "list-buckets", **session)["Buckets"] == []


# ---- who may
def test_who_may_is_the_table_of_roles(office):
    """Every operation, called by a key of every role, is refused first of all where the table says so."""
    office.user("bob", "readwrite")
    for role in Role:
        credentials = administrator(office, f"a-{role.value}", role)
        client = office.endpoint.client(
            service="iam", access_key=credentials["AccessKeyId"],
            secret_key=credentials["SecretAccessKey"], parameter_validation=False,
        )
        methods = {api: name for name, api in client.meta.method_to_api_mapping.items()}
        for name, operation in next(api for api in APIS if api.name == "iam").operations.items():
            call = getattr(client, methods[name])
            assert operation.verb is not None
            if role in MAY[operation.verb]:
                try:
                    call()
                except client.exceptions.ClientError as error:
                    assert error.response["Error"]["Code"] != "AccessDenied", (name, role)
            else:
                assert failure(call) == DENIED, (name, role)


def test_a_user_sees_itself_and_nothing_else(office):
    office.user("bob", "readwrite")
    office.user("eve", "readwrite")
    key = {"AccessKeyId": "bob", "SecretAccessKey": PASSWORD}
    iam = office.service("iam", key)
    assert iam.get_user()["User"]["UserName"] == "bob"
    assert iam.get_user(UserName="bob")["User"]["UserName"] == "bob"
    assert failure(iam.get_user, UserName="eve") == DENIED
    assert failure(iam.list_access_keys) == DENIED
    assert failure(iam.create_access_key) == DENIED
    assert failure(iam.attach_user_policy, UserName="bob", PolicyArn=PREDEFINED + "readwrite") == DENIED
    assert office.service("iam").get_user()["User"]["Arn"].endswith(":root")


def test_an_account_knows_itself_alone(office, iam):
    office.admin.add_account("lab")
    boss = administrator(office, "boss", Role.ORG_ADMIN, "lab")
    theirs = office.service("iam", boss)
    theirs.create_user(UserName="anna")
    arn = theirs.create_policy(PolicyName="of-lab", PolicyDocument=allowing("s3:*", "*"))["Policy"]["Arn"]
    theirs.attach_user_policy(UserName="anna", PolicyArn=arn)
    theirs.create_group(GroupName="of-lab")
    iam.create_user(UserName="bob")
    assert [user["UserName"] for user in iam.list_users()["Users"]] == ["bob"]
    assert [user["UserName"] for user in theirs.list_users()["Users"]] == ["anna", "boss"]
    for client, other in ((iam, "anna"), (theirs, "bob")):
        for call in (client.get_user, client.delete_user, client.create_access_key, client.list_user_tags):
            assert failure(call, UserName=other) == MISSING
    ours = iam.create_policy(PolicyName="of-root", PolicyDocument=allowing("s3:*", "*"))["Policy"]["Arn"]
    for foreign in (ours, arn.replace("of-lab", "of-root")):
        assert failure(theirs.get_policy, PolicyArn=foreign) == MISSING
        assert failure(theirs.attach_user_policy, UserName="anna", PolicyArn=foreign) == MISSING
        assert failure(theirs.create_policy_version, PolicyArn=foreign, SetAsDefault=True,
                       PolicyDocument=allowing("s3:*", "*")) == MISSING
    assert failure(iam.add_user_to_group, GroupName="of-lab", UserName="bob") == MISSING
    assert failure(iam.get_group, GroupName="of-lab") == MISSING


def test_nobody_lays_hands_on_somebody_mightier(office):
    """A key of a clusteradmin, made by an orgadmin, would make it one."""
    administrator(office, "boss", Role.CLUSTER_ADMIN)
    iam = office.service("iam", administrator(office, "clerk", Role.ORG_ADMIN))
    key = office.identities.registry.user("boss").keys[0].key_id
    calls: list[tuple[Any, dict[str, Any]]] = [
        (iam.create_access_key, {}), (iam.delete_access_key, {"AccessKeyId": key}),
        (iam.update_access_key, {"AccessKeyId": key, "Status": "Inactive"}), (iam.delete_user, {}),
        (iam.update_user, {"NewUserName": "gone"}), (iam.tag_user, {"Tags": [{"Key": "a", "Value": "b"}]}),
        (iam.attach_user_policy, {"PolicyArn": PREDEFINED + "readonly"}),
        (iam.put_user_policy, {"PolicyName": "p", "PolicyDocument": allowing("s3:*", "*")}),
    ]
    for call, arguments in calls:
        assert failure(call, UserName="boss", **arguments) == DENIED, call
    for name in ("root", "Root"):
        assert failure(iam.create_access_key, UserName=name)[0] in ("UnmodifiableEntity", "NoSuchEntity")


# ---- what is refused
@pytest.mark.parametrize(
    ("operation", "arguments", "wanted"),
    [
        ("create_user", {"UserName": "a,b"}, ("ValidationError", 400)),
        ("create_user", {"UserName": "x<y>&"}, ("ValidationError", 400)),
        ("create_user", {"UserName": "-x"}, ("ValidationError", 400)),
        ("create_user", {"UserName": "root"}, ("ValidationError", 400)),
        ("create_user", {"UserName": ACCESS_KEY}, ("EntityAlreadyExists", 409)),
        ("create_user", {"UserName": "x", "Path": "a/"}, ("ValidationError", 400)),
        ("create_user", {"UserName": "x", "Path": "/<\x7f>/"}, ("ValidationError", 400)),
        ("list_policies", {"PathPrefix": "a"}, ("ValidationError", 400)),
        ("create_user", {"UserName": "x", "PermissionsBoundary": PREDEFINED + "readonly"},
         ("NotImplemented", 501)),
        ("create_group", {"GroupName": "a b"}, ("ValidationError", 400)),
        ("create_policy", {"PolicyName": "readonly", "PolicyDocument": allowing("s3:*", "*")},
         ("EntityAlreadyExists", 409)),
        ("create_policy", {"PolicyName": "p", "PolicyDocument": allowing("iam:PassRole", "*")},
         ("MalformedPolicyDocument", 400)),
        ("create_policy", {"PolicyName": "p", "PolicyDocument": "{"}, ("MalformedPolicyDocument", 400)),
        ("delete_policy", {"PolicyArn": PREDEFINED + "readonly"}, ("UnmodifiableEntity", 400)),
        ("create_policy_version", {"PolicyArn": PREDEFINED + "readonly", "SetAsDefault": True,
                                   "PolicyDocument": allowing("s3:*", "*")}, ("UnmodifiableEntity", 400)),
        ("get_policy", {"PolicyArn": "arn:aws:s3:::policy/readonly"}, ("ValidationError", 400)),
        ("get_policy", {"PolicyArn": OURS + "readonly"}, MISSING),
        ("get_policy", {"PolicyArn": PREDEFINED + "other"}, MISSING),
        ("list_users", {"MaxItems": 0}, ("ValidationError", 400)),
        ("list_users", {"MaxItems": 1001}, ("ValidationError", 400)),
        ("update_access_key", {"AccessKeyId": "x", "UserName": "bob", "Status": "Sleeping"},
         ("ValidationError", 400)),
        ("list_access_keys", {}, ("ValidationError", 400)),
        ("create_role", {"RoleName": "r", "AssumeRolePolicyDocument": "{}"}, ("NotImplemented", 501)),
        ("create_user", {}, ("ValidationError", 400)),
    ],
)
def test_what_is_refused(unchanged, operation, arguments, wanted):
    client = unchanged.endpoint.client(service="iam", parameter_validation=False)
    before = unchanged.identities.registry
    assert failure(getattr(client, operation), **arguments) == wanted
    assert unchanged.identities.registry == before


def test_who_did_it_is_kept_with_the_address(office, iam):
    iam.create_user(UserName="bob")
    key = iam.create_access_key(UserName="bob")["AccessKey"]
    iam.attach_user_policy(UserName="bob", PolicyArn=PREDEFINED + "readwrite")
    s3 = office.service("s3", key)
    s3.create_bucket(Bucket="bucket")
    public = {
        "Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::bucket/*"}
    s3.put_bucket_policy(
        Bucket="bucket", Policy=json.dumps({"Version": "2012-10-17", "Statement": [public]}))
    s3.put_object(Bucket="bucket", Key="k", Body=b"x")  # no event: that is the audit's
    s3.get_bucket_policy(Bucket="bucket")
    s3.delete_object(Bucket="bucket", Key="k")
    s3.delete_bucket(Bucket="bucket")
    office.service("sts", key).get_session_token()
    with Namespace.open(PosixStore(str(office.endpoint.root))) as namespace:
        found = EventLog(namespace).read(Wanted())
    assert [(event.type.name, event.user, event.source, event.via) for event in found] == [
        ("UserCreated", "root", "127.0.0.1", "iam"),
        ("UserAccessKeyCreated", "root", "127.0.0.1", "iam"),
        ("S3AttachIAMPolicyEvent", "root", "127.0.0.1", "iam"),
        ("S3CreateBucketEvent", "bob", "127.0.0.1", "s3"),
        ("S3SetBucketPolicyEvent", "bob", "127.0.0.1", "s3"),
        ("S3DestroyBucketEvent", "bob", "127.0.0.1", "s3"),
        ("S3AsssumeRoleEvent", "bob", "127.0.0.1", "sts"),
    ]
    assert dict(found[1].parameters)["AccessKeyId"] == key["AccessKeyId"]
    assert key["SecretAccessKey"] not in repr(found)


def test_as_many_as_there_may_be(office, iam):
    iam.create_user(UserName="bob")
    for _ in range(2):
        iam.create_access_key(UserName="bob")
    assert failure(iam.create_access_key, UserName="bob") == ("LimitExceeded", 409)
    for number in range(10):
        iam.put_user_policy(UserName="bob", PolicyName=f"p{number}", PolicyDocument=allowing("s3:*", "*"))
    more = {"UserName": "bob", "PolicyName": "more", "PolicyDocument": allowing("s3:*", "*")}
    assert failure(iam.put_user_policy, **more) == ("LimitExceeded", 409)
    iam.put_user_policy(**{**more, "PolicyName": "p9"})


def test_damaged_records_let_nobody_in(office, iam):
    path = Path(office.endpoint.root, ".weka", "identity", "registry")
    iam.create_user(UserName="bob")
    path.write_bytes(path.read_bytes().replace(b"bob", b"rob"))
    assert failure(iam.list_users) == ("ServiceUnavailable", 503)
