"""``weka-mp mount``."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import click

from weka_mp.cli.refusals import ConfigRefusal
from weka_mp.cli.running import print_ready, run_in_foreground
from weka_mp.cli.settings import configuration, configuration_options
from weka_mp.config import ConfigError
from weka_mp.config.values import parse_path

__all__ = ["command"]

_OF_S3_OR_GIVEN = (
    "store", "mount", "s3", "workers", "region", "domain", "website_domain", "sigv2", "posix_permissions",
    "tls_client_ca",
    "trusted_proxy", "max_requests_per_user", "max_requests_per_address", "max_connections",
    "max_connections_per_address", "head_timeout", "idle_timeout", "body_timeout", "send_timeout", "min_rate",
    "audit_spool", "audit_sync", "audit_file", "audit_file_size", "audit_file_keep", "webhook_ca",
)


@click.command("mount", short_help="Mount a store, without S3.")
@click.argument("store", metavar="STORE")
@click.argument("directory", metavar="DIR")
@configuration_options(without=_OF_S3_OR_GIVEN)
@click.pass_context
def command(context: click.Context, /, store: str, directory: str, **flags: Any) -> None:
    """Mount the directory STORE at DIR, in the foreground, until SIGTERM or Ctrl-C.

    Prints one line `ready mount=DIR store=STORE` once the mount answers.
    """
    config = configuration(context, {**flags, "store": store}).config
    try:
        alone = replace(config, s3=None, mount=(parse_path(directory),))
    except ConfigError as error:
        raise ConfigRefusal(f"DIR: {error}") from error
    run_in_foreground(alone, print_ready)
