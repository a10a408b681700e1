"""The one table of options.

Flags, variables, keys of the file, `--help` and docs/CONFIGURATION.md follow it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from weka_mp.acl import ENFORCED, NOT_SET, OWNERSHIPS
from weka_mp.config.values import (
    Address,
    parse_address,
    parse_choice,
    parse_domains,
    parse_fixed_address,
    parse_integer,
    parse_network,
    parse_path,
    parse_region,
    parse_seconds,
    parse_size,
    parse_size_from,
    parse_switch,
)

__all__ = ["OPTIONS", "Option", "default_workers", "option"]


@dataclass(frozen=True, slots=True)
class Option:
    """One setting. `key` is its TOML key; the flag and the variable follow from it.

    `parse` takes the text of a flag or variable; `shown` is the default as the documentation spells it.
    `types` are what the TOML file may hold for it. A `repeats` option takes several values: a repeated
    flag, a list in the file, a variable in which they are separated by `separator`. A `switch` takes no value
    as a flag.
    """

    key: str
    parse: Callable[[str], object]
    default: object
    shown: str
    metavar: str
    help: str
    types: tuple[type, ...] = (str,)
    repeats: bool = False
    switch: bool = False
    separator: str = ":"

    @property
    def flag(self) -> str:
        return "--" + self.key.replace("_", "-")

    @property
    def variable(self) -> str:
        return "WEKA_MP_" + self.key.upper()


def default_workers() -> int:
    """As many S3 processes as there are cores, at least 2 (one may be busy or restarting), at most 4."""
    return max(2, min(4, len(os.sched_getaffinity(0))))


OPTIONS: Final[tuple[Option, ...]] = (
    Option(
        "store",
        parse_path,
        None,
        "(required)",
        "STORE",
        "The directory that holds the data; an alternative to the argument STORE.",
    ),
    Option(
        "mount",
        parse_path,
        (),
        "(none)",
        "DIR",
        "Mount the store at this directory; may be repeated.",
        repeats=True,
    ),
    Option(
        "s3",
        parse_address,
        Address("127.0.0.1", 9000),
        "127.0.0.1:9000",
        "HOST:PORT",
        "Where the S3 endpoint listens. Port 0 takes a free one; none serves no S3.",
    ),
    Option(
        "admin",
        parse_address,
        None,
        "127.0.0.1:14000",
        "HOST:PORT",
        "Where health and metrics are served. Port 0 takes a free one; none serves them on the"
        " admin socket only. A taken default address is passed over with a warning, a named one is an error.",
    ),
    Option(
        "admin_names",
        parse_domains,
        (),
        "(none)",
        "NAME[,NAME...]",
        "Names with a dot under which --admin may be asked in the clear, besides this machine's own and those"
        " of --domain; other names are refused, so that no page in a browser can have its own lead here.",
        types=(str, list),
    ),
    Option(
        "nfs",
        parse_fixed_address,
        Address("127.0.0.1", 2049),
        "127.0.0.1:2049",
        "HOST:PORT",
        "Where NFSv4 is served once there are exports (weka-mp nfs export add); none keeps it off.",
    ),
    Option(
        "smb",
        parse_fixed_address,
        Address("127.0.0.1", 445),
        "127.0.0.1:445",
        "HOST:PORT",
        "Where SMB is served once there are shares (weka-mp smb share add); none keeps it off.",
    ),
    Option(
        "workers",
        parse_integer(1, 256),
        None,
        "the cores, 2 to 4",
        "N",
        "Number of S3 worker processes.",
        types=(int,),
    ),
    Option(
        "durability",
        parse_choice("commit", "relaxed"),
        "commit",
        "commit",
        "commit|relaxed",
        "commit: a 200 is on stable storage; relaxed: names may be lost with the machine's power.",
    ),
    Option(
        "region",
        parse_region,
        "us-east-1",
        "us-east-1",
        "REGION",
        "The region that signatures and GetBucketLocation name.",
    ),
    Option(
        "domain",
        parse_domains,
        (),
        "(none)",
        "D[,D...]",
        "Domains under which BUCKET.DOMAIN addresses a bucket.",
        types=(str, list),
    ),
    Option(
        "website_domain",
        parse_domains,
        (),
        "(none)",
        "D[,D...]",
        "Domains under which BUCKET.DOMAIN is the website of a bucket.",
        types=(str, list),
    ),
    Option(
        "attr_timeout",
        parse_seconds,
        1.0,
        "1",
        "SECONDS",
        "How long kernels may cache names and attributes of the mount.",
        types=(int, float),
    ),
    Option(
        "sigv2",
        parse_switch,
        False,
        "off",
        "",
        "Accept signature version 2 in the Authorization header too.",
        types=(bool,),
        switch=True,
    ),
    Option(
        "mount_versions",
        parse_choice("on", "off"),
        "on",
        "on",
        "on|off",
        "Whether what is overwritten, replaced or removed on the mount becomes a version in buckets that have"
        " versions.",
    ),
    Option(
        "posix_permissions",
        parse_choice("on", "off"),
        "off",
        "off",
        "on|off",
        "Whether modes and ACLs of directories and files bind S3 users too, each by its uid, gid and groups;"
        " for buckets of which weka-mp s3 bucket posix says nothing else. Needs root.",
    ),
    Option(
        "tls",
        parse_choice("auto", "on", "off"),
        "auto",
        "auto",
        "auto|on|off",
        "Speak TLS at --s3 and --admin; auto: when --tls-cert is given. Without --tls-cert it is on with the"
        " certificate of weka-mp security tls set, or a self-signed one.",
    ),
    Option(
        "tls_cert",
        parse_path,
        (),
        "(none)",
        "FILE",
        "A certificate and its chain in PEM; may be repeated: clients get the one that has the name they ask"
        " for, others the first. New content is taken by itself.",
        repeats=True,
    ),
    Option(
        "tls_key",
        parse_path,
        (),
        "the certificate's file",
        "FILE",
        "The key of each --tls-cert in the same order, in unencrypted PEM.",
        repeats=True,
    ),
    Option(
        "tls_client_ca",
        parse_path,
        None,
        "(none)",
        "FILE",
        "Authorities in PEM: clients of --s3 must show a certificate of one of them.",
    ),
    Option(
        "tls_plain",
        parse_choice("explain", "redirect", "refuse"),
        "explain",
        "explain",
        "explain|redirect|refuse",
        "What plain HTTP gets where TLS is spoken: a 400 that says so, a redirection to https, or nothing.",
    ),
    Option(
        "trusted_proxy",
        parse_network,
        (),
        "(none)",
        "CIDR",
        "Believe proxies of this network for whom they speak (PROXY protocol, X-Forwarded-For and -Proto);"
        " may be repeated, in the variable separated by commas.",
        repeats=True,
        separator=",",
    ),
    Option(
        "max_requests_per_user",
        parse_integer(0, 1_000_000),
        0,
        "0",
        "N",
        "Requests a second of one user in one S3 worker; beyond them 503 SlowDown. 0: no limit.",
        types=(int,),
    ),
    Option(
        "max_requests_per_address",
        parse_integer(0, 1_000_000),
        0,
        "0",
        "N",
        "The same of one address.",
        types=(int,),
    ),
    Option(
        "max_connections",
        parse_integer(1, 1_000_000),
        4096,
        "4096",
        "N",
        "Connections of one S3 worker; who comes beyond them is told 503 SlowDown.",
        types=(int,),
    ),
    Option(
        "max_connections_per_address",
        parse_integer(1, 1_000_000),
        1024,
        "1024",
        "N",
        "The same from one address.",
        types=(int,),
    ),
    Option(
        "head_timeout",
        parse_integer(1, 86_400),
        30,
        "30",
        "SECONDS",
        "How long a request's head may take from its first byte to its last.",
        types=(int,),
    ),
    Option(
        "idle_timeout",
        parse_integer(1, 86_400),
        75,
        "75",
        "SECONDS",
        "How long a connection may stay without a request.",
        types=(int,),
    ),
    Option(
        "body_timeout",
        parse_integer(1, 86_400),
        30,
        "30",
        "SECONDS",
        "How long a request's body may pause, and how long it may begin below the least rate.",
        types=(int,),
    ),
    Option(
        "send_timeout",
        parse_integer(1, 86_400),
        60,
        "60",
        "SECONDS",
        "How long a client that does not read its answer is waited for.",
        types=(int,),
    ),
    Option(
        "min_rate",
        parse_size,
        1024,
        "1KiB",
        "SIZE",
        "The least bytes a second at which bodies must be sent and answers read; 0: no least rate.",
        types=(int, str),
    ),
    Option(
        "object_ownership",
        parse_choice(*OWNERSHIPS, NOT_SET),
        ENFORCED,
        ENFORCED,
        "|".join((*OWNERSHIPS, NOT_SET)),
        "Whose the objects of a new bucket are whose maker does not say; ACLs count in all but the first."
        " none: no ownership controls, as buckets of before April 2023 have them: ObjectWriter.",
    ),
    Option(
        "lifecycle_day_seconds",
        parse_integer(1, 86_400),
        86_400,
        "86400",
        "SECONDS",
        "What stands for a day in lifecycle rules, for tests: objects expire earlier than the rules say.",
        types=(int,),
    ),
    Option(
        "audit_spool",
        parse_size_from(2**20),
        256 * 2**20,
        "256MiB",
        "SIZE",
        "How many bytes of audit events may wait on this node for the webhook of weka-mp s3 cluster"
        " audit-webhook, about; at least 1MiB. Beyond it they are dropped, counted, and the webhook is told.",
        types=(int, str),
    ),
    Option(
        "audit_sync",
        parse_integer(0, 3600),
        5,
        "5",
        "SECONDS",
        "Sync what was written of the audit so often: a power cut takes the events of this long at most;"
        " 0: leave it to the kernel.",
        types=(int,),
    ),
    Option(
        "notification_queue",
        parse_size_from(2**20),
        2**30,
        "1GiB",
        "SIZE",
        "How many bytes of notifications may wait on this node for each target of weka-mp s3 notification"
        " target, about; at least 1MiB. Beyond it they are dropped and counted.",
        types=(int, str),
    ),
    Option(
        "bucket_log_spool",
        parse_size_from(2**20),
        256 * 2**20,
        "256MiB",
        "SIZE",
        "How many bytes of the log of a bucket may wait on this node, about; at least 1MiB. Beyond it lines"
        " are dropped and counted.",
        types=(int, str),
    ),
    Option(
        "bucket_log_interval",
        parse_integer(1, 86_400),
        300,
        "300",
        "SECONDS",
        "How long lines of a bucket's log wait for others of the same object; 16 MiB wait no longer.",
        types=(int,),
    ),
    Option(
        "audit_file",
        parse_path,
        None,
        "(none)",
        "FILE",
        "Write an audit event of every S3 call to this file, too, one JSON object a line.",
    ),
    Option(
        "audit_file_size",
        parse_size,
        64 * 2**20,
        "64MiB",
        "SIZE",
        "Start a new audit file when this size is reached; 0: never.",
        types=(int, str),
    ),
    Option(
        "audit_file_keep",
        parse_integer(1, 1000),
        5,
        "5",
        "N",
        "How many former audit files are kept, as FILE.1 (the latest) to FILE.N.",
        types=(int,),
    ),
    Option(
        "webhook_ca",
        parse_path,
        None,
        "the system's",
        "FILE",
        "Authorities in PEM that vouch for the receivers of webhooks.",
    ),
    Option(
        "no_native",
        parse_switch,
        False,
        "off",
        "",
        "Do without the native library; everything works, slower.",
        types=(bool,),
        switch=True,
    ),
    Option(
        "log_level",
        parse_choice("debug", "info", "warning", "error"),
        "info",
        "info",
        "debug|info|warning|error",
        "The least severe records that are logged.",
    ),
    Option(
        "log_file", parse_path, None, "standard error", "FILE", "Log to this file instead of standard error."
    ),
    Option(
        "log_format",
        parse_choice("text", "json"),
        "text",
        "text",
        "text|json",
        "One line of text or one JSON object a record.",
    ),
    Option(
        "log_max_size",
        parse_size,
        64 * 2**20,
        "64MiB",
        "SIZE",
        "Start a new log file when this size is reached; 0: never.",
        types=(int, str),
    ),
    Option(
        "log_keep",
        parse_integer(1, 1000),
        5,
        "5",
        "N",
        "How many former log files are kept, as FILE.1 (the latest) to FILE.N.",
        types=(int,),
    ),
)

_BY_KEY: Final = {entry.key: entry for entry in OPTIONS}


def option(key: str) -> Option:
    """The option with this key; KeyError when there is none."""
    return _BY_KEY[key]
