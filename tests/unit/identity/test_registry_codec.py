"""The record of users and policies, byte by byte."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.identity.test_verbs import PREDEFINED, filled
from weka_mp.identity import envelope, groups, policies
from weka_mp.identity.errors import IdentityUnusable
from weka_mp.identity.model import (
    AccessKey,
    Account,
    Group,
    LockOutRule,
    PosixIdentity,
    Role,
    StoredPolicy,
    User,
)
from weka_mp.identity.registry import Registry
from weka_mp.identity.registry_codec import decode, encode

BOB = User(
    "bob", Role.S3, "root", 5, 6, 7, "0011223344556677.c2VhbGVk", PosixIdentity(1000, 100, (27,)), "readonly",
    ("mine",), ("staff",), (AccessKey("AKIA" + "A" * 16, "0011223344556677.a2V5", True, 8),),
    {"own": "{}"}, {"team": "blue"}, "/lab/",
)  # fmt: skip
STAFF = Group("staff", "root", 11, 12, ("mine",), {"ours": "{}"})
MINE = StoredPolicy(
    "mine", "root", '{"Version": "2012-10-17"}', 9, 1, 10, 10, "what it is for", {"k": ""}, "/p/"
)


def golden() -> Registry:
    return Registry(
        3, 1, LockOutRule(), {"root": Account("root", "root", None, 0)}, {"bob": BOB}, {"staff": STAFF},
        {"mine": MINE},
    )  # fmt: skip


def test_golden_record() -> None:
    line = (
        b'{"accounts": {"root": {"created_ns": 0, "display_name": "root", "email": null, "name": "root"}},'
        b' "groups": {"staff": {"account": "root", "created_ns": 12, "inline": {"ours": "{}"},'
        b' "name": "staff", "path": "/", "policies": ["mine"], "serial": 11}},'
        b' "lock_out": {"attempts": 5, "seconds": 120},'
        b' "policies": {"mine": {"account": "root", "changed_ns": 10, "created_ns": 10,'
        b' "description": "what it is for", "document": "{\\"Version\\": \\"2012-10-17\\"}",'
        b' "name": "mine", "path": "/p/", "serial": 9, "tags": {"k": ""}, "version": 1}},'
        b' "revision": 3, "root_session": 1,'
        b' "users": {"bob": {"account": "root", "cli_policy": "readonly", "created_ns": 7, "generation": 5,'
        b' "groups": ["staff"], "inline": {"own": "{}"},'
        b' "keys": [{"active": true, "created_ns": 8, "key_id": "AKIAAAAAAAAAAAAAAAAA",'
        b' "sealed": "0011223344556677.a2V5"}], "name": "bob", "path": "/lab/", "policies": ["mine"],'
        b' "posix": {"gid": 100, "groups": [27], "uid": 1000}, "role": "s3",'
        b' "sealed": "0011223344556677.c2VhbGVk", "session": 6, "tags": {"team": "blue"}}}, "version": 2}\n'
    )
    head = b"WKI1 bd6d9bc743f9dd6de5072b7875e15a1e8ddaad9903a2cf691526081f51a4e9fd\n"
    assert encode(golden()) == head + line
    assert head[5:-1].decode() == hashlib.sha256(line).hexdigest()
    assert decode(head + line) == golden()


FIRST_VERSION = (
    b"WKI1 45cdbda93ab045776d6055d8b1b5418a81570a48622a418245feb11faec4017b\n"
    b'{"accounts": {"root": {"created_ns": 0, "display_name": "root", "email": null, "name": "root"}},'
    b' "groups": {}, "lock_out": {"attempts": 5, "seconds": 120},'
    b' "policies": {"mine": {"account": "root", "changed_ns": 10, "created_ns": 10,'
    b' "document": "{\\"Version\\": \\"2012-10-17\\"}", "name": "mine", "serial": 9, "version": 1}},'
    b' "revision": 3, "root_session": 1,'
    b' "users": {"bob": {"account": "root", "cli_policy": "readonly", "created_ns": 7, "generation": 5,'
    b' "groups": [], "keys": [{"active": true, "created_ns": 8, "key_id": "AKIAAAAAAAAAAAAAAAAA",'
    b' "sealed": "0011223344556677.a2V5"}], "name": "bob", "policies": ["mine"],'
    b' "posix": {"gid": 100, "groups": [27], "uid": 1000}, "role": "s3",'
    b' "sealed": "0011223344556677.c2VhbGVk", "session": 6}}, "version": 1}\n'
)


def test_a_record_of_the_first_version_is_read() -> None:
    bob = replace(BOB, groups=(), inline={}, tags={}, path="/")
    mine = replace(MINE, description="", tags={}, path="/")
    wanted = replace(golden(), users={"bob": bob}, groups={}, policies={"mine": mine})
    assert decode(FIRST_VERSION) == wanted
    assert decode(encode(wanted)) == wanted


@pytest.mark.parametrize("extra", [{"inline": {}}, {"tags": {}}, {"path": "/"}, {"more": 1}])
def test_a_record_of_the_first_version_has_no_field_of_the_second(extra: dict[str, object]) -> None:
    content = envelope.open_envelope(FIRST_VERSION, "x")
    content["users"]["bob"].update(extra)
    with pytest.raises(IdentityUnusable):
        decode(envelope.wrap(content))


def test_the_record_comes_back_whole() -> None:
    registry = policies.attach_to_group(groups.join(filled(), "staff", "ann"), "mine", "staff", PREDEFINED)
    assert decode(encode(registry)) == registry
    assert decode(encode(Registry())) == Registry()


def test_every_flipped_byte_is_seen() -> None:
    data = encode(golden())
    for place in range(len(data)):
        broken = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        with pytest.raises(IdentityUnusable):
            decode(broken)


@pytest.mark.parametrize("size", [0, 1, 69, 70, 71, 200, -1])
def test_half_a_record_is_none(size: int) -> None:
    with pytest.raises(IdentityUnusable):
        decode(encode(golden())[:size])


def _bob(content: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = content["users"]["bob"]
    return found


@pytest.mark.parametrize(
    "spoil",
    [
        lambda content: content.update(version=3),
        lambda content: content.update(version=1),
        lambda content: content.update(version=True),
        lambda content: content.pop("version"),
        lambda content: content.pop("users"),
        lambda content: content.update(more=1),
        lambda content: content.update(users=[]),
        lambda content: content.update(revision=True),
        lambda content: content.update(revision=1.0),
        lambda content: content.update(accounts={}),
        lambda content: content["lock_out"].update(attempts=0),
        lambda content: content["users"].update(ann=content["users"]["bob"]),
        lambda content: _bob(content).update(role="god"),
        lambda content: _bob(content).update(name="-x"),
        lambda content: _bob(content).update(account="gone"),
        lambda content: _bob(content).update(groups=["gone"]),
        lambda content: _bob(content).update(generation=0),
        lambda content: _bob(content).update(sealed=5),
        lambda content: _bob(content).pop("sealed"),
        lambda content: _bob(content).update(posix=None),
        lambda content: _bob(content)["posix"].update(uid="0"),
        lambda content: _bob(content)["keys"][0].update(active=1),
        lambda content: content["policies"]["mine"].update(document="x" * 20_481),
    ],
)
def test_a_record_cannot_smuggle_in_what_verbs_refuse(spoil: Callable[[dict[str, Any]], object]) -> None:
    content = json.loads(encode(golden()).split(b"\n")[1])
    spoil(content)
    with pytest.raises(IdentityUnusable):
        decode(envelope.wrap(content))


def test_no_json_object_is_no_record() -> None:
    for line in (b"[]\n", b"5\n", b"{\n", b"[" * 100_000 + b"\n"):
        data = b"WKI1 " + hashlib.sha256(line).hexdigest().encode() + b"\n" + line
        with pytest.raises(IdentityUnusable):
            decode(data)
