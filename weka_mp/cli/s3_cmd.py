"""``weka-mp s3``."""

from __future__ import annotations

import click

from weka_mp.cli import (
    s3_bucket,
    s3_cluster,
    s3_credentials,
    s3_explain,
    s3_notification,
    s3_policy,
    s3_retention_clock,
)

__all__ = ["command"]


@click.group("s3", short_help="Buckets, policies, service accounts and temporary credentials of S3.")
def command() -> None:
    """Who may do what over S3 (docs/ADMINISTRATION.md)."""


command.add_command(s3_bucket.bucket)
command.add_command(s3_cluster.cluster)
command.add_command(s3_cluster.log_level)
command.add_command(s3_notification.notification)
command.add_command(s3_policy.policy)
command.add_command(s3_retention_clock.retention_clock)
command.add_command(s3_credentials.service_account)
command.add_command(s3_credentials.sts)
command.add_command(s3_explain.explain)
