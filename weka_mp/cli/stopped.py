"""Works on a store while no service can start on it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from weka_mp.cli.refusals import Refusal
from weka_mp.errors import NamespaceError
from weka_mp.namespace import Namespace
from weka_mp.reexport.programs import MissingProgram
from weka_mp.supervise import places
from weka_mp.supervise.instance import Instance
from weka_mp.supervise.keeper import StartFailed
from weka_mp.supervise.opening import open_namespace

__all__ = ["stopped_store"]


@contextmanager
def stopped_store(store: str) -> Iterator[Namespace]:
    """The store under its lock; what goes wrong inside is a Refusal."""
    try:
        with open_namespace(store, "commit") as namespace:
            runtime = places.make_runtime_directory(namespace.store_id, os.environ, os.geteuid())
            instance = Instance(runtime)
            try:
                instance.exclude(store)
                yield namespace
            finally:
                instance.release()
    except (NamespaceError, StartFailed, places.PlaceError, MissingProgram) as error:
        raise Refusal(str(error)) from error
