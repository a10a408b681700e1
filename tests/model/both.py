"""Operations on the running service and on the truth at once: each compares what both answer.

A program is a sequence of calls of these methods, so a failing one is printed, and kept, as such.
"""

from __future__ import annotations

from tests.model.by_posix import ByPosix
from tests.model.by_s3 import ByS3
from tests.model.by_uploads import ByUploads
from tests.model.compare import Disagreement

__all__ = ["Both", "Disagreement"]


class Both(ByS3, ByUploads, ByPosix):
    """All that can be asked of one service."""
