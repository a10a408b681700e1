"""Symbolic links as objects: followed beneath the bucket, through visible names alone."""

from __future__ import annotations

import pytest

from tests.unit.namespace.kit import BUCKET, get, keys, put
from weka_mp.errors import NotFound
from weka_mp.namespace import Namespace

BODY = b"the body"


def link(namespace: Namespace, path: bytes, target: bytes) -> None:
    store = namespace.store
    parent, _, name = path.rpartition(b"/")
    directory = store.open_dir(store.root(), b"bucket/" + parent if parent else b"bucket")
    store.symlink(target, directory, name)
    store.close(directory)


@pytest.fixture(params=["memory", "posix"])
def ground(request: pytest.FixtureRequest) -> Namespace:
    namespace: Namespace = request.getfixturevalue(
        {"memory": "namespace", "posix": "posix_namespace"}[request.param]
    )
    put(namespace, b"d/e/f", BODY)
    put(namespace, b"dir/", b"the hidden body")
    return namespace


@pytest.mark.parametrize(
    ("path", "target"),
    [
        (b"l", b"d/e/f"),
        (b"l", b"./d//e/./f"),
        (b"l", b"dir/../d/e/f"),
        (b"d/l", b"e/f"),
        (b"d/e/l", b"../../d/e/f"),
    ],
)
def test_a_link_to_a_file_is_an_object(ground: Namespace, path: bytes, target: bytes) -> None:
    link(ground, path, target)
    assert get(ground, path) == BODY
    assert path in keys(ground)


@pytest.mark.parametrize("target", [b"d/e", b"d/e/l2", b"through/f"])
def test_links_to_links_and_through_directories(ground: Namespace, target: bytes) -> None:
    link(ground, b"d/e/l2", b"../../through/f")
    link(ground, b"through", b"d/e")
    link(ground, b"l", target)
    if target == b"d/e":
        with pytest.raises(NotFound):
            get(ground, b"l")
    else:
        assert get(ground, b"l") == BODY
    with pytest.raises(NotFound):
        get(ground, b"through/f")  # a key's own directories are never links


@pytest.mark.parametrize(
    "target",
    [
        b"/etc/passwd",
        b"..",
        b"../bucket/d/e/f",
        b"d/../../bucket/d/e/f",
        b"none/../d/e/f",
        b"d/e/f/",
        b"d/e/f/.",
        b"d/e/f/../f",
        b"l",
        b"none",
    ],
)
def test_links_that_lead_nowhere(ground: Namespace, target: bytes) -> None:
    link(ground, b"l", target)
    with pytest.raises(NotFound):
        get(ground, b"l")
    assert keys(ground) == [b"d/e/f", b"dir/"]


@pytest.mark.parametrize(
    "target", [b"dir/.weka~body", b"d/../dir/.weka~body", b"via", b"dir/./.weka~body", b".weka~staged"]
)
def test_regression_no_link_serves_what_no_view_shows(ground: Namespace, target: bytes) -> None:
    """A link made on the mount to a hidden body, or to something unpublished, served its bytes."""
    store = ground.store
    directory = store.open_dir(store.root(), b"bucket")
    store.close(store.open_file(directory, b".weka~staged", 0o102, 0o644))
    store.close(directory)
    link(ground, b"via", b"dir/.weka~body")
    link(ground, b"l", target)
    for key in (b"l", b"via"):
        with pytest.raises(NotFound):
            ground.head_object(BUCKET, key)
    assert keys(ground) == [b"d/e/f", b"dir/"]


def test_chains_end(ground: Namespace) -> None:
    link(ground, b"l0", b"d/e/f")
    for number in range(1, 45):
        link(ground, b"l%d" % number, b"l%d" % (number - 1))
    assert get(ground, b"l39") == BODY
    with pytest.raises(NotFound):
        get(ground, b"l40")
