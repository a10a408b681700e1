"""The configuration of Samba 4 (smb.conf(5)) for the shares of one store. Pure.

What is not obvious:

- No oplocks, no leases, no durable handles: with them a client would keep data that nobody takes back from it
  when S3 replaces the file.
- ``case sensitive = auto``: a name is first taken as it is spelled, so that objects that differ in case alone
  are both reachable; only then another case of it, or the alias of a name that Windows cannot have, is looked
  for. With ``yes`` no alias would ever be found.
- ``store dos attributes = no`` and its like: a share must neither write attributes beside an object's record
  nor set x bits for Windows' flags.
- ``rpc start on demand helpers = no``: a helper that smbd starts leaves its process group, and would outlive
  the service; weka_mp runs it itself.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from weka_mp.reexport.model import Share

__all__ = ["SambaPlace", "samba_conf"]


@dataclass(frozen=True, slots=True)
class SambaPlace:
    """Where it listens, where it sees the mount, where it keeps what may go and (`state`) what may not."""

    host: str
    port: int
    mount: str
    runtime: str
    state: str

    def directories(self) -> tuple[tuple[str, int], ...]:
        """What must be there before it starts, with modes; all lie in directories that are private."""
        below = [(f"{self.runtime}/{name}", 0o755) for name in ("lock", "cache", "pid", "ncalrpc")]
        return (*below, (f"{self.state}/state", 0o755), (f"{self.state}/private", 0o700))


def samba_conf(place: SambaPlace, shares: tuple[Share, ...]) -> str:
    """The whole file. Names are surrogate-escaped text: write it with os.fsencode."""
    guests = any(share.guest for share in shares)
    return "\n".join([_global(place, guests=guests), *(_share(place, share) for share in shares), ""])


def _global(place: SambaPlace, *, guests: bool) -> str:
    everywhere = ipaddress.ip_address(place.host).is_unspecified
    listen = "" if everywhere else f"bind interfaces only = yes\n    interfaces = {place.host}"
    return f"""# Written by weka-mp; changes are overwritten.
[global]
    server role = standalone server
    server string = weka_mp
    server min protocol = SMB2
    smb ports = {place.port}
    {listen}
    disable netbios = yes
    rpc start on demand helpers = no
    disable spoolss = yes
    load printers = no
    printing = bsd
    printcap name = /dev/null
    map to guest = {"bad user" if guests else "never"}
    guest account = nobody
    passdb backend = tdbsam:{place.state}/private/passdb.tdb
    private dir = {place.state}/private
    state directory = {place.state}/state
    lock directory = {place.runtime}/lock
    cache directory = {place.runtime}/cache
    pid directory = {place.runtime}/pid
    ncalrpc dir = {place.runtime}/ncalrpc
    usershare max shares = 0
    log level = 0
    oplocks = no
    level2 oplocks = no
    kernel oplocks = no
    smb2 leases = no
    durable handles = no
    strict sync = yes
    unix extensions = no
    wide links = no
    case sensitive = auto
    mangled names = illegal
    store dos attributes = no
    ea support = no
    map archive = no
    map hidden = no
    map system = no
    map readonly = no
    hide dot files = no"""


def _share(place: SambaPlace, share: Share) -> str:
    lines = [
        f"[{share.name}]",
        f"path = {place.mount}/{share.path}" if share.path else f"path = {place.mount}",
        f"read only = {'yes' if share.access == 'ro' else 'no'}",
        f"guest ok = {'yes' if share.guest else 'no'}",
        *([f"valid users = {' '.join(share.users)}"] if share.users else []),
        *([f"force user = {share.force_user}"] if share.force_user is not None else []),
    ]
    return "\n    ".join(lines)
