"""Where the disks of power cuts lie."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

_ROOM = 1 << 30  # bytes


@pytest.fixture
def powercut_folder(tmp_path: Path) -> Iterator[Path]:
    """In memory if there is room, since each of a thousand recoveries syncs its image."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK) or shutil.disk_usage(memory).free < _ROOM:
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(prefix="powercut-", dir=memory) as made:
        yield Path(made)
