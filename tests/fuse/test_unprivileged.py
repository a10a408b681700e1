"""A mount by an ordinary user through fusermount3: theirs alone, without handles or other identities."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.mount

_USER = 65534

# Modules are loaded before root is given up: the interpreter may lie where others cannot read it.
_SERVE = """
import logging, os, sys, encodings.idna
from weka_mp.fuse.process import MountPlan, run_mount
from weka_mp.namespace import Namespace
from weka_mp.store.posix import PosixStore
store, mountpoint, socket_path, user = sys.argv[1:]
logging.basicConfig(level=logging.INFO)
uid = int(user)
os.setgroups([]); os.setresgid(uid, uid, uid); os.setresuid(uid, uid, uid)
def ready(): os.write(1, b"ready\\n")
with Namespace.open(PosixStore(store)) as namespace:
    run_mount(namespace, MountPlan(mountpoint, 1, socket_path), on_ready=ready)
"""

_WORK = """
set -e
cd "$1"
echo content > a; test "$(cat a)" = content
mkdir -p d/e; mv a d/e/b; ln d/e/b c; chmod 444 c; test "$(cat c)" = content
mv d moved; test "$(cat moved/e/b)" = content
exec 5> open; echo one >&5; rm open; echo two >&5; test "$(cat /proc/self/fd/5)" = "one
two"; exec 5>&-
(umask 333; echo readonly > object); test "$(cat object)" = readonly
for i in $(seq 1 200); do echo $i > f$i; done; test $(ls | wc -l) = 203
rm -r moved c f*; test "$(ls)" = object
"""

# In a mount namespace of its own, where /dev/fuse is open to everybody, as distributions have it.
_SCRIPT = """
set -e
mount --make-rprivate /
mount --bind "$1/device" /dev/fuse
cd /
"$2" -c "$3" "$1/store" "$1/mnt" "$1/run/mount-0.sock" "$4" > "$1/out" 2> "$1/log" &
mount=$!
"$2" -c "import sys, time
end = time.monotonic() + 20
while not open(sys.argv[1]).read() and time.monotonic() < end: time.sleep(0.05)" "$1/out"
grep -q ready "$1/out"
setpriv --reuid "$4" --regid "$4" --clear-groups sh -c "$5" sh "$1/mnt"
! ls "$1/mnt" 2> /dev/null
kill -TERM $mount
wait $mount
! grep -q "$1/mnt" /proc/self/mountinfo
"""


def test_an_ordinary_user_can_mount(tmp_path: Path) -> None:
    base = Path("/tmp") / f"weka-mp-test-{os.getpid()}"  # the temporary folder of the tests is root's alone
    base.mkdir(mode=0o755)
    try:
        for name in ("store", "mnt", "run"):
            (base / name).mkdir()
            os.chown(base / name, _USER, _USER)
        os.mknod(base / "device", stat.S_IFCHR | 0o666, os.makedev(10, 229))
        (base / "device").chmod(0o666)
        environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        command = [
            "unshare",
            "--mount",
            "bash",
            "-c",
            _SCRIPT,
            "bash",
            str(base),
            sys.executable,
            _SERVE,
            str(_USER),
            _WORK,
        ]
        result = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=60, check=False
        )
        log = (base / "log").read_text()
        assert result.returncode == 0, f"{result.stderr}\n{log}"
        assert "allow_other" in log
        assert "Traceback" not in log
        assert sorted(os.listdir(base / "store")) == [".weka", "object"]
    finally:
        subprocess.run(["rm", "-rf", "--one-file-system", str(base)], check=True)
