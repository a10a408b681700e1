"""Lets the tests of this folder import ``signing_clients``: importlib mode puts no folder on sys.path."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))
