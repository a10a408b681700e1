"""Signed POST forms against botocore's post signers, and what their policies allow."""

from __future__ import annotations

import base64
import hashlib
import json
from types import MappingProxyType

import pytest
import signing_clients as clients
from botocore.auth import HmacV1PostAuth, S3SigV4PostAuth
from hypothesis import given
from hypothesis import strategies as st

from weka_mp.s3.credentials import AuthKind, SecretKey
from weka_mp.s3.errors import S3Error
from weka_mp.s3.post_form import FormFields
from weka_mp.s3.post_policy import parse_policy
from weka_mp.s3.post_upload import PostUpload, authorize_form

NOW = clients.NOW
LATER = "2023-11-14T23:13:20Z"
BASE = [{"bucket": "bucket"}, ["starts-with", "$key", ""]]


def signed(fields=None, conditions=(), *, signer=S3SigV4PostAuth, expiration=LATER, token=None, base=BASE):
    """Form fields as botocore signs them, names in lower case as the reader hands them on."""
    request = clients.aws_request("POST", clients.object_url(""))
    request.context["s3-presign-post-fields"] = {"key": "k"} | (fields or {})
    request.context["s3-presign-post-policy"] = {
        "expiration": expiration, "conditions": [*base, *conditions],
    }
    with clients.botocore_clock():
        if signer is HmacV1PostAuth:
            signer(clients.credentials(token)).add_auth(request)
        else:
            signer(clients.credentials(token), "s3", clients.REGION).add_auth(request)
    found = request.context["s3-presign-post-fields"]
    return {name.lower(): value for name, value in found.items()}


def authorize(fields, *, file_name="photo.jpg", bucket="bucket", **changes) -> PostUpload:
    form = FormFields(MappingProxyType(fields), file_name, None)
    arguments = {"now": NOW, "lookup": clients.lookup, "region": clients.REGION, "regions": frozenset()}
    return authorize_form(form, bucket, **(arguments | changes))


def refused(fields, **changes) -> S3Error:
    with pytest.raises(S3Error) as caught:
        authorize(fields, **changes)
    return caught.value


@pytest.mark.parametrize(("signer", "kind"), [
    (S3SigV4PostAuth, AuthKind.POST_V4), (HmacV1PostAuth, AuthKind.POST_V2),
])
def test_botocore_forms(signer, kind):
    upload = authorize(signed(signer=signer))
    assert (upload.authentication.kind, upload.authentication.access_key) == (kind, clients.ACCESS_KEY)
    assert (upload.key, upload.success_status, upload.lengths) == (b"k", 204, ())
    temporary = SecretKey("t", clients.SECRET, "tok")
    found = authorize(signed(signer=signer, token="tok"), lookup=lambda key: temporary)
    assert found.authentication.session_token == "tok"
    assert refused(signed(signer=signer, token="tok")).code == "InvalidToken"


@pytest.mark.parametrize("signer", [S3SigV4PostAuth, HmacV1PostAuth])
def test_signature_covers_the_policy(signer):
    fields = signed(signer=signer)
    other = base64.b64encode(base64.b64decode(fields["policy"]).replace(b"bucket", b"tekcub")).decode()
    assert refused(fields | {"policy": other}).code == "SignatureDoesNotMatch"
    assert refused(fields, lookup=lambda key: None).code == "InvalidAccessKeyId"
    assert refused(fields, lookup=lambda key: SecretKey("x", "x")).code == "SignatureDoesNotMatch"


@pytest.mark.parametrize("name", ["key", "policy", "x-amz-date", "x-amz-signature", "x-amz-credential"])
def test_missing_v4_fields(name):
    fields = signed()
    del fields[name]
    error = refused(fields)
    assert (error.code, error.details["ArgumentName"]) == ("InvalidArgument", name)
    assert error.message.startswith(f"Bucket POST must contain a field named '{name}'.")


@pytest.mark.parametrize(("name", "shown"), [
    ("policy", "policy"), ("signature", "signature"), ("awsaccesskeyid", "AWSAccessKeyId"),
])
def test_missing_v2_fields(name, shown):
    fields = signed(signer=HmacV1PostAuth)
    del fields[name]
    assert refused(fields).details["ArgumentName"] == shown


@pytest.mark.parametrize(("name", "value", "words"), [
    ("x-amz-algorithm", "AWS4-HMAC-SHA1", "x-amz-algorithm only supports"),
    ("x-amz-credential", "nonsense", "the Credential is mal-formed"),
    ("x-amz-credential", "A/20231114/other/s3/aws4_request", "the region 'other' is wrong; expecting"),
    ("x-amz-date", "20231115T000000Z", "x-amz-date must be"),
    ("x-amz-date", "now", "x-amz-date must be"),
])
def test_malformed_v4_fields(name, value, words):
    error = refused(signed() | {name: value})
    assert (error.code, error.details["ArgumentValue"]) == ("InvalidArgument", value)
    assert words in error.message


def test_anonymous_form():
    upload = authorize({"key": "a", "acl": "public-read"})
    assert upload.authentication.kind is AuthKind.ANONYMOUS
    assert upload.headers.get("x-amz-acl") == "public-read"


def test_fields_become_headers():
    fields = {"Content-Type": "text/plain", "x-amz-meta-näme": "x"}
    conditions = [["starts-with", "$content-type", ""], ["starts-with", "$x-amz-meta-näme", ""]]
    assert refused(signed(fields, conditions)).code == "InvalidArgument"
    fields = {
        "acl": "private", "Content-Type": "text/plain", "x-amz-meta-a": "ü", "Cache-Control": "no-store",
        "tagging": "<Tagging/>", "success_action_status": "201", "x-ignore-me": "1",
    }
    conditions = [["starts-with", f"${name}", ""] for name in fields if name != "x-ignore-me"]
    upload = authorize(signed(fields, conditions))
    assert dict(upload.headers.items()) == {
        "x-amz-acl": "private", "content-type": "text/plain", "x-amz-meta-a": "Ã¼",
        "cache-control": "no-store",
    }
    assert (upload.tagging, upload.success_status) == ("<Tagging/>", 201)


def test_header_injection_is_refused():
    fields = {"content-disposition": "x\r\nset-cookie: y"}
    assert refused(signed(fields, [["starts-with", "$content-disposition", ""]])).code == "InvalidArgument"


@pytest.mark.parametrize("status", ["", "404", "200x", "302"])
def test_unknown_success_status_is_204(status):
    fields = signed({"success_action_status": status}, [["starts-with", "$success_action_status", ""]])
    assert authorize(fields).success_status == 204


@pytest.mark.parametrize(("file_name", "key"), [
    ("photo.jpg", b"user/photo.jpg"), ("C:\\pictures\\photo.jpg", b"user/photo.jpg"),
    ("/home/me/photo.jpg", b"user/photo.jpg"), ("", b"user/"),
])
def test_filename_variable(file_name, key):
    base = [{"bucket": "bucket"}, ["starts-with", "$key", "user/"]]
    fields = signed({"key": "user/${filename}"}, base=base)
    assert authorize(fields, file_name=file_name).key == key


def test_key_limit():
    assert refused({"key": "k" * 1025}).code == "KeyTooLongError"


@pytest.mark.parametrize("condition", [
    {"Content-Type": "image/png"}, ["eq", "$Content-Type", "image/png"], ["EQ", "$content-type", "image/png"],
    ["starts-with", "$Content-Type", "image/"], ["StArTs-WiTh", "$CONTENT-TYPE", ""],
])
def test_conditions_that_hold(condition):
    assert authorize(signed({"Content-Type": "image/png"}, [condition])).key == b"k"


@pytest.mark.parametrize("condition", [
    {"Content-Type": "image/jpeg"}, ["eq", "$Content-Type", ""], ["starts-with", "$Content-Type", "text/"],
    ["starts-with", "$x-amz-meta-missing", ""], {"key": "other"}, {"bucket": "other"},
])
def test_conditions_that_fail(condition):
    covered = ["starts-with", "$Content-Type", "image"]
    error = refused(signed({"Content-Type": "image/png"}, [covered, condition]))
    assert (error.code, error.status) == ("AccessDenied", 403)
    assert error.message.startswith("Invalid according to Policy: Policy Condition failed: [")


def test_every_type_of_a_list_must_match():
    condition = ["starts-with", "$Content-Type", "image/"]
    assert authorize(signed({"Content-Type": "image/png, image/gif"}, [condition])).key == b"k"
    assert refused(signed({"Content-Type": "image/png,text/x"}, [condition])).code == "AccessDenied"


def test_uncovered_fields():
    error = refused(signed({"x-amz-meta-a": "1", "acl": "private"}))
    assert error.message == "Invalid according to Policy: Extra input fields: acl, x-amz-meta-a"
    assert refused(signed(base=[{"key": "k"}])).message.endswith("Extra input fields: bucket")


def test_expiry():
    fields = signed()
    assert authorize(fields, now=NOW + 3600).key == b"k"
    error = refused(fields, now=NOW + 3601)
    assert error.message == "Invalid according to Policy: Policy expired."
    long = signed(expiration="2033-01-01T00:00:00.000Z")
    assert authorize(long, now=NOW + 604_800).key == b"k"
    assert refused(long, now=NOW + 604_801).code == "AccessDenied"
    assert refused(fields, now=NOW - 901).code == "AccessDenied"


def test_length_range():
    upload = authorize(signed(conditions=[["content-length-range", 5, "10"], ["content-length-range", 0, 8]]))
    upload.check_length(2, is_complete=False)
    upload.check_length(8, is_complete=True)
    with pytest.raises(S3Error) as caught:
        upload.check_length(9, is_complete=False)
    assert (caught.value.code, caught.value.details["MaxSizeAllowed"]) == ("EntityTooLarge", "8")
    with pytest.raises(S3Error) as caught:
        upload.check_length(4, is_complete=True)
    assert (caught.value.code, caught.value.details["MinSizeAllowed"]) == ("EntityTooSmall", "5")


def test_checksums_of_the_file():
    digest = base64.b64encode(hashlib.sha256(b"data").digest()).decode()
    fields = signed({"x-amz-checksum-sha256": digest}, [["starts-with", "$x-amz-checksum-sha256", ""]])
    verifier = authorize(fields).new_verifier()
    verifier.update(b"data")
    assert verifier.finish({}).md5 == hashlib.md5(b"data").digest()
    verifier = authorize(fields).new_verifier()
    verifier.update(b"atad")
    with pytest.raises(S3Error):
        verifier.finish({})


@pytest.mark.parametrize(("redirect", "location"), [
    ("http://x/a", "http://x/a?bucket=bucket&key=a%2F%26b&etag=%22abc%22"),
    ("https://x/a?b=1#c", "https://x/a?b=1&bucket=bucket&key=a%2F%26b&etag=%22abc%22#c"),
    ("javascript:alert(1)", None), ("//x/a", None), ("http://[", None), ("http://x/\r\na", None),
])
def test_redirect(redirect, location):
    upload = authorize({"key": "a/&b", "success_action_redirect": redirect})
    assert upload.redirect_location("abc") == location
    assert authorize({"key": "a"}).redirect_location("abc") is None


def encoded(document) -> str:
    text = document if isinstance(document, str) else json.dumps(document)
    return base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(("document", "words"), [
    ("{", "Invalid JSON."), ("[]", "Invalid JSON."), ("[" * 5000, "Invalid JSON."),
    ({"conditions": []}, "Policy missing expiration."),
    ({"EXPIRATION": LATER, "conditions": []}, "Policy missing expiration."),
    ({"expiration": LATER}, "Policy missing conditions."),
    ({"expiration": LATER, "conditions": [], "more": 1}, 'Unexpected: "more"'),
    ({"expiration": "tomorrow", "conditions": []}, "Invalid 'expiration' value: 'tomorrow'"),
    ({"expiration": "2023-13-14T00:00:00Z", "conditions": []}, "Invalid 'expiration' value"),
    ({"expiration": "2023-11-14T00:00:00", "conditions": []}, "Invalid 'expiration' value"),
    ({"expiration": 5, "conditions": []}, "Invalid 'expiration' value"),
    ({"expiration": LATER, "conditions": {}}, "must be a List."),
    ({"expiration": LATER, "conditions": ["x"]}, "must be a List or Object."),
    ({"expiration": LATER, "conditions": [[]]}, "missing operation identifier."),
    ({"expiration": LATER, "conditions": [{}]}, "exactly one property"),
    ({"expiration": LATER, "conditions": [{"a": 1}]}, "value must be a string."),
    ({"expiration": LATER, "conditions": [["ends-with", "$a", "b"]]}, "unknown operation 'ends-with'."),
    ({"expiration": LATER, "conditions": [["eq", "$a"]]}, "Invalid eq: wrong number of arguments."),
    ({"expiration": LATER, "conditions": [["eq", "a", "b"]]}, "must be a $variable"),
    ({"expiration": LATER, "conditions": [["content-length-range", 0]]}, "wrong number of arguments."),
    ({"expiration": LATER, "conditions": [["content-length-range", -1, 0]]}, "non-negative integers."),
    ({"expiration": LATER, "conditions": [["content-length-range", "a", 0]]}, "non-negative integers."),
    ({"expiration": LATER, "conditions": [["content-length-range", True, 0]]}, "non-negative integers."),
])
def test_invalid_documents(document, words):
    with pytest.raises(S3Error) as caught:
        parse_policy(encoded(document))
    assert (caught.value.code, caught.value.status) == ("InvalidPolicyDocument", 400)
    assert words in caught.value.message


def test_policy_text():
    conditions = '[["starts-with", "\\$key", "\\\\$a"]]'
    text = f'{{"expiration": "2023-11-14T23:13:20.5+01:00", "conditions": {conditions}}}'
    policy = parse_policy("\n".join(encoded(text)))
    assert policy.expiration == 1_700_000_000.5
    assert (policy.conditions[0].field, policy.conditions[0].value) == ("key", "\\$a")
    with pytest.raises(S3Error):
        parse_policy("not base64!")


@given(st.binary(max_size=200))
def test_garbage_policies_raise_only_s3_errors(garbage):
    with pytest.raises(S3Error):
        parse_policy(base64.b64encode(garbage).decode())
