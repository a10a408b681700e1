"""What keys do: the register that a history is compared with, one operation after the other.

Four keys at most: two names in each of two folders. A key holds a file, a file has contents. Files matter
because POSIX callers hold them open: what is written by a descriptor goes where its file is by then, which
may be another key or none.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import NamedTuple

from tests.histories.contents import PLACES, Content

__all__ = ["FOLDER", "FORGOTTEN", "LOOKS", "Held", "Operation", "State", "initial", "meet", "steps"]

Value = str | None
"""What a key holds: the name of contents; None: there is no such object."""

FOLDER = 2
"""Keys of a folder: 0 and 1 are those of the first, 2 and 3 those of the second."""

LOOKS = ("read", "present", "differs", "vacant", "occupied", "unmovable", "see", "glimpse")


class Held(NamedTuple):
    """A file and its contents."""

    file: str
    content: str


class Met(NamedTuple):
    """A file that a reader may have found, and which of its places were by then as it read them."""

    reader: str
    held: Held
    places: tuple[int, ...] = ()


FORGOTTEN = Held("?", "?")
"""Any file of whose contents nobody asks any more."""


class State(NamedTuple):
    """The files of all keys by the key's number, those that callers hold open, by the caller's word, and
    those that readers met who have not answered.
    """

    keys: tuple[Held | None, ...]
    held: tuple[tuple[str, Held], ...] = ()
    met: tuple[Met, ...] = ()

    def of(self, slot: Value) -> Held | None:
        return next((held for name, held in self.held if name == slot), None)

    def put(self, key: int, held: Held | None) -> State:
        return self._replace(keys=(*self.keys[:key], held, *self.keys[key + 1 :]))

    def hold(self, slot: str, held: Held) -> State:
        return self._replace(held=tuple(sorted((*self.let_go(slot).held, (slot, held)))))

    def let_go(self, slot: Value) -> State:
        return self._replace(held=tuple(entry for entry in self.held if entry[0] != slot))

    def write(self, file: str, place: int, patch: str) -> State:
        """Write over a place of a file, wherever it is."""

        def after(held: Held) -> Held:
            if held.file != file or held == FORGOTTEN:
                return held
            return Held(file, str(Content.read(held.content).patched(place, patch)))

        return self.each(after)

    def each(self, after: Callable[[Held], Held]) -> State:
        """All files as `after` makes them."""
        return State(
            tuple(held and after(held) for held in self.keys),
            tuple((slot, after(held)) for slot, held in self.held),
            tuple(met._replace(held=after(met.held)) for met in self.met),
        )

    def folder(self, key: int) -> tuple[Held | None, ...]:
        first = key // FOLDER * FOLDER
        return self.keys[first : first + FOLDER]


@dataclass(frozen=True, slots=True)
class Operation:
    """One call: `key` and `other` are numbers of keys, times are in seconds.

    Not `answered`: it took effect at some time up to `end` (inf: or later), or never.

    Looks: read(value) · present · differs(value): is there and holds something else · vacant: no key of its
    folder · occupied: some key of it · unmovable: `key` is absent or the folder of `other` is vacant

    Looks at a file that was the key's at one time and is read later: see(value): all of it at one time ·
    glimpse(value): each of its places at some time

    Changes: write(value) · create(value): was absent · delete · unlink: was there · swap(old, value): held
    `old` · rename(other): `key` took the place of `other`, and held `old` if that is given · place(other):
    the same, `other` was absent · move(other): all keys of the folder went to the folder of `other`, where
    none was

    In steps: hold(value, old): the file of `key` is held as `value` from now on, and has the body `old` if
    that is given · patch(old, value, other): `value` is written over the place `other` of the file held as
    `old` · store(old): a new file of the contents of the one held as `old`

    `elsewhere`: a folder moved meanwhile, so the call may have met the key of that name in the other one.
    `carried`: a rename took along what the kernel knew of the old name: it may have met any key's file.
    `doubled`: a rename of the same two names was under way, so this one may have had nothing left to do.
    `repeated`: it was asked for again because an answer was lost.
    """

    client: str
    kind: str
    key: int
    start: float
    end: float
    value: Value = None
    old: Value = None
    other: int = 0
    elsewhere: bool = False
    carried: bool = False
    doubled: bool = False
    answered: bool = True
    repeated: bool = False


def initial(keys: int = 2) -> State:
    """Nothing is there."""
    return State((None,) * keys)


def steps(state: State, operation: Operation) -> list[State]:
    """The states after the operation; none when it could not have been answered as it was."""
    found: list[State] = []
    for place in _places(operation, len(state.keys)):
        after = _LOOKS[place.kind](state, place) if place.kind in _LOOKS else _changed(state, place)
        if after is True:
            return [state]
        if isinstance(after, State) and after not in found:
            found.append(after)
    if operation.doubled and any(state.folder(operation.other)):
        found.append(state)
    return found


def _places(operation: Operation, keys: int) -> list[Operation]:
    if operation.carried:
        return [replace(operation, key=key) for key in range(keys)]
    if not operation.elsewhere:
        return [operation]
    others = {operation.other}
    if operation.kind in ("rename", "place", "unmovable"):
        others.add(operation.other ^ FOLDER)
    return [
        replace(operation, key=key, other=other)
        for key in (operation.key, operation.key ^ FOLDER)
        for other in sorted(others)
    ]


def _content(state: State, key: int) -> Value:
    held = state.keys[key]
    return held.content if held else None


_LOOKS = {
    "read": lambda state, look: _content(state, look.key) == look.value,
    "present": lambda state, look: state.keys[look.key] is not None,
    "differs": lambda state, look: _content(state, look.key) not in (None, look.value),
    "vacant": lambda state, look: not any(state.folder(look.key)),
    "occupied": lambda state, look: any(state.folder(look.key)),
    "unmovable": lambda state, look: state.keys[look.key] is None or not any(state.folder(look.other)),
}
assert {*_LOOKS, "see", "glimpse"} == set(LOOKS)


def meet(state: State, look: Operation) -> tuple[State, bool]:
    """What who sees or glimpses has met by now, and whether the answer is explained by that.

    Meeting a file changes nothing for others, and to have met more is never worse.
    """
    name, wanted = _reader(look), Content.read(look.value or "")
    known = {met.held.file: met for met in state.met if met.reader == name}
    for place in _places(look, len(state.keys)):
        held = state.keys[place.key]
        if held and Content.read(held.content).body == wanted.body:
            known.setdefault(held.file, Met(name, held))
    if not known:
        return state, False
    known = {file: _after_reading(met, wanted, look.kind) for file, met in known.items()}
    others = tuple(met for met in state.met if met.reader != name)
    if any(met.places == PLACES for met in known.values()):
        return state._replace(met=others), True
    return state._replace(met=tuple(sorted((*others, *known.values())))), False


def _reader(look: Operation) -> str:
    """Of who sees or glimpses; a beginning may be that of several: see `relaxed`."""
    return f"{look.client} {look.end!r}"


def _after_reading(met: Met, wanted: Content, kind: str) -> Met:
    found = Content.read(met.held.content)
    if kind == "see":
        return met._replace(places=PLACES) if found == wanted else met
    agreeing = (place for place in PLACES if found.place(place) == wanted.place(place))
    return met._replace(places=tuple(sorted({*met.places, *agreeing})))


def _changed(state: State, change: Operation) -> State | None:
    if change.kind in ("hold", "patch", "store"):
        return _in_steps(state, change)
    held = state.keys[change.key]
    if change.kind in ("rename", "place", "move"):
        return _renamed(state, change)
    possible = {
        "write": True,
        "create": held is None,
        "delete": True,
        "unlink": held is not None,
        "swap": held is not None and held.content == change.old,
    }[change.kind]
    if not possible:
        return None
    if change.value is None:
        return state.put(change.key, None)
    return state.put(change.key, Held(_file_of(change), change.value))


def _file_of(change: Operation) -> str:
    """A name of its own for the file that a call makes."""
    return f"{change.client} {change.start!r}"


def _renamed(state: State, change: Operation) -> State | None:
    if change.kind == "move":
        if any(state.folder(change.other)):
            return None
        for number, held in enumerate(state.folder(change.key)):
            state = state.put(change.other + number, held).put(change.key + number, None)
        return state
    held = state.keys[change.key]
    if held is None or (change.kind == "place" and state.keys[change.other] is not None):
        return None
    if change.old is not None and held.content != change.old:
        return None
    return state.put(change.key, None).put(change.other, held)


def _in_steps(state: State, change: Operation) -> State | None:
    if change.kind == "hold":
        held = state.keys[change.key]
        if held is None or change.old not in (None, Content.read(held.content).body):
            return None
        return state.hold(change.value or "", held)
    held = state.of(change.old)
    if held is None:
        return None
    if change.kind == "store":
        return state.let_go(change.old).put(change.key, Held(_file_of(change), held.content))
    return state.write(held.file, change.other, change.value or "")
