"""Tokens: only our own are good, each for what it was made for."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from pathlib import Path
from typing import Any

import jwt
import pytest

from tests.unit.identity.kit import key_path
from tests.unit.namespace.kit import FixedClock
from weka_mp.clock import SystemRandom
from weka_mp.identity.errors import CredentialExpired, TokenRefused
from weka_mp.identity.key_file import KeyFile
from weka_mp.identity.tokens import TokenKind, Tokens

STORE_ID = "0123456789abcdef0123456789abcdef"
NOW_S = 1_700_000_000


class Mint:
    """Tokens of one store, and what a forger could make with its key."""

    def __init__(self, folder: Path) -> None:
        self.clock = FixedClock()
        self.keys = KeyFile(key_path(folder), SystemRandom())
        self.keys.create()
        self.tokens = Tokens(self.keys, STORE_ID, self.clock)

    def key(self, kind: TokenKind) -> bytes:
        ring = self.keys.ring()
        return ring.derive(ring.current, f"token {kind.name}", 64)

    def header(self, **changed: object) -> dict[str, object]:
        return {"alg": "HS512", "typ": "weka-sts+jwt", "kid": self.keys.ring().current, **changed}

    def claims(self, **changed: object) -> dict[str, object]:
        return {"sub": "bob", "aud": f"weka_mp:{STORE_ID}:s3", "iat": NOW_S, "exp": NOW_S + 900, **changed}

    def sign(self, header: object, claims: object, digest: str = "sha512", key: bytes | None = None) -> str:
        """By hand: PyJWT would not make all of these."""
        signed = f"{_part(header)}.{_part(claims)}"
        key = self.key(TokenKind.TEMPORARY) if key is None else key
        signature = hmac.digest(key, signed.encode(), digest)
        return f"{signed}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def _part(value: object) -> str:
    data = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@pytest.fixture
def mint(tmp_path: Path) -> Mint:
    return Mint(tmp_path)


def test_a_token_says_what_was_put_in(mint: Mint) -> None:
    token = mint.tokens.issue(TokenKind.TEMPORARY, {"sub": "bob", "gen": 5}, NOW_S + 900)
    found = mint.tokens.verify(TokenKind.TEMPORARY, token)
    assert found.claims == {
        "sub": "bob", "gen": 5, "aud": f"weka_mp:{STORE_ID}:s3", "iat": NOW_S, "exp": NOW_S + 900
    }  # fmt: skip
    assert (found.expires_s, found.key_id) == (NOW_S + 900, mint.keys.ring().current)
    assert jwt.get_unverified_header(token) == mint.header()


def test_the_forgers_tools_make_good_tokens(mint: Mint) -> None:
    """Else the refusals below would prove nothing."""
    assert (
        mint.tokens.verify(TokenKind.TEMPORARY, mint.sign(mint.header(), mint.claims())).claims["sub"]
        == "bob"
    )


def test_expiry_is_in_seconds_and_exact(mint: Mint) -> None:
    token = mint.tokens.issue(TokenKind.ACCESS, {}, NOW_S + 300)
    mint.clock.advance(299 * 10**9)
    mint.tokens.verify(TokenKind.ACCESS, token)
    mint.clock.advance(10**9)
    with pytest.raises(CredentialExpired):
        mint.tokens.verify(TokenKind.ACCESS, token)
    assert mint.tokens.verify_signature(TokenKind.ACCESS, token).expires_s == NOW_S + 300


@pytest.mark.parametrize(
    "claims",
    [
        {"exp": 604_800_000_000_000},  # a week in nanoseconds, as one server in the field writes it
        {"exp": (NOW_S + 900) * 10**9},
        {"exp": NOW_S},
        {"exp": NOW_S + 367 * 86_400},
        {"exp": float(NOW_S + 900)},
        {"exp": str(NOW_S + 900)},
        {"exp": True},
        {"exp": None},
        {"iat": NOW_S + 301, "exp": NOW_S + 900},
        {"iat": "0"},
        {"iat": None},
        {"aud": None},
        {"aud": f"weka_mp:{STORE_ID}:admin"},
        {"aud": f"weka_mp:{'f' * 32}:s3"},
        {"aud": [f"weka_mp:{STORE_ID}:s3"]},
        {"aud": ""},
    ],
)
def test_claims_that_do_not_count(mint: Mint, claims: dict[str, object]) -> None:
    with pytest.raises(TokenRefused):
        mint.tokens.verify(TokenKind.TEMPORARY, mint.sign(mint.header(), mint.claims(**claims)))


@pytest.mark.parametrize(
    "header",
    [
        {"alg": "none"},
        {"alg": "None"},
        {"alg": "hs512"},
        {"alg": "HS256"},
        {"alg": "HS384"},
        {"alg": "RS256"},
        {"alg": ["HS512"]},
        {"typ": "JWT"},
        {"typ": "weka-access+jwt"},
        {"kid": "0011223344556677"},
        {"kid": "../identity-keys"},
        {"kid": None},
        {"kid": 5},
        {"crit": ["exp"]},
        {"jwk": {"kty": "oct", "k": "AA"}},
        {"jku": "http://127.0.0.1/keys"},
        {"b64": False, "crit": ["b64"]},
    ],
)
def test_headers_that_lead_astray(mint: Mint, header: dict[str, Any]) -> None:
    with pytest.raises(TokenRefused):
        mint.tokens.verify(TokenKind.TEMPORARY, mint.sign(mint.header(**header), mint.claims()))


@pytest.mark.parametrize("digest", ["sha256", "sha384"])
def test_another_hash_under_the_right_key(mint: Mint, digest: str) -> None:
    name = {"sha256": "HS256", "sha384": "HS384"}[digest]
    for header in (mint.header(alg=name), mint.header()):
        with pytest.raises(TokenRefused):
            mint.tokens.verify(TokenKind.TEMPORARY, mint.sign(header, mint.claims(), digest))


def test_without_a_signature(mint: Mint) -> None:
    good = mint.sign(mint.header(), mint.claims())
    head, claims, _ = good.split(".")
    none = _part(mint.header(alg="none"))
    for token in (
        f"{head}.{claims}.",
        f"{head}.{claims}",
        f"{none}.{claims}.",
        f"{none}.{claims}",
        f"{none}.{claims}.AA",
    ):
        with pytest.raises(TokenRefused):
            mint.tokens.verify(TokenKind.TEMPORARY, token)


def test_no_kind_passes_as_another(mint: Mint) -> None:
    for made in TokenKind:
        token = mint.tokens.issue(made, {}, NOW_S + 900)
        for asked in TokenKind:
            if asked is not made:
                with pytest.raises(TokenRefused):
                    mint.tokens.verify(asked, token)


def test_kinds_have_keys_of_their_own(mint: Mint) -> None:
    assert len({mint.key(kind) for kind in TokenKind}) == len(TokenKind)
    forged = mint.sign(mint.header(), mint.claims(), key=mint.key(TokenKind.ACCESS))
    with pytest.raises(TokenRefused):
        mint.tokens.verify(TokenKind.TEMPORARY, forged)


def test_every_flipped_character_is_seen(mint: Mint) -> None:
    token = mint.tokens.issue(TokenKind.TEMPORARY, {"sub": "bob"}, NOW_S + 900)
    for place in range(len(token) - 1):  # the last one has bits that mean nothing
        broken = token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]
        with pytest.raises(TokenRefused):
            mint.tokens.verify(TokenKind.TEMPORARY, broken)


@pytest.mark.parametrize(
    "token", ["", ".", "..", "...", "a.b.c", "ü", "\udcff.a.b", "x" * 5000, "e30.e30.e30", "null.null.null"]
)
def test_what_is_no_token(mint: Mint, token: str) -> None:
    with pytest.raises(TokenRefused):
        mint.tokens.verify(TokenKind.TEMPORARY, token)


@pytest.mark.parametrize("claims", [b"[]", b"5", b"null", b"{", b"\xff", b"[" * 2000])
def test_claims_that_are_no_object(mint: Mint, claims: bytes) -> None:
    with pytest.raises(TokenRefused):
        mint.tokens.verify(TokenKind.TEMPORARY, mint.sign(mint.header(), claims))


def test_another_stores_tokens(mint: Mint, tmp_path: Path) -> None:
    token = mint.tokens.issue(TokenKind.TEMPORARY, {}, NOW_S + 900)
    with pytest.raises(TokenRefused):
        Tokens(mint.keys, "f" * 32, mint.clock).verify(TokenKind.TEMPORARY, token)
    other = KeyFile(str(tmp_path / "other" / "keys"), SystemRandom())
    other.create()
    with pytest.raises(TokenRefused):
        Tokens(other, STORE_ID, mint.clock).verify(TokenKind.TEMPORARY, token)


def test_tokens_outlive_a_new_key_but_not_the_loss_of_theirs(mint: Mint) -> None:
    token = mint.tokens.issue(TokenKind.TEMPORARY, {}, NOW_S + 900)
    mint.keys.add_key()
    mint.tokens.verify(TokenKind.TEMPORARY, token)
    mint.keys.retire(frozenset())
    with pytest.raises(TokenRefused):
        mint.tokens.verify(TokenKind.TEMPORARY, token)


def test_refusals_do_not_quote_the_token(mint: Mint) -> None:
    token = mint.sign(mint.header(), mint.claims(sub="very-secret", exp=None))
    with pytest.raises(TokenRefused) as caught:
        mint.tokens.verify(TokenKind.TEMPORARY, token)
    assert caught.value.__cause__ is None and token[:20] not in repr(caught.value)


def test_what_we_sign_is_hs512(mint: Mint) -> None:
    token = mint.tokens.issue(TokenKind.REFRESH, {}, NOW_S + 900)
    signed, _, signature = token.rpartition(".")
    wanted = hmac.digest(mint.key(TokenKind.REFRESH), signed.encode(), hashlib.sha512)
    assert base64.urlsafe_b64decode(signature + "==") == wanted
