"""A service of our own to measure: started on a fresh store when no other target was named."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from weka_mp.bench.signing import Keys
from weka_mp.bench.targets import TargetFailed
from weka_mp.clock import RandomSource

__all__ = ["Service", "running"]

_STOP_SECONDS: Final = 30


@dataclass(frozen=True, slots=True)
class Service:
    """A running ``weka-mp serve``: its endpoint ``http://HOST:PORT``, root's keys, its two directories."""

    endpoint: str
    keys: Keys
    store: Path
    mount: Path


@contextmanager
def running(top: Path, ids: RandomSource, options: Sequence[str] = ()) -> Iterator[Service]:
    """Serve a new store below `top`, mounted, until the context ends.

    options: further flags of ``weka-mp serve``. Raises TargetFailed when it does not start.
    """
    store, mount, keys = top / "store", top / "mount", Keys(f"bench{ids.token(8)}", ids.token(20))
    for directory in (store, mount):
        directory.mkdir(parents=True)
    named = {"WEKA_MP_ROOT_ACCESS_KEY": keys.access, "WEKA_MP_ROOT_SECRET_KEY": keys.secret}
    command = [sys.executable, "-m", "weka_mp", "serve", str(store), "--mount", str(mount)]
    command += ["--s3", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--log-level", "warning", *options]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, env=os.environ | named, text=True)
    try:
        assert process.stdout is not None
        words = dict(word.split("=", 1) for word in process.stdout.readline().split() if "=" in word)
        if "s3" not in words:
            raise TargetFailed("the service did not start")
        yield Service(words["s3"], keys, store, mount)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(_STOP_SECONDS)
        if process.stdout is not None:
            process.stdout.close()
