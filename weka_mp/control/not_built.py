"""Requests of WEKA's REST API about S3 that are refused here by name, each with its reason."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

__all__ = ["NOT_BUILT", "refusal"]

_PREFIX: Final = "/api/v2"
_OPTIONS: Final = "what it says is said by the options of `weka-mp serve`, and lasts as long as the service"
_ALONE: Final = "there are no containers beside the one service"

NOT_BUILT: Final[Mapping[tuple[str, str], str]] = {
    ("POST", "/s3"): _OPTIONS,
    ("PUT", "/s3"): _OPTIONS,
    ("DELETE", "/s3"): _OPTIONS,
    ("POST", "/s3/containers"): _ALONE,
    ("DELETE", "/s3/containers"): _ALONE,
}
"""(method, path behind ``/api/v2``) → why. Who builds one takes its row away."""


def refusal(method: str, path: str) -> str | None:
    """Why the request is refused; None: it is none of these."""
    inner = path.removeprefix(_PREFIX)
    if inner == path:
        return None
    for (known, pattern), reason in NOT_BUILT.items():
        if known == method and re.fullmatch(re.sub(r"\{\w+\}", "[^/]{1,256}", pattern), inner):
            return reason
    return None
