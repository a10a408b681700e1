"""What a mount process that died leaves: a mount that the kernel answers for, a socket, a table.

Workers wait for a mount that has a socket (server/invalidator), since its kernel caches may contradict what
they are about to answer. So the traces are removed only when nobody can meet those caches by the path any
more.
"""

from __future__ import annotations

import logging
import os
from contextlib import suppress

from weka_mp.fuse.succession import stand_guard
from weka_mp.ipc.known_inodes import table_path
from weka_mp.mount_table import is_dead

__all__ = ["clear", "remove_traces"]

_log = logging.getLogger(__name__)


def clear(path: str, socket_path: str) -> None:
    """Put a guard in the place of a dead mount at `path`, if there is one, and remove the traces.

    Where that cannot be done (it takes root) the successor removes them. Blocks; raises nothing.
    """
    if is_dead(path):
        if os.geteuid() != 0:
            return
        try:
            stand_guard(path, f"{socket_path}.guard")
        except OSError as error:
            _log.error("the dead mount at %s stays until its successor comes: %s", path, error)
            return
    remove_traces(socket_path)


def remove_traces(socket_path: str) -> None:
    """The socket and the table of a mount process that is gone."""
    for left in (socket_path, table_path(socket_path)):
        with suppress(FileNotFoundError):
            os.unlink(left)
