"""STS and IAM attacked: signatures, forms, tokens, and what POST to the endpoint may be mistaken for."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import jwt
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.server.endpoint import ACCESS_KEY, SECRET_KEY
from tests.server.identities import PASSWORD, Office, allowing, running_office
from tests.server.query_http import (
    FORM,
    HOST,
    IAM_VERSION,
    STS_VERSION,
    USERS,
    WHO,
    digest,
    form,
    presigned,
    request,
    wire,
)
from tests.server.raw_http import Answer, answers, send
from tests.server.test_objects import failure
from weka_mp.identity import Role
from weka_mp.query.parameters import MAX_BODY_BYTES

pytestmark = pytest.mark.slow

ASSUME = {"Action": "AssumeRole", "Version": STS_VERSION}
BOB = ("bob", PASSWORD)
MISMATCH = (403, "SignatureDoesNotMatch")


@pytest.fixture
def office(office: Office) -> Office:
    office.endpoint.client().create_bucket(Bucket="bucket")
    office.user("bob", "readwrite")
    return office


@pytest.fixture(scope="module")
def unchanged(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    """One for all tests that change nothing, with a user bob."""
    root = tmp_path_factory.mktemp("unchanged") / "store"
    root.mkdir()
    with running_office(root) as running:
        running.user("bob", "readwrite")
        yield running


def ask(office: Office, data: bytes) -> tuple[int, str]:
    answer = send(office.endpoint, data)
    return answer.status, answer.code


def element(answer: Answer, name: str) -> str:
    everything = ElementTree.fromstring(answer.body).iter()
    found = [one.text or "" for one in everything if one.tag.endswith(f"}}{name}")]
    assert len(found) == 1, answer.body
    return found[0]


# ---- what is one
def test_post_and_get_and_a_query_are_all_the_same(unchanged):
    target = "/?" + form(WHO).decode()
    for data in (
        request(form(WHO)), request(method="GET", target=target), request(method="POST", target=target),
        request(form(WHO), service="s3"),
        request(form(WHO), headers={"Content-Type": FORM + "; charset=utf-8"}),
        wire("GET", presigned(WHO), {"Host": HOST}),
        wire("POST", presigned(WHO, method="POST"), {"Host": HOST}),
        request(form(WHO), headers={"X-Amz-Content-SHA256": digest(form(WHO))}),
    ):
        answer = send(unchanged.endpoint, data)
        assert answer.status == 200, answer
        assert element(answer, "Arn") == "arn:aws:iam::000000000001:root"


def test_what_is_s3s_stays_s3s(office):
    """No POST of a form to a bucket, by whatever name, is read as a call of STS or IAM."""
    body = form({"Action": "CreateUser", "Version": IAM_VERSION, "UserName": "eve"})
    for service in ("s3", "iam", "sts"):
        for target in ("/bucket", "/bucket/", "/bucket/key", "/bucket?Action=CreateUser", "//", "/%2F"):
            answer = send(office.endpoint, request(body, target=target, service=service))
            assert answer.status in (400, 403, 405, 412), (target, answer)
            assert b"ErrorResponse" not in answer.body
    assert "eve" not in office.identities.registry.users
    assert ask(office, request(b"<x/>", service="s3", headers={
        "Content-Type": "text/xml", "X-Amz-Content-SHA256": digest(b"<x/>"),
    })) == (405, "MethodNotAllowed")
    listing = send(office.endpoint, request(method="GET", service="s3", headers={
        "X-Amz-Content-SHA256": digest(b"")}))
    assert b"ListAllMyBucketsResult" in listing.body


def test_a_bucket_by_its_host_is_no_address_of_theirs(tmp_path):
    root = tmp_path / "store"
    root.mkdir()
    with running_office(root, domains=("s3.example",)) as office:
        office.endpoint.client().create_bucket(Bucket="bucket")
        body = form(WHO)
        assert send(office.endpoint, request(body)).status == 200
        answer = send(office.endpoint, request(body, host="bucket.s3.example"))
        assert answer.status != 200 and b"ErrorResponse" not in answer.body


def test_a_signature_for_one_service_is_none_for_another(unchanged):
    users = form(USERS)
    assert ask(unchanged, request(users, service="iam"))[0] == 200
    assert ask(unchanged, request(users, service="s3")) == MISMATCH
    assert ask(unchanged, request(users, service="sts")) == MISMATCH
    assert ask(unchanged, request(form(WHO), service="iam")) == MISMATCH
    assert ask(unchanged, request(form(WHO), service="ec2")) == (400, "IncompleteSignature")
    # and never one for S3: a call of STS that somebody overheard reads no bucket
    hashed = {"X-Amz-Content-SHA256": digest(b"")}
    assert ask(unchanged, request(method="GET", target="/bucket", service="sts", headers=hashed)) == (
        400, "AuthorizationHeaderMalformed")


# ---- signatures
def test_stripped_and_doubled_signatures(unchanged):
    body = form(WHO)
    assert ask(unchanged, wire("POST", "/", {"Host": HOST, "Content-Type": FORM}, body)) == (
        403, "MissingAuthenticationToken")
    assert ask(unchanged, wire("GET", "/?" + body.decode(), {"Host": HOST})) == (
        403, "MissingAuthenticationToken")
    both = request(method="GET", target=presigned(WHO))
    assert ask(unchanged, both) == (400, "IncompleteSignature")
    good = request(body)
    line = next(line for line in good.split(b"\r\n") if line.lower().startswith(b"authorization"))
    twice = good.replace(line, line + b"\r\n" + line)
    assert send(unchanged.endpoint, twice).status == 400
    aws = {"Host": HOST, "Content-Type": FORM, "Authorization": f"AWS {ACCESS_KEY}:c2ln"}
    assert ask(unchanged, wire("POST", "/", aws, body)) == (400, "IncompleteSignature")
    second = "/?" + form({**WHO, "AWSAccessKeyId": ACCESS_KEY, "Signature": "x", "Expires": "9"}).decode()
    assert ask(unchanged, wire("GET", second, {"Host": HOST})) == (400, "IncompleteSignature")


def test_the_body_is_always_signed(unchanged):
    body, other = form(WHO), form(ASSUME)
    assert ask(unchanged, request(body, send_body=other)) == MISMATCH
    for mode in ("UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", digest(b"")):
        for service in ("s3", "sts"):
            made = request(body, service=service, headers={"X-Amz-Content-SHA256": mode})
            assert ask(unchanged, made) == MISMATCH, mode
    # nor does a header that is signed itself, but says something else
    lying = SigV4Auth(Credentials(ACCESS_KEY, SECRET_KEY), "sts", "us-east-1")
    lying.payload = lambda _: digest(body)
    made = AWSRequest("POST", f"http://{HOST}/", data=body, headers={
        "Host": HOST, "Content-Type": FORM, "X-Amz-Content-SHA256": "UNSIGNED-PAYLOAD",
    })
    lying.add_auth(made)
    assert ask(unchanged, wire("POST", "/", dict(made.headers.items()), body)) == MISMATCH
    # a pre-signed query says nothing of a body, so there is none
    extra = wire("POST", presigned(WHO, method="POST"), {"Host": HOST, "Content-Type": FORM}, b"UserName=eve")
    assert ask(unchanged, extra) == MISMATCH


def test_a_query_that_was_changed(unchanged):
    target = presigned(WHO)
    for changed in (
        target.replace("GetCallerIdentity", "GetSessionToken"), target + "&DurationSeconds=900",
        target.replace("X-Amz-Expires=3600", "X-Amz-Expires=36000"),
    ):
        assert ask(unchanged, wire("GET", changed, {"Host": HOST})) == MISMATCH
    assert ask(unchanged, wire("GET", target, {"Host": "other.example"})) == MISMATCH


def test_headers_that_matter_are_signed(unchanged):
    for header in ("x-amz-security-token", "x-amz-date-other"):
        assert ask(unchanged, request(form(WHO), unsigned={header: "x"})) == (403, "AccessDenied")


def test_replays_end_after_a_quarter_of_an_hour(office, monkeypatch):
    at = time.time()
    data = request(form(ASSUME), keys=BOB)
    url = presigned(WHO, expires=604_800)  # whatever it says: at STS nothing pre-signed is good for longer
    assert ask(office, data)[0] == 200
    service_clock = office.endpoint.namespace.clock
    for seconds, good in ((880, True), (960, False)):
        monkeypatch.setattr(type(service_clock), "now_ns", lambda _, s=seconds: int((at + s) * 1e9))
        header, query = ask(office, data), ask(office, wire("GET", url, {"Host": HOST}))
        assert (header[0] == 200, query[0] == 200) == (good, good)
    assert (header, query) == (MISMATCH, (403, "AccessDenied"))


def test_keys_that_are_nobodys(office):
    for keys, token in ((("nobody", "x"), None), ((ACCESS_KEY, SECRET_KEY), "a-token"), (("", "x"), None)):
        status, code = ask(office, request(form(WHO), keys=keys, token=token))
        assert (status, code) in ((403, "InvalidClientTokenId"), (400, "IncompleteSignature"))
    assert ask(office, request(form(WHO), keys=("bob", "wrong"))) == MISMATCH
    office.admin.add_user("boss", Role.CLUSTER_ADMIN, PASSWORD)
    assert ask(office, request(form(USERS), service="iam", keys=("boss", PASSWORD))) == (
        403, "InvalidClientTokenId")


# ---- session tokens
def tokens(office: Office, credentials: Any) -> Iterator[tuple[str, str]]:
    """Every forgery of the token of these credentials that we know of."""
    good = credentials["SessionToken"]
    header, claims, _ = good.split(".")
    content = jwt.decode(good, options={"verify_signature": False})

    def part(value: object) -> str:
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()

    plain = jwt.get_unverified_header(good)
    yield "none", f"{part({**plain, 'alg': 'none'})}.{claims}."
    yield "no signature", f"{header}.{claims}."
    for algorithm, hashed in (("HS256", hashlib.sha256), ("HS384", hashlib.sha384)):
        text = f"{part({**plain, 'alg': algorithm})}.{claims}"
        for key in (b"", SECRET_KEY.encode(), credentials["SecretAccessKey"].encode()):
            signature = hmac.new(key, text.encode(), hashed).digest()
            yield algorithm, f"{text}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"
    for key in (credentials["SecretAccessKey"], PASSWORD, SECRET_KEY):
        forged = {**content, "exp": content["exp"] + 86_400}
        yield "another's key", jwt.encode(forged, key.ljust(64, "x"), "HS512", headers=plain)
    yield "later", f"{header}.{part({**content, 'exp': content['exp'] + 1})}.{good.split('.')[2]}"
    yield "empty", ""
    yield "cut", good[:-1]


def test_forged_tokens_are_nobodys(office):
    credentials = office.service("sts", {"AccessKeyId": "bob", "SecretAccessKey": PASSWORD}).assume_role(
        RoleArn="arn:xxx:xxx:xxx:xxxx", RoleSessionName="any", Policy=allowing("s3:ListBucket", "bucket")
    )["Credentials"]
    keys = (credentials["AccessKeyId"], credentials["SecretAccessKey"])
    assert ask(office, request(form(WHO), keys=keys, token=credentials["SessionToken"]))[0] == 200
    for what, token in tokens(office, credentials):
        found = ask(office, request(form(WHO), keys=keys, token=token or None))
        assert found == (403, "InvalidClientTokenId"), what
        if token:
            s3 = office.service("s3", {**credentials, "SessionToken": token})
            assert failure(s3.list_objects_v2, Bucket="bucket")[1] in (400, 403), what


def test_tokens_of_others_are_nobodys(office, tmp_path):
    """Of another parent, of another store, of the same parent with other rights."""
    def given(where: Office, user: str, **arguments: Any) -> Any:
        sts = where.service("sts", {"AccessKeyId": user, "SecretAccessKey": PASSWORD})
        return sts.assume_role(
            RoleArn="arn:xxx:xxx:xxx:xxxx", RoleSessionName="any", **arguments
        )["Credentials"]

    office.user("eve")
    narrow = given(office, "bob", Policy=allowing("s3:ListBucket", "bucket"))
    root = tmp_path / "elsewhere" / "store"
    root.mkdir(parents=True)
    with running_office(root) as other:
        other.user("bob", "readwrite")
        foreign = given(other, "bob")
    for one in (given(office, "eve"), given(office, "bob"), foreign):
        mixed = {**narrow, "SessionToken": one["SessionToken"]}
        assert failure(office.service("sts", mixed).get_caller_identity) == ("InvalidClientTokenId", 403)
        assert failure(office.service("s3", mixed).list_objects_v2, Bucket="bucket")[1] in (400, 403)
    assert failure(office.service("s3", foreign).list_buckets) == ("InvalidAccessKeyId", 403)
    assert failure(office.service("sts", foreign).get_caller_identity) == ("InvalidClientTokenId", 403)


# ---- forms
@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        (b"", (400, "InvalidAction")),
        (b"Action=GetCallerIdentity", (400, "InvalidAction")),
        (b"Action=GetCallerIdentity&Version=2010-05-08", (400, "InvalidAction")),
        (b"Action=ListUsers&Version=2011-06-15", (400, "InvalidAction")),
        (b"Action=Fly&Version=2011-06-15", (400, "InvalidAction")),
        (b"Action=GetCallerIdentity&Version=2011-06-15&Action=x", (400, "MalformedQueryString")),
        (b"Action=AssumeRole&Version=2011-06-15&Policy=a&Policy=b", (400, "MalformedQueryString")),
        (b"Action=GetCallerIdentity&Version=2011-06-15&More=1", (501, "NotImplemented")),
        (b"Action=%", (400, "MalformedQueryString")), (b"Action=%ff", (400, "MalformedQueryString")),
        (b"&".join(b"a%d=1" % number for number in range(1001)), (400, "MalformedQueryString")),
        (b"Action=AssumeRole&Version=2011-06-15&DurationSeconds=9e9", (400, "ValidationError")),
        ("Action=AssumeRole&Version=2011-06-15&DurationSeconds=٩٠٠".encode(), (400, "ValidationError")),
        (b"Action=AssumeRole&Version=2011-06-15&DurationSeconds=" + b"9" * 5000, (400, "ValidationError")),
        (b"Action=GetCallerIdentity%00&Version=2011-06-15", (400, "InvalidAction")),
    ],
)
def test_malformed_forms(unchanged, body, wanted):
    assert ask(unchanged, request(body)) == wanted


def test_an_action_in_the_target_and_one_in_the_form(unchanged):
    made = request(form(WHO), target="/?Action=GetSessionToken&Version=2011-06-15")
    assert ask(unchanged, made) == (400, "MalformedQueryString")


def test_bodies_have_a_bound(unchanged):
    fits = form({**WHO, "x": "y" * (MAX_BODY_BYTES - 100)})
    assert ask(unchanged, request(fits)) == (501, "NotImplemented")
    assert ask(unchanged, request(form({**WHO, "x": "y" * MAX_BODY_BYTES}))) == (413, "RequestEntityTooLarge")
    head = request(form(WHO), headers={"Transfer-Encoding": "chunked"}, send_body=b"1\r\na\r\n0\r\n\r\n")
    assert ask(unchanged, head) == (411, "MissingContentLength")
    with_get = request(form(WHO), method="GET", target="/?Action=GetCallerIdentity&Version=2011-06-15")
    assert ask(unchanged, with_get) == (400, "MalformedQueryString")


def test_a_stranger_sends_no_body(unchanged):
    """Who has no key is refused before a byte of the body is asked for."""
    data = request(form(WHO), keys=("nobody", "x"), headers={"Expect": "100-continue"})
    head = data[: data.index(b"\r\n\r\n") + 4]
    found = answers(unchanged.endpoint.port, head)
    assert [(one.status, one.code) for one in found] == [(403, "InvalidClientTokenId")]


def test_markup_in_values_is_text(office):
    """What a caller sends comes back as text, or not at all."""
    for value in ("</Message><Code>x", "]]>", "&lt;", "\x00\x01\x1b[31m", "<!ENTITY x SYSTEM 'file:///e'>"):
        for parameters in (
            {"Action": value, "Version": STS_VERSION}, {**WHO, "Version": value}, {**WHO, value: "x"},
            {**ASSUME, "RoleSessionName": value}, {**ASSUME, "Policy": value},
            {**ASSUME, "DurationSeconds": value},
        ):
            answer = send(office.endpoint, request(form(parameters)))
            assert answer.status in (400, 501)
            element(answer, "Code"), element(answer, "Message")
    iam = office.service("iam")
    arn = iam.create_policy(
        PolicyName="p", PolicyDocument=allowing("s3:*", "*"), Description="</Description><Arn>&\"'"
    )["Policy"]["Arn"]
    assert iam.get_policy(PolicyArn=arn)["Policy"]["Description"] == "</Description><Arn>&\"'"


def test_nothing_secret_is_logged(office, caplog):
    caplog.set_level("DEBUG")
    iam = office.service("iam")
    key = iam.create_access_key(UserName="bob")["AccessKey"]
    given = office.service("sts", key).assume_role(RoleArn="arn:xxx:xxx:xxx:xxxx", RoleSessionName="any")
    office.service("sts", key).get_session_token()
    ours = [record for record in caplog.records if record.name.startswith("weka_mp")]
    text = "\n".join(f"{record.getMessage()} {getattr(record, 'fields', '')}" for record in ours)
    told = [record.getMessage() for record in ours if record.name == "weka_mp.server"]
    assert [message.partition(": ")[2].strip() for message in told] == [
        "iam:CreateAccessKey bob", "sts:AssumeRole", "sts:GetSessionToken",
    ]
    for secret in (key["SecretAccessKey"], given["Credentials"]["SecretAccessKey"],
                   given["Credentials"]["SessionToken"], PASSWORD, SECRET_KEY):
        assert secret not in text
