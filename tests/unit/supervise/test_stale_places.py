"""What is left of stores that are gone is removed, and nothing else."""

import fcntl
import os
from pathlib import Path

import pytest

from weka_mp.supervise.instance import Instance
from weka_mp.supervise.keeper import StartFailed
from weka_mp.supervise.stale_places import leave_word, remove_stale


def _served(base: Path, name: str, store: Path) -> Path:
    """A runtime directory as a service that stopped leaves it."""
    runtime = base / name
    (runtime / "nfs").mkdir(parents=True)
    Instance(str(runtime)).release()
    leave_word(str(runtime), str(store))
    return runtime


@pytest.fixture
def own(tmp_path: Path) -> Path:
    (tmp_path / "own" / ".weka").mkdir(parents=True)
    return _served(tmp_path / "run", "own", tmp_path / "own")


def test_only_those_of_stores_that_are_gone_are_removed(tmp_path: Path, own: Path) -> None:
    there, plain = tmp_path / "there", tmp_path / "plain"
    (there / ".weka").mkdir(parents=True)
    plain.mkdir()
    kept = {own, _served(own.parent, "kept", there), own.parent / "unknown"}
    (own.parent / "unknown").mkdir()
    for name, store in (("gone", tmp_path / "gone"), ("no store now", plain), ("odd", tmp_path / "\udcff")):
        _served(own.parent, name, store)
    (own.parent / "a file").touch()
    assert remove_stale(str(own)) == 3
    assert set(own.parent.iterdir()) == {*kept, own.parent / "a file"}
    assert remove_stale(str(own)) == 0


@pytest.mark.parametrize("lock", ["service.lock", "children.lock"])
def test_one_that_a_process_holds_stays(tmp_path: Path, own: Path, lock: str) -> None:
    gone = _served(own.parent, "gone", tmp_path / "gone")
    held = os.open(gone / lock, os.O_RDWR)
    fcntl.flock(held, fcntl.LOCK_EX)
    assert remove_stale(str(own)) == 0
    assert (gone / lock).exists()
    os.close(held)
    assert remove_stale(str(own)) == 1


async def test_a_service_whose_directory_was_removed_under_it_does_not_start(
    tmp_path: Path, own: Path
) -> None:
    """Two services would each lock a file of their own."""
    gone = _served(own.parent, "gone", tmp_path / "gone")
    late = Instance(str(gone))
    assert remove_stale(str(own)) == 1
    with pytest.raises(StartFailed, match="try again"):
        late.exclude("/store")
    gone.mkdir()
    other = Instance(str(gone))
    await other.acquire("/store")
    with pytest.raises(StartFailed, match="try again"):
        await late.acquire("/store")
    other.release()
    late.release()
