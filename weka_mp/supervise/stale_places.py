"""Runtime directories of stores that are gone: each service leaves word of its store in its own, and a later
one removes those whose store is no longer where it was served from.

A store that is only elsewhere now loses nothing: a runtime directory holds what a running service needs, and
the next start makes it again.
"""

from __future__ import annotations

import logging
import os
import shutil
from typing import Final

from weka_mp.supervise.instance import Instance

__all__ = ["leave_word", "remove_stale"]

log = logging.getLogger(__name__)

_STORE: Final = "store"  # file in a runtime directory: the store's absolute path
_CONTROL_AREA: Final = b".weka"


def leave_word(runtime: str, store: str) -> None:
    """Say whose runtime directory this is. Raises OSError."""
    with open(os.path.join(runtime, _STORE), "wb") as file:
        file.write(os.fsencode(store))


def remove_stale(runtime: str) -> int:
    """Remove the stale ones beside `runtime`; how many. May take as long as a file system takes to answer.

    Nothing is removed while a process holds one of its locks, nor where nobody left word.
    """
    base = os.path.dirname(runtime)
    removed = 0
    for name in os.listdir(base):
        path = os.path.join(base, name)
        if path == runtime or not _is_stale(path):
            continue
        try:
            removed += _remove(path)
        except OSError as error:
            log.warning("a stale runtime directory stays: %s", error)
    return removed


def _is_stale(runtime: str) -> bool:
    try:
        with open(os.path.join(runtime, _STORE), "rb") as file:
            store = file.read()
    except OSError:
        return False  # nobody left word, or it is not ours
    try:
        os.lstat(os.path.join(store, _CONTROL_AREA))
    except (FileNotFoundError, NotADirectoryError):
        return True
    except OSError:
        return False  # nobody can say whether the store is there
    return False


def _remove(runtime: str) -> bool:
    instance = Instance.try_all(runtime)
    if instance is None:
        return False
    try:
        shutil.rmtree(runtime)
    finally:
        instance.release()
    return True
