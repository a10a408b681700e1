"""The clock that retentions go by, as the administration API has it (docs/SEMANTICS.md, 19)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from weka_mp.control.desk import Desk
from weka_mp.control.fields import Fields
from weka_mp.identity import Caller
from weka_mp.identity.errors import InvalidInput
from weka_mp.namespace.retention_clock import Reading

__all__ = ["accept_clock", "show_clock"]

_SECOND_NS: Final = 1_000_000_000
_MOST_APART_NS: Final = 600 * _SECOND_NS
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


def show_clock(desk: Desk, caller: Caller, fields: Fields) -> Any:
    """What it says, and what the machine's clock says."""
    return _shown(desk.namespace.context.object_locks.clock.reading())


def accept_clock(desk: Desk, caller: Caller, fields: Fields) -> Any:
    """The machine's clock is right: retentions go by it from now on. time: what it is, as somebody knows who
    did not ask this machine; refused where the machine says something else. Raises InvalidInput.
    """
    try:
        said = datetime.fromisoformat(fields.text("time"))
    except ValueError as error:
        raise InvalidInput("time is written 2026-11-23T00:10:00Z") from error
    if said.tzinfo is None:
        raise InvalidInput("time needs a zone: 2026-11-23T00:10:00Z")
    said_ns = (said - _EPOCH) // timedelta(microseconds=1) * 1000
    machine_ns = desk.namespace.clock.now_ns()
    if abs(said_ns - machine_ns) > _MOST_APART_NS:
        raise InvalidInput(f"the machine's clock says {_moment(machine_ns)}: set it right first")
    return _shown(desk.namespace.context.object_locks.clock.accept())


def _shown(reading: Reading) -> dict[str, Any]:
    return {
        "retention_time": _moment(reading.now_ns), "machine_time": _moment(reading.machine_ns),
        "behind_seconds": reading.behind_ns // _SECOND_NS,
    }  # fmt: skip


def _moment(ns: int) -> str:
    return (_EPOCH + timedelta(seconds=ns // _SECOND_NS)).strftime("%Y-%m-%dT%H:%M:%SZ")
