"""No operation is reached without authorize; signatures of every kind count, wrong ones never."""

from __future__ import annotations

import subprocess

import pytest

from tests.server.endpoint import ACCESS_KEY, running_endpoint
from tests.server.raw_http import presigned, send, signed
from tests.server.test_objects import failure
from weka_mp.s3.routing import ROUTES, Route, Scope
from weka_mp.server import exchange

TARGETS = {Scope.SERVICE: "/", Scope.BUCKET: "/bucket", Scope.OBJECT: "/bucket/key"}


def request_of(route: Route) -> bytes:
    """An unsigned request that takes exactly this route."""
    query = [] if route.subresource is None else [route.subresource]
    headers = ["Host: s3.example", "Content-Length: 0"]
    for mark in route.marks:
        kind, _, rest = mark.partition(":")
        if kind == "query":
            query.append(rest)
        else:
            headers.append(f"{rest}: bucket/other")
    target = TARGETS[route.scope] + ("?" + "&".join(query) if query else "")
    return "\r\n".join([f"{route.method} {target} HTTP/1.1", *headers, "", ""]).encode()


def test_no_route_is_reached_anonymously(endpoint, client, bucket, monkeypatch):
    client.put_object(Bucket=bucket, Key="key", Body=b"private")
    asked = []
    real = exchange.authorize
    monkeypatch.setattr(exchange, "authorize", lambda *what: (asked.append(what[1]), real(*what)))
    for route in ROUTES:
        answer = send(endpoint, request_of(route))
        if route.name == "PostObject":  # a form says who sends it; without one there is nobody to ask about
            assert answer.status in (400, 403, 412), route
            continue
        if route.name == "CORSPreflight":  # nobody signs it: it is answered by the rules of the bucket alone
            assert answer.status == 400
            continue
        assert answer.status == 403, route
        assert asked.pop() == route.name
        assert not asked  # once a request
        assert route.method == "HEAD" or answer.code == "AccessDenied", route
    assert client.get_object(Bucket=bucket, Key="key")["Body"].read() == b"private"


def test_wrong_credentials(endpoint):
    wrong_secret = endpoint.client(secret_key="wrong")
    assert failure(wrong_secret.list_buckets) == ("SignatureDoesNotMatch", 403)
    unknown = endpoint.client(access_key="NOBODY")
    assert failure(unknown.list_buckets) == ("InvalidAccessKeyId", 403)


def curl(*arguments: str) -> tuple[int, str]:
    """(status, body)."""
    command = ["curl", "-sS", "--max-time", "20", "-w", "\n%{http_code}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    body, _, status = done.stdout.rpartition("\n")
    return int(status), body


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_presigned_urls_with_curl(endpoint, client, bucket, tmp_path, version):
    options = {"signature_version": version}
    body = tmp_path / "body"
    body.write_text("by curl")
    put = presigned(endpoint, "put_object", {"Bucket": bucket, "Key": "ä k"}, **options)
    assert curl("-T", str(body), put)[0] == 200
    get = presigned(endpoint, "get_object", {
        "Bucket": bucket, "Key": "ä k", "ResponseContentType": "text/odd",
    }, **options)
    assert curl(get) == (200, "by curl")
    assert curl(get.replace("text%2Fodd", "text%2Fodder"))[0] == 403
    assert curl(get.split("?")[0])[0] == 403


def test_presigned_metadata_in_the_query_is_kept(endpoint, client, bucket):
    parameters = {"Bucket": bucket, "Key": "k", "Metadata": {"a": "b"}}
    url = presigned(endpoint, "put_object", parameters, signature_version="s3v4")
    headers = ("-H", "x-amz-meta-a: b") if "x-amz-meta-a=" not in url else ()
    assert curl("-X", "PUT", "-d", "x", *headers, "-H", "Content-Type:", url)[0] == 200
    assert client.head_object(Bucket=bucket, Key="k")["Metadata"] == {"a": "b"}


def test_header_version_2_only_when_it_is_allowed(endpoint, tmp_path):
    old = endpoint.client(signature_version="s3")
    assert failure(old.list_buckets) == ("InvalidRequest", 400)
    other = tmp_path / "other"
    other.mkdir()
    with running_endpoint(other, allow_sigv2=True) as allowing:
        client = allowing.client(signature_version="s3")
        client.create_bucket(Bucket="bucket")
        client.put_object(Bucket="bucket", Key="a b", Body=b"old")
        assert client.get_object(Bucket="bucket", Key="a b")["Body"].read() == b"old"


@pytest.mark.parametrize("payload", ["UNSIGNED-PAYLOAD", None])
def test_payload_modes(endpoint, client, bucket, payload):
    assert send(endpoint, signed("PUT", "/bucket/k", b"body", payload=payload)).status == 200
    assert client.get_object(Bucket=bucket, Key="k")["Body"].read() == b"body"


def form(
    endpoint, client, tmp_path, *extra: str, key="up/${filename}", conditions=(), fields=None, **changed: str
):
    """Upload by form as curl sends it: (status, body)."""
    post = client.generate_presigned_post(
        "bucket", key, Fields=fields or {}, Conditions=[*conditions], ExpiresIn=300)
    sent = {**post["fields"], **changed}
    source = tmp_path / "page.txt"
    source.write_bytes(b"from a browser")
    arguments = [part for name, value in sent.items() for part in ("-F", f"{name}={value}")]
    return curl(*extra, *arguments, "-F", f"file=@{source}", f"{endpoint.url}/bucket")


@pytest.mark.parametrize("version", ["s3", "s3v4"])
def test_forms(endpoint, client, bucket, tmp_path, version):
    signer = endpoint.client(signature_version=version)
    assert form(endpoint, signer, tmp_path)[0] == 204
    got = client.get_object(Bucket=bucket, Key="up/page.txt")
    assert got["Body"].read() == b"from a browser"
    created = {"success_action_status": "201", "Content-Type": "text/x", "x-amz-meta-a": "b"}
    conditions = [{name: value} for name, value in created.items()]
    status, body = form(endpoint, signer, tmp_path, fields=created, conditions=conditions)
    assert status == 201
    assert "<Key>up/page.txt</Key>" in body
    head = client.head_object(Bucket=bucket, Key="up/page.txt")
    assert (head["ContentType"], head["Metadata"]) == ("text/x", {"a": "b"})


def test_forms_that_are_refused(endpoint, client, bucket, tmp_path):
    signer = endpoint.client(signature_version="s3v4")
    assert "AccessDenied" in form(endpoint, signer, tmp_path, key="k", **{"x-amz-meta-b": "more"})[1]
    assert form(endpoint, signer, tmp_path, key="k", policy="e30=")[0] == 403
    assert "EntityTooLarge" in form(
        endpoint, signer, tmp_path, key="k", conditions=[["content-length-range", 1, 5]])[1]
    source = tmp_path / "page.txt"
    assert curl("-F", "key=k", "-F", f"file=@{source}", f"{endpoint.url}/bucket")[0] == 403
    assert "Contents" not in client.list_objects_v2(Bucket=bucket)


def test_a_large_form(endpoint, client, bucket, tmp_path):
    signer = endpoint.client(signature_version="s3v4")
    post = signer.generate_presigned_post(bucket, "big")
    source = tmp_path / "big"
    source.write_bytes(bytes(range(256)) * 20_000)
    arguments = [part for name, value in post["fields"].items() for part in ("-F", f"{name}={value}")]
    assert curl(*arguments, "-F", f"file=@{source}", f"{endpoint.url}/bucket")[0] == 204
    assert client.get_object(Bucket=bucket, Key="big")["Body"].read() == source.read_bytes()


def test_the_key_is_logged_and_the_secret_never(endpoint, client, caplog):
    caplog.set_level("DEBUG")
    client.list_buckets()
    client.list_buckets()  # on the same connection: the first one is over and logged when this is answered
    records = [record for record in caplog.records if record.name == "weka_mp.access"]
    assert records[0].fields["access_key"] == ACCESS_KEY
    assert endpoint.settings.root.secret_key not in repr(endpoint.settings)


def test_a_stranger_may_not_choose_the_headers_of_an_answer(endpoint, client, bucket):
    client.put_object(Bucket=bucket, Key="key", Body=b"private")
    for method in ("GET", "HEAD"):
        request = f"{method} /bucket/key?response-content-type=text/html HTTP/1.1\r\nHost: s3.example\r\n\r\n"
        answer = send(endpoint, request.encode())
        assert answer.status == 400
        assert answer.code == ("" if method == "HEAD" else "InvalidRequest")


@pytest.mark.parametrize("call", ["get_object", "head_object", "delete_object", "put_object"])
def test_the_owner_that_a_client_expects(client, bucket, call):
    client.put_object(Bucket=bucket, Key="key", Body=b"x")
    operation = getattr(client, call)
    owner = client.list_buckets()["Owner"]["ID"]
    arguments = {"Bucket": bucket, "Key": "key"}
    assert failure(operation, **arguments, ExpectedBucketOwner="111122223333")[1] == 403
    assert failure(operation, **arguments, ExpectedBucketOwner="nobody")[1] == 400
    operation(**arguments, ExpectedBucketOwner=owner)


def test_the_owner_that_a_copy_expects_of_its_source(client, bucket):
    client.put_object(Bucket=bucket, Key="key", Body=b"x")
    copy = {"Bucket": bucket, "Key": "to", "CopySource": {"Bucket": bucket, "Key": "key"}}
    refused = failure(client.copy_object, **copy, ExpectedSourceBucketOwner="111122223333")
    assert refused == ("AccessDenied", 403)
    client.copy_object(**copy, ExpectedSourceBucketOwner="000000000001")
