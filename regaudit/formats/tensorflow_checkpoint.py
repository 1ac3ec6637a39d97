"""TensorFlow's checkpoints: `save_weights` of Keras 2, `tf.train.Checkpoint`, `Saver`.

A checkpoint is an index and shards of one prefix. It is named by its index; its prefix, or a
shard, means the same.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from regaudit.errors import ForeignDataError, UnreadableModelError, shown
from regaudit.formats.interface import WEIGHTS_ONLY, Artifact, Format
from regaudit.keras_semantics.config_graph import Serialized
from regaudit.storage.checkpoint_files import INDEX, NO_INDEX, STATE, index_name, read_state
from regaudit.storage.location import Location
from regaudit.tensors.leveldb_table import has_footer
from regaudit.tensors.tensorflow_checkpoint import read_checkpoint

_STATE = re.compile(rb'\s*model_checkpoint_path: "')


class TensorFlowCheckpoint(Format):
    """Every weight is measured; only a configuration says which regularizers a model has."""

    name: ClassVar[str] = "checkpoint"
    suffixes: ClassVar[tuple[str, ...]] = (INDEX,)
    why_not: ClassVar[str] = WEIGHTS_ONLY

    def sniff(self, file: Location) -> bool:
        if not file.is_file():
            return False
        if has_footer(file) or index_name(file.name):
            return True
        with file.open("rb") as stream:
            head = stream.read(64)
        if file.name == STATE and _STATE.match(head):
            return True
        return file.name.endswith(INDEX) and not head.startswith((b"\x89HDF", b"version "))

    def listed_in(self, name: str) -> str | None:
        return index_name(name)

    def takes_configuration(self, file: Location) -> bool:
        return True

    @contextmanager
    def read(self, file: Location, architecture: Serialized | None = None) -> Iterator[Artifact]:
        if not file.name.endswith(INDEX):
            raise UnreadableModelError(_no_index(file))
        if not has_footer(file):
            raise _no_table(file)
        if architecture:
            self.refuse_by_name()
        from regaudit.keras_semantics.describe_checkpoint import (  # noqa: PLC0415 - others need none
            describe_checkpoint,
        )

        prefix = file.with_name(file.name.removesuffix(INDEX))
        checkpoint = read_checkpoint(prefix)
        if isinstance(prefix, Path):  # of a store each tensor would be a request
            checkpoint.refuse_other_values()
        yield Artifact.of(describe_checkpoint(checkpoint, architecture))


def _no_index(file: Location) -> str:
    """Say why a file that is not an index cannot be read."""
    if own := index_name(file.name):
        return NO_INDEX.format(shown(own))
    names = read_state(file) if isinstance(file, Path) else []
    if names:
        return (
            f"a list of TensorFlow checkpoints, and none of them lies beside it: the latest is "
            f"{shown(names[-1])}"
        )
    return (
        f"like the index of a TensorFlow checkpoint by its content: call it NAME{INDEX}; or load "
        "it and save it again, if TensorFlow before 0.12 wrote it"
    )


def _no_table(file: Location) -> UnreadableModelError:
    prefix = file.name.removesuffix(INDEX)
    if file.with_name(f"{prefix}.data-00000-of-00001").is_file():
        return UnreadableModelError("the checkpoint's index is damaged or cut short (no footer)")
    return ForeignDataError("not the index of a TensorFlow checkpoint, though it is called so")
