"""Events and spools for tests."""

from __future__ import annotations

import json
from typing import Any

from weka_mp.audit import Call, Deployment

DEPLOYMENT = Deployment("000102030405060708090a0b0c0d0e0f", "data", "node-1")
SCOPE = "AKIAIOSFODNN7EXAMPLE/20250321/us-east-1/s3/aws4_request"


def call(number: int = 1, **changed: Any) -> Call:
    known: dict[str, Any] = {
        "request_id": f"{number:016X}", "name": "PutObject", "method": "PUT", "bucket": "phg-sandman",
        "key": b"cat-and-dog.jpg", "status": 200, "time_ns": 1_742_539_047_915_055_685 + number,
        "taken_ns": 10_531_825, "remote": "216.58.114.14", "server_ip": "10.26.211.72",
        "request_headers": (
            ("host", "s3"), ("user-agent", "aws-sdk-go/1.44.235"), ("content-type", "image/jpeg"),
            ("authorization", f"AWS4-HMAC-SHA256 Credential={SCOPE}, SignedHeaders=host, Signature=feed"),
        ),
        "query": (("x-id", "PutObject"),),
        "response_headers": (("ETag", '"5d64dcd326aa93f6542e27f757ec8146"'), ("Server", "weka_mp")),
        "user_agent": "aws-sdk-go/1.44.235", "access_key": "AKIAIOSFODNN7EXAMPLE",
        "user": "arn:aws:iam::000000000001:user/ann", "account": "root", "received": 5, "tls_version": "1.3",
    }  # fmt: skip
    return Call(**{**known, **changed})


def ids(lines: Any) -> list[int]:
    return [int(json.loads(line)["requestID"], 16) for line in lines]
