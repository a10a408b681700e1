"""The configuration of NFS-Ganesha 4 (ganesha-config(8)) for the exports of one store. Pure.

What is not obvious:

- ``Attr_Expiration_Time = 0``: Ganesha compares whole seconds, so 1 would keep attributes for up to two.
  Asking anew costs little: the kernel below caches, and weka_mp invalidates what it caches.
- ``Dir_Chunk = 0``: directories are not kept, since two changes within one tick of the clock look alike.
- ``FD_LWMark_Percent = 0``: what clients have closed is closed within a second or so. Ganesha would keep it
  open for its next request, and a file that somebody has open for writing gets no ETag.
- ``fsid_type = Major64``: the handles that clients keep hold the file system's id. A FUSE mount has none but
  its device number, which changes with every mount; of it, this type keeps the major number, always 0.
- ``Graceless``: after a restart clients go on at once. Opens come back; locks do not (docs/REEXPORT.md).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Final

from weka_mp.reexport.model import Export

__all__ = ["RELOADED", "GaneshaPlace", "ganesha_conf"]

RELOADED: Final = "Reread exports complete"
"""What Ganesha logs when it has taken a changed file, after SIGHUP."""

_ACCESS: Final = {"rw": "RW", "ro": "RO"}
_SQUASH: Final = {"none": "No_Root_Squash", "root": "Root_Squash", "all": "All_Squash"}


@dataclass(frozen=True, slots=True)
class GaneshaPlace:
    """Where it listens (a numeric address), where it sees the mount, where it keeps what it must."""

    host: str
    port: int
    mount: str
    directory: str
    store_id: str


def ganesha_conf(place: GaneshaPlace, exports: tuple[Export, ...]) -> str:
    """The whole file. Names are surrogate-escaped text: write it with os.fsencode."""
    return "\n".join([_core(place), *(_export(place, export) for export in exports), ""])


def _core(place: GaneshaPlace) -> str:
    return f"""# Written by weka-mp; changes are overwritten.
NFS_CORE_PARAM {{
    NFS_Port = {place.port};
    Bind_addr = {place.host};
    Protocols = 4;
    Enable_NLM = false;
    Enable_RQUOTA = false;
    Enable_UDP = false;
}}
NFS_KRB5 {{ Active_krb5 = false; }}
NFSv4 {{
    Graceless = true;
    RecoveryBackend = fs;
    RecoveryRoot = {_quoted(place.directory)};
    Only_Numeric_Owners = true;
    Delegations = false;
}}
MDCACHE {{
    Dir_Chunk = 0;
    LRU_Run_Interval = 1;
    FD_LWMark_Percent = 0;
    Reaper_Work_Per_Lane = 1000;
}}
EXPORT_DEFAULTS {{
    Access_Type = None;
    SecType = sys;
    Protocols = 4;
    Transports = TCP;
    PrivilegedPort = true;
    Delegations = None;
    Attr_Expiration_Time = 0;
}}
LOG {{
    Default_Log_Level = EVENT;
    Components {{ DBUS = FATAL; NFS_CB = FATAL; }}
}}"""


def _export(place: GaneshaPlace, export: Export) -> str:
    path = f"{place.mount}/{export.path}" if export.path else place.mount
    return f"""EXPORT {{
    Export_Id = {export.export_id};
    Path = {_quoted(path)};
    Pseudo = {_quoted(export.pseudo)};
    Filesystem_Id = {_filesystem_number(place.store_id)}.{export.export_id};
    Squash = {_SQUASH[export.squash]};
    Anonymous_Uid = {export.anon_uid};
    Anonymous_Gid = {export.anon_gid};
    CLIENT {{ Clients = {", ".join(export.clients)}; Access_Type = {_ACCESS[export.access]}; Protocols = 4; }}
    FSAL {{ Name = VFS; fsid_type = Major64; }}
}}"""


def _filesystem_number(store_id: str) -> int:
    """Half of what clients see as fsid, the export id being the other: the same for the life of the store."""
    return int.from_bytes(hashlib.sha256(store_id.encode()).digest()[:4])


def _quoted(text: str) -> str:
    """A string of its language: nothing is special between single quotes, and in double quotes only \\ and "
    are, which `checked_path` keeps away.
    """
    return f"'{text}'" if "'" not in text else f'"{text}"'
