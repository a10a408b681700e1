"""Requests signed with SigV4 as bytes for the wire: the client's side of what s3/sigv4 checks."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import quote, urlencode

from weka_mp.clock import Clock
from weka_mp.s3.signing_time import basic_iso

__all__ = ["Keys", "Signer"]

_EMPTY: Final = hashlib.sha256(b"").hexdigest()


@dataclass(frozen=True, slots=True)
class Keys:
    """An access key and its secret, which never shows in a repr."""

    access: str
    secret: str

    def __repr__(self) -> str:
        return f"Keys({self.access!r})"


@lru_cache(maxsize=16)
def _signing_key(secret: str, day: str, region: str) -> bytes:
    key = f"AWS4{secret}".encode()
    for word in (day, region, "s3", "aws4_request"):
        key = hmac.digest(key, word.encode(), "sha256")
    return key


class Signer:
    """Makes whole requests for one endpoint. host: as it stands in the Host header."""

    def __init__(self, host: str, keys: Keys, region: str, clock: Clock) -> None:
        self._host, self._keys, self._region, self._clock = host, keys, region, clock

    def request(
        self, method: str, path: str, query: Mapping[str, str] | None = None, body: bytes = b""
    ) -> bytes:
        """Head and body of a request with a signed payload, on a connection that is kept."""
        raw_path, raw_query = quote(path), urlencode(sorted((query or {}).items()), quote_via=quote)
        digest = hashlib.sha256(body).hexdigest() if body else _EMPTY
        stamp = basic_iso(self._clock.now_ns() / 1e9)
        names = "host;x-amz-content-sha256;x-amz-date"
        headers = f"host:{self._host}\nx-amz-content-sha256:{digest}\nx-amz-date:{stamp}\n"
        canonical = f"{method}\n{raw_path}\n{raw_query}\n{headers}\n{names}\n{digest}"
        scope = f"{stamp[:8]}/{self._region}/s3/aws4_request"
        text = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
        key = _signing_key(self._keys.secret, stamp[:8], self._region)
        signature = hmac.digest(key, text.encode(), "sha256").hex()
        target = f"{raw_path}?{raw_query}" if raw_query else raw_path
        length = f"Content-Length: {len(body)}\r\n" if body or method in ("PUT", "POST") else ""
        head = (
            f"{method} {target} HTTP/1.1\r\nHost: {self._host}\r\nX-Amz-Date: {stamp}\r\n"
            f"X-Amz-Content-Sha256: {digest}\r\n{length}Authorization: AWS4-HMAC-SHA256 "
            f"Credential={self._keys.access}/{scope}, SignedHeaders={names}, Signature={signature}\r\n\r\n"
        )
        return head.encode("ascii") + body
