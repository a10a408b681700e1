"""Default deny: only root may do anything, whatever the operation."""

import pytest

from weka_mp.gateway.authorize import ANONYMOUS, Principal, authorize
from weka_mp.s3.errors import S3Error
from weka_mp.s3.request import Address
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
