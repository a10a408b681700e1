"""Whatever a request changed before it failed, the mounts hear of: no name of theirs stays wrong."""

from __future__ import annotations

import pytest

from tests.faults.scenarios import PART
from tests.faults.test_every_call_fails import ALL, SHORT, prepared, verbs_of
from weka_mp.errors import IoFailure, NamespaceError
from weka_mp.namespace.names.keys import visible
from weka_mp.namespace.uploads import multipart
from weka_mp.store.faulty import Effect, Fault
from weka_mp.store.memory import MemoryStore
from weka_mp.values import Fd, InodeNo

Names = dict[tuple[InodeNo, bytes], InodeNo]
"""(directory, name) → what it leads to."""

NAMING = {"mkdir", "rmdir", "link", "rename", "unlink"}
"""Verbs that may have done what they report as failed."""


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multipart, "MIN_PART_BYTES", len(PART))


def names(memory: MemoryStore, directory: Fd) -> Names:
    """All that a mount shows."""
    found: Names = {}
    own = memory.attr(directory).ino
    for entry in memory.entries(directory):
        if not visible(entry.name):
            continue
        found[own, entry.name] = memory.attr_at(directory, entry.name).ino
        try:
            below = memory.open_dir(directory, entry.name)
        except NamespaceError:
            continue
        found |= names(memory, below)
        memory.close(below)
    return found


@pytest.mark.parametrize("name", SHORT)
def test_a_failure_tells_what_it_changed(name: str) -> None:
    scenario = ALL[name]
    for nth, verb in enumerate(verbs_of(scenario, "all"), 1):
        if verb == "close":  # it never fails
            continue
        for effect in (Effect.NOTHING, Effect.WHOLE) if verb in NAMING else (Effect.NOTHING,):
            memory, store, ground = prepared(scenario, "all")
            before = names(memory, memory.root())
            known = {memory.attr(memory.root()).ino, *before.values()}
            store.begin(Fault(IoFailure, nth, None, effect))
            try:
                scenario.act(ground)
            except NamespaceError as error:
                told = {(change.parent, change.name) for change in error.changes}
            else:
                continue  # what failed was not needed
            changed = before.items() ^ names(memory, memory.root()).items()
            # What stands in a directory that is new to the mounts is asked for when that is found.
            missed = {place for place, _ in changed if place[0] in known} - told
            assert not missed, (nth, verb, effect, missed)
