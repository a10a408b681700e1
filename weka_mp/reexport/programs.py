"""The servers' programs on this machine, and what to install when they are missing."""

from __future__ import annotations

import glob
import os
import shutil
from typing import Final

__all__ = ["MissingProgram", "find_nfs", "find_smb", "find_smb_rpc"]

_DIRECTORIES: Final = "/usr/sbin:/usr/local/sbin:/sbin"
_VFS_MODULES: Final = (
    "/usr/lib/*/ganesha/libfsalvfs.so",
    "/usr/lib/ganesha/libfsalvfs.so",
    "/usr/lib64/ganesha/libfsalvfs.so",
)
_RPC_DAEMONS: Final = ("/usr/libexec/samba/samba-dcerpcd", "/usr/lib/*/samba/samba-dcerpcd")


class MissingProgram(Exception):
    """A package is not installed; the message names it."""


def find_nfs() -> str:
    """The path of ``ganesha.nfsd``. Raises MissingProgram."""
    program = _find("ganesha.nfsd", "nfs-ganesha")
    if not any(glob.glob(pattern) for pattern in _VFS_MODULES):
        raise MissingProgram(_advice("NFS-Ganesha's module for local file systems", "nfs-ganesha-vfs"))
    return program


def find_smb(program: str = "smbd") -> str:
    """The path of one of Samba's programs. Raises MissingProgram."""
    return _find(program, "samba")


def find_smb_rpc() -> str | None:
    """The path of Samba's server of remote procedures, which lists the shares; before 4.16 smbd did."""
    return next((path for pattern in _RPC_DAEMONS for path in glob.glob(pattern)), None)


def _find(program: str, package: str) -> str:
    path = shutil.which(program, path=os.pathsep.join([os.environ.get("PATH", os.defpath), _DIRECTORIES]))
    if path is None:
        raise MissingProgram(_advice(program, package))
    return path


def _advice(what: str, package: str) -> str:
    return f"{what} is not installed: install the package {package} (apt-get install {package})"
