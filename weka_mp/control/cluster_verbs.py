"""The S3 service as a whole, as the administration API has it: WEKA's containers are the workers here."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from typing import Any

from weka_mp.control.desk import Desk
from weka_mp.control.fields import Fields
from weka_mp.identity import Caller

__all__ = ["are_ready", "show_cluster"]


def show_cluster(desk: Desk, caller: Caller, fields: Fields) -> Any:
    """Whether S3 is served, where, and by which workers."""
    about = _about(desk)
    workers = _workers(about)
    return {
        "active": bool(workers) and all(worker["ready"] for worker in workers),
        "address": about.get("s3"), "version": about.get("version"), "containers": workers,
    }  # fmt: skip


def are_ready(desk: Desk, caller: Caller, fields: Fields) -> Any:
    """Of each worker, whether it serves."""
    return {worker["name"]: worker["ready"] for worker in _workers(_about(desk))}


def _about(desk: Desk) -> Mapping[str, Any]:
    return {} if desk.service is None else desk.service()


def _workers(about: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [
        {
            "name": child["name"], "hostname": platform.node(), "ready": bool(child["ready"]),
            "status": "Online" if child["ready"] else "Down", "restarts": child["restarts"],
        }
        for child in about.get("children", ())
        if str(child["name"]).startswith("worker-")
    ]  # fmt: skip
