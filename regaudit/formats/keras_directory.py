"""The unzipped form of a `.keras` archive: a directory with its members as files (Keras 3.4 on)."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from regaudit.beside import beside
from regaudit.format import Artifact, Format
from regaudit.hdf5 import opened, read_tree
from regaudit.keras_config import describe, parse_json
from regaudit.keras_graph import Serialized
from regaudit.limits import hold

WEIGHTS = "model.weights.h5"


class KerasDirectory(Format):
    """The same three members as an archive has."""

    name: ClassVar[str] = "keras-directory"

    def sniff(self, file: Path) -> bool:
        return file.is_dir() and (file / "config.json").is_file()

    @contextmanager
    def read(self, file: Path, architecture: Serialized | None = None) -> Iterator[Artifact]:
        config = _json(beside(file, "config.json"))
        metadata: Serialized = {}
        if os.path.lexists(file / "metadata.json"):
            metadata = _json(beside(file, "metadata.json"))
        weights = beside(file, WEIGHTS)
        with opened(weights) as hdf5:
            yield Artifact.of(describe(config, metadata, read_tree(hdf5, weights)))


def _json(file: Path) -> Serialized:
    hold("json_bytes", file.stat().st_size, f"{file.name} is larger than", "bytes")
    return parse_json(file.read_bytes(), file.name)
