"""How fast somebody may ask, over the wire."""

from __future__ import annotations

import time

import pytest
from botocore.exceptions import ClientError

from tests.server.endpoint import ACCESS_KEY, running_endpoint
from tests.server.identities import running_office
from tests.server.raw_http import read_answer, signed
from weka_mp.server.limits import Limits

pytestmark = [pytest.mark.slow, pytest.mark.alone]


def codes(endpoint, wire: bytes, times: int) -> list[str]:
    """Of one request after the other on one connection, as fast as they go."""
    with endpoint.connect() as sock:
        buffer = bytearray()
        sock.sendall(wire * times)
        return [read_answer(sock, buffer).code for _ in range(times)]


def test_too_many_requests_of_an_address(tmp_path):
    limits = Limits(requests_per_address=20)
    with running_endpoint(tmp_path, limits=limits, trusted_proxies=("127.0.0.1/32",)) as endpoint:
        found = codes(endpoint, signed("GET", "/"), 200)
        assert found[:20] == [""] * 20 and found.count("SlowDown") > 100
        other = signed("GET", "/").replace(b"\r\n", b"\r\nX-Forwarded-For: 203.0.113.9\r\n", 1)
        assert codes(endpoint, other, 1) == [""]  # others are not slowed
        with endpoint.connect() as sock:
            sock.sendall(signed("GET", "/") * 40)
            buffer = bytearray()
            answers = [read_answer(sock, buffer) for _ in range(40)]
        slowed = next(answer for answer in answers if answer.status == 503)
        assert slowed.code == "SlowDown" and slowed.headers["retry-after"] == "1"


def test_a_slowed_sdk_gets_there(tmp_path):
    """It tries again after SlowDown, by itself."""
    with running_endpoint(tmp_path, limits=Limits(requests_per_address=5)) as endpoint:
        client = endpoint.client(retries={"max_attempts": 8, "mode": "standard"})
        for _ in range(12):
            client.list_buckets()
        assert endpoint.metrics.requests["-", 503] > 0


def test_a_refused_upload_of_one_who_is_too_fast_leaves_nothing(tmp_path):
    with running_endpoint(tmp_path, limits=Limits(requests_per_address=2)) as endpoint:
        endpoint.client().create_bucket(Bucket="bucket")
        put = signed("PUT", "/bucket/k", b"x" * 1000)
        found = codes(endpoint, put, 20)
        assert found[-1] == "SlowDown" and found.count("") <= 3


def test_too_many_requests_of_a_user(tmp_path):
    (tmp_path / "store").mkdir()
    with running_office(tmp_path / "store", limits=Limits(requests_per_user=10)) as office:
        office.user("ann", "readwrite")
        office.user("bob", "readwrite")
        service = office.issuer.add_service_account("ann", None)
        endpoint = office.endpoint

        def asked(key: str, secret: str, times: int) -> list[str]:
            return codes(endpoint, signed("GET", "/", access_key=key, secret=secret), times)

        assert asked("ann", "Correct-Horse-9", 50).count("SlowDown") > 20
        assert asked(service.access_key, service.secret, 30).count("SlowDown") > 10  # the same user's
        assert asked("bob", "Correct-Horse-9", 5) == [""] * 5
        assert codes(endpoint, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n", 30) == ["AccessDenied"] * 30


def test_guesses_are_slowed_and_lock_nobody_out(tmp_path):
    """The access key is public in each pre-signed URL: who has it cannot keep its user from working."""
    limits = Limits(guesses_at_once=5, guesses_per_second=5.0, guess_wait_seconds=0.5)
    with running_endpoint(tmp_path, limits=limits) as endpoint:
        began = time.monotonic()
        assert codes(endpoint, signed("GET", "/", secret="wrong"), 10) == ["SignatureDoesNotMatch"] * 10
        assert time.monotonic() - began > 0.8  # the last five waited a fifth of a second each
        unknown = signed("GET", "/", access_key="NOBODY")
        assert codes(endpoint, unknown, 2) == ["InvalidAccessKeyId"] * 2
        began = time.monotonic()
        assert codes(endpoint, signed("GET", "/"), 50) == [""] * 50
        assert time.monotonic() - began < 5
        assert endpoint.metrics.slowed >= 5


def test_guesses_at_once_wait_no_longer_than_a_limit(tmp_path):
    limits = Limits(guesses_at_once=1, guesses_per_second=2.0, guess_wait_seconds=1.0)
    with running_endpoint(tmp_path, limits=limits) as endpoint:
        held = [endpoint.connect() for _ in range(8)]
        try:
            for sock in held:
                sock.sendall(signed("GET", "/", secret="wrong"))
            found = [read_answer(sock).code for sock in held]
        finally:
            for sock in held:
                sock.close()
        assert found.count("SignatureDoesNotMatch") in (3, 4) and found.count("SlowDown") in (4, 5)


def test_a_form_counts_for_its_user_and_its_guesses_are_slowed(tmp_path):
    limits = Limits(requests_per_user=1, guesses_at_once=1, guess_wait_seconds=0.0)
    with running_endpoint(tmp_path, limits=limits) as endpoint:
        client = endpoint.client(signature_version="s3v4")
        client.create_bucket(Bucket="bucket")
        form = client.generate_presigned_post("bucket", "k")

        def sent(**changed: str) -> str:
            fields = {**form["fields"], **changed}
            parts = "".join(
                f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
                for name, value in [*fields.items(), ("file", "hello")]
            )
            body = (parts + "--x--\r\n").encode()
            head = (
                "POST /bucket HTTP/1.1\r\nHost: h\r\nContent-Type: multipart/form-data; boundary=x\r\n"
                f"Content-Length: {len(body)}\r\n\r\n"
            )
            with endpoint.connect() as sock:
                sock.sendall(head.encode() + body)
                return read_answer(sock).code

        time.sleep(1.1)  # creating the bucket was this second's request
        assert sent() == ""
        assert sent() == "SlowDown"
        wrong = {"x-amz-signature": "0" * 64}
        assert [sent(**wrong), sent(**wrong)] == ["SignatureDoesNotMatch", "SlowDown"]


def test_an_unknown_token_is_a_guess(tmp_path):
    limits = Limits(guesses_at_once=1, guess_wait_seconds=0.0)
    with running_endpoint(tmp_path, limits=limits) as endpoint:
        wire = signed("GET", "/", headers={"x-amz-security-token": "x"}, access_key=ACCESS_KEY)
        assert codes(endpoint, wire, 2) == ["InvalidToken", "SlowDown"]


def test_without_limits_nobody_is_slowed(endpoint, client):
    for _ in range(300):
        client.list_buckets()
    with pytest.raises(ClientError, match="InvalidAccessKeyId"):
        endpoint.client(access_key="NOBODY").list_buckets()
    assert endpoint.metrics.slowed == 0
