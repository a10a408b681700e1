"""The additional checksums of S3: algorithms, their wire form, and how those of parts become the object's.

Source: "Checking object integrity" of the S3 user guide. A digest is its big-endian bytes here and base64 on
the wire. FULL_OBJECT covers the object's bytes; COMPOSITE is the checksum of the parts' digests, shown as
base64-N.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterable, Sequence
from enum import Enum
from functools import lru_cache
from typing import Final

from weka_mp import digests
from weka_mp.digests import Hasher
from weka_mp.s3.errors import S3Error

__all__ = [
    "MULTIPLE_CHECKSUMS", "Algorithm", "ChecksumType", "Hasher", "combine_parts", "composite",
    "composite_text", "decode_digest", "encode_digest", "find_algorithm", "new_hasher", "resolve_type",
]

MULTIPLE_CHECKSUMS: Final = (
    "Expecting a single x-amz-checksum- header. Multiple checksum Types are not allowed."
)


class ChecksumType(Enum):
    """What a multipart object's checksum covers (``x-amz-checksum-type``)."""

    COMPOSITE = "COMPOSITE"
    FULL_OBJECT = "FULL_OBJECT"


class Algorithm(Enum):
    """The checksums that are verified and stored; the value is S3's name."""

    CRC32 = "CRC32"
    CRC32C = "CRC32C"
    CRC64NVME = "CRC64NVME"
    SHA1 = "SHA1"
    SHA256 = "SHA256"
    SHA512 = "SHA512"
    MD5 = "MD5"
    XXHASH64 = "XXHASH64"
    XXHASH3 = "XXHASH3"
    XXHASH128 = "XXHASH128"

    @property
    def header(self) -> str:
        """Lower-case name of the header or trailer that carries it."""
        return _HEADERS[self]

    @property
    def digest_size(self) -> int:
        """Bytes of a digest."""
        return digests.DIGEST_SIZES[self.value]

    @property
    def types(self) -> tuple[ChecksumType, ...]:
        """What multipart uploads may ask of it; the first is the default."""
        return _TYPES[self]


_HEADERS: Final = {algorithm: f"x-amz-checksum-{algorithm.value.lower()}" for algorithm in Algorithm}
_LINEAR: Final = (ChecksumType.COMPOSITE, ChecksumType.FULL_OBJECT)
_TYPES: Final = {
    **dict.fromkeys(Algorithm, (ChecksumType.COMPOSITE,)),
    Algorithm.CRC32: _LINEAR,
    Algorithm.CRC32C: _LINEAR,
    Algorithm.CRC64NVME: (ChecksumType.FULL_OBJECT,),
}

# Reflected polynomials: bit 0 is the highest power.
_POLYNOMIALS: Final = {
    Algorithm.CRC32: 0xEDB88320, Algorithm.CRC32C: 0x82F63B78, Algorithm.CRC64NVME: 0x9A6C9329AC4BC9B5,
}


def new_hasher(algorithm: Algorithm) -> Hasher:
    """An empty incremental hasher."""
    return digests.new_hasher(algorithm.value)


def find_algorithm(name: str) -> Algorithm:
    """The algorithm that ``x-amz-checksum-algorithm`` or its like names. Raises S3Error InvalidRequest."""
    try:
        return Algorithm(name.upper())
    except ValueError as error:
        known = ", ".join(sorted(algorithm.value for algorithm in Algorithm))
        raise S3Error(
            "InvalidRequest",
            "Checksum algorithm provided is unsupported. Please try again with any of the valid types: "
            f"[{known}]",
        ) from error


def resolve_type(algorithm: Algorithm, requested: str | None) -> ChecksumType:
    """The type of a multipart upload's checksum. Raises S3Error InvalidRequest."""
    if requested is None:
        return algorithm.types[0]
    try:
        wanted = ChecksumType(requested.upper())
    except ValueError as error:
        raise S3Error("InvalidRequest", "Value for x-amz-checksum-type header is invalid.") from error
    if wanted not in algorithm.types:
        raise S3Error(
            "InvalidRequest",
            f"The {wanted.value} checksum type cannot be used with the {algorithm.value.lower()} "
            "checksum algorithm.",
        )
    return wanted


def encode_digest(digest: bytes) -> str:
    """Base64, as headers and XML show it."""
    return base64.b64encode(digest).decode("ascii")


def decode_digest(algorithm: Algorithm, text: str) -> bytes | None:
    """The digest of a header's value, None when it is not base64 of the right length."""
    try:
        digest = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        return None
    return digest if len(digest) == algorithm.digest_size else None


def composite(algorithm: Algorithm, part_digests: Sequence[bytes]) -> bytes:
    """The checksum of the concatenated digests of the parts."""
    hasher = new_hasher(algorithm)
    hasher.update(b"".join(part_digests))
    return hasher.digest()


def composite_text(digest: bytes, parts: int) -> str:
    """``base64-N``, how a COMPOSITE checksum is shown."""
    return f"{encode_digest(digest)}-{parts}"


def combine_parts(algorithm: Algorithm, parts: Iterable[tuple[bytes, int]]) -> bytes:
    """The FULL_OBJECT checksum of parts given as (digest, length in bytes), without rereading any of them.

    A CRC is a remainder, so a part's CRC moves ahead of n further bytes by a multiplication with x**(8n);
    the inversions at both ends cancel. Raises KeyError for an algorithm that is not a CRC.
    """
    polynomial = _POLYNOMIALS[algorithm]
    width = algorithm.digest_size * 8
    total = 0
    for digest, length in parts:
        shifted = _multiply(_power(polynomial, width, length * 8), total, polynomial, width)
        total = shifted ^ int.from_bytes(digest, "big")
    return total.to_bytes(algorithm.digest_size, "big")


def _multiply(left: int, right: int, polynomial: int, width: int) -> int:
    """left * right modulo the polynomial, all reflected: the top bit is x**0."""
    product = 0
    bit = 1 << (width - 1)
    while left:
        if left & bit:
            product ^= right
            left ^= bit
        bit >>= 1
        right = (right >> 1) ^ polynomial if right & 1 else right >> 1
    return product


@lru_cache(maxsize=4096)
def _power(polynomial: int, width: int, exponent: int) -> int:
    """x**exponent modulo the polynomial. Cached: the parts of an upload have one or two lengths."""
    result = 1 << (width - 1)
    base = 1 << (width - 2)
    while exponent:
        if exponent & 1:
            result = _multiply(result, base, polynomial, width)
        base = _multiply(base, base, polynomial, width)
        exponent >>= 1
    return result
