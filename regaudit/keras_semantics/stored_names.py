"""The names of stored weights, and which place in the model each of them fills.

A name ends in the role. Before it stand names of layers, and every version leaves out others:
Keras 2 those of outer models and of wrapped layers, Keras 3.0 to 3.2 all. So the longest common
ending decides, and stored order only where names cannot.
"""

import re
from collections import deque
from collections.abc import Iterator

from msgspec import Struct

from regaudit.keras_semantics import keras1

_NUMBER = re.compile(r"_\d+$")


class StoredName(Struct, frozen=True):
    """The name of one stored weight, taken apart."""

    name: str
    owner: tuple[str, ...]
    """Names of layers before the role."""
    role: str
    gate: str = ""
    """Keras 1 kept the gates of a recurrent layer apart."""

    @classmethod
    def of(cls, name: str, *, keras_1_names: bool = False) -> "StoredName":
        """Take a stored name apart: `lstm/lstm_cell/kernel:0`."""
        *owner, role = re.sub(r":\d+$", "", name).split("/")
        old = keras1.parse_name(role) if keras_1_names else None
        if old is not None:
            last, role, gate = old
            return cls(name, (*owner, last), role, gate)
        return cls(name, tuple(owner), role)

    def below(self, group: str, layer: str) -> "StoredName":
        """Return the name as it is for a layer that its group is not named for."""
        ours, theirs = tuple(layer.split("/")), tuple(group.split("/"))
        for at in range(len(self.owner) - len(theirs) + 1):
            end = at + len(theirs)
            if self.owner[at:end] == theirs:
                owner = (*self.owner[:at], *ours, *self.owner[end:])
                return StoredName(self.name, owner, self.role, self.gate)
        return self

    def is_of(self, place: "Wanted") -> bool:
        """Whether it names the very layer of a place."""
        last = self.owner[-1:]
        return bool(last) and any(chain[-1:] == last for chain in place.chains)

    def forms(self, *, without_numbers: bool) -> Iterator[tuple[str, tuple[str, ...]]]:
        """Yield role and owner as they are, then perhaps without the numbers TensorFlow adds."""
        yield self.role, self.owner
        if not self.owner:
            return
        plain = (*self.owner[:-1], _NUMBER.sub("", self.owner[-1]))
        if without_numbers or plain[-1].endswith("_cell"):
            yield self.role, plain
        if without_numbers:
            role = _NUMBER.sub("", self.role)
            yield role, self.owner
            yield role, plain


class Wanted(Struct, frozen=True):
    """A place in the model that a stored weight may fill."""

    role: str
    chains: tuple[tuple[str, ...], ...]
    """Names of layers that may stand before the role, from the outermost."""
    by_role: bool = True
    """Whether the role alone may decide."""


_Places = dict[tuple[str, tuple[str, ...]], deque[Wanted]]


def match(stored: list[StoredName], wanted: list[Wanted]) -> dict[int, int]:
    """Pair stored names with places, each place once; gates share one.

    Returns:
        Index of the stored name -> index of the place it fills.
    """
    matching = _Matching(stored, wanted)
    longest = max((len(name.owner) for name in stored), default=0)
    for without_numbers in (False, True):
        for length in range(longest, 0, -1):
            matching.pair(length, without_numbers=without_numbers)
    matching.wanted = [place for place in wanted if place.by_role]
    matching.pair(0, without_numbers=True)
    index_of = {id(place): index for index, place in enumerate(wanted)}
    return {index: index_of[id(place)] for index, place in matching.found.items()}


class _Matching(Struct):
    """Pairs found so far."""

    stored: list[StoredName]
    wanted: list[Wanted]
    found: dict[int, Wanted] = {}
    taken: set[int] = set()

    def pair(self, length: int, *, without_numbers: bool) -> None:
        """Pair what is still free and agrees in role and the last `length` names before it."""
        places = self._free_places(length)
        if not places:
            return
        gates: set[int] = set()
        for index, name in enumerate(self.stored):
            if index in self.found:
                continue
            place = self._place_for(name, places, length, without_numbers=without_numbers)
            if place is not None:
                self.found[index] = place
                (gates if name.gate else self.taken).add(id(place))
        self.taken |= gates

    def _free_places(self, length: int) -> _Places:
        places: _Places = {}
        for place in self.wanted:
            if id(place) in self.taken:
                continue
            chains = (chain for chain in place.chains if len(chain) >= length)
            for ending in {chain[len(chain) - length :] for chain in chains}:
                places.setdefault((place.role, ending), deque()).append(place)
        return places

    def _place_for(
        self, name: StoredName, places: _Places, length: int, *, without_numbers: bool
    ) -> Wanted | None:
        for role, owner in name.forms(without_numbers=without_numbers):
            free = (
                places.get((role, owner[len(owner) - length :])) if len(owner) >= length else None
            )
            while free and id(free[0]) in self.taken:
                free.popleft()
            if free:
                return free[0]
        return None


def relative_path(group: str, owner: tuple[str, ...]) -> str:
    """Return the path of a layer that only its group and the names in it know."""
    inside = tuple(group.split("/")) if group else ()
    for names in (owner, tuple(_NUMBER.sub("", part) for part in owner)):
        for start in range(len(owner) - len(inside) + 1 if inside else 0):
            if names[start : start + len(inside)] == inside:
                return "/".join((*inside, *owner[start + len(inside) :]))
    return "/".join((*inside, *owner))
