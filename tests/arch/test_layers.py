"""Arrows between the rooms of the package point downwards only, and each outside library has its own rooms.

docs/ARCHITECTURE.md draws the picture; this is what keeps it true.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.arch.python_sources import PACKAGE, ROOT, Source, package_sources, parse, room_of

LEAVES = {
    "values", "errors", "bucket_names", "tag_rules", "lifecycle", "notification_rules", "object_lock",
    "bucket_log_rules", "clock", "ids", "acl", "kernels", "crc_reference", "crc_lanes",
    "digests",
}  # fmt: skip
"""Modules that know no room: anybody may use them, they use each other alone."""

MAY_IMPORT: dict[str, set[str]] = {
    "": set(),
    "s3": {"values", "errors", "bucket_names", "tag_rules", "lifecycle", "notification_rules", "kernels"}
    | {"digests", "acl", "object_lock", "bucket_log_rules"},
    "policy": {"values", "errors"},
    "store": LEAVES,
    "namespace": LEAVES | {"store"},
    "identity": LEAVES | {"namespace", "store", "private_files"},
    "private_files": set(),
    "tls": LEAVES | {"private_files"},
    "webhooks": LEAVES | {"tls"},
    "select": LEAVES | {"s3"},
    "spool": LEAVES | {"webhooks"},
    "audit": LEAVES | {"identity", "namespace", "webhooks", "spool"},
    "notifications": LEAVES | {"identity", "namespace", "webhooks", "spool"},
    "bucket_logs": LEAVES | {"namespace", "spool"},
    "mount_table": set(),
    "events": LEAVES | {"namespace", "store"},
    "gateway": LEAVES
    | {"namespace", "store", "s3", "policy", "identity", "config", "events", "notifications"},
    "observe": LEAVES,
    "config": LEAVES,
    "reexport": LEAVES,
    "offload": LEAVES | {"config", "observe"},
    "ipc": LEAVES,
    "fuse": LEAVES | {"namespace", "store", "offload", "observe", "config", "ipc", "mount_table"},
    "query": LEAVES | {"s3", "policy", "identity", "control", "events"},
    "server": LEAVES
    | {"query", "control", "gateway", "namespace", "store", "s3", "policy", "identity", "offload"}
    | {"observe", "config", "ipc", "tls", "audit", "notifications", "select", "bucket_logs"},
    "bench": LEAVES | {"s3"},
    "control": LEAVES
    | {"gateway", "namespace", "store", "policy", "identity", "observe", "config", "ipc", "reexport"}
    | {"tls", "events", "audit", "notifications", "webhooks"},
    "supervise": LEAVES
    | {"fuse", "server", "control", "gateway", "namespace", "store", "policy", "observe", "config", "ipc"}
    | {"reexport", "identity", "private_files", "mount_table", "tls", "events"}
    | {"audit", "notifications", "bucket_logs", "spool", "webhooks", "offload"},
    **dict.fromkeys(LEAVES, LEAVES),
}
"""room → what its modules may import from this package, besides the room itself; TOP may import anything."""

NAMESPACE_ROOMS: dict[str, set[str]] = {
    "names": set(),
    "records": {"names"},
    "quotas": {"names"},
    "versions": {"names", "records", "quotas"},
    "tree": {"names", "records", "quotas", "versions"},
    "objects": {"names", "records", "quotas", "versions"},
    "buckets": {"names", "records", "quotas", "versions", "objects", "upkeep"},
    "uploads": {"names", "records", "quotas", "versions", "objects", "buckets"},
    "upkeep": {"names", "records", "quotas", "versions", "objects"},
}
"""Inside the namespace: room → the others it may use. What lies in none may use the first four."""

TOP = {"cli", "__main__"}

LIBRARY_ROOMS: dict[str, set[str]] = {
    "trio": {"fuse", "server", "control", "supervise", "ipc", "offload", "cli"},
    "h11": {"s3"},
    "duckdb": {"select"},
    "pyfuse3": {"fuse"},
    "click": {"cli"},
}
"""library → the only rooms that may import it."""

PURE_ROOMS: dict[str, set[str]] = {
    "s3": {"os", "socket", "time", "subprocess", "select", "asyncio", "pathlib"},
    "policy": {"os", "socket", "time", "subprocess", "select", "asyncio", "pathlib"},
    "namespace": {"socket", "subprocess", "select", "asyncio", "pathlib"},
}
"""room → parts of the standard library that its modules must do without."""

NO_SYSTEM_CALLS = {"namespace", "gateway"}
"""Rooms that take only constants and name codecs from os: the store alone touches user data."""

NO_CALLS = {"fsencode", "fsdecode"}
"""Lower-case names of os that call nothing."""

SOURCES_OF_CHANCE = {"clock", "ids"}
CHANCE_MODULES = {"random", "uuid"}
CHANCE_ATTRIBUTES = {"time.time", "time.time_ns", "datetime.now", "datetime.utcnow", "datetime.today"}
"""Time of day and chance are injected, so that tests decide them: nobody else may ask for them."""


def package_arrows(source: Source) -> Iterator[str]:
    here = room_of(source.name)
    if here in TOP:
        return
    allowed = MAY_IMPORT.get(here)
    if allowed is None:
        yield f"{source.name}: the room {here!r} has no place in the layers yet"
        return
    for line, name in source.imports():
        if name.split(".")[0] != PACKAGE or name == PACKAGE:
            continue
        target = room_of(name)
        if target not in allowed | {here} and name != f"{PACKAGE}.__version__":
            yield f"{source.name}:{line} imports {name}: {here or PACKAGE} may not use {target}"


def library_arrows(source: Source) -> Iterator[str]:
    for line, name in source.imports():
        top = name.split(".")[0]
        if source.room not in LIBRARY_ROOMS.get(top, {source.room}):
            yield f"{source.name}:{line} imports {top}, which belongs to {sorted(LIBRARY_ROOMS[top])}"
        if top in PURE_ROOMS.get(source.room, set()):
            yield f"{source.name}:{line} imports {top}: {source.room} does without it"


def system_calls(source: Source) -> Iterator[str]:
    if source.room not in NO_SYSTEM_CALLS:
        return
    for line, name in [*source.attributes(), *source.imports()]:
        module, _, attribute = name.partition(".")
        if module == "os" and attribute and not attribute.isupper() and attribute not in NO_CALLS:
            yield f"{source.name}:{line} uses {name}: the store alone calls the system"


def chance(source: Source) -> Iterator[str]:
    if source.room in SOURCES_OF_CHANCE | TOP:
        return
    for line, name in source.imports():
        if name.split(".")[0] in CHANCE_MODULES or name in CHANCE_ATTRIBUTES:
            yield f"{source.name}:{line} imports {name}: take a clock or a source of ids"
    for line, name in source.attributes():
        if name in CHANCE_ATTRIBUTES:
            yield f"{source.name}:{line} uses {name}: take a clock"


def namespace_arrows(source: Source) -> Iterator[str]:
    here = namespace_room(source.name)
    if here in (None, "facade", "housekeeping"):
        return
    allowed = NAMESPACE_ROOMS.get(here, {"names", "records", "quotas", "versions"})
    for line, name in source.imports():
        target = namespace_room(name)
        if target in set(NAMESPACE_ROOMS) - allowed - {here}:
            yield f"{source.name}:{line} imports {name}: {here} may not use {target}"


def namespace_room(name: str) -> str | None:
    """The room inside the namespace, or the module of those that lie in none."""
    package, _, inside = name.partition(".namespace.")
    return inside.split(".")[0] if package == PACKAGE and inside else None


@pytest.mark.parametrize("rule", [package_arrows, namespace_arrows, library_arrows, system_calls, chance])
def test_layers(rule: Callable[[Source], Iterator[str]]) -> None:
    broken = [line for source in package_sources() for line in rule(source)]
    assert not broken, "\n" + "\n".join(broken)


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("weka_mp.store.posix", "from weka_mp.namespace import tree", "may not use namespace"),
        ("weka_mp.store.posix", "from ..gateway.reply import Reply", "may not use gateway"),
        ("weka_mp.s3.routing", "def f():\n    import weka_mp.namespace.tree.facade", "may not use namespace"),
        ("weka_mp.namespace.tree.facade", "from weka_mp import s3", "may not use s3"),
        ("weka_mp.fuse.process", "from weka_mp.supervise.keeper import Keeper", "may not use supervise"),
        ("weka_mp.ipc.peers", "from weka_mp.supervise.keeper import Keeper", "may not use supervise"),
        ("weka_mp.attic.box", "", "no place in the layers"),
    ],
)
def test_a_wrong_arrow_is_seen(name: str, text: str, wanted: str) -> None:
    assert wanted in "\n".join(package_arrows(parse(name, text)))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("weka_mp.namespace.tree.nodes", "from weka_mp.namespace.objects.naming import replace_entry"),
        ("weka_mp.namespace.records.etags", "from weka_mp.namespace.uploads import area"),
        ("weka_mp.namespace.context", "from weka_mp.namespace.objects import listing"),
    ],
)
def test_a_wrong_arrow_inside_the_namespace_is_seen(name: str, text: str) -> None:
    assert "may not use" in "\n".join(namespace_arrows(parse(name, text)))


@pytest.mark.parametrize(
    ("name", "text", "wanted"),
    [
        ("weka_mp.gateway.put", "import trio", "belongs to"),
        ("weka_mp.server.pump", "from h11 import Connection", "belongs to ['s3']"),
        ("weka_mp.namespace.tree.facade", "from pyfuse3 import FUSEError", "belongs to ['fuse']"),
        ("weka_mp.s3.sigv4", "import os.path", "does without it"),
    ],
)
def test_a_library_in_the_wrong_room_is_seen(name: str, text: str, wanted: str) -> None:
    assert wanted in "\n".join(library_arrows(parse(name, text)))


@pytest.mark.parametrize(
    "text",
    ["import random", "from uuid import uuid4", "import time\ntime.time()", "from time import time_ns"],
)
def test_hidden_time_and_chance_are_seen(text: str) -> None:
    assert list(chance(parse("weka_mp.gateway.put", text)))
    assert not list(chance(parse("weka_mp.clock", text)))


def test_a_system_call_outside_the_store_is_seen() -> None:
    assert list(system_calls(parse("weka_mp.namespace.tree.facade", "import os\nos.unlink(b'x')")))
    assert list(system_calls(parse("weka_mp.namespace.tree.facade", "from os import unlink")))
    assert not list(system_calls(parse("weka_mp.namespace.tree.facade", "import os\nflags = os.O_RDONLY")))


def test_the_way_down_is_free() -> None:
    text = "from weka_mp.namespace import tree\nfrom weka_mp.s3.request import Request\nfrom . import reply"
    source = parse("weka_mp.gateway.put", text)
    assert [*package_arrows(source), *library_arrows(source), *chance(source)] == []


def test_every_folder_with_modules_is_a_package() -> None:
    folders = {path.parent for path in (ROOT / PACKAGE).rglob("*.py")}
    assert not [str(folder) for folder in folders if not (folder / "__init__.py").exists()]


def test_no_room_reaches_itself_through_others() -> None:
    def below(start: str, reached: set[str]) -> set[str]:
        for target in MAY_IMPORT[start] - reached:
            reached.add(target)
            below(target, reached)
        return reached

    assert not {start for start in set(MAY_IMPORT) - LEAVES if start in below(start, set())}
