"""The file of master keys."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from tests.unit.identity.kit import key_path
from weka_mp.clock import SeededRandom, SystemRandom
from weka_mp.identity.errors import IdentityUnusable
from weka_mp.identity.key_file import KeyFile
from weka_mp.identity.sealing import KeyMissing


@pytest.fixture
def keys(tmp_path: Path) -> KeyFile:
    made = KeyFile(key_path(tmp_path), SystemRandom())
    made.create()
    return made


def test_golden_file(tmp_path: Path) -> None:
    keys = KeyFile(key_path(tmp_path), SeededRandom(1))
    keys.create()
    lines = Path(keys.path).read_text().splitlines()
    assert [line[0] for line in lines[:2]] == ["#", "#"]
    assert lines[2:] == ["f5b165224a58b791df6af1d8303e61cdc4bb86c3d1c427103c344c4189eb2f1e"]


def test_it_is_its_owners_alone(keys: KeyFile) -> None:
    assert stat.S_IMODE(os.stat(keys.path).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(os.path.dirname(keys.path)).st_mode) == 0o700
    assert os.listdir(os.path.dirname(keys.path)) == [os.path.basename(keys.path)]
    keys.add_key()
    assert stat.S_IMODE(os.stat(keys.path).st_mode) == 0o600
    assert os.listdir(os.path.dirname(keys.path)) == [os.path.basename(keys.path)]


def test_it_is_made_once(keys: KeyFile) -> None:
    before = Path(keys.path).read_bytes()
    keys.create()
    KeyFile(keys.path, SystemRandom()).create()
    assert Path(keys.path).read_bytes() == before


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o622])
def test_one_that_others_can_reach_is_refused(keys: KeyFile, mode: int) -> None:
    os.chmod(keys.path, mode)
    with pytest.raises(IdentityUnusable, match="chmod 600"):
        keys.ring()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# nothing\n",
        "00\n",
        "0" * 63 + "\n",
        "g" * 64 + "\n",
        "A" * 64 + "\n",
        ("0" * 64 + "\n") * 2,
        " " + "0" * 64 + "\n",
        "\udcff",
    ],
)
def test_no_file_of_keys(keys: KeyFile, text: str) -> None:
    Path(keys.path).write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(IdentityUnusable) as caught:
        keys.ring()
    assert "0" * 60 not in str(caught.value)
    with pytest.raises(IdentityUnusable):
        keys.add_key()
    assert Path(keys.path).read_bytes() == text.encode("utf-8", "surrogateescape")


def test_a_missing_one(tmp_path: Path) -> None:
    keys = KeyFile(key_path(tmp_path), SystemRandom())
    assert not keys.exists()
    with pytest.raises(IdentityUnusable, match="No such file"):
        keys.ring()
    (tmp_path / "state").write_text("in the way")
    with pytest.raises(IdentityUnusable):
        keys.create()


def test_another_process_finds_a_new_key_when_it_needs_it(keys: KeyFile) -> None:
    other = KeyFile(keys.path, SystemRandom())
    old = other.ring().current
    keys.add_key()
    new = keys.ring().current
    assert other.ring().current == old
    assert other.ring(needed=new).ids == (new, old)
    with pytest.raises(KeyMissing):
        other.ring(needed="00")


def test_keys_are_retired_that_nobody_needs(keys: KeyFile) -> None:
    keys.add_key()
    keys.add_key()
    newest, middle, oldest = keys.ring().ids
    assert keys.retire(frozenset({oldest})) == (middle,)
    assert keys.ring().ids == (newest, oldest)
    assert keys.retire(frozenset()) == (oldest,)
    assert keys.retire(frozenset()) == ()
    assert keys.ring().ids == (newest,)


def test_the_file_does_not_grow_for_ever(keys: KeyFile) -> None:
    for _ in range(63):
        keys.add_key()
    with pytest.raises(IdentityUnusable, match="retire"):
        keys.add_key()


@pytest.mark.parametrize("step", ["link", "rename", "fsync", "fdopen"])
def test_a_failing_step_leaves_the_old_file_and_nothing_else(
    keys: KeyFile, step: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = Path(keys.path).read_bytes()

    def fail(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, step, fail)
    if step == "link":
        os.unlink(keys.path)
        with pytest.raises(IdentityUnusable, match="No space"):
            keys.create()
        assert os.listdir(os.path.dirname(keys.path)) == []
        return
    with pytest.raises(IdentityUnusable, match="No space"):
        keys.add_key()
    assert os.listdir(os.path.dirname(keys.path)) == [os.path.basename(keys.path)]
    assert Path(keys.path).read_bytes() == before
