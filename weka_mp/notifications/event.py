"""What happened to an object, as receivers are told it: AWS's record, in a line of a spool.

Source: "Event message structure" of the S3 user guide, version 2.1, with fields that it says may be added.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from typing import Any, Final
from urllib.parse import quote_plus

from weka_mp.namespace.happenings import Asker, Happening, MovedTree
from weka_mp.notification_rules import Rule
from weka_mp.values import BucketName

__all__ = ["bodies_of", "line_of", "move_in", "moved_line_of", "order_of", "record_of", "test_line_of"]

_VERSION: Final = "2.1"
_SCHEMA: Final = "1.0"
_SEQUENCE_DIGITS: Final = 16
_MS: Final = 1_000_000


def record_of(happening: Happening, asker: Asker, rule: Rule, region: str, owner: str) -> dict[str, Any]:
    """One element of ``Records``. owner: of the bucket."""
    what: dict[str, Any] = {"key": quote_plus(happening.key, safe="/")}
    if happening.size is not None:
        what["size"] = happening.size
    if happening.etag is not None:
        what["eTag"] = happening.etag
    if happening.version is not None:
        what["versionId"] = happening.version
    what["sequencer"] = _digits(happening.sequence)
    return {
        "eventVersion": _VERSION,
        "eventSource": f"weka:{asker.source}",
        "awsRegion": region,
        "eventTime": _time(happening.sequence),
        "eventName": happening.event,
        "userIdentity": {"principalId": asker.user},
        "requestParameters": {"sourceIPAddress": asker.remote},
        "responseElements": {"x-amz-request-id": asker.request_id, "x-amz-id-2": asker.host_id},
        "s3": {
            "s3SchemaVersion": _SCHEMA,
            "configurationId": rule.id,
            "bucket": {
                "name": happening.bucket,
                "ownerIdentity": {"principalId": owner},
                "arn": f"arn:aws:s3:::{happening.bucket}",
            },
            "object": what,
        },
    }


def line_of(happening: Happening, asker: Asker, rule: Rule, region: str, owner: str) -> bytes:
    """As a spool has it."""
    return _line(happening.sequence, {"record": record_of(happening, asker, rule, region, owner)})


def test_line_of(happening: Happening, asker: Asker) -> bytes:
    """What a target is sent when a bucket begins to name it."""
    return _line(happening.sequence, {"test": {
        "Service": "Amazon S3",
        "Event": f"s3:{happening.event}",
        "Time": _time(happening.sequence),
        "Bucket": happening.bucket,
        "RequestId": asker.request_id,
        "HostId": asker.host_id,
    }})  # fmt: skip


def moved_line_of(moved: MovedTree, asker: Asker) -> bytes:
    """A directory that was moved, for who will look what is in it."""
    return _line(moved.sequence, {"moved": {
        "from": [moved.bucket, moved.prefix.hex()], "to": [moved.to_bucket, moved.to_prefix.hex()],
        "sequence": moved.sequence, "asker": asdict(asker),
    }})  # fmt: skip


def move_in(line: bytes) -> tuple[MovedTree, Asker]:
    """The other way round."""
    content = json.loads(line)["moved"]
    (bucket, prefix), (to_bucket, to_prefix) = content["from"], content["to"]
    moved = MovedTree(
        BucketName(bucket), bytes.fromhex(prefix), BucketName(to_bucket), bytes.fromhex(to_prefix),
        content["sequence"],
    )
    return moved, Asker(**content["asker"])


def order_of(line: bytes) -> str | None:
    """By what lines of a spool are sorted; None: it is none, or not all of one."""
    try:
        content = json.loads(line)
        order = content["order"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
    return order if isinstance(order, str) else None


def bodies_of(lines: list[bytes]) -> list[tuple[int, bytes]]:
    """What is posted for these lines, in their order, and for how many of them: records that stand together
    go together, a test event goes alone.
    """
    found: list[tuple[int, bytes]] = []
    together: list[Any] = []

    def end() -> None:
        if together:
            found.append((len(together), json.dumps({"Records": together}).encode()))
            together.clear()

    for line in lines:
        content = json.loads(line)
        if "record" in content:
            together.append(content["record"])
        else:
            end()
            found.append((1, json.dumps(content["test"]).encode()))
    end()
    return found


def _line(sequence: int, content: dict[str, Any]) -> bytes:
    return json.dumps({"order": _digits(sequence), **content}, separators=(",", ":")).encode() + b"\n"


def _digits(sequence: int) -> str:
    return f"{sequence:0{_SEQUENCE_DIGITS}X}"


def _time(at_ns: int) -> str:
    seconds, rest = divmod(at_ns, 1_000_000_000)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(seconds))}.{rest // _MS:03d}Z"
