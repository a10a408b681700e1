"""What changes while a body is on its way: whose the bucket is, what it grants, whose the key is.

The client says how long a body takes. What its head decided must not be done to somebody else's bucket.
"""

from __future__ import annotations

import base64
import hashlib
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from botocore.exceptions import ClientError

from tests.server.identities import PASSWORD, Office, allowing, document, statement
from tests.server.raw_http import Answer, read_answer, send, signed
from tests.server.test_objects import failure

pytestmark = [pytest.mark.slow, pytest.mark.alone]

DENIED = (403, "AccessDenied")
PUBLIC = document({**statement("Allow", "s3:*", "bucket", "bucket/*"), "Principal": "*"})
DELETE = b"<Delete><Object><Key>k</Key></Object></Delete>"
BLOCK = b"<PublicAccessBlockConfiguration></PublicAccessBlockConfiguration>"
FORM = (
    b'--b\r\nContent-Disposition: form-data; name="key"\r\n\r\nk\r\n'
    b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nof a stranger\r\n--b--\r\n'
)
MULTIPART = {"Content-Type": "multipart/form-data; boundary=b"}


@pytest.fixture
def office(office: Office) -> Office:
    office.admin.add_account("other")
    return office


@dataclass
class Held:
    """A request whose last byte has not been sent."""

    sock: socket.socket
    last: bytes

    def finish(self) -> Answer:
        self.sock.sendall(self.last)
        return read_answer(self.sock)


@contextmanager
def held(office: Office, request: bytes) -> Iterator[Held]:
    """Sends all but the last byte, once the server has asked for the body: what a head decides is decided."""
    head, _, body = request.partition(b"\r\n\r\n")
    with office.endpoint.connect() as sock:
        sock.sendall(head + b"\r\nExpect: 100-continue\r\n\r\n")
        assert read_answer(sock).status == 100
        sock.sendall(body[:-1])
        yield Held(sock, body[-1:])


def by(user: str, method: str, target: str, body: bytes, headers: dict[str, str] | None = None) -> bytes:
    return signed(method, target, body, headers=headers, access_key=user, secret=PASSWORD)


def changed_hands(office: Office, stranger: Any) -> Any:
    """The stranger's bucket becomes root's, with a key in it; root's client."""
    client = office.endpoint.client()
    try:
        stranger.delete_bucket(Bucket="bucket")
    except ClientError as error:
        assert error.response["Error"]["Code"] == "NoSuchBucket"
    client.create_bucket(Bucket="bucket")
    client.put_object(Bucket="bucket", Key="k", Body=b"of root")
    return client


@pytest.mark.parametrize("there", [True, False], ids=["removed", "not-made-yet"])
@pytest.mark.parametrize(("method", "target", "body"), [
    ("PUT", "/bucket?policy", PUBLIC.encode()),
    ("PUT", "/bucket?publicAccessBlock", BLOCK),
    ("POST", "/bucket?delete", DELETE),
    ("PUT", "/bucket/k", b"of a stranger"),
])
def test_regression_a_bucket_changes_hands_under_a_body(office, there, method, target, body):
    stranger = office.user("mallory", "readwrite", account="other")
    if there:
        stranger.create_bucket(Bucket="bucket")
    elif method != "POST":  # nobody is asked for a body that has nowhere to go
        assert send(office.endpoint, by("mallory", method, target, body)).code == "NoSuchBucket"
        return
    with held(office, by("mallory", method, target, body, _digest(body))) as request:
        client = changed_hands(office, stranger)
        answer = request.finish()
    if target.endswith("delete"):
        assert (answer.status, b"<Code>AccessDenied</Code>" in answer.body) == (200, True)
    else:
        assert (answer.status, answer.code) == DENIED
    assert client.get_object(Bucket="bucket", Key="k")["Body"].read() == b"of root"
    assert failure(client.get_bucket_policy, Bucket="bucket") == ("NoSuchBucketPolicy", 404)
    assert failure(client.get_public_access_block, Bucket="bucket")[1] == 404


def _digest(body: bytes) -> dict[str, str]:
    return {"Content-MD5": base64.b64encode(hashlib.md5(body).digest()).decode()}


def test_regression_a_bucket_that_is_public_no_more_takes_no_form(office):
    client = office.endpoint.client()
    client.create_bucket(Bucket="bucket")
    client.put_bucket_policy(Bucket="bucket", Policy=PUBLIC)
    head = f"POST /bucket HTTP/1.1\r\nHost: h\r\nContent-Length: {len(FORM)}\r\n"
    head += "".join(f"{name}: {value}\r\n" for name, value in MULTIPART.items())
    with held(office, (head + "\r\n").encode() + FORM) as request:
        client.delete_bucket_policy(Bucket="bucket")
        answer = request.finish()
    assert (answer.status, answer.code) == DENIED
    assert client.list_objects_v2(Bucket="bucket")["KeyCount"] == 0


def test_regression_who_is_deleted_ends_no_upload(office):
    client = office.endpoint.client()
    client.create_bucket(Bucket="bucket")
    office.user("bob", "readwrite")
    with held(office, by("bob", "PUT", "/bucket/k", b"of nobody")) as request:
        office.admin.remove_user("bob")
        office.user("bob")  # another of the name, with the same password and no policy
        answer = request.finish()
    assert (answer.status, answer.code) == DENIED
    assert client.list_objects_v2(Bucket="bucket")["KeyCount"] == 0


def test_a_denial_holds_for_what_is_on_its_way(office):
    client = office.endpoint.client()
    client.create_bucket(Bucket="bucket")
    office.user("bob", allowing("s3:PutObject", "bucket/*"))
    with held(office, by("bob", "PUT", "/bucket/k", b"too late")) as request:
        office.admin.detach_from_user("bob-0", "bob")
        answer = request.finish()
    assert (answer.status, answer.code) == DENIED
    assert client.list_objects_v2(Bucket="bucket")["KeyCount"] == 0


def test_regression_a_copy_names_the_bucket_that_is_missing(office):
    client = office.user("bob", "readwrite")
    client.create_bucket(Bucket="bucket")
    with pytest.raises(ClientError) as caught:
        client.copy_object(Bucket="bucket", Key="k", CopySource="nowhere/k")
    error = caught.value.response["Error"]
    assert (error["Code"], error["BucketName"]) == ("NoSuchBucket", "nowhere")
