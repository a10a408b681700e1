"""One record a request, with its fields."""

import logging

from weka_mp.server.access_log import RequestRecord, write


def record(**changed):
    known = {
        "method": "GET", "operation": "GetObject", "bucket": "b", "key": b"\xc3\xa4\xff", "access_key": "KEY",
        "status": 200, "sent": 5, "seconds": 0.0123456,
    }
    return RequestRecord("ID", "192.0.2.1", **{**known, **changed})


def test_fields(caplog):
    caplog.set_level(logging.INFO, "weka_mp.access")
    write(record())
    (logged,) = caplog.records
    assert (logged.request_id, logged.remote, logged.method, logged.operation) == (
        "ID", "192.0.2.1", "GET", "GetObject")
    assert (logged.bucket, logged.key, logged.access_key) == ("b", "ä\\xff", "KEY")
    assert (logged.status, logged.bytes_in, logged.bytes_out, logged.duration_ms) == (200, 0, 5, 12.346)


def test_our_own_failures_are_warnings(caplog):
    caplog.set_level(logging.WARNING, "weka_mp.access")
    write(record())
    write(record(status=503, code="SlowDown"))
    assert [(logged.levelname, logged.code) for logged in caplog.records] == [("WARNING", "SlowDown")]
