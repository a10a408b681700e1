"""Opens the store: the one place that joins a directory and a namespace, for the supervisor and its
children.
"""

from __future__ import annotations

from weka_mp.namespace import Durability, Namespace
from weka_mp.store.posix import PosixStore

__all__ = ["open_namespace"]


def open_namespace(path: str, durability: str) -> Namespace:
    """The namespace over the directory `path`. Raises StoreUnusable with a one-line reason."""
    return Namespace.open(PosixStore(path), durability=Durability(durability))
