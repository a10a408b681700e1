"""The exports and shares of a store, and their record."""

from __future__ import annotations

import json

import pytest

from weka_mp.errors import Exists, InvalidArgument, NotFound, OutOfResources, StoreUnusable
from weka_mp.reexport.model import Export, Share
from weka_mp.reexport.registry import Registry, decode, encode


def _filled() -> Registry:
    registry, _ = Registry().with_export({"path": "a"})
    asked = {"path": "b/c\udcff", "pseudo": "/x", "clients": ["*"], "squash": "root"}
    registry, _ = registry.with_export(asked)
    registry, _ = registry.with_share({"name": "Docs", "path": "a", "users": ["ann"]})
    return registry


def test_the_record_comes_back_whole() -> None:
    assert decode(encode(_filled())) == _filled()
    assert decode(None) == Registry()


def test_golden_record() -> None:
    registry, _ = Registry().with_share({"name": "Docs", "path": "a"})
    assert encode(registry) == (
        b'{"exports": [], "next_id": 1, "shares": [{"access": "rw", "force_user": null, "guest": false,'
        b' "name": "Docs", "path": "a", "users": []}], "version": 1}\n'
    )
    registry, _ = Registry().with_export({"path": ""})
    assert encode(registry) == (
        b'{"exports": [{"access": "rw", "anon_gid": 65534, "anon_uid": 65534,'
        b' "clients": ["127.0.0.1", "::1"], "export_id": 1, "path": "", "pseudo": "/weka",'
        b' "squash": "none"}], "next_id": 2, "shares": [], "version": 1}\n'
    )


@pytest.mark.parametrize(
    "data",
    [b"", b"{", b"[]", b"null", b"{}", b'{"version": 2}', b'{"version": 1, "exports": [], "shares": []}',
     b'{"version": 1, "exports": [{}], "shares": [], "next_id": 1}',
     b'{"version": 1, "exports": [1], "shares": [], "next_id": 1}', b"\xff"],
)  # fmt: skip
def test_a_damaged_record_is_no_empty_one(data: bytes) -> None:
    with pytest.raises(StoreUnusable):
        decode(data)


def test_a_record_cannot_smuggle_in_what_adding_refuses() -> None:
    record = json.loads(encode(_filled()))
    record["shares"][0]["force_user"] = "root\npath = /"
    with pytest.raises(StoreUnusable):
        decode(json.dumps(record).encode())


def test_ids_are_never_given_twice() -> None:
    registry, first = Registry().with_export({"path": "a"})
    registry, _ = registry.without_export("1")
    registry, second = registry.with_export({"path": "a"})
    assert (first.export_id, second.export_id) == (1, 2)
    assert decode(encode(registry)).next_id == 3
    with pytest.raises(OutOfResources):
        Registry(next_id=65536).with_export({"path": "a"})
    with pytest.raises(InvalidArgument):
        registry.with_export({"path": "z", "export_id": 1})


@pytest.mark.parametrize("pseudo", ["/x", "/x/y", "/a"])
def test_pseudo_paths_do_not_meet(pseudo: str) -> None:
    with pytest.raises(Exists):
        _filled().with_export({"path": "q", "pseudo": pseudo})


def test_pseudo_paths_beside_each_other() -> None:
    _, export = _filled().with_export({"path": "q", "pseudo": "/xy"})
    assert export == Export(3, "q", "/xy")


def test_share_names_differ_in_more_than_case() -> None:
    with pytest.raises(Exists):
        _filled().with_share({"name": "docs", "path": "b"})
    registry, share = _filled().without_share("DOCS")
    assert share == Share("Docs", "a", users=("ann",)) and registry.shares == ()


@pytest.mark.parametrize("which", ["3", "/y", "", "01"])
def test_removing_what_is_not_there(which: str) -> None:
    with pytest.raises(NotFound):
        _filled().without_export(which)
    with pytest.raises(NotFound):
        _filled().without_share(which)


def test_an_export_goes_by_id_or_pseudo_path() -> None:
    assert _filled().without_export("/x")[1] == _filled().without_export("2")[1]
