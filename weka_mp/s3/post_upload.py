"""A browser upload as a whole: from form fields to who uploads what, under which conditions.

Sources: "POST Object" and "Authenticating requests in browser-based uploads using POST" of the S3 API
reference.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote, urlsplit, urlunsplit

from weka_mp.s3 import sigv2
from weka_mp.s3.checksums import Algorithm
from weka_mp.s3.credentials import (
    AccessKeyId,
    Authentication,
    AuthKind,
    SecretLookup,
    SigningKeyCache,
    check_session_token,
    find_secret,
)
from weka_mp.s3.errors import S3Error
from weka_mp.s3.payload import MAX_SINGLE_UPLOAD, PayloadVerifier, expectations
from weka_mp.s3.post_form import FormFields
from weka_mp.s3.post_policy import LengthRange, PostPolicy, parse_policy
from weka_mp.s3.presign import MAX_EXPIRES
from weka_mp.s3.request import MAX_KEY_BYTES, Headers, require_header
from weka_mp.s3.signing_time import MAX_SKEW, parse_basic_iso
from weka_mp.s3.sigv4 import (
    ALGORITHM,
    SERVICE,
    Regions,
    Scope,
    ScopeError,
    parse_scope,
    signature_mismatch,
)
from weka_mp.values import ObjectKey

__all__ = ["PostUpload", "authorize_form"]

_FILENAME: Final = "${filename}"
_V4_FIELDS: Final = ("x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-signature")
_V2_FIELDS: Final = ("awsaccesskeyid", "signature")
_NEVER_EXPANDED: Final = frozenset({*_V4_FIELDS, *_V2_FIELDS, "policy", "x-amz-security-token"})
_NO_HEADERS: Final = frozenset({*_V4_FIELDS, "x-amz-security-token"})
_CONTENT_HEADERS: Final = frozenset({
    "cache-control", "content-disposition", "content-encoding", "content-language", "content-md5",
    "content-type", "expires",
})
_SUCCESS_STATUS: Final = frozenset({"200", "201", "204"})
_SHARED_KEYS: Final = SigningKeyCache()


@dataclass(frozen=True, slots=True)
class PostUpload:
    """An upload whose form was in order; nothing is said yet about whether its sender may write there.

    headers:         the fields that a PUT would send as headers (content-*, x-amz-meta-*, x-amz-acl, …).
    tagging:         the XML document of the ``tagging`` field.
    success_status:  200, 201 or 204, unless redirect is followed.
    redirect:        success_action_redirect as sent.
    lengths:         every content-length-range of the policy.
    """

    bucket: str
    key: ObjectKey
    headers: Headers
    tagging: str | None
    success_status: int
    redirect: str | None
    lengths: tuple[LengthRange, ...]
    authentication: Authentication

    def check_length(self, length: int, *, is_complete: bool) -> None:
        """Refuse a file outside the policy's range or S3's; call it as bytes arrive and at the end.

        Raises S3Error EntityTooLarge or EntityTooSmall.
        """
        most = min([MAX_SINGLE_UPLOAD, *(bounds.most for bounds in self.lengths)])
        if length > most:
            sizes = {"ProposedSize": str(length), "MaxSizeAllowed": str(most)}
            raise S3Error("EntityTooLarge", details=sizes)
        least = max([0, *(bounds.least for bounds in self.lengths)])
        if is_complete and length < least:
            sizes = {"ProposedSize": str(length), "MinSizeAllowed": str(least)}
            raise S3Error("EntityTooSmall", details=sizes)

    def new_verifier(self, *, need_md5: bool = True, compute: Iterable[Algorithm] = ()) -> PayloadVerifier:
        """What hashes the file and compares it with Content-MD5 and x-amz-checksum-* fields.

        Raises S3Error InvalidDigest or InvalidRequest.
        """
        return PayloadVerifier(expectations(self.headers, False), need_md5=need_md5, compute=compute)

    def redirect_location(self, etag: str) -> str | None:
        """Where to send the browser: redirect with bucket, key and etag; None for what is no http(s) URL."""
        if self.redirect is None or not self.redirect.isprintable():
            return None
        try:
            parts = urlsplit(self.redirect)
        except ValueError:
            return None
        if parts.scheme not in ("http", "https") or not parts.netloc:
            return None
        added = f"bucket={quote(self.bucket, safe='')}&key={quote(self.key, safe='')}&etag=%22{etag}%22"
        query = f"{parts.query}&{added}" if parts.query else added
        return urlunsplit(parts._replace(query=query))


def authorize_form(
    form: FormFields,
    bucket: str,
    *,
    now: float,
    lookup: SecretLookup,
    region: str,
    regions: frozenset[str] | None = None,
    secure: bool = False,
    keys: SigningKeyCache = _SHARED_KEYS,
) -> PostUpload:
    """Check signature and policy of a form; arguments as of ``authenticate``.

    A form without a policy is anonymous. Raises S3Error InvalidArgument, InvalidAccessKeyId, InvalidToken,
    SignatureDoesNotMatch, InvalidPolicyDocument, AccessDenied or KeyTooLongError.
    """
    fields = _expanded(form)
    key = _key(fields)
    if any(name in fields for name in _V4_FIELDS):
        authentication = _authenticate_v4(fields, now, lookup, Regions(region, regions), keys, secure)
    elif "policy" in fields or any(name in fields for name in _V2_FIELDS):
        authentication = _authenticate_v2(fields, lookup, secure)
    else:
        authentication = Authentication(None, AuthKind.ANONYMOUS, secure=secure)
    policy = PostPolicy(now, (), ())
    if authentication.kind is not AuthKind.ANONYMOUS:
        policy = parse_policy(fields["policy"])
        policy.check(fields, bucket, now)
    status = fields.get("success_action_status", "")
    return PostUpload(
        bucket, key, _headers(fields), fields.get("tagging"),
        int(status) if status in _SUCCESS_STATUS else 204,
        fields.get("success_action_redirect", fields.get("redirect")),
        policy.lengths, authentication,
    )


def _expanded(form: FormFields) -> dict[str, str]:
    """The fields with ${filename} replaced by the file's name without any path of the sender's machine."""
    name = form.file_name.replace("\\", "/").rpartition("/")[2]
    return {
        field: value if field in _NEVER_EXPANDED else value.replace(_FILENAME, name)
        for field, value in form.fields.items()
    }


def _missing(field: str) -> S3Error:
    return S3Error(
        "InvalidArgument",
        f"Bucket POST must contain a field named '{field}'.  If it is specified, please check the order of "
        "the fields.",
        details={"ArgumentName": field, "ArgumentValue": ""},
    )


def _require(fields: Mapping[str, str], names: Iterable[str]) -> None:
    for name in names:
        if not fields.get(name):
            raise _missing("AWSAccessKeyId" if name == "awsaccesskeyid" else name)


def _key(fields: Mapping[str, str]) -> ObjectKey:
    _require(fields, ["key"])
    key = fields["key"].encode("utf-8")
    if len(key) > MAX_KEY_BYTES:
        sizes = {"Size": str(len(key)), "MaxSizeAllowed": str(MAX_KEY_BYTES)}
        raise S3Error("KeyTooLongError", details=sizes)
    return ObjectKey(key)


def _headers(fields: Mapping[str, str]) -> Headers:
    pairs: list[tuple[str | bytes, str | bytes]] = []
    for name, value in fields.items():
        header = "x-amz-acl" if name == "acl" else name
        if header not in _CONTENT_HEADERS and (not header.startswith("x-amz-") or header in _NO_HEADERS):
            continue
        require_header(name, value)
        pairs.append((header, value.encode("utf-8")))
    return Headers(pairs)


def _argument_error(name: str, value: str, reason: str) -> S3Error:
    return S3Error("InvalidArgument", reason, details={"ArgumentName": name, "ArgumentValue": value})


def _scope_of_form(fields: Mapping[str, str], now: float, regions: Regions) -> tuple[Scope, int]:
    _require(fields, ("policy", *_V4_FIELDS))
    if fields["x-amz-algorithm"] != ALGORITHM:
        raise _argument_error(
            "x-amz-algorithm", fields["x-amz-algorithm"], f'x-amz-algorithm only supports "{ALGORITHM}"'
        )
    try:
        scope = parse_scope(fields["x-amz-credential"], regions)
    except ScopeError as error:
        raise _argument_error("x-amz-credential", fields["x-amz-credential"], error.reason) from error
    moment = parse_basic_iso(fields["x-amz-date"])
    if moment is None or fields["x-amz-date"][:8] != scope.date:
        raise _argument_error(
            "x-amz-date", fields["x-amz-date"], "x-amz-date must be an ISO8601 time of the credential's date"
        )
    if now > moment + MAX_EXPIRES:
        raise S3Error("AccessDenied", "Invalid according to Policy: Policy expired.")
    if moment > now + MAX_SKEW:
        raise S3Error("AccessDenied", "Request is not valid yet")
    return scope, moment


def _authenticate_v4(
    fields: Mapping[str, str],
    now: float,
    lookup: SecretLookup,
    regions: Regions,
    keys: SigningKeyCache,
    secure: bool,
) -> Authentication:
    scope, moment = _scope_of_form(fields, now, regions)
    secret = find_secret(lookup, scope.access_key)
    key = keys.get(secret, scope.date, scope.region, SERVICE)
    policy = fields["policy"].encode("utf-8")
    expected = hmac.digest(key, policy, "sha256").hex().encode()
    if not hmac.compare_digest(expected, fields["x-amz-signature"].encode("utf-8")):
        raise signature_mismatch(scope.access_key, fields["x-amz-signature"], policy)
    token = fields.get("x-amz-security-token")
    check_session_token(secret, token)
    return Authentication(
        AccessKeyId(scope.access_key), AuthKind.POST_V4, session_token=token, age=now - moment, secure=secure
    )


def _authenticate_v2(fields: Mapping[str, str], lookup: SecretLookup, secure: bool) -> Authentication:
    _require(fields, ("policy", *_V2_FIELDS))
    access_key = fields["awsaccesskeyid"]
    secret = find_secret(lookup, access_key)
    sigv2.check_signature(access_key, secret, fields["signature"], fields["policy"].encode("utf-8"))
    token = fields.get("x-amz-security-token")
    check_session_token(secret, token)
    return Authentication(AccessKeyId(access_key), AuthKind.POST_V2, session_token=token, secure=secure)
