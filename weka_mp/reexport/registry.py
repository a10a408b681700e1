"""All exports and shares of a store: one value, its record, and how it may change.

The record is the file ``reexports`` of the control area (docs/STORAGE_FORMAT.md).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Final

from weka_mp.errors import Exists, InvalidArgument, NotFound, OutOfResources, StoreUnusable
from weka_mp.reexport.model import MAX_EXPORT_ID, Export, Share, default_pseudo

__all__ = ["RECORD_NAME", "Registry", "decode", "encode"]

RECORD_NAME: Final = b"reexports"
_VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class Registry:
    """The exports by id, the shares by name. `next_id` is the id of the next export: none is given twice."""

    exports: tuple[Export, ...] = ()
    shares: tuple[Share, ...] = ()
    next_id: int = 1

    def with_export(self, asked: Mapping[str, object]) -> tuple[Registry, Export]:
        """`asked` has Export's fields but `export_id`; `pseudo` may be missing.

        Raises InvalidArgument, Exists (the pseudo path is taken, or lies in another's), OutOfResources.
        """
        if "export_id" in asked:
            raise InvalidArgument("export ids are given by the service")
        if self.next_id > MAX_EXPORT_ID:
            raise OutOfResources(f"all {MAX_EXPORT_ID} export ids of this store have been used")
        path = asked.get("path")
        pseudo = asked.get("pseudo", default_pseudo(path) if isinstance(path, str) else "")
        export = Export.of({**asked, "pseudo": pseudo, "export_id": self.next_id})
        for other in self.exports:
            if _overlap(other.pseudo, export.pseudo):
                raise Exists(f"the pseudo path {export.pseudo} meets that of export {other.export_id}")
        return replace(self, exports=(*self.exports, export), next_id=self.next_id + 1), export

    def without_export(self, which: str) -> tuple[Registry, Export]:
        """`which` is an id or a pseudo path. Raises NotFound."""
        for export in self.exports:
            if which in (str(export.export_id), export.pseudo):
                return replace(self, exports=tuple(e for e in self.exports if e is not export)), export
        raise NotFound(f"no export {which}")

    def with_share(self, asked: Mapping[str, object]) -> tuple[Registry, Share]:
        """`asked` has Share's fields. Raises InvalidArgument, Exists: names differ in more than case."""
        share = Share.of(asked)
        if any(other.name.lower() == share.name.lower() for other in self.shares):
            raise Exists(f"there is a share {share.name} already")
        return replace(self, shares=(*self.shares, share)), share

    def without_share(self, name: str) -> tuple[Registry, Share]:
        """Raises NotFound."""
        for share in self.shares:
            if share.name.lower() == name.lower():
                return replace(self, shares=tuple(s for s in self.shares if s is not share)), share
        raise NotFound(f"no share {name}")


def encode(registry: Registry) -> bytes:
    """The record: one line of JSON, ASCII only."""
    return json.dumps({"version": _VERSION, **asdict(registry)}, sort_keys=True).encode("ascii") + b"\n"


def decode(data: bytes | None) -> Registry:
    """The registry of a record, an empty one where there is none.

    Raises StoreUnusable when it is damaged or newer: nothing may be handed out, nor overwritten, on a guess.
    """
    if data is None:
        return Registry()
    try:
        found = json.loads(data)
        if found["version"] != _VERSION:
            raise StoreUnusable(f"the record of exports has version {found['version']!r}, not {_VERSION}")
        return Registry(
            tuple(Export.of(values) for values in found["exports"]),
            tuple(Share.of(values) for values in found["shares"]),
            int(found["next_id"]),
        )
    except (ValueError, KeyError, TypeError, AttributeError, InvalidArgument) as error:
        raise StoreUnusable(f"the record of exports is damaged: {error}") from error


def _overlap(one: str, other: str) -> bool:
    return f"{one}/".startswith(f"{other}/") or f"{other}/".startswith(f"{one}/")
