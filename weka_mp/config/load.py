"""Flags over variables over the TOML file over defaults.

Given is given: an empty or false value is not passed over.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from weka_mp.config.options import OPTIONS, Option, default_workers
from weka_mp.config.settings import Config
from weka_mp.config.values import Address, ConfigError

__all__ = ["OTHER_VARIABLES", "Loaded", "check_together", "load", "read_file"]

OTHER_VARIABLES = frozenset(
    {
        "WEKA_MP_CONFIG", "WEKA_MP_CRASH_AT", "WEKA_MP_NO_NATIVE", "WEKA_MP_ROOT_ACCESS_KEY",
        "WEKA_MP_ROOT_SECRET_KEY", "WEKA_MP_STORE",
        "WEKA_MP_USERNAME", "WEKA_MP_PASSWORD", "WEKA_MP_TOKEN", "WEKA_MP_CACERT",
    }
)
"""Those that are no options of `serve`, but read elsewhere."""

_PREFIX = "WEKA_MP_"
_DEFAULT_ADMIN = Address("127.0.0.1", 14000)


@dataclass(frozen=True, slots=True)
class Loaded:
    """A configuration and, per key, where its value came from (a flag, a variable, the file's name,
    ``default``).
    """

    config: Config
    sources: Mapping[str, str]


def read_file(path: str) -> Mapping[str, object]:
    """The keys of a TOML file. Raises ConfigError: unreadable, not TOML, an unknown key."""
    try:
        with open(path, "rb") as file:
            content = tomllib.load(file)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: not TOML: {' '.join(str(error).split())}") from error
    unknown = sorted(set(content) - {entry.key for entry in OPTIONS})
    if unknown:
        raise ConfigError(f"{path}: unknown key {unknown[0]!r}")
    return content


def load(
    flags: Mapping[str, object],
    environ: Mapping[str, str],
    file: Mapping[str, object] | None = None,
    *,
    file_name: str = "configuration file",
) -> Loaded:
    """Merge the layers. `flags` maps keys to text (a list of texts, a bool for switches); None is not given.

    Raises ConfigError naming the flag, variable or key whose value is wrong, or a variable that nobody reads.
    """
    _refuse_unknown(environ)
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for entry in OPTIONS:
        values[entry.key], sources[entry.key] = _value_of(entry, flags, environ, file or {}, file_name)
    values["admin_named"] = sources["admin"] != "default"
    if not values["admin_named"]:
        values["admin"] = _DEFAULT_ADMIN
    if values["workers"] is None:
        values["workers"] = default_workers()
    return Loaded(Config(**values), sources)


def check_together(config: Config) -> None:
    """What no option can tell alone: whatever speaks of TLS must count, and a host is of the API or of
    websites. Raises ConfigError.
    """
    certificates, keys = config.tls_cert, config.tls_key
    if keys and len(keys) != len(certificates):
        raise ConfigError(f"tls_key: {len(keys)} for {len(certificates)} of tls_cert: one for each, or none")
    both = set(config.domain) & set(config.website_domain)
    if both:
        raise ConfigError(f"website_domain: {min(both)} is a domain of the S3 API, too (domain)")
    if config.tls == "off" and certificates:
        raise ConfigError("tls_cert: tls is off")
    if config.tls_client_ca is not None and not config.speaks_tls:
        raise ConfigError("tls_client_ca: it takes TLS, which is off: give tls_cert, or tls = on")


def _refuse_unknown(environ: Mapping[str, str]) -> None:
    """A misspelt variable is no better than a misspelt key: what it was meant to set would stay as it is."""
    known = OTHER_VARIABLES | {entry.variable for entry in OPTIONS}
    for name in sorted(environ):
        if name.startswith(_PREFIX) and name not in known:
            rests = [other.removeprefix(_PREFIX) for other in known]
            near = difflib.get_close_matches(name.removeprefix(_PREFIX), rests, 1)
            raise ConfigError(f"{name}: no such variable" + (f"; {_PREFIX}{near[0]}?" if near else ""))


def _value_of(
    entry: Option,
    flags: Mapping[str, object],
    environ: Mapping[str, str],
    file: Mapping[str, object],
    name: str,
) -> tuple[object, str]:
    flag = flags.get(entry.key)
    if flag is not None:
        return _checked(entry, flag, entry.flag), entry.flag
    variable = environ.get(entry.variable)
    if variable is not None:
        given = [part for part in variable.split(entry.separator) if part] if entry.repeats else variable
        return _checked(entry, given, entry.variable), entry.variable
    if entry.key in file:
        return _checked(entry, _from_toml(entry, file[entry.key], name), f"{name}: {entry.key}"), name
    return entry.default, "default"


def _checked(entry: Option, given: object, source: str) -> object:
    """`given` (text, a list of texts, or a switch's bool) as the option's value."""
    try:
        if isinstance(given, bool):
            return given
        if isinstance(given, str):
            return (entry.parse(given),) if entry.repeats else entry.parse(given)
        assert isinstance(given, Sequence)
        return tuple(entry.parse(text) for text in given)
    except ConfigError as error:
        raise ConfigError(f"{source}: {error}") from None


def _from_toml(entry: Option, value: object, name: str) -> object:
    """The text (or texts, or bool) that a flag would have had for this value of the file."""
    if entry.repeats:
        listed = value if isinstance(value, list) else [value]
        if all(isinstance(item, str) for item in listed):
            return listed
    elif isinstance(value, list) and list in entry.types:
        if all(isinstance(item, str) for item in value):
            return ",".join(value)
    elif isinstance(value, entry.types) and (not isinstance(value, bool) or bool in entry.types):
        return value if isinstance(value, bool) else str(value)
    raise ConfigError(f"{name}: {entry.key}: {value!r} has the wrong type")
