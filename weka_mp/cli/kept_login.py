"""Who `weka-mp user login` logged in as, for the commands after it: a file that only its owner may read.

It holds a refresh token, and where that was given out. It is sent nowhere else.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from typing import Final

from weka_mp.cli.refusals import Refusal
from weka_mp.private_files import Exposed, create_private, read_private, remove_private, replace_private

__all__ = ["default_path", "forget", "keep", "kept"]

_NAME: Final = os.path.join("weka_mp", "auth-token.json")


def default_path(environ: Mapping[str, str]) -> str:
    """In the user's own configuration."""
    base = environ.get("XDG_CONFIG_HOME") or os.path.join(os.path.expanduser("~"), ".config")
    return os.path.join(base, _NAME)


def keep(path: str, place: str, refresh_token: str) -> None:
    """place: where the token was given out. Raises Refusal."""
    text = json.dumps({"for": place, "refresh_token": refresh_token})
    try:
        if os.path.lexists(path):
            replace_private(path, text)
        else:
            create_private(os.path.abspath(path), text)
    except OSError as error:
        raise Refusal(f"{path}: {error.strerror}") from error


def kept(path: str, place: str) -> str | None:
    """The refresh token that was given out there, if that is whom one is logged in to. Raises Refusal."""
    try:
        found = json.loads(read_private(path))
        return str(found["refresh_token"]) if found["for"] == place else None
    except FileNotFoundError:
        return None
    except Exposed as error:
        raise Refusal(f"{path}: others may read it, or it is theirs: chmod 600, or log in anew") from error
    except OSError as error:
        raise Refusal(f"{path}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError) as error:
        raise Refusal(f"{path}: no file of weka-mp user login") from error


def forget(path: str) -> bool:
    """Whether there was one. Raises Refusal."""
    try:
        remove_private(path)
    except FileNotFoundError:
        return False
    except OSError as error:
        raise Refusal(f"{path}: {error.strerror}") from error
    return True
