"""Keys ↔ names: how the components of an S3 key stand as directory entries. Pure.

A component that is a legal and unreserved file name stands as itself, byte for byte. The others are escaped
under the reserved prefix ``.weka%`` (docs/STORAGE_FORMAT.md, "Names"):

==========================  ==================================================================================
``.weka%e``                 the empty component (`a//b`, a leading `/`)
``.weka%d``, ``.weka%dd``   `.` and `..`
``.weka%k<text>``           a component with NUL or one that looks reserved; NUL and `%` as ``%XX``
``.weka%h<64 hex>``         a component whose name would be over 255 bytes: its SHA-256; the component itself
                            stands in full in the control area (`weka_mp.namespace.names.longnames`)
==========================  ==================================================================================

The other way round a file whose name is not UTF-8 cannot be a key as it is: its component is ``.weka%x`` and
the name with `%` and every byte over 0x7F as ``%XX``. ``.weka`` itself and names that begin with ``.weka~``
are never visible.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from typing import NamedTuple

from weka_mp.errors import InvalidName

__all__ = [
    "BODY_NAME",
    "CONTROL_NAME",
    "MAX_KEY_BYTES",
    "MAX_NAME_BYTES",
    "EntryPath",
    "component_of",
    "creatable",
    "directory_of",
    "entry_path",
    "is_staging",
    "name_of",
    "staging_name",
    "visible",
]

CONTROL_NAME = b".weka"
_HIDDEN_PREFIX = b".weka~"
_ESCAPE = b".weka%"
BODY_NAME = b".weka~body"
"""Holds the body of a directory object (`PUT a/` with bytes) inside that directory."""

MAX_NAME_BYTES = 255  # NAME_MAX
MAX_KEY_BYTES = 1024  # AWS, "Object key naming guidelines"
_LONG = re.compile(rb"\.weka%h[0-9a-f]{64}\Z")
_STAGED = re.compile(rb"\.weka~[0-9a-f]{24}")
_PERCENT = re.compile(rb"%([0-9A-F]{2})")


def visible(name: bytes) -> bool:
    """False for names that no view may show: the control area, staging, bodies of directory objects."""
    return not (name.startswith(CONTROL_NAME) and (name == CONTROL_NAME or name.startswith(_HIDDEN_PREFIX)))


def creatable(name: bytes) -> bool:
    """Whether a POSIX caller may make this name: visible, and canonical if it is an escape."""
    if not name.startswith(CONTROL_NAME):
        return True
    if not visible(name):
        return False
    return not name.startswith(_ESCAPE) or _LONG.match(name) is not None or _unescape(name) is not None


def staging_name(token: str) -> bytes:
    """A hidden name for something unpublished that has to lie among the bucket's own entries."""
    return _HIDDEN_PREFIX + token.encode()


def is_staging(name: bytes) -> bool:
    """Whether `staging_name` made it, with a token of 24 hex digits."""
    return _STAGED.fullmatch(name) is not None


def name_of(component: bytes) -> tuple[bytes, bytes | None]:
    """The directory entry of one key component, and the component again when it must be kept under long
    names.
    """
    if component.startswith(b".") or not component or b"\0" in component:
        escaped = _escape(component)
    else:
        escaped = component
    if len(escaped) <= MAX_NAME_BYTES:
        return escaped, None
    return _ESCAPE + b"h" + hashlib.sha256(component).hexdigest().encode(), component


def component_of(name: bytes, long_name: Callable[[bytes], bytes | None]) -> bytes | None:
    """The key component that a directory entry stands for; None when it stands for none.

    `long_name` answers the kept component of a ``.weka%h`` entry, or None.
    """
    if name.startswith(CONTROL_NAME):
        if not visible(name):
            return None
        if _LONG.match(name):
            return long_name(name)
        if name.startswith(_ESCAPE):
            return _unescape(name)
    if name.isascii():
        return name
    try:
        name.decode()
    except UnicodeDecodeError:
        return _ESCAPE + b"x" + _percent(name, keep_high=False)
    return name


class EntryPath(NamedTuple):
    """A key as a way through directories: the entries of its parents, its own entry, whether it names a
    directory.
    """

    parents: tuple[bytes, ...]
    name: bytes
    is_directory: bool
    long_components: tuple[bytes, ...]

    @property
    def joined(self) -> bytes:
        """The whole way as one path relative to the bucket."""
        return b"/".join((*self.parents, self.name))


def entry_path(key: bytes) -> EntryPath:
    """Where `key` stands below its bucket. Raises InvalidName for an empty key or one over 1,024 bytes."""
    if not key or len(key) > MAX_KEY_BYTES:
        raise InvalidName("a key has 1 to 1,024 bytes", subject=key)
    is_directory = key.endswith(b"/")
    components = (key[:-1] if is_directory else key).split(b"/")
    names, long_components = [], []
    for component in components:
        name, kept = name_of(component)
        names.append(name)
        if kept is not None:
            long_components.append(kept)
    return EntryPath(tuple(names[:-1]), names[-1], is_directory, tuple(long_components))


def directory_of(prefix: bytes) -> tuple[bytes, bytes]:
    """What all keys below the deepest directory that the prefix names begin with, and the way to it."""
    base = prefix[: prefix.rfind(b"/") + 1]
    components = base[:-1].split(b"/") if base else []
    return base, b"/".join(name_of(component)[0] for component in components)


def _percent(data: bytes, *, keep_high: bool) -> bytes:
    return b"".join(
        b"%%%02X" % byte if byte in (0, 0x25) or (byte > 0x7F and not keep_high) else bytes((byte,))
        for byte in data
    )


def _unpercent(data: bytes) -> bytes:
    return _PERCENT.sub(lambda match: bytes((int(match[1], 16),)), data)


def _raw_name(component: bytes) -> bytes | None:
    """The non-UTF-8 file name that a ``.weka%x`` component stands for; None when it is not canonical."""
    name = _unpercent(component[len(_ESCAPE) + 1 :])
    try:
        name.decode()
    except UnicodeDecodeError:
        legal = b"\0" not in name and b"/" not in name and len(name) <= MAX_NAME_BYTES
        return name if legal and component == _ESCAPE + b"x" + _percent(name, keep_high=False) else None
    return None


def _escape(component: bytes) -> bytes:
    short = {b"": b"e", b".": b"d", b"..": b"dd"}.get(component)
    if short is not None:
        return _ESCAPE + short
    if component.startswith(_ESCAPE + b"x"):
        raw = _raw_name(component)
        if raw is not None:
            return raw
    reserved = component == CONTROL_NAME or component.startswith((_HIDDEN_PREFIX, _ESCAPE))
    if reserved or b"\0" in component:
        return _ESCAPE + b"k" + _percent(component, keep_high=True)
    return component


def _unescape(name: bytes) -> bytes | None:
    """The component behind an escape other than a long one; None when it is not what `_escape` would have
    made.
    """
    kind, rest = name[len(_ESCAPE) : len(_ESCAPE) + 1], name[len(_ESCAPE) + 1 :]
    if kind == b"k":
        component = _unpercent(rest)
    else:
        found = {b"e": b"", b"d": b".", b"dd": b".."}.get(name[len(_ESCAPE) :])
        if found is None:
            return None
        component = found
    if b"/" in component:
        return None
    try:
        component.decode()
    except UnicodeDecodeError:
        return None
    return component if _escape(component) == name else None
