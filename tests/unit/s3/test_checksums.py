"""Checksums against published check values, awscrt, and the bytes themselves."""

from __future__ import annotations

import awscrt.checksums
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weka_mp.s3 import checksums
from weka_mp.s3.checksums import Algorithm, ChecksumType
from weka_mp.s3.errors import S3Error

CHECK_VALUES = {  # of b"123456789"
    Algorithm.CRC32: "cbf43926",
    Algorithm.CRC32C: "e3069283",
    Algorithm.CRC64NVME: "ae8b14860a799888",
    Algorithm.SHA1: "f7c3bc1d808e04732adf679965ccc34ca7ae3441",
    Algorithm.SHA256: "15e2b0d3c33891ebb0f1ef609ec419420c20e320ce94c65fbc8c3312448eb225",
    Algorithm.SHA512: "d9e6762dd1c8eaf6d61b3c6192fc408d4d6d5f1176d0c29169bc24e71c3f274a"
                      "d27fcd5811b313d681f7e55ec02d73d499c95455b6b5bb503acf574fba8ffe85",
    Algorithm.MD5: "25f9e794323b453885f5181f1b624d0b",
    Algorithm.XXHASH64: "8cb841db40e6ae83",
    Algorithm.XXHASH3: "72dcb18b67a17dff",
    Algorithm.XXHASH128: "33119477ede5dcd5e9716427681d5860",
}
CRCS = [Algorithm.CRC32, Algorithm.CRC32C, Algorithm.CRC64NVME]


def digest(algorithm: Algorithm, data: bytes) -> bytes:
    hasher = checksums.new_hasher(algorithm)
    hasher.update(memoryview(data))
    return hasher.digest()


@pytest.mark.parametrize("algorithm", Algorithm)
def test_published_check_values(algorithm):
    hasher = checksums.new_hasher(algorithm)
    for piece in (b"", b"1234", memoryview(b"56789")):
        hasher.update(piece)
    assert hasher.digest().hex() == CHECK_VALUES[algorithm]
    assert len(hasher.digest()) == algorithm.digest_size


@given(st.binary(max_size=300))
def test_crcs_equal_those_of_the_sdk(data):
    assert digest(Algorithm.CRC32, data) == awscrt.checksums.crc32(data).to_bytes(4, "big")
    assert digest(Algorithm.CRC32C, data) == awscrt.checksums.crc32c(data).to_bytes(4, "big")
    assert digest(Algorithm.CRC64NVME, data) == awscrt.checksums.crc64nvme(data).to_bytes(8, "big")


@given(st.binary(max_size=600))
def test_xxhash_equals_that_of_the_sdk(data):
    sdk = awscrt.checksums.XXHash
    assert digest(Algorithm.XXHASH64, data) == sdk.compute_xxhash64(data)
    assert digest(Algorithm.XXHASH3, data) == sdk.compute_xxhash3_64(data)
    assert digest(Algorithm.XXHASH128, data) == sdk.compute_xxhash3_128(data)


@pytest.mark.parametrize("algorithm", CRCS)
@given(parts=st.lists(st.binary(max_size=200), max_size=6))
def test_combined_crc_of_parts_is_the_crc_of_the_whole(algorithm, parts):
    pieces = [(digest(algorithm, part), len(part)) for part in parts]
    assert checksums.combine_parts(algorithm, pieces) == digest(algorithm, b"".join(parts))


@pytest.mark.parametrize("algorithm", CRCS)
def test_combining_large_parts(algorithm):
    part = bytes(range(256)) * 4096
    pieces = [(digest(algorithm, part), len(part))] * 3 + [(digest(algorithm, b"end"), 3)]
    assert checksums.combine_parts(algorithm, pieces) == digest(algorithm, part * 3 + b"end")


@pytest.mark.parametrize("algorithm", [one for one in Algorithm if one not in CRCS])
def test_hashes_do_not_combine(algorithm):
    with pytest.raises(KeyError):
        checksums.combine_parts(algorithm, [(bytes(algorithm.digest_size), 1)])


@pytest.mark.parametrize("algorithm", Algorithm)
def test_composite_is_the_checksum_of_checksums(algorithm):
    parts = [digest(algorithm, b"one"), digest(algorithm, b"two")]
    whole = checksums.composite(algorithm, parts)
    assert whole == digest(algorithm, parts[0] + parts[1])
    assert checksums.composite_text(whole, 2) == checksums.encode_digest(whole) + "-2"


@pytest.mark.parametrize(("algorithm", "requested", "found"), [
    (Algorithm.CRC32, None, ChecksumType.COMPOSITE),
    (Algorithm.CRC32C, "full_object", ChecksumType.FULL_OBJECT),
    (Algorithm.CRC64NVME, None, ChecksumType.FULL_OBJECT),
    (Algorithm.SHA1, None, ChecksumType.COMPOSITE),
    (Algorithm.SHA256, "COMPOSITE", ChecksumType.COMPOSITE),
    (Algorithm.CRC64NVME, "COMPOSITE", None),
    (Algorithm.SHA256, "FULL_OBJECT", None),
    (Algorithm.CRC32, "HALF_OBJECT", None),
])
def test_types(algorithm, requested, found):
    if found is not None:
        assert checksums.resolve_type(algorithm, requested) is found
    else:
        with pytest.raises(S3Error) as caught:
            checksums.resolve_type(algorithm, requested)
        assert caught.value.code == "InvalidRequest"


def test_names():
    assert checksums.find_algorithm("crc64nvme") is Algorithm.CRC64NVME
    assert Algorithm.CRC64NVME.header == "x-amz-checksum-crc64nvme"
    with pytest.raises(S3Error) as caught:
        checksums.find_algorithm("CRC16")
    known = "[CRC32, CRC32C, CRC64NVME, MD5, SHA1, SHA256, SHA512, XXHASH128, XXHASH3, XXHASH64]"
    assert known in caught.value.message


@pytest.mark.parametrize("text", ["", "AAAA", "AAAAAA", "AAAAAA==\n", "!!!!!!==", "é", "AAAAAAAA"])
def test_malformed_digests(text):
    assert checksums.decode_digest(Algorithm.CRC32, text) is None


def test_wire_form():
    assert checksums.decode_digest(Algorithm.CRC32, "y/Q5Jg==") == bytes.fromhex("cbf43926")
    assert checksums.encode_digest(bytes.fromhex("cbf43926")) == "y/Q5Jg=="
