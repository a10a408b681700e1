"""What may be an export or a share."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest

from weka_mp.errors import InvalidArgument
from weka_mp.reexport.model import Export, Share, beyond_loopback, default_pseudo

EXPORT = {"export_id": 7, "path": "bucket/folder", "pseudo": "/bucket"}
SHARE = {"name": "Photos 2024", "path": "bucket"}


def test_what_is_not_named_is_careful() -> None:
    export = Export.of(EXPORT)
    assert export.clients == ("127.0.0.1", "::1") and not beyond_loopback(export.clients)
    share = Share.of(SHARE)
    assert not share.guest and share.force_user is None


def test_both_survive_json() -> None:
    export = Export.of({**EXPORT, "clients": ["10.0.0.0/8", "*", "*"], "squash": "all", "anon_uid": 5})
    assert export.clients == ("10.0.0.0/8", "*")
    share = Share.of({**SHARE, "users": ["ann", "bob"], "force_user": "ann", "access": "ro"})
    for entry in (export, share):
        assert type(entry).of(json.loads(json.dumps(asdict(entry)))) == entry


@pytest.mark.parametrize(
    "path",
    [
        "/abs", "a//b", "a/", ".", "..", "a/../b", ".weka", "a/.weka~x", 'qu"ote', "back\\slash", "100%U",
        "line\nbreak", "nul\0", "\x7f", " blank", "blank ", "dot.", "a/\tb",
    ],
)  # fmt: skip
def test_paths_that_a_configuration_could_read_otherwise(path: str) -> None:
    with pytest.raises(InvalidArgument):
        Export.of({**EXPORT, "path": path})
    with pytest.raises(InvalidArgument):
        Share.of({**SHARE, "path": path})


@pytest.mark.parametrize(
    "path", ["", "b", "b/it's", "b/ü ö", "b/$HOME", "b/#x;y", "b/\udcff", "b/a.b", "{b}=c"]
)
def test_paths_that_stand_as_they_are(path: str) -> None:
    assert Export.of({**EXPORT, "path": path}).path == path == Share.of({**SHARE, "path": path}).path


@pytest.mark.parametrize(
    "wrong",
    [
        {"export_id": 0}, {"export_id": 65536}, {"export_id": True}, {"export_id": "7"}, {"pseudo": "/"},
        {"pseudo": "bucket"}, {"pseudo": "/a/../b"}, {"pseudo": "/a b"}, {"pseudo": "/a;"},
        {"pseudo": "/" + "a" * 255},
        {"access": "RW"}, {"squash": "some"}, {"anon_uid": -1}, {"anon_gid": 2**32 - 1}, {"clients": []},
        {"clients": ["10.0.0.0/33"]}, {"clients": ["host"]}, {"clients": ["*; Access_Type = RW"]},
        {"clients": "127.0.0.1"}, {"clients": [1]}, {"colour": "red"}, {"path": None}, {"path": 5},
    ],
)  # fmt: skip
def test_exports_that_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidArgument):
        Export.of({**EXPORT, **wrong})


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": ""}, {"name": "global"}, {"name": "Homes"}, {"name": "IPC$"}, {"name": "a]b"},
        {"name": "a\nb"}, {"name": " a"}, {"name": "a."}, {"name": "a" * 81}, {"name": "%U"},
        {"name": "a/b"}, {"access": "rx"},
        {"users": ["a b"]}, {"users": ["@wheel"]}, {"users": ["a,b"]}, {"force_user": "a\npath = /"},
        {"force_user": ""}, {"guest": 1}, {"guest": True, "users": ["ann"]}, {"comment": "x"},
    ],
)  # fmt: skip
def test_shares_that_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InvalidArgument):
        Share.of({**SHARE, **wrong})


def test_what_is_missing_is_named() -> None:
    with pytest.raises(InvalidArgument, match="path is wanted"):
        Share.of({"name": "x"})


def test_default_pseudo() -> None:
    assert default_pseudo("") == "/weka" and default_pseudo("a/b") == "/a/b"


@pytest.mark.parametrize(
    ("clients", "answer"),
    [
        (["127.0.0.0/8"], False), (["::1"], False), (["127.0.0.1", "10.1.1.1"], True), (["*"], True),
        (["0.0.0.0/0"], True),
    ],
)  # fmt: skip
def test_who_is_beyond_this_machine(clients: list[str], answer: bool) -> None:
    assert beyond_loopback(clients) is answer
