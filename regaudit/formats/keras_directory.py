"""The unzipped form of a `.keras` archive: a directory with its members as files (Keras 3.4 on)."""

import json
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import ClassVar

from msgspec.structs import replace

from regaudit.errors import UnreadableModelError, UnsafeFileError
from regaudit.formats.interface import Artifact, Format, unread
from regaudit.keras_semantics.config_graph import Serialized
from regaudit.keras_semantics.describe import describe, shards_of
from regaudit.keras_semantics.safe_json import parse_json
from regaudit.storage.atomic_write import replacing, replacing_folder
from regaudit.storage.location import Location, read_bounded
from regaudit.storage.search import everything_below
from regaudit.storage.siblings import beside, hub_blob, is_inside
from regaudit.tensors.hdf5 import opened
from regaudit.tensors.hdf5_tree import read_tree
from regaudit.tensors.tensor import merged

CONFIG, METADATA = "config.json", "metadata.json"
WEIGHTS, SHARDS = "model.weights.h5", "model.weights.json"
TASK, HEAD = "task.json", "task.weights.h5"
"""What KerasHub stores of a task besides its backbone."""


class KerasDirectory(Format):
    """The same three members as an archive has; KerasHub lays presets out like this, too."""

    name: ClassVar[str] = "keras-directory"
    folder_marks: ClassVar[tuple[str, ...]] = (CONFIG, WEIGHTS)
    folder_parts: ClassVar[frozenset[str]] = frozenset(
        {CONFIG, METADATA, TASK, WEIGHTS, SHARDS, HEAD}
    )

    def sniff(self, file: Location) -> bool:
        """Whether two of the three members are Keras's: anything may be called config.json."""
        if not file.is_dir() or not (file / CONFIG).is_file():
            return False
        has_weights = is_inside(file, WEIGHTS) or is_inside(file, SHARDS)
        has_metadata = is_inside(file, METADATA) and _has_text(file, METADATA, "keras_version")
        if has_weights != has_metadata:
            return _has_text(file, CONFIG, "class_name")
        return has_weights

    @contextmanager
    def read(self, file: Location, architecture: Serialized | None = None) -> Iterator[Artifact]:
        config = self.edited.get(CONFIG) or _json(beside(file, CONFIG))
        metadata: Serialized = {}
        if is_inside(file, METADATA):
            metadata = _json(beside(file, METADATA))
        with ExitStack() as stack:
            names = _weights(file)
            trees = []
            for name in names:
                weights = beside(file, name)
                trees.append(read_tree(stack.enter_context(opened(weights)), weights))
            artifact = Artifact.of(describe(config, metadata, merged(trees)), {CONFIG: config})
            yield replace(artifact, skipped=(*unread(file, names), *artifact.skipped))

    def write(
        self,
        file: Path,
        documents: Mapping[str, Serialized],
        out: Path,
        seal: Callable[[Path], None] | None = None,
    ) -> None:
        text = json.dumps(documents[CONFIG]).encode()
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
        return file / CONFIG


def _weights(folder: Location) -> list[str]:
    """Return the files that hold the weights: one, or several shards."""
    if is_inside(folder, WEIGHTS) or not is_inside(folder, SHARDS):
        return [WEIGHTS]
    return shards_of(_json(beside(folder, SHARDS)))


def _has_text(folder: Location, name: str, key: str) -> bool:
    """Whether a JSON file has a text under a key; who may not look says so when it is read."""
    try:
        raw = read_bounded(beside(folder, name), "json_bytes")
    except (UnreadableModelError, PermissionError):
        return True
    try:
        return isinstance(parse_json(raw, name).get(key), str)
    except UnsafeFileError:
        return True
    except UnreadableModelError:
        return False


def _json(file: Location) -> Serialized:
    return parse_json(read_bounded(file, "json_bytes"), file.name)
