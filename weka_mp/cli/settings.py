"""The options of a command, made from the option table, and the configuration that they and their rivals
give.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Collection, Mapping
from typing import Any, TypeVar

import click

from weka_mp.cli.refusals import ConfigRefusal
from weka_mp.config import OPTIONS, ConfigError, Loaded, Option, check_together, load, read_file

__all__ = ["CONFIG_VARIABLE", "configuration", "configuration_options", "named_store", "store_of"]

CONFIG_VARIABLE = "WEKA_MP_CONFIG"

Command = TypeVar("Command", bound=Callable[..., Any])


def configuration_options(*, without: Collection[str] = ()) -> Callable[[Command], Command]:
    """Give a command the flag of every option but those `without`, and ``--config``."""

    def decorate(command: Command) -> Command:
        config = click.option(
            "--config",
            metavar="FILE",
            help=f"Read options from this TOML file; flags and variables win over it. [{CONFIG_VARIABLE}]",
        )
        command = config(command)
        for entry in reversed(OPTIONS):
            if entry.key not in without:
                command = _click_option(entry)(command)
        return command

    return decorate


def _click_option(entry: Option) -> Callable[[Command], Command]:
    text = f"{entry.help} [{entry.variable}; default: {entry.shown}]"
    if entry.switch:
        return click.option(entry.flag, entry.key, is_flag=True, default=None, help=text)
    return click.option(
        entry.flag, entry.key, metavar=entry.metavar, multiple=entry.repeats, default=None, help=text
    )


def configuration(context: click.Context, flags: Mapping[str, Any]) -> Loaded:
    """Merge the command's `flags` (with ``config``) with variables and the file. Raises ConfigRefusal."""
    given = {key: value for key, value in flags.items() if key != "config" and value not in (None, ())}
    if "store" not in given and named_store(context) is not None:
        given["store"] = named_store(context)
    path = flags.get("config") if flags.get("config") is not None else os.environ.get(CONFIG_VARIABLE)
    try:
        file = read_file(path) if path is not None else {}
        loaded = load(given, os.environ, file, file_name=path or "")
        check_together(loaded.config)
    except ConfigError as error:
        raise ConfigRefusal(str(error)) from error
    return loaded


def named_store(context: click.Context) -> str | None:
    """The store given before the verb."""
    root = context.find_root()
    return root.params.get("store") if root is not context else None


def store_of(context: click.Context, store: str | None) -> str:
    """The store named after the verb, before it, or by WEKA_MP_STORE; a usage error when by none."""
    given = store if store is not None else named_store(context)
    given = given if given is not None else os.environ.get("WEKA_MP_STORE")
    if not given:
        raise click.UsageError("no store named: give STORE, --store STORE or WEKA_MP_STORE", context)
    return given
