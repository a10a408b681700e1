"""What proves who sent a request is compared in constant time (hmac.compare_digest): time is not measured
here, what is compared, and with what, is.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable
from types import MappingProxyType

import pytest
import signing_clients as clients
from botocore.auth import (
    HmacV1Auth,
    HmacV1PostAuth,
    HmacV1QueryAuth,
    S3SigV4Auth,
    S3SigV4PostAuth,
    S3SigV4QueryAuth,
)
from botocore.awsrequest import AWSRequest

from weka_mp.s3.authentication import authenticate
from weka_mp.s3.aws_chunked import ChunkedDecoder
from weka_mp.s3.credentials import ChunkSigning, PayloadMode, SecretKey, check_session_token
from weka_mp.s3.errors import S3Error
from weka_mp.s3.payload import Expectations, PayloadVerifier
from weka_mp.s3.post_form import FormFields
from weka_mp.s3.post_upload import authorize_form

TOLD = {"now": clients.NOW, "lookup": clients.lookup, "region": clients.REGION}
CHUNKS = ChunkSigning(bytes(32), "0" * 64, "20130524T000000Z", "20130524/r/s3/aws4_request")


def request_of(signer: type, *arguments: str) -> AWSRequest:
    request = clients.aws_request("GET", clients.object_url("key"))
    with clients.botocore_clock():
        if signer is HmacV1QueryAuth:
            signer(clients.credentials(), expires=600).add_auth(request)
        else:
            signer(clients.credentials(), *arguments).add_auth(request)
    return request


def in_header(signer: type, *arguments: str) -> str:
    request = request_of(signer, *arguments)
    authenticate(clients.received(request), **TOLD, allow_header_sigv2=True)
    sent = str(request.headers["Authorization"])
    return sent.rpartition("Signature=" if arguments else ":")[2]


def in_query(signer: type, *arguments: str) -> str:
    request = clients.received(request_of(signer, *arguments))
    authenticate(request, **TOLD)
    return request.query_value("X-Amz-Signature") or request.query_value("Signature") or ""


def in_form(signer: type, *arguments: str) -> str:
    request = clients.aws_request("POST", clients.object_url(""))
    request.context["s3-presign-post-fields"] = {"key": "k"}
    request.context["s3-presign-post-policy"] = {
        "expiration": "2023-11-14T23:13:20Z", "conditions": [{"bucket": "b"}, {"key": "k"}],
    }
    with clients.botocore_clock():
        signer(clients.credentials(), *arguments).add_auth(request)
    fields = {name.lower(): value for name, value in request.context["s3-presign-post-fields"].items()}
    authorize_form(FormFields(MappingProxyType(fields), "f", None), "b", **TOLD)
    return str(fields.get("x-amz-signature") or fields["signature"])


def of_a_token() -> str:
    with pytest.raises(S3Error):
        check_session_token(SecretKey("t", clients.SECRET, "the token"), "another token")
    with pytest.raises(S3Error):
        check_session_token(SecretKey("t", clients.SECRET), "another token")  # also where there is none
    return "another token"


def of_a_chunk() -> str:
    with pytest.raises(S3Error):
        ChunkedDecoder(PayloadMode.STREAMING_SIGNED, 0, signing=CHUNKS).feed(
            b"0;chunk-signature=" + b"1" * 64 + b"\r\n\r\n")
    return "1" * 64


def of_a_body() -> str:
    verifier = PayloadVerifier(Expectations(), need_md5=False, payload_sha256="2" * 64)
    with pytest.raises(S3Error):
        verifier.finish({})
    return "2" * 64


SCOPE = ("s3", clients.REGION)


@pytest.mark.parametrize("prove", [
    lambda: in_header(S3SigV4Auth, *SCOPE), lambda: in_query(S3SigV4QueryAuth, *SCOPE),
    lambda: in_header(HmacV1Auth), lambda: in_query(HmacV1QueryAuth),
    lambda: in_form(S3SigV4PostAuth, *SCOPE), lambda: in_form(HmacV1PostAuth),
    of_a_token, of_a_chunk, of_a_body,
], ids=["v4", "v4 query", "v2", "v2 query", "v4 form", "v2 form", "token", "chunk", "body"])  # fmt: skip
def test_what_a_client_says_is_compared_in_constant_time(
    prove: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[str] = []
    real = hmac.compare_digest

    def noted(one: str | bytes, other: str | bytes) -> bool:
        compared.extend(text if isinstance(text, str) else text.decode() for text in (one, other))
        return real(one, other)  # type: ignore[type-var]

    monkeypatch.setattr(hmac, "compare_digest", noted)
    said = prove()
    assert said and said in compared
    if prove is of_a_token:
        assert compared.count(said) == 2
