"""Every domain error has one errno, and nothing else ever leaves a handler."""

from __future__ import annotations

import errno
import logging

import pytest

from weka_mp import errors
from weka_mp.fuse.errno_map import TABLE, errno_of
from weka_mp.store import translate


def test_every_domain_error_is_mapped() -> None:
    named = {getattr(errors, name) for name in errors.__all__}
    assert set(TABLE) == {found for found in named if isinstance(found, type)}  # not the groups of them


def test_no_error_is_enosys() -> None:
    """The kernel takes ENOSYS for "this file system never does that" and does not ask again."""
    assert errno.ENOSYS not in TABLE.values()
    assert errno_of(OSError(errno.ENOSYS, "")) == errno.EIO


@pytest.mark.parametrize("number", sorted(translate.TABLE))
def test_what_the_file_system_said_comes_out_again(number: int) -> None:
    """Through the store's translation and back, but for what has no meaning to a caller of a mount."""
    with pytest.raises(errors.NamespaceError) as raised:
        translate.fail(OSError(number, "below"))
    expected = {errno.ENOSYS: errno.EOPNOTSUPP, errno.ENXIO: errno.ENOENT}.get(number, number)
    assert errno_of(raised.value) == expected


def test_storage_failures_and_bugs_are_eio_with_a_traceback(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.ERROR):
        assert errno_of(errors.IoFailure("disk")) == errno.EIO
        assert errno_of(ZeroDivisionError("bug")) == errno.EIO
    assert [record.exc_info is not None for record in caplog.records] == [True, True]


def test_an_expected_error_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    assert errno_of(errors.NotFound()) == errno.ENOENT
    assert caplog.records == []
