"""Default deny: only root may do anything, whatever the operation."""

import pytest

from weka_mp.gateway.authorize import ANONYMOUS, Principal, authorize, check_expected_owners
from weka_mp.s3.errors import S3Error
from weka_mp.s3.request import Address, Headers
from weka_mp.s3.routing import ROUTES
from weka_mp.values import BucketName, ObjectKey

WHERE = Address(BucketName("bucket"), ObjectKey(b"key"), virtual_hosted=False)
STRANGERS = [
    ANONYMOUS, Principal("2" * 64, "KEY", False), Principal(None, None, True), Principal(None, "KEY", True),
]


@pytest.mark.parametrize("principal", STRANGERS)
def test_strangers_may_do_nothing(principal):
    for route in ROUTES:
        with pytest.raises(S3Error) as caught:
            authorize(principal, route.name, WHERE)
        assert (caught.value.code, caught.value.status) == ("AccessDenied", 403)


def test_root_may_do_everything():
    root = Principal("1" * 64, "KEY", True)
    assert all(authorize(root, route.name, WHERE) is None for route in ROUTES)


ACCOUNT = "0" * 63 + "1"


@pytest.mark.parametrize("header", ["x-amz-expected-bucket-owner", "x-amz-source-expected-bucket-owner"])
@pytest.mark.parametrize(
    ("expected", "code"),
    [
        (ACCOUNT, None), ("000000000001", None), ("111122223333", "AccessDenied"), ("f" * 64, "AccessDenied"),
        ("", "InvalidBucketOwnerAWSAccountID"), ("root", "InvalidBucketOwnerAWSAccountID"),
        ("00000000001", "InvalidBucketOwnerAWSAccountID"), ("٠" * 12, "InvalidBucketOwnerAWSAccountID"),
    ],
)
def test_the_owner_that_a_client_expects(header, expected, code):
    headers = Headers([(header, expected)])
    if code is None:
        check_expected_owners(headers, ACCOUNT)
        return
    with pytest.raises(S3Error) as caught:
        check_expected_owners(headers, ACCOUNT)
    assert caught.value.code == code


def test_one_right_owner_does_not_hide_a_wrong_one():
    headers = Headers([("x-amz-expected-bucket-owner", each) for each in (ACCOUNT, "111122223333")])
    with pytest.raises(S3Error):
        check_expected_owners(headers, ACCOUNT)
