"""What `weka-mp doctor` finds:

facts about the store, the machine and this installation, and what each lack costs.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from weka_mp import kernels
from weka_mp.cli.refusals import Refusal
from weka_mp.cli.services import find_service
from weka_mp.errors import StoreUnusable
from weka_mp.namespace.control import FORMAT
from weka_mp.store.interface import Primitives
from weka_mp.store.posix import PosixStore
from weka_mp.supervise.checks import check_store
from weka_mp.supervise.keeper import StartFailed

__all__ = ["Finding", "diagnose", "primitive_findings"]

OK: Final = "ok"
SLOWER: Final = "note"
UNUSABLE: Final = "unusable"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: what was looked at and what was found.

    `state` is ``ok``, ``note`` (it works, at a cost) or ``unusable``; `cost` says in words what a lack means.
    """

    name: str
    value: str
    state: str
    cost: str = ""


_COSTS: Final = {
    "xattrs": "metadata and ETags have no place: the directory cannot be a store",
    "unnamed_files": "uploads are staged under hidden names, which are swept after a crash",
    "rename_noreplace": "creating only if absent costs an extra link",
    "hard_links": "creating only if absent and hard links on the mount do not work",
    "reflink": "copies move all bytes and take space",
    "copy_range": "copies go through this process",
    "leases": "ETags of files written without S3 are filled only after a quiet time; without CAP_LEASE"
    " only files of the same user can be leased",
    "ofd_locks": "only one process can work on the store",
    "fine_times": "changes within one tick of the clock are told apart by size and inode only",
    "file_handles": "the mount keeps more descriptors open",
    "seek_hole": "sparse files are read in full",
    "immutable": "locked versions are protected from S3 and the mount alone, not from who writes into the"
    " store itself; a lock on a file that somebody has open for writing is refused",
    "immutable_stops": "a lock on a file that somebody has open for writing is refused",
    "fallocate": "a full disk shows only while data is written",
}
_NEEDED: Final = frozenset({"xattrs", "ofd_locks"})


def diagnose(store: str) -> list[Finding]:
    """All findings. Raises Refusal when `store` is missing or no directory."""
    try:
        path = check_store(store)
    except StartFailed as error:
        raise Refusal(str(error)) from error
    return [
        Finding("store", path, OK),
        *_store_findings(store),
        _format_finding(store),
        _service_finding(store),
        *_machine_findings(),
    ]


def _store_findings(store: str) -> list[Finding]:
    try:
        opened = PosixStore(store)
    except StoreUnusable as error:
        return [Finding("access", str(error), UNUSABLE)]
    try:
        return primitive_findings(opened.primitives)
    finally:
        opened.shutdown()


def primitive_findings(found: Primitives) -> list[Finding]:
    """One finding per primitive, and one each for the room in attributes and the grain of times."""
    findings = []
    for name, cost in _COSTS.items():
        if getattr(found, name):
            findings.append(Finding(name, "yes", OK))
        else:
            findings.append(Finding(name, "no", UNUSABLE if name in _NEEDED else SLOWER, cost))
    small = found.xattr_bytes < 16_000
    findings.append(
        Finding(
            "xattr_bytes",
            str(found.xattr_bytes),
            SLOWER if small else OK,
            "much user metadata needs a file of its own" if small else "",
        )
    )
    grain = f"{found.change_grain_ns / 1e6:g} ms" if found.change_grain_ns else "none"
    return [*findings, Finding("change_grain", grain, OK)]


def _format_finding(store: str) -> Finding:
    """What the control area says of itself; it is made by the first service, not by looking."""
    path = os.path.join(store, ".weka", "format")
    try:
        with open(path, "rb") as file:
            content = json.loads(file.read(64 * 1024))
            version, store_id = int(content["format"]), str(content["store_id"])
    except FileNotFoundError:
        return Finding("format", "not yet a store", OK)
    except OSError as error:
        return Finding("format", f"{path}: {error.strerror}", UNUSABLE)
    except (ValueError, KeyError, TypeError):
        return Finding("format", "the control area's format file is damaged", UNUSABLE)
    if version > FORMAT:
        return Finding("format", f"{version}, this weka_mp knows up to {FORMAT}", UNUSABLE)
    return Finding("format", f"{version}, store {store_id}", OK)


def _service_finding(store: str) -> Finding:
    try:
        running = find_service(store) is not None
    except Refusal as error:
        return Finding("service", error.message, SLOWER)
    return Finding("service", "running" if running else "not running", OK)


def _machine_findings() -> list[Finding]:
    native = kernels.describe()
    return [
        Finding("kernel", f"{platform.system()} {platform.release()}", OK),
        Finding("python", platform.python_version(), OK),
        Finding(
            "native",
            native.reason,
            OK if native.native else SLOWER,
            "" if native.native else "checksums are computed in Python, slower",
        ),
        _try_finding("fuse", _why_no_fuse),
    ]


def _try_finding(name: str, problem: Callable[[], str | None]) -> Finding:
    reason = problem()
    if reason is None:
        return Finding(name, "yes", OK)
    return Finding(name, reason, SLOWER, "no mounts; S3 works without")


def _why_no_fuse() -> str | None:
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR))
    except OSError as error:
        return f"/dev/fuse: {error.strerror}"
    if os.geteuid() != 0 and shutil.which("fusermount3") is None:
        return "fusermount3 is not installed"
    return None
