"""What requests say of encryption by the server: told apart from nonsense, and refused by name.

A request that S3 refuses, whoever holds the keys, is refused as S3 does; one that makes sense, with
NotImplemented and what can be done instead (docs/decisions/012). Only the first of a request's faults is
told, and never a key. Source: the chapters on server-side encryption of the S3 user guide; texts
of errors as AWS words them.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Final

from weka_mp.s3.errors import S3Error
from weka_mp.s3.request import Headers

__all__ = ["ENCRYPTION_HEADERS", "REMEDIES", "refuse_encryption"]

_SSE: Final = "x-amz-server-side-encryption"
_KMS_KEY: Final = f"{_SSE}-aws-kms-key-id"
_CONTEXT: Final = f"{_SSE}-context"
_BUCKET_KEY: Final = f"{_SSE}-bucket-key-enabled"
_CUSTOMER_PREFIXES: Final = (f"{_SSE}-customer", "x-amz-copy-source-server-side-encryption-customer")
_CUSTOMER_HEADERS: Final = tuple(
    f"{prefix}-{part}" for prefix in _CUSTOMER_PREFIXES for part in ("algorithm", "key", "key-md5")
)

ENCRYPTION_HEADERS: Final = frozenset({_SSE, _KMS_KEY, _CONTEXT, _BUCKET_KEY, *_CUSTOMER_HEADERS})
"""What this module decides of."""

_AES256: Final = "AES256"
_KMS: Final = ("aws:kms", "aws:kms:dsse")
_KEY_BYTES: Final = 32

_AT_REST: Final = (
    "Objects are plain files here: have the file system below the store encrypted, and ask for nothing."
)
_BY_KMS: Final = f"There is no key management service. {_AT_REST}"
_BY_CUSTOMER: Final = (
    "An object that only the holder of its key can read would be no file for anybody else: encrypt it "
    "before you send it, or have the file system below the store encrypted."
)
REMEDIES: Final = {"PutBucketEncryption": _AT_REST, "UpdateObjectEncryption": _BY_KMS}
"""Operation that is not built → what can be done instead."""


def _invalid(message: str, header: str, value: str | None = None) -> S3Error:
    details = {"ArgumentName": header} | ({} if value is None else {"ArgumentValue": value})
    return S3Error("InvalidArgument", message, details=details)


def _unbuilt(header: str, remedy: str) -> S3Error:
    message = f"A header you provided implies functionality that is not implemented: {header}. {remedy}"
    return S3Error("NotImplemented", message, details={"Header": header})


def refuse_encryption(headers: Headers) -> None:
    """Raises S3Error InvalidArgument, InvalidEncryptionAlgorithmError, NotImplemented (naming the header)."""
    method, customers = headers.get(_SSE), [name for name in _CUSTOMER_HEADERS if name in headers]
    if method is not None and any(name.startswith(_SSE) for name in customers):
        raise _invalid(
            "Server Side Encryption with Customer provided key is incompatible with the encryption method "
            "specified", _SSE, method,
        )
    _check_method(method, headers)
    for prefix in _CUSTOMER_PREFIXES:
        _check_customer(headers, prefix)
    if customers:
        raise _unbuilt(customers[0], _BY_CUSTOMER)
    if method is not None:
        raise _unbuilt(_SSE, _BY_KMS if method in _KMS else _AT_REST)
    if (headers.get(_BUCKET_KEY) or "false").strip().lower() != "false":
        raise _unbuilt(_BUCKET_KEY, _BY_KMS)


def _check_method(method: str | None, headers: Headers) -> None:
    if method is not None and method not in (_AES256, *_KMS):
        raise _invalid("The encryption method specified is not supported", _SSE, method)
    for name in (_KMS_KEY, _CONTEXT):
        if name in headers and method not in _KMS:
            raise _invalid(
                "Server Side Encryption with AWS KMS managed key requires HTTP header "
                f"{_SSE} : aws:kms", name,
            )


def _check_customer(headers: Headers, prefix: str) -> None:
    """The three headers of a customer's key belong together."""
    algorithm, key, digest = (headers.get(f"{prefix}-{part}") for part in ("algorithm", "key", "key-md5"))
    if algorithm is None and key is None and digest is None:
        return
    must = "Requests specifying Server Side Encryption with Customer provided keys must provide"
    if algorithm is None:
        raise _invalid(f"{must} a valid encryption algorithm.", f"{prefix}-algorithm")
    if algorithm != _AES256:
        raise S3Error("InvalidEncryptionAlgorithmError", details={
            "ArgumentName": f"{prefix}-algorithm", "ArgumentValue": algorithm,
        })
    if key is None:
        raise _invalid(f"{must} an appropriate secret key.", f"{prefix}-key")
    if digest is None:
        raise _invalid(f"{must} the client calculated MD5 of the secret key.", f"{prefix}-key-md5")
    secret = _decoded(key)
    if secret is None or len(secret) != _KEY_BYTES:
        raise _invalid("The secret key was invalid for the specified algorithm.", f"{prefix}-key")
    if _decoded(digest) != hashlib.md5(secret, usedforsecurity=False).digest():
        raise _invalid(
            "The calculated MD5 hash of the key did not match the hash that was provided.",
            f"{prefix}-key-md5",
        )


def _decoded(value: str) -> bytes | None:
    try:
        return base64.b64decode(value.strip(), validate=True)
    except (binascii.Error, ValueError):
        return None
