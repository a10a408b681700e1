"""The few names and bodies that programs are made of: chosen so that they collide all the time.

How a key's components stand as directory entries is spelt here a second time, from docs/STORAGE_FORMAT.md.
"""

from __future__ import annotations

import hashlib
import os

__all__ = [
    "BODIES",
    "BUCKETS",
    "DELIMITERS",
    "KEYS",
    "LONG_COMPONENTS",
    "METADATA",
    "MODES",
    "OPEN_FLAGS",
    "PATHS",
    "PREFIXES",
    "RESERVED",
    "TARGETS",
    "TIMES",
    "XATTRS",
    "component_of",
    "entry_of",
    "name_of",
]

BUCKETS = ("one", "two")

LONG_KEY = b"L" * 260
LONG_COMPONENTS = (LONG_KEY, b".weka~" + b"y" * 249)  # the second grows over 255 bytes by its escape
DEEP_KEY = b"a/b/" + b"d/" * 40 + b"e"
KEYS: tuple[bytes, ...] = (
    b"a",
    b"a/b",
    b"a/",
    b"b",
    b"a/b/c",
    b"a/b/",
    b"b/",
    b"c",
    b"b/c",
    b"a.txt",
    b"a-b",
    b"a//b",
    b"a/b/c/d",
    b"c/a",
    b".",
    b"..",
    b"a/.",
    b"a/../b",
    b"/a",
    b"//",
    b"a//",
    b".weka",
    b".weka/x",
    b".weka~x",
    b"a/.weka~body",
    b".weka%e",
    b"a%2Fb",
    "é".encode(),
    b"n\0l",
    LONG_KEY,
    b"a/" + LONG_KEY,
    b".weka%x%FF",
    b"a\nb",
    b"a b+c",
    b"/",
    b"x" * 255,
    LONG_COMPONENTS[1],
    DEEP_KEY,
    DEEP_KEY[:-1],
    b"a/./b",
    b"..//a",
    b"a/b//",
    LONG_KEY + b"/a",
    b".weka%/x",
)
"""The first dozen come most often."""

RESERVED: tuple[bytes, ...] = (b".weka", b".weka~x", b".weka~body", b".weka%zz", b".weka%k%")

PATHS: tuple[tuple[bytes, ...], ...] = (
    (b"a",),
    (b"a", b"b"),
    (b"b",),
    (b"a", b"b", b"c"),
    (b"c",),
    (b"b", b"c"),
    (b"a.txt",),
    (b"a-b",),
    (b"c", b"a"),
    (b"a", b".weka%e"),
    (b"a", b".weka%e", b"b"),
    (b"a", b"b", b"c", b"d"),
    (b".weka%d",),
    (b".weka%dd",),
    (b"a", b".weka%d"),
    (b".weka%e",),
    (b".weka%e", b"a"),
    (b"\xff",),
    (b".weka",),
    (b".weka~x",),
    (b"a", b".weka~body"),
    (b".weka%zz",),
    (b".weka%k.weka",),
    (b".weka%k.weka~x",),
    (b".weka%h" + hashlib.sha256(LONG_KEY).hexdigest().encode(),),
)

TARGETS: tuple[bytes, ...] = (
    b"a",
    b"b",
    b"c",
    b"a/b",
    b"../b",
    b"b/c",
    b"../c",
    b"../../two/a",
    b"../two/b",
    b"missing",
    b"./a",
    b"a/../b",
    b"",
)

BODIES: tuple[bytes, ...] = (
    b"one",
    b"",
    b"second body",
    b"3" * 5000,
    b"x",
    bytes(range(256)) * 300,
    b"-" * 4096,
    b"same",
)

METADATA: tuple[tuple[str | None, dict[str, str]], ...] = (
    (None, {}),
    ("text/x-model", {}),
    (None, {"colour": "blue"}),
    ("image/png", {"colour": "red", "n": "1"}),
)

PREFIXES: tuple[bytes, ...] = (
    b"",
    b"a",
    b"a/",
    b"a/b",
    b"b/",
    b".",
    b"/",
    b"a/b/",
    b"a//",
    b"zz",
    b".weka",
    b"L",
)
DELIMITERS: tuple[bytes, ...] = (b"", b"/", b"b", b"//", b"/b")
XATTRS = (
    "user.a",
    "user.s3.meta.colour",
    "user.s3.content-type",
    "user.s3.meta.n",
    "user.weka.object",
    "user.s3.unknown",
)
TIMES = (10**18, 10**18 + 1_500_000_001, 10**18 + 3_000_000_002, 4 * 10**18 + 999_999_999)  # two far from now
MODES = (0o600, 0o755, 0o640, 0o444)
OPEN_FLAGS = (
    os.O_RDWR | os.O_CREAT,
    os.O_RDWR,
    os.O_WRONLY | os.O_TRUNC,
    os.O_RDWR | os.O_CREAT | os.O_EXCL,
    os.O_RDONLY,
    os.O_WRONLY | os.O_APPEND | os.O_CREAT,
    os.O_RDWR | os.O_CREAT | os.O_TRUNC,
)

_LONG_NAMES = {hashlib.sha256(long).hexdigest().encode(): long for long in LONG_COMPONENTS}


def _hex(data: bytes, high: bool) -> bytes:
    return b"".join(b"%%%02X" % c if c in (0, 0x25) or (high and c > 127) else bytes((c,)) for c in data)


def name_of(component: bytes) -> bytes:
    """The directory entry of one component of a key."""
    special = {b"": b".weka%e", b".": b".weka%d", b"..": b".weka%dd"}
    if component in special:
        return special[component]
    if component == b".weka%x%FF":
        return b"\xff"
    if component == b".weka" or component.startswith((b".weka~", b".weka%")) or b"\0" in component:
        name = b".weka%k" + _hex(component, high=False)
    else:
        name = component
    return name if len(name) <= 255 else b".weka%h" + hashlib.sha256(component).hexdigest().encode()


def component_of(name: bytes) -> bytes | None:
    """The component that an entry of the alphabet stands for; None: for no key."""
    fixed = {b".weka%e": b"", b".weka%d": b".", b".weka%dd": b"..", b"\xff": b".weka%x%FF"}
    if name in fixed:
        return fixed[name]
    if name in RESERVED:
        return None
    if name.startswith(b".weka%k"):
        return name[7:].replace(b"%00", b"\0").replace(b"%25", b"%")
    if name.startswith(b".weka%h"):
        # Known once a key with it was put into this store, which every run does first.
        return _LONG_NAMES.get(name[7:])
    return name


def entry_of(key: bytes) -> tuple[tuple[bytes, ...], bool]:
    """A key as the entries that lead to it, and whether it names a directory."""
    is_directory = key.endswith(b"/")
    parts = (key[:-1] if is_directory else key).split(b"/")
    return tuple(name_of(part) for part in parts), is_directory
