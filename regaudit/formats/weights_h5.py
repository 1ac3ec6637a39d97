"""Weights without a configuration, in the layout of Keras 3: `model.weights.h5` by itself."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

from regaudit.errors import ForeignDataError, UnknownFormatError
from regaudit.formats.interface import WEIGHTS_ONLY, Artifact, Format
from regaudit.keras_semantics.config_graph import Serialized
from regaudit.keras_semantics.describe import describe_weights
from regaudit.keras_semantics.match_by_name import MARKS
from regaudit.storage.location import Location
from regaudit.tensors.hdf5 import is_hdf5, opened
from regaudit.tensors.hdf5_attributes import root_attributes
from regaudit.tensors.hdf5_tree import read_tree

ROOT_GROUPS = frozenset({"layers", "_layer_checkpoint_dependencies", "vars"})
"""One of them is at the root of every file of this layout."""
_FOREIGN = "an HDF5 file that was not written by Keras"
_OF_KERAS_HUB = "the LoRA weights of a KerasHub backbone, which are no model without it"


class WeightsH5(Format):
    """Every weight is measured; only a configuration says which regularizers a model has."""

    name: ClassVar[str] = "weights-h5"
    suffixes: ClassVar[tuple[str, ...]] = (".h5",)
    one_file: ClassVar[bool] = True
    why_not: ClassVar[str] = WEIGHTS_ONLY

    def sniff(self, file: Location) -> bool:
        attributes = root_attributes(file) if is_hdf5(file) else None
        return attributes is not None and not attributes & MARKS

    @contextmanager
    def read(self, file: Location, architecture: Serialized | None = None) -> Iterator[Artifact]:
        with opened(file) as hdf5:
            tree = read_tree(hdf5, file)
            roots = {key.partition("\\")[0] for key in tree.groups}  # on Windows, one name
            if roots == {"optimizer"}:
                message = "a shard with only the optimizer's state: audit its list, *.weights.json"
                raise UnknownFormatError(message)
            if not roots & ROOT_GROUPS:
                raise ForeignDataError(_OF_KERAS_HUB if roots == {"lora"} else _FOREIGN)
            if architecture:
                self.refuse_by_name()
            yield Artifact.of(describe_weights(tree, architecture))
