"""The certificate that a service makes for itself: how its clients get it, and where it is kept."""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.system.service import Service, weka_mp
from weka_mp.cli.services import store_id_of
from weka_mp.supervise.places import state_directory


def download(service: Service, path: Path) -> Path:
    """The service's own certificate, as its clients get it."""
    done = weka_mp("security", "tls", "download", "--path", path, "--store", service.store)
    assert done.returncode == 0, done.stderr
    return path


def forget(folder: Path) -> None:
    """Where the service that `running` started in `folder` kept its certificate."""
    store_id = store_id_of(str(folder / "store"))
    assert store_id is not None
    shutil.rmtree(state_directory(store_id, {}, 0), ignore_errors=True)
