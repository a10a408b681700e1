"""`pip install .` compiles the native library where there is a compiler, and works where there is none."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIBRARY = "weka_mp/_native/libweka_mp_native.so"

pytestmark = [pytest.mark.slow, pytest.mark.alone, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkout without anything that was built in it."""
    copy = tmp_path_factory.mktemp("sources") / "weka_mp"
    built = [".git", ".venv*", "*.so", "build", "*.egg-info", "__pycache__", ".*_cache"]
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(*built))
    return copy


def build(sources: Path, output: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    shutil.rmtree(sources / "build", ignore_errors=True)
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--wheel-dir", str(output), str(sources)]
    env = {**os.environ, **environment}
    return subprocess.run(command, env=env, capture_output=True, text=True, check=False)


def unpacked(built: subprocess.CompletedProcess[str], output: Path) -> Path:
    assert built.returncode == 0, built.stdout + built.stderr
    (wheel,) = output.glob("*.whl")
    assert "none-any" not in wheel.name
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(output / "installed")
    return output / "installed"


def kernels_of(installed: Path) -> str:
    program = "from weka_mp import kernels as k; f = k.describe(); print(f.native, f.path or f.reason)"
    answer = subprocess.run(
        [sys.executable, "-P", "-c", program],
        env={**os.environ, "PYTHONPATH": str(installed)},
        cwd=installed,
        capture_output=True,
        text=True,
        check=True,
    )
    return answer.stdout.strip()


def test_a_wheel_brings_the_native_library(sources: Path, tmp_path: Path) -> None:
    installed = unpacked(build(sources, tmp_path), tmp_path)
    assert kernels_of(installed) == f"True {installed / LIBRARY}"
    assert (installed / "weka_mp" / "py.typed").exists()
    (entry_points,) = installed.glob("*.dist-info/entry_points.txt")
    assert "weka-mp = weka_mp.cli.main:main" in entry_points.read_text()
    assert not (installed / "tests").exists()


def test_without_a_compiler_it_installs_and_works(sources: Path, tmp_path: Path) -> None:
    installed = unpacked(build(sources, tmp_path, CC="no-such-compiler"), tmp_path)
    assert not (installed / LIBRARY).exists()
    assert kernels_of(installed).startswith("False not built")


def test_a_compiler_that_fails_is_no_missing_compiler(sources: Path, tmp_path: Path) -> None:
    built = build(sources, tmp_path, CC="false")
    assert built.returncode != 0
    assert "native/build.sh failed" in built.stdout + built.stderr
