"""The form of requests and answers of a client in Python: see ../../driver.py."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from urllib.parse import quote, unquote


def serve(operations: Mapping[str, Callable[..., list[str]]]) -> None:
    """Answer each line of standard input until its end."""
    out = sys.stdout
    for line in sys.stdin:
        operation, *words = map(unquote, line.rstrip("\n").split(" "))
        try:
            answer = ["ok", *operations[operation](*words)]
        except Exception as error:  # noqa: BLE001 - whatever a client says is its answer
            answer = ["error", type(error).__name__, str(error)]
        out.write(" ".join(quote(word, safe="") for word in answer) + "\n")
        out.flush()
