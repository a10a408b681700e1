"""What is said of encryption by the server: nonsense gets S3's errors, sense a refusal with a remedy."""

from __future__ import annotations

import base64
import hashlib

import pytest

from weka_mp.s3.encryption import ENCRYPTION_HEADERS, refuse_encryption
from weka_mp.s3.errors import S3Error
from weka_mp.s3.headers_in import refuse_unbuilt
from weka_mp.s3.request import Headers

SSE = "x-amz-server-side-encryption"
CUSTOMER = f"{SSE}-customer"
SECRET = bytes(range(32))


def encoded(value: bytes) -> str:
    return base64.b64encode(value).decode()


KEY = encoded(SECRET)
DIGEST = encoded(hashlib.md5(SECRET, usedforsecurity=False).digest())
WHOLE = {f"{CUSTOMER}-algorithm": "AES256", f"{CUSTOMER}-key": KEY, f"{CUSTOMER}-key-md5": DIGEST}


def without(name: str) -> dict[str, str]:
    return {header: value for header, value in WHOLE.items() if header != f"{CUSTOMER}-{name}"}


def refusal(fields: dict[str, str]) -> S3Error:
    with pytest.raises(S3Error) as caught:
        refuse_encryption(Headers(list(fields.items())))
    return caught.value


@pytest.mark.parametrize(("fields", "code", "name"), [
    ({SSE: "aes:kms"}, "InvalidArgument", SSE),
    ({SSE: "AES256", **WHOLE}, "InvalidArgument", SSE),
    ({f"{SSE}-aws-kms-key-id": "key"}, "InvalidArgument", f"{SSE}-aws-kms-key-id"),
    ({SSE: "AES256", f"{SSE}-context": "e30="}, "InvalidArgument", f"{SSE}-context"),
    (without("algorithm"), "InvalidArgument", f"{CUSTOMER}-algorithm"),
    (without("key"), "InvalidArgument", f"{CUSTOMER}-key"),
    (without("key-md5"), "InvalidArgument", f"{CUSTOMER}-key-md5"),
    ({**WHOLE, f"{CUSTOMER}-algorithm": "DES"}, "InvalidEncryptionAlgorithmError", f"{CUSTOMER}-algorithm"),
    ({**WHOLE, f"{CUSTOMER}-key": encoded(SECRET[:16])}, "InvalidArgument", f"{CUSTOMER}-key"),
    ({**WHOLE, f"{CUSTOMER}-key": "no base64"}, "InvalidArgument", f"{CUSTOMER}-key"),
    ({**WHOLE, f"{CUSTOMER}-key-md5": encoded(bytes(16))}, "InvalidArgument", f"{CUSTOMER}-key-md5"),
])
def test_what_makes_no_sense_is_told_as_s3_tells_it(fields: dict[str, str], code: str, name: str) -> None:
    error = refusal(fields)
    assert (error.code, error.status, error.details["ArgumentName"]) == (code, 400, name)


@pytest.mark.parametrize(("fields", "header"), [
    ({SSE: "AES256"}, SSE),
    ({SSE: "aws:kms"}, SSE),
    ({SSE: "aws:kms:dsse", f"{SSE}-aws-kms-key-id": "key", f"{SSE}-context": "e30="}, SSE),
    (WHOLE, f"{CUSTOMER}-algorithm"),
    ({name.replace("x-amz-", "x-amz-copy-source-"): value for name, value in WHOLE.items()},
     "x-amz-copy-source-server-side-encryption-customer-algorithm"),
    ({f"{SSE}-bucket-key-enabled": "true"}, f"{SSE}-bucket-key-enabled"),
])
def test_what_makes_sense_is_refused_with_what_to_do_instead(fields: dict[str, str], header: str) -> None:
    error = refusal(fields)
    assert (error.code, error.details) == ("NotImplemented", {"Header": header})
    assert "file system below the store" in error.message


def test_a_copy_may_not_decrypt_its_source_but_may_say_so_beside_a_method() -> None:
    source = {name.replace("x-amz-", "x-amz-copy-source-"): value for name, value in WHOLE.items()}
    assert refusal({SSE: "AES256", **source}).code == "NotImplemented"


def test_no_key_is_told_to_anybody() -> None:
    for fields in (WHOLE, without("key-md5"), {**WHOLE, f"{CUSTOMER}-key-md5": encoded(bytes(16))}):
        error = refusal(fields)
        assert KEY not in f"{error.message}{error.details}"


@pytest.mark.parametrize("name", sorted(ENCRYPTION_HEADERS))
def test_each_header_alone_is_refused(name: str) -> None:
    with pytest.raises(S3Error):
        refuse_unbuilt(Headers([(name, "x")]))


def test_a_switch_that_is_off_asks_for_nothing() -> None:
    refuse_unbuilt(Headers([(f"{SSE}-bucket-key-enabled", "false")]))
