"""System events: who changed what of a store, when and from where; kept in the store itself."""

from weka_mp.events.log import EventLog, Wanted
from weka_mp.events.types import CATEGORIES, TYPES, By, Event, EventType, Severity, event_named

__all__ = [
    "CATEGORIES", "TYPES", "By", "Event", "EventLog", "EventType", "Severity", "Wanted", "event_named",
]  # fmt: skip
