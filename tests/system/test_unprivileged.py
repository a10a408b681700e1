"""The whole service as a user without privileges: the mount by fusermount3, sockets and keys in that user's
places, both views, the command line, and a killed mount process.
"""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.system.service import ACCESS_KEY, REGION, SECRET_KEY

pytestmark = pytest.mark.mount

_USER = 65534
_PROJECT = Path(__file__).parents[2]

# In a mount namespace of its own, where /dev/fuse is open to everybody, as distributions have it. Interpreter
# and program may lie below directories that others cannot enter (a home of root's): each of these is replaced
# by one that has the same in it and can be entered.
_OUTER = """
set -e
shopt -s nullglob dotglob
mount --make-rprivate /
base=$1 user=$2 python=$3 inner=$4
shift 4
mount --bind "$base/device" /dev/fuse
cd /
for closed in "$@"; do
    kept=$(mktemp -d "$base/kept-XXXXXX")
    mount --bind "$closed" "$kept"
    mount -t tmpfs -o mode=755 tmpfs "$closed"
    for entry in "$kept"/*; do
        place=$closed/${entry##*/}
        if [ -L "$entry" ]; then cp -P "$entry" "$place"; continue; fi
        if [ -d "$entry" ]; then mkdir "$place"; else touch "$place"; fi
        mount --bind "$entry" "$place"
    done
done
exec setpriv --reuid "$user" --regid "$user" --clear-groups "$python" -c "$inner" "$base"
"""

_INNER = '''
import os, pathlib, signal, subprocess, sys, time
import boto3
from botocore.config import Config

base = pathlib.Path(sys.argv[1])
program = [sys.executable, "-m", "weka_mp"]
store, mnt = base / "store", base / "mnt"
done = subprocess.run(
    [*program, "serve", store, "--s3", "127.0.0.1:0", "--admin", "none", "--posix-permissions", "on"],
    capture_output=True, text=True,
)
assert done.returncode == 1 and "does not run as root" in done.stderr, done.stderr
service = subprocess.Popen(
    [*program, "serve", store, "--mount", mnt, "--s3", "127.0.0.1:0", "--admin", "none", "--workers", "2"],
    stdout=subprocess.PIPE, stderr=open(base / "log", "w"), text=True,
)
line = service.stdout.readline()
assert line.startswith("ready s3=http://"), line
url = line.split("s3=")[1].split()[0]
s3 = boto3.client(
    "s3", endpoint_url=url, aws_access_key_id=os.environ["WEKA_MP_ROOT_ACCESS_KEY"],
    aws_secret_access_key=os.environ["WEKA_MP_ROOT_SECRET_KEY"], region_name="us-east-1",
    config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 0}),
)

def both(name, body):
    assert (mnt / "bucket" / name).read_bytes() == body
    assert s3.get_object(Bucket="bucket", Key=name)["Body"].read() == body

def until(what, condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end, what
        time.sleep(0.05)

s3.create_bucket(Bucket="bucket")
s3.put_object(Bucket="bucket", Key="d/put", Body=b"by S3")
both("d/put", b"by S3")
(mnt / "bucket/d/made").write_bytes(b"by POSIX")
both("d/made", b"by POSIX")
s3.put_object(Bucket="bucket", Key="d/made", Body=b"replaced")
both("d/made", b"replaced")
os.rename(mnt / "bucket/d", mnt / "bucket/e")
both("e/put", b"by S3")
os.chmod(mnt / "bucket/e/put", 0o400)
both("e/put", b"by S3")
s3.delete_object(Bucket="bucket", Key="e/put")
assert not (mnt / "bucket/e/put").exists()
info = os.stat(mnt / "bucket/e/made")
assert (info.st_uid, info.st_gid) == (os.getuid(), os.getgid())
assert info.st_ino == os.stat(store / "bucket/e/made").st_ino

runtime = list((base / "run/weka_mp").glob("*/"))
assert len(runtime) == 1 and runtime[0].stat().st_mode & 0o077 == 0, runtime
assert {"admin.sock", "mount-0.sock"} <= {path.name for path in runtime[0].iterdir()}
done = subprocess.run([*program, "--store", store, "etag", "fill", "bucket"], capture_output=True, text=True)
assert done.returncode == 0, done.stderr
done = subprocess.run([*program, "doctor", store], capture_output=True, text=True)
assert done.returncode == 0, done.stderr

# A mount process that is killed is replaced, its dead mount taken away by fusermount3.
pid_file = runtime[0] / "mount-0.pid"
victim = int(pid_file.read_text())
os.kill(victim, signal.SIGKILL)

def is_another():
    try:
        return pid_file.read_text().strip() not in ("", str(victim))
    except FileNotFoundError:
        return False

def lives():
    try:
        return os.listdir(mnt) == ["bucket"]
    except OSError:
        return False

until("another mount process", is_another)
until("the mount", lives)
both("e/made", b"replaced")
lines = [line for line in open("/proc/self/mountinfo") if f" {mnt} " in line]
assert len(lines) == 1, lines
service.terminate()
rest, _ = service.communicate(timeout=40)
assert (service.returncode, rest) == (0, "")
assert not any(f" {mnt} " in line for line in open("/proc/self/mountinfo"))
print("passed")
'''


def _closed(*needed: str | Path) -> list[Path]:
    """Directories above what is needed that others cannot enter, the outermost first."""
    above = {folder for path in needed for folder in (*Path(path).parents, *Path(path).resolve().parents)}
    return sorted(folder for folder in above if not folder.stat().st_mode & stat.S_IXOTH)


def test_a_user_without_privileges_serves_both_views(tmp_path: Path) -> None:
    base = Path("/tmp") / f"weka-mp-user-{os.getpid()}"  # the temporary folder of the tests is root's alone
    base.mkdir(mode=0o755)
    try:
        for name in ("store", "mnt", "run", "home"):
            (base / name).mkdir(mode=0o700)
            os.chown(base / name, _USER, _USER)
        (base / "log").touch()
        os.chown(base / "log", _USER, _USER)
        os.mknod(base / "device", stat.S_IFCHR | 0o666, os.makedev(10, 229))
        (base / "device").chmod(0o666)
        environment = {
            "PATH": os.environ["PATH"], "HOME": str(base / "home"), "XDG_RUNTIME_DIR": str(base / "run"),
            "XDG_STATE_HOME": str(base / "home/state"), "WEKA_MP_ROOT_ACCESS_KEY": ACCESS_KEY,
            "WEKA_MP_ROOT_SECRET_KEY": SECRET_KEY, "AWS_REGION": REGION, "PYTHONPATH": str(_PROJECT),
        }
        arguments = [base, _USER, sys.executable, _INNER, *_closed(sys.executable, sys.base_prefix, _PROJECT)]
        done = subprocess.run(
            ["unshare", "--mount", "bash", "-c", _OUTER, "bash", *map(str, arguments)],
            env=environment, capture_output=True, text=True, timeout=100, check=False,
        )
        log = (base / "log").read_text("utf-8", "replace")
        assert done.stdout == "passed\n", f"{done.stdout}{done.stderr}\n{log[-4000:]}"
        assert "Traceback" not in log, log
        assert not (base / "home/state").exists(), "keys of the environment are kept nowhere"
    finally:
        shutil.rmtree(base)
