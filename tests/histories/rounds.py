"""Rounds of some seconds: clients of both doors on fresh keys, a process killed half-way, the verdict."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.histories.allowances import allowed
from tests.histories.bodies import Bodies
from tests.histories.explaining import Undecided, explain
from tests.histories.groups import Client, Group, Unanswered
from tests.histories.listing import Catalogue
from tests.histories.mount_client import MountClient
from tests.histories.recorder import Recorder
from tests.histories.register import Operation, initial
from tests.histories.s3_client import S3Client
from tests.system.service import start
from tests.system.waiting import wait_until

__all__ = ["KILLS", "Battlefield", "Verdict"]

KILLS = ("nobody", "worker", "mount", "background")
S3_CLIENTS, MOUNT_CLIENTS, GROUPS = 4, 3, 3
RECOVERY_SECONDS = 30.0


@dataclass
class Verdict:
    """What a round came to."""

    operations: int = 0
    unanswered: int = 0
    histories: int = 0
    undecided: int = 0
    problems: list[str] = field(default_factory=list)


class Battlefield:
    """A service that rounds are fought on."""

    def __init__(self, folder: Path, seed: int) -> None:
        self._draw = random.Random(seed)
        self._count = 0
        self.service = start(folder, "--workers", "3", "--attr-timeout", "3600")
        self._bucket = self.service.make_bucket().name

    def close(self) -> None:
        self.service.stop()

    # ---- one round
    def fight(self, seconds: float, kill: str) -> Verdict:
        """Let all clients work for that long, kill one process of that kind half-way, judge."""
        self._count += 1
        groups = [self._group(number) for number in range(GROUPS)]
        catalogue = Catalogue(self._bucket, f"list-{self._count}", self._mount())
        verdict, stop = Verdict(), threading.Event()
        threads = self._clients(groups, verdict, stop)
        threads += catalogue.threads(self.service.port, self._draw.getrandbits(32), verdict.problems, stop)
        for thread in threads:
            thread.start()
        time.sleep(seconds / 2)
        self._kill(kill)
        time.sleep(seconds / 2)
        stop.set()
        for thread in threads:
            thread.join(90)
            if thread.is_alive():
                verdict.problems.append(f"{thread.name} hangs")
        self._end(groups, verdict)
        catalogue.judge(verdict.problems)
        verdict.operations += catalogue.looks
        return verdict

    def _mount(self) -> bytes:
        return os.fsencode(self.service.mount or "")

    def _group(self, number: int) -> Group:
        """Every third group has two folders, each with its two keys, which are moved to and fro."""
        top = f"round-{self._count}-{number}".encode()
        path = b"/".join((self._mount(), self._bucket.encode(), top))
        for folder in (path, path + b"/staging", path + b"/a"):
            os.mkdir(folder)
        folders = (b"/a", b"/b") if number % 3 == 0 else (b"/a",)
        keys = tuple(top + folder + name for folder in folders for name in (b"/x", b"/y"))
        return Group(self._bucket, keys, top + b"/staging/", Bodies(), Recorder())

    def _clients(
        self, groups: list[Group], verdict: Verdict, stop: threading.Event
    ) -> list[threading.Thread]:
        clients: list[Client] = [
            S3Client(number, self.service.port, self._draw.getrandbits(32)) for number in range(S3_CLIENTS)
        ]
        clients += [
            MountClient(number, self._mount(), self._draw.getrandbits(32)) for number in range(MOUNT_CLIENTS)
        ]

        def run(client: Client, seed: int) -> None:
            draw = random.Random(seed)
            while not stop.is_set():
                try:
                    client.act(draw.choice(groups))
                except Unanswered:
                    verdict.unanswered += 1
                    time.sleep(0.02)
                except Exception as error:  # noqa: BLE001 - whatever it is, the round says so at its end
                    verdict.problems.append(f"{client.name}: {error!r}")
                    stop.set()
            client.close()

        return [
            threading.Thread(
                target=run, args=(client, self._draw.getrandbits(32)), name=client.name, daemon=True
            )
            for client in clients
        ]

    def _kill(self, kind: str) -> None:
        if kind == "nobody":
            return
        os.kill(self.service.children(kind)[0], signal.SIGKILL)

    # ---- the verdict
    def _end(self, groups: list[Group], verdict: Verdict) -> None:
        """Both doors look at every key once more, then each group's history must be explained."""
        self._recovered()
        s3 = S3Client(99, self.service.port, 0)
        mount = MountClient(99, self._mount(), 0)
        for group in groups:
            for look in (s3.look, mount.look, s3.look):
                for key in range(len(group.keys)):
                    self._patiently(lambda look=look, key=key, group=group: look(group, key))
            self._judge(group, verdict)
        s3.close()

    @staticmethod
    def _judge(group: Group, verdict: Verdict) -> None:
        history = allowed(group.recorder)
        verdict.operations += len(group.recorder.history)
        verdict.histories += 1
        try:
            left = explain(history, initial(len(group.keys)))
        except Undecided:
            verdict.undecided += 1
            return
        if left is not None:
            verdict.problems.append(_told(group, history, left))

    def _recovered(self) -> None:
        def answers() -> bool:
            try:
                return len(os.listdir(self.service.mount or "")) > 0
            except OSError:
                return False

        wait_until("the mount", RECOVERY_SECONDS, answers)

    @staticmethod
    def _patiently(look: Callable[[], None]) -> None:
        def answered() -> bool:
            try:
                look()
            except Unanswered:
                return False
            return True

        wait_until("an answer", RECOVERY_SECONDS, answered)


def _told(group: Group, history: list[Operation], left: list[Operation]) -> str:
    """The operations around the first one that no order explains."""
    first = min(found.start for found in left)
    before = sorted((found for found in history if found not in left), key=lambda found: found.end)
    shown = [("done", found) for found in before if found.answered][-25:]
    shown += [("left", found) for found in left[:25]]
    lines = [
        f"  {what} {found.start - first:9.6f} .. {found.end - first:9.6f} {found.client:8} {found.kind:8} "
        f"key {found.key}{'?' if found.elsewhere else ''} to {found.other}: {found.old or ''} {found.value}"
        for what, found in shown
    ]
    return f"no order explains the history of {group.keys[0].decode()}, it ends before\n" + "\n".join(lines)
