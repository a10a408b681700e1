"""What every test of the suite gets: settings of hypothesis, and no mount left behind."""

from __future__ import annotations

import random
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.immutables import loosen

# A deadline for one example would measure the load of the machine, and so would the health check of speed.
settings.register_profile("weka_mp", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("weka_mp")

_SEED = 20261122
"""Of random programs and histories. A change is judged by the same ones as the one before; `-1` hunts."""


_BESIDE_EACH_OTHER = frozenset({
    "arch", "cli", "crash", "faults", "fuzz", "packaging", "server", "smoke", "unit",
})  # fmt: skip
"""Rooms whose tests share nothing but the processors, unless they are marked otherwise."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """`beside`: what tools/test runs on all processors at once."""
    alone = ("alone", "mount", "clients", "soak")
    for item in items:
        room = item.path.relative_to(Path(__file__).parent).parts[0]
        if room in _BESIDE_EACH_OTHER and not any(item.get_closest_marker(name) for name in alone):
            item.add_marker("beside")


def mounts_below(folder: Path) -> list[str]:
    """Mount points below `folder` in this mount namespace, innermost first (proc(5), mountinfo, field 5)."""
    found = []
    for line in Path("/proc/self/mountinfo").read_text("utf-8", "surrogateescape").splitlines():
        mountpoint = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), line.split(" ")[4])
        if mountpoint.startswith(f"{folder}/"):
            found.append(mountpoint)
    return sorted(found, key=len, reverse=True)


@pytest.fixture(scope="session", autouse=True)
def no_mount_is_left_behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Unmounts what tests left mounted in their temporary folders, and fails the last test for it."""
    folder = tmp_path_factory.getbasetemp()
    yield
    left = mounts_below(folder)
    for mountpoint in left:
        # Lazily: a mount whose server is gone answers nothing, and a busy one would stay.
        subprocess.run(["umount", "--lazy", mountpoint], check=False)
    assert not left, f"left mounted: {left}"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--model-seed", type=int, default=_SEED,
        help=f"what random programs and histories are made from (default: {_SEED}; -1: a new one)",
    )


def pytest_report_header(config: pytest.Config) -> str:
    return f"model seed: {_seed_of(config)}"


def _seed_of(config: pytest.Config) -> int:
    """The seed of this run, drawn once where a new one is wanted."""
    if config.getoption("--model-seed") < 0:
        config.option.model_seed = random.SystemRandom().randrange(10**6)
    seed: int = config.getoption("--model-seed")
    return seed


@pytest.fixture(scope="session")
def model_seed(request: pytest.FixtureRequest) -> int:
    """The seed of this run; a failing test shows it among its captured output."""
    return _seed_of(request.config)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Locked versions would stay in the way of who removes what the tests left behind."""
    factory = getattr(session.config, "_tmp_path_factory", None)
    base = getattr(factory, "_basetemp", None)
    if base is None:
        return
    for depth in range(1, 5):
        for clock in base.glob("*/" * depth + ".weka/retention-clock"):
            loosen(clock.parent.parent)
