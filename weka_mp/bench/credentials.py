"""Keys for the endpoints, from where the AWS tools look for them; never from a command line.

Source: "Configuration and credential file settings" of the AWS CLI user guide.
"""

from __future__ import annotations

import configparser
import os
from collections.abc import Mapping
from pathlib import Path

from weka_mp.bench.signing import Keys
from weka_mp.bench.targets import TargetFailed

__all__ = ["keys_for"]


def keys_for(name: str, environment: Mapping[str, str]) -> Keys:
    """The profile called `name` of the shared credentials file, else the variables, else ``AWS_PROFILE``.

    So several endpoints can have keys of their own in one file. Raises TargetFailed when there are none.
    """
    default = os.path.join(environment.get("HOME", "/"), ".aws", "credentials")
    path = Path(environment.get("AWS_SHARED_CREDENTIALS_FILE", default))
    profiles = configparser.ConfigParser(interpolation=None, default_section="")
    try:
        profiles.read(path, "utf-8")
    except (configparser.Error, UnicodeDecodeError) as error:
        raise TargetFailed(f"{path}: {str(error).splitlines()[0]}") from error
    access, secret = environment.get("AWS_ACCESS_KEY_ID"), environment.get("AWS_SECRET_ACCESS_KEY")
    chosen = environment.get("AWS_PROFILE", "default")
    if name in profiles:
        access, secret = _of(profiles, name)
    elif not (access and secret) and chosen in profiles:
        access, secret = _of(profiles, chosen)
    if not (access and secret):
        raise TargetFailed(
            f"no keys for {name}: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or write a profile "
            f"[{name}] into the file that AWS_SHARED_CREDENTIALS_FILE names"
        )
    return Keys(access, secret)


def _of(profiles: configparser.ConfigParser, name: str) -> tuple[str | None, str | None]:
    section = profiles[name]
    return section.get("aws_access_key_id"), section.get("aws_secret_access_key")
