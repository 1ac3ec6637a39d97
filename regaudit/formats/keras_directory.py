"""The unzipped form of a `.keras` archive: a directory with its members as files (Keras 3.4 on)."""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from regaudit.formats.interface import Artifact, Format
from regaudit.keras_semantics.config_graph import Serialized
from regaudit.keras_semantics.describe import describe
from regaudit.keras_semantics.safe_json import parse_json
from regaudit.storage.atomic_write import replacing, replacing_folder
from regaudit.storage.location import Location, read_bounded
from regaudit.storage.search import everything_below
from regaudit.storage.siblings import beside, hub_blob, is_inside
from regaudit.tensors.hdf5 import opened
from regaudit.tensors.hdf5_tree import read_tree

WEIGHTS = "model.weights.h5"


class KerasDirectory(Format):
    """The same three members as an archive has."""

    name: ClassVar[str] = "keras-directory"
    folder_marks: ClassVar[tuple[str, ...]] = ("config.json", WEIGHTS)

    def sniff(self, file: Location) -> bool:
        if not file.is_dir() or not (file / "config.json").is_file():
            return False
        return is_inside(file, WEIGHTS)  # anything may be called config.json

    @contextmanager
    def read(self, file: Location, architecture: Serialized | None = None) -> Iterator[Artifact]:
        config = self.edited.get("config.json") or _json(beside(file, "config.json"))
        metadata: Serialized = {}
        if is_inside(file, "metadata.json"):
            metadata = _json(beside(file, "metadata.json"))
        weights = beside(file, WEIGHTS)
        with opened(weights) as hdf5:
            description = describe(config, metadata, read_tree(hdf5, weights))
            yield Artifact.of(description, {"config.json": config})

    def write(
        self,
        file: Path,
        documents: Mapping[str, Serialized],
        out: Path,
        seal: Callable[[Path], None] | None = None,
    ) -> None:
        text = json.dumps(documents["config.json"]).encode()
        if out == file:
            with replacing(self.part(file), seal=seal) as config:
                config.write(text)
            return
        with replacing_folder(out) as copy:
            for part in sorted(path for path, _ in everything_below(file)):
                there = copy / part.relative_to(file)
                if part.is_dir() and not part.is_symlink():
                    there.mkdir()
                elif part != self.part(file):
                    blob = hub_blob(part) if part.is_symlink() else None
                    shutil.copy2(blob or part, there, follow_symlinks=False)
            self.part(copy).write_bytes(text)
            shutil.copymode(self.part(file), self.part(copy))

    def part(self, file: Path) -> Path:
        return file / "config.json"


def _json(file: Location) -> Serialized:
    return parse_json(read_bounded(file, "json_bytes"), file.name)
