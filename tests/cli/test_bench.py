"""`weka-mp bench` on a service of its own and on named targets."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.live import KEYS, serving

SMALL = ["--count", "12", "--rounds", "1", "--big", "70000", "--page", "5", "-c", "2"]

OURS = {
    "AWS_ACCESS_KEY_ID": KEYS["WEKA_MP_ROOT_ACCESS_KEY"],
    "AWS_SECRET_ACCESS_KEY": KEYS["WEKA_MP_ROOT_SECRET_KEY"],
}
WRONG = {"AWS_ACCESS_KEY_ID": "x", "AWS_SECRET_ACCESS_KEY": "y"}


def _bench(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "weka_mp", "bench", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=100, env=os.environ | variables, check=False
    )


@pytest.mark.mount
@pytest.mark.parametrize("mode", ["s3", "mount", "list", "mixed"])
def test_without_targets_it_measures_a_service_of_its_own(mode: str, tmp_path: Path) -> None:
    done = _bench(mode, *SMALL, "-J", "--scratch", str(tmp_path), "-o", str(tmp_path / "figures.json"))
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures == json.loads((tmp_path / "figures.json").read_text())
    rows = {(row["verb"], row["target"]): row for row in figures["rows"]}
    targets = {target for _, target in rows}
    assert "backing fs" in targets
    if mode != "mount":
        assert rows["put", "weka_mp s3"]["server_cpu_us"] is not None
        assert rows["put", "weka_mp s3"]["operations"] == 12
    assert ("raw loopback" in targets) is (mode == "s3")
    if mode in ("mount", "mixed"):
        assert "weka_mp mount" in targets
    if mode == "list":
        assert rows["list", "weka_mp s3"]["operations"] == 15  # three pages, five times
    assert os.listdir(tmp_path) == ["figures.json"]


@pytest.mark.mount
def test_named_targets_are_left_as_they_were(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    (tmp_path / "store").mkdir()
    with serving(tmp_path / "store") as service:
        done = _bench(
            "mixed", *SMALL, "--no-floors", "--endpoint", f"ours={service.endpoint}",
            "--dir", f"plain={tmp_path / 'plain'}", "--plot", str(tmp_path / "picture.svg"), **OURS,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        wrong = _bench("s3", *SMALL, "--endpoint", f"ours={service.endpoint}", **WRONG)
        assert wrong.returncode == 1
        assert "403" in wrong.stderr
        assert os.listdir(tmp_path / "store") == [".weka"]
    assert "| mixed | ours |" in done.stdout
    assert "| mixed | plain |" in done.stdout
    assert os.listdir(tmp_path / "plain") == []
    assert (tmp_path / "picture.svg").stat().st_size > 1000


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["s3", "--endpoint", "nonsense"], "NAME=VALUE"),
        (["s3", "--dir", "a=/tmp"], "use --endpoint"),
        (["mount", "--endpoint", "a=http://127.0.0.1:1"], "use --dir"),
        (["mixed", "--dir", "a=/a", "--dir", "a=/b"], "same name"),
        (["teleport"], "teleport"),
    ],
)
def test_wrong_usage(arguments: list[str], reason: str) -> None:
    done = _bench(*arguments)
    assert done.returncode == 2
    assert reason in done.stderr
