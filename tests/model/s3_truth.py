"""What each S3 request does to the truth, and what it answers (docs/SEMANTICS.md, 4, 6 and 7)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tests.model.alphabet import entry_of
from tests.model.tree import Content, Directory, Fifo, File, Link, Node, Truth, md5_of

__all__ = ["Refused", "Row", "S3Truth", "Upload", "shown_type"]

MIN_PART = 5 * 2**20


class Refused(Exception):
    """An S3 error: status and code."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(status, code)
        self.status, self.code = status, code


_CONFLICT = (409, "InvalidRequest")  # `a` against `a/b`, or something that is no object in the way
NO_KEY = (404, "NoSuchKey")
FAILED = (412, "PreconditionFailed")

Row = tuple[bytes, Content | None]
"""A key with its object, or a common prefix with None."""


def shown_type(key: bytes, content: Content) -> str:
    """Content-Type: as it was given, guessed from the name for what POSIX made, or S3's default."""
    guess = "text/plain" if key.endswith(b".txt") and not content.from_s3 else "binary/octet-stream"
    return content.type or guess


@dataclass
class Upload:
    bucket: str
    key: bytes
    content: Content
    parts: dict[int, bytes] = field(default_factory=dict)
    done: tuple[tuple[int, ...], Content] | None = None
    aborted: bool = False


class S3Truth:
    """`if_match`: whether the condition holds (None: there is none); the caller knows the ETags."""

    def __init__(self, truth: Truth) -> None:
        self.truth = truth
        self.uploads: list[Upload] = []

    def put(
        self, bucket: str, key: bytes, content: Content, *, absent: bool = False, if_match: bool | None = None
    ) -> None:
        names, is_directory = entry_of(key)
        self._refuse_parents(bucket, names)
        holder = self.truth.holder(bucket, names[:-1])
        node = holder.entries.get(names[-1]) if holder else None
        if is_directory and not isinstance(node, Directory | None):
            raise Refused(*_CONFLICT)
        present = self.truth.object(bucket, key)
        if absent and present is not None:
            raise Refused(*FAILED)
        if if_match is not None and present is None:
            raise Refused(*NO_KEY)
        if if_match is False:
            raise Refused(*FAILED)
        if not is_directory and isinstance(node, Directory | Fifo):
            raise Refused(*_CONFLICT)
        holder = self._make_parents(bucket, names)
        if is_directory:
            self._put_directory(holder, names[-1], content)
            return
        new = File(content.data, content.tag, content.type, dict(content.user), True)
        if isinstance(node, File):
            new.mode = node.mode  # a replaced file keeps its mode
        if node is not None and not isinstance(node, Directory):
            node.nlink -= 1
        holder.entries[names[-1]] = new

    def _refuse_parents(self, bucket: str, names: tuple[bytes, ...]) -> None:
        here = self.truth.bucket(bucket)
        for name in names[:-1]:
            found = here.entries.get(name)
            if found is None:
                return
            if not isinstance(found, Directory):
                raise Refused(*_CONFLICT)
            here = found

    def _make_parents(self, bucket: str, names: tuple[bytes, ...]) -> Directory:
        here = self.truth.bucket(bucket)
        for name in names[:-1]:
            found = here.entries.setdefault(name, Directory(implicit=True))
            assert isinstance(found, Directory)
            here = found
        return here

    def _put_directory(self, holder: Directory, name: bytes, content: Content) -> None:
        """`PUT a/` makes a directory that stays until `DELETE a/`; one that POSIX made stays after it."""
        node = holder.entries.get(name)
        assert isinstance(node, Directory | None)
        if node is None:
            node = holder.entries[name] = Directory(made=True)
        elif node.object is None:
            node.made = node.implicit
        node.implicit = False
        node.object = content

    def delete(self, bucket: str, key: bytes, *, if_match: bool | None = None) -> None:
        names, is_directory = entry_of(key)
        present = self.truth.object(bucket, key)
        if if_match is not None and present is None:
            raise Refused(*NO_KEY)
        if if_match is False:
            raise Refused(*FAILED)
        holder = self.truth.holder(bucket, names[:-1])
        if present is None or holder is None:
            return
        node = holder.entries[names[-1]]
        if is_directory:
            assert isinstance(node, Directory)
            node.object = None
            if node.made:
                node.implicit = True
                if not node.entries:
                    del holder.entries[names[-1]]
        else:
            assert isinstance(node, File | Link)
            node.nlink -= 1
            del holder.entries[names[-1]]
        self._prune(bucket, names[:-1])

    def _prune(self, bucket: str, names: tuple[bytes, ...]) -> None:
        """A directory that only keys made vanishes with its last object."""
        for depth in range(len(names), 0, -1):
            here = self.truth.holder(bucket, names[:depth])
            if here is None or here.entries or not here.implicit or here.object is not None:
                return
            holder = self.truth.holder(bucket, names[: depth - 1])
            assert holder is not None
            del holder.entries[names[depth - 1]]

    def get(self, bucket: str, key: bytes) -> Content:
        found = self.truth.object(bucket, key)
        if found is None:
            raise Refused(*NO_KEY)
        return found

    def copy(
        self,
        source: tuple[str, bytes],
        target: tuple[str, bytes],
        new: tuple[str | None, dict[str, str]] | None,
    ) -> Content:
        """`new`: metadata that replaces the source's."""
        if source == target and new is None:
            raise Refused(400, "InvalidRequest")
        found = self.get(*source)
        if source == target:
            assert new is not None
            found.type, found.user = new[0], dict(new[1])
            found.from_s3 = found.renewed = True
            return found
        content_type, user = (shown_type(source[1], found), found.user) if new is None else new
        # A copy is one part: its ETag is the MD5.
        content = Content(found.data, md5_of(found.data), content_type, dict(user), True)
        self.put(*target, content)
        return content

    # ---- renaming
    def rename(
        self,
        bucket: str,
        source: bytes,
        key: bytes,
        *,
        source_match: bool | None = None,
        absent: bool = False,
        if_match: bool | None = None,
    ) -> None:
        """RenameObject (docs/SEMANTICS.md, 8). The conditions: whether they hold, None: there is none."""
        is_prefix = source.endswith(b"/")
        below = is_prefix and key.startswith(source)
        if source == key or is_prefix != key.endswith(b"/") or below:
            raise Refused(400, "InvalidArgument")
        (*parents, name), _ = entry_of(source)
        holder = self.truth.holder(bucket, tuple(parents))
        moving = holder.entries.get(name) if holder else None
        present = self.truth.object(bucket, source)
        there = self._is_prefix(bucket, source, moving) if is_prefix else present is not None
        if holder is None or moving is None or not there:
            raise Refused(*NO_KEY)
        if source_match is False or (source_match is not None and present is None):
            raise Refused(*FAILED)
        names, _ = entry_of(key)
        self._refuse_parents(bucket, names)
        above = self.truth.holder(bucket, names[:-1])
        if isinstance(moving, Link) and above is not holder:
            raise Refused(501, "NotImplemented")
        replaced = above.entries.get(names[-1]) if above else None
        self._refuse_target(bucket, key, replaced, absent=absent, if_match=if_match)
        if isinstance(moving, Directory):
            # One that only keys had made belongs to who made the one that it replaces.
            made = isinstance(replaced, Directory) and not replaced.implicit
            moving.implicit = moving.implicit and not made
        elif isinstance(replaced, File | Link):
            replaced.nlink -= 1
        above = self._make_parents(bucket, names)
        del holder.entries[name]
        above.entries[names[-1]] = moving
        self._prune(bucket, tuple(parents))

    def _is_prefix(self, bucket: str, prefix: bytes, node: Node | None) -> bool:
        keys = (key for key, _ in self.truth.objects(bucket))
        return isinstance(node, Directory) and any(key.startswith(prefix) for key in keys)

    def _refuse_target(
        self, bucket: str, key: bytes, replaced: Node | None, *, absent: bool, if_match: bool | None
    ) -> None:
        """What stands where an object or a prefix would be moved to, and the conditions on it."""
        if key.endswith(b"/") and not isinstance(replaced, Directory | None):
            raise Refused(*_CONFLICT)
        present = self.truth.object(bucket, key)
        if absent and present is not None:
            raise Refused(*FAILED)
        if if_match is not None and present is None:
            raise Refused(*NO_KEY)
        if if_match is False:
            raise Refused(*FAILED)
        if not key.endswith(b"/"):
            if isinstance(replaced, Directory | Fifo):
                raise Refused(*_CONFLICT)
        elif isinstance(replaced, Directory) and (replaced.entries or (present and present.data)):
            raise Refused(*_CONFLICT)

    # ---- listing
    def rows(self, bucket: str, prefix: bytes, delimiter: bytes, after: bytes) -> list[Row]:
        """What all pages together hold."""
        found: list[Row] = []
        for key, content in self.truth.objects(bucket):
            if not key.startswith(prefix) or key <= after:
                continue
            at = key.find(delimiter, len(prefix)) if delimiter else -1
            if at < 0:
                found.append((key, content))
                continue
            group = key[: at + len(delimiter)]
            if not after.startswith(group) and (group, None) not in found[-1:]:
                found.append((group, None))
        return found

    # ---- parts
    def begin(self, bucket: str, key: bytes, content: Content) -> Upload:
        self.uploads.append(Upload(bucket, key, content))
        return self.uploads[-1]

    def part(self, upload: Upload, number: int, data: bytes) -> None:
        self._alive(upload)
        upload.parts[number] = data

    def copy_part(
        self, upload: Upload, number: int, source: tuple[str, bytes], span: tuple[int, int] | None
    ) -> bytes:
        """The bytes of the part; a range may not reach beyond the end."""
        self._alive(upload)
        data = self.get(*source).data
        if span is not None:
            if span[1] >= len(data):
                raise Refused(400, "InvalidArgument")
            data = data[span[0] : span[1] + 1]
        upload.parts[number] = data
        return data

    def parts(self, upload: Upload) -> list[tuple[int, int, str]]:
        """Number, size and ETag of each."""
        self._alive(upload)
        return [(number, len(data), md5_of(data)) for number, data in sorted(upload.parts.items())]

    def under_way(self, bucket: str, prefix: bytes, delimiter: bytes) -> list[tuple[bytes, int | None]]:
        """Keys with the numbers of their uploads, oldest first; a common prefix with None."""
        rows: set[tuple[bytes, int | None]] = set()
        for number, upload in enumerate(self.uploads):
            ended = upload.aborted or upload.done is not None
            if ended or upload.bucket != bucket or not upload.key.startswith(prefix):
                continue
            at = upload.key.find(delimiter, len(prefix)) if delimiter else -1
            rows.add((upload.key, number) if at < 0 else (upload.key[: at + len(delimiter)], None))
        return sorted(rows, key=lambda row: (row[0], -1 if row[1] is None else row[1]))

    def complete(self, upload: Upload, numbers: Sequence[int], *, absent: bool = False) -> Content:
        """The same list again answers the same; `numbers` name parts with their last ETags."""
        if upload.done is not None and upload.done[0] == tuple(numbers) and not upload.aborted:
            return upload.done[1]
        if list(numbers) != sorted(set(numbers)):
            raise Refused(400, "InvalidPartOrder")
        self._alive(upload)
        if not numbers or any(number not in upload.parts for number in numbers):
            raise Refused(400, "InvalidPart")
        if any(len(upload.parts[number]) < MIN_PART for number in numbers[:-1]):
            raise Refused(400, "EntityTooSmall")
        data = b"".join(upload.parts[number] for number in numbers)
        digests = b"".join(bytes.fromhex(md5_of(upload.parts[number])) for number in numbers)
        made = Content(
            data, f"{md5_of(digests)}-{len(numbers)}", upload.content.type, dict(upload.content.user), True
        )
        self.put(upload.bucket, upload.key, made, absent=absent)
        upload.done = (tuple(numbers), made)
        return made

    def abort(self, upload: Upload) -> None:
        self._alive(upload)
        upload.aborted = True

    def _alive(self, upload: Upload) -> None:
        if upload.done is not None or upload.aborted:
            raise Refused(404, "NoSuchUpload")

    # ---- buckets
    def delete_bucket(self, bucket: str) -> None:
        """Only a bucket with nothing but empty directories goes, and its uploads with it."""
        if not self._only_directories(self.truth.bucket(bucket)):
            raise Refused(409, "BucketNotEmpty")
        self.truth.root.entries[bucket.encode()] = Directory()  # made again at once
        for upload in self.uploads:
            if upload.bucket == bucket:
                upload.aborted = True

    def _only_directories(self, here: Directory) -> bool:
        return here.object is None and all(
            isinstance(node, Directory) and self._only_directories(node) for node in here.entries.values()
        )
