"""Completion in the shells themselves."""

from __future__ import annotations

import os
import pty
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PROGRAM = Path(sys.executable).with_name("weka-mp")
ENVIRON = {"PATH": f"{PROGRAM.parent}:/usr/bin:/bin", "TERM": "dumb", "LC_ALL": "C.UTF-8"}


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


def script(shell: str, home: Path) -> Path:
    path = home / f"weka-mp.{shell}"
    done = subprocess.run(
        [PROGRAM, "completion", shell], env={**ENVIRON, "HOME": str(home)}, capture_output=True, timeout=60,
        check=True,
    )
    path.write_bytes(done.stdout)
    return path


def said(command: list[str], home: Path) -> str:
    done = subprocess.run(
        command, env={**ENVIRON, "HOME": str(home)}, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stderr == ""
    return done.stdout


def test_bash(home: Path) -> None:
    asked = (
        f"source {script('bash', home)}; complete -p weka-mp; "
        'try() { COMPREPLY=(); COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _weka_mp_completion weka-mp; '
        'printf "%s\\n" "${COMPREPLY[@]}"; }; '
        "try weka-mp s3 bu; try weka-mp user add ann clu; try weka-mp user list --for"
    )
    lines = said(["bash", "--norc", "-c", asked], home).splitlines()
    assert "_weka_mp_completion weka-mp" in lines[0]
    assert lines[1:] == ["bucket", "clusteradmin", "--format"]


def test_fish(home: Path) -> None:
    assert shutil.which("fish"), "tools/setup --dev installs it"
    asked = 'complete -C "weka-mp s3 bu"; complete -C "weka-mp user add a clu"'
    lines = said(["fish", "--no-config", "-c", f"source {script('fish', home)}; {asked}"], home).splitlines()
    assert [line.split("\t")[0] for line in lines] == ["bucket", "clusteradmin"]


def test_zsh(home: Path) -> None:
    """Typed into it, since its completion works in a line that is edited alone."""
    assert shutil.which("zsh"), "tools/setup --dev installs it"
    loaded = script("zsh", home)
    pid, terminal = pty.fork()
    if pid == 0:  # pragma: no cover - becomes zsh
        os.execve("/usr/bin/zsh", ["zsh", "-f", "-i"], {**ENVIRON, "HOME": str(home), "PS1": "ready> "})
    try:
        _until(terminal, "ready> ")
        load = f"autoload -Uz compinit; compinit -D -u; source {loaded}; echo lo''aded\n"
        os.write(terminal, load.encode())
        _until(terminal, "loaded")
        os.write(terminal, b"echo got weka-mp; weka-mp s3 buc\t")
        _until(terminal, "weka-mp s3 bucket ")
    finally:
        os.kill(pid, 9)
        os.waitpid(pid, 0)
        os.close(terminal)


def _until(terminal: int, text: str) -> None:
    seen, deadline = "", time.monotonic() + 30
    while text not in seen:
        ready, _, _ = select.select([terminal], [], [], deadline - time.monotonic())
        assert ready, seen
        seen += os.read(terminal, 4096).decode("utf-8", "replace")
