"""The S3 service as a whole, as the administration API has it: WEKA's containers are the workers here."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from typing import Any, Final

from weka_mp.control.desk import Changed, Desk
from weka_mp.control.fields import Fields
from weka_mp.identity import Caller
from weka_mp.identity.errors import InvalidInput, NoSuchEntity
from weka_mp.observe.logs import LOG_LEVEL

__all__ = ["LOG_LEVELS", "are_ready", "set_log_level", "show_cluster", "show_log_level"]

LOG_LEVELS: Final = ("debug", "info", "warning", "error")


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


def show_log_level(desk: Desk, caller: Caller, fields: Fields) -> Any:
    """The least severe records that are logged now. Raises NoSuchEntity: no service runs."""
    return {"level": _running(desk)["log_level"]}


def set_log_level(desk: Desk, caller: Caller, fields: Fields) -> Changed:
    """In force in every process of the service, and in those that replace them, until it stops; its option
    says with what it starts. Raises InvalidInput, NoSuchEntity.
    """
    level = fields.text("level").lower()
    if level not in LOG_LEVELS:
        raise InvalidInput(f"no such level; there are {', '.join(LOG_LEVELS)}")
    _running(desk)
    return Changed({"level": level}, retold=LOG_LEVEL, retold_with=level)


def _running(desk: Desk) -> Mapping[str, Any]:
    about = _about(desk)
    if not about:
        raise NoSuchEntity("no service of this store runs: the option --log-level says how the next one logs")
    return about


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
