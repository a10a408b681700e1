"""tools/setup, tools/run and tools/test as a user at a shell meets them."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SETUP_FILES = ["setup.cfg", "setup.py", "pyproject.toml", "tools", "native", "weka_mp/__init__.py"]


def run(command: list[str | Path], **environment: str) -> subprocess.CompletedProcess[str]:
    env = {**os.environ, **environment}
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def script(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(path.stat().st_mode | stat.S_IXUSR)


@pytest.fixture
def bare_checkout(tmp_path: Path) -> Path:
    """The files that set-up reads, in another folder, with nothing built or installed."""
    for name in SETUP_FILES:
        target = tmp_path / "a clone" / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target)
        else:
            shutil.copy(ROOT / name, target)
    return tmp_path / "a clone"


@pytest.fixture
def path_of_a_user(tmp_path: Path) -> Path:
    """A PATH with everything on this machine's but fusermount3 and rsync, where `id` says: not root."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for directory in os.environ["PATH"].split(":"):
        for program in sorted(Path(directory).glob("*")):
            if program.name not in {"fusermount3", "rsync", "id"} and not (folder / program.name).exists():
                (folder / program.name).symlink_to(program)
    script(folder / "id", "#!/bin/sh\necho 1000\n")
    return folder


def _installed() -> dict[Path, int]:
    """What set-up makes, with the time in ns of its last change."""
    made = [ROOT / ".venv", *(ROOT / ".venv" / "bin").iterdir(), *(ROOT / "weka_mp" / "_native").iterdir()]
    made += [path for packages in ROOT.glob(".venv/lib/*/site-packages") for path in packages.iterdir()]
    return {path: path.lstat().st_ctime_ns for path in made if path.name != "__pycache__"}


def test_nothing_missing_means_nothing_said_and_nothing_done() -> None:
    run([ROOT / "tools" / "setup", "--dev"])
    before = _installed()
    answer = run([ROOT / "tools" / "setup", "--dev"])
    assert (answer.returncode, answer.stdout, answer.stderr) == (0, "", "")
    assert _installed() == before


def test_awscli_starts_wherever_the_checkout_is() -> None:
    aws = ROOT / ".venv" / "bin" / "aws"
    assert aws.read_text().startswith("#!/bin/sh\n")
    assert run([aws, "--version"]).stdout.startswith("aws-cli/")


@pytest.mark.parametrize(("option", "missing"), [([], "fuse3"), (["--dev"], "fuse3 rsync")])
def test_a_user_is_told_the_one_line_to_run(
    bare_checkout: Path, path_of_a_user: Path, option: list[str], missing: str
) -> None:
    answer = run([bare_checkout / "tools" / "setup", *option], PATH=str(path_of_a_user))
    assert answer.returncode == 1
    assert answer.stdout == f"apt-get update && apt-get install -y --no-install-recommends {missing}\n"
    assert "as root" in answer.stderr
    assert not (bare_checkout / ".venv").exists()


def test_an_unknown_option_is_a_usage_error() -> None:
    assert run([ROOT / "tools" / "setup", "--nonsense"]).returncode == 2
    assert run([ROOT / "tools" / "test", "nonsense"]).returncode == 2


@pytest.fixture
def run_command(tmp_path: Path) -> Path:
    """tools/run of a checkout whose set-up does nothing and whose Python prints its arguments."""
    tools = tmp_path / "checkout" / "tools"
    tools.mkdir(parents=True)
    shutil.copy(ROOT / "tools" / "run", tools / "run")
    script(tools / "setup", "#!/bin/sh\n")
    script(tmp_path / "checkout" / ".venv" / "bin" / "python", '#!/bin/sh\nprintf "%s\\n" "$@"\n')
    return tools / "run"


def started(run_command: Path, *arguments: str, **environment: str) -> list[str]:
    answer = run([run_command, *arguments], **environment)
    assert answer.returncode == 0, answer.stderr
    module, *rest = answer.stdout.splitlines()[1:]
    assert module == "weka_mp.cli.run"
    return rest


def test_run_without_arguments_makes_the_embedded_store(run_command: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert started(run_command, XDG_DATA_HOME=str(data)) == [f"{data}/weka_mp/store", f"{data}/weka_mp/mnt"]
    assert (data / "weka_mp" / "store").is_dir()


def test_run_falls_back_to_the_home_directory(run_command: Path, tmp_path: Path) -> None:
    base = f"{tmp_path}/.local/share/weka_mp"
    assert started(run_command, XDG_DATA_HOME="", HOME=str(tmp_path)) == [f"{base}/store", f"{base}/mnt"]


def test_run_mounts_beside_a_named_store_and_does_not_make_it(run_command: Path, tmp_path: Path) -> None:
    store = tmp_path / "files"
    assert started(run_command, str(store)) == [str(store), str(tmp_path / "mnt")]
    assert not store.exists()


def test_run_hands_options_on(run_command: Path) -> None:
    assert started(run_command, "/s", "/m", "--workers", "3") == ["/s", "/m", "--workers", "3"]
    assert started(run_command, "/a/s", "--region", "r") == ["/a/s", "/a/mnt", "--region", "r"]
