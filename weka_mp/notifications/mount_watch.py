"""What callers of a mount do to files, as buckets notify of it; and what a mount that died could not tell."""

from __future__ import annotations

import logging
import os
from typing import Final

from weka_mp.bucket_names import is_bucket_name
from weka_mp.errors import BucketMissing, DeleteMarkerMet, InvalidName, NamespaceError, NotFound
from weka_mp.namespace import Namespace
from weka_mp.namespace.happenings import PUT, REMOVED, Asker, Happening, MovedTree
from weka_mp.namespace.names.keys import MAX_KEY_BYTES, component_of
from weka_mp.notifications.journal import Journal
from weka_mp.notifications.open_writes import OpenWrites, abandoned
from weka_mp.values import BucketName

__all__ = ["MountWatch", "Recovery", "key_at"]

_log = logging.getLogger(__name__)
_SOURCE = "posix"
_NOWHERE = BucketName("")
_NO_OBJECT: Final = (NotFound, BucketMissing, InvalidName, DeleteMarkerMet)


def key_at(namespace: Namespace, path: bytes) -> tuple[BucketName, bytes] | None:
    """Bucket and key of a path below the store's root; the key of a bucket itself is empty. None: nothing
    there can be an object.
    """
    first, *rest = path.split(b"/")
    name = first.decode("ascii", "replace")
    if not is_bucket_name(name):
        return None
    long_name = namespace.context.long_names.component
    components = [component_of(component, long_name) for component in rest]
    key = b"/".join(component for component in components if component is not None)
    if None in components or len(key) > MAX_KEY_BYTES:
        return None
    return BucketName(name), key


class MountWatch:
    """Of one mount: see `weka_mp.namespace.happenings.Watcher`."""

    def __init__(self, namespace: Namespace, journal: Journal, directory: str) -> None:
        """directory: where it is kept which files are being written."""
        self._namespace = namespace
        self._journal = journal
        self._open = OpenWrites(directory, namespace.context.clock, namespace.context.random)

    def any(self) -> bool:
        return self._journal.any()

    def changing(self, number: int, path: bytes) -> None:
        found = self._key(path)
        if found is not None and self._journal.notifies(found[0]):
            self._open.begin(number, path)

    def settled(self, number: int) -> None:
        self._open.end(number)

    def written(self, path: bytes, at_ns: int, size: int, etag: str | None, uid: int | None) -> None:
        found = self._key(path)
        if found is not None:
            self._journal.tell((Happening(PUT, *found, at_ns, size, etag),), _asker(uid))

    def removed(self, path: bytes, at_ns: int) -> None:
        found = self._key(path)
        if found is not None:
            self._journal.tell((Happening(REMOVED, *found, at_ns),), _asker(None))

    def moved_directory(self, path: bytes, to_path: bytes, at_ns: int) -> None:
        source, target = (key_at(self._namespace, one) or (_NOWHERE, b"") for one in (path, to_path))
        prefixes = [key + b"/" if key else b"" for _, key in (source, target)]
        moved = MovedTree(source[0], prefixes[0], target[0], prefixes[1], at_ns)
        self._journal.tell((moved,), _asker(None))

    def close(self) -> None:
        """Leave what was kept to its reader."""
        self._open.close()
        self._journal.close()

    def _key(self, path: bytes) -> tuple[BucketName, bytes] | None:
        """Of a file; None for what lies in no bucket."""
        try:
            found = key_at(self._namespace, path)
        except NamespaceError as error:
            _log.warning("nobody is notified of %r, whose key is not known: %s", path, error)
            return None
        return found if found is not None and found[1] else None


class Recovery:
    """Tells of the files that mounts which died were writing: what is in them is final."""

    def __init__(self, namespace: Namespace, journal: Journal, directory: str) -> None:
        self._namespace = namespace
        self._journal = journal
        self._directory = directory

    def step(self) -> int:
        """Look once; how many files were told of. Raises OSError, NamespaceError."""
        told = 0
        for left, paths in abandoned(self._directory, self._namespace.clock.now_ns()):
            for path in paths:
                told += self._tell(path)
            os.unlink(left)
        return told

    def _tell(self, path: bytes) -> bool:
        found = key_at(self._namespace, path)
        if found is None:
            return False
        at_ns = self._namespace.clock.now_ns()
        try:
            # As an object: what became of the names on the way there meanwhile is nobody's business.
            info = self._namespace.head_object(*found)
        except _NO_OBJECT:
            return False
        self._journal.tell((Happening(PUT, *found, at_ns, info.size),), _asker(None))
        return True


def _asker(uid: int | None) -> Asker:
    return Asker(_SOURCE, "" if uid is None else f"uid:{uid}")
