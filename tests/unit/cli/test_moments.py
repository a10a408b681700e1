"""Times as WEKA's `events` takes them."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from weka_mp.cli.moments import moment_of

HERE = timezone(timedelta(hours=1))
NOW = datetime(2026, 3, 5, 12, 30, tzinfo=HERE)


@pytest.mark.parametrize(("text", "wanted"), [
    ("5m", "2026-03-05T12:25:00+01:00"), ("-5m", "2026-03-05T12:25:00+01:00"),
    ("-1d", "2026-03-04T12:30:00+01:00"), ("-1w", "2026-02-26T12:30:00+01:00"),
    ("90s", "2026-03-05T12:28:30+01:00"), ("1:00", "2026-03-05T01:00:00+01:00"),
    ("01:00", "2026-03-05T01:00:00+01:00"), ("18:30:07", "2026-03-05T18:30:07+01:00"),
    ("2018-12-31 10:00", "2018-12-31T10:00:00+01:00"), ("2018/12/31 10:00", "2018-12-31T10:00:00+01:00"),
    ("2018-12-31T10:00", "2018-12-31T10:00:00+01:00"), ("2018-12-31", "2018-12-31T00:00:00+01:00"),
    ("9:15Z", "2026-03-05T09:15:00+00:00"), ("10:00+2:00", "2026-03-05T10:00:00+02:00"),
])  # fmt: skip
def test_every_documented_form(text: str, wanted: str) -> None:
    assert moment_of(text, NOW).isoformat() == wanted


@pytest.mark.parametrize("text", ["", "yesterday", "25:00", "5", "-5", "2018-13-01", "9" * 6 + "w", "1y"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(ValueError, match="is no time"):
        moment_of(text, NOW)
