"""Numbered points at which a test lets the process die: ``WEKA_MP_CRASH_AT=<n>`` ends it there by SIGKILL.

Each number is one instant of publication or deletion; tests walk them all, reopen the store and check the
promises.
"""

from __future__ import annotations

import enum
import os
import signal

__all__ = ["CrashPoint", "reach"]


class CrashPoint(enum.IntEnum):
    """Numbers never change; new points get new ones."""

    STAGED_EMPTY = 1
    STAGED_DATA = 2
    RECORD_WRITTEN = 3
    FILE_SYNCED = 4
    PARENT_MADE = 5
    SPOOLED = 6
    PUBLISHED = 7
    DIRECTORY_SYNCED = 8
    UNLINKED = 9
    PARENT_PRUNED = 10
    DELETE_SYNCED = 11
    UPLOAD_CREATED = 12
    PART_WRITTEN = 13
    PART_RECORDED = 14
    ASSEMBLED = 15
    UPLOAD_REMOVED = 16
    BUCKET_MADE = 17
    BUCKET_REGISTERED = 18
    RENAME_BEGUN = 19
    RENAMED = 20
    RENAME_SYNCED = 21
    RENAME_FINISHED = 22
    RENAME_MARKED = 23
    RENAME_NOTED = 24
    RESULT_RECORDED = 30
    UPLOAD_RETIRED = 31
    PART_COPIED = 32
    VERSION_KEPT = 33
    MARKER_DUE = 34
    VERSION_PROMOTED = 35


_AT = os.environ.get("WEKA_MP_CRASH_AT", "")


def reach(point: CrashPoint) -> None:
    """Die here if the environment asks for it."""
    if str(int(point)) == _AT:
        os.kill(os.getpid(), signal.SIGKILL)
