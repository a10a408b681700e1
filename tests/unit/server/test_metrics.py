"""Counts come out as prometheus families."""

from prometheus_client import CollectorRegistry, generate_latest

from weka_mp.server.metrics import ServerMetrics


def test_counts_are_collected():
    metrics, registry = ServerMetrics(), CollectorRegistry()
    metrics.register(registry)
    metrics.count("GetObject", 200, 0.0007, 0, 4096)
    metrics.count("GetObject", 200, 100.0, 0, 4)
    metrics.count("PutObject", 403, 0.2, 10, 0)
    metrics.count_late_invalidation()
    text = generate_latest(registry).decode()
    for line in (
        'weka_mp_s3_requests_total{operation="GetObject",status="200"} 2.0',
        'weka_mp_s3_requests_total{operation="PutObject",status="403"} 1.0',
        'weka_mp_s3_request_seconds_bucket{le="0.001"} 1.0',
        'weka_mp_s3_request_seconds_bucket{le="+Inf"} 3.0',
        "weka_mp_s3_request_seconds_count 3.0", "weka_mp_s3_received_bytes_total 10.0",
        "weka_mp_s3_sent_bytes_total 4100.0", "weka_mp_s3_invalidations_late_total 1.0",
    ):
        assert line in text, line
