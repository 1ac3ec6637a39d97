"""Which optimizer trains which weight, where several do."""

import re
from collections.abc import Sequence
from fnmatch import fnmatchcase

from msgspec.structs import replace

from regaudit.evidence.optimizer_state import Training
from regaudit.model import Part

_SPECIAL = re.compile(r"[\\^$*+?{}\[\]|()]")
"""What has a meaning in a regular expression, but for the dot."""


class Trainers:
    """The optimizers of a model, asked for by the paths of weights."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self._exact = {one: part for part in parts for one in part.patterns}
        patterned = [(one, part) for part in parts if not part.names for one in part.patterns]
        self._globs = [(as_glob(pattern), part) for pattern, part in patterned]
        self._rest = next((part for part in parts if not part.patterns), None)

    def of(self, path: str) -> Part | None:
        """Return the optimizer that trains a weight; None where that cannot be told.

        Keras asks for the path of the variable; a load may leave out the models around it.
        """
        names = path.split("/")
        paths = [path, *("/".join(names[at:]) for at in range(1, len(names) - 1))]
        first, *others = [self._one(one) for one in paths]
        if first is None or first is self._rest:
            listed = {id(other): other for other in others if other and other.names}
            return next(iter(listed.values())) if len(listed) == 1 else _same(first, others)
        return _same(first, others) if not first.names else first

    def _one(self, path: str) -> Part | None:
        """Return the optimizer for one path; a pattern that is the path goes before others."""
        if path in self._exact:
            return self._exact[path]
        if any(glob is None for glob, _ in self._globs):
            return None
        found = {id(part): part for glob, part in self._globs if glob and fnmatchcase(path, glob)}
        if not found:
            return self._rest
        return next(iter(found.values())) if len(found) == 1 else None


def _same(first: Part | None, others: Sequence[Part | None]) -> Part | None:
    return first if all(other is first for other in others) else None


def without_excluded(training: Training, path: str) -> Training:
    """Return what decay an optimizer has on one weight, by the exclusions that it keeps."""
    globs = [
        None if one[:1] == "^" or one[-1:] == "$" else as_glob(one) for one in training.excluded
    ]
    if any(glob is not None and fnmatchcase(path, f"*{glob}*") for glob in globs):
        return replace(training, weight_decay=0.0)
    return replace(training, weight_decay=0.0, decay_known=False) if None in globs else training


def as_glob(pattern: str) -> str | None:
    """Return a regular expression as a pattern of file names; None for all but simple ones.

    A file may contain any expression, and some take for ever to match.
    """
    pieces = pattern.removeprefix("^").removesuffix("$").replace(".+", "..*").split(".*")
    if any(map(_SPECIAL.search, pieces)):
        return None
    return "*".join(piece.replace(".", "?") for piece in pieces)
