"""The signed requests that the S3 documentation publishes, from ``tests/wire_cases/signing*.json``.

Every case is one request (method, target, headers), the clock's epoch seconds, the bucket the Host names, and
either who signed it or the error code.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from weka_mp.s3.authentication import authenticate
from weka_mp.s3.credentials import SecretKey
from weka_mp.s3.errors import S3Error
from weka_mp.s3.request import Headers, S3Request

FOLDER = Path(__file__).parents[2] / "wire_cases"
CASES = [case for file in sorted(FOLDER.glob("signing*.json")) for case in json.loads(file.read_text())]
SECRETS = {"AKIAIOSFODNN7EXAMPLE": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"}


def lookup(access_key: str) -> SecretKey | None:
    return SecretKey(access_key, SECRETS[access_key]) if access_key in SECRETS else None


@pytest.mark.parametrize("case", CASES, ids=[case["name"] for case in CASES])
def test_published_request(case):
    headers = Headers([(name, value) for name, value in case["headers"]])
    request = S3Request.from_target(case["method"], case["target"].encode(), headers)
    try:
        found = authenticate(
            request, now=case["now"], lookup=lookup, region="us-east-1", regions=frozenset(),
            allow_header_sigv2=True, virtual_bucket=case["virtual_bucket"],
        )
        outcome = {"kind": found.kind.value, "access_key": found.access_key}
    except S3Error as error:
        outcome = {"error": error.code}
    assert outcome == case["expect"]
