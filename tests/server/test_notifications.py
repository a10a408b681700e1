"""The notification configuration of a bucket as SDKs put and get it, and what S3 requests then tell."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.server.endpoint import Endpoint, running_endpoint
from tests.unit.notifications.kit import lines, targets, told
from weka_mp.notifications import NotificationTarget

TOPIC, QUEUE = "arn:aws:sns:::hook", "arn:aws:sqs:us-east-1::other"
CREATED = ["s3:ObjectCreated:*"]


@dataclass
class Notifying:
    endpoint: Endpoint
    waiting: Path
    s3: Any

    def put(self, configuration: dict[str, Any], **more: Any) -> None:
        self.s3.put_bucket_notification_configuration(
            Bucket="bucket", NotificationConfiguration=configuration, **more
        )

    def shown(self) -> dict[str, Any]:
        answer = self.s3.get_bucket_notification_configuration(Bucket="bucket")
        return {name: value for name, value in answer.items() if name != "ResponseMetadata"}

    def refusal(self, configuration: dict[str, Any]) -> dict[str, Any]:
        with pytest.raises(ClientError) as failure:
            self.put(configuration)
        error: dict[str, Any] = failure.value.response["Error"]
        return error


@pytest.fixture
def notifying(tmp_path: Path) -> Iterator[Notifying]:
    root, waiting = tmp_path / "store", tmp_path / "waiting"
    root.mkdir()
    with running_endpoint(root, waiting=str(waiting)) as endpoint:
        for name in ("hook", "other"):
            targets(endpoint.namespace, tmp_path).add(NotificationTarget(name, "https://h.example/"))
        client = endpoint.client()
        client.create_bucket(Bucket="bucket")
        yield Notifying(endpoint, waiting, client)


def test_a_configuration_is_shown_as_it_was_put(notifying: Notifying) -> None:
    assert notifying.shown() == {}
    names = [{"Name": "Prefix", "Value": "in/"}, {"Name": "Suffix", "Value": "ä &<.jpg"}]
    topic = {"Id": "one", "TopicArn": TOPIC, "Events": CREATED, "Filter": {"Key": {"FilterRules": names}}}
    queue = {"QueueArn": QUEUE, "Events": ["s3:ObjectRemoved:Delete", "s3:ObjectTagging:*"]}
    function = {"Id": "f", "LambdaFunctionArn": "arn:aws:lambda:::function:hook",
                "Events": ["s3:LifecycleExpiration:*"]}  # fmt: skip
    notifying.put({
        "TopicConfigurations": [topic], "QueueConfigurations": [queue],
        "LambdaFunctionConfigurations": [function],
    })  # fmt: skip
    shown = notifying.shown()
    assert shown["TopicConfigurations"] == [topic] and shown["LambdaFunctionConfigurations"] == [function]
    [given] = shown["QueueConfigurations"]
    assert len(given.pop("Id")) == 32 and given == queue
    assert {line["test"]["Event"] for line in lines(notifying.waiting)} == {"s3:TestEvent"}
    assert len(lines(notifying.waiting)) == len(lines(notifying.waiting, "other")) == 1
    notifying.put({})
    assert notifying.shown() == {}


def test_what_cannot_be_told_anything_is_refused(notifying: Notifying) -> None:
    notifying.put({"TopicConfigurations": [{"Id": "kept", "TopicArn": TOPIC, "Events": CREATED}]})
    for arn in ("arn:aws:sns:::nobody", "arn:aws:sns:eu-west-1::hook"):
        error = notifying.refusal({"TopicConfigurations": [{"TopicArn": arn, "Events": CREATED}]})
        assert error["Code"] == "InvalidArgument" and error["ArgumentName"] == arn
        assert error["ArgumentValue"] == "The destination topic does not exist"
    two = [{"TopicArn": TOPIC, "Events": CREATED}, {"TopicArn": TOPIC, "Events": ["s3:ObjectCreated:Put"]}]
    assert "overlap" in notifying.refusal({"TopicConfigurations": two})["Message"]
    bridge = notifying.refusal({"EventBridgeConfiguration": {}})
    assert bridge["Code"] == "NotImplemented" and "EventBridge" in bridge["Message"]
    assert notifying.shown()["TopicConfigurations"][0]["Id"] == "kept"
    with pytest.raises(ClientError, match="NoSuchBucket"):
        notifying.s3.put_bucket_notification_configuration(Bucket="nobody", NotificationConfiguration={})


def test_every_request_is_told_before_it_is_answered(notifying: Notifying) -> None:
    everything = ["s3:ObjectCreated:*", "s3:ObjectRemoved:*", "s3:ObjectTagging:*"]
    notifying.put(
        {"TopicConfigurations": [{"TopicArn": TOPIC, "Events": everything}]}, SkipDestinationValidation=True
    )
    s3 = notifying.s3
    answer = s3.put_object(Bucket="bucket", Key="a b", Body=b"data")
    [line] = lines(notifying.waiting)
    record = line["record"]
    assert record["responseElements"]["x-amz-request-id"] == answer["ResponseMetadata"]["RequestId"]
    assert record["s3"]["object"]["eTag"] == answer["ETag"].strip('"')
    assert record["requestParameters"]["sourceIPAddress"] == "127.0.0.1"
    upload = s3.create_multipart_upload(Bucket="bucket", Key="parts")["UploadId"]
    part = s3.upload_part(Bucket="bucket", Key="parts", UploadId=upload, PartNumber=1, Body=b"x")
    s3.complete_multipart_upload(
        Bucket="bucket", Key="parts", UploadId=upload,
        MultipartUpload={"Parts": [{"PartNumber": 1, "ETag": part["ETag"]}]},
    )
    s3.copy_object(Bucket="bucket", Key="copy", CopySource="bucket/a b")
    s3.put_object_tagging(Bucket="bucket", Key="copy", Tagging={"TagSet": []})
    s3.delete_object_tagging(Bucket="bucket", Key="copy")
    s3.rename_object(Bucket="bucket", Key="new", RenameSource="copy")
    s3.delete_object(Bucket="bucket", Key="never there")
    s3.delete_objects(Bucket="bucket", Delete={"Objects": [{"Key": "a b"}, {"Key": "no"}, {"Key": "new"}]})
    with pytest.raises(ClientError):
        s3.put_object(Bucket="bucket", Key="parts", Body=b"", IfNoneMatch="*")
    assert told(notifying.waiting)[1:] == [
        ("ObjectCreated:CompleteMultipartUpload", "parts"), ("ObjectCreated:Copy", "copy"),
        ("ObjectTagging:Put", "copy"), ("ObjectTagging:Delete", "copy"), ("ObjectRemoved:Delete", "copy"),
        ("ObjectCreated:Copy", "new"), ("ObjectRemoved:Delete", "a+b"), ("ObjectRemoved:Delete", "new"),
    ]  # fmt: skip


def test_an_acl_is_told_when_it_changes(notifying: Notifying) -> None:
    s3 = notifying.s3
    s3.put_object(Bucket="bucket", Key="k", Body=b"")
    s3.put_bucket_ownership_controls(
        Bucket="bucket", OwnershipControls={"Rules": [{"ObjectOwnership": "ObjectWriter"}]}
    )
    notifying.put({"TopicConfigurations": [{"TopicArn": TOPIC, "Events": ["s3:ObjectAcl:Put"]}]})
    for name in ("private", "authenticated-read", "authenticated-read", "private"):
        s3.put_object_acl(Bucket="bucket", Key="k", ACL=name)
    s3.put_bucket_versioning(Bucket="bucket", VersioningConfiguration={"Status": "Enabled"})
    version = s3.put_object(Bucket="bucket", Key="k", Body=b"")["VersionId"]
    s3.put_object_acl(Bucket="bucket", Key="k", ACL="authenticated-read")
    found = [line["record"] for line in lines(notifying.waiting) if "record" in line]
    acls = [record for record in found if record.get("eventName") == "ObjectAcl:Put"]
    assert [record["s3"]["object"].get("versionId") for record in acls] == [None, None, version]
