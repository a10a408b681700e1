"""Where a bucket's log of requests goes, and what its objects are called.

A leaf.

Source: "Enabling Amazon S3 server access logging" and "Log object key format" of the S3 user guide.
"""

from __future__ import annotations

import functools
import json
import time
from dataclasses import asdict, dataclass
from typing import Final

__all__ = ["DELIVERY_TIME", "EVENT_TIME", "SIMPLE", "LogRule", "decode", "encode", "log_key"]

SIMPLE: Final = "SimplePrefix"
EVENT_TIME: Final = "EventTime"
DELIVERY_TIME: Final = "DeliveryTime"
"""Partitioned prefixes: by the day of what is told, or of the delivery."""

_SECOND: Final = 1_000_000_000
_DAY_NS: Final = 86_400 * _SECOND


@dataclass(frozen=True, slots=True)
class LogRule:
    """target: the bucket that gets the logs. form: SIMPLE, EVENT_TIME or DELIVERY_TIME; empty: nothing was
    said of it, which means SIMPLE.
    """

    target: str
    prefix: str
    form: str = ""


def encode(rule: LogRule) -> str:
    """As it is kept."""
    return json.dumps(asdict(rule), sort_keys=True)


@functools.lru_cache(maxsize=256)
def decode(text: str) -> LogRule:
    """Raises ValueError, TypeError: it is none."""
    return LogRule(**json.loads(text))


def log_key(
    rule: LogRule, source: str, account: str, region: str, at_ns: int, unique: str
) -> bytes:
    """Of a log object of the bucket `source`. account: the 12 digits of its owner's. at_ns: when it is
    delivered, since the epoch; by EVENT_TIME what it tells of, whose day alone counts.
    """
    if rule.form == EVENT_TIME:
        at_ns -= at_ns % _DAY_NS
    at = time.gmtime(at_ns // _SECOND)
    place = ""
    if rule.form in (EVENT_TIME, DELIVERY_TIME):
        place = f"{account}/{region}/{source}/{time.strftime('%Y/%m/%d', at)}/"
    return f"{rule.prefix}{place}{time.strftime('%Y-%m-%d-%H-%M-%S', at)}-{unique}".encode()
