"""Continuation tokens: where a listing goes on, opaque to clients and stateless for us.

A token is base64url of a version byte, a short check and the marker. The check turns anything that we
did not make into InvalidArgument instead of a listing from somewhere odd; it keeps no secret, since the
marker is none.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import Final

from weka_mp.s3.errors import S3Error

__all__ = ["decode_token", "encode_token"]

_VERSION: Final = b"\x01"
_CHECK_BYTES: Final = 6


def _check(marker: bytes) -> bytes:
    return hashlib.blake2b(marker, digest_size=_CHECK_BYTES, person=b"weka_mp list").digest()


def encode_token(marker: bytes) -> str:
    """The token for a resume marker."""
    raw = _VERSION + _check(marker) + marker
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")


def decode_token(token: str) -> bytes:
    """The marker in a token. Raises S3Error InvalidArgument for whatever `encode_token` did not make."""
    try:
        raw = base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise _incorrect(token) from error
    head = len(_VERSION) + _CHECK_BYTES
    marker = raw[head:]
    if raw[:head] != _VERSION + _check(marker):
        raise _incorrect(token)
    return marker


def _incorrect(token: str) -> S3Error:
    return S3Error(
        "InvalidArgument", "The continuation token provided is incorrect",
        details={"ArgumentName": "continuation-token", "ArgumentValue": token},
    )
