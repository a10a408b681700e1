"""What a worker is started with."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from weka_mp.acl import ENFORCED
from weka_mp.gateway.posix_users import NOBODY
from weka_mp.lifecycle import DAY_NS
from weka_mp.server.limits import Limits
from weka_mp.tls import TlsSettings

__all__ = ["NOBODY", "RootCredentials", "ServerSettings"]

_ACCOUNT: Final = "0" * 63 + "1"  # a canonical user id has 64 hex digits; there is one account


@dataclass(frozen=True, slots=True)
class RootCredentials:
    """The access key of the one account there is. The secret never shows in a repr."""

    access_key: str
    secret_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """Settings of one S3 worker.

    domains:      lower-case hosts under which BUCKET.DOMAIN addresses a bucket.
    website_domains: lower-case hosts under which BUCKET.DOMAIN is a bucket's website.
    allow_sigv2:  whether version 2 signatures count in the Authorization header too.
    durable:      whether publishing waits for stable storage (--durability commit), so that it takes a
    thread.
    mount_sockets: glob of the sockets of this node's mounts; None: there are none.
    account:      canonical user id of the root account.
    tls:          None: plain HTTP.
    trusted_proxies: CIDRs of proxies whose word for whom they speak counts.
    identity_keys: path of the file that opens the secrets of users; None: there is nobody but root.
    posix_permissions: whether modes bind S3 users in buckets of which nothing else was set.
    day_ns:       what stands for a day in lifecycle rules.
    ownership:    whose the objects of new buckets are, see `gateway.context.Site`.
    anonymous:    uid and gid of what anonymous requests make; (0, 0): whoever the worker runs as.
    """

    region: str
    root: RootCredentials
    domains: tuple[str, ...] = ()
    website_domains: tuple[str, ...] = ()
    allow_sigv2: bool = False
    durable: bool = True
    mount_sockets: str | None = None
    account: str = _ACCOUNT
    identity_keys: str | None = None
    anonymous: tuple[int, int] = NOBODY
    posix_permissions: bool = False
    tls: TlsSettings | None = None
    trusted_proxies: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)
    day_ns: int = DAY_NS
    ownership: str = ENFORCED
