"""``weka-mp serve``."""

from __future__ import annotations

from typing import Any

import click

from weka_mp.cli.refusals import ConfigRefusal
from weka_mp.cli.running import print_ready, run_in_foreground
from weka_mp.cli.settings import configuration, configuration_options, named_store

__all__ = ["command"]


@click.command("serve", short_help="Serve a store over S3 and mounts.")
@click.argument("argument", metavar="[STORE]", required=False)
@configuration_options()
@click.pass_context
def command(context: click.Context, /, argument: str | None, **flags: Any) -> None:
    """Serve the directory STORE as an S3 endpoint and, where asked, as mounted file systems.

    Prints one line `ready s3=... mount=... store=...` once all of them answer, and serves until SIGTERM
    or Ctrl-C: requests under way are finished, mounts unmounted. Diagnostics go to standard error or to
    the log file.
    """
    if argument is not None:
        option = flags["store"] if flags["store"] is not None else named_store(context)
        flags["store"] = _one_store(context, argument, option)
    config = configuration(context, flags).config
    if config.store is None:
        raise click.UsageError("no store named: give STORE, --store STORE or WEKA_MP_STORE", context)
    if config.s3 is None and not config.mount:
        raise ConfigRefusal("nothing to serve: S3 is none and no mount point is named")
    run_in_foreground(config, print_ready)


def _one_store(context: click.Context, argument: str, option: str | None) -> str:
    if option is not None and option != argument:
        raise click.UsageError("STORE and --store name two stores", context)
    return argument
