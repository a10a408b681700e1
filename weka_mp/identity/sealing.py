"""Sealing: secrets lie in the store encrypted, under keys that lie outside of it.

AES-256-GCM under a key that HKDF-SHA256 (RFC 5869) derives from a master key for one purpose, with a random
nonce of 96 bits. What a secret belongs to is authenticated along with it: a sealed secret that was moved to
another user's record does not open.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from weka_mp.clock import RandomSource
from weka_mp.identity.errors import IdentityUnusable

__all__ = ["MASTER_KEY_BYTES", "KeyMissing", "KeyRing", "sealed_under"]

MASTER_KEY_BYTES: Final = 32

_SEAL_KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12  # NIST SP 800-38D, 8.2.2; random ones are safe for 2^32 secrets of one key
_ID_BYTES: Final = 8
_INFO: Final = "weka_mp identity 1 "


class KeyMissing(IdentityUnusable):
    """A secret was sealed under a key that is not in the key file (restore the file it was made with)."""


@lru_cache(maxsize=256)
def _derive(master: bytes, purpose: str, size: int) -> bytes:
    return HKDF(SHA256(), size, None, (_INFO + purpose).encode()).derive(master)


def sealed_under(sealed: str) -> str:
    """The id of the key that a sealed value needs."""
    return sealed.partition(".")[0]


class KeyRing:
    """Master keys of 32 bytes, the current one first: it seals, each of them opens. Immutable.

    A key's id is derived from it, 16 hex digits.
    """

    def __init__(self, masters: Sequence[bytes]) -> None:
        if not masters or any(len(master) != MASTER_KEY_BYTES for master in masters):
            raise ValueError("master keys of 32 bytes are wanted")
        self._masters = {_derive(master, "key id", _ID_BYTES).hex(): master for master in masters}
        self.current = next(iter(self._masters))

    def __repr__(self) -> str:
        return f"KeyRing({', '.join(self._masters)})"

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of all keys, the current one first."""
        return tuple(self._masters)

    def derive(self, key_id: str, purpose: str, size: int) -> bytes:
        """A key of `size` bytes for one purpose. Raises KeyMissing."""
        master = self._masters.get(key_id)
        if master is None:
            raise KeyMissing(
                f"the key {key_id} is not in the key file: restore the file the store was used with"
            )
        return _derive(master, purpose, size)

    def seal(self, purpose: str, owner: str, secret: str, random: RandomSource) -> str:
        """``KEY-ID.BASE64URL(nonce, ciphertext, tag)``. owner: what `open` must name, too."""
        nonce = bytes.fromhex(random.token(_NONCE_BYTES))
        cipher = AESGCM(self.derive(self.current, f"seal {purpose}", _SEAL_KEY_BYTES))
        box = nonce + cipher.encrypt(nonce, secret.encode(), owner.encode())
        return f"{self.current}.{base64.urlsafe_b64encode(box).decode()}"

    def open(self, purpose: str, owner: str, sealed: str) -> str:
        """The secret. Raises KeyMissing; IdentityUnusable when it is damaged or somebody else's."""
        key_id, _, text = sealed.partition(".")
        cipher = AESGCM(self.derive(key_id, f"seal {purpose}", _SEAL_KEY_BYTES))
        try:
            box = base64.urlsafe_b64decode(text)
            return cipher.decrypt(box[:_NONCE_BYTES], box[_NONCE_BYTES:], owner.encode()).decode()
        except (InvalidTag, ValueError):
            raise IdentityUnusable("a sealed secret is damaged, or not of this user") from None

    def fingerprint(self, key_id: str, purpose: str, *parts: str) -> int:
        """A number from 1 to 2^63 - 1 that changes with the parts and tells nothing of them.

        Raises KeyMissing.
        """
        key = self.derive(key_id, f"fingerprint {purpose}", 32)
        digest = hmac.digest(key, "\0".join(parts).encode(), hashlib.sha256)
        return (int.from_bytes(digest[:8], "big") >> 1) or 1
