"""The background filler: true MD5 ETags for files that POSIX wrote, one lease at a time."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from weka_mp.errors import (
    AccessDenied,
    AttributeTooLarge,
    Loop,
    NamespaceError,
    NameTooLong,
    NotDirectory,
    NotFound,
    ReadOnly,
)
from weka_mp.namespace.concealment import is_concealed
from weka_mp.namespace.context import Context
from weka_mp.namespace.names.keys import component_of, directory_of
from weka_mp.namespace.records.etags import FillOutcome, fill_file
from weka_mp.namespace.walking import kind_of
from weka_mp.values import BucketName, Fd

__all__ = ["FillReport", "fill_bucket", "fill_paths"]

_SKIPPED = (NotFound, NotDirectory, Loop, NameTooLong, AccessDenied, AttributeTooLarge)


@dataclass(slots=True)
class FillReport:
    """Counts of files: given an ETag now, had one, could not be given one (a writer, or too fresh),
    failed.
    """

    filled: int = 0
    already: int = 0
    busy: int = 0
    failed: int = 0

    def count(self, outcome: FillOutcome) -> None:
        if outcome is FillOutcome.FILLED:
            self.filled += 1
        elif outcome is FillOutcome.ALREADY:
            self.already += 1
        else:
            self.busy += 1


def fill_bucket(context: Context, bucket: BucketName, prefix: bytes, stop: Callable[[], bool]) -> FillReport:
    """Every regular file whose key begins with `prefix`. Raises BucketMissing."""
    report = FillReport()
    bucket_fd = context.open_bucket(bucket)
    try:
        base, path = directory_of(prefix)
        try:
            directory = context.store.open_dir(bucket_fd, path)
        except _SKIPPED:
            return report
        try:
            for at, name in _files(context, directory, prefix[len(base) :]):
                if stop() or not _fill_one(context, at, name, report, stop):
                    break
        finally:
            context.store.close(directory)
    finally:
        context.store.close(bucket_fd)
    return report


def fill_paths(context: Context, paths: Iterable[bytes], stop: Callable[[], bool]) -> FillReport:
    """Files by their paths relative to the store's root, as the mount hands them in."""
    report = FillReport()
    for path in paths:
        if stop():
            break
        parent, _, name = path.rpartition(b"/")
        try:
            directory = context.store.open_dir(context.store.root(), parent)
        except _SKIPPED:
            continue
        try:
            if not _fill_one(context, directory, name, report, stop):
                break
        finally:
            context.store.close(directory)
    return report


def _files(context: Context, top: Fd, wanted: bytes) -> Iterator[tuple[Fd, bytes]]:
    """Regular files below `top`; on its own level only names that begin with `wanted`.

    On a stack of paths: the tree can be deeper than there are descriptors, or frames to recurse in.
    """
    store = context.store
    todo = [b""]
    while todo:
        path = todo.pop()
        try:
            directory = store.open_dir(top, path)
        except _SKIPPED:
            continue
        try:
            for entry in store.entries(directory):
                component = component_of(entry.name, context.long_names.component)
                if component is None or not (path or component.startswith(wanted)):
                    continue
                kind = kind_of(store, directory, entry)
                if kind == stat.S_IFDIR:
                    todo.append(path + b"/" + entry.name if path else entry.name)
                elif kind == stat.S_IFREG:
                    yield directory, entry.name
        finally:
            store.close(directory)


def _fill_one(
    context: Context, directory: Fd, name: bytes, report: FillReport, stop: Callable[[], bool]
) -> bool:
    """False when no other file is worth a try: what was read of it could not be recorded either."""
    store = context.store
    try:
        fd = store.open_file(directory, name, os.O_RDONLY)
    except _SKIPPED:
        return True
    try:
        attr = store.attr(fd)
        if stat.S_ISREG(attr.mode) and not is_concealed(store, fd, attr):
            report.count(fill_file(store, context.locks, fd, context.clock, stop))
    except ReadOnly:
        report.failed += 1
        return False
    except NamespaceError:
        report.failed += 1
    finally:
        store.close(fd)
    return True
