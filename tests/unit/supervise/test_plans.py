"""What each child is told."""

from __future__ import annotations

import json
import socket

from weka_mp.config import load
from weka_mp.server.limits import Limits
from weka_mp.supervise.credentials import RootCredentials
from weka_mp.supervise.plans import Places, background_spec, mount_spec, worker_specs

PLACES = Places("/store", "/run/x", 9, "/state/audit", "/state/notifications", "/state/bucket-logs")


def test_workers_share_the_sockets_and_get_the_keys() -> None:
    config = load({"workers": "3", "domain": "a.b", "website_domain": "w.b", "sigv2": True, "no_native": True,
                   "max_connections": "7", "idle_timeout": "9", "min_rate": "0"}, {}).config
    with socket.create_server(("127.0.0.1", 0)) as sock:
        specs = worker_specs(config, PLACES, RootCredentials("AK", "SECRET", None), [sock])
        assert [spec.name for spec in specs] == ["worker-0", "worker-1", "worker-2"]
        for spec in specs:
            assert set(spec.pass_fds) == {sock.fileno(), 9} == set(spec.plan["inherited_fds"])  # type: ignore[call-overload]
            plan = json.loads(json.dumps(spec.plan))
            assert (plan["access_key"], plan["secret_key"]) == ("AK", "SECRET")
            assert plan["website_domains"] == ["w.b"]
            assert plan["domains"] == ["a.b"] and plan["sigv2"] and plan["no_native"]
            assert Limits(**plan["limits"]) == Limits(connections=7, idle_seconds=9, bytes_per_second=0)
            assert plan["mount_sockets"] == "/run/x/mount-*.sock"
            assert spec.grace > 20  # the endpoint's own limit for requests under way


def test_mounts_and_background_get_no_keys() -> None:
    config = load({"attr_timeout": "0"}, {}).config
    mount = mount_spec(config, PLACES, 1, "/m", handlers={})
    assert (mount.name, mount.kind) == ("mount-1", "mount")
    assert mount.plan["socket"] == "/run/x/mount-1.sock" and mount.plan["attr_timeout"] == 0.0
    assert mount.plan["shared"] is False
    several = load({"mount": ["/m", "/n"]}, {}).config
    assert mount_spec(several, PLACES, 0, "/m", handlers={}).plan["shared"] is True
    background = background_spec(config, PLACES, {})
    for spec in (mount, background):
        assert "secret_key" not in spec.plan and tuple(spec.pass_fds) == (9,)
        assert spec.plan["store"] == "/store" and spec.plan["durability"] == "commit"
