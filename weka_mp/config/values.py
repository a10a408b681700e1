"""Parsers of option values: text in, a checked value out. Each raises ConfigError with the reason alone."""

from __future__ import annotations

import ipaddress
import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

__all__ = [
    "Address",
    "ConfigError",
    "parse_address",
    "parse_choice",
    "parse_domains",
    "parse_fixed_address",
    "parse_integer",
    "parse_network",
    "parse_path",
    "parse_region",
    "parse_seconds",
    "parse_size",
    "parse_size_from",
    "parse_switch",
]

_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?")
_REGION: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_SIZE: Final = re.compile(r"([0-9]{1,15})\s*(B|KiB|MiB|GiB|k|kB|MB|GB|)")
_UNITS: Final = {
    "": 1,
    "B": 1,
    "k": 10**3,
    "kB": 10**3,
    "MB": 10**6,
    "GB": 10**9,
    "KiB": 2**10,
    "MiB": 2**20,
    "GiB": 2**30,
}
_MAX_DOMAINS: Final = 1024  # characters of the whole list
_MAX_DOMAIN: Final = 64  # characters of one domain: a bucket label before it must still fit a DNS name


class ConfigError(ValueError):
    """A value, key or file of the configuration is wrong; the message is one line for the user."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen: a host name or address without brackets, and a port (0: any free one)."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str) -> Address | None:
    """``HOST:PORT``, ``[IPV6]:PORT`` or ``none`` (do not listen)."""
    if text == "none":
        return None
    host, colon, port = text.rpartition(":")
    if not colon or not host or not re.fullmatch(r"[0-9]{1,5}", port) or int(port) > 65535:
        raise ConfigError(f"{text!r} is not HOST:PORT (or none)")
    return Address(_host(host, text), int(port))


def parse_fixed_address(text: str) -> Address | None:
    """The same where the port must be known beforehand: 0 is refused."""
    address = parse_address(text)
    if address is not None and address.port == 0:
        raise ConfigError(f"{text!r}: a port is needed here")
    return address


def _host(host: str, text: str) -> str:
    if host.startswith("[") and host.endswith("]"):
        try:
            return str(ipaddress.IPv6Address(host[1:-1]))
        except ValueError:
            raise ConfigError(f"{text!r}: no IPv6 address in the brackets") from None
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,253}", host):
        raise ConfigError(f"{text!r}: {host!r} is not a host name (an IPv6 address needs brackets)")
    return host


def parse_domains(text: str) -> tuple[str, ...]:
    """A comma-separated list of DNS names for virtual-hosted requests; empty text clears it."""
    if len(text) > _MAX_DOMAINS:
        raise ConfigError(f"the list is longer than {_MAX_DOMAINS} characters")
    if not text.strip():
        return ()
    return tuple(dict.fromkeys(_domain(part.strip()) for part in text.split(",")))


def _domain(text: str) -> str:
    name = text.lower().removesuffix(".")
    if len(name) > _MAX_DOMAIN:
        raise ConfigError(f"{text!r} is longer than {_MAX_DOMAIN} characters")
    labels = name.split(".")
    if not all(_LABEL.fullmatch(label) and len(label) <= 63 for label in labels):
        raise ConfigError(f"{text!r} is not a domain name")
    if labels[-1].isdigit():
        raise ConfigError(f"{text!r} is an address, not a domain name")
    return name


def parse_network(text: str) -> str:
    """A network in CIDR notation, or one address; host bits must be zero."""
    try:
        return str(ipaddress.ip_network(text.strip()))
    except ValueError:
        raise ConfigError(f"{text!r} is no address or network such as 10.0.0.0/8") from None


def parse_region(text: str) -> str:
    """A region as it stands in credential scopes: letters, digits and hyphens, at most 63."""
    if not _REGION.fullmatch(text):
        raise ConfigError(f"{text!r} is not a region name (letters, digits and hyphens)")
    return text


def parse_integer(low: int, high: int) -> Callable[[str], int]:
    """A parser of whole numbers from `low` to `high`."""

    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,10}", text) or not low <= int(text) <= high:
            raise ConfigError(f"{text!r} is not a whole number from {low} to {high}")
        return int(text)

    return parse


def parse_seconds(text: str) -> float:
    """Seconds, with a fraction if wanted, from 0 to a day."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not 0 <= value <= 86400:  # false for NaN too
        raise ConfigError(f"{text!r} is not a number of seconds from 0 to 86400")
    return value


def parse_size(text: str) -> int:
    """Bytes, with a unit if wanted (``10MiB``, ``500kB``)."""
    match = _SIZE.fullmatch(text)
    if match is None:
        raise ConfigError(f"{text!r} is not a size such as 10MiB")
    return int(match[1]) * _UNITS[match[2]]


def parse_size_from(low: int) -> Callable[[str], int]:
    """A parser of sizes of at least `low` bytes."""

    def parse(text: str) -> int:
        size = parse_size(text)
        if size < low:
            raise ConfigError(f"{text!r} is less than {low} bytes")
        return size

    return parse


def parse_switch(text: str) -> bool:
    """``on``, ``yes``, ``true``, ``1`` or ``off``, ``no``, ``false``, ``0``."""
    match text.lower():
        case "on" | "yes" | "true" | "1":
            return True
        case "off" | "no" | "false" | "0":
            return False
    raise ConfigError(f"{text!r} is neither on nor off")


def parse_choice(*choices: str) -> Callable[[str], str]:
    """A parser of one word out of `choices`."""

    def parse(text: str) -> str:
        if text not in choices:
            raise ConfigError(f"{text!r} is not one of {', '.join(choices)}")
        return text

    return parse


def parse_path(text: str) -> str:
    """A path of the file system:

    anything but empty, NUL or a line break (paths stand in one-line messages).
    """
    if not text or re.search(r"[\0\r\n]", text):
        raise ConfigError(f"{text!r} is not a path")
    return text
