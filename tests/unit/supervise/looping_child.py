"""A child whose main thread has a loop of its own, which goes round or, by mode, does so once only."""

import sys
import time
from typing import Any

import trio

from weka_mp.supervise import child
from weka_mp.supervise.thread_link import LinkThread


def main_blocking(plan: dict[str, Any], link: LinkThread) -> int:
    async def loop() -> None:
        link.beat()
        link.tell("ready")
        while True:
            if plan["mode"] == "blocks":
                time.sleep(3600)
            await trio.sleep(0.01)
            link.beat()

    trio.run(loop)
    return 0


if __name__ == "__main__":
    child.KINDS["fake"] = "tests.unit.supervise.looping_child"  # type: ignore[index]
    sys.exit(child.main())
