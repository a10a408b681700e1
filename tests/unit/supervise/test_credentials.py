"""Root credentials: made once, private, readable by AWS tools, never shown."""

import os
import stat
from pathlib import Path

import pytest
from botocore.configloader import load_config

from weka_mp.supervise.credentials import CredentialsError, forget_secrets, root_credentials


def test_made_once_private_and_in_the_form_of_aws(tmp_path: Path) -> None:
    directory = str(tmp_path / "state" / "id")
    first = root_credentials(directory, {})
    assert first == root_credentials(directory, {})
    assert first.path == f"{directory}/root-credentials"
    assert stat.S_IMODE(os.stat(first.path).st_mode) == 0o600
    assert os.listdir(directory) == ["root-credentials"]
    profile = load_config(first.path)["profiles"]["default"]
    assert (profile["aws_access_key_id"], profile["aws_secret_access_key"]) == (
        first.access_key,
        first.secret_key,
    )
    assert first.secret_key not in repr(first)


def test_the_environment_wins_and_nothing_is_written(tmp_path: Path) -> None:
    environ = {"WEKA_MP_ROOT_ACCESS_KEY": "root", "WEKA_MP_ROOT_SECRET_KEY": "longenough"}
    given = root_credentials(str(tmp_path / "state"), environ)
    assert (given.access_key, given.secret_key, given.path) == ("root", "longenough", None)
    assert not (tmp_path / "state").exists()


@pytest.mark.parametrize(
    "environ",
    [
        {"WEKA_MP_ROOT_ACCESS_KEY": "root"},
        {"WEKA_MP_ROOT_SECRET_KEY": "longenough"},
        {"WEKA_MP_ROOT_ACCESS_KEY": "a/b", "WEKA_MP_ROOT_SECRET_KEY": "longenough"},
        {"WEKA_MP_ROOT_ACCESS_KEY": "root", "WEKA_MP_ROOT_SECRET_KEY": "short"},
        {"WEKA_MP_ROOT_ACCESS_KEY": "", "WEKA_MP_ROOT_SECRET_KEY": ""},
    ],
)
def test_half_or_malformed_variables_are_refused_without_telling_them(
    environ: dict[str, str], tmp_path: Path
) -> None:
    with pytest.raises(CredentialsError) as refusal:
        root_credentials(str(tmp_path), environ)
    assert "longenough" not in str(refusal.value)


@pytest.mark.parametrize(
    "text", ["", "[default]\naws_access_key_id = x\n", "secret words", "[other]\na = b\n"]
)
def test_a_damaged_file_is_refused_and_not_replaced(text: str, tmp_path: Path) -> None:
    path = tmp_path / "root-credentials"
    path.touch(0o600)
    path.write_text(text)
    with pytest.raises(CredentialsError, match=r"under \[default\]") as refusal:
        root_credentials(str(tmp_path), {})
    assert "secret words" not in str(refusal.value)
    assert path.read_text() == text


def test_a_file_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = root_credentials(str(tmp_path), {}).path
    assert path is not None
    os.chmod(path, 0o640)
    with pytest.raises(CredentialsError, match="others"):
        root_credentials(str(tmp_path), {})


def test_no_place_to_keep_them(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CredentialsError, match=r"Not a directory|File exists"):
        root_credentials(str(tmp_path / "file"), {})


def test_what_was_read_is_nobody_elses() -> None:
    """Programs that are started get the rest; tests/reexport looks at all of a running service."""
    environ = {
        "WEKA_MP_ROOT_ACCESS_KEY": "root", "WEKA_MP_ROOT_SECRET_KEY": "longenough", "PATH": "/bin",
        "WEKA_MP_PASSWORD": "x", "WEKA_MP_TOKEN": "x", "WEKA_MP_S3": "none",
    }  # fmt: skip
    forget_secrets(environ)
    assert environ == {"PATH": "/bin", "WEKA_MP_S3": "none"}
