"""Attempts to get in without a key, or with less than it takes: none is answered with data, none changes any.

The store has a bucket that nobody but its owner may read or write. Attackers know all that is public: names,
access keys, and what was seen on the wire: a pre-signed URL, a signed upload, another session's token. Each
attempt is bytes; what public advisories of S3 servers describe is named where it was the pattern.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest
from botocore.auth import S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.server.endpoint import ACCESS_KEY, SECRET_KEY
from tests.server.identities import PASSWORD, Office, running_office
from tests.server.raw_http import Answer, answers, read_answer, signed
from weka_mp.identity import Issued

pytestmark = pytest.mark.slow

HOST = "s3.example"
SECRET = b"nobody reads this"
CHUNKS = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"
SIGNED_CHUNKS = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"


@dataclass
class Vault:
    """A store with users: root, whose buckets these are; owner, who may all; eve, who may nothing.

    mine, other: temporary credentials of the owner.
    """

    office: Office
    mine: Issued
    other: Issued



@pytest.fixture(scope="module")
def vault(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vault]:
    root = tmp_path_factory.mktemp("vault") / "store"
    root.mkdir()
    with running_office(root, domains=("s3.example",)) as office:
        client = office.endpoint.client()
        for bucket in ("vault", "other"):
            client.create_bucket(Bucket=bucket)
        for key in ("secret", "shared", "vault/shared"):  # the last one is what a wrong Host would find
            client.put_object(Bucket="vault", Key=key, Body=SECRET)
        office.user("eve")
        office.user("owner", "readwrite")
        yield Vault(office, *(office.issuer.assume_role("owner") for _ in range(2)))


def held(vault: Vault) -> dict[str, bytes]:
    """What is in the buckets, past all doors."""
    root = vault.office.endpoint.root
    return {
        str(path.relative_to(root)): path.read_bytes()
        for bucket in ("vault", "other") for path in (root / bucket).rglob("*") if path.is_file()
    }


def asked(vault: Vault, wire: bytes) -> list[Answer]:
    if not wire.startswith(b"HEAD"):
        return answers(vault.office.endpoint.port, wire)
    with vault.office.endpoint.connect() as sock:
        sock.sendall(wire)
        return [read_answer(sock, head_only=True)]


def refused(vault: Vault, wire: bytes) -> list[Answer]:
    """The answers, none of them good."""
    before, registry = held(vault), vault.office.identities.registry
    found = asked(vault, wire)
    assert found, "closed without a word"
    for answer in found:
        assert answer.status >= 400 and SECRET not in answer.body, answer
    assert held(vault) == before and vault.office.identities.registry == registry
    return found


def given(method: str = "GET") -> str:
    """What somebody was given by root: the target of a pre-signed URL of one key."""
    made = AWSRequest(method, f"http://{HOST}/vault/shared", headers={"Host": HOST})
    S3SigV4QueryAuth(Credentials(ACCESS_KEY, SECRET_KEY), "s3", "us-east-1", expires=300).add_auth(made)
    return str(made.url).removeprefix(f"http://{HOST}")


def plain(method: str = "GET", target: str = "/vault/secret", body: bytes = b"", **headers: str) -> bytes:
    fields = {"Host": HOST, "Content-Length": str(len(body)), **headers}
    lines = [f"{method} {target} HTTP/1.1", *(f"{k.replace('_', '-')}: {v}" for k, v in fields.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def with_header(wire: bytes, *lines: str) -> bytes:
    head, separator, body = wire.partition(b"\r\n\r\n")
    return b"\r\n".join([head, *(line.encode("latin-1") for line in lines)]) + separator + body


def replaced(wire: bytes, old: str, new: str) -> bytes:
    assert old.encode() in wire, (old, wire)
    return wire.replace(old.encode(), new.encode())


def field(wire: bytes, name: str) -> str:
    lines = wire.partition(b"\r\n\r\n")[0].decode("latin-1").split("\r\n")
    return next(line.partition(": ")[2] for line in lines if line.lower().startswith(name.lower() + ":"))


def without(wire: bytes, name: str) -> bytes:
    lines = wire.split(b"\r\n")
    return b"\r\n".join(line for line in lines if not line.lower().startswith(name.lower().encode() + b":"))


# ---- the control: what is given is good, so that the refusals below mean something
def test_what_was_given_opens_what_it_was_given_for(vault):
    assert [answer.body for answer in asked(vault, plain(target=given()))] == [SECRET]
    assert asked(vault, signed("HEAD", "/vault/secret", b""))[0].status == 200


# ---- nobody signed
PATHS = (
    "/vault/secret", "/vault/%73ecret", "/%76ault/secret", "//vault/secret", "/vault//secret",
    "/./vault/secret", "/x/../vault/secret", "/%2e%2e/vault/secret", "/%252e%252e/vault/secret",
    "/vault%2Fsecret", "/vault/./secret", "/vault/secret/", "/vault/secret?", "/vault/secret?&",
    "/vault/secret;x", "/vault/secret%00", "/vault/secret%20", "/vault", "/vault/", "/vault?list-type=2",
    "/vault?versions", "/vault?uploads", "/vault?policy", "/vault?acl", "/vault?location", "/",
    "/?Action=ListUsers&Version=2010-05-08", f"http://{HOST}/vault/secret", "/.weka/identity/registry",
    "/vault/.weka/identity", "/vault/..%2f.weka%2fidentity%2fregistry", "/vault/%c0%ae%c0%ae/secret",
    "/minio/health/cluster", "/minio/admin/v3/info", "/admin/user", "/metrics", "/api/v2/users",
    "/status?format=json", "/vault/secret?response-content-type=text/html", "/vault/secret?torrent",
)  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
def test_no_path_needs_no_signature(vault, path):
    for method in ("GET", "HEAD", "PUT", "DELETE", "POST", "OPTIONS", "PATCH", "PROPFIND"):
        wire = plain(method, path, b"" if method in ("GET", "HEAD", "OPTIONS") else b"x")
        refused(vault, wire)


AUTHORIZATIONS = (
    "", " ", "AWS", f"AWS {ACCESS_KEY}", f"AWS {ACCESS_KEY}:", f"AWS {ACCESS_KEY}:AAAA", "AWS :",
    "Basic cm9vdDpyb290", "Bearer eyJhbGciOiJub25lIn0.eyJzdWIiOiJyb290In0.", "Negotiate x",
    "AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256 ",
    "aws4-hmac-sha256 Credential={c}, SignedHeaders=host, Signature=" + "0" * 64, "AWS3 x",
    "AWS4-HMAC-SHA1 Credential={c}, SignedHeaders=host, Signature=" + "0" * 40,
    "AWS4-ECDSA-P256-SHA256 Credential={c}, SignedHeaders=host, Signature=00",
    "AWS4-HMAC-SHA256 Credential={c}, SignedHeaders=host, Signature=",
    "AWS4-HMAC-SHA256 Credential={c}, SignedHeaders=, Signature=" + "0" * 64,
    "AWS4-HMAC-SHA256 Credential={c}, SignedHeaders={s}, Signature=" + "0" * 64,
    "AWS4-HMAC-SHA256 Credential={c}, SignedHeaders=host;x-amz-date;x-amz-content-sha256, Signature=\xff",
    "AWS4-HMAC-SHA256 Credential=/{d}/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=" + "0" * 64,
    "AWS4-HMAC-SHA256 Credential=anonymous/{d}/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=00",
)  # fmt: skip


@pytest.mark.parametrize("authorization", AUTHORIZATIONS)
def test_no_authorization_but_a_right_one_counts(vault, authorization):
    """Nor does one that is malformed count as none. CVE-2025-31489: a body of unsigned chunks changes nothing
    of that.
    """
    date = time.strftime("%Y%m%dT%H%M%SZ", time.gmtime())
    scope = f"{ACCESS_KEY}/{date[:8]}/us-east-1/s3/aws4_request"
    names = "host;x-amz-content-sha256;x-amz-date;x-amz-decoded-content-length"
    value = authorization.replace("{c}", scope).replace("{d}", date[:8]).replace("{s}", names)
    for digest, body in (("UNSIGNED-PAYLOAD", b"x"), (CHUNKS, b"1\r\nx\r\n0\r\n\r\n"), (SIGNED_CHUNKS, b"x")):
        more = {"Authorization": value, "x_amz_date": date, "x_amz_content_sha256": digest}
        refused(vault, plain("PUT", "/vault/new", body, x_amz_decoded_content_length="1", **more))
        refused(vault, plain(**more))


# ---- what was given opens nothing else
def test_a_pre_signed_url_is_for_one_method(vault):
    for made, used in (("GET", "PUT"), ("GET", "DELETE"), ("GET", "POST"), ("PUT", "GET"), ("PUT", "DELETE"),
                       ("DELETE", "PUT"), ("HEAD", "GET")):
        refused(vault, plain(used, given(made), b"x" if used in ("PUT", "POST") else b""))
    refused(vault, plain("POST", given("PUT"), b"x", X_HTTP_Method_Override="PUT"))


ADDITIONS = (
    "&versionId=null", "&acl", "&tagging", "&uploads", "&attributes", "&legal-hold", "&renameObject",
    "&policy", "&X-Amz-Expires=604800", "&X-Amz-Credential=eve", "&X-Amz-Algorithm=none",
    "&X-Amz-Date=20990101T000000Z", "&X-Amz-SignedHeaders=", "&response-content-type=text/html",
    "&x-amz-acl=public-read", "&partNumber=1&uploadId=x", "&X-Amz-Security-Token=x",
    "&AWSAccessKeyId=eve&Signature=x&Expires=9999999999", "&%76ersionId=null", "&x=%0d%0a",
    "&X-Amz-Meta-a=b", "#fragment",
)  # fmt: skip


@pytest.mark.parametrize("added", ADDITIONS)
def test_nothing_is_added_to_a_pre_signed_url(vault, added):
    target = given()
    refused(vault, plain(target=target + added))
    path, _, query = target.partition("?")
    if added.startswith("&"):
        refused(vault, plain(target=f"{path}?{added[1:]}&{query}"))


def test_nothing_is_taken_from_a_pre_signed_url(vault):
    target = given()
    path, _, query = target.partition("?")
    pieces = query.split("&")
    for left_out in pieces:
        refused(vault, plain(target=f"{path}?{'&'.join(piece for piece in pieces if piece != left_out)}"))
    for spelt in (query.lower(), query.replace("X-Amz-Signature", "x-amz-signature")):
        refused(vault, plain(target=f"{path}?{spelt}"))


@pytest.mark.parametrize("line", [
    "x-amz-acl: public-read", "x-amz-copy-source: /vault/secret", "x-amz-meta-a: b",
    "x-amz-security-token: x", "x-amz-content-sha256: " + "0" * 64, "X-Amz-Date: 20990101T000000Z",
    "x-amz-tagging: a=b", f"Host: {HOST}", "x-amz-expected-bucket-owner: 000000000001",
    "x-amz-rename-source: secret", "Transfer-Encoding: chunked", f"Authorization: AWS {ACCESS_KEY}:x",
    "Authorization:", "x-amz-website-redirect-location: /x", "x-amz-decoded-content-length: 1",
    f"x-amz-content-sha256: {CHUNKS}",
])  # fmt: skip
def test_no_header_that_matters_is_added_to_what_was_signed(vault, line):
    refused(vault, with_header(plain(target=given()), line))
    if not line.startswith(("x-amz-content", "X-Amz-Date")):
        refused(vault, with_header(signed("PUT", "/vault/shared", b"other bytes")[:-1], line))
    refused(vault, with_header(plain("PUT", given("PUT"), b"other"), line))


def test_a_pre_signed_url_is_for_one_place(vault):
    target = given()
    for old, new in (("/vault/shared", "/vault/secret"), ("/vault/shared", "/vault/shared/../secret"),
                     ("/vault/shared", "/vault/shared/%2e%2e/secret"), ("/vault/shared", "/vault//shared"),
                     ("/vault/shared", "/vault/sHared"), ("/vault/shared", "/vault")):
        refused(vault, plain(target=target.replace(old, new)))
    hosts = ("vault.s3.example", "other.s3.example", "S3.example:81", "s3.example.", "127.0.0.1", "x", "")
    for host in hosts:
        refused(vault, plain(target=target, Host=host))
    for host in ("other.s3.example", "vault.s3.example"):
        refused(vault, plain(target=f"http://{host}{target}"))
    refused(vault, plain(target=f"http://vault.s3.example{target}", Host="vault.s3.example"))


def test_an_upload_that_was_seen_is_good_for_its_own_bytes_alone(vault):
    wire = signed("PUT", "/vault/seen", b"seen")
    refused(vault, wire.removesuffix(b"seen") + b"evil")
    for other in (CHUNKS, SIGNED_CHUNKS, "UNSIGNED-PAYLOAD", "0" * 64, "", f"{SIGNED_CHUNKS}-TRAILER"):
        refused(vault, replaced(wire, field(wire, "x-amz-content-sha256"), other))
    refused(vault, without(wire, "x-amz-content-sha256"))
    for old, new in (
        ("PUT /vault/seen", "PUT /vault/shared"), ("PUT /vault/seen", "DELETE /vault/shared"),
        ("PUT /vault/seen", "PUT /vault/seen?acl"), ("Host: s3.example", "Host: vault.s3.example"),
        ("/s3/aws4_request", "/sts/aws4_request"), ("/us-east-1/", "/eu-west-1/"),
        (f"Credential={ACCESS_KEY}", "Credential=eve"), ("SignedHeaders=host;", "SignedHeaders="),
    ):
        refused(vault, replaced(wire, old, new))


def test_a_signature_in_two_places_is_one_too_many(vault):
    """Of two people, or of one: neither decides for the other."""
    eve = {"access_key": "eve", "secret": PASSWORD}
    own = signed("GET", "/vault/shared", **eve)
    theirs = signed("GET", "/vault/shared")
    refused(vault, replaced(own, "GET /vault/shared", f"GET {given()}"))
    refused(vault, with_header(own, f"Authorization: {field(theirs, 'authorization')}"))
    refused(vault, with_header(theirs, f"Authorization: {field(own, 'authorization')}"))
    value = field(theirs, "authorization")
    refused(vault, replaced(theirs, value, f"{value}, Credential=eve/x"))
    refused(vault, replaced(theirs, value, f"{value}, {field(own, 'authorization')}"))


def test_a_session_is_its_keys_and_its_token(vault):
    """Neither is good without the other, in any place, nor with another session's."""
    mine, other = vault.mine, vault.other
    keys = {"access_key": mine.access_key, "secret": mine.secret}
    good = {"headers": {"x-amz-security-token": mine.token or ""}}
    assert asked(vault, signed("GET", "/vault/secret", **keys, **good))[0].status == 200
    refused(vault, signed("GET", "/vault/secret", **keys))
    token = mine.token or ""
    for other_token in (other.token or "", "", "x", f"{token},{token}", token[:-1], f"{token}=",
                        token.rpartition(".")[0] + "."):
        refused(vault, signed("GET", "/vault/secret", **keys, headers={"x-amz-security-token": other_token}))
    refused(vault, signed("GET", f"/vault/secret?X-Amz-Security-Token={mine.token}", **keys))
    refused(vault, with_header(signed("GET", "/vault/secret", **keys), f"x-amz-security-token: {mine.token}"))
    refused(vault, signed("GET", "/vault/secret", **good))  # the owner's key with a session's token
    refused(vault, signed("GET", "/vault/secret", access_key=mine.access_key, secret=other.secret, **good))


def test_a_forged_token_makes_no_session(vault):
    """CVE-2024-48916: a token that says it needs no signature; the token itself is no key to anything."""
    claims = json.dumps({"accessKey": "ASIA" + "A" * 16, "sub": "root", "exp": 9_999_999_999}).encode()
    for head in ({"alg": "none"}, {"alg": "HS512", "typ": "weka-sts+jwt"}, {"alg": "RS256"}):
        parts = (json.dumps(head).encode(), claims)
        text = [base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts]
        token = ".".join([*text, ""])
        for access_key, secret in (("ASIA" + "A" * 16, ""), ("ASIA" + "A" * 16, token), (ACCESS_KEY, "x")):
            refused(vault, signed("GET", "/vault/secret", access_key=access_key, secret=secret,
                                  headers={"x-amz-security-token": token}))


# ---- bodies
def test_chunks_of_another_request_are_not_taken(vault):
    """Their signatures begin with that of their own request. A body that is cut, or goes on, is none."""
    body = b"a" * 8192
    first, second = (chunked(body, key) for key in ("one", "two"))
    head, separator, _ = first.partition(b"\r\n\r\n")
    _, _, others = second.partition(b"\r\n\r\n")
    refused(vault, head + separator + others)
    whole = first.partition(b"\r\n\r\n")[2]
    last = whole.rindex(b"0;chunk-signature=")
    for changed in (whole[:last], whole[:last] + b"0\r\n\r\n", whole[last:], whole.replace(b"a", b"b", 1),
                    whole[:last] + b"0;chunk-signature=" + b"0" * 64 + b"\r\n\r\n",
                    whole.replace(b";chunk-signature=", b";chunk-signatur=", 1), whole + whole):
        length = f"Content-Length: {len(whole)}"
        refused(vault, replaced(head, length, f"Content-Length: {len(changed)}") + separator + changed)
    assert asked(vault, first)[0].status == 200


# ---- version 2, which signs less
def test_a_version_2_url_is_for_one_request(vault):
    client = vault.office.endpoint.client(signature_version="s3", endpoint_url=f"http://{HOST}")
    where = {"Bucket": "vault", "Key": "shared"}
    parts = urlsplit(client.generate_presigned_url("get_object", Params=where, ExpiresIn=300))
    target = f"{parts.path}?{parts.query}"
    assert [answer.body for answer in asked(vault, plain(target=target))] == [SECRET]
    for method in ("PUT", "DELETE", "POST"):
        refused(vault, plain(method, target))
    for added in (
        "&acl", "&tagging", "&uploads", "&versionId=null", "&renameObject", "&attributes", "&x-amz-acl=x",
        "&response-content-type=a", "&%61cl", "&X-Amz-Algorithm=AWS4-HMAC-SHA256", "&Expires=9999999999",
    ):
        if not added.startswith("&Expires"):  # what stands first counts
            refused(vault, plain(target=target + added))
        refused(vault, plain(target=f"{parts.path}?{added[1:]}&{parts.query}"))
    for old, new in (
        ("/vault/shared", "/vault/secret"), ("/vault/", "/other/"), ("/vault/", "/vault//"),
        ("/vault/shared", "/vault/%73hared"), (f"AWSAccessKeyId={ACCESS_KEY}", "AWSAccessKeyId=eve"),
        ("Signature=", "Signature=x"), ("Expires=", "Expires=1"), ("Expires=", "x="),
    ):
        refused(vault, plain(target=target.replace(old, new)))
    for line in ("x-amz-acl: public-read", "Content-Type: text/x", "Content-MD5: x", "x-amz-meta-a: b"):
        refused(vault, with_header(plain(target=target), line))


# ---- forms
def posted(vault: Vault, fields: list[tuple[str, str]], target: str = "/vault", file: bytes = b"x") -> None:
    """None is let through."""
    refused(vault, form(fields, target, file))


def form(fields: list[tuple[str, str]], target: str, file: bytes) -> bytes:
    begin = '--b\r\nContent-Disposition: form-data; name='
    parts = [f'{begin}"{name}"\r\n\r\n{value}\r\n' for name, value in fields]
    parts += [f'{begin}"file"; filename="../f"\r\n\r\n']
    body = "".join(parts).encode() + file + b"\r\n--b--\r\n"
    return plain("POST", target, body, **{"Content-Type": "multipart/form-data; boundary=b"})


@pytest.mark.parametrize("version", ["s3v4", "s3"])
def test_a_form_is_for_one_bucket_and_what_its_policy_names(vault, version):
    """CVE-2023-43040: a form for one bucket of somebody who may write to another, too."""
    client = vault.office.endpoint.client(signature_version=version)
    made = client.generate_presigned_post(
        "other", "in/${filename}", Conditions=[["content-length-range", 2, 3]], ExpiresIn=300
    )["fields"]
    fields = list(made.items())
    signature = next(name for name in made if name.lower().endswith("signature"))
    posted(vault, fields, file=b"abc")
    posted(vault, [("bucket", "vault"), *fields], file=b"abc")
    posted(vault, [("bucket", "other"), *fields], file=b"abc")
    where = "/other"
    for file in (b"a", b"abcd"):
        posted(vault, fields, where, file)
    for changed in (
        [(name, value) for name, value in fields if name != signature],
        [(name, value) for name, value in fields if name != "policy"],
        [(name, "out" if name == "key" else value) for name, value in fields],
        [(name, value + "x" if name == signature else value) for name, value in fields],
        [(name, value[:-4] if name == "policy" else value) for name, value in fields],
        [*fields, ("key", "out")], [*fields, ("KEY", "out")], [*fields, ("x-amz-meta-a", "b")],
        [*fields, ("acl", "public-read")], [*fields, ("Content-Type", "text/html")],
        [*fields, ("success_action_redirect", "http://evil.example/")],
        [*fields, ("x-amz-security-token", "x")],
        [(name, value.replace(ACCESS_KEY, "eve")) for name, value in fields],
        [("key", "in/f")], [("key", "in/f"), ("policy", made["policy"])],
        [("key", "in/f"), (signature, made[signature])],
    ):
        posted(vault, changed, where, b"abc")
    assert asked(vault, form(fields, where, b"abc"))[0].status == 204  # which shows that the rest was right


def chunked(body: bytes, key: str) -> bytes:
    """A signed upload in signed chunks: one of data, and the last."""
    size = len(b"%x;chunk-signature=%b\r\n\r\n" % (len(body), b"0" * 64)) + len(body)
    size += len(b"0;chunk-signature=%b\r\n\r\n" % (b"0" * 64))
    wire = signed("PUT", f"/vault/{key}", payload=SIGNED_CHUNKS, send_body=bytes(size), headers={
        "x-amz-decoded-content-length": str(len(body)), "Content-Encoding": "aws-chunked",
    })
    date = field(wire, "x-amz-date")
    scope = f"{date[:8]}/us-east-1/s3/aws4_request"
    signing = b"AWS4" + SECRET_KEY.encode()
    for part in scope.split("/"):
        signing = hmac.digest(signing, part.encode(), "sha256")
    previous = field(wire, "authorization").rpartition("Signature=")[2]
    framed = b""
    for piece in (body, b""):
        text = "\n".join(["AWS4-HMAC-SHA256-PAYLOAD", date, scope, previous, hashlib.sha256(b"").hexdigest(),
                          hashlib.sha256(piece).hexdigest()])
        previous = hmac.digest(signing, text.encode(), "sha256").hex()
        framed += b"%x;chunk-signature=%b\r\n%b\r\n" % (len(piece), previous.encode(), piece)
    return wire[:-size] + framed
