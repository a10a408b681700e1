"""The child kind ``mount``:

one mount point. The mount has the main thread; the link to the supervisor another.
"""

from __future__ import annotations

import os
import signal
from typing import Any

from weka_mp.fuse.process import MountPlan, run_mount
from weka_mp.fuse.session import MountFailed
from weka_mp.notifications.journal import open_in
from weka_mp.notifications.mount_watch import MountWatch
from weka_mp.supervise.notifying import open_journal
from weka_mp.supervise.opening import open_namespace
from weka_mp.supervise.thread_link import LinkThread

__all__ = ["main_blocking"]


def main_blocking(plan: dict[str, Any], link: LinkThread) -> int:
    """Mount and serve until SIGTERM, an unmount from outside, or the end of the supervisor;

    the exit status.
    """
    link.on_gone(lambda: os.kill(os.getpid(), signal.SIGTERM))

    with open_namespace(plan["store"], plan["durability"]) as namespace:
        journal = open_journal(namespace, plan, synced=False)
        watch = MountWatch(namespace, journal, open_in(plan["notifications"]["directory"]))
        try:
            run_mount(
                namespace,
                MountPlan(
                    plan["mount_point"], plan["attr_timeout"], plan["socket"], shared=plan["shared"],
                    makes_versions=plan["versions"],
                ),
                on_ready=lambda: link.tell("ready"),
                on_dirty=link.hint_dirty,
                on_beat=link.beat,
                watcher=watch,
            )
        except MountFailed as error:
            link.tell("failed", str(error))
            return 1
        finally:
            watch.close()
    return 0
