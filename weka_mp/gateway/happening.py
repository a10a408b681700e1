"""What became of objects by a request, for those who are notified of it (docs/NOTIFICATIONS.md)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from weka_mp.errors import NamespaceError
from weka_mp.namespace.happenings import COPIED, MARKED, REMOVED, Happening, Happenings, MovedTree

if TYPE_CHECKING:
    from weka_mp.namespace import Namespace
    from weka_mp.namespace.values import Deleted, Done, Published
    from weka_mp.values import BucketName

__all__ = ["created", "removed", "renamed"]


def created(event: str, bucket: BucketName, done: Published) -> Happenings:
    """An object is there."""
    info = done.info
    return (Happening(event, bucket, info.key, done.sequence, info.size, info.etag, info.version),)


def removed(bucket: BucketName, key: bytes, done: Deleted, version: str | None = None) -> Happenings:
    """It is gone, or hidden by a delete marker; nothing happened to one that was not there. version: that was
    to go for good.
    """
    if done.marker and version is None:
        return (Happening(MARKED, bucket, key, done.sequence, version=done.version),)
    return (Happening(REMOVED, bucket, key, done.sequence, version=done.version),) if done.existed else ()


def renamed(namespace: Namespace, bucket: BucketName, source: bytes, key: bytes, done: Done) -> Happenings:
    """One object has another key now, or all below a prefix have."""
    if source.endswith(b"/"):
        return (MovedTree(bucket, source, bucket, key, done.sequence),)
    gone = Happening(REMOVED, bucket, source, done.sequence)
    size = etag = None
    if namespace.settings_records.notifications(bucket) is not None:
        try:
            info = namespace.head_object(bucket, key)
            size, etag = info.size, info.etag
        except NamespaceError:
            pass  # taken away again already, which is another event
    return gone, Happening(COPIED, bucket, key, done.sequence, size, etag)
