"""Small children that behave and misbehave on demand; run as a program by the tests of the keeper."""

import os
import signal
import sys
from typing import Any

import trio

from weka_mp.observe.logs import current_level
from weka_mp.supervise import child


async def main(plan: dict[str, Any], link: child.ChildLink) -> None:
    sys.stdout.write("plain words\n")
    sys.stdout.flush()
    mode = plan["mode"]
    if mode == "refuse":
        raise FileNotFoundError(2, "No such file or directory", "/some/where")
    if mode == "vanish":
        os.kill(os.getpid(), signal.SIGKILL)
    if mode == "stubborn":
        signal.signal(signal.SIGTERM, signal.SIG_IGN)

    async def repeat(args: object) -> object:
        return [plan["mode"], args, os.getppid(), os.environ.get("WEKA_MP_ROOT_SECRET_KEY"), os.getcwd()]

    async def level(args: object) -> object:
        return current_level()

    link.answer("repeat", repeat)
    link.answer("level", level)
    await link.ready()
    if mode == "stubborn":
        await trio.sleep_forever()
    await link.stop.wait()
    await link.tell("bye", "clean")


if __name__ == "__main__":
    child.KINDS["fake"] = "tests.unit.supervise.fake_child"  # type: ignore[index]
    sys.exit(child.main())
