"""Odd keys and odd names: stored faithfully, listed once, in S3's order, and never a way out."""

from __future__ import annotations

import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.system.service import Bucket, Service

pytestmark = pytest.mark.mount

PLAIN = [
    "space in name", " leading", "trailing ", "ünï-cödé", "日本語/キー", "emoji-\U0001f40d", "a+b", "100%",
    "%41", "%2F", "a%2Fb", "q?x=1&y=2", "#hash", "semi;colon", "quote'\"`", "back\\slash", "star*[x]{y}|<z>",
    "~tilde",    "-dash", "--flag", ".hidden", "..twodots", "...", "a.", "new\nline", "tab\tbell\x07", "\x7f",
    "caf\u00e9", "cafe\u0301",
    "CON", "x" * 255, "é" * 127, "/".join(["d" * 100] * 10), "&amp;", "<xml>",
]
ESCAPED = [
    "//", "/", "/lead", "a//b", "a///b", "trail//", "..", ".", "../up", "a/../b", "a/./b", "./x", "x/..",
    "x/.", ".weka", ".weka/format", "deep/.weka/x", ".weka~staging", ".weka%e", ".weka%k", ".weka%x",
    "x" * 256, "é" * 200, "y" * 1024, "a/" + "z" * 1022, "../" * 341 + "x",
]


@pytest.mark.parametrize("key", PLAIN, ids=range(len(PLAIN)))
def test_a_legal_name_is_the_key_byte_for_byte(bucket: Bucket, key: str) -> None:
    body = key.encode()
    bucket.put(key, body)
    path = bucket.path / key
    assert path.read_bytes() == body
    assert bucket.keys() == [key]
    assert bucket.get(key) == body
    path.unlink()
    assert bucket.is_absent(key)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"posix")
    assert bucket.get(key) == b"posix"
    assert bucket.keys() == [key]


@pytest.mark.parametrize("key", ESCAPED, ids=range(len(ESCAPED)))
def test_a_key_that_is_no_path_is_kept_faithfully(bucket: Bucket, key: str) -> None:
    bucket.put(key, b"body", Metadata={"k": "v"})
    assert bucket.get(key) == b"body"
    assert bucket.head(key)["Metadata"] == {"k": "v"}
    assert bucket.keys() == [key]
    bucket.copy(key, "copy")
    assert bucket.get("copy") == b"body"
    bucket.delete(key)
    assert bucket.is_absent(key)
    assert bucket.keys() == ["copy"]
    assert os.listdir(bucket.path) == ["copy"]


def test_keys_that_are_paths_elsewhere_stay_in_their_bucket(bucket: Bucket) -> None:
    victim = bucket.service.make_bucket("victim")
    victim.put("object", b"victim's")
    for key in (f"../{victim.name}/object", f"x/../../{victim.name}/object", f"/../{victim.name}/object"):
        assert bucket.is_absent(key)
        bucket.put(key, b"mine")
        assert victim.get("object") == b"victim's"
        bucket.delete(key)
    assert victim.keys() == ["object"]


@pytest.mark.parametrize(
    ("key", "code"),
    [("k" * 1025, "KeyTooLongError"), ("é" * 513, "KeyTooLongError")],
)
def test_a_key_over_1024_bytes_is_refused(bucket: Bucket, key: str, code: str) -> None:
    assert bucket.status("put_object", Key=key, Body=b"x") == (400, code)
    assert bucket.keys() == []


def test_a_key_with_nul(bucket: Bucket) -> None:
    bucket.put("n\0ul", b"body")
    assert bucket.get("n\0ul") == b"body"
    page = bucket.s3.list_objects_v2(Bucket=bucket.name, EncodingType="url")
    assert [entry["Key"] for entry in page["Contents"]] == ["n%00ul"]
    assert os.listdir(bucket.path) == [".weka%kn%00ul"]


def test_listings_are_in_the_order_of_bytes_across_pages(bucket: Bucket) -> None:
    keys = ["z0", "a-b", "a.b", "a0", "ab/c", "ab0", "B", "\U0001f40d", "\ufffd", "é", "z/1", "z/2/3", "z-"]
    for key in keys:
        bucket.put(key, b"x")
    (bucket.path / "z" / "posix").write_bytes(b"x")
    expected = sorted([*keys, "z/posix"], key=str.encode)
    assert bucket.keys() == expected
    assert bucket.keys(PaginationConfig={"PageSize": 1}) == expected
    page = bucket.s3.list_objects_v2(Bucket=bucket.name, Delimiter="/", StartAfter="a0")
    shown = [entry["Key"] for entry in page["Contents"]]
    assert shown == [key for key in expected if "/" not in key and key.encode() > b"a0"]
    assert [entry["Prefix"] for entry in page["CommonPrefixes"]] == ["ab/", "z/"]


def test_a_put_after_the_marker_is_on_the_next_page(bucket: Bucket) -> None:
    for number in range(10):
        bucket.put(f"k{number}0", b"x")
    first = bucket.s3.list_objects_v2(Bucket=bucket.name, MaxKeys=5)
    bucket.put("k75", b"x")
    (bucket.path / "k85").write_bytes(b"x")
    bucket.delete("k90")
    second = bucket.s3.list_objects_v2(
        Bucket=bucket.name, MaxKeys=50, ContinuationToken=first["NextContinuationToken"]
    )
    assert [entry["Key"] for entry in second["Contents"]] == ["k50", "k60", "k70", "k75", "k80", "k85"]


def test_the_control_area_does_not_exist_for_either_view(service: Service, bucket: Bucket) -> None:
    assert service.mount is not None
    assert (service.store / ".weka" / "format").is_file()
    assert ".weka" not in os.listdir(service.mount)
    control = service.mount / ".weka"
    assert not os.path.lexists(control)
    assert not os.path.lexists(control / "format")
    for refused in (control.mkdir, control.touch, lambda: control.symlink_to("x")):
        with pytest.raises(PermissionError):
            refused()
    for name in (".weka", ".weka~body", ".weka~x"):
        with pytest.raises(PermissionError):
            (bucket.path / name).write_bytes(b"x")
        with pytest.raises(PermissionError):
            (bucket.path / name).mkdir()
    (bucket.path / "file").write_bytes(b"x")
    with pytest.raises(PermissionError):
        (bucket.path / "file").rename(bucket.path / ".weka~x")
    with pytest.raises(PermissionError):
        (bucket.path / ".weka~x").hardlink_to(bucket.path / "file")
    assert bucket.keys() == ["file"]
    names = [entry["Name"] for entry in service.s3.list_buckets()["Buckets"]]
    assert all(not name.startswith(".") for name in names)


def test_our_attributes_do_not_exist_on_the_mount(bucket: Bucket) -> None:
    bucket.put("object", b"x", Metadata={"k": "v"})
    path = bucket.path / "object"
    assert os.listxattr(path) == ["user.s3.meta.k"]
    with pytest.raises(OSError, match="No data available"):
        os.getxattr(path, "user.weka.object")
    for name in ("user.weka.object", "user.weka.writer", "user.weka.anything"):
        with pytest.raises(PermissionError):
            os.setxattr(path, name, b"1")
        with pytest.raises(OSError, match=r"Operation not permitted|No data available"):
            os.removexattr(path, name)
    os.setxattr(path, "user.own", b"value")
    assert sorted(os.listxattr(path)) == ["user.own", "user.s3.meta.k"]
    assert bucket.etag("object") == "9dd4e461268c8034f5c8564e155c67a6"


def test_a_name_that_is_not_utf8_is_an_escaped_key(bucket: Bucket) -> None:
    path = os.path.join(os.fsencode(bucket.path), b"latin-\xe9")
    with open(path, "wb") as file:
        file.write(b"body")
    keys = bucket.keys()
    assert keys == [".weka%xlatin-%E9"]
    assert bucket.get(keys[0]) == b"body"
    bucket.put(keys[0], b"new")
    with open(path, "rb") as file:
        assert file.read() == b"new"
    bucket.delete(keys[0])
    assert not os.path.exists(path)


COMPONENT = st.one_of(
    st.sampled_from(["", ".", "..", ".weka", ".weka~x", ".weka%e", "a", "b", "%", "+", " "]),
    st.text(
        st.characters(exclude_categories=["Cs"], exclude_characters="/\ufffe\uffff"), min_size=1, max_size=6
    ),
)


@settings(max_examples=60)
@given(st.lists(COMPONENT, min_size=1, max_size=4))
def test_any_key_comes_back_as_it_went(shared_bucket: Bucket, components: list[str]) -> None:
    key = "/".join(components) or "x"
    body = key.encode()
    shared_bucket.put(key, body)
    assert shared_bucket.get(key) == body
    assert shared_bucket.keys() == [key]
    shared_bucket.delete(key)
    assert shared_bucket.keys() == []
    assert os.listdir(shared_bucket.path) == []


@pytest.fixture(scope="module")
def shared_bucket(service: Service) -> Bucket:
    return service.make_bucket("any-key")
