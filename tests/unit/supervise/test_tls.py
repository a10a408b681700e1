"""What a service that runs for long does for its own certificate, and what its administration is called."""

from __future__ import annotations

import os
import socket
from datetime import UTC, datetime
from pathlib import Path

import pytest
import trio
import trio.testing

from tests.unit.tls.certificates import MovedClock
from weka_mp.config import load
from weka_mp.supervise.tls import OwnTls, admin_names, open_tls
from weka_mp.tls.self_signed import LIFE, RENEWED_BEFORE

_HOUR = 3600.0


async def test_regression_a_service_renews_its_own_certificate_while_it_runs(
    tmp_path: Path, mock_clock: trio.testing.MockClock, caplog: pytest.LogCaptureFixture
) -> None:
    config = load({"tls": "on"}, {}).config
    state = tmp_path / "state"
    state.mkdir()
    clock = MovedClock(datetime(2026, 1, 1, tzinfo=UTC))
    settings, shown = open_tls(config, str(tmp_path / "store"), str(state), clock)
    assert shown is not None
    first = shown.context()
    async with trio.open_nursery() as nursery:
        nursery.start_soon(OwnTls(config, settings, clock).keep)
        await trio.testing.wait_all_tasks_blocked()
        clock.now += LIFE - RENEWED_BEFORE
        mock_clock.jump(_HOUR - 1)
        await trio.testing.wait_all_tasks_blocked()
        assert shown.context() is first
        mock_clock.jump(1)
        for _ in range(100_000):
            if shown.context() is not first:
                break
            await trio.to_thread.run_sync(os.getpid)  # real time, which its thread needs
        assert shown.context() is not first
        nursery.cancel_scope.cancel()
    assert "there is a new one" in caplog.text


async def test_certificates_of_somebody_else_are_left_alone() -> None:
    config = load({"tls": "off"}, {}).config
    clock = MovedClock(datetime(2026, 1, 1, tzinfo=UTC))
    await OwnTls(config, None, clock).keep()  # returns: there is nothing


def test_what_administration_is_called() -> None:
    config = load({"domain": "s3.example", "admin_names": "admin.example", "admin": "10.0.0.1:1"}, {}).config
    assert admin_names(config) == {socket.gethostname().lower(), "10.0.0.1", "s3.example", "admin.example"}
