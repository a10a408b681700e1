"""The table of mounts, read without touching a mount."""

from weka_mp.mount_table import MountEntry, entry_at, is_dead, parse_mountinfo, unmount
from weka_mp.supervise.mounts import answers

TEXT = (
    "22 1 254:0 / / rw,relatime - ext4 /dev/vda rw\n"
    "30 22 0:40 / /mnt/a\\040b rw shared:1 master:2 - fuse.weka_mp weka_mp rw,user_id=0\n"
    "31 22 0:41 / /mnt/a\\040b rw - fuse /dev/x rw\n"
)


def test_paths_are_unescaped_and_optional_fields_passed_over() -> None:
    entries = parse_mountinfo(TEXT)
    assert entries == [
        MountEntry("/", "ext4"),
        MountEntry("/mnt/a b", "fuse.weka_mp"),
        MountEntry("/mnt/a b", "fuse"),
    ]
    assert [entry.is_fuse for entry in entries] == [False, True, True]


def test_what_lies_where() -> None:
    assert entry_at("/proc") is not None
    assert entry_at("/proc/self") is None
    assert not is_dead("/proc") and not is_dead("/no/such/place")
    assert unmount("/no/such/place", lazily=True) and unmount("/no/such/place", lazily=False)


async def test_only_a_fuse_mount_that_answers_counts() -> None:
    assert not await answers("/proc", seconds=5)
    assert not await answers("/no/such/place", seconds=5)
