"""Which names a bucket may have: the one rule, for both views and for S3's parsers. A leaf.

Source: "General purpose bucket naming rules" of the Amazon S3 user guide; RFC 1123, 2.1 for labels of hosts.
"""

from __future__ import annotations

import re
from typing import Final

__all__ = ["is_bucket_name", "is_new_bucket_name"]

_BUCKET_NAME: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)
_IP_ADDRESS: Final = re.compile(r"[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+", re.ASCII)
# "amzn-s3-demo-" too, says S3; but the names in AWS's examples begin so, and who tries one means it.
_RESERVED_PREFIXES: Final = ("xn--", "sthree-")
_RESERVED_SUFFIXES: Final = ("-s3alias", "--ol-s3", ".mrap", "--x-s3", "--table-s3")


def is_bucket_name(name: str) -> bool:
    """Whether a directory of this name is a bucket.

    3 to 63 of a-z, 0-9, '.', '-', alphanumeric at both ends, no address, no '..', none of the reserved ends.
    """
    return (
        _BUCKET_NAME.fullmatch(name) is not None
        and ".." not in name
        and _IP_ADDRESS.fullmatch(name) is None
        and not name.startswith(_RESERVED_PREFIXES)
        and not name.endswith(_RESERVED_SUFFIXES)
    )


def is_new_bucket_name(name: str) -> bool:
    """Whether S3 makes a bucket of this name: every label between dots must be one of a host, too.

    Without that the virtual-hosted style would not reach it.
    """
    return is_bucket_name(name) and ".-" not in name and "-." not in name
