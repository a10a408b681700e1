"""Clients in other languages, each one process that is asked line by line: the mount is looked at in between.

A request is a line of words, percent-encoded, with blanks between: an operation and its arguments. The answer
is one of the same form: ``ok`` and what the operation answers, or ``error``, its name at the client and its
message. The programs are in ``drivers/``; tools/clients.sh puts them, and what they need, into a folder of
the virtual environment.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote, unquote

from tests.system.service import ACCESS_KEY, REGION, SECRET_KEY

ROOT = Path(__file__).parents[2]
INSTALLED = ROOT / ".venv" / "clients"
SOURCES = Path(__file__).parent / "drivers"


class RefusedError(Exception):
    """What the client, or the service through it, said of an operation that failed."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code


class Driver:
    """One client."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def __call__(self, operation: str, *words: str | Path) -> list[str]:
        """Carry out one operation. Raises RefusedError, and AssertionError when the client is gone."""
        assert self._process.stdin is not None and self._process.stdout is not None
        line = " ".join(quote(str(word), safe="") for word in (operation, *words))
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline()
        assert answer.endswith("\n"), f"the client ended with {self._process.wait(10)}"
        first, *rest = map(unquote, answer.rstrip("\n").split(" "))
        if first == "ok":
            return rest
        assert first == "error", answer
        raise RefusedError(*rest)


@contextmanager
def driven(command: Sequence[str | Path], endpoint: str, **variables: str) -> Iterator[Driver]:
    """A client for the time of the block. It must end by itself, with status 0, when nobody asks any more."""
    process = subprocess.Popen(
        list(map(str, command)), env=_environment(endpoint, variables), text=True, encoding="utf-8",
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )
    try:
        yield Driver(process)
        assert process.stdin is not None
        process.stdin.close()
        assert process.wait(30) == 0
    finally:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                pipe.close()


def _environment(endpoint: str, extra: Mapping[str, str]) -> dict[str, str]:
    """Nothing of the caller's configuration of clients; the credentials as every SDK finds them."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "WEKA_MP_"))}
    return {
        **kept, "LC_ALL": "C.UTF-8", "ENDPOINT": endpoint, "AWS_REGION": REGION,
        "AWS_ACCESS_KEY_ID": ACCESS_KEY, "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_EC2_METADATA_DISABLED": "true",
        "AWS_CONFIG_FILE": "/dev/null", "AWS_SHARED_CREDENTIALS_FILE": "/dev/null", **extra,
    }
