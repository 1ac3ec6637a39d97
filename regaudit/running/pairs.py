"""Files of weights alone and the configurations beside them, which together are one model."""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from regaudit.errors import RegauditError
from regaudit.formats.interface import Format, recognize
from regaudit.storage.location import is_url

_ENDINGS = (
    *(".index", ".weights.h5", ".weights.json", ".weights", ".h5", ".hdf5", ".h5f", ".ckpt"),
    *(".json", ".yaml", ".yml"),
)
"""What a stem goes without, in this order."""


class Pairs(NamedTuple):
    """What the files of a run have to do with each other."""

    configurations: Mapping[str, str]
    """By file of weights alone, the file of its configuration."""
    doubtful: tuple[str, ...] = ()
    """Configurations of one stem: which of them is meant, nobody says."""


def pairs_among(files: Iterable[str]) -> Pairs:
    """Return the pairs of one stem, in one folder, of weights alone and a configuration.

    Args:
        files: paths of models; what URLs lead to is not looked into.
    """
    alike: dict[tuple[str, str], list[str]] = {}
    for file in dict.fromkeys(files):
        if not is_url(file):
            folder, name = os.path.split(file)
            alike.setdefault((folder, _stem(name)), []).append(file)
    found: dict[str, str] = {}
    doubtful: list[str] = []
    for group in alike.values():
        if len(group) < 2:
            continue
        kinds = {file: _kind(file) for file in group}
        configurations = [file for file, kind in kinds.items() if kind and kind.is_configuration]
        weights = [
            file for file, kind in kinds.items() if kind and _takes_configuration(kind, file)
        ]
        if weights and len(configurations) > 1:
            doubtful += configurations
        elif configurations:
            found |= dict.fromkeys(weights, configurations[0])
    return Pairs(found, tuple(doubtful))


def _stem(name: str) -> str:
    for ending in _ENDINGS:
        name = name.removesuffix(ending)
    return name


def _kind(file: str) -> Format | None:
    """Return the format of a file; what cannot be read is no part of a pair: its audit says why."""
    try:
        return recognize(Path(file))
    except (RegauditError, OSError):
        return None


def _takes_configuration(kind: Format, file: str) -> bool:
    try:
        return kind.takes_configuration(Path(file))
    except (RegauditError, OSError):
        return False
