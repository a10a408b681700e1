"""Whether a store that lost its power keeps its promises."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import closing, suppress
from typing import Any

from tests.powercut.history import ANYTHING, Step, allowed_at
from tests.powercut.workload import TOKEN, observed
from tests.unit.namespace.kit import keys, tree
from weka_mp.errors import NamespaceError, UploadMissing
from weka_mp.identity.place import Place
from weka_mp.namespace import CompletedPart, CompletionRequest, Deletion, Namespace, RenameRequest
from weka_mp.store.interface import Store

__all__ = ["Broken", "judge"]


LATER = (1, 2)
"""The numbers that a part may have which comes after the power cut, where it was not answered before."""


class Broken(AssertionError):
    """A promise was broken."""


def judge(store: Store, steps: Sequence[Step], until: int) -> None:
    """Start on what is left, and compare. Raises Broken."""
    allowed, last = allowed_at(steps, until)
    try:
        namespace = Namespace.open(store, sweep=True)
    except NamespaceError as error:
        raise Broken(f"{last}: the store cannot be opened: {error!r}") from error
    with namespace:
        seen = {fact: _look(namespace, fact, last) for fact in allowed}
        for fact, value in seen.items():
            wanted = allowed[fact]
            if value not in wanted and not any(other is ANYTHING for other in wanted):
                raise Broken(f"{last}: {_short(fact)} is {_short(value)}, should be {_short(wanted)}")
        _sweep_identities(namespace, store)
        _nothing_else(namespace, store, seen, last)
        _uploads_go_on(namespace, seen, allowed, last)
        _renames_are_repeated(namespace, seen, last)
        _can_be_emptied(namespace, store, last)


def _sweep_identities(namespace: Namespace, store: Store) -> None:
    """As the background process does, where a service had begun to write any."""
    if any(path.startswith(b".weka/identity/") for path in tree(store)):
        with closing(Place(namespace)) as place:
            place.sweep_staged()


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) < 200 else f"{text[:120]}…{text[-60:]}"


def _look(namespace: Namespace, fact: Any, last: str) -> Any:
    try:
        return observed(namespace, fact)
    except (NamespaceError, AssertionError, ValueError, KeyError) as error:
        raise Broken(f"{last}: {_short(fact)} cannot be read: {error!r}") from error


def _nothing_else(namespace: Namespace, store: Store, seen: dict[Any, Any], last: str) -> None:
    there = {
        what[2] for what, value in seen.items() if what[0] in {"object", "content"} and value is not None
    }
    listed = [key for bucket in namespace.list_buckets() for key in keys(namespace, bucket.name)]
    if set(listed) != there:
        raise Broken(f"{last}: listed are {sorted(listed)}, readable {sorted(there)}")
    left = [
        path
        for path in tree(store)
        if (path.startswith(b".weka/spool/") and path != b".weka/spool/")
        or (path.startswith(b".weka/") and b"/.new-" in path and b"/uploads/" not in path)
        or (not path.startswith(b".weka/") and b".weka~" in path and not path.endswith(b"/.weka~body"))
    ]
    if left:
        raise Broken(f"{last}: left behind: {left}")


def _uploads_go_on(
    namespace: Namespace, seen: dict[Any, Any], allowed: dict[Any, list[Any]], last: str
) -> None:
    """An upload can be completed from the parts that were answered."""
    for fact, parts in seen.items():
        if fact[0] == "upload" and parts is None and any(allowed[fact]):
            thing = ("object", *fact[1:3])
            if thing in seen and seen[thing] is None:
                raise Broken(f"{last}: neither the upload of {fact[2]!r} is there nor its object")
        answered = {number for number, _ in allowed[fact][0] or ()} if fact[0] == "upload" else set()
        if not parts or not answered:
            continue
        _, bucket, key, upload_id = fact
        numbered = [CompletedPart(number, etag) for number, etag in sorted(parts) if number in answered]
        for later in set(LATER) - answered:
            _later_part(namespace, bucket, key, upload_id, later, min(answered))
        published = seen.get(("object", bucket, key)) is not None
        try:
            namespace.complete_upload(CompletionRequest(bucket, key, upload_id, numbered))
        except UploadMissing as error:
            if not published:
                raise Broken(f"{last}: an upload of {key!r} cannot be completed: {error!r}") from error
            continue
        except NamespaceError as error:
            raise Broken(f"{last}: an upload of {key!r} cannot be completed: {error!r}") from error
        _parts_are_whole(namespace, bucket, key, numbered, last)


def _renames_are_repeated(namespace: Namespace, seen: dict[Any, Any], last: str) -> None:
    """A client that got no answer asks again: it is told of success, whether its rename was done or not."""
    for kind, *what in seen:
        if kind != "again":
            continue
        bucket, source, target = what
        if seen[("object", bucket, source)] is None and seen[("object", bucket, target)] is None:
            continue  # before there was anything to rename
        try:
            namespace.rename_object(RenameRequest(bucket, source, target, token=TOKEN))
        except NamespaceError as error:
            raise Broken(f"{last}: the repeated rename of {source!r} fails: {error!r}") from error


def _later_part(
    namespace: Namespace, bucket: Any, key: bytes, upload_id: str, number: int, answered: int
) -> None:
    """What comes now must not go where an answered part lies, had its size decided on the slots."""
    data = b"later" if number > answered else b"sooner " * 5000
    with (
        suppress(UploadMissing),
        namespace.begin_part(bucket, key, upload_id, number, len(data)) as part,
    ):
        part.write(data)
        part.commit(hashlib.md5(data, usedforsecurity=False).digest(), {})


def _parts_are_whole(
    namespace: Namespace, bucket: Any, key: bytes, parts: Sequence[CompletedPart], last: str
) -> None:
    with namespace.open_object(bucket, key) as found:
        sizes = found.info.part_sizes
        if sizes is None or sizes.count != len(parts):
            raise Broken(f"{last}: {key!r} was completed with other parts")
        for number, part in enumerate(parts, 1):
            offset, size = sizes.locate(number) or (0, 0)
            data = namespace.store.read(found.fd, size, offset)
            if hashlib.md5(data, usedforsecurity=False).hexdigest() != part.etag:
                raise Broken(f"{last}: part {part.number} of {key!r} has other bytes")


def _can_be_emptied(namespace: Namespace, store: Store, last: str) -> None:
    try:
        for bucket in namespace.list_buckets():
            namespace.delete_objects(bucket.name, [Deletion(key) for key in keys(namespace, bucket.name)])
            namespace.delete_bucket(bucket.name)
        namespace.expire_uploads(1 << 62)
    except (NamespaceError, ValueError) as error:
        raise Broken(f"{last}: the store cannot be emptied: {error!r}, {sorted(tree(store))}") from error
    left = [path for path in tree(store) if not path.startswith(b".weka/") or b"/uploads/" in path[:-1]]
    left = [path for path in left if path not in (b".weka/uploads/", b".weka/")]
    if left:
        raise Broken(f"{last}: deleted, and still there: {left}")
