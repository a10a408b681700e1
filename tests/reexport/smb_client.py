"""smbclient as a client: one command line a call, files in a folder of its own."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

USER, PASSWORD = "root", "pass word%,1"
_LINE = re.compile(r"  (?P<name>.+?)\s{2,}(?P<flags>[A-Z]*)\s+(?P<size>\d+)  \w{3} \w{3} [ \d]\d .*")


class SmbError(Exception):
    """What smbclient said."""


class SmbClient:
    """Uses `share` of the server at `port`; names have slashes, not backslashes."""

    def __init__(self, port: int, share: str, folder: Path, login: str | None = f"{USER}%{PASSWORD}") -> None:
        self._port = port
        self._share = share
        self._folder = folder
        self._login = ["-N"] if login is None else ["-U", login]

    def run(self, *commands: str) -> str:
        """The output of the commands. Raises SmbError when one fails."""
        where = [f"//127.0.0.1/{self._share}", "-p", str(self._port)]
        done = subprocess.run(
            ["smbclient", *where, *self._login, "-c", ";".join(commands)],
            cwd=self._folder, capture_output=True, timeout=60, check=False,
        )  # fmt: skip
        said = (done.stdout + done.stderr).decode("utf-8", "replace")
        if done.returncode != 0 or "NT_STATUS_" in said:
            raise SmbError(said)
        return said

    def write(self, path: str, content: bytes) -> None:
        (self._folder / "up").write_bytes(content)
        self.run(f'put up "{path}"')

    def read(self, path: str) -> bytes:
        down = self._folder / "down"
        down.unlink(missing_ok=True)
        self.run(f'get "{path}" down')
        return down.read_bytes()

    def names(self, folder: str = "") -> set[str]:
        """Names as the share shows them."""
        wanted = f'ls "{folder}/*"' if folder else "ls"
        found = {match["name"] for line in self.run(wanted).splitlines() if (match := _LINE.fullmatch(line))}
        return found - {".", ".."}

    def size(self, path: str) -> int:
        match = re.search(r"stream: \[::\$DATA\], (\d+) bytes", self.run(f'allinfo "{path}"'))
        assert match is not None
        return int(match[1])
