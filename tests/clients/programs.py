"""Running other programs against the service, with their environment made here and nowhere else."""

from __future__ import annotations

import os
import subprocess
import sys
import zlib
from pathlib import Path

from tests.system.service import ACCESS_KEY, REGION, SECRET_KEY, Bucket, Service


def run(*words: str | Path, cwd: Path | None = None, timeout: float = 110, **extra: str) -> str:
    """Run to the end and answer its standard output; a status other than 0 fails the test."""
    no_git_config = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_SYSTEM": "/dev/null"}
    # A bundle of certificates for elsewhere makes some clients refuse endpoints without TLS.
    inherited = {name: value for name, value in os.environ.items() if name != "AWS_CA_BUNDLE"}
    env = {**inherited, "LC_ALL": "C.UTF-8", **no_git_config, **extra}
    done = subprocess.run(
        list(map(str, words)), cwd=cwd, env=env, capture_output=True, text=True, errors="replace",
        timeout=timeout, check=False,
    )
    said = done.stdout[-2000:] + done.stderr[-3000:]
    assert done.returncode == 0, f"{words[0]} ended with {done.returncode}: {said}"
    return done.stdout


def aws(service: Service, *words: str | Path, timeout: float = 110) -> str:
    """One command of the AWS command line with its defaults but for endpoint and credentials."""
    assert service.url is not None
    return run(
        sys.executable, "-m", "awscli", "--endpoint-url", service.url, *words, timeout=timeout,
        AWS_ACCESS_KEY_ID=ACCESS_KEY, AWS_SECRET_ACCESS_KEY=SECRET_KEY, AWS_DEFAULT_REGION=REGION,
        AWS_EC2_METADATA_DISABLED="true", AWS_CONFIG_FILE="/dev/null",
        AWS_SHARED_CREDENTIALS_FILE="/dev/null",
    )


def rclone(service: Service, *words: str | Path) -> str:
    """One command of rclone, with the remote ``store:``; answers what it said on both outputs."""
    remote = {
        "TYPE": "s3", "PROVIDER": "Other", "ACCESS_KEY_ID": ACCESS_KEY, "SECRET_ACCESS_KEY": SECRET_KEY,
        "ENDPOINT": service.url or "", "REGION": REGION,
    }
    variables = {f"RCLONE_CONFIG_STORE_{name}": value for name, value in remote.items()}
    said = run(
        "sh", "-c", 'exec "$@" 2>&1', "sh", "rclone", *words, RCLONE_CONFIG="/dev/null", **variables
    )
    return "\n".join(line for line in said.splitlines() if "Config file" not in line)


def s3cmd(service: Service, *words: str | Path) -> str:
    """One command of s3cmd, path-style."""
    host = (service.url or "").removeprefix("http://")
    return run(
        "s3cmd", "--config", "/dev/null", "--no-ssl", "--host", host, "--host-bucket", host,
        "--region", REGION, *words, AWS_ACCESS_KEY_ID=ACCESS_KEY, AWS_SECRET_ACCESS_KEY=SECRET_KEY,
    )


def s5cmd(service: Service, *words: str | Path) -> str:
    """One command of s5cmd, a program in Go."""
    program = Path(sys.executable).with_name("s5cmd")
    return run(
        program, "--endpoint-url", service.url or "", *words,
        AWS_ACCESS_KEY_ID=ACCESS_KEY, AWS_SECRET_ACCESS_KEY=SECRET_KEY, AWS_REGION=REGION,
    )


def s3_url(bucket: Bucket, prefix: str = "") -> str:
    return f"s3://{bucket.name}/{prefix}"


def make_tree(folder: Path, files: int, seed: str) -> None:
    """A tree as source trees are: many small files, some empty, a few large, odd names, modes, old times."""
    for number in range(files):
        directory = folder / f"pkg{number % 37}" / f"sub {number % 5}"
        directory.mkdir(parents=True, exist_ok=True)
        size = 0 if number % 50 == 0 else 300_000 if number % 400 == 7 else 40 + number % 3000
        path = directory / f"file-{number}{['.py', '.c', ' with+plus.txt', '.ünï'][number % 4]}"
        path.write_bytes((f"{seed} {number}\n".encode() * (size // 8 + 1))[:size])
        # Another time for another content, or git and rsync rightly take it for unchanged.
        moment = 1_500_000_000 + zlib.crc32(seed.encode()) % 10**8 + number
        os.utime(path, (moment, moment))
        if number % 9 == 0:
            path.chmod(0o755)
