"""Weights without a configuration, in the layout of Keras 3: `model.weights.h5` by itself.

Also the LoRA weights of a KerasHub backbone: `X.lora.h5`.
"""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import ClassVar

from regaudit.errors import ForeignDataError, UnknownFormatError
from regaudit.formats.interface import WEIGHTS_ONLY, Artifact, Format
from regaudit.keras_semantics.config_graph import Serialized
from regaudit.keras_semantics.describe import describe_weights
from regaudit.keras_semantics.hub_adapter import ROOT as LORA
from regaudit.keras_semantics.hub_adapter import describe_adapter
from regaudit.keras_semantics.match_by_name import MARKS
from regaudit.storage.location import Location
from regaudit.tensors.hdf5 import is_hdf5, opened
from regaudit.tensors.hdf5_attributes import root_attributes
from regaudit.tensors.hdf5_tree import names_at_root, read_tree
from regaudit.tensors.tensor import TensorGroup

ROOT_GROUPS = frozenset({"layers", "_layer_checkpoint_dependencies", "vars"})
"""One of them is at the root of every file of this layout."""
_FOREIGN = "an HDF5 file that was not written by Keras"


class WeightsH5(Format):
    """Every weight is measured; only a configuration says which regularizers a model has."""

    name: ClassVar[str] = "weights-h5"
    suffixes: ClassVar[tuple[str, ...]] = (".h5",)
    one_file: ClassVar[bool] = True
    why_not: ClassVar[str] = WEIGHTS_ONLY

    def sniff(self, file: Location) -> bool:
        attributes = root_attributes(file) if is_hdf5(file) else None
        return attributes is not None and not attributes & MARKS

    def takes_configuration(self, file: Location) -> bool:
        return True

    @contextmanager
    def read(self, file: Location, architecture: Serialized | None = None) -> Iterator[Artifact]:
        with opened(file) as hdf5:
            roots = frozenset(_first(name) for name in names_at_root(hdf5))
            if roots == {"optimizer"}:
                message = "a shard with only the optimizer's state: audit its list, *.weights.json"
                raise UnknownFormatError(message)
            if not roots & {*ROOT_GROUPS, LORA}:  # before others' data is held to what models are
                raise ForeignDataError(_FOREIGN)
            tree = read_tree(hdf5, file)
            if roots == {LORA}:
                adapter = describe_adapter(tree)
                if adapter is None:
                    raise ForeignDataError(_FOREIGN)
                yield Artifact.of(adapter)
                return
            if not _has_variables(tree):
                raise ForeignDataError(_FOREIGN)
            if architecture:
                self.refuse_by_name()
            yield Artifact.of(describe_weights(tree, architecture))


def _first(path: str) -> str:
    """Return the first part of a path; Keras on Windows writes a whole path as one name."""
    return path.partition("\\")[0]


def _has_variables(tree: TensorGroup) -> bool:
    """Whether the values lie where Keras puts those of a layer, unless there are none."""
    holding = [path for path, group in tree.walk() if group.tensors or group.unreadable]
    return not holding or any(re.search(r"(^|[/\\])vars$", path) for path in holding)
