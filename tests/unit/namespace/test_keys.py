"""Keys ↔ names: a bijection between components and the entries that stand for them."""

from __future__ import annotations

import hashlib

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from weka_mp.errors import InvalidName
from weka_mp.namespace.names.keys import (
    MAX_KEY_BYTES,
    component_of,
    creatable,
    entry_path,
    name_of,
    staging_name,
    visible,
)

KEPT: dict[bytes, bytes] = {}
ODD = ["", ".", "..", ".weka", ".weka~", ".weka~body", ".weka%", ".weka%e", ".weka%dd", ".weka%k", ".weka%x"]
ODD += [".weka%xFF", ".weka%x%FF", ".weka%x%ff", ".weka%x%C3%A9", ".weka%h" + "0" * 64, "x" * 255, "x" * 256]
ODD += ["\0", "a\0b", "%", "%00", ".wekax", ".WEKA", "...", "\u00e9", "\uffff", "\U0010ffff", ".weka%x%2F%FF"]
COMPONENTS = st.one_of(
    st.sampled_from(ODD),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="/"), max_size=12),
    st.text(st.sampled_from(list(".weka%~xkhd0F\0")), max_size=12),
    st.tuples(
        st.sampled_from([".weka%", ".weka%x", ".weka%k", ".weka~", ".weka"]), st.text("%0FCk.\0", max_size=9)
    ).map("".join),
    st.integers(240, 340).map(lambda size: "y" * size),
).map(str.encode)
NAMES = st.one_of(
    st.binary(min_size=1, max_size=12).map(lambda raw: raw.replace(b"/", b"_").replace(b"\0", b"_")),
    st.tuples(
        st.sampled_from([b".weka%", b".weka%x", b".weka%k", b".weka%h", b".weka"]),
        st.text("%0FCkeд").map(str.encode),
    ).map(b"".join),
    st.sampled_from(ODD).map(str.encode).filter(lambda name: name and b"\0" not in name),
).filter(lambda name: name not in (b".", b"..") and len(name) <= 255)


def kept(component: bytes) -> bytes:
    name, long = name_of(component)
    if long is not None:
        KEPT[name] = long
    return name


@given(COMPONENTS)
@example(b".weka%x%FF")
def test_a_component_comes_back_from_its_name(component: bytes) -> None:
    name = kept(component)
    assert 0 < len(name) <= 255
    assert b"/" not in name and b"\0" not in name and name not in (b".", b"..")
    assert visible(name)
    assert component_of(name, KEPT.get) == component


@given(st.lists(COMPONENTS, unique=True, max_size=8))
def test_two_components_never_share_a_name(components: list[bytes]) -> None:
    assert len({kept(component) for component in components}) == len(components)


@given(NAMES)
def test_a_visible_name_stands_for_one_component_or_none(name: bytes) -> None:
    component = component_of(name, KEPT.get)
    if component is None:
        assert not visible(name) or name.startswith(b".weka%")
        return
    component.decode()
    assert kept(component) == name
    assert creatable(name)


@given(NAMES)
def test_a_name_that_stands_for_nothing_cannot_be_made(name: bytes) -> None:
    if not creatable(name):
        assert component_of(name, KEPT.get) is None
    if not visible(name):
        assert not creatable(name)


@given(st.lists(COMPONENTS, min_size=1, max_size=6).map(b"/".join))
@example(b"/")
@example(b"//")
@example(b"/lead")
@example(b"a//b")
@example(b"../up")
@example(b"a/.")
@example(b"/" * MAX_KEY_BYTES)
def test_a_key_comes_back_from_its_path(key: bytes) -> None:
    if not key or len(key) > MAX_KEY_BYTES:
        with pytest.raises(InvalidName):
            entry_path(key)
        return
    path = entry_path(key)
    for component in path.long_components:
        kept(component)
    names = [*path.parents, path.name]
    assert all(0 < len(name) <= 255 and visible(name) for name in names)
    decoded = b"/".join(component_of(name, KEPT.get) or b"" for name in names)
    assert decoded + b"/" * path.is_directory == key
    assert path.joined.split(b"/") == names


@pytest.mark.parametrize(
    ("key", "joined"),
    [
        (b"a/b.txt", b"a/b.txt"),
        (b"/lead", b".weka%e/lead"),
        (b"../up", b".weka%dd/up"),
        (b".weka/x", b".weka%k.weka/x"),
        (b"n\0ul", b".weka%kn%00ul"),
        (b"a//b", b"a/.weka%e/b"),
        (b"a/", b"a"),
        (b"100%", b"100%"),
    ],
)
def test_the_examples_of_the_format_document(key: bytes, joined: bytes) -> None:
    assert entry_path(key).joined == joined


def test_a_long_component_is_kept_under_its_hash() -> None:
    component = b"l" * 256
    name, long = name_of(component)
    assert (name, long) == (b".weka%h" + hashlib.sha256(component).hexdigest().encode(), component)
    assert component_of(name, {}.get) is None
    assert creatable(name)


def test_what_is_hidden() -> None:
    hidden = (b".weka", b".weka~", b".weka~body", b".weka~probe-1", staging_name("ab"))
    assert not any(visible(name) or creatable(name) for name in hidden)
    assert all(
        visible(name) and creatable(name) for name in (b".wekax", b".wek", b"weka", b".weka%e", b"\xff")
    )
    assert all(
        visible(name) and not creatable(name) for name in (b".weka%", b".weka%f", b".weka%ka", b".weka%k%41")
    )


@pytest.mark.parametrize("key", [b"", b"k" * 1025])
def test_keys_have_1_to_1024_bytes(key: bytes) -> None:
    with pytest.raises(InvalidName):
        entry_path(key)
