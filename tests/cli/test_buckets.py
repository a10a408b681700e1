"""Buckets and their policies by command: on a stopped store, and on a running service."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.live import serving
from tests.cli.test_identities import PASSWORD, Terminal
from weka_mp.policy.canned import bucket_policy_text


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Path]:
    path = tmp_path / "store"
    path.mkdir()
    yield path


@pytest.fixture
def terminal(store: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Terminal:
    for name in ("WEKA_MP_USERNAME", "WEKA_MP_PASSWORD", "WEKA_MP_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    return Terminal(store, tmp_path)


def custom(bucket: str) -> dict[str, object]:
    return {"Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": {"AWS": ["*"]}, "Action": ["s3:ListBucket"],
        "Resource": [f"arn:aws:s3:::{bucket}"], "Condition": {"StringEquals": {"s3:prefix": "a/"}},
    }]}


def _buckets_and_quotas(terminal: Terminal, store: Path) -> None:
    """Making and listing, and what they may hold."""
    ok, refused = terminal.ok, terminal.refused
    assert ok("s3", "bucket", "create", "photos") == ""
    ok("s3", "bucket", "create", "films", "--policy", "download", "--fs-name", "default")
    ok("s3", "bucket", "create", "own", "--policy-json", terminal.file("own.json", custom("own")))
    (store / "made").mkdir()
    rows = ok("s3", "bucket", "list", "-f", "csv").splitlines()
    assert rows == [
        "name,hard,used,path,source,versioning,object-lock", "films,,,/films,s3,off,off",
        "made,,,/made,posix,off,off", "own,,,/own,s3,off,off", "photos,,,/photos,s3,off,off",
    ]  # fmt: skip
    assert "is there already" in refused("s3", "bucket", "create", "photos")
    assert "not a valid" in refused("s3", "bucket", "create", "No_Bucket")
    refused("s3", "bucket", "create", "x-y", "--policy", "all", status=2)
    assert "no capacity" in refused("s3", "bucket", "create", "x-y", "--hard-quota", "much")
    ok("s3", "bucket", "create", "x-y", "--hard-quota", "1GB")
    shown = ("s3", "bucket", "list", "-f", "csv", "--no-header", "-F", "name=x-y")
    assert ok(*shown) == "x-y,1000000000,0,/x-y,s3,off,off\n"
    ok("s3", "bucket", "quota", "set", "x-y", "2TiB")
    assert ok(*shown).startswith("x-y,2199023255552,0,")
    ok("s3", "bucket", "quota", "unset", "x-y")
    assert ok(*shown).startswith("x-y,,,")
    refused("s3", "bucket", "quota", "set", "x-z", "1GB")
    ok("s3", "bucket", "destroy", "x-y")
    refused("s3", "bucket", "create", "x-y", "--fs-name", "other", status=2)
    own = terminal.file("own.json", custom("own"))
    refused("s3", "bucket", "create", "x-y", "--policy", "public", "--policy-json", own, status=2)
    wrong = refused("s3", "bucket", "create", "x-y", "--policy-json", own)  # speaks of another bucket
    assert "own.json" in wrong
    assert "Statement[0].Resource" in wrong


def _rules(terminal: Terminal) -> None:
    """Of the lifecycle."""
    ok, refused = terminal.ok, terminal.refused
    rule = ("s3", "bucket", "lifecycle-rule")
    first = ok(*rule, "add", "photos", "30").strip()
    second = ok(*rule, "add", "photos", "7", "--prefix", "tmp/", "--tags", "a=1&b=2").strip()
    assert ok(*rule, "list", "photos", "-f", "csv").splitlines() == [
        "id,expires,expiry_date,prefix,tags,noncurrent", f"{first},30,,,,", f"{second},7,,tmp/,a=1&b=2,",
    ]  # fmt: skip
    refused(*rule, "add", "photos", "0", status=2)
    assert "k1=v1" in refused(*rule, "add", "photos", "1", "--tags", "a")
    assert "lifecycle-rule list" in refused(*rule, "remove", "photos", "no-such-rule")
    ok(*rule, "remove", "photos", first)
    ok(*rule, "reset", "photos")
    assert ok(*rule, "list", "photos", "-f", "csv").count("\n") == 1


def _policies(terminal: Terminal) -> None:
    """Named ones and others."""
    ok, refused = terminal.ok, terminal.refused
    get = ("s3", "bucket", "policy", "get")
    assert [ok(*get, name) for name in ("photos", "films", "own")] == ["none\n", "download\n", "custom\n"]
    for words, name in ((("photos", "public"), "public"), (("upload", "photos"), "upload")):
        ok("s3", "bucket", "policy", "set", *words)
        assert ok(*get, "photos") == f"{name}\n"
        shown = json.loads(ok("s3", "bucket", "policy", "get-json", "photos"))
        assert shown == json.loads(bucket_policy_text(name, "photos"))
    ok("s3", "bucket", "create", "public")
    assert "no policy 'photos'" in refused("s3", "bucket", "policy", "set", "public", "photos", status=2)
    ok("s3", "bucket", "policy", "set", "photos", "public")  # both are buckets: the first is meant
    assert [ok(*get, name) for name in ("photos", "public")] == ["public\n", "none\n"]
    assert "neither" in refused("s3", "bucket", "policy", "set", "nothing", "download")
    ok("s3", "bucket", "policy", "set-custom", "photos", terminal.file("photos.json", custom("photos")))
    assert ok(*get, "photos") == "custom\n"
    assert json.loads(ok("s3", "bucket", "policy", "get-json", "photos")) == custom("photos")
    for _ in range(2):
        ok("s3", "bucket", "policy", "unset", "photos")
    assert ok(*get, "photos") == "none\n"
    assert "has no policy" in refused("s3", "bucket", "policy", "get-json", "photos")
    assert "weka-mp s3 bucket list" in refused(*get, "missing")


def _modes(terminal: Terminal) -> None:
    """Whether they bind S3 users."""
    ok, refused = terminal.ok, terminal.refused
    posix = ("s3", "bucket", "posix")
    assert ok(*posix, "photos") == "default\n"
    for word in ("on", "off", "default"):
        ok(*posix, "photos", word)
        assert ok(*posix, "photos") == f"{word}\n"
    refused(*posix, "photos", "maybe", status=2)
    assert "weka-mp s3 bucket list" in refused(*posix, "missing", "on")


def _inventory(terminal: Terminal, store: Path) -> None:
    """All that is in a bucket."""
    ok, refused = terminal.ok, terminal.refused
    listing = ("s3", "bucket", "inventory", "photos")
    assert ok(*listing, "--no-header") == ""
    (store / "photos" / 'a "b,ä').write_bytes(b"four")
    (store / "photos" / "c").write_bytes(b"")
    assert ok(*listing, "-o", "Key,Size,ObjectLockMode,StorageClass") == (
        '"Key","Size","ObjectLockMode","StorageClass"\n"a%20%22b%2C%C3%A4","4","","STANDARD"\n'
        '"c","0","","STANDARD"\n'
    )
    report = terminal.folder / "report"
    asked = ("--prefix", 'a "b,ä', "--versions", "-f", "json", "-o", "Key,VersionId,IsLatest,IsDeleteMarker")
    assert ok(*listing, *asked, "--file", str(report)) == ""
    assert json.loads(report.read_text()) == {
        "Key": "a%20%22b%2C%C3%A4", "VersionId": "null", "IsLatest": True, "IsDeleteMarker": False,
    }
    assert "no field" in refused(*listing, "-o", "Colour", status=2)
    assert "--versions" in refused(*listing, "-o", "IsLatest", status=2)
    assert "weka-mp s3 bucket list" in refused(*listing[:3], "missing", "--file", str(report) + "2")
    assert sorted(path.name for path in terminal.folder.glob("report*")) == ["report"]
    for name in ('a "b,ä', "c"):
        (store / "photos" / name).unlink()


def _explanations(terminal: Terminal) -> None:
    """Why somebody may do something."""
    ok, refused = terminal.ok, terminal.refused
    ok("user", "add", "ann", "s3", "--posix-uid", "1001", typed="Correct-Horse-9\n")
    ok("s3", "policy", "attach", "readonly", "ann")
    why = ("s3", "explain", "ann")
    answer = ("--no-header", "-f", "csv", "-F", "step=answer", "-o", "answer,decided_by")
    assert ok(*why, "HeadObject", "photos/k", *answer) == "allowed,identity readonly statement 0\n"
    assert ok(*why, "s3:PutObject", "photos/k", *answer) == "refused,\n"
    nobody = ("s3", "explain", "anonymous", "GetObject", "photos/a%0Ab", "--encoded")
    assert ok(*nobody, *answer) == "refused,\n"
    rows = json.loads(ok(*why, "ListObjectsV2", "photos", "--condition", "s3:prefix=a/", "-J"))
    assert [row["step"] for row in rows] == ["statement", "policies", "answer"]
    assert "no action" in refused(*why, "Fly", "photos")
    assert "asked of a bucket" in refused(*why, "GetObject")
    assert "no bucket" in refused(*why, "GetObject", "missing/k")
    assert "no user" in refused("s3", "explain", "joe", "GetObject", "photos/k")
    assert "KEY=VALUE" in refused(*why, "GetObject", "photos/k", "--condition", "colour=blue")
    assert "address" in refused(*why, "GetObject", "photos/k", "--source-ip", "here")
    ok("user", "delete", "ann")


def _unlinking(terminal: Terminal, store: Path) -> None:
    """The data stays, and is a bucket again."""
    ok, refused = terminal.ok, terminal.refused
    get = ("s3", "bucket", "policy", "get")
    (store / "photos" / "k").write_bytes(b"kept")
    assert "not empty" in refused("s3", "bucket", "destroy", "photos")
    ok("s3", "bucket", "policy", "set", "photos", "public")
    ok("s3", "bucket", "destroy", "photos", "--unlink")
    assert (store / "photos" / "k").read_bytes() == b"kept"
    assert "photos" not in ok("s3", "bucket", "list", "-o", "name")
    assert "--existing-path" not in refused("s3", "bucket", "destroy", "photos")
    for path in ("..", "../photos", "/etc", "other/photos", ".weka", "photos/../films"):
        told = refused("s3", "bucket", "create", "photos", "--existing-path", path)
        assert "can only be photos" in told, path
    assert "photos" not in ok("s3", "bucket", "list", "-o", "name")
    ok("s3", "bucket", "create", "photos", "--existing-path", "photos")
    assert ok(*get, "photos") == "none\n"
    ok("s3", "bucket", "create", "made", "--existing-path", "/made")
    for name in ("films", "own", "public", "made"):
        ok("s3", "bucket", "destroy", name)
    assert ok("s3", "bucket", "list", "--no-header", "-o", "name").split() == ["photos"]


def walk_through(terminal: Terminal, store: Path) -> None:
    """The documents' steps, one after another."""
    _buckets_and_quotas(terminal, store)
    _rules(terminal)
    _policies(terminal)
    _modes(terminal)
    _inventory(terminal, store)
    _explanations(terminal)
    _unlinking(terminal, store)


def test_the_walk_through_on_a_stopped_store(terminal: Terminal, store: Path) -> None:
    walk_through(terminal, store)


def status_of(url: str) -> int:
    """Of a request that nobody signed."""
    try:
        with urllib.request.urlopen(url, timeout=20) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return int(error.code)


@pytest.mark.timeout(120)
def test_the_same_on_a_running_service(terminal: Terminal, store: Path, tmp_path: Path) -> None:
    with serving(store, "--workers", "2", XDG_STATE_HOME=str(tmp_path / "state")) as live:
        walk_through(terminal, store)
        url = f"{live.endpoint}/photos/k"
        assert status_of(url) == 403
        for policy, expected in (("download", 200), ("none", 403), ("public", 200), ("upload", 403)):
            terminal.ok("s3", "bucket", "policy", "set", "photos", policy)
            assert [status_of(url) for _ in range(8)] == [expected] * 8  # in every worker, at once
        terminal.ok("user", "add", "eve", "readonly", typed=f"{PASSWORD}\n")
        eve = {"WEKA_MP_USERNAME": "eve", "WEKA_MP_PASSWORD": PASSWORD}
        assert "photos" in terminal.ok("s3", "bucket", "list", **eve)
        assert "may not" in terminal.refused("s3", "bucket", "policy", "set", "photos", "public", **eve)
        done = live.admin.request("DELETE", "/api/v2/s3/buckets/photos?unlink")
        assert done["data"] == {"bucket_name": "photos"}
        assert status_of(url) == 404  # that there is none everybody is told
        assert (store / "photos" / "k").exists()
        assert live.stop() == 0
        assert live.log.read_text().count("PUT /api/v2/s3/buckets/photos/policy") >= 4  # who did what
