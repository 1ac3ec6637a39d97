"""A preset of KerasHub: a folder with a backbone, and with the head of a task where it has one.

Caches keep it as it is: Hugging Face's below `models--NAME/snapshots/`, Kaggle's below a number.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import ClassVar

from msgspec.structs import replace

from regaudit.errors import UnreadableModelError, UnsafeFileError
from regaudit.formats.interface import Artifact, Format, unread
from regaudit.keras_semantics.config_graph import Serialized
from regaudit.keras_semantics.describe import shards_of
from regaudit.keras_semantics.hub_classes import PACKAGES, is_of_hub
from regaudit.keras_semantics.hub_task import HEAD, describe_backbone, describe_task
from regaudit.keras_semantics.safe_json import parse_json
from regaudit.storage.location import Location, read_bounded
from regaudit.storage.siblings import beside, is_inside
from regaudit.tensors.hdf5 import opened
from regaudit.tensors.hdf5_tree import read_tree
from regaudit.tensors.tensor import TensorGroup, merged

CONFIG, METADATA, TASK = "config.json", "metadata.json", "task.json"
WEIGHTS, SHARDS = "model.weights.h5", "model.weights.json"


class HubPreset(Format):
    """Its configuration names a class of KerasHub, whose code lists the layers."""

    name: ClassVar[str] = "keras-hub"
    folder_marks: ClassVar[tuple[str, ...]] = (CONFIG, SHARDS)
    folder_parts: ClassVar[frozenset[str]] = frozenset({WEIGHTS, SHARDS, HEAD, CONFIG, TASK})
    why_not: ClassVar[str] = (
        "a KerasHub preset does not list its layers: KerasHub's code makes them, without "
        "regularizers, and has no place in the folder where one could be written; set them in the "
        "program that builds the model"
    )

    def sniff(self, file: Location) -> bool:
        """Whether it has weights, and its metadata, else its configuration, names KerasHub."""
        if not file.is_dir() or not (file / CONFIG).is_file():
            return False
        if not is_inside(file, WEIGHTS) and not is_inside(file, SHARDS):
            return False
        about = _glance(file, METADATA)
        if about:  # also that of an unzipped archive, whose configuration may be long
            return any(isinstance(about.get(f"{package}_version"), str) for package in PACKAGES)
        return is_of_hub(str(_glance(file, CONFIG).get("registered_name")))

    @contextmanager
    def read(self, file: Location, architecture: Serialized | None = None) -> Iterator[Artifact]:
        config = _json(file, CONFIG)
        metadata = _json(file, METADATA) if is_inside(file, METADATA) else {}
        with ExitStack() as stack:
            names = [WEIGHTS]
            if not is_inside(file, WEIGHTS):
                names = shards_of(_json(file, SHARDS))
            stored = merged(_tree(file, name, stack) for name in names)
            if is_inside(file, TASK):
                head = _tree(file, HEAD, stack) if is_inside(file, HEAD) else None
                task = _json(file, TASK)
                found = describe_task(task, config, metadata, stored, head)
                names.append(HEAD)
            else:
                found = describe_backbone(config, metadata, stored)
            artifact = Artifact.of(found)
            yield replace(artifact, skipped=(*unread(file, names), *artifact.skipped))


def _tree(folder: Location, name: str, stack: ExitStack) -> TensorGroup:
    """Return what is in a file of weights, which stays open as long as `stack`.

    Raises:
        UnreadableModelError: it is not there, or damaged: which of the files is, is said.
        UnsafeFileError: it is not what it seems.
    """
    weights = beside(folder, name)
    try:
        return read_tree(stack.enter_context(opened(weights)), weights)
    except UnreadableModelError as error:
        raise UnreadableModelError(f"{name}: {error}") from error


def _json(folder: Location, name: str) -> Serialized:
    return parse_json(read_bounded(beside(folder, name), "json_bytes"), name)


def _glance(folder: Location, name: str) -> Serialized:
    """Return a JSON file for a first look at it; empty where it cannot be read."""
    if not is_inside(folder, name):
        return {}
    try:
        return _json(folder, name)
    except (UnreadableModelError, UnsafeFileError, OSError):
        return {}
