"""Key components that no file name can hold, kept in full in ``.weka/longnames`` under the SHA-256 of their
bytes.
"""

from __future__ import annotations

import hashlib

from weka_mp.namespace.control import ControlFiles

__all__ = ["LongNames"]

_MAX_KNOWN = 4096  # a bound on memory, not a policy: the files are small and cached by the kernel


class LongNames:
    """Content-named and never edited: whoever has the directory entry can name the file that explains it."""

    def __init__(self, files: ControlFiles) -> None:
        self._files = files
        self._known: dict[bytes, bytes] = {}

    def keep(self, component: bytes) -> None:
        """Store the component durably, before its entry is made."""
        name = hashlib.sha256(component).hexdigest().encode()
        if self._read(name) is None:
            self._files.write(name, component)

    def component(self, entry: bytes) -> bytes | None:
        """The component behind an entry ``.weka%h<hex>``; None when it is not kept or damaged."""
        return self._read(entry[-64:])

    def _read(self, name: bytes) -> bytes | None:
        known = self._known.get(name)
        if known is not None:
            return known
        component = self._files.read(name)
        if component is None or hashlib.sha256(component).hexdigest().encode() != name:
            return None
        if len(self._known) >= _MAX_KNOWN:
            self._known.clear()
        self._known[name] = component
        return component
