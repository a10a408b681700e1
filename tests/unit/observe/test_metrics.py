"""Metrics of several processes in one text."""

import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram

from weka_mp.observe.metrics import exposition, snapshot


def test_each_process_is_a_series_of_its_own() -> None:
    snapshots = {}
    for process, count in (("worker-0", 2), ("worker-1", 3)):
        registry = CollectorRegistry()
        Counter("weka_mp_things", "Things", ["kind"], registry=registry).labels("a").inc(count)
        Histogram("weka_mp_seconds", "Time", buckets=[1], registry=registry).observe(0.5)
        snapshots[process] = snapshot(registry)
    lines = exposition(snapshots).decode().splitlines()
    assert lines.count("# TYPE weka_mp_things_total counter") == 1
    assert 'weka_mp_things_total{kind="a",process="worker-0"} 2.0' in lines
    assert 'weka_mp_things_total{kind="a",process="worker-1"} 3.0' in lines
    assert 'weka_mp_seconds_bucket{le="1.0",process="worker-1"} 1.0' in lines
    assert not [line for line in lines if "_created" in line]


@pytest.mark.parametrize("content", [None, [["name"]], {"a": 1}])
def test_malformed_snapshots_are_refused(content: object) -> None:
    with pytest.raises(ValueError, match="worker-0 sent"):
        exposition({"worker-0": content})
