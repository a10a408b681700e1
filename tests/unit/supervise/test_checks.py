"""Paths that cannot be served together."""

from pathlib import Path

import pytest

from weka_mp.supervise.checks import check_mount_points, check_outside, check_store, is_beneath
from weka_mp.supervise.keeper import StartFailed


@pytest.fixture
def store(tmp_path: Path) -> str:
    (tmp_path / "store" / "sub").mkdir(parents=True)
    for name in ("m1", "m2", "m1/inner"):
        (tmp_path / name).mkdir()
    return str(tmp_path / "store")


def test_good_ones_become_absolute(store: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert check_store("store") == store
    assert check_mount_points(["m1", "m2"], store) == (str(tmp_path / "m1"), str(tmp_path / "m2"))


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["m1", "m1"], "twice"),
        (["m1", "m1/inner"], "in another mount point"),
        (["store/sub"], "inside the store"),
        (["link"], "inside the store"),
        (["."], "store lies inside"),
        (["file"], "not a directory"),
        (["none"], "No such file"),
    ],
)
def test_bad_ones_are_named(names: list[str], reason: str, store: str, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(Path(store) / "sub")
    (tmp_path / "file").touch()
    with pytest.raises(StartFailed, match=reason):
        check_mount_points([str(tmp_path / name) for name in names], store)


def test_secrets_stay_outside(store: str, tmp_path: Path) -> None:
    check_outside(str(tmp_path / "state"), store, "the state")
    with pytest.raises(StartFailed, match="the state must not"):
        check_outside(f"{store}/not/yet", store, "the state")


def test_beneath_is_by_component() -> None:
    assert is_beneath("/a/b", "/a") and is_beneath("/a", "/a") and is_beneath("/a", "/")
    assert not is_beneath("/ab", "/a") and not is_beneath("/a", "/a/b")
