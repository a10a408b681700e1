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
    assert logged.request_id == "ID"
    assert logged.fields == {
        "remote": "192.0.2.1", "method": "GET", "operation": "GetObject", "bucket": "b", "key": "ä\\xff",
        "access_key": "KEY", "status": 200, "bytes_in": 0, "bytes_out": 5,
        "duration_ms": 12.346,
    }


def test_our_own_failures_are_warnings(caplog):
    caplog.set_level(logging.WARNING, "weka_mp.access")
    write(record())
    write(record(status=503, code="SlowDown"))
    (logged,) = caplog.records
    assert (logged.levelname, logged.fields["code"]) == ("WARNING", "SlowDown")
