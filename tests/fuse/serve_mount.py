"""The mount process of the mounted tests:

STORE MOUNTPOINT ATTR_TIMEOUT SOCKET. Says `ready`, and `dirty PATH`.
"""

from __future__ import annotations

import logging
import os
import sys

from weka_mp.fuse.process import MountPlan, run_mount
from weka_mp.fuse.session import MountFailed
from weka_mp.namespace import Namespace
from weka_mp.store.posix import PosixStore


def _say(line: bytes) -> None:
    os.write(sys.stdout.fileno(), line + b"\n")


def main(store: str, mountpoint: str, attr_timeout: str, socket_path: str) -> int:
    logging.basicConfig(level=logging.INFO)
    with Namespace.open(PosixStore(store)) as namespace:
        try:
            run_mount(
                namespace,
                MountPlan(mountpoint, float(attr_timeout), socket_path),
                on_ready=lambda: _say(b"ready"),
                on_dirty=lambda path: _say(b"dirty " + repr(path).encode()),
            )
        except MountFailed as error:
            _say(b"failed " + os.fsencode(str(error)))
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
