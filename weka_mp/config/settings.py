"""The frozen configuration that every process of a service is started from."""

from __future__ import annotations

from dataclasses import dataclass

from weka_mp.config.values import Address

__all__ = ["Config"]


@dataclass(frozen=True, slots=True)
class Config:
    """All settings, checked. The fields are the keys of the option table; see docs/CONFIGURATION.md.

    `admin_named` says that the admin address was asked for and is not the default; `log_max_size`,
    `audit_spool`, `notification_queue`, `bucket_log_spool` and `audit_file_size` are in bytes, `min_rate` in
    bytes a second, `attr_timeout` and the other time-outs in seconds. `store` is None only where the command
    needs none.
    """

    store: str | None
    mount: tuple[str, ...]
    s3: Address | None
    admin: Address | None
    admin_named: bool
    nfs: Address | None
    smb: Address | None
    workers: int
    durability: str
    region: str
    domain: tuple[str, ...]
    admin_names: tuple[str, ...]
    website_domain: tuple[str, ...]
    attr_timeout: float
    sigv2: bool
    mount_versions: str
    posix_permissions: str
    tls: str
    tls_cert: tuple[str, ...]
    tls_key: tuple[str, ...]
    tls_client_ca: str | None
    tls_plain: str
    trusted_proxy: tuple[str, ...]
    max_requests_per_user: int
    max_requests_per_address: int
    max_connections: int
    max_connections_per_address: int
    head_timeout: int
    idle_timeout: int
    body_timeout: int
    send_timeout: int
    min_rate: int
    object_ownership: str
    lifecycle_day_seconds: int
    audit_spool: int
    audit_sync: int
    notification_queue: int
    bucket_log_spool: int
    bucket_log_interval: int
    audit_file: str | None
    audit_file_size: int
    audit_file_keep: int
    webhook_ca: str | None
    no_native: bool
    log_level: str
    log_file: str | None
    log_format: str
    log_max_size: int
    log_keep: int

    @property
    def speaks_tls(self) -> bool:
        """Whether the network addresses of S3 and administration do."""
        return self.tls == "on" or (self.tls == "auto" and bool(self.tls_cert))
