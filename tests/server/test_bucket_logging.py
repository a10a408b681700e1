"""Logs of buckets in buckets: what a client sets, what stands in a log object, and what keeps it away."""

from __future__ import annotations

import json
import re
import shlex
import urllib.request
from dataclasses import replace
from pathlib import Path

import pytest
from botocore.exceptions import ClientError

from tests.server.endpoint import running_endpoint
from weka_mp.bucket_log_rules import LogRule
from weka_mp.bucket_logs import Entry, LogBook, LogDelivery
from weka_mp.supervise.logging_buckets import _whose

FIELDS = (
    "owner", "bucket", "time", "remote", "requester", "id", "operation", "key", "uri", "status", "error",
    "sent", "size", "total", "turn", "referer", "agent", "version", "host_id", "signature", "cipher",
    "authentication", "host", "tls", "access_point", "acl",
)  # fmt: skip
ACCOUNT = "0" * 11 + "1"


class Logged:
    """An endpoint whose logs are delivered when the test says so."""

    def __init__(self, endpoint, directory):
        self.client = endpoint.client()
        self.root = endpoint.root
        namespace = self.namespace = endpoint.namespace
        self.endpoint = endpoint
        self.delivery = LogDelivery(
            namespace, directory, "us-east-1", 3600,
            lambda origin, key: _whose(namespace, "us-east-1", origin, key),
        )

    def allow(self, target, source, **condition):
        statement = {
            "Effect": "Allow", "Principal": {"Service": "logging.s3.amazonaws.com"}, "Action": "s3:PutObject",
            "Resource": f"arn:aws:s3:::{target}/*", "Condition": {
                "ArnLike": {"aws:SourceArn": f"arn:aws:s3:::{source}"},
                "StringEquals": {"aws:SourceAccount": ACCOUNT} | condition,
            },
        }
        policy = {"Version": "2012-10-17", "Statement": [statement]}
        self.client.put_bucket_policy(Bucket=target, Policy=json.dumps(policy))

    def enable(self, source, target, prefix="log/", **more):
        status = {"LoggingEnabled": {"TargetBucket": target, "TargetPrefix": prefix, **more}}
        self.client.put_bucket_logging(Bucket=source, BucketLoggingStatus=status)

    def rows(self, source=None):
        """Deliver, and all lines of what was delivered, by the fields' names."""
        found = []
        for one in self.delivery.step(at_once=True):
            text = (self.root / one.bucket / one.done.info.key.decode()).read_text("ascii")
            for line in text.splitlines():
                values = shlex.split(re.sub(r"[\[\]]", '"', line))
                assert len(values) == len(FIELDS), line
                row = dict(zip(FIELDS, values, strict=True))
                if source in (None, row["bucket"]):
                    found.append(row)
        return found


@pytest.fixture(scope="module")
def logged(tmp_path_factory):
    root, waiting = tmp_path_factory.mktemp("store"), tmp_path_factory.mktemp("state")
    with running_endpoint(root, logs=str(waiting)) as endpoint:
        made = Logged(endpoint, str(waiting))
        for name in ("logs", "src", "other"):
            made.client.create_bucket(Bucket=name)
        made.allow("logs", "*")
        made.enable("src", "logs")
        yield made


def refusal(call, **arguments):
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return caught.value.response["Error"]["Code"]


def test_each_request_is_one_line(logged):
    client = logged.client
    logged.rows()
    client.put_object(Bucket="src", Key='a b/"ä', Body=b"hello")
    client.get_object(Bucket="src", Key='a b/"ä', Range="bytes=0-1")["Body"].read()
    client.head_object(Bucket="src", Key='a b/"ä')
    assert refusal(client.get_object, Bucket="src", Key="missing") == "NoSuchKey"
    client.copy_object(Bucket="other", Key="k", CopySource={"Bucket": "src", "Key": 'a b/"ä'})
    client.delete_objects(Bucket="src", Delete={"Objects": [{"Key": 'a b/"ä'}, {"Key": "x"}], "Quiet": True})
    rows = logged.rows()
    key = "a%20b/%22%C3%A4"
    shown = ("operation", "key", "status", "error", "sent", "size")
    seen = [tuple(row[name] for name in shown) for row in rows]
    assert seen[:3] == [
        ("REST.PUT.OBJECT", key, "200", "-", "-", "5"),
        ("REST.GET.OBJECT", key, "206", "-", "2", "5"),
        ("REST.HEAD.OBJECT", key, "200", "-", "-", "5"),
    ]
    assert seen[3][:4] == ("REST.GET.OBJECT", "missing", "404", "NoSuchKey")
    assert seen[4][:4] == ("REST.COPY.OBJECT_GET", key, "200", "-")
    assert seen[5][:3] == ("REST.POST.MULTI_OBJECT_DELETE", "-", "200")
    assert [one[:4] for one in seen[6:]] == [
        ("BATCH.DELETE.OBJECT", key, "204", "-"), ("BATCH.DELETE.OBJECT", "x", "204", "-"),
    ]
    for row in rows:
        assert (row["owner"], row["requester"], row["bucket"]) == ("0" * 63 + "1", "0" * 63 + "1", "src")
        assert (row["remote"], row["signature"]) == ("127.0.0.1", "SigV4")
        assert row["authentication"] == "AuthHeader"
        assert (row["tls"], row["cipher"], row["acl"], row["access_point"]) == ("-", "-", "-", "-")
        assert re.fullmatch(r"\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000", row["time"])
        assert re.fullmatch("[0-9A-F]{16}", row["id"]) and row["total"].isdigit()
        assert row["host"].startswith("127.0.0.1:")
    assert rows[0]["uri"] == "PUT /src/a%20b/%22%C3%A4 HTTP/1.1"


def test_what_would_let_a_reader_repeat_a_request_is_not_told(logged):
    client = logged.client
    client.put_object(Bucket="src", Key="shared", Body=b"x")
    signer = logged.endpoint.client(signature_version="s3v4")
    url = signer.generate_presigned_url("get_object", Params={"Bucket": "src", "Key": "shared"})
    logged.rows()
    assert urllib.request.urlopen(url).read() == b"x"
    (row,) = logged.rows()
    assert (row["authentication"], row["signature"]) == ("QueryString", "SigV4")
    assert "X-Amz-Credential=" in row["uri"] and "X-Amz-Signature=*REDACTED*" in row["uri"]
    assert url.partition("X-Amz-Signature=")[2] not in row["uri"]


def test_who_sends_what_is_refused_is_nobody(logged):
    logged.rows()
    stranger = logged.endpoint.client(access_key="AKIANOBODY", secret_key="wrong")
    assert refusal(stranger.list_objects_v2, Bucket="src") == "InvalidAccessKeyId"
    (row,) = logged.rows()
    assert (row["operation"], row["requester"], row["status"]) == ("REST.GET.BUCKET", "-", "403")
    assert row["error"] == "InvalidAccessKeyId"


def test_a_request_forges_no_line(logged):
    logged.rows()
    with logged.endpoint.connect() as raw:
        agent = b'User-Agent: a" \xff\\ [b]\r\n'
        raw.sendall(b"GET /src/x HTTP/1.1\r\nHost: h\r\n" + agent + b"Connection: close\r\n\r\n")
        while raw.recv(65536):
            pass
    (row,) = logged.rows()
    assert row["agent"].startswith("a%22 ") and "%5C" in row["agent"]


def test_the_objects_are_named_as_it_was_set(logged):
    logged.enable("src", "logs", "by/", TargetObjectKeyFormat={
        "PartitionedPrefix": {"PartitionDateSource": "EventTime"}})
    shown = logged.client.get_bucket_logging(Bucket="src")["LoggingEnabled"]
    assert shown == {"TargetBucket": "logs", "TargetPrefix": "by/", "TargetObjectKeyFormat": {
        "PartitionedPrefix": {"PartitionDateSource": "EventTime"}}}
    logged.client.head_bucket(Bucket="src")
    keys = [one.done.info.key.decode() for one in logged.delivery.step(at_once=True)]
    day = r"\d{4}/\d\d/\d\d/\d{4}-\d\d-\d\d-00-00-00-[0-9A-F]{16}"
    assert any(re.fullmatch(f"by/{ACCOUNT}/us-east-1/src/{day}", key) for key in keys), keys
    logged.enable("src", "logs")
    logged.client.head_bucket(Bucket="src")
    keys = [one.done.info.key.decode() for one in logged.delivery.step(at_once=True)]
    assert re.fullmatch(r"log/(\d{4}-\d\d-\d\d-){1}\d\d-\d\d-\d\d-[0-9A-F]{16}", keys[-1])
    info = logged.client.head_object(Bucket="logs", Key=keys[-1])
    assert info["ContentType"] == "text/plain"


def test_no_target_that_does_not_want_it(logged):
    client = logged.client

    def refused(target, **more):
        status = {"LoggingEnabled": {"TargetBucket": target, "TargetPrefix": "p/", **more}}
        return refusal(client.put_bucket_logging, Bucket="other", BucketLoggingStatus=status)

    wanted = "InvalidTargetBucketForLogging"
    assert refused("nowhere") == wanted
    assert refused("src") == wanted  # it has no policy
    logged.allow("src", "another")
    assert refused("src") == wanted
    logged.allow("src", "other", **{"aws:SourceAccount": "0" * 12})
    assert refused("src") == wanted
    everybody = {"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": "*", "Action": "s3:PutObject", "Resource": "arn:aws:s3:::src/*"}]}
    client.put_bucket_policy(Bucket="src", Policy=json.dumps(everybody))
    assert refused("src") == wanted  # everybody is no service
    client.delete_bucket_policy(Bucket="src")
    grants = [{"Grantee": {"Type": "CanonicalUser", "ID": "0" * 63 + "1"}, "Permission": "READ"}]
    assert refused("logs", TargetGrants=grants) == "AccessControlListNotSupported"
    assert "LoggingEnabled" not in client.get_bucket_logging(Bucket="other")


def test_a_target_that_retains_all_it_gets_is_none(logged):
    logged.client.create_bucket(Bucket="locked", ObjectLockEnabledForBucket=True)
    logged.allow("locked", "*")
    retention = {"DefaultRetention": {"Mode": "GOVERNANCE", "Days": 1}}
    logged.client.put_object_lock_configuration(Bucket="locked", ObjectLockConfiguration={
        "ObjectLockEnabled": "Enabled", "Rule": retention})
    status = {"LoggingEnabled": {"TargetBucket": "locked", "TargetPrefix": ""}}
    asked = {"Bucket": "other", "BucketLoggingStatus": status}
    assert refusal(logged.client.put_bucket_logging, **asked) == "InvalidTargetBucketForLogging"


def test_the_group_of_log_delivery_is_as_good_as_a_policy(logged):
    client = logged.client
    client.create_bucket(Bucket="acls", ObjectOwnership="BucketOwnerPreferred")
    status = {"LoggingEnabled": {"TargetBucket": "acls", "TargetPrefix": ""}}
    asked = {"Bucket": "other", "BucketLoggingStatus": status}
    assert refusal(client.put_bucket_logging, **asked) == "InvalidTargetBucketForLogging"
    client.put_bucket_acl(Bucket="acls", ACL="log-delivery-write")
    client.put_bucket_logging(**asked)
    client.put_bucket_logging(Bucket="other", BucketLoggingStatus={})
    assert "LoggingEnabled" not in client.get_bucket_logging(Bucket="other")


def test_a_log_into_its_own_bucket_does_not_grow_by_itself(logged):
    client = logged.client
    client.create_bucket(Bucket="itself")
    logged.allow("itself", "itself")
    logged.enable("itself", "itself")
    client.head_bucket(Bucket="itself")
    assert len(logged.rows("itself")) == 2  # the answer to PutBucketLogging is told already
    assert logged.rows("itself") == []


def test_lines_wait_for_a_target_that_refuses_them(logged):
    client = logged.client
    client.create_bucket(Bucket="moody")
    logged.allow("moody", "waiting")
    client.create_bucket(Bucket="waiting")
    logged.enable("waiting", "moody")
    client.delete_bucket_policy(Bucket="moody")
    client.head_bucket(Bucket="waiting")
    before = logged.delivery.failures
    assert logged.rows("waiting") == []
    assert logged.delivery.failures == before + 1
    logged.allow("moody", "waiting")
    told = [row["operation"] for row in logged.rows("waiting")]
    assert told == ["REST.PUT.LOGGING_STATUS", "REST.HEAD.BUCKET"]


def test_regression_a_full_target_keeps_what_waits(logged):
    client = logged.client
    for name in ("small", "chatty"):
        client.create_bucket(Bucket=name)
    logged.allow("small", "chatty")
    logged.enable("chatty", "small")
    logged.namespace.quotas.set("small", 10)
    assert logged.rows("chatty") == []
    logged.namespace.quotas.unset("small")
    assert len(logged.rows("chatty")) == 1
    assert len(list(Path(logged.root, "small", "log").iterdir())) == 1


def test_regression_what_comes_while_lines_are_delivered_waits_for_more(logged, monkeypatch):
    client, deliver, written = logged.client, logged.delivery._put, []
    client.put_object(Bucket="src", Key="busy", Body=b"")
    logged.rows()

    def put(*arguments):
        written.append(arguments)
        if len(written) < 10:  # the next line is there before this object is
            client.head_object(Bucket="src", Key="busy")
        return deliver(*arguments)

    client.head_object(Bucket="src", Key="busy")
    monkeypatch.setattr(logged.delivery, "_put", put)
    assert len(logged.rows()) == len(written) == 1
    monkeypatch.undo()
    (row,) = logged.rows()
    assert row["operation"] == "REST.HEAD.OBJECT"


def test_regression_a_thousand_deletions_repeat_nothing_that_the_client_wrote(logged):
    client = logged.client
    agent = "\x80" * 4000  # written as six characters each, a thousand times, it held a worker for a minute

    def name_it(request, **_more):
        request.headers["User-Agent"] = agent

    logged.rows()
    client.meta.events.register("before-send.s3.DeleteObjects", name_it)
    try:
        client.delete_objects(Bucket="src", Delete={"Objects": [{"Key": f"{i}"} for i in range(20)]})
    finally:
        client.meta.events.unregister("before-send.s3.DeleteObjects", name_it)
    first, *rest = logged.rows()
    assert len(first["agent"]) > 4000 and len(rest) == 20
    assert {(row["uri"], row["referer"], row["agent"]) for row in rest} == {("-", "-", "-")}
    assert {row["id"] for row in rest} == {first["id"]}


@pytest.mark.parametrize(("name", "denied"), [
    ("by-account", {"Condition": {"StringEquals": {"aws:SourceAccount": ACCOUNT}}}),
    ("by-key", {"Resource": "arn:aws:s3:::by-key/log/?*"}),
    ("by-all", {"Principal": "*"}),
])  # fmt: skip
def test_regression_what_the_policy_of_the_target_denies_nothing_else_grants(logged, name, denied):
    client, group = logged.client, 'URI="http://acs.amazonaws.com/groups/s3/LogDelivery"'
    client.create_bucket(Bucket=name, ObjectOwnership="BucketOwnerPreferred")
    client.put_bucket_acl(Bucket=name, GrantWrite=group, GrantReadACP=group)
    statement = {
        "Principal": {"Service": "logging.s3.amazonaws.com"}, "Action": "s3:PutObject",
        "Resource": f"arn:aws:s3:::{name}/*",
    }
    statements = [statement | {"Effect": "Allow"}, statement | {"Effect": "Deny"} | denied]
    client.put_bucket_policy(
        Bucket=name, Policy=json.dumps({"Version": "2012-10-17", "Statement": statements})
    )
    assert refusal(logged.enable, source="other", target=name) == "InvalidTargetBucketForLogging"


def test_regression_many_logs_take_few_descriptors(logged, tmp_path):
    book, rule = LogBook(logged.namespace, str(tmp_path), 2**20), LogRule("logs", "log/")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for number in range(300):  # one for each bucket that was asked in the last minute
        book.keep(Entry(ACCOUNT, f"bucket-{number}", 10**18, "REST.GET.BUCKET"), rule)
    assert len(list(Path("/proc/self/fd").iterdir())) < before + 200
    assert (book.kept, book.dropped) == (300, 0)
    book.close()


def test_regression_a_setting_that_cannot_be_read_ends_no_process(logged):
    client, namespace = logged.client, logged.namespace
    client.create_bucket(Bucket="damaged", ObjectLockEnabledForBucket=True)
    logged.allow("damaged", "*")
    logged.rows()
    logged.enable("other", "damaged")
    book = LogBook(namespace, logged.delivery._directory, 2**20, remembered=0)
    book.keep(Entry("0" * 63 + "1", "other", 10**18, "REST.GET.BUCKET"), book.rule("other"))
    book.close()
    change = namespace.change_bucket_settings
    kept = namespace.bucket_settings("damaged").object_lock
    change("damaged", lambda before: replace(before, object_lock='{"mode": "NEITHER"}'))
    before = logged.delivery.failures
    assert logged.delivery.step(at_once=True) == [] and logged.delivery.failures == before + 1
    change("damaged", lambda before: replace(before, object_lock=kept))
    assert "REST.GET.BUCKET" in [row["operation"] for row in logged.rows("other")]
    client.put_bucket_logging(Bucket="other", BucketLoggingStatus={})
