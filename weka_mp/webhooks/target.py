"""The URL of a webhook, checked before it is kept; its addresses are judged when they are connected to."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from weka_mp.webhooks.addresses import refusal

__all__ = ["Target", "TargetRefused", "check_token", "parse_target"]

_MAX_URL: Final = 2048
_MAX_TOKEN: Final = 1024
_PRINTABLE: Final = re.compile(r"[!-~]+")
_LABEL: Final = r"[A-Za-z0-9_][A-Za-z0-9_-]{0,62}"
_NAME: Final = re.compile(rf"(?=.{{1,253}}\Z){_LABEL}(\.{_LABEL})*\.?")
_PORTS: Final = {"http": 80, "https": 443}


class TargetRefused(Exception):
    """No such target can be had; the message is one line for the administrator."""


@dataclass(frozen=True, slots=True)
class Target:
    """host: a name or an address, without brackets. resource: path and query, as the request line has it."""

    secure: bool
    host: str
    port: int
    resource: str

    @property
    def authority(self) -> str:
        """The Host header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = _PORTS["https" if self.secure else "http"]
        return host if self.port == usual else f"{host}:{self.port}"

    @property
    def shown(self) -> str:
        """For logs: without the query, which may hold a token."""
        scheme = "https" if self.secure else "http"
        return f"{scheme}://{self.authority}{self.resource.partition('?')[0]}"


def parse_target(url: str) -> Target:
    """Raises TargetRefused. Never shows what may be a secret."""
    if len(url) > _MAX_URL or not _PRINTABLE.fullmatch(url):
        raise TargetRefused(f"the endpoint must be a URL of at most {_MAX_URL} printable ASCII characters")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise TargetRefused("the endpoint is no URL") from None
    if parts.scheme not in _PORTS:
        raise TargetRefused("the endpoint must begin with https:// or http://")
    if parts.username is not None or parts.password is not None:
        raise TargetRefused("the endpoint must not name a user or a password: that is what the token is for")
    if parts.fragment:
        raise TargetRefused("the endpoint must have no fragment (#…)")
    host = parts.hostname or ""
    _check_host(host)
    if port == 0:
        raise TargetRefused("the endpoint's port is 0")
    resource = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme == "https", host, port or _PORTS[parts.scheme], resource)


def check_token(token: str) -> str:
    """The value of an Authorization header; of one in quotes what is between them. Raises TargetRefused."""
    for quote in ('\\"', '"'):
        if len(token) >= 2 * len(quote) and token.startswith(quote) and token.endswith(quote):
            token = token[len(quote) : -len(quote)]
            break
    token = token.strip()
    if not token or len(token) > _MAX_TOKEN or not token.isascii() or not token.isprintable():
        raise TargetRefused(
            f"the token must be 1 to {_MAX_TOKEN} printable ASCII characters, such as: Splunk TOKEN"
        )
    return token


def _check_host(host: str) -> None:
    """An address in its one usual form, or a name: resolvers also read ``0x7f.1``, ``017700000001`` and
    ``2130706433`` as addresses, which nobody writes who has nothing to hide. Raises TargetRefused.
    """
    try:
        why = refusal(host)
    except ValueError:
        pass
    else:
        if why is not None:
            raise TargetRefused(f"the endpoint's address {host} is {why}")
        if str(ipaddress.ip_address(host)) != host.lower() and ":" not in host:
            raise TargetRefused(f"{host} is no address as it is written usually")
        return
    if not _NAME.fullmatch(host) or _is_numeric(host.rstrip(".").rpartition(".")[2]):
        raise TargetRefused("the endpoint's host is neither a name nor an address")


def _is_numeric(label: str) -> bool:
    """No top-level domain is a number (RFC 3696, 2), so such a host is an address in disguise."""
    return label.isdigit() or re.fullmatch(r"0[xX][0-9a-fA-F]*", label) is not None
