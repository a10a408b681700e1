"""Private directories for sockets and state."""

import os
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from weka_mp.supervise import places

ID = "0123456789abcdef" * 2


def test_state_of_root_and_of_users(tmp_path: Path) -> None:
    assert places.state_directory(ID, {}, 0) == f"/var/lib/weka_mp/{ID}"
    assert places.state_directory(ID, {"XDG_STATE_HOME": "/s"}, 1000) == f"/s/weka_mp/{ID}"
    assert places.state_directory(ID, {}, 1000).endswith(f"/.local/state/weka_mp/{ID}")


def test_runtime_directory_is_private_and_found_by_its_socket(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uid = os.getuid()
    monkeypatch.setattr(places, "_bases", lambda environ, uid: [str(tmp_path / "run")])
    path = places.make_runtime_directory(ID, {}, uid)
    assert path == str(tmp_path / "run" / ID)
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o700
    assert places.find_runtime_directory(ID, {}, uid) is None
    Path(places.admin_socket(path)).touch()
    assert places.find_runtime_directory(ID, {}, uid) == path
    os.chmod(path, 0o755)
    assert places.make_runtime_directory(ID, {}, uid) == path
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o700


def test_candidates_depend_on_the_user_and_on_the_length_of_socket_paths(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tempfile, "gettempdir", lambda: "/tmp")
    assert places._bases({"XDG_RUNTIME_DIR": "/run/user/0"}, 0) == ["/run/weka_mp", "/tmp/weka_mp-0"]
    assert places._bases({"XDG_RUNTIME_DIR": "/r"}, 5) == ["/r/weka_mp", "/tmp/weka_mp-5"]
    assert places._bases({"XDG_RUNTIME_DIR": "/r" * 50}, 5) == ["/tmp/weka_mp-5"]


def test_somebody_elses_directory_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    monkeypatch.setattr(places, "_bases", lambda environ, uid: [str(tmp_path / "link")])
    with pytest.raises(places.PlaceError, match="somebody else"):
        places.make_runtime_directory(ID, {}, os.getuid())


@pytest.mark.parametrize("spoil", [
    lambda base, path: os.chmod(base, 0o777), lambda base, path: os.chmod(path, 0o755),
    lambda base, path: os.chown(path, 65534, 65534), lambda base, path: os.chown(base, 65534, 65534),
    lambda base, path: base.rename(base.parent / "theirs") and base.symlink_to(base.parent / "theirs"),
])  # fmt: skip
def test_regression_no_password_is_sent_to_a_socket_of_somebody_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, spoil: Callable[[Path, Path], object]
) -> None:
    """In /tmp anybody may wait with a socket of the service's name until the service itself is gone."""
    base = tmp_path / "run"
    monkeypatch.setattr(places, "_bases", lambda environ, uid: [str(base)])
    path = Path(places.make_runtime_directory(ID, {}, os.getuid()))
    Path(places.admin_socket(str(path))).touch()
    assert places.find_runtime_directory(ID, {}, os.getuid()) == str(path)
    try:
        spoil(base, path)
    except PermissionError:
        os.chmod(base, 0o711)  # who may not give a directory away
    assert places.find_runtime_directory(ID, {}, os.getuid()) is None
