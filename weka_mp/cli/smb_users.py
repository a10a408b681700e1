"""The passwords of SMB users: Samba's own database in the state directory, kept with Samba's own tools.

They lock it themselves, so it may be changed while the service runs; the next log-in sees it. Passwords go
through a pipe, never through a command line or the environment.
"""

from __future__ import annotations

import os
import pwd
import subprocess

from weka_mp.cli.refusals import Refusal
from weka_mp.errors import NamespaceError
from weka_mp.reexport.programs import MissingProgram, find_smb
from weka_mp.reexport.samba import SambaPlace, samba_conf
from weka_mp.supervise import places
from weka_mp.supervise.doors import write_file
from weka_mp.supervise.opening import open_namespace
from weka_mp.supervise.reexport_record import check_service_user

__all__ = ["check", "listed", "remove", "set_password"]

_SECONDS = 30.0


def check(name: str) -> None:
    """Raises Refusal when no account of this machine has that name."""
    try:
        pwd.getpwnam(name)
    except (KeyError, ValueError):
        raise Refusal(f"{name}: no such account on this machine") from None


def set_password(store: str, name: str, password: str) -> None:
    """Make or change it. Raises Refusal."""
    _run(store, "smbpasswd", "-c", "-s", "-a", name, text=f"{password}\n{password}\n")


def remove(store: str, name: str) -> None:
    """Raises Refusal when there is none."""
    _run(store, "pdbedit", "-s", "-x", "-u", name)


def listed(store: str) -> list[dict[str, object]]:
    """``name`` and ``uid`` of each."""
    rows = [line.split(":") for line in _run(store, "pdbedit", "-s", "-L").splitlines()]
    return [{"name": row[0], "uid": int(row[1])} for row in rows if len(row) >= 3 and row[1].isdigit()]


def _run(store: str, program: str, option: str, *words: str, text: str = "") -> str:
    """`option` is the tool's own for its configuration file. Answers what it printed."""
    conf = _configuration(store)
    try:
        command = [find_smb(program), option, conf, *words]
        done = subprocess.run(
            command, input=text, capture_output=True, text=True, timeout=_SECONDS, check=False
        )
    except (OSError, MissingProgram, subprocess.TimeoutExpired) as error:
        raise Refusal(str(error)) from error
    if done.returncode != 0:
        said = (done.stderr + done.stdout).strip().splitlines()
        raise Refusal(f"{program}: {said[-1] if said else f'exit status {done.returncode}'}")
    return done.stdout


def _configuration(store: str) -> str:
    """A file for the tools alone: it shares nothing, and knows where the database lies."""
    try:
        check_service_user()
        with open_namespace(store, "commit") as namespace:
            store_id = namespace.store_id
    except NamespaceError as error:
        raise Refusal(str(error)) from error
    state = os.path.join(places.state_directory(store_id, os.environ, os.geteuid()), "smb")
    place = SambaPlace("127.0.0.1", 445, "/nonexistent", os.path.join(state, "tools"), state)
    for private in (state, place.runtime):
        os.makedirs(private, 0o700, exist_ok=True)
        os.chmod(private, 0o700)
    for path, mode in place.directories():
        os.makedirs(path, mode, exist_ok=True)
        os.chmod(path, mode)
    conf = os.path.join(state, "tools", "smb.conf")
    write_file(conf, os.fsencode(samba_conf(place, ())))
    return conf
