"""Every domain error has its S3 spelling, and each spelling exists."""

import pytest

from weka_mp import errors
from weka_mp.gateway.error_map import S3_ERRORS, to_s3_error
from weka_mp.s3.error_catalogue import CATALOGUE

MARKER = errors.DeleteMarkerMet("v1", 1_000_000_000_500_000_000, named=False, subject=b"key")
NO_VERSION = errors.VersionMissing(version="0" * 32, subject=b"k")


def _all_errors():
    found, rest = set(), [errors.NamespaceError]
    while rest:
        kind = rest.pop()
        found.add(kind)
        rest += [k for k in kind.__subclasses__() if k.__module__ == errors.__name__]
    return found


def test_every_domain_error_is_mapped():
    assert set(S3_ERRORS) == _all_errors()


@pytest.mark.parametrize("kind", sorted(S3_ERRORS, key=lambda k: k.__name__))
def test_every_code_is_in_the_catalogue(kind):
    made = {errors.DeleteMarkerMet: MARKER, errors.VersionMissing: NO_VERSION}
    raised = made.get(kind) or kind("something")
    error, _ = to_s3_error(raised, "bucket", b"key")
    assert error.code in CATALOGUE
    assert error.message
    assert 400 <= error.status < 600


def test_a_missing_key_is_named():
    error, defect = to_s3_error(errors.NotFound(), "b", "ä/k".encode())
    assert (error.code, error.status, error.details, defect) == ("NoSuchKey", 404, {"Key": "ä/k"}, False)


def test_a_missing_version_names_its_key_and_itself():
    error, defect = to_s3_error(NO_VERSION, "b", b"k")
    assert (error.code, error.status, defect) == ("NoSuchVersion", 404, False)
    assert error.details == {"Key": "k", "VersionId": "0" * 32}


def test_a_delete_marker_as_the_latest_version_is_no_object():
    error, defect = to_s3_error(MARKER, "b", b"k")
    assert (error.code, error.status, error.details, defect) == ("NoSuchKey", 404, {"Key": "k"}, False)
    assert error.headers == {"x-amz-delete-marker": "true", "x-amz-version-id": "v1"}


def test_a_delete_marker_that_is_named_can_be_deleted_alone():
    named = errors.DeleteMarkerMet("v1", 1_000_000_000_500_000_000, named=True)
    error, _ = to_s3_error(named, "b", b"k")
    assert (error.code, error.status) == ("MethodNotAllowed", 405)
    assert error.headers == {
        "x-amz-delete-marker": "true", "x-amz-version-id": "v1", "Allow": "DELETE",
        "Last-Modified": "Sun, 09 Sep 2001 01:46:40 GMT",
    }


def test_a_failed_condition_is_named():
    error, _ = to_s3_error(errors.PreconditionFailed("If-Match"), "b", b"k")
    assert (error.code, error.status, error.details) == ("PreconditionFailed", 412, {"Condition": "If-Match"})


def test_a_failing_disk_is_a_defect():
    error, defect = to_s3_error(errors.IoFailure(), "b", b"k")
    assert (error.code, error.status, defect) == ("InternalError", 500, True)


def test_a_class_from_elsewhere_takes_its_base_s_row():
    class Odd(errors.NoSpace):
        pass

    assert to_s3_error(Odd(), None, None)[0].code == "StorageFull"
