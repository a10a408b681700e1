"""STS at the endpoint: boto3's own client, the credentials it gets, and what they may."""

from __future__ import annotations

import datetime
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import botocore.credentials
import botocore.session
import pytest
import urllib3
from botocore.exceptions import ClientError
from minio.credentials import AssumeRoleProvider

from tests.server.endpoint import ACCESS_KEY, SECRET_KEY, running_endpoint
from tests.server.identities import (
    PASSWORD,
    Office,
    allowing,
    document,
    running_office,
    statement,
)
from tests.server.test_objects import failure
from weka_mp.clock import SystemClock
from weka_mp.identity import Role

pytestmark = pytest.mark.slow

ROLE: dict[str, str] = {"RoleArn": "arn:xxx:xxx:xxx:xxxx", "RoleSessionName": "anything"}
MINUTE = 60


class MovableClock(SystemClock):
    """The machine's time and what a test adds to it, in seconds; for botocore as well."""

    def __init__(self) -> None:
        self.ahead = 0

    def now_ns(self) -> int:
        return super().now_ns() + self.ahead * 1_000_000_000

    def coarse_ns(self) -> int:
        return super().coarse_ns() + self.ahead * 1_000_000_000

    def local(self) -> datetime.datetime:
        return datetime.datetime.fromtimestamp(self.now_ns() / 1e9, datetime.UTC)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> MovableClock:
    made = MovableClock()

    def now(remove_tzinfo: bool = True) -> datetime.datetime:
        return made.local().replace(tzinfo=None) if remove_tzinfo else made.local()

    for signers in ("botocore.auth", "botocore.crt.auth"):  # the latter where its library is installed
        if signers in sys.modules:
            monkeypatch.setattr(sys.modules[signers], "get_current_datetime", now)
    monkeypatch.setattr(botocore.credentials, "_local_now", made.local)
    return made


@pytest.fixture
def office(tmp_path: Path, clock: MovableClock) -> Iterator[Office]:
    root = tmp_path / "store"
    root.mkdir()
    with running_office(root, clock=clock) as running:
        client = running.endpoint.client()
        client.create_bucket(Bucket="bucket")
        client.put_object(Bucket="bucket", Key="a/k", Body=b"of a")
        yield running


@pytest.fixture(scope="module")
def unchanged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """One for all tests that change nothing, with a user bob."""
    root = tmp_path_factory.mktemp("unchanged") / "store"
    root.mkdir()
    with running_office(root) as running:
        running.user("bob", "readwrite")
        yield running


def sts_of(office: Office, user: str, secret: str = PASSWORD) -> Any:
    return office.service("sts", {"AccessKeyId": user, "SecretAccessKey": secret})


def assumed(client: Any, **arguments: Any) -> Any:
    return client.assume_role(**ROLE, **arguments)["Credentials"]


def test_the_examples_of_the_sdk(office):
    office.user("bob", "readwrite")
    before = time.time()
    answer = sts_of(office, "bob").assume_role(**ROLE, DurationSeconds=900)
    credentials = answer["Credentials"]
    assert before + 899 <= credentials["Expiration"].timestamp() <= time.time() + 901
    assert answer["AssumedRoleUser"]["AssumedRoleId"].endswith(":anything")
    assert "PackedPolicySize" not in answer
    s3 = office.service("s3", credentials)
    assert s3.get_object(Bucket="bucket", Key="a/k")["Body"].read() == b"of a"
    s3.put_object(Bucket="bucket", Key="new", Body=b"x")
    url = s3.generate_presigned_url("get_object", Params={"Bucket": "bucket", "Key": "new"})
    with urllib.request.urlopen(url) as found:
        assert found.read() == b"x"


def test_who_a_key_belongs_to(office):
    office.user("bob")
    key = office.admin.add_access_key("bob")
    service = office.issuer.add_service_account("bob")
    root = office.service("sts").get_caller_identity()
    assert (root["Account"], root["Arn"]) == ("0" * 11 + "1", "arn:aws:iam::000000000001:root")
    assert root["UserId"] == root["Account"]
    bob = sts_of(office, "bob").get_caller_identity()
    assert bob["Arn"] == "arn:aws:iam::000000000001:user/bob" and bob["UserId"].startswith("AIDA")
    others = [
        {"AccessKeyId": key.access_key, "SecretAccessKey": key.secret},
        {"AccessKeyId": service.access_key, "SecretAccessKey": service.secret},
        assumed(sts_of(office, "bob")), sts_of(office, "bob").get_session_token()["Credentials"],
    ]
    for credentials in others:
        found = office.service("sts", credentials).get_caller_identity()
        assert {name: found[name] for name in ("UserId", "Account", "Arn")} == {
            name: bob[name] for name in ("UserId", "Account", "Arn")
        }


def test_a_session_policy_narrows(office):
    office.user("bob", "readonly")
    s3 = office.service("s3", assumed(sts_of(office, "bob"), Policy=allowing("s3:*", "*")))
    assert s3.get_object(Bucket="bucket", Key="a/k")["Body"].read() == b"of a"
    assert failure(s3.put_object, Bucket="bucket", Key="x") == ("AccessDenied", 403)
    policy = allowing("s3:GetObject", "bucket/b/*")
    narrow = office.service("s3", assumed(sts_of(office, "bob"), Policy=policy))
    assert failure(narrow.get_object, Bucket="bucket", Key="a/k") == ("AccessDenied", 403)
    bound = document(statement("Allow", "s3:*", "*"), statement("Deny", "s3:GetObject", "bucket/a/*"))
    denied = office.service("s3", assumed(office.service("sts"), Policy=bound))  # root's own
    assert failure(denied.get_object, Bucket="bucket", Key="a/k") == ("AccessDenied", 403)


def test_the_policy_follows_its_user(office):
    office.user("bob", "readwrite")
    s3 = office.service("s3", assumed(sts_of(office, "bob")))
    s3.put_object(Bucket="bucket", Key="x", Body=b"x")
    office.admin.detach_from_user("readwrite", "bob")
    assert failure(s3.get_object, Bucket="bucket", Key="x") == ("AccessDenied", 403)


@pytest.mark.parametrize("end", ["delete", "password", "role", "revoke"])
def test_what_ends_the_parent_ends_the_credentials(office, end):
    office.user("bob", "readwrite")
    credentials = assumed(sts_of(office, "bob"))
    s3, sts = office.service("s3", credentials), office.service("sts", credentials)
    s3.get_object(Bucket="bucket", Key="a/k")
    {
        "delete": lambda: office.admin.remove_user("bob"),
        "password": lambda: office.admin.set_password("bob", PASSWORD + "x"),
        "role": lambda: office.admin.update_user("bob", role=Role.REGULAR),
        "revoke": lambda: office.admin.revoke("bob"),
    }[end]()
    assert failure(s3.get_object, Bucket="bucket", Key="a/k") == ("InvalidAccessKeyId", 403)
    assert failure(sts.get_caller_identity) == ("InvalidClientTokenId", 403)


def test_the_session_token_lives_as_asked(office, clock):
    office.user("bob", "readwrite")
    sts = sts_of(office, "bob")
    for arguments, seconds in (({}, 12 * 3600), ({"DurationSeconds": 900}, 900)):
        found = sts.get_session_token(**arguments)["Credentials"]["Expiration"].timestamp()
        assert abs(found - clock.now_ns() / 1e9 - seconds) < 30
    of_root = office.service("sts").get_session_token(DurationSeconds=7200)["Credentials"]
    assert abs(of_root["Expiration"].timestamp() - clock.now_ns() / 1e9 - 3600) < 30
    week = assumed(sts, DurationSeconds=7 * 86_400)["Expiration"].timestamp()
    assert abs(week - clock.now_ns() / 1e9 - 7 * 86_400) < 30


def test_expired_credentials_are_told_so(office, clock):
    office.user("bob", "readwrite")
    credentials = assumed(sts_of(office, "bob"), DurationSeconds=900)
    clock.ahead = 900
    s3, sts = office.service("s3", credentials), office.service("sts", credentials)
    assert failure(s3.get_object, Bucket="bucket", Key="a/k") == ("ExpiredToken", 400)
    assert failure(sts.get_caller_identity) == ("ExpiredToken", 403)


def test_boto3_refreshes_by_itself_over_an_expiry(office, clock):
    """AssumeRole behind a client that never hears of it: botocore's provider asks again in time."""
    office.user("bob", "readwrite")
    source = botocore.credentials.Credentials("bob", PASSWORD)
    sessions = []

    def client(service: str, **options: Any) -> Any:
        sessions.append(service)
        return boto3.client(
            service, endpoint_url=office.endpoint.url, region_name="us-east-1",
            **{name: value for name, value in options.items() if name.startswith("aws_")},
        )

    fetcher = botocore.credentials.AssumeRoleCredentialFetcher(
        client, source, ROLE["RoleArn"], extra_args={"DurationSeconds": 3600}
    )
    session = botocore.session.get_session()
    session._credentials = botocore.credentials.DeferredRefreshableCredentials(
        fetcher.fetch_credentials, "assume-role", clock.local
    )
    s3 = boto3.Session(botocore_session=session).client(
        "s3", endpoint_url=office.endpoint.url, region_name="us-east-1"
    )
    used = set()
    for hour in range(3):
        clock.ahead = hour * 3600
        assert s3.get_object(Bucket="bucket", Key="a/k")["Body"].read() == b"of a"
        used.add(session.get_credentials().get_frozen_credentials().access_key)
    assert len(used) == 3 and sessions == ["sts"] * 3
    clock.ahead += 20 * MINUTE  # nothing is asked for what is still good
    s3.get_object(Bucket="bucket", Key="a/k")
    assert sessions == ["sts"] * 3


@pytest.mark.clients
def test_minios_sdk_gets_its_own_credentials(office):
    """It signs for no region, and names no role."""
    office.user("bob", "readonly")
    for more in ({}, {"role_arn": ROLE["RoleArn"], "role_session_name": "any", "region": "us-east-1"}):
        with urllib3.PoolManager(retries=False) as pool:
            provider = AssumeRoleProvider(
                sts_endpoint=office.endpoint.url, access_key="bob", secret_key=PASSWORD,
                policy=allowing("s3:GetObject", "bucket/*"), http_client=pool, **more,
            )
            found = provider.retrieve()
        credentials = {"AccessKeyId": found.access_key, "SecretAccessKey": found.secret_key,
                       "SessionToken": found.session_token}
        s3 = office.service("s3", credentials)
        assert s3.get_object(Bucket="bucket", Key="a/k")["Body"].read() == b"of a"
        assert failure(s3.list_buckets) == ("AccessDenied", 403)


@pytest.mark.clients
@pytest.mark.parametrize("service", ["sts", "s3"])
def test_curl_asks_who_it_is(unchanged, service):
    call = [
        "curl", "-sS", "--aws-sigv4", f"aws:amz:us-east-1:{service}", "-u", f"{ACCESS_KEY}:{SECRET_KEY}",
        "-d", "Action=GetCallerIdentity&Version=2011-06-15", unchanged.endpoint.url,
    ]
    done = subprocess.run(call, capture_output=True, text=True, timeout=60, check=True)
    assert "<Arn>arn:aws:iam::000000000001:root</Arn>" in done.stdout


# ---- who gets none
def test_keys_that_were_given_out_get_no_more(office):
    office.user("bob", "readwrite")
    service = office.issuer.add_service_account("bob")
    credentials = [
        {"AccessKeyId": service.access_key, "SecretAccessKey": service.secret},
        assumed(sts_of(office, "bob")), sts_of(office, "bob").get_session_token()["Credentials"],
    ]
    for one in credentials:
        sts, iam = office.service("sts", one), office.service("iam", one)
        assert failure(sts.get_session_token) == ("AccessDenied", 403)
        assert failure(sts.assume_role, **ROLE) == ("AccessDenied", 403)
        assert failure(iam.get_user) == ("AccessDenied", 403)
        assert failure(iam.list_users) == ("AccessDenied", 403)


def test_temporary_keys_of_root_do_not_administrate(office):
    iam = office.service("iam", assumed(office.service("sts")))
    assert failure(iam.create_user, UserName="eve") == ("AccessDenied", 403)
    assert "eve" not in office.identities.registry.users


def test_an_administrator_has_no_data_and_so_no_credentials_for_it(office):
    office.admin.add_user("boss", Role.CLUSTER_ADMIN, None)
    key = office.admin.add_access_key("boss")
    credentials = {"AccessKeyId": key.access_key, "SecretAccessKey": key.secret}
    assert failure(office.service("sts", credentials).assume_role, **ROLE) == ("AccessDenied", 403)


# ---- malformed
def refused(call: Any, **arguments: Any) -> tuple[str, int]:
    """Sent as it is: botocore would look at it first."""
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    answer = caught.value.response
    return answer["Error"]["Code"], answer["ResponseMetadata"]["HTTPStatusCode"]


@pytest.mark.parametrize(
    "arguments",
    [
        {"DurationSeconds": 899}, {"DurationSeconds": 604_801}, {"DurationSeconds": 2**31},
        {"DurationSeconds": 2**63}, {"DurationSeconds": 10**30}, {"DurationSeconds": -900},
        {"RoleArn": "arn:short"}, {"RoleArn": "x" * 30}, {"RoleArn": "arn:" + "x" * 2045},
        {"RoleSessionName": "x"}, {"RoleSessionName": "x" * 65}, {"RoleSessionName": "a<b>"},
        {"RoleSessionName": "a\nb"},
    ],
)
def test_values_that_break_a_rule(unchanged, arguments):
    client = unchanged.endpoint.client(
        service="sts", access_key="bob", secret_key=PASSWORD, parameter_validation=False
    )
    assert refused(client.assume_role, **{**ROLE, **arguments}) == ("ValidationError", 400)


@pytest.mark.parametrize(
    "policy", ["{}", "no json", '{"Version":"2012-10-17"}', document(statement("Allow", "s3:Fly", "*"))]
)
def test_a_malformed_session_policy(unchanged, policy):
    found = failure(sts_of(unchanged, "bob").assume_role, **ROLE, Policy=policy)
    assert found == ("MalformedPolicyDocument", 400)


def test_a_session_policy_that_is_too_large(unchanged):
    sts = sts_of(unchanged, "bob")
    many = allowing("s3:GetObject", *(f"bucket/{number:0100}" for number in range(20)))
    assert failure(sts.assume_role, **ROLE, Policy=many) == ("PackedPolicyTooLarge", 400)
    fitting = allowing("s3:GetObject", "bucket/*").replace(" ", " " * 40)  # white space does not count
    assert 0 < sts.assume_role(**ROLE, Policy=fitting)["PackedPolicySize"] <= 10


@pytest.mark.parametrize(
    "arguments",
    [
        {"PolicyArns": [{"arn": "arn:aws:iam::aws:policy/readonly"}]}, {"ExternalId": "some"},
        {"SerialNumber": "some-device", "TokenCode": "123456"}, {"SourceIdentity": "some"},
        {"Tags": [{"Key": "a", "Value": "b"}]}, {"TransitiveTagKeys": ["a"]},
    ],
)
def test_what_is_not_there_is_not_ignored(unchanged, arguments):
    found = failure(sts_of(unchanged, "bob").assume_role, **ROLE, **arguments)
    assert found == ("NotImplemented", 501)


def test_operations_that_are_not_there(unchanged):
    sts = unchanged.service("sts")
    assert failure(sts.get_federation_token, Name="some") == ("NotImplemented", 501)
    assert failure(sts.get_access_key_info, AccessKeyId=ACCESS_KEY + "EXAMPLE") == ("NotImplemented", 501)


def test_an_endpoint_with_root_alone_says_so(tmp_path):
    root = tmp_path / "store"
    root.mkdir()
    with running_endpoint(root) as endpoint:
        assert failure(endpoint.client(service="sts").get_caller_identity) == ("ServiceUnavailable", 503)


def test_there_are_five_thousand_at_most(office, monkeypatch):
    office.user("bob", "readwrite")
    monkeypatch.setattr("weka_mp.identity.issuing.MAX_TEMPORARY", 2)
    sts = sts_of(office, "bob")
    assumed(sts), sts.get_session_token()
    assert failure(sts.assume_role, **ROLE) == ("LimitExceeded", 409)
