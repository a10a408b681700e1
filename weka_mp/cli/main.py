"""``weka-mp``: the commands by name. Each is loaded when it is used, so that --help is quick."""

from __future__ import annotations

import importlib
import os
import sys
from typing import Final

import click

import weka_mp

__all__ = ["COMMANDS", "cli", "main"]

COMMANDS: Final = {
    "bench": "bench_cmd",
    "check": "check_cmd",
    "completion": "completion_cmd",
    "config": "config_cmd",
    "doctor": "doctor_cmd",
    "etag": "etag_cmd",
    "events": "events_cmd",
    "mount": "mount_cmd",
    "nfs": "nfs_cmd",
    "s3": "s3_cmd",
    "security": "security_cmd",
    "serve": "serve_cmd",
    "smb": "smb_cmd",
    "user": "user_cmd",
}


_OTHERS_WRITE: Final = 0o022


class _Commands(click.Group):
    """Finds a command's object in the module of its name."""

    def list_commands(self, context: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, context: click.Context, name: str) -> click.Command | None:
        if name not in COMMANDS:
            return None
        command: click.Command = importlib.import_module(f"weka_mp.cli.{COMMANDS[name]}").command
        return command


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(weka_mp.__version__, prog_name="weka-mp", message="%(prog)s %(version)s")
@click.option("--store", metavar="STORE", help="The store that the command is about. [WEKA_MP_STORE]")
def cli(store: str | None) -> None:
    """One directory of files, served as S3 objects and as a mounted file system.

    Exit status: 0 done, 1 refused or failed, 2 wrong usage or configuration, 3 no service reachable.
    """


def main() -> None:
    """The entry point of the program."""
    # Whatever the shell says: nothing that is made (a log, a file of keys) may be written by everybody.
    os.umask(os.umask(0) | _OTHERS_WRITE)
    try:
        cli.main(prog_name="weka-mp")
    except OSError as error:
        # Commands turn their own errors into refusals; what comes here is an output that takes no more.
        sys.stderr.write(f"weka-mp: the output cannot be written: {error.strerror}\n")
        sys.exit(1)
