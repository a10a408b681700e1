"""Looks at every record and leftover of a store, and puts right what it is told to (``weka-mp check``).

It may run beside a service: whatever it changes it changes as everybody does, under leases and locks.
"""

from __future__ import annotations

import enum
import stat
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain

from weka_mp.bucket_names import is_bucket_name
from weka_mp.errors import NamespaceError, NoAttribute, NotFound
from weka_mp.namespace.concealment import is_concealed
from weka_mp.namespace.context import Context
from weka_mp.namespace.control import NEW_PREFIX, ControlArea
from weka_mp.namespace.names.keys import BODY_NAME, visible
from weka_mp.namespace.records import overflow
from weka_mp.namespace.records.attribute import RECORD_XATTR, Record, amend_record, load, set_aside
from weka_mp.namespace.records.etags import alone, is_marked, unmark
from weka_mp.namespace.upkeep.content import Verdict, compare
from weka_mp.namespace.upkeep.thawed import LockedPlaces, locked_places, set_right, wants_frost
from weka_mp.namespace.versions.histories import VERSIONS_PATH
from weka_mp.namespace.versions.identifiers import parse_entry
from weka_mp.namespace.walking import Met, Unreachable, walk
from weka_mp.values import Attr, BucketName, Fd, InodeNo, Stamp

__all__ = ["Check", "Finding", "Kind", "Repairs"]

_LEFTOVER_NS = 24 * 3600 * 1_000_000_000  # older than any request under way


class Kind(enum.Enum):
    """What can be wrong."""

    BROKEN = "broken"  # a record that cannot be read, or whose overflow file is missing or damaged
    FOREIGN = "foreign"  # a record that was copied here: void in what it says of the content
    WRONG = "wrong"  # a record that counts, of a content that is not there
    UNKNOWN = "unknown"  # a reserved name that nothing here made
    LEFTOVER = "leftover"  # something staged a day ago or earlier, and never published
    UNREFERENCED = "unreferenced"  # an overflow file that no record names
    LINKED = "linked"  # a file of the control area that has a name elsewhere: who writes there writes into it
    THAWED = "thawed"  # a locked version that is not frozen, or a frozen one that is not locked
    UNREADABLE = "unreadable"  # it could not be looked at


@dataclass(frozen=True, slots=True)
class Finding:
    """`path` below the store's root; `done` says what was done about it, empty: nothing."""

    kind: Kind
    path: bytes
    detail: str
    done: str = ""


@dataclass(frozen=True, slots=True)
class Repairs:
    """What to do besides looking: `restamp` foreign records whose content is the one they speak of, `verify`
    the content of those that count, and `repair`: void wrong records, set broken ones aside, sweep leftovers.
    """

    restamp: bool = False
    verify: bool = False
    repair: bool = False


def _is_staged_version(met: Met) -> bool:
    name = met.path.rpartition(b"/")[2]
    inside = met.path.startswith(VERSIONS_PATH + b"/")
    return inside and name.startswith(NEW_PREFIX) and stat.S_ISREG(met.attr.mode)


class Check:
    """One run. `counts` are of files and directories: ``valid``, ``void`` (written since its ETag was
    stored), ``without`` (no ETag on record), ``verified``, and of findings by kind.
    """

    def __init__(self, context: Context, area: ControlArea, repairs: Repairs) -> None:
        self._context = context
        self._store = context.store
        self._area = area
        self._repairs = repairs
        self._named: set[bytes] = set()
        self.counts: Counter[str] = Counter()

    def run(self) -> Iterator[Finding]:
        """Everything that is found, as it is found."""
        for finding in self._all():
            self.counts[finding.kind.value] += 1
            yield finding

    def _all(self) -> Iterator[Finding]:
        complete = True
        places = locked_places(self._context, self._bucket_names())
        for met in chain(walk(self._store), walk(self._store, VERSIONS_PATH)):
            if isinstance(met, Unreachable):
                complete = False
                yield Finding(Kind.UNREADABLE, met.path, str(met.error))
                continue
            try:
                if _is_staged_version(met):
                    yield from self._staged_version(met)
                    continue
                yield from self._name(met)
                yield from self._record(met)
                yield from self._frost(met, places)
            except NamespaceError as error:
                complete = False
                yield Finding(Kind.UNREADABLE, met.path, str(error))
        yield from self._leftovers()
        yield from self._linked()
        if complete:
            yield from self._unreferenced()

    def _bucket_names(self) -> list[BucketName]:
        found = (entry.name.decode("ascii", "replace") for entry in self._store.entries(self._store.root()))
        return [BucketName(name) for name in found if is_bucket_name(name)]

    def _frost(self, met: Met, places: LockedPlaces) -> Iterator[Finding]:
        """Elsewhere somebody may have made a file immutable for reasons of their own."""
        if not stat.S_ISREG(met.attr.mode) or not places.has(met.path):
            return
        wanted = wants_frost(self._context, met.fd, locked=True)
        if wanted is None:
            return
        done = ""
        if self._repairs.repair and set_right(self._context, met.fd, locked=True) is wanted:
            done = "frozen" if wanted else "made changeable"
        detail = "a locked version that can be changed" if wanted else "immutable, and no locked version"
        yield Finding(Kind.THAWED, met.path, detail, done)

    # ---- names
    def _name(self, met: Met) -> Iterator[Finding]:
        name = met.path.rpartition(b"/")[2]
        if met.path.startswith(VERSIONS_PATH + b"/") and parse_entry(name):
            return
        if met.path and not visible(name) and name != BODY_NAME:
            yield Finding(Kind.UNKNOWN, met.path, "a reserved name that nothing here made")

    def _staged_version(self, met: Met) -> Iterator[Finding]:
        """A copy that was to become a version: its mtime is that of the original."""
        if met.attr.ctime_ns >= self._context.clock.now_ns() - _LEFTOVER_NS:
            return
        done = ""
        if self._repairs.repair:
            above, _, name = met.path.rpartition(b"/")
            directory = self._store.open_dir(self._store.root(), above)
            try:
                done = self._remove(directory, name)
            finally:
                self._store.close(directory)
        yield Finding(Kind.LEFTOVER, met.path, "staged and never published", done)

    # ---- records
    def _record(self, met: Met) -> Iterator[Finding]:
        if is_concealed(self._store, met.fd, met.attr):
            yield Finding(Kind.LINKED, met.path, "a name of a file of the control area: no view shows it")
            return
        data = self._store.find_xattr(met.fd, RECORD_XATTR)
        if data is None:
            self.counts["without"] += 1
            return
        try:
            record = load(self._store, data)
        except ValueError as error:
            yield Finding(Kind.BROKEN, met.path, str(error), self._put_aside(met.fd, data))
            return
        self._named.update(filter(None, record.overflow))
        if record.etag is None or record.stamp is None:
            self.counts["without"] += 1
        elif record.stamp.ino != met.attr.ino:
            yield self._foreign(met, record)
        elif stat.S_ISREG(met.attr.mode):
            yield from self._own(met, record)
        else:
            self.counts["valid"] += 1

    def _put_aside(self, fd: Fd, data: bytes) -> str:
        if not self._repairs.repair:
            return ""
        with self._context.locks.hold_record(self._store.attr(fd).ino):
            if self._store.find_xattr(fd, RECORD_XATTR) != data:
                return "replaced meanwhile"
            set_aside(self._store, fd, data)
            self._store.remove_xattr(fd, RECORD_XATTR)
        return "set aside"

    def _own(self, met: Met, record: Record) -> Iterator[Finding]:
        if is_marked(self._store, met.fd) or not record.describes(met.attr):
            self.counts["void"] += 1
            return
        self.counts["valid"] += 1
        if not self._repairs.verify:
            return
        with alone(self._store, met.fd, self._context.clock) as nobody_writes:
            verdict = compare(self._store, met.fd, record) if nobody_writes else Verdict.CHANGED
            now = self._store.attr(met.fd)
            if verdict is Verdict.SAME:
                self.counts["verified"] += 1
            elif verdict is Verdict.DIFFERENT and record.describes(now):
                done = self._void(met.fd, record) if self._repairs.repair else ""
                yield Finding(Kind.WRONG, met.path, "the content is not what the record says", done)

    def _void(self, fd: Fd, record: Record) -> str:
        salt = bytes.fromhex(self._context.random.token(8))

        def voided(found: Record) -> Record:
            return found.voided(salt) if found.etag == record.etag else found

        amend_record(self._store, self._context.locks, fd, voided)
        return "voided"

    def _foreign(self, met: Met, record: Record) -> Finding:
        found = Finding(Kind.FOREIGN, met.path, "copied here from another inode")
        if not self._repairs.restamp:
            return found
        if stat.S_ISDIR(met.attr.mode):
            return self._restamp_directory(met, record, found)
        with alone(self._store, met.fd, self._context.clock) as nobody_writes:
            if not nobody_writes:
                return replace(found, detail="a writer has it, or it changed just now")
            before = self._store.attr(met.fd)
            verdict = compare(self._store, met.fd, record)
            if verdict is not Verdict.SAME or Stamp.of(self._store.attr(met.fd)) != Stamp.of(before):
                return replace(found, detail=verdict.value)
            self._stamp(met.fd, record, Stamp.of(before))
            unmark(self._store, self._context.locks, met.fd)
            return replace(found, done="restamped")

    def _stamp(self, fd: Fd, record: Record, stamp: Stamp) -> None:
        def stamped(now: Record) -> Record:
            return replace(now, stamp=stamp) if (now.stamp, now.etag) == (record.stamp, record.etag) else now

        amend_record(self._store, self._context.locks, fd, stamped)

    def _restamp_directory(self, met: Met, record: Record, found: Finding) -> Finding:
        """The object `a/`: its record names the directory's inode, and the size and time of its body."""
        stamp = record.stamp
        if stamp is None or not record.directory:
            return found
        try:
            body = self._store.open_file(met.fd, BODY_NAME, 0)
        except NotFound:
            same = stamp.size == 0
        else:
            try:
                same = compare(self._store, body, record) is Verdict.SAME
            finally:
                self._store.close(body)
        if not same:
            return replace(found, detail=Verdict.DIFFERENT.value)
        self._stamp(met.fd, record, Stamp(stamp.size, stamp.mtime_ns, InodeNo(met.attr.ino)))
        return replace(found, done="restamped")

    # ---- the control area
    def _leftovers(self) -> Iterator[Finding]:
        before = self._context.clock.now_ns() - _LEFTOVER_NS
        area = self._area
        everything = ((b"spool", area.spool, b""), (b"uploads", area.uploads, b"."))
        staged = ((*place, NEW_PREFIX) for place in area.of_single_files())
        for name, directory, prefix in (*everything, *staged):
            for entry in self._store.entries(directory):
                with suppress(NotFound):
                    old = self._store.attr_at(directory, entry.name).mtime_ns < before
                    if old and entry.name.startswith(prefix):
                        path = b"/".join(filter(None, (b".weka", name, entry.name)))
                        done = self._remove(directory, entry.name) if self._repairs.repair else ""
                        yield Finding(Kind.LEFTOVER, path, "staged and never published", done)

    def _linked(self) -> Iterator[Finding]:
        for place, directory in self._area.of_single_files():
            several: list[tuple[bytes, Attr]] = []
            for entry in self._store.entries(directory):
                with suppress(NotFound):
                    attr = self._store.attr_at(directory, entry.name)
                    if stat.S_ISREG(attr.mode) and attr.nlink > 1:
                        several.append((entry.name, attr))
            here = Counter(attr.ino for _, attr in several)  # a file that is just being named has two
            for name, attr in several:
                if attr.nlink > here[attr.ino]:
                    path = b"/".join(filter(None, (b".weka", place, name)))
                    yield Finding(Kind.LINKED, path, "it has a name outside the control area, too")

    def _remove(self, directory: Fd, name: bytes) -> str:
        if stat.S_ISDIR(self._store.attr_at(directory, name).mode):
            return ""  # an upload: the service erases it
        self._store.unlink(directory, name)
        return "removed"

    def _unreferenced(self) -> Iterator[Finding]:
        before = self._context.clock.now_ns() - _LEFTOVER_NS
        for digest in sorted(overflow.names(self._store) - self._named):
            name = digest.hex().encode()
            with suppress(NotFound, NoAttribute):
                if self._store.attr_at(self._area.overflow, name).mtime_ns < before:
                    yield Finding(Kind.UNREFERENCED, b".weka/overflow/" + name, "no record names it")
