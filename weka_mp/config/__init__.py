"""The configuration of a service: one table of options, read from flags, variables and a TOML file."""

from weka_mp.config.load import Loaded, check_together, load, read_file
from weka_mp.config.options import OPTIONS, Option, option
from weka_mp.config.settings import Config
from weka_mp.config.values import Address, ConfigError

__all__ = [
    "OPTIONS", "Address", "Config", "ConfigError", "Loaded", "Option", "check_together", "load", "option",
    "read_file",
]  # fmt: skip
