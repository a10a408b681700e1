"""Delete markers: what a plain deletion puts on top of a key's versions."""

from __future__ import annotations

from weka_mp.namespace.context import Context
from weka_mp.namespace.effects import Effects
from weka_mp.namespace.records.attribute import Record, overwrite_record
from weka_mp.namespace.versions.histories import SUSPENDED
from weka_mp.namespace.versions.identifiers import NULL, Kept, new_version
from weka_mp.namespace.versions.keeping import Place, drop_null, place_version
from weka_mp.store.crashpoints import CrashPoint, reach
from weka_mp.values import Fd

__all__ = ["make_marker"]


def make_marker(context: Context, place: Place, effects: Effects, owner: str | None) -> bytes:
    """Put a delete marker on top of a key's versions; its id. On the disk with `effects`.

    With versions suspended it is ``null``, and takes the place of the version that was. Raises NoSpace.
    """
    histories = context.histories
    reach(CrashPoint.MARKER_DUE)
    suspended = histories.state(place.bucket) == SUSPENDED
    if suspended:
        drop_null(context, place, effects)
    version = NULL if suspended else new_version(histories.clock.now_ns(), histories.random)

    def fill(fd: Fd) -> None:
        overwrite_record(histories.store, fd, Record(version=version, owner=owner))

    def in_history(history: Fd) -> None:
        order = histories.next_order(histories.entries(history), histories.clock.now_ns())
        place_version(context, place, (history, Kept(order, version, marker=True).name), fill)

    histories.add(place.bucket, place.path, effects, in_history)
    return version
