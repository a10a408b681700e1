"""Programs that once made service and truth differ, as the search for the shortest left them."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest

from tests.model.both import Both
from tests.model.posix_truth import RENAME_EXCHANGE
from tests.system.service import Service

pytestmark = pytest.mark.mount

Path = tuple[bytes, ...]
A: Path = (b"one", b"a")


def test_regression_a_name_without_a_suffix_is_no_suffix(both: Both) -> None:
    """The type was guessed as if the whole name were its suffix: `c` is no C program."""
    both.mkdir((b"one", b"b"))
    both.write_file((b"one", b"b", b"c"), b"one", 0o102)
    both.check()


def test_regression_a_posix_change_leaves_the_default_type(both: Both) -> None:
    """An object that was put without a type got one by its name once a POSIX caller had written to it."""
    both.put(b"a.txt", b"one")
    both.truncate((b"one", b"a.txt"), 1)
    both.check()


CHANGES: dict[str, Callable[[Both], None]] = {
    "chmod": lambda both: both.chmod(A, 0o700),
    "utimens": lambda both: both.utimens(A, 10**18),
    "setxattr": lambda both: both.setxattr(A, "user.a", b"v"),
    "readdir": lambda both: both.readdir(A),
    "rename": lambda both: both.rename(A, (b"one", b"c")),
}


@pytest.mark.parametrize("change", CHANGES)
def test_regression_a_directory_that_a_posix_caller_changed_stays(both: Both, change: str) -> None:
    """chmod, utimens, setxattr and its own rename did not count: it vanished with its last object."""
    both.put(b"a/b", b"one")
    CHANGES[change](both)
    both.delete(b"a/b")
    both.delete(b"c/b")
    both.check()


def test_regression_a_directory_object_below_keys_vanishes_with_the_last(both: Both) -> None:
    """`PUT a/` where keys had made the directory, then `DELETE a/`: the directory stayed for ever."""
    both.put(b"a/b/c", b"one")
    both.put(b"a/b/", b"same")
    both.delete(b"a/b/c")
    both.delete(b"a/b/")
    both.check()


def test_regression_a_directory_object_can_be_copied_onto_itself(both: Both) -> None:
    """New metadata for `a/b/` was answered with 404."""
    both.put(b"a/b/", b"second body", 1)
    both.copy(b"a/b/", b"a/b/", 3)
    both.check()


def test_regression_new_metadata_without_a_type_means_the_default_type(both: Both) -> None:
    """A file that POSIX made kept the type guessed from its name when a copy onto itself gave none."""
    both.write_file((b"one", b"a.txt"), b"one", 0o102)
    both.copy(b"a.txt", b"a.txt", 0)
    both.check()


def test_regression_a_repeated_completion_answers_again_after_its_object_was_deleted(both: Both) -> None:
    both.begin(b"b/c", 1)
    both.part(0, 1, b"second body")
    both.complete(0, 1)
    both.delete_many(b"a", b"b/c", b"c")
    both.complete(0, 1)
    both.check()


def test_regression_both_directories_that_were_exchanged_stay(both: Both) -> None:
    """The one that was in the other's place counted as untouched: it vanished with its last object."""
    both.put(b"a/b", b"one")
    both.put(b"c/a", b"one")
    both.renameat2(A, (b"one", b"c"), RENAME_EXCHANGE)
    both.delete(b"a/a")
    both.delete(b"c/b")
    both.check()


def test_regression_a_bucket_that_cannot_go_keeps_its_directories(both: Both) -> None:
    """DeleteBucket removed empty directories before it met what was in its way."""
    both.mkdir((b"two", b"a"))
    both.mkdir((b"two", b"c"))
    both.mkfifo((b"two", b"b"))
    both.delete_bucket()
    both.readdir((b"two",))
    both.check()


def test_times_over_both_doors(both: Both) -> None:
    """Last-Modified is the later of the bytes' and the metadata's; who sets the mtime sets both."""
    both.put(b"a", b"one")
    both.utimens(A, 10**18)
    both.after()
    both.copy(b"a", b"a", 2)
    both.check()
    both.utimens(A, 4 * 10**18)
    both.copy(b"a", b"a", 1)
    both.check()
    both.utimens(A, 10**18)
    both.check()


def test_metadata_go_with_files_and_names(both: Both) -> None:
    both.put(b"a", b"one", 3)
    both.copy_file(A, (b"one", b"c"))
    both.setxattr((b"one", b"c"), "user.s3.meta.n", b"2")
    both.removexattr((b"one", b"c"), "user.s3.content-type")
    both.rename_object(b"c", b"b/c", absent=True)
    both.link((b"one", b"b", b"c"), (b"one", b"a-b"))
    both.copy(b"a-b", b"a-b", 1)
    both.rename_object(b"b/", b"a/b/")
    both.check()
    both.rename_object(b"a-b", b"a.txt")
    both.attributes(b"a.txt")
    both.check()


def test_parts_that_are_copied_listed_and_counted(both: Both) -> None:
    both.put(b"a", b"3" * 5000)
    both.begin(b"b/c")
    both.begin(b"b/c")
    both.copy_part(0, 2, b"a", (3, 7))
    both.copy_part(0, 1, b"a", (3, 5000))
    both.copy_part(0, 1, b"c")
    both.list_parts(0, 1)
    both.list_uploads(b"b", b"/", 1)
    both.list_uploads(b"", b"", 1)
    both.complete(0, 2)
    both.attributes(b"b/c")
    both.list_parts(0)
    both.list_uploads()
    both.write_file((b"one", b"b", b"c"), b"x", os.O_WRONLY | os.O_APPEND)
    both.attributes(b"b/c")
    both.check()


def test_regression_a_rename_moves_what_is_there_not_what_was_cached(both: Both, service: Service) -> None:
    """A file that was replaced a moment before showed its old content under its new name, for ever."""
    assert service.mount is not None
    both.write_file(A, b"one", os.O_RDWR | os.O_CREAT)
    both.check()
    bucket = service.store / "one"
    (bucket / "staged").write_bytes(b"another")
    os.rename(bucket / "staged", bucket / "a")  # as a worker does whose invalidation is on its way
    os.rename(service.mount / "one/a", service.mount / "one/b")
    assert (service.mount / "one/b").read_bytes() == b"another"


def test_regression_a_prefix_without_keys_is_missing_wherever_it_was_to_go(both: Both) -> None:
    """Below an object it was refused for the new key's sake: 409."""
    both.put(b"a", b"same")
    both.mkdir((b"one", b"b"))
    both.rename_object(b"b/", b"a/b/", absent=True)
    both.check()


def test_regression_an_empty_directory_object_gives_way_also_when_it_had_bytes_once(both: Both) -> None:
    """An empty file was left of them: 409."""
    both.put(b"a/b/", b"one", 1)
    both.put(b"a/b/", b"", 3)
    both.put(b"a//b", b"other", 1)
    both.rename_object(b"a//", b"a/b/")
    both.check()
    both.put(b"b/", b"one", 1)
    both.rename_object(b"a/b/", b"b/")  # one with bytes does not
    both.check()


def test_parts_out_of_order_are_refused_before_the_upload_is_looked_for(both: Both) -> None:
    both.begin(b"b", 1)
    both.part(0, 1, b"")
    both.part(0, 2, b"other")
    both.abort(0)
    both.complete(0, 2, 1)
    both.complete(0, 1, 2)


def test_parts_of_a_key_that_xml_cannot_say(both: Both) -> None:
    both.begin(b"n\0l")
    both.part(0, 1, b"one")
    both.list_parts(0)
    both.check()
